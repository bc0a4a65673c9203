"""Watchers: one file for each kind of thing that is watched."""
