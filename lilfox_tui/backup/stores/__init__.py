"""Backup stores, one file for each kind; ``backup/store.py`` is their contract. Kinds do not depend on each other."""

from lilfox_tui.backup.options import STORES as OPTIONS

__all__ = ["OPTIONS"]
