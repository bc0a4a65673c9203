"""Stores of backups, one file a kind; ``backup/store.py`` is their contract. No kind knows another."""

from lilfox_tui.backup.options import STORES as OPTIONS

__all__ = ["OPTIONS"]
