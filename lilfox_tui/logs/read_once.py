"""A source whose bytes come once and do not come again: what was read is kept in memory, bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.way_back import wait_for_way
from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.arriving import Arriving
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.kept import KEEP_BYTES, Kept
from lilfox_tui.logs.pieces import in_pieces
from lilfox_tui.logs.record import Entry, Record, microseconds
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Notice, Page, Setting, SourceStatus, Start

QUIET_S = 0.2
"""A pause after which what has come is taken as whole."""
FIRST_S = 2.0
"""How long the first page waits at most for the program to say something, and then all that it has."""
_LOOKED_AT = 512
"""So many records are looked at before others get a turn."""
_MARK_EVERY = 32
"""Of one record in so many the time is read as it comes; of the others where a time is looked for."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)


class Origin(Struct, frozen=True):
    """Where the bytes come from. ``blocks()`` starts it; with ``again`` it is started anew when it ends."""

    description: str
    blocks: Callable[[], AsyncGenerator[bytes, None]]
    again: bool = False


class ReadOnceSource:
    """See :class:`LogSource`. Reading begins with the first question; ``place`` is a record's number as it came."""

    def __init__(self, name: str, origin: Origin, setting: Setting, *, keep_bytes: int = KEEP_BYTES) -> None:
        self.name = name
        self._origin, self._setting = origin, setting
        self._status: Feed[SourceStatus] = Feed()
        self._arriving = Arriving(setting.format)
        self._kept = Kept(keep_bytes)
        self._notices: list[tuple[int, Notice]] = []
        self._error: LilFoxError | None = None
        self._over = False
        self._settled = asyncio.Event()
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; ``missed`` counts those that fell out of memory."""
        return self._status

    @property
    def host(self) -> Host:
        """Where the program runs."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`. Raises what ended the reading where nothing was read before."""
        await self._begin()
        found: list[Record] = []
        number = self._number(start, older=older)
        for looked, at in enumerate(self._kept.numbers(number, older=older), 1):
            record = self._record(at)
            if where.matches(record):
                found.append(record)
            if len(found) == limit or looked == _LOOKED_AT:
                further = at > self._kept.first if older else at + 1 < self._kept.end
                return Page(_oldest_first(found, older), AtPlace(str(at)) if further else None)
        return Page(_oldest_first(found, older), None)

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """See :meth:`LogSource.follow`; ends with the program unless that is started again. What fell out of memory
        before it was handed on is told in a Notice."""
        await self._begin()
        number = self._number(start, older=False)
        told = 0 if number < self._kept.end else len(self._notices)
        while True:
            changed = self._changed
            batch: list[Record | Notice] = []
            if number < self._kept.first and number > 0:
                batch.append(self._fell_out(self._kept.first - number))
            upto = min(self._kept.end, max(number, self._kept.first) + _LOOKED_AT)
            for at in range(max(number, self._kept.first), upto):
                while told < len(self._notices) and self._notices[told][0] <= at:
                    batch.append(self._notices[told][1])
                    told += 1
                record = self._record(at)
                if where.matches(record):
                    batch.append(record)
            number = max(number, upto)
            if number == self._kept.end:
                batch += [notice for _at, notice in self._notices[told:]]
                told = len(self._notices)
            if batch:
                yield batch
            if not batch and number == self._kept.end and changed is self._changed:
                if self._over:
                    return
                await changed.wait()
                self._raise_fault()
            else:
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Ends the program."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _begin(self) -> None:
        """Starts the reading and gives the program a moment to say what it has."""
        if self._reading is None:
            self._publish()
            self._reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(FIRST_S):
                await self._settled.wait()
        except TimeoutError:
            self._settled.set()
        self._raise_fault()
        if self._error is not None and self._kept.end == 0:
            raise self._error.with_traceback(None)

    def _raise_fault(self) -> None:
        """A fault of our own in the reading is the reader's end, not a source that stays silent."""
        reading = self._reading
        if reading is not None and reading.done() and not reading.cancelled() and (fault := reading.exception()):
            raise fault

    async def _read(self) -> None:
        try:
            await self._read_again_and_again()
        finally:
            self._settled.set()
            self._wake()

    async def _read_again_and_again(self) -> None:
        tries = 0
        while True:
            before = self._kept.end
            error = await self._read_to_its_end()
            tries = tries + 1 if self._kept.end == before else 0
            if not self._origin.again:
                self._finish(error)
                return
            pause_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
            why = tr("it ended") if error is None else error.message
            self._notice(tr("{source} is started again: {why}. Lines may be missing here or come again",
                            source=self._origin.description, why=why))  # fmt: skip
            self._error = error
            if error is not None:
                next_try = datetime.fromtimestamp(time.time() + pause_s, UTC)
                self._status.fail(error, next_try=next_try)
            self._settled.set()
            await wait_for_way(self.host, pause_s)

    def _finish(self, error: LilFoxError | None) -> None:
        self._error = error
        if error is not None:
            self._status.fail(error)
            self._notice(tr("{source} ended: {why}", source=self._origin.description, why=error.message))
        self._over = True
        self._settled.set()
        self._wake()

    async def _read_to_its_end(self) -> LilFoxError | None:
        """Takes what comes; returns the error that ended it, if one did."""
        error: LilFoxError | None = None
        async with aclosing(in_pieces(self._origin.blocks())) as blocks:
            coming: asyncio.Future[bytes] | None = None
            try:
                while True:
                    coming = coming or asyncio.ensure_future(anext(blocks))
                    done, _ = await asyncio.wait([coming], timeout=QUIET_S)
                    if not done:
                        self._add(self._arriving.settle(ended=False))
                        if self._kept.end:
                            self._settled.set()
                        await asyncio.wait([coming])
                    block, coming = coming.result(), None
                    self._add(self._arriving.take(block))
            except StopAsyncIteration:
                pass
            except LilFoxError as ended_by:
                error = ended_by
            finally:
                if coming is not None and not coming.done():
                    coming.cancel()
                    await asyncio.wait([coming])
        self._add(self._arriving.settle(ended=True))
        return error

    def _add(self, records: list[tuple[bytes, int]]) -> None:
        for raw, size in records:
            number = self._kept.end
            self._kept.add(raw, size)
            if number % _MARK_EVERY == 0 and (time_us := self._time_of(number)) is not None:
                self._kept.mark(number, time_us)
        if records:
            self._publish()

    def _publish(self) -> None:
        self._status.publish(
            SourceStatus(
                description=self._origin.description,
                format=self._arriving.format_name,
                zone=str(self._setting.zone),
                size_bytes=self._kept.bytes,
                indexed_bytes=self._kept.bytes,
                records=self._kept.end - self._kept.first,
                missed=self._kept.first,
            )
        )
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _notice(self, text: Message) -> None:
        self._notices.append((self._kept.end, Notice(self.name, microseconds(datetime.now(UTC)), text)))
        self._wake()

    def _fell_out(self, count: int) -> Notice:
        text = tr("{count} records fell out of memory before they were shown", count=count)
        return Notice(self.name, microseconds(datetime.now(UTC)), text)

    def _number(self, start: Start, *, older: bool) -> int:
        """Where ``Kept.numbers`` begins."""
        if isinstance(start, Beginning):
            return 0
        if isinstance(start, End):
            return self._kept.end
        if isinstance(start, AtTime):
            return self._kept.first_at(start.time_us, self._time_of)
        return int(start.place) + (not older)

    def _time_of(self, number: int) -> int | None:
        entry = self._arriving.format.parse(self._kept.at(number)[0], self._setting.zone)
        return None if entry is None else entry.time_us

    def _record(self, number: int) -> Record:
        raw, size = self._kept.at(number)
        entry = self._arriving.format.parse(raw, self._setting.zone) or Entry(message=raw.decode("utf-8", "replace"))
        return Record(source=self.name, place=str(number), entry=entry, raw=raw, size_bytes=size)


def _oldest_first(found: list[Record], older: bool) -> tuple[Record, ...]:
    return tuple(reversed(found)) if older else tuple(found)
