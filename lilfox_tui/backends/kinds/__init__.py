"""Backends, one file a kind; ``backends/backend.py`` is their contract. No kind knows another."""
