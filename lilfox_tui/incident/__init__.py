"""Incidents: an automatic record of what happens while one is open; each line is chained to the one before."""
