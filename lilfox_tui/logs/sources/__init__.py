"""Log sources, one file per kind; ``logs/source.py`` is their contract. No kind depends on another."""
