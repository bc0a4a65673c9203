"""What a screen tells of a target and of the store that its series are in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.feed import State

if TYPE_CHECKING:
    from lilfox_tui.scrape.scraper import Scrape


class TargetView(Struct, frozen=True):
    """One target: its address, its period, how the last scrape went, and its live series."""

    url: str
    every_s: float
    state: State[Scrape]
    series: int


class Kept(Struct, frozen=True):
    """What all targets together take: live series, and memory of what was kept ``since`` (aware UTC). ``problems`` are
    what stands in the way of other targets that the config names, as sentences."""

    series: int
    size_bytes: int
    limit_bytes: int
    bytes_a_sample: float | None = None
    since: datetime | None = None
    problems: tuple[str, ...] = ()
