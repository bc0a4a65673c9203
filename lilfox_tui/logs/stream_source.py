"""A source whose bytes can be read only once (a command, a pipe): split into records as they arrive, and retained in
memory within bounds."""

from __future__ import annotations

import asyncio
import time
from array import array
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import (
    RAW_LIMIT,
    Format,
    LogEntry,
    LogRecord,
    every_line,
    load_format,
    microseconds,
    recognise,
    split_records,
)
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    RecordPage,
    SourceNotice,
    SourceSettings,
    SourceStatus,
    Start,
    in_pieces,
    paced,
)

# Bytes as they come from a program into the raw bytes of records: the format is found in what comes first.


SAMPLE_BYTES = 64 * 1024
"""So much is looked at to recognise the format; less where the program pauses before."""


class RecordSplitter:
    """Splits a stream into records: ``take`` each block and it returns the complete records. A record is complete when
    the next one begins, at a pause (``settle``), or with its line if none has several. The part of a record beyond
    RAW_LIMIT is counted and not kept."""

    def __init__(self, format_name: str) -> None:
        self._format: Format | None = load_format(format_name) if format_name else None
        self.format_name = format_name
        self._pending = b""
        self._cut_bytes = 0

    @property
    def format(self) -> Format:
        """The format; plain until one is detected."""
        return self._format or load_format("plain")

    def take(self, block: bytes) -> list[tuple[bytes, int]]:
        """Return the records that are complete now: raw bytes (without the last newline) and original size in bytes."""
        self._pending += block
        if self._format is None:
            if len(self._pending) < SAMPLE_BYTES:
                return []
            self._recognise()
        return self._whole()

    def settle(self, *, ended: bool) -> list[tuple[bytes, int]]:
        """Return the records that are complete after a pause: those that consist of whole lines; with ``ended``, also
        those that end in a partial line."""
        if self._format is None and self._pending:
            if b"\n" not in self._pending and not ended:
                return []
            self._recognise()
        found = self._whole()
        rest = self._pending if ended else self._pending[: self._pending.rfind(b"\n") + 1]
        self._pending = self._pending[len(rest) :]
        return found + [self._counted(raw) for _offset, raw in split_records(rest, self.format)] if rest else found

    def _recognise(self) -> None:
        self.format_name = recognise(self._pending[:SAMPLE_BYTES])
        self._format = load_format(self.format_name, self._pending[:SAMPLE_BYTES])

    def _whole(self) -> list[tuple[bytes, int]]:
        """Return all records but the last, if it may continue."""
        end = self._pending.rfind(b"\n") + 1
        if not end:
            self._bound()
            return []
        records = split_records(self._pending[:end], self.format)
        if not records:
            return []
        half = self._pending[end:]
        ends_here = self.format.begins is every_line or (len(half) > RAW_LIMIT and self.format.begins(half))
        whole = records if ends_here else records[:-1]
        self._pending = half if ends_here else self._pending[records[-1][0] :]
        found = [self._counted(raw) for _offset, raw in whole]
        self._bound()
        return found

    def _bound(self) -> None:
        """Truncate a record that never ends; a short partial line after it is kept, because it may begin the next
        record."""
        end = self._pending.rfind(b"\n") + 1
        if not end or len(self._pending) - end > RAW_LIMIT:
            end = len(self._pending)
        if end > 2 * RAW_LIMIT:
            newline = self._pending[end - 1 : end] == b"\n"
            self._cut_bytes += end - RAW_LIMIT - newline
            self._pending = self._pending[:RAW_LIMIT] + b"\n" * newline + self._pending[end:]

    def _counted(self, raw: bytes) -> tuple[bytes, int]:
        size, self._cut_bytes = len(raw) + self._cut_bytes, 0
        return raw[:RAW_LIMIT], size


# Records kept in memory, bounded by bytes: of programs whose output can be read only once (a command, a pipe).


KEEP_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 64
"""What a kept record costs beside its bytes (CPython: head of ``bytes``, references, time)."""


class RetainedRecords:
    """The newest records by number (from 0, in order of arrival); the oldest are dropped first."""

    def __init__(self, limit_bytes: int = KEEP_BYTES) -> None:
        self._limit = limit_bytes
        self._raw: list[bytes] = []
        self._sizes: array[int] = array("q")
        self._marks: list[tuple[int, int]] = []
        self._gone = 0
        self.first = 0
        """Number of the oldest that is kept: so many have fallen out."""
        self.bytes = 0

    @property
    def end(self) -> int:
        """One past the newest number."""
        return self.first + len(self._raw) - self._gone

    def add(self, raw: bytes, size_bytes: int) -> None:
        """Add a record; drop the oldest ones if the memory limit is exceeded."""
        self._raw.append(raw)
        self._sizes.append(size_bytes)
        self.bytes += len(raw) + _OVERHEAD_BYTES
        while self.bytes > self._limit and self.end - self.first > 1:
            self.bytes -= len(self._raw[self._gone]) + _OVERHEAD_BYTES
            self._raw[self._gone] = b""
            self._gone += 1
            self.first += 1
        if self._gone > 1024 and self._gone * 2 > len(self._raw):
            del self._raw[: self._gone], self._sizes[: self._gone]
            del self._marks[: bisect_left(self._marks, self.first, key=lambda mark: mark[0])]
            self._gone = 0

    def at(self, number: int) -> tuple[bytes, int]:
        """Return raw bytes and size of a retained record."""
        index = number - self.first + self._gone
        return self._raw[index], self._sizes[index]

    def mark(self, number: int, time_us: int) -> None:
        """Note the time of record ``number``, which is newer than all records noted before."""
        before = self._marks[-1][1] if self._marks else time_us
        self._marks.append((number, max(before, time_us)))

    def first_at(self, time_us: int, time_of: Callable[[int], int | None]) -> int:
        """Return the number of the first record that has reached ``time_us``; searches the marks, then record by
        record."""
        mark = bisect_left(self._marks, time_us, key=lambda mark: mark[1])
        start = self._marks[mark - 1][0] if mark else self.first
        end = self._marks[mark][0] if mark < len(self._marks) else self.end
        reached = (n for n in range(max(start, self.first), end) if (at := time_of(n)) is not None and at >= time_us)
        return next(reached, max(end, self.first))

    def numbers(self, start: int, *, older: bool) -> Iterator[int]:
        """Return the retained numbers from ``start`` on: going newer including it, going older without it."""
        return iter(
            range(min(start, self.end) - 1, self.first - 1, -1) if older else range(max(start, self.first), self.end)
        )


