"""The files of one log: of any size, here or on a host, plain or packed, with its rotated ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.i18n import clauses
from lilfox_tui.logs.files.counted import CountedFiles
from lilfox_tui.logs.files.disks import disk_of
from lilfox_tui.logs.files.follow import Follower
from lilfox_tui.logs.files.log_file import LogFile, Place
from lilfox_tui.logs.files.pages import read_page, usable_end
from lilfox_tui.logs.files.rotation import Among
from lilfox_tui.logs.files.shelf import Reading, Shelf
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, End, Notice, Page, Passed, Setting, SourceStatus, Start

POLL_S = 0.15
"""How often a file that is followed is looked at."""
REMOTE_POLL_S = 0.25
COUNT_S = 1.0
REMOTE_COUNT_S = 5.0
"""How often lines that were written to a file are counted, here and on an SSH host."""


class OneLog:
    """See :class:`LogSource`, :class:`Hurried` and :class:`Scaled`. ``path`` is that of the file that is written.
    ``among``: it is one of the logs that a pattern fits. ``changed`` is called when the status may have changed."""

    def __init__(
        self,
        name: str,
        path: str,
        setting: Setting,
        *,
        rotated: bool,
        among: Among | None = None,
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
        self._shelf = self._new_shelf()
        self._newest: LogFile | None = None
        self._size: int | None = None
        self._searched: int | None = None
        self._counted = CountedFiles(self._shelf)
        self._indexing: asyncio.Task[None] | None = None

    def _new_shelf(self, *, following: bool = False) -> Shelf:
        host, sudo = self._setting.host, self._setting.sudo
        log = "" if self._among is None else self.path
        reading = Reading(self.name, host.name, self._setting.format, self._setting.zone, self._former, log)
        disk = disk_of(host, sudo=sudo, following=following)
        return Shelf(disk, self.path, reading, rotated=self._rotated, among=self._among)

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; sizes are of the newest file."""
        return self._status

    @property
    def host(self) -> Host:
        """See :attr:`OnHost.host`."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`."""
        self._searched = 0
        try:
            page = await read_page(
                self._shelf, start, older=older, limit=limit, where=where, searched=self._note_searched
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
        """What of its files cannot be read, and why."""
        return [str(note) for note in self._shelf.notes.values()]

    async def end(self) -> str | None:
        """The place where it ends now: behind its last whole line; None when there is none. Raises LilFoxError."""
        for seen in reversed(await self._shelf.look()):
            log = await self._shelf.open(seen)
            if end := await usable_end(log, seen):
                return log.place(end)
        return None

    async def local_files(self) -> list[LogFile] | None:
        """The log's files, oldest first, for who reads them whole (``analyze.py``); None when they are on an SSH host.
        Open until the next question. Raises LilFoxError."""
        if not self._local:
            return None
        return [await self._shelf.open(seen) for seen in await self._shelf.look()]

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """See :meth:`LogSource.follow`."""
        async with aclosing(self.follow_newest(start, where, lambda: None)) as batches:
            async for batch in batches:
                yield [each for each in batch if not isinstance(each, Passed)]

    async def follow_newest(
        self,
        start: Start,
        where: Filter,
        keep: Callable[[], int | None],
        quiet: Callable[[LogFile, int | None], Awaitable[bool]] | None = None,
    ) -> AsyncGenerator[list[Record | Notice | Passed], None]:
        """See :meth:`Hurried.follow_newest`. It has handles of its own. See :class:`Follower` for ``quiet``."""
        shelf = self._new_shelf(following=True)
        poll_s = POLL_S if self._local else REMOTE_POLL_S
        follower = Follower(
            shelf, start, where, poll_s=poll_s, failed=self._failed, good=self._good, keep=keep, quiet=quiet
        )
        try:
            async with aclosing(follower.batches()) as batches:
                async for batch in batches:
                    yield batch
        except LilFoxError as error:
            self._fail(error)
            raise
        finally:
            await shelf.close()

    async def at_share(self, share: float) -> Start:
        """See :meth:`Scaled.at_share`."""
        log = await self._look_at_newest()
        size = await log.file.size()
        return AtPlace(log.place(int(size * share) - 1)) if share < 1 else End()

    async def at_line(self, number: int) -> Start | None:
        """See :meth:`Scaled.at_line`."""
        log = await self._look_at_newest()
        index = self._counted.newest
        offset = None if index is None else await index.offset_of(number)
        return None if offset is None else AtPlace(log.place(offset - 1))

    async def line_of(self, place: str) -> int | None:
        """See :meth:`Scaled.line_of`."""
        log, wanted = await self._look_at_newest(), Place(place)
        index = self._counted.newest
        if index is None or (wanted.key, wanted.head) != (log.named, log.head):
            return None
        return await index.line_at(wanted.offset)

    async def close(self) -> None:
        """See :meth:`LogSource.close`."""
        if self._indexing is not None:
            self._indexing.cancel()
            await asyncio.wait([self._indexing])
        await self._shelf.close()

    async def _look_at_newest(self) -> LogFile:
        """Notes how the newest file is, and goes on indexing it. Raises LilFoxError."""
        log = await self._shelf.open((await self._shelf.look())[-1])
        self._newest, self._size = log, await log.file.size()
        self._counted.take_newest(log, self._size)
        self._count_on()
        return log

    def _count_on(self) -> None:
        if self._is_behind() and (self._indexing is None or self._indexing.done()):
            self._indexing = asyncio.create_task(self._count())

    def _is_behind(self) -> bool:
        index = self._counted.newest
        return index is None or (index.indexed_bytes < (self._size or 0) and not index.given_up)

    async def _count(self) -> None:
        """Counts until it is as far as the file was when it was last looked at: a file that is written has always more,
        and is counted on when its next look says so."""
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
