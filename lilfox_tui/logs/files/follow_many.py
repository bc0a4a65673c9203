"""What is appended to the logs that a pattern fits, in the order of time, and the logs that come to be.

Each log is followed by itself. What one has told waits a moment for what another is about to tell of an earlier time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TypeVar

from lilfox_tui.errors import FileRefused, LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.way_back import wait_for_way
from lilfox_tui.i18n import tr
from lilfox_tui.logs.files.cut import Cut
from lilfox_tui.logs.files.follow import BATCH, PASSING, RETRIES_S, Batch
from lilfox_tui.logs.files.glance import Glance, Looks
from lilfox_tui.logs.files.in_order import InOrder
from lilfox_tui.logs.files.log_group import LogGroup
from lilfox_tui.logs.files.one_log import POLL_S, REMOTE_POLL_S
from lilfox_tui.logs.files.passage import Passage
from lilfox_tui.logs.files.refusals import FileMoved, PlaceGone
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, Beginning, End, Notice, Passed, Start

A = TypeVar("A")
GONE_S = 60.0
"""A log that is not there and tells nothing is followed for so long."""
REFUSED_S = 10.0
"""How often a log that could not be read is tried again."""
PATIENCE_S = 2.0
"""What one log tells waits so long for the others."""
_WAITING_MOST = 64
"""So many batches wait for the reader; who follows waits then too."""


class ManyFollower:
    """``async for batch in follower.batches()``. ``begin`` makes what goes through what is there already. ``remember``
    is told the last record's place of each batch, and where the logs are parted behind it; ``failed`` an error that
    passes, and the wait in seconds. See :class:`Follower` for ``keep``."""

    def __init__(
        self,
        group: LogGroup,
        begin: Callable[[], Awaitable[Passage]],
        where: Filter,
        keep: Callable[[], int | None],
        *,
        remember: Callable[[str, Cut], None],
        failed: Callable[[LilFoxError, float], None],
    ) -> None:
        self._group = group
        self._begin = begin
        self._where = where
        self._keep = keep
        self._remember = remember
        self._failed = failed
        self._poll_s = POLL_S if isinstance(group.host, LocalHost) else REMOTE_POLL_S
        self._came: asyncio.Queue[tuple[str, Batch] | LilFoxError] = asyncio.Queue(_WAITING_MOST)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looks: dict[str, Looks] = {}
        self._starts: dict[str, Start] = {}
        self._alive_s: dict[str, float] = {}

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Records and notices, at most BATCH at once, or what is kept; never ends. Raises LilFoxError."""
        passage = await self._patiently(self._begin)
        order, records = InOrder(passage.cut), list[Record]()
        while self._keep() is None and not passage.is_over:
            if records:
                self._remember(records[-1].place, passage.cut)
                yield list(records)
                order = InOrder(passage.cut)
            records = await self._patiently(lambda: passage.page(BATCH))
        for record in records:  # others may have been written to before these, after they were looked at
            order.put(record.log, [record], time.monotonic())
        disk = self._group.new_disk(following=True)
        looking = asyncio.create_task(self._look_for_logs(Glance(self._group, disk, self._poll_s / 2), passage.cut))
        try:
            async with aclosing(self._in_order(order)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            for task in (tasks := [looking, *self._tasks.values()]):
                task.cancel()
            await asyncio.wait(tasks)
            await disk.close()

    async def _patiently(self, ask: Callable[[], Awaitable[A]]) -> A:
        """The answer, however long the host is away."""
        tries = 0
        while True:
            try:
                return await ask()
            except (*PASSING, FileMoved) as error:
                pause_s = RETRIES_S[min(tries, len(RETRIES_S) - 1)]
                tries += 1
                self._failed(error, pause_s)
            await wait_for_way(self._group.host, pause_s)

    async def _look_for_logs(self, glance: Glance, cut: Cut) -> None:
        for path in cut.edges:
            self._tasks[path] = asyncio.create_task(self._follow(path, cut.start(path, older=False) or End(), glance))
        while True:
            try:
                files = await glance.files()
                self._alive_s |= dict.fromkeys(files, time.monotonic())
                for path in files.keys() - self._tasks.keys():
                    start = self._starts.get(path, Beginning())
                    self._tasks[path] = asyncio.create_task(self._follow(path, start, glance))
                await self._let_go()
            except PASSING:
                pass  # the logs that are followed tell it
            except LilFoxError as error:
                await self._came.put(error)
            await asyncio.sleep(self._poll_s)

    async def _let_go(self) -> None:
        """Ends following logs that are gone and tell nothing any more: an open file keeps its place on the disk."""
        for path in [path for path, at_s in self._alive_s.items() if time.monotonic() - at_s > GONE_S]:
            del self._alive_s[path]
            task = self._tasks.pop(path)
            task.cancel()
            await asyncio.wait([task])
            self._looks.pop(path, None)
            await self._group.let_go(path)

    async def _follow(self, path: str, start: Start, glance: Glance) -> None:
        log, told = self._group.log(path), False
        while True:
            looks = self._looks[path] = Looks(path, glance)
            try:
                async with aclosing(log.follow_newest(start, self._where, self._keep, looks.quiet)) as batches:
                    async for batch in batches:
                        self._group.note_refused(path, None)
                        await self._came.put((path, batch))
                        start = self._starts[path] = _behind(batch) or start
                        self._alive_s[path] = time.monotonic()
            except PlaceGone:
                start = Beginning()
            except FileRefused as error:
                del self._looks[path]
                self._group.note_refused(path, error)
                if not told:
                    text = tr("not followed: {reason}", reason=error)
                    await self._came.put((path, [Notice(log.name, time.time_ns() // 1000, text)]))
                told = True
                await asyncio.sleep(REFUSED_S)
            except LilFoxError as error:
                await self._came.put(error)
                return

    async def _in_order(self, order: InOrder) -> AsyncGenerator[Batch, None]:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s / 2 if order.waits else None):
                    self._put(order, await self._came.get())
            while not self._came.empty():
                self._put(order, self._came.get_nowait())
            ready = order.ready(self._given_s())
            step = len(ready) if ready and isinstance(ready[0], Passed) else BATCH
            for at in range(0, len(ready), step):
                batch = ready[at : at + step]
                if place := order.gave(batch):
                    self._remember(place, order.cut)
                yield batch

    def _given_s(self) -> float:
        """Up to when all that was written to any log has come."""
        if len(self._looks) == 1:
            return float("inf")
        given_s = min((looks.given_s for looks in self._looks.values()), default=float("inf"))
        return max(given_s, time.monotonic() - PATIENCE_S)

    def _put(self, order: InOrder, came: tuple[str, Batch] | LilFoxError) -> None:
        if isinstance(came, LilFoxError):
            raise came
        order.put(*came, time.monotonic())


def _behind(batch: Batch) -> AtPlace | None:
    """Where it goes on after a batch."""
    last = next((each for each in reversed(batch) if isinstance(each, Record)), None)
    return None if last is None else AtPlace(last.place)
