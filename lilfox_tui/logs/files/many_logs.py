"""All logs that a pattern fits, as one list by time: parallel ones, each with its rotated files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

from lilfox_tui.errors import FileRefused, LilFoxError, UsageError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.logs.files.cut import FIRST, FOREVER_US, LAST, NEVER_US, Cut, edge_at, is_cut, read_cut
from lilfox_tui.logs.files.follow_many import ManyFollower
from lilfox_tui.logs.files.log_file import LogFile, Place
from lilfox_tui.logs.files.log_group import LogGroup
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.files.passage import Passage
from lilfox_tui.logs.files.refusals import place_gone
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Notice, Page, Passed, Setting, SourceStatus, Start

_GOING_ON = 4
_CUTS = 64
_AROUND = 100
"""So many records before one are looked at for the latest time: threads write a little out of order."""


class ManyLogs:
    """See :class:`LogSource`, :class:`Hurried` and :class:`Scaled`."""

    def __init__(self, name: str, pattern: str, setting: Setting, *, rotated: bool) -> None:
        self.name = name
        self._status: Feed[SourceStatus] = Feed()
        self._group = LogGroup(name, pattern, setting, rotated=rotated, changed=self._publish)
        self._disk = self._group.new_disk(following=False)
        self._cuts: OrderedDict[str, Cut] = OrderedDict()
        self._passages: list[tuple[str, bool, Filter, Passage]] = []

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; sizes are of the newest file of each log."""
        return self._status

    @property
    def refused(self) -> Mapping[str, LilFoxError]:
        """Why logs cannot be read, by their paths; the others go on without them."""
        return self._group.refused

    async def _logs(self) -> dict[str, OneLog]:
        """The logs that there are now, by their paths. Raises LilFoxError, also where there is none."""
        return await self._group.logs(self._disk)

    @property
    def host(self) -> Host:
        """See :attr:`OnHost.host`."""
        return self._group.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`."""
        try:
            if isinstance(start, Beginning if older else End):
                await self._logs()
                return Page((), None)
            page = await self._page(start, older=older, limit=limit, where=where)
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._publish()
        return page

    async def _page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        passage = self._going_on(start, older=older, where=where)
        if passage is None:
            passage = await self._passage(start, where, older=older)
        records = await passage.page(limit)
        if older and isinstance(start, End) and records:
            self._remember(records[0].place, passage.end)
        self._group.check_some_readable()
        more = None
        if not passage.is_over:
            more = AtPlace(passage.cut.word)
            self._passages = [*self._passages[1 - _GOING_ON :], (more.place, older, where, passage)]
        elif not older:
            self._remember_end(start, records, passage.cut)
        return Page(tuple(records[::-1] if older else records), more)

    def _going_on(self, start: Start, *, older: bool, where: Filter) -> Passage | None:
        """What a page before has begun, with what it has read further than it gave."""
        for at, (place, was_older, asked, passage) in enumerate(self._passages):
            if isinstance(start, AtPlace) and (place, was_older) == (start.place, older) and asked == where:
                del self._passages[at]
                return passage
        return None

    async def _passage(self, start: Start, where: Filter, *, older: bool) -> Passage:
        """What goes through all logs from there. Raises LilFoxError."""
        logs = await self._logs()
        cut = await self._cut(start, logs, older=older)
        return Passage(logs, cut, where, older=older, refused=self._group.note_refused)

    def _remember(self, place: str, cut: Cut) -> None:
        """Notes where the logs are parted behind a record, which its time alone does not tell exactly."""
        self._cuts[place] = cut
        self._cuts.move_to_end(place)
        while len(self._cuts) > _CUTS:
            self._cuts.popitem(last=False)

    def _remember_end(self, start: Start, records: list[Record], cut: Cut) -> None:
        if records:
            self._remember(records[-1].place, cut)
        elif isinstance(start, AtPlace) and not is_cut(start.place):
            self._remember(start.place, cut)

    async def _cut(self, start: Start, logs: dict[str, OneLog], *, older: bool) -> Cut:
        match start:
            case Beginning():
                return Cut(NEVER_US, dict.fromkeys(logs, FIRST))
            case End():
                return Cut(FOREVER_US, dict.fromkeys(logs, LAST))
            case AtTime(time_us):
                return Cut(time_us, dict.fromkeys(logs, edge_at(time_us)))
            case AtPlace(words):
                if is_cut(words):
                    return read_cut(words)
                known = None if older else self._cuts.get(words)
                return known or await self._around(Place(words), logs, older=older)

    async def _around(self, place: Place, logs: dict[str, OneLog], *, older: bool) -> Cut:
        """Where a record parts the logs by its time: its own where it stands, those after it (in the order of their
        paths) before that time, those before it behind."""
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
        return Cut(time_us, edges)

    async def local_files(self) -> list[LogFile] | None:
        """The files of all logs, for who reads them whole; None when they are on an SSH host. Open until the next
        question. Raises LilFoxError."""
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

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """See :meth:`LogSource.follow`."""
        async with aclosing(self.follow_newest(start, where, lambda: None)) as batches:
            async for batch in batches:
                yield [each for each in batch if not isinstance(each, Passed)]

    async def follow_newest(
        self, start: Start, where: Filter, keep: Callable[[], int | None]
    ) -> AsyncGenerator[list[Record | Notice | Passed], None]:
        """See :meth:`Hurried.follow_newest`. A log that comes to be is taken up."""
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

    async def _newer(self, start: Start, where: Filter) -> Passage:
        """What goes through what is there from ``start`` on; from the end of each log as it is now."""
        if not isinstance(start, End):
            return await self._passage(start, where, older=False)
        logs = await self._logs()
        edges: dict[str, str] = {}
        for path, log in logs.items():
            try:
                edges[path] = await log.end() or FIRST
            except FileRefused as error:
                self._group.note_refused(path, error)
                edges[path] = LAST
        return Passage(logs, Cut(NEVER_US, edges), where, older=False, refused=self._group.note_refused)

    def _failed(self, error: LilFoxError, wait_s: float) -> None:
        self._status.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=wait_s))

    async def at_share(self, share: float) -> Start:
        """See :meth:`Scaled.at_share`; of several logs by the time from the oldest record to the newest."""
        if (only := await self._only()) is not None:
            return await only.at_share(share)
        oldest = await self.page(Beginning(), older=False, limit=1, where=EVERYTHING)
        newest = await self.page(End(), older=True, limit=1, where=EVERYTHING)
        times = [each.entry.time_us for each in (*oldest.records, *newest.records)]
        if len(times) < 2 or times[0] is None or times[1] is None:
            raise UsageError(tr("no source tells times: there is no share of them"))
        return AtTime(int(times[0] + share * (times[1] - times[0]))) if share < 1 else End()

    async def at_line(self, number: int) -> Start | None:
        """See :meth:`Scaled.at_line`."""
        if (only := await self._only()) is not None:
            return await only.at_line(number)
        pattern, count = self._group.pattern, len(self._group.present)
        raise UsageError(tr("a line number is of one file, and {path} fits {count} logs", path=pattern, count=count))

    async def line_of(self, place: str) -> int | None:
        """See :meth:`Scaled.line_of`; it is the line in the record's own log."""
        own = (await self._logs()).get(Place(place).log)
        return None if own is None else await own.line_of(place)

    async def _only(self) -> OneLog | None:
        """The log, if there is but one."""
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
