"""Sources of backups, one file a kind; ``backup/source.py`` is their contract. No kind knows another."""

from lilfox_tui.backup.options import SOURCES as OPTIONS

__all__ = ["OPTIONS"]
