"""Backends, one file a kind; ``backends/model.py`` is their contract. No kind knows another."""
