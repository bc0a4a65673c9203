"""Backup sets: their model, what a store contains, and retention."""
