"""The base of every package: errors, files, feeds, languages, paths, plug-ins, text."""
