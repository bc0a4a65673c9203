"""Sources of logs, one file a kind; ``logs/source.py`` is their contract. No kind knows another."""
