"""Logs: sources, formats, the filter language, and what is counted over them."""
