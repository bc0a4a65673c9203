"""Instants as series have them, milliseconds since 1970 (UTC), and as everybody else has them."""

from __future__ import annotations

from datetime import datetime

from lilfox_tui.told import time_at


def ms_of(at: datetime) -> int:
    """An aware time in milliseconds."""
    return round(at.timestamp() * 1000)


def time_of(at_ms: int) -> datetime:
    """The time (aware UTC) of milliseconds."""
    return time_at(at_ms / 1000)
