"""The set that somebody means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from lilfox_tui.backup.model import BackupSet


def choose(words: str, sets: Sequence[BackupSet], *, now: datetime, zone: tzinfo, plan: str = "") -> BackupSet:
    """The set of ``sets`` that ``words`` mean: its id in any case, ``20231230_020000``, ``latest``, ``yesterday
    02:00``, ``2023-12-30T02:00``. With ``plan`` only its sets count.

    Raises UsageError where none or several are meant, with the nearest before and after.
    """
    raise NotImplementedError(words, sets, now, zone, plan)
