"""All logs that a pattern matches, as one list by time: paged in both directions, and followed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import FileMoved, LilFoxError, PlaceGone, UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.logs.files.follow import BATCH, PASSING, RETRIES_S, Batch
from lilfox_tui.logs.files.log_file import LogFile, RecordPosition, place_gone
from lilfox_tui.logs.files.merge_cursor import (
    FIRST,
    FOREVER_US,
    LAST,
    NEVER_US,
    MergeCursor,
    MergeCut,
    TimeOrderBuffer,
    edge_at,
    is_cut,
    read_cut,
)
from lilfox_tui.logs.files.one_log import ListingCache, LogGroup, LogListing, OneLog
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import (
    UNREADABLE,
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    RecordPage,
    SkippedRecords,
    SourceNotice,
    SourceSettings,
    SourceStatus,
    Start,
)

# What is appended to the logs that a pattern fits, in the order of time, and the logs that come to be.
#
# Each log is followed by itself. What one has told waits a moment for what another is about to tell of an earlier time.


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
    """Follows all logs of a pattern: ``async for batch in follower.batches()``. ``begin`` makes the cursor over
    existing records. ``remember`` gets the place of each batch's last record, and the cut of the logs after it;
    ``failed`` gets a temporary error and the wait in seconds. See :class:`Follower` for ``keep``."""

    def __init__(
        self,
        group: LogGroup,
        begin: Callable[[], Awaitable[MergeCursor]],
        where: Filter,
        keep: Callable[[], int | None],
        *,
        remember: Callable[[str, MergeCut], None],
        failed: Callable[[LilFoxError, float], None],
    ) -> None:
        self._group = group
        self._begin = begin
        self._where = where
        self._keep = keep
        self._remember = remember
        self._failed = failed
        self._poll_s = group.poll_s
        self._came: asyncio.Queue[tuple[str, Batch] | LilFoxError] = asyncio.Queue(_WAITING_MOST)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looks: dict[str, LogListing] = {}
        self._starts: dict[str, Start] = {}
        self._alive_s: dict[str, float] = {}

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yields records and notices, at most BATCH at once, or as many as ``keep`` returned; never ends. Raises
        LilFoxError."""
        passage = await self._patiently(self._begin)
        buffer, records = TimeOrderBuffer(passage.cut), list[LogRecord]()
        while self._keep() is None and not passage.is_over:
            if records:
                self._remember(records[-1].place, passage.cut)
                yield list(records)
                buffer = TimeOrderBuffer(passage.cut)
            records = await self._patiently(lambda: passage.page(BATCH))
        for record in records:  # others may have been written to before these, after they were looked at
            buffer.put(record.log, [record], time.monotonic())
        disk = self._group.new_disk(following=True)
        looking = asyncio.create_task(
            self._look_for_logs(ListingCache(self._group, disk, self._poll_s / 2), passage.cut)
        )
        try:
            async with aclosing(self._in_order(buffer)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            for task in (tasks := [looking, *self._tasks.values()]):
                task.cancel()
            await asyncio.wait(tasks)
            await disk.close()

    async def _patiently(self, ask: Callable[[], Awaitable[A]]) -> A:
        """Return the result of ``ask``; retry it for as long as the host is unreachable."""
        tries = 0
        while True:
            try:
                return await ask()
            except (*PASSING, FileMoved) as error:
                pause_s = RETRIES_S[min(tries, len(RETRIES_S) - 1)]
                tries += 1
                self._failed(error, pause_s)
            await wait_until_reconnected(self._group.host, pause_s)

    async def _look_for_logs(self, cache: ListingCache, cut: MergeCut) -> None:
        for path in cut.edges:
            self._tasks[path] = asyncio.create_task(self._follow(path, cut.start(path, older=False) or AtEnd(), cache))
        while True:
            try:
                files = await cache.files()
                self._alive_s |= dict.fromkeys(files, time.monotonic())
                for path in files.keys() - self._tasks.keys():
                    start = self._starts.get(path, AtBeginning())
                    self._tasks[path] = asyncio.create_task(self._follow(path, start, cache))
                await self._let_go()
            except PASSING:
                pass  # the logs that are followed tell it
            except LilFoxError as error:
                await self._came.put(error)
            await asyncio.sleep(self._poll_s)

    async def _let_go(self) -> None:
        """Stop following logs that no longer exist and yield nothing more, because an open file occupies disk space."""
        for path in [path for path, at_s in self._alive_s.items() if time.monotonic() - at_s > GONE_S]:
            del self._alive_s[path]
            task = self._tasks.pop(path)
            task.cancel()
            await asyncio.wait([task])
            self._looks.pop(path, None)
            await self._group.let_go(path)

    async def _follow(self, path: str, start: Start, cache: ListingCache) -> None:
        log, told = self._group.log(path), False
        while True:
            looks = self._looks[path] = LogListing(path, cache)
            try:
                async with aclosing(log.follow_newest(start, self._where, self._keep, looks.quiet)) as batches:
                    async for batch in batches:
                        self._group.note_refused(path, None)
                        await self._came.put((path, batch))
                        start = self._starts[path] = _behind(batch) or start
                        self._alive_s[path] = time.monotonic()
            except PlaceGone:
                start = AtBeginning()
            except UNREADABLE as error:
                del self._looks[path]
                self._group.note_refused(path, error)
                if not told:
                    text = tr("this log is not being followed: {reason}", reason=error)
                    await self._came.put((path, [SourceNotice(log.name, time.time_ns() // 1000, text)]))
                told = True
                await asyncio.sleep(REFUSED_S)
            except LilFoxError as error:
                await self._came.put(error)
                return

    async def _in_order(self, buffer: TimeOrderBuffer) -> AsyncGenerator[Batch, None]:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s / 2 if buffer.waits else None):
                    self._put(buffer, await self._came.get())
            while not self._came.empty():
                self._put(buffer, self._came.get_nowait())
            ready = buffer.ready(self._given_s())
            step = len(ready) if ready and isinstance(ready[0], SkippedRecords) else BATCH
            for at in range(0, len(ready), step):
                batch = ready[at : at + step]
                if place := buffer.gave(batch):
                    self._remember(place, buffer.cut)
                yield batch

    def _given_s(self) -> float:
        """Return the time (monotonic) up to which all data written to any of the logs has arrived."""
        if len(self._looks) == 1:
            return float("inf")
        given_s = min((looks.given_s for looks in self._looks.values()), default=float("inf"))
        return max(given_s, time.monotonic() - PATIENCE_S)

    def _put(self, buffer: TimeOrderBuffer, came: tuple[str, Batch] | LilFoxError) -> None:
        if isinstance(came, LilFoxError):
            raise came
        buffer.put(*came, time.monotonic())


def _behind(batch: Batch) -> AtPlace | None:
    """Return where to continue after a batch."""
    last = next((each for each in reversed(batch) if isinstance(each, LogRecord)), None)
    return None if last is None else AtPlace(last.place)


# All logs that a pattern fits, as one list by time: parallel ones, each with its rotated files.


_GOING_ON = 4
_CUTS = 64
_AROUND = 100
"""So many records before one are looked at for the latest time: threads write a little out of order."""


class ManyLogs:
    """See :class:`LogSource`, :class:`SupportsFollowNewest` and :class:`SupportsSeek`."""

    def __init__(self, name: str, pattern: str, setting: SourceSettings, *, rotated: bool) -> None:
        self.name = name
        self._status: Feed[SourceStatus] = Feed()
        self._group = LogGroup(name, pattern, setting, rotated=rotated, changed=self._publish)
        self._disk = self._group.new_disk(following=False)
        self._cuts: OrderedDict[str, MergeCut] = OrderedDict()
        self._passages: list[tuple[str, bool, Filter, MergeCursor]] = []

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; sizes are those of the newest file of each log."""
        return self._status

    @property
    def refused(self) -> Mapping[str, LilFoxError]:
        """Why logs cannot be read, by path; the others continue without them."""
        return self._group.refused

    async def _logs(self) -> dict[str, OneLog]:
        """Return the current logs, by path. Raises LilFoxError, also if there is none."""
        return await self._group.logs(self._disk)

    @property
    def host(self) -> Host:
        """See :attr:`OnHost.host`."""
        return self._group.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`."""
        try:
            if isinstance(start, AtBeginning if older else AtEnd):
                await self._logs()
                return RecordPage((), None)
            page = await self._page(start, older=older, limit=limit, where=where)
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._publish()
        return page

    async def _page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        passage = self._going_on(start, older=older, where=where)
        if passage is None:
            passage = await self._passage(start, where, older=older)
        records = await passage.page(limit)
        if older and isinstance(start, AtEnd) and records:
            self._remember(records[0].place, passage.end)
        self._group.check_some_readable()
        more = None
        if not passage.is_over:
            more = AtPlace(passage.cut.word)
            self._passages = [*self._passages[1 - _GOING_ON :], (more.place, older, where, passage)]
        elif not older:
            self._remember_end(start, records, passage.cut)
        return RecordPage(tuple(records[::-1] if older else records), more)

    def _going_on(self, start: Start, *, older: bool, where: Filter) -> MergeCursor | None:
        """Return the cursor that an earlier page began, with the records it has read ahead."""
        for at, (place, was_older, asked, passage) in enumerate(self._passages):
            if isinstance(start, AtPlace) and (place, was_older) == (start.place, older) and asked == where:
                del self._passages[at]
                return passage
        return None

    async def _passage(self, start: Start, where: Filter, *, older: bool) -> MergeCursor:
        """Return a cursor over all logs from ``start``. Raises LilFoxError."""
        logs = await self._logs()
        cut = await self._cut(start, logs, older=older)
        return MergeCursor(logs, cut, where, older=older, refused=self._group.note_refused)

    def _remember(self, place: str, cut: MergeCut) -> None:
        """Remember the cut of the logs after a record: the record's time alone does not determine it exactly."""
        self._cuts[place] = cut
        self._cuts.move_to_end(place)
        while len(self._cuts) > _CUTS:
            self._cuts.popitem(last=False)

    def _remember_end(self, start: Start, records: list[LogRecord], cut: MergeCut) -> None:
        if records:
            self._remember(records[-1].place, cut)
        elif isinstance(start, AtPlace) and not is_cut(start.place):
            self._remember(start.place, cut)

    async def _cut(self, start: Start, logs: dict[str, OneLog], *, older: bool) -> MergeCut:
        match start:
            case AtBeginning():
                return MergeCut(NEVER_US, dict.fromkeys(logs, FIRST))
            case AtEnd():
                return MergeCut(FOREVER_US, dict.fromkeys(logs, LAST))
            case AtTime(time_us):
                return MergeCut(time_us, dict.fromkeys(logs, edge_at(time_us)))
            case AtPlace(words):
                if is_cut(words):
                    return read_cut(words)
                known = None if older else self._cuts.get(words)
                return known or await self._around(RecordPosition(words), logs, older=older)

    async def _around(self, place: RecordPosition, logs: dict[str, OneLog], *, older: bool) -> MergeCut:
        """Return the cut at a record: its own log is cut at the record, logs that follow it in the order of paths
        before the record's time, and logs that precede it after that time."""
        own = logs.get(place.log)
        if own is None:
            raise place_gone(self.name)
        begin = AtPlace(place.at(place.offset - 1))
        itself = await own.page(begin, older=False, limit=1, where=EVERYTHING)
        before = await own.page(AtPlace(place.at(place.offset)), older=True, limit=_AROUND, where=EVERYTHING)
        times = [each.entry.time_us for each in (*before.records, *itself.records) if each.entry.time_us is not None]
        time_us = max(times, default=NEVER_US)
        edges = {path: edge_at(time_us + 1 if path < place.log else time_us) for path in logs}
        if time_us == NEVER_US:
            edges |= {path: FIRST for path in logs if path > place.log}
        edges[place.log] = place.at(place.offset + (not older))
        return MergeCut(time_us, edges)

    async def local_files(self) -> list[LogFile] | None:
        """Return the files of all logs, for callers that read them whole; None if they are on an SSH host. They stay
        open until the next call. Raises LilFoxError."""
        files: list[LogFile] = []
        logs = await self._logs()
        for path, log in logs.items():
            try:
                found = await log.local_files()
            except LilFoxError as error:
                self._group.note_refused(path, error)
                continue
            if found is None:
                return None
            files += found
        self._group.check_some_readable()
        return files

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`."""
        async with aclosing(self.follow_newest(start, where, lambda: None)) as batches:
            async for batch in batches:
                yield [each for each in batch if not isinstance(each, SkippedRecords)]

    async def follow_newest(
        self, start: Start, where: Filter, keep: Callable[[], int | None]
    ) -> AsyncGenerator[list[LogRecord | SourceNotice | SkippedRecords], None]:
        """See :meth:`SupportsFollowNewest.follow_newest`. A newly created log is included."""
        follower = ManyFollower(
            self._group,
            partial(self._newer, start, where),
            where,
            keep,
            remember=self._remember,
            failed=self._failed,
        )
        try:
            async with aclosing(follower.batches()) as batches:
                async for batch in batches:
                    yield batch
        except LilFoxError as error:
            self._status.fail(error)
            raise

    async def _newer(self, start: Start, where: Filter) -> MergeCursor:
        """Return a cursor over the existing records from ``start`` on; for AtEnd, from the current end of each log."""
        if not isinstance(start, AtEnd):
            return await self._passage(start, where, older=False)
        logs = await self._logs()
        edges: dict[str, str] = {}
        for path, log in logs.items():
            try:
                edges[path] = await log.end() or FIRST
            except UNREADABLE as error:
                self._group.note_refused(path, error)
                edges[path] = LAST
        return MergeCursor(logs, MergeCut(NEVER_US, edges), where, older=False, refused=self._group.note_refused)

    def _failed(self, error: LilFoxError, wait_s: float) -> None:
        self._status.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=wait_s))

    async def at_share(self, share: float) -> Start:
        """See :meth:`SupportsSeek.at_share`; with several logs, by the time between the oldest and the newest
        record."""
        if (only := await self._only()) is not None:
            return await only.at_share(share)
        oldest = await self.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)
        newest = await self.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        times = [each.entry.time_us for each in (*oldest.records, *newest.records)]
        if len(times) < 2 or times[0] is None or times[1] is None:
            raise UsageError(tr("no readable source has timestamps: cannot jump by percentage"))
        return AtTime(int(times[0] + share * (times[1] - times[0]))) if share < 1 else AtEnd()

    async def at_line(self, number: int) -> Start | None:
        """See :meth:`SupportsSeek.at_line`."""
        if (only := await self._only()) is not None:
            return await only.at_line(number)
        pattern, count = self._group.pattern, len(self._group.present)
        raise UsageError(
            tr("a line number needs a single file, but {path} matches {count} logs", path=pattern, count=count)
        )

    async def line_of(self, place: str) -> int | None:
        """See :meth:`SupportsSeek.line_of`; the line number is that in the record's own log."""
        own = (await self._logs()).get(RecordPosition(place).log)
        return None if own is None else await own.line_of(place)

    async def _only(self) -> OneLog | None:
        """Return the log, if there is exactly one."""
        logs = list((await self._logs()).values())
        return logs[0] if len(logs) == 1 else None

    async def close(self) -> None:
        """See :meth:`LogSource.close`."""
        await self._group.close()
        await self._disk.close()

    def _publish(self) -> None:
        away = self._group.outage()
        if away is not None:
            self._status.fail(away.error, since=away.since, next_try=away.next_try)
            return
        status = self._group.status()
        if status is not None and status != self._status.value:
            self._status.publish(status)
