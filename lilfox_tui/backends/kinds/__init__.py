"""The backend kinds, one file each; ``backends/model.py`` is their contract. No kind knows another."""
