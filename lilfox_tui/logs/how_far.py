"""How far a count has come in sources that are read page by page: by the time of what was read, for bytes of packed and
rotated files, of a journal or a server, are not known before they are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.span import span
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import End, LogSource, Notice, Page, SourceStatus, Start

Tell = Callable[[str, int], None]
"""Is told a source's name, and how many percent of its time are read."""


async def telling(sources: Sequence[LogSource], tell: Tell) -> list[LogSource]:
    """``sources``; those that lie elsewhere ``tell`` how far they are read while they are from their beginning on."""
    return [source if await _lies_here(source) else _Telling(source, tell) for source in sources]


async def _lies_here(source: LogSource) -> bool:
    from lilfox_tui.logs.analyze import OfLocalFiles

    try:
        return isinstance(source, OfLocalFiles) and await source.local_files() is not None
    except LilFoxError:
        return True  # who counts is told the same


class _Telling:
    """See :class:`LogSource`."""

    def __init__(self, source: LogSource, tell: Tell) -> None:
        self.name = source.name
        self._source = source
        self._tell = tell
        self._bounds_us: tuple[int, int] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """The source's."""
        return self._source.status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """The source's page, of which is told."""
        page = await self._source.page(start, older=older, limit=limit, where=where)
        times = [record.entry.time_us for record in page.records if record.entry.time_us is not None]
        if times and page.more is not None:
            first_us, last_us = self._bounds_us = self._bounds_us or (times[0], await self._last_us(where))
            if last_us > first_us:
                self._tell(self.name, min(max(100 * (times[-1] - first_us) // (last_us - first_us), 0), 100))
        return page

    async def _last_us(self, where: Filter) -> int:
        """The time of the newest record, or that up to which records match; 0 when none tells a time."""
        newest = await self._source.page(End(), older=True, limit=1, where=EVERYTHING)
        time_us = next((record.entry.time_us for record in newest.records), None) or 0
        until_us = span(where)[1]
        return time_us if until_us is None else min(time_us, until_us)

    def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """The source's."""
        return self._source.follow(start, where)

    async def close(self) -> None:
        """The source's."""
        await self._source.close()
