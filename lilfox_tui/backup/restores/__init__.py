"""Restores of sets: restore, drill, journal, settlement after a crash, and retained data."""
