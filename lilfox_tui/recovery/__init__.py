"""Units that are restarted by themselves, within limits, and windows in which nothing is."""
