"""What a screen tells of a target and of the store that its series are in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.feed import State, Unavailable

if TYPE_CHECKING:
    from lilfox_tui.scrape.scraper import Scrape, Scraper


class TargetView(Struct, frozen=True):
    """One target: its address, its period, how the last scrape went, and its live series. ``host`` asks it, empty for
    this machine. ``optional``: it need not have a page of metrics, for it is a service."""

    url: str
    every_s: float
    state: State[Scrape]
    series: int
    job: str = ""
    instance: str = ""
    host: str = ""
    optional: bool = False

    @property
    def down(self) -> bool:
        """Whether its page should be there and is not."""
        return isinstance(self.state, Unavailable) and not self.optional


def view_of(scraper: Scraper, series: int, *, optional: bool = False) -> TargetView:
    """The target of a scraper."""
    target = scraper.target
    labels = target.label("job"), target.label("instance")
    return TargetView(target.url, target.interval_s, scraper.feed.state, series, *labels, target.host or "", optional)


class Kept(Struct, frozen=True):
    """What all targets together take: live series, and memory of what was kept ``since`` (aware UTC). ``problems`` are
    what stands in the way of other targets that the config names, as sentences."""

    series: int
    size_bytes: int
    limit_bytes: int
    bytes_a_sample: float | None = None
    since: datetime | None = None
    problems: tuple[str, ...] = ()
