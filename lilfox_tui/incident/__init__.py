"""Incidents: what happened, written down by itself while one is open, each line chained to the one before."""
