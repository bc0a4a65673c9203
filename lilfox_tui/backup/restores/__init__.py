"""Restores of sets: made, drilled, journaled, settled after a crash; and what they retain."""
