"""Folders and files: archived with GNU tar, restored beside what is there and swapped."""
