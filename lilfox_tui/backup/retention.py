"""Which sets stay and which go, each with the reason. Pure: nothing is removed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from lilfox_tui.backup.model import BackupSet
from lilfox_tui.config.model import KeepConfig
from lilfox_tui.i18n import Message


class Verdict(Struct, frozen=True):
    """What retention says of a set, with the reason as a sentence."""

    set: BackupSet
    goes: bool
    why: Message


def judge(sets: Sequence[BackupSet], keep: KeepConfig | None, *, now: datetime, zone: tzinfo) -> list[Verdict]:
    """A verdict for each of ``sets`` (of one plan), newest first. Days, weeks and months are those of ``zone``.

    Raises UsageError for a policy that asks for nothing.
    """
    raise NotImplementedError(sets, keep, now, zone)
