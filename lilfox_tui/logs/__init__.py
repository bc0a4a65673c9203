"""Logs: sources, formats, the filter language, and statistics."""
