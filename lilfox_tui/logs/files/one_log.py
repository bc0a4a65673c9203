"""One log of any size, local or remote, plain or compressed, with its rotated files; and the logs that a pattern
matches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

from lilfox_tui.core.aio import Feed, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import clauses, listed, ntr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.files.follow import Follower
from lilfox_tui.logs.files.local import LocalDisk
from lilfox_tui.logs.files.log_file import Disk, FileStat, LogFile, RecordPosition, nothing_there
from lilfox_tui.logs.files.log_file_set import LogFileSet, LogNames, PatternFiles, ReadSettings, RecordCounter
from lilfox_tui.logs.files.pages import read_page, usable_end
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import (
    AtEnd,
    AtPlace,
    RecordPage,
    SkippedRecords,
    SourceNotice,
    SourceSettings,
    SourceStatus,
    Start,
)

# Which disk a host's files are read through.


def disk_of(host: Host, *, sudo: bool, following: bool) -> Disk:
    """Return the host's files. With ``sudo`` they may be read as root. A follower gets its own shell on the host for
    queries."""
    if isinstance(host, LocalHost):
        return LocalDisk(host)
    from lilfox_tui.logs.files.remote import RemoteDisk

    return RemoteDisk(host, sudo=sudo, following=following)


# The files of one log: of any size, here or on a host, plain or packed, with its rotated ones.


POLL_S = 0.15
"""How often a file that is followed is looked at."""
REMOTE_POLL_S = 0.25
COUNT_S = 1.0
REMOTE_COUNT_S = 5.0
"""How often lines that were written to a file are counted, here and on an SSH host."""


def poll_of(setting: SourceSettings) -> float:
    """How often a followed file is looked at, in seconds."""
    return setting.poll_s or (POLL_S if isinstance(setting.host, LocalHost) else REMOTE_POLL_S)


class OneLog:
    """See :class:`LogSource`, :class:`SupportsFollowNewest` and :class:`SupportsSeek`. ``path`` is that of the file
    being written. ``among``: the log is one of those that a pattern matches. ``changed`` is called when the status may
    have changed."""

    def __init__(
        self,
        name: str,
        path: str,
        setting: SourceSettings,
        *,
        rotated: bool,
        among: PatternFiles | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.path = path
        self._status: Feed[SourceStatus] = Feed()
        self._setting = setting
        self._rotated = rotated
        self._among = among
        self._changed = changed
        self._local = isinstance(setting.host, LocalHost)
        self._former: dict[int, tuple[int, int]] = {}
        self._file_set = self._new_file_set()
        self._newest: LogFile | None = None
        self._size: int | None = None
        self._searched: int | None = None
        self._counted = RecordCounter(self._file_set)
        self._indexing: asyncio.Task[None] | None = None

    def _new_file_set(self, *, following: bool = False) -> LogFileSet:
        host, sudo = self._setting.host, self._setting.sudo
        log = "" if self._among is None else self.path
        reading = ReadSettings(self.name, host.name, self._setting.format, self._setting.zone, self._former, log)
        disk = disk_of(host, sudo=sudo, following=following)
        return LogFileSet(disk, self.path, reading, rotated=self._rotated, among=self._among)

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; sizes are those of the newest file."""
        return self._status

    @property
    def host(self) -> Host:
        """See :attr:`OnHost.host`."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`."""
        self._searched = 0
        try:
            page = await read_page(
                self._file_set, start, older=older, limit=limit, where=where, searched=self._note_searched
            )
            await self._look_at_newest()
        except LilFoxError as error:
            self._fail(error)
            raise
        finally:
            self._searched = None
        self._publish()
        return page

    @property
    def notes(self) -> list[str]:
        """Return which of its files cannot be read, and why."""
        return [str(note) for note in self._file_set.notes.values()]

    async def end(self) -> str | None:
        """Return the place of the log's current end: after its last complete line; None without one. Raises
        LilFoxError."""
        for seen in reversed(await self._file_set.look()):
            log = await self._file_set.open(seen)
            if end := await usable_end(log, seen):
                return log.place(end)
        return None

    async def local_files(self) -> list[LogFile] | None:
        """Return the log's files, oldest first, for callers that read them whole (``analyze.py``); None if they are on
        an SSH host. They stay open until the next call. Raises LilFoxError."""
        if not self._local:
            return None
        return [await self._file_set.open(seen) for seen in await self._file_set.look()]

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`."""
        async with aclosing(self.follow_newest(start, where, lambda: None)) as batches:
            async for batch in batches:
                yield [each for each in batch if not isinstance(each, SkippedRecords)]

    async def follow_newest(
        self,
        start: Start,
        where: Filter,
        keep: Callable[[], int | None],
        quiet: Callable[[LogFile, int | None], Awaitable[bool]] | None = None,
    ) -> AsyncGenerator[list[LogRecord | SourceNotice | SkippedRecords], None]:
        """See :meth:`SupportsFollowNewest.follow_newest`. Opens the files separately. See :class:`Follower` for
        ``quiet``."""
        file_set = self._new_file_set(following=True)
        follower = Follower(
            file_set, start, where, poll_s=poll_of(self._setting), failed=self._failed, good=self._good, keep=keep,
            quiet=quiet,
        )  # fmt: skip
        try:
            async with aclosing(follower.batches()) as batches:
                async for batch in batches:
                    yield batch
        except LilFoxError as error:
            self._fail(error)
            raise
        finally:
            await file_set.close()

    async def at_share(self, share: float) -> Start:
        """See :meth:`SupportsSeek.at_share`."""
        log = await self._look_at_newest()
        size = await log.file.size()
        return AtPlace(log.place(int(size * share) - 1)) if share < 1 else AtEnd()

    async def at_line(self, number: int) -> Start | None:
        """See :meth:`SupportsSeek.at_line`."""
        log = await self._look_at_newest()
        index = self._counted.newest
        offset = None if index is None else await index.offset_of(number)
        return None if offset is None else AtPlace(log.place(offset - 1))

    async def line_of(self, place: str) -> int | None:
        """See :meth:`SupportsSeek.line_of`."""
        log, wanted = await self._look_at_newest(), RecordPosition(place)
        index = self._counted.newest
        if index is None or (wanted.key, wanted.head) != (log.named, log.head):
            return None
        return await index.line_at(wanted.offset)

    async def close(self) -> None:
        """See :meth:`LogSource.close`."""
        if self._indexing is not None:
            self._indexing.cancel()
            await asyncio.wait([self._indexing])
        await self._file_set.close()

    async def _look_at_newest(self) -> LogFile:
        """Check the newest file, and continue indexing it. Raises LilFoxError."""
        log = await self._file_set.open((await self._file_set.look())[-1])
        self._newest, self._size = log, await log.file.size()
        self._counted.take_newest(log, self._size)
        self._count_on()
        return log

    def _count_on(self) -> None:
        if self._setting.counts and self._is_behind() and (self._indexing is None or self._indexing.done()):
            self._indexing = asyncio.create_task(self._count())

    def _is_behind(self) -> bool:
        index = self._counted.newest
        return index is None or (index.indexed_bytes < (self._size or 0) and not index.given_up)

    async def _count(self) -> None:
        """Count up to the file's size at the last check: a file being written always has more, which is counted after
        its next check."""
        with suppress(LilFoxError):  # a file was closed for it is not the log's any more
            while self._is_behind():
                await self._counted.count(self._publish)
                await asyncio.sleep(COUNT_S if self._local else REMOTE_COUNT_S)

    def _note_searched(self, passed: int) -> None:
        self._searched = (self._searched or 0) + passed
        self._publish()

    def _failed(self, error: LilFoxError, wait_s: float) -> None:
        self._fail(error, datetime.now(UTC) + timedelta(seconds=wait_s))

    def _fail(self, error: LilFoxError, next_try: datetime | None = None) -> None:
        self._status.fail(error, next_try=next_try)
        self._changed()

    def _good(self, log: LogFile, size: int) -> None:
        self._newest, self._size = log, size
        self._publish()
        self._count_on()

    def _publish(self) -> None:
        counted, index, log = self._counted, self._counted.newest, self._newest
        status = SourceStatus(
            clauses([self.path, *self.notes]),
            format="" if log is None else log.format_name,
            zone=str(self._setting.zone),
            size_bytes=self._size,
            indexed_bytes=index.indexed_bytes if index is not None and self._local else None,
            records=counted.records,
            more_records=counted.more or (index is not None and index.indexed_bytes != self._size),
            searched_bytes=self._searched,
        )
        if status != self._status.value:  # a reader is woken by what has changed alone
            self._status.publish(status)
            self._changed()


# Which logs a pattern fits, those that are open, and how they are doing together.


class LogGroup:
    """The logs of a pattern. ``present`` are the paths of the logs at the last check; ``refused`` says why some cannot
    be read. ``changed`` is called when the status of one may have changed."""

    def __init__(
        self, source: str, pattern: str, setting: SourceSettings, *, rotated: bool, changed: Callable[[], None]
    ) -> None:
        self.source = source
        self.pattern = pattern
        self.host = setting.host
        self.poll_s = poll_of(setting)
        self.present: list[str] = []
        self.refused: dict[str, LilFoxError] = {}
        self._setting = setting
        self._rotated = rotated
        self._changed = changed
        self._among = PatternFiles(pattern, LogNames())
        self._opened: dict[str, OneLog] = {}

    def new_disk(self, *, following: bool) -> Disk:
        """Return a disk to look for the files; the caller closes it."""
        return disk_of(self.host, sudo=self._setting.sudo, following=following)

    async def logs(self, disk: Disk) -> dict[str, OneLog]:
        """Return the current logs, by path. Raises LilFoxError, also if there is none."""
        present = await self.look(disk)
        if not present:
            raise nothing_there(self.host.name, self.pattern)
        return {path: self.log(path) for path in present}

    async def look(self, disk: Disk) -> dict[str, list[FileStat]]:
        """Return the files that the pattern matches now, by the paths of their logs. Raises LilFoxError."""
        seen = await disk.look([self.pattern])
        names = self._among.names
        found: dict[str, list[FileStat]] = {path: [] for path in names.learn(one.path for one in seen)}
        for one in seen:
            found[names.log_of(one.path)].append(one)
        self.present = list(found)
        for gone in self.refused.keys() - found:
            del self.refused[gone]
        return found

    def log(self, path: str) -> OneLog:
        """Return the log ``path``, opening it if needed."""
        if path not in self._opened:
            self._opened[path] = OneLog(
                self.source, path, self._setting, rotated=self._rotated, among=self._among, changed=self._changed
            )
        return self._opened[path]

    def note_refused(self, path: str, error: LilFoxError | None) -> None:
        """Record why the log ``path`` cannot be read; None: it can."""
        if error is None:
            self.refused.pop(path, None)
        else:
            self.refused[path] = error

    def check_some_readable(self) -> None:
        """Raise the first log's error if none can be read."""
        if self.present and len(self.refused) == len(self.present):
            raise next(iter(self.refused.values()))

    def outage(self) -> Unavailable | None:
        """Return why one of the followed logs is unavailable and being retried."""
        states = (log.status.state for log in self._present_logs())
        return next((each for each in states if isinstance(each, Unavailable) and each.next_try is not None), None)

    def status(self) -> SourceStatus | None:
        """Return the combined status of the logs; None if no log has a status yet."""
        logs = self._present_logs()
        known = [status for log in logs if (status := log.status.value) is not None]
        if not known:
            return None
        counted = str(ntr("{path}: {count} log", "{path}: {count} logs", len(self.present), path=self.pattern))
        notes = [note for log in logs for note in log.notes]
        searched = [each.searched_bytes for each in known if each.searched_bytes is not None]
        return SourceStatus(
            clauses([counted, *notes, *map(str, self.refused.values())]),
            format=listed(sorted({each.format for each in known if each.format})),
            zone=known[0].zone,
            size_bytes=_sum([each.size_bytes for each in known]),
            indexed_bytes=_sum([each.indexed_bytes for each in known]),
            records=_sum([each.records for each in known]),
            more_records=len(known) < len(self.present) or any(each.more_records for each in known),
            searched_bytes=sum(searched) if searched else None,
        )

    def _present_logs(self) -> list[OneLog]:
        return [self._opened[path] for path in self.present if path in self._opened]

    async def let_go(self, path: str) -> None:
        """Close a log that no longer exists."""
        log = self._opened.pop(path, None)
        if log is not None:
            await log.close()

    async def close(self) -> None:
        """Close all logs."""
        for log in self._opened.values():
            await log.close()


def _sum(numbers: Sequence[int | None]) -> int | None:
    """Return the sum; None if a number is unknown."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


# Looking at all the files that a pattern fits at once, for those who follow its logs.


class ListingCache:
    """Shares one listing among all callers within ``every_s``."""

    def __init__(self, group: LogGroup, disk: Disk, every_s: float) -> None:
        self.looked_s = float("-inf")
        """When it was looked last, by the monotonic clock."""
        self._group = group
        self._disk = disk
        self._every_s = every_s
        self._looking = asyncio.Lock()
        self._files: dict[str, list[FileStat]] = {}

    async def files(self) -> dict[str, list[FileStat]]:
        """Return the files by the paths of their logs. Raises LilFoxError."""
        async with self._looking:
            now_s = time.monotonic()
            if now_s - self.looked_s >= self._every_s:
                self._files = await self._group.look(self._disk)
                self.looked_s = now_s
            return self._files


class LogListing:
    """Tracks the listings of one log. Everything written to it up to ``given_s`` (monotonic) has been yielded."""

    def __init__(self, path: str, cache: ListingCache) -> None:
        self.given_s = float("-inf")
        self._path = path
        self._cache = cache
        self._begun_s = (float("-inf"), float("-inf"))
        self._names: set[tuple[str, tuple[int, int], int]] = set()

    async def quiet(self, log: LogFile, seen_bytes: int | None) -> bool:
        """See :class:`Follower`. Raises LilFoxError."""
        before_s, last_s = self._begun_s
        self._begun_s = last_s, time.monotonic()
        self.given_s = max(self.given_s, before_s)  # the last record of a look is given at the next one
        files = (await self._cache.files()).get(self._path, [])
        names = {(one.path, one.key, 0 if one.key == log.key else one.size_bytes) for one in files}
        same, self._names = names == self._names, names
        if not same or all((one.key, one.size_bytes) != (log.key, seen_bytes) for one in files):
            return False
        self.given_s = max(self.given_s, self._cache.looked_s)
        return True
