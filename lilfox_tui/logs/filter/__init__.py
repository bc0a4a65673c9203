"""The filter language: one for the pane, the command line, and the sources that can search by themselves."""
