"""Parses runbooks: Markdown, front matter, fences and their attributes."""
