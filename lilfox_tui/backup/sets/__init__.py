"""Sets of backups: what they are, what lies in a store, and which ones are kept."""
