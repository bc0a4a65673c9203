"""What every package builds on: errors, files, feeds, languages, paths, plug-ins, text."""
