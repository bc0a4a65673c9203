"""What was said lately that was not said before: templates of the last minutes against the time before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.page_of import page_of
from lilfox_tui.logs.patterns import Change, Patterns
from lilfox_tui.logs.source import AtTime, End, LogSource, Start

RECENT_US = 10 * 60_000_000
BEFORE_US = 60 * 60_000_000
AT_MOST = 300_000
"""Records that are read of one source, the oldest of that time first."""
_PAGE = 2000


class Recent(Struct, frozen=True):
    """What came in the RECENT_US up to ``until_us`` (microseconds since 1970, UTC), new ones first. ``cut`` names the
    sources of which not everything was read, there being too much; ``failed`` tells which could not be read."""

    changes: tuple[Change, ...]
    until_us: int | None
    cut: tuple[str, ...] = ()
    failed: Mapping[str, LilFoxError] = {}


async def recent_patterns(sources: Sequence[LogSource], where: Filter, *, until_us: int | None) -> Recent:
    """Counts what matches in the ten minutes up to ``until_us`` (the newest record when None), and in the hour
    before."""
    failed: dict[str, LilFoxError] = {}
    until_us = await _newest(sources, failed) if until_us is None else until_us
    if until_us is None:
        return Recent((), None, failed=failed)
    patterns, cut = Patterns(), []
    for source in sources:
        try:
            if not await _add(patterns, source, where, until_us):
                cut.append(source.name)
        except LilFoxError as error:
            failed[source.name] = error
    return Recent(tuple(patterns.new_since(until_us - RECENT_US, BEFORE_US)), until_us, tuple(cut), failed)


async def _newest(sources: Sequence[LogSource], failed: dict[str, LilFoxError]) -> int | None:
    times = []
    for source in sources:
        try:
            page = await source.page(End(), older=True, limit=1, where=EVERYTHING)
        except LilFoxError as error:
            failed[source.name] = error
            continue
        times += [each.entry.time_us for each in page.records if each.entry.time_us is not None]
    return max(times, default=None)


async def _add(patterns: Patterns, source: LogSource, where: Filter, until_us: int) -> bool:
    """Whether everything of that time was counted."""
    start: Start | None = AtTime(until_us - RECENT_US - BEFORE_US)
    count = 0
    while start is not None:
        page = await page_of(source, start, older=False, limit=_PAGE, where=where)
        for record in page.records:
            time_us = record.entry.time_us
            if time_us is not None and time_us > until_us:
                return True
            patterns.add(record)
        count += len(page.records)
        if count >= AT_MOST:
            return False
        start = page.more
    return True
