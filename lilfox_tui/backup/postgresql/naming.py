"""Names of databases that a restore makes: beside the one it restores, and never longer than the server keeps."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256

from lilfox_tui.backup.names import stamp_of

LONGEST_BYTES = 63
"""Of a name (NAMEDATALEN - 1); the server cuts longer ones in silence."""
DRILL = "lilfox_drill_"
_HASH_DIGITS = 8
_STAMP_LENGTH = len("20231230_020000")


def restored_name(name: str, stamp: str) -> str:
    """``lilfox_restore_20231230_020000``: restored, and not yet in place."""
    return _fitted(name, f"_restore_{stamp}")


def before_name(name: str, stamp: str) -> str:
    """``lilfox_before_20231230_020000``: what a restore found there."""
    return _fitted(name, f"_before_{stamp}")


def drill_name(name: str, stamp: str) -> str:
    """``lilfox_drill_lilfox_20231230_020000``: restored to be compared, and taken away."""
    return _fitted(DRILL + name, f"_{stamp}")


def is_staged(name: str, target: str) -> bool:
    """Whether a restore or a drill of ``target`` gives the name ``name`` to what it stages."""
    stamp = name[-_STAMP_LENGTH:]
    return name in (restored_name(target, stamp), drill_name(target, stamp))


def free_stamp(at: datetime, zone: tzinfo, names: list[str], taken: Container[str]) -> str:
    """The local time ``at`` as a stamp with which none of the names that a restore of ``names`` makes is ``taken``; a
    later second's where one is."""
    while True:
        stamp = stamp_of(at, zone)
        made = [make(name, stamp) for name in names for make in (restored_name, before_name, drill_name)]
        if not any(name in taken for name in made):
            return stamp
        at += timedelta(seconds=1)


def _fitted(name: str, end: str) -> str:
    """``name`` + ``end``; where that is too long ``name`` is shortened, and a hash of it keeps it apart from others."""
    if len((name + end).encode()) <= LONGEST_BYTES:
        return name + end
    end = f"_{sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}{end}"
    return name.encode()[: LONGEST_BYTES - len(end)].decode(errors="ignore") + end
