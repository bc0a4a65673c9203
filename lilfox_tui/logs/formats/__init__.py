"""Formats of log lines, one file a kind; ``logs/format.py`` is their contract. No kind knows another."""
