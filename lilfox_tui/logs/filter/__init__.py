"""The filter language: the same for the pane, the command line, and the sources with native search."""
