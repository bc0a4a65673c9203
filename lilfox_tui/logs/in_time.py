"""Records of several sources in the order of their times, once through: for who prints them.

A record without a time has that of the record before it in its source, and one that is out of order stands where its
source has it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing

from lilfox_tui.errors import LilFoxError
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.page_of import page_of
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, Beginning, End, LogSource, Notice, Start

PAGE = 1000
_WAITING_MOST = 64
"""So many batches wait for the printer; who follows waits then too."""


class InTime:
    """``failed`` says of each source by name why it could not be read on; the others go on without it."""

    def __init__(self, sources: Sequence[LogSource], where: Filter) -> None:
        self.failed: dict[str, LilFoxError] = {}
        self._sources = sources
        self._where = where
        self._follow_from: dict[str, Start] = {}

    async def oldest_first(self) -> AsyncGenerator[Record, None]:
        """All records that match. Use inside ``contextlib.aclosing``."""
        waiting: list[tuple[int, int, Record, AsyncGenerator[tuple[int, Record], None]]] = []
        for turn, source in enumerate(self._sources):
            pages = self._from_oldest(source)
            if (first := await anext(pages, None)) is not None:
                heapq.heappush(waiting, (first[0], turn, first[1], pages))
        try:
            while waiting:
                _, turn, record, pages = waiting[0]
                yield record
                if (following := await anext(pages, None)) is None:
                    heapq.heappop(waiting)
                else:
                    heapq.heapreplace(waiting, (following[0], turn, following[1], pages))
        finally:
            for *_, pages in waiting:
                await pages.aclose()

    async def last(self, count: int) -> list[Record]:
        """The newest ``count`` that match, oldest first."""
        found = await asyncio.gather(*(self._newest(source, count) for source in self._sources))
        placed = [
            (time_us, turn, number, record)
            for turn, records in enumerate(found)
            for number, (time_us, record) in enumerate(_placed(records))
        ]
        placed.sort(key=lambda each: each[:3])
        return [record for *_, record in placed[len(placed) - min(count, len(placed)) :]]

    async def note_newest(self) -> None:
        """Remembers where each source ends now: ``follow`` goes on from there where nothing has matched."""
        for source in self._sources:
            try:
                page = await source.page(End(), older=True, limit=1, where=EVERYTHING)
            except LilFoxError as error:
                self.failed[source.name] = error
                continue
            self._follow_from[source.name] = AtPlace(page.records[-1].place) if page.records else Beginning()

    async def follow(self) -> AsyncGenerator[list[Record | Notice], None]:
        """What comes after what was read, of each source as it comes; ends when all sources have. Use inside
        ``contextlib.aclosing``."""
        batches: asyncio.Queue[list[Record | Notice] | None] = asyncio.Queue(_WAITING_MOST)
        sources = [source for source in self._sources if source.name not in self.failed]
        tasks = [asyncio.create_task(self._follow_one(source, batches)) for source in sources]
        try:
            running = len(tasks)
            while running:
                batch = await batches.get()
                if batch is None:
                    running -= 1
                else:
                    yield batch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_one(self, source: LogSource, batches: asyncio.Queue[list[Record | Notice] | None]) -> None:
        try:
            start = self._follow_from.get(source.name, Beginning())
            async with aclosing(source.follow(start, self._where)) as found:
                async for batch in found:
                    await batches.put(batch)
        except LilFoxError as error:
            self.failed[source.name] = error
        await batches.put(None)

    async def _from_oldest(self, source: LogSource) -> AsyncGenerator[tuple[int, Record], None]:
        more: Start | None = Beginning()
        time_us = _NEVER_US
        while more is not None:
            try:
                page = await page_of(source, more, older=False, limit=PAGE, where=self._where)
            except LilFoxError as error:
                self.failed[source.name] = error
                return
            for placed_us, record in _placed(page.records, time_us):
                time_us = placed_us
                yield placed_us, record
            self._note(source, page.records)
            more = page.more

    async def _newest(self, source: LogSource, count: int) -> list[Record]:
        found: list[Record] = []
        more: Start | None = End()
        while more is not None and len(found) < count:
            try:
                page = await page_of(source, more, older=True, limit=count - len(found), where=self._where)
            except LilFoxError as error:
                self.failed[source.name] = error
                break
            found[:0] = page.records
            more = page.more
        self._note(source, found)
        return found

    def _note(self, source: LogSource, records: Sequence[Record]) -> None:
        if records:
            self._follow_from[source.name] = AtPlace(records[-1].place)


_NEVER_US = -(2**62)


def _placed(records: Iterable[Record], time_us: int = _NEVER_US) -> Iterator[tuple[int, Record]]:
    """Records in their source's order, each with a time that never goes back."""
    for record in records:
        time_us = time_us if record.entry.time_us is None else max(time_us, record.entry.time_us)
        yield time_us, record
