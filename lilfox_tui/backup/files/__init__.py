"""Folders and files: archived with GNU tar, restored next to the current ones and swapped in."""
