"""Backup sources, one file for each kind; ``backup/source.py`` is their contract. Kinds do not depend on each other."""

from lilfox_tui.backup.options import SOURCES as OPTIONS

__all__ = ["OPTIONS"]
