"""A source whose lines carry the stamp of who took them (a container's engine, a kubelet): they are put in the order of
these stamps, followed on from the last one, and kept in memory within bounds.

A line is known by its stamp, and by which line of that stamp it is: what is read again after a cut link, a restart or
from another life of the same program is left out, so that nothing is lost or doubled.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import wait_until_reconnected
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
    paced,
)

KEEP_BYTES = 64 * 1024 * 1024
AGAIN_S = (0.5, 1.0, 2.0, 5.0, 15.0)
FIRST_S = 5.0
"""How long the first page waits at most for what is there."""
QUIET_S = 0.2
"""After such a pause a record is taken as whole."""
_LOOKED_AT = 512
_OVERHEAD_BYTES = 600
"""What a kept record costs beside its bytes."""
_SAMPLE_LINES = 50
_SAMPLE_S = 0.5
"""The format is recognised by so many lines, or by what comes in this time."""


class StampedLine(Struct, frozen=True):
    """A line, without its end, and when it was taken (ns since 1970); ``stream`` is 2 for standard error."""

    stamp: int
    stream: int
    text: bytes


def stamped(line: bytes, stream: int) -> StampedLine | None:
    """Return the line without its stamp (RFC 3339 with nanoseconds); None if it has none."""
    word, _space, text = line.partition(b" ")
    stamp = stamp_of(word.decode("ascii", "replace"))
    return None if stamp is None else StampedLine(stamp, stream, text.removesuffix(b"\r"))


def stamp_of(text: str) -> int | None:
    """Return the time in nanoseconds since 1970, exactly; None if it is none."""
    whole, _point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if digits else ""
    if not digits:  # no fraction: the zone is behind the seconds
        whole, zone = whole[:19], whole[19:]
    try:
        at = datetime.fromisoformat(f"{whole}{zone.replace('Z', '+00:00') or '+00:00'}")
    except ValueError:
        return None
    return int(at.timestamp()) * 10**9 + int(digits[:9].ljust(9, "0") or 0)


# Lines of one program as records.


class StampedOrigin(Struct, frozen=True):
    """Where lines come from: ``name`` as the column of the log shows it, ``logger`` for entries that name none,
    ``fields`` that each record gets, and a word for its ``place``."""

    name: str
    logger: str
    place: str
    fields: Mapping[str, str]


class StampedLines:
    """Joins the lines of one origin to records by their format, which is recognised by the first lines."""

    def __init__(self, source: str, origin: StampedOrigin, setting: SourceSettings) -> None:
        self._source, self._origin, self._setting = source, origin, setting
        self._format: Format | None = load_format(setting.format) if setting.format else None
        self._waiting: list[StampedLine] = []
        self._began = 0.0
        self._lines: list[StampedLine] = []

    def take(self, line: StampedLine) -> list[LogRecord]:
        """Return the records that are whole now."""
        if self._format is None:
            self._began = self._began or time.monotonic()
            self._waiting.append(line)
            is_enough = len(self._waiting) >= _SAMPLE_LINES or time.monotonic() - self._began > _SAMPLE_S
            return self._recognised() if is_enough else []
        return self._grouped(line, self._format)

    def settle(self) -> list[LogRecord]:
        """Return what is there, after a pause or at the end."""
        found = self._recognised() if self._format is None and self._waiting else []
        return found + self._flush()

    def _recognised(self) -> list[LogRecord]:
        made = load_format(recognise(b"".join(each.text + b"\n" for each in self._waiting)))
        self._format, lines, self._waiting = made, self._waiting, []
        return [record for line in lines for record in self._grouped(line, made)]

    def _grouped(self, line: StampedLine, made: Format) -> list[LogRecord]:
        found = self._flush() if not self._lines or made.begins(line.text) else []
        self._lines.append(line)
        return found + self._flush() if made.begins is every_line else found

    def _flush(self) -> list[LogRecord]:
        if not self._lines:
            return []
        lines, self._lines = self._lines, []
        whole = b"\n".join(each.text for each in lines)
        raw, zone = whole[:RAW_LIMIT], self._setting.zone
        entry = (None if self._format is None else self._format.parse(raw, zone)) or LogEntry(
            message=raw.decode("utf-8", "replace")
        )
        origin = self._origin
        entry = replace(
            entry, time_us=lines[0].stamp // 1000, logger=entry.logger or origin.logger,
            fields={**origin.fields, **entry.fields},
        )  # fmt: skip
        return [LogRecord(source=self._source, place=f"{lines[0].stamp}:{origin.place}", entry=entry, raw=raw,
                          size_bytes=len(whole), log=origin.name)]  # fmt: skip


class FollowedLines:
    """How far one origin is read: its last stamp, and how many lines of that stamp."""

    def __init__(self) -> None:
        self.stamp, self.count = 0, 0
        self.running: asyncio.Task[None] | None = None

    async def new(self, lines: AsyncIterator[StampedLine | None]) -> AsyncGenerator[StampedLine | None, None]:
        """Yield the lines that were not read before; None after a pause."""
        again, known = 0, (self.stamp, self.count)
        async for line in lines:
            if line is None:
                yield None
                continue
            if line.stamp < known[0]:
                continue
            if line.stamp == known[0] and again < known[1]:
                again += 1
                continue
            if line.stamp >= self.stamp:  # those of two streams may change places
                self.count = self.count + 1 if line.stamp == self.stamp else 1
                self.stamp = line.stamp
            yield line


async def lines_with_pauses(
    blocks: AsyncGenerator[bytes, None], take: Callable[[bytes], Iterable[StampedLine]]
) -> AsyncGenerator[StampedLine | None, None]:
    """Yield the lines that ``take`` makes of ``blocks`` as they come, None after each pause."""
    coming: asyncio.Future[bytes] | None = None
    async with aclosing(paced(blocks)) as blocks:
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(blocks))
                if not (await asyncio.wait([coming], timeout=QUIET_S))[0]:
                    yield None
                    await asyncio.wait([coming])
                block, coming = coming.result(), None
                for line in take(block):
                    yield line
                await asyncio.sleep(0)
        except StopAsyncIteration:
            pass
        finally:
            if coming is not None and not coming.done():
                coming.cancel()
                await asyncio.wait([coming])


class StampedSource(ABC):
    """See :class:`LogSource`. Reading begins with the first query; ``place`` has a record's number in order of
    arrival. A kind says how it reads until it cannot (:meth:`_read_on`), and which ``errors`` that raises."""

    errors: tuple[type[LilFoxError], ...]

    def __init__(self, name: str, setting: SourceSettings, description: str) -> None:
        self.name, self.host = name, setting.host
        self._setting, self._description = setting, description
        self._status: Feed[SourceStatus] = Feed()
        self._records: list[LogRecord] = []
        self._first, self._bytes = 0, 0
        self._arrived: list[LogRecord] | None = []
        """What comes before the first page, which is sorted by time; None afterwards."""
        self._notices: list[tuple[int, SourceNotice]] = []
        self._reached = self._was_reached = False
        """Whether what is asked has answered since the last failure, and whether it ever has."""
        self._settled, self._changed = asyncio.Event(), asyncio.Event()
        self._error: LilFoxError | None = None
        self._told: Message | str | None = None
        """The reason that was shown last: one is not shown again at each try."""
        self._reading: asyncio.Task[None] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; ``missed`` counts records dropped from memory."""
        return self._status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`. Raises the error of reading if nothing was read before."""
        await self._begin()
        numbers = self._numbers(self._number(start, older=older), older=older)
        found: list[LogRecord] = []
        for looked, at in enumerate(numbers, 1):
            record = self._at(at)
            if where.matches(record):
                found.append(record)
            if len(found) == limit or looked == _LOOKED_AT:
                further = at > self._first if older else at + 1 < self._end
                more = AtPlace(record.place) if further else None
                return RecordPage(tuple(reversed(found)) if older else tuple(found), more)
        return RecordPage(tuple(reversed(found)) if older else tuple(found), None)

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`."""
        await self._begin()
        number = self._number(start, older=False)
        told = 0 if number < self._end else len(self._notices)
        while True:
            changed = self._changed
            batch: list[LogRecord | SourceNotice] = []
            if 0 < number < self._first:
                lost = tr("{count} records were dropped from memory before they were shown",
                          count=self._first - number)  # fmt: skip
                batch.append(self._notice(lost))
            number = max(number, self._first)
            upto = min(self._end, number + _LOOKED_AT)
            batch += [record for at in range(number, upto) if where.matches(record := self._at(at))]
            number = upto
            if number == self._end:
                batch += [notice for _at, notice in self._notices[told:]]
                told = len(self._notices)
            if batch:
                yield batch
            elif number == self._end and changed is self._changed:
                await changed.wait()
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    # What is kept, by number.

    @property
    def _end(self) -> int:
        return self._first + len(self._records)

    def _at(self, number: int) -> LogRecord:
        return self._records[number - self._first]

    def _numbers(self, start: int, *, older: bool) -> Iterator[int]:
        if older:
            return iter(range(min(start, self._end) - 1, self._first - 1, -1))
        return iter(range(max(start, self._first), self._end))

    def _number(self, start: Start, *, older: bool) -> int:
        if isinstance(start, AtBeginning):
            return 0
        if isinstance(start, AtEnd):
            return self._end
        if isinstance(start, AtTime):
            return self._first + bisect_left(self._records, start.time_us, key=lambda each: each.entry.time_us or 0)
        return int(start.place.rpartition("#")[2]) + (not older)

    def _add(self, records: list[LogRecord]) -> None:
        if self._arrived is not None:
            self._arrived += records
            return
        for each in records:
            self._records.append(replace(each, place=f"{each.place}#{self._end}"))
            self._bytes += len(each.raw) + _OVERHEAD_BYTES
        dropped = 0
        while self._bytes > KEEP_BYTES and dropped < len(self._records) - 1:
            self._bytes -= len(self._records[dropped].raw) + _OVERHEAD_BYTES
            dropped += 1
        if dropped:
            del self._records[:dropped]
            self._first += dropped
        if records:
            self._publish()

    def _publish(self) -> None:
        self._status.publish(
            SourceStatus(
                description=self._description, format=self._setting.format,
                zone=str(self._setting.zone), size_bytes=self._bytes, indexed_bytes=self._bytes,
                records=len(self._records), missed=self._first,
            )
        )  # fmt: skip
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _notice(self, text: Message) -> SourceNotice:
        return SourceNotice(self.name, microseconds(datetime.now(UTC)), text)

    # Reading.

    async def _begin(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(FIRST_S):
                await self._settled.wait()
        except TimeoutError:
            self._settle()
        if self._reading.done() and not self._reading.cancelled() and (fault := self._reading.exception()):
            raise fault
        if self._error is not None and not self._records:
            raise self._error.with_traceback(None)

    def _settle(self) -> None:
        """Put what has come so far into the order of time; what comes from now on is added at the end."""
        if self._arrived is not None:
            arrived, self._arrived = self._arrived, None
            self._add(sorted(arrived, key=lambda each: each.entry.time_us or 0))
            self._publish()
        self._settled.set()

    async def _read(self) -> None:
        tries = 0
        while True:
            self._reached = False
            try:
                try:
                    await self._read_on()
                except ExceptionGroup as group:
                    raise group.exceptions[0] from None
            except self.errors as error:
                tries = 0 if self._reached else tries + 1
                self._error = error
                self._status.fail(error)
                if self._was_reached and error.message != self._told:
                    self._note(tr("{reason}", reason=error.message))
                self._told = error.message
            self._settle()
            self._wake()
            await wait_until_reconnected(self.host, AGAIN_S[min(tries, len(AGAIN_S) - 1)])

    @abstractmethod
    async def _read_on(self) -> None:
        """Read what is there, call :meth:`_caught_up`, and follow until that ends or fails. Raises ``errors``."""

    def _caught_up(self) -> None:
        """Say that all that was there has been read."""
        self._reached, self._was_reached, self._error, self._told = True, True, None, None
        self._settle()
        self._publish()

    def _note(self, text: Message) -> None:
        """Show a message at this point of the list."""
        self._notices.append((self._end, self._notice(text)))
        self._wake()

    async def _take(self, groups: Mapping[int, StampedLines], lines: AsyncIterator[StampedLine | None]) -> None:
        """Keep ``lines`` (None: a pause) as records, those of each stream joined by themselves."""
        try:
            async for line in lines:
                if line is not None:
                    self._add(groups[min(line.stream, 2)].take(line))
                else:
                    self._add([record for each in groups.values() for record in each.settle()])
        finally:  # what a cut link ends was read: it is not sent again
            self._add([record for each in groups.values() for record in each.settle()])
