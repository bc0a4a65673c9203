"""Going through several logs in one direction, record by record in the order of time.

As everywhere, a log's times never go back: a record without a time has that of the one before it in its log. Of the
same time, those of the first log come first.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from lilfox_tui.errors import FileRefused, LilFoxError
from lilfox_tui.logs.files.cut import FIRST, LAST, NEVER_US, Cut, edge_before, edge_behind, edge_going
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.files.pager import SEARCH_S
from lilfox_tui.logs.files.refusals import PlaceGone
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import Beginning, End

_FEWEST = 16
_AHEAD_MOST = 1000
_ALL_AHEAD_MOST = 8000
"""So many records of one log, and of all, are read ahead; it begins with few, and takes twice as many each time."""
_HELD_AT_MOST = 1000
"""Records without a time that wait, going older, for the one before them that has one."""


class Going:
    """One log that is gone through from ``cut`` on. ``waiting`` are its next records and their times, ``newest`` is the
    edge behind the newest that there was, where it was begun at the end."""

    def __init__(self, log: OneLog, cut: Cut, where: Filter, *, older: bool) -> None:
        self.waiting: deque[tuple[int, Record]] = deque()
        self.newest = FIRST
        self._log = log
        self._where = where
        self._older = older
        self._began = cut.edges.get(log.path, FIRST)
        self._more = cut.start(log.path, older=older)
        self._time_us = cut.time_us
        self._given: Record | None = None
        self._held: list[Record] = []
        self._ahead = 0

    @property
    def path(self) -> str:
        """The log's."""
        return self._log.path

    @property
    def is_behind(self) -> bool:
        """Whether its next record is not known."""
        return not self.waiting and self._more is not None

    @property
    def is_over(self) -> bool:
        """Whether there is no next record."""
        return not self.waiting and self._more is None

    async def fill(self, few: int, most: int) -> None:
        """Looks for its next records, ``few`` at first, later up to ``most``. Raises LilFoxError."""
        assert self._more is not None
        self._ahead = max(few, min(2 * self._ahead, most))
        at_end = isinstance(self._more, End)
        if at_end and self._where != EVERYTHING:
            self.newest = await self._log.end() or FIRST
        try:
            page = await self._log.page(self._more, older=self._older, limit=self._ahead, where=self._where)
        except PlaceGone:  # rotated away: what is left is all newer
            self._more = None if self._older else Beginning()
            return
        self._more = page.more
        if at_end and page.records:
            self.newest = edge_behind(page.records[-1])
        if self._older:
            self._take_older([*page.records, *self._held])
        else:
            self._take_newer(page.records)

    def refuse(self) -> None:
        """Goes on without it."""
        self._more = None
        self.newest = LAST

    def _take_newer(self, records: Sequence[Record]) -> None:
        for record in records:
            self._time_us = max(self._time_us, _time_of(record))
            self.waiting.append((self._time_us, record))

    def _take_older(self, records: list[Record]) -> None:
        timed = next((at for at, record in enumerate(records) if record.entry.time_us is not None), len(records))
        self._held = records[:timed] if self._more is not None and timed <= _HELD_AT_MOST else []
        carried, limit_us, placed = NEVER_US, self._time_us, []
        for record in records[len(self._held) :]:
            carried = max(carried, _time_of(record))
            self._time_us = min(carried, limit_us)
            placed.append((self._time_us, record))
        if placed:
            self._time_us = placed[0][0]
        self.waiting.extend(reversed(placed))

    def take(self) -> tuple[int, Record]:
        """Its next record and that one's time."""
        time_us, self._given = self.waiting.popleft()
        return time_us, self._given

    @property
    def edge(self) -> str:
        """Where it has come to."""
        if self._older and self.is_over:
            return FIRST
        going = edge_going(self._more, older=self._older) if not self.waiting and not self._held else None
        if going is not None:
            return going
        if self._given is None:
            return self._began
        return edge_before(self._given) if self._older else edge_behind(self._given)


class Passage:
    """``page`` gives what comes next. ``refused`` is told of each log that was asked why it cannot be read, or None."""

    def __init__(
        self,
        logs: Mapping[str, OneLog],
        cut: Cut,
        where: Filter,
        *,
        older: bool,
        refused: Callable[[str, LilFoxError | None], None],
    ) -> None:
        self._goings = [Going(log, cut, where, older=older) for _path, log in sorted(logs.items())]
        self._turns = {going.path: turn for turn, going in enumerate(self._goings)}
        self._older = older
        self._refused = refused
        self._time_us = cut.time_us
        self._newest_us: int | None = None

    async def page(self, limit: int) -> list[Record]:
        """Up to ``limit`` records as they are gone through; fewer when the search takes long. Raises LilFoxError."""
        until_s = time.monotonic() + SEARCH_S
        found: list[Record] = []
        while len(found) < limit:
            await self._fill(limit)
            if any(going.is_behind for going in self._goings):
                if time.monotonic() > until_s:
                    break
                continue
            ready = [(self._rank(going), going) for going in self._goings if going.waiting]
            if not ready:
                break
            heapq.heapify(ready)
            while len(found) < limit:
                _rank, going = ready[0]
                found.append(self._take(going))
                if not going.waiting:
                    break
                heapq.heapreplace(ready, (self._rank(going), going))
        return found

    def _rank(self, going: Going) -> tuple[int, int]:
        """What sorts the logs by their next records; no two have the same."""
        time_us, turn = going.waiting[0][0], self._turns[going.path]
        return (-time_us, -turn) if self._older else (time_us, turn)

    def _take(self, going: Going) -> Record:
        self._time_us, record = going.take()
        if self._newest_us is None:
            self._newest_us = self._time_us
        return record

    async def _fill(self, limit: int) -> None:
        behind = [going for going in self._goings if going.is_behind]
        if not behind:
            return
        few = min(limit, 2 * limit // len(self._goings) + _FEWEST)
        most = min(_AHEAD_MOST, _ALL_AHEAD_MOST // len(self._goings)) if len(self._goings) > 1 else limit
        tasks = [asyncio.ensure_future(going.fill(few, most)) for going in behind]
        try:
            errors = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for going, error in zip(behind, errors, strict=True):
            if isinstance(error, FileRefused):
                going.refuse()
                self._refused(going.path, error)
            elif error is not None:
                raise error
            else:
                self._refused(going.path, None)

    @property
    def is_over(self) -> bool:
        """Whether there is no more."""
        return all(going.is_over for going in self._goings)

    @property
    def cut(self) -> Cut:
        """Where it has come to."""
        return Cut(self._time_us, {going.path: going.edge for going in self._goings})

    @property
    def end(self) -> Cut:
        """Where all that there was is over, for what is gone through from the end."""
        newest_us = NEVER_US if self._newest_us is None else self._newest_us
        return Cut(newest_us, {going.path: going.newest for going in self._goings})


def _time_of(record: Record) -> int:
    return NEVER_US if record.entry.time_us is None else record.entry.time_us