# A source whose bytes come once and do not come again: what was read is kept in memory, bounded.


QUIET_S = 0.2
"""A pause after which what has come is taken as whole."""
FIRST_S = 2.0
"""How long the first page waits at most for the program to say something, and then all that it has."""
_LOOKED_AT = 512
"""So many records are looked at before others get a turn."""
_MARK_EVERY = 32
"""Of one record in so many the time is read as it comes; of the others where a time is looked for."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)


class StreamOrigin(Struct, frozen=True):
    """The origin of the bytes. ``blocks()`` starts it; with ``again`` it is restarted when it ends."""

    description: str
    blocks: Callable[[], AsyncGenerator[bytes, None]]
    again: bool = False


class StreamSource:
    """See :class:`LogSource`. Reading begins with the first query; ``place`` is a record's number in order of
    arrival."""

    def __init__(
        self, name: str, origin: StreamOrigin, setting: SourceSettings, *, keep_bytes: int = KEEP_BYTES
    ) -> None:
        self.name = name
        self._origin, self._setting = origin, setting
        self._status: Feed[SourceStatus] = Feed()
        self._arriving = RecordSplitter(setting.format)
        self._kept = RetainedRecords(keep_bytes)
        self._notices: list[tuple[int, SourceNotice]] = []
        self._error: LilFoxError | None = None
        self._over = False
        self._settled = asyncio.Event()
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; ``missed`` counts records dropped from memory."""
        return self._status

    @property
    def host(self) -> Host:
        """The host where the program runs."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`. Raises the error that ended the reading if nothing was read before."""
        await self._begin()
        found: list[LogRecord] = []
        number = self._number(start, older=older)
        for looked, at in enumerate(self._kept.numbers(number, older=older), 1):
            record = self._record(at)
            if where.matches(record):
                found.append(record)
            if len(found) == limit or looked == _LOOKED_AT:
                further = at > self._kept.first if older else at + 1 < self._kept.end
                return RecordPage(_oldest_first(found, older), AtPlace(str(at)) if further else None)
        return RecordPage(_oldest_first(found, older), None)

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`; ends with the program, unless the program is restarted. A SourceNotice reports
        records that were dropped from memory before they were yielded."""
        await self._begin()
        number = self._number(start, older=False)
        told = 0 if number < self._kept.end else len(self._notices)
        while True:
            changed = self._changed
            batch: list[LogRecord | SourceNotice] = []
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
        """Stop reading, which ends the program."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _begin(self) -> None:
        """Start reading, and give the program a moment to produce output."""
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
        """Raise an internal error of the reading task, so that the source does not just stay silent."""
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
            self._notice(tr("{source} is restarting: {why}. Lines may be missing or repeated here",
                            source=self._origin.description, why=why))  # fmt: skip
            self._error = error
            if error is not None:
                next_try = datetime.fromtimestamp(time.time() + pause_s, UTC)
                self._status.fail(error, next_try=next_try)
            self._settled.set()
            await wait_until_reconnected(self.host, pause_s)

    def _finish(self, error: LilFoxError | None) -> None:
        self._error = error
        if error is not None:
            self._status.fail(error)
            self._notice(tr("{source} ended: {why}", source=self._origin.description, why=error.message))
        self._over = True
        self._settled.set()
        self._wake()

    async def _read_to_its_end(self) -> LilFoxError | None:
        """Read until the end; return the error that ended it, if any."""
        error: LilFoxError | None = None
        async with aclosing(in_pieces(paced(self._origin.blocks()))) as blocks:
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
        self._notices.append((self._kept.end, SourceNotice(self.name, microseconds(datetime.now(UTC)), text)))
        self._wake()

    def _fell_out(self, count: int) -> SourceNotice:
        text = tr("{count} records were dropped from memory before they were shown", count=count)
        return SourceNotice(self.name, microseconds(datetime.now(UTC)), text)

    def _number(self, start: Start, *, older: bool) -> int:
        """Return the number from which ``RetainedRecords.numbers`` starts."""
        if isinstance(start, AtBeginning):
            return 0
        if isinstance(start, AtEnd):
            return self._kept.end
        if isinstance(start, AtTime):
            return self._kept.first_at(start.time_us, self._time_of)
        return int(start.place) + (not older)

    def _time_of(self, number: int) -> int | None:
        entry = self._arriving.format.parse(self._kept.at(number)[0], self._setting.zone)
        return None if entry is None else entry.time_us

    def _record(self, number: int) -> LogRecord:
        raw, size = self._kept.at(number)
        entry = self._arriving.format.parse(raw, self._setting.zone) or LogEntry(message=raw.decode("utf-8", "replace"))
        return LogRecord(source=self.name, place=str(number), entry=entry, raw=raw, size_bytes=size)


def _oldest_first(found: list[LogRecord], older: bool) -> tuple[LogRecord, ...]:
    return tuple(reversed(found)) if older else tuple(found)
