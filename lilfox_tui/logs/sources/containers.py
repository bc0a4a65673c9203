"""Logs of containers from their engine, Docker or Podman: of one, of a Compose project, or of a label in one list.

The engine stamps each line when it is written; these times order the list. A container that ends and starts again is
followed on from its last stamp: lines of that stamp that were read before are left out, so that a restart loses and
doubles nothing. Kept in memory, as what a program prints.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.containers.engine import ANSWER_S, ENGINE_ERRORS, ApiEngine, EngineError, EnginePlace, find_engines
from lilfox_tui.containers.model import Container
from lilfox_tui.core.aio import CancelSafeTaskGroup, Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import RAW_LIMIT, Format, LogEntry, LogRecord, load_format, microseconds, recognise
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
_LINE_LIMIT = 1024 * 1024


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``container`` is a name or the start of an id; with ``project`` all of that Compose project, with ``label`` all
    with that label (``NAME`` or ``NAME=VALUE``), new ones too; all of the host without any of them."""

    kind: str = "containers"
    container: str = ""
    project: str = ""
    label: str = ""
    socket: str = ""
    """The engine's socket; found when not given."""
    since: Seconds = Seconds(86_400)
    """How far back it goes."""
    lines: int = 10_000
    """So many of each container are read at most of what is there at first."""


def open_source(name: str, options: Options, setting: SourceSettings) -> ContainersSource:
    """Return a source for the containers' logs; asks nothing yet."""
    return ContainersSource(name, options, setting)


class StampedLine(Struct, frozen=True):
    """A line, without its end, and when its engine took it (ns since 1970); ``stream`` is 2 for standard error."""

    stamp: int
    stream: int
    text: bytes


# The engine's bytes as lines.


class Demultiplexer:
    """Takes the bytes of ``/logs?timestamps=1`` and gives lines. Output without a terminal comes in frames: stream,
    three zero bytes, length (big-endian), data; that of a terminal comes plain."""

    def __init__(self) -> None:
        self._raw = b""
        self._framed: bool | None = None
        self._half: dict[int, bytes] = {}

    def take(self, block: bytes) -> Iterator[StampedLine]:
        """Yield the whole lines."""
        self._raw += block
        if self._framed is None and len(self._raw) >= 8:
            self._framed = self._raw[0] <= 2 and self._raw[1:4] == b"\0\0\0"
        if self._framed is None:
            return
        if not self._framed:
            data, self._raw = self._raw, b""
            yield from self._lines(1, data)
            return
        at = 0
        while len(self._raw) - at >= 8:
            end = at + 8 + int.from_bytes(self._raw[at + 4 : at + 8], "big")
            if len(self._raw) < end:
                break
            yield from self._lines(self._raw[at], self._raw[at + 8 : end])
            at = end
        self._raw = self._raw[at:]

    def end(self) -> Iterator[StampedLine]:
        """Yield the last lines, which have no end."""
        if self._framed is None and self._raw:
            self._framed = False
            yield from self.take(b"")
        for stream, half in self._half.items():
            if (line := stamped(half, stream)) is not None:
                yield line
        self._half = {}

    def _lines(self, stream: int, data: bytes) -> Iterator[StampedLine]:
        *lines, half = (self._half.get(stream, b"") + data).split(b"\n")
        self._half[stream] = half[:_LINE_LIMIT]
        for each in lines:
            if (line := stamped(each, stream)) is not None:
                yield line


def stamped(line: bytes, stream: int) -> StampedLine | None:
    """Return the line without the engine's stamp (RFC 3339 with nanoseconds); None if it has none."""
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


async def newest_lines(
    host: Host, place: EnginePlace, container: str, count: int, *, sudo: bool = False
) -> list[StampedLine]:
    """Return the last lines of a container with that id, oldest first. Raises EngineError, HostError."""
    if not place.socket:
        argv = (place.program, "logs", "--timestamps", "--tail", str(count), container)
        done = await host.run(argv, timeout_s=ANSWER_S, sudo=sudo)
        said = [(stream, line) for stream, text in ((1, done.stdout), (2, done.stderr)) for line in text.splitlines()]
        found = [line for stream, text in said if (line := stamped(text, stream)) is not None]
        return sorted(found, key=lambda line: line.stamp)[-count:]
    query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "0", "tail": str(count)}
    lines, parts = list[StampedLine](), Demultiplexer()
    try:
        async with asyncio.timeout(ANSWER_S), ApiEngine(host, place).logs(container, urlencode(query)) as answer:
            async for block in answer.blocks():
                lines += parts.take(block)
            lines += parts.end()
    except TimeoutError:
        raise EngineError(
            tr("{engine} on {host} did not answer within {seconds:g} s", engine=place.text, host=host.name,
               seconds=ANSWER_S)
        ) from None  # fmt: skip
    return sorted(lines, key=lambda line: line.stamp)[-count:]


# Lines of one container as records.


class ContainerLines:
    """Joins the lines of one stream of a container to records by their format, which is recognised by the first
    lines."""

    def __init__(self, name: str, container: Container, setting: SourceSettings) -> None:
        self._name, self._container, self._setting = name, container, setting
        self._format: Format | None = load_format(setting.format) if setting.format else None
        self._waiting: list[StampedLine] = []
        self._lines: list[StampedLine] = []

    def take(self, line: StampedLine) -> list[LogRecord]:
        """Return the records that are whole now."""
        if self._format is None:
            self._waiting.append(line)
            return self._recognised() if len(self._waiting) >= _SAMPLE_LINES else []
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
        return found

    def _flush(self) -> list[LogRecord]:
        if not self._lines:
            return []
        lines, self._lines = self._lines, []
        whole = b"\n".join(each.text for each in lines)
        raw, zone = whole[:RAW_LIMIT], self._setting.zone
        entry = (None if self._format is None else self._format.parse(raw, zone)) or LogEntry(
            message=raw.decode("utf-8", "replace")
        )
        about = {"container": self._container.name, "stream": "stderr" if lines[0].stream == 2 else "stdout"}
        about |= {"project": self._container.project} if self._container.project else {}
        entry = replace(
            entry, time_us=lines[0].stamp // 1000, logger=entry.logger or self._container.name,
            fields={**about, **entry.fields},
        )  # fmt: skip
        place = f"{lines[0].stamp}:{self._container.short_id}"
        return [LogRecord(source=self._name, place=place, entry=entry, raw=raw, size_bytes=len(whole),
                          log=self._container.name)]  # fmt: skip


class _Followed:
    """How far one container is read: its last stamp, and how many lines of that stamp."""

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
            self.count = self.count + 1 if line.stamp == self.stamp else 1
            self.stamp = max(self.stamp, line.stamp)
            yield line


class ContainersSource:
    """See :class:`LogSource`. Reading begins with the first query; ``place`` has a record's number in order of
    arrival."""

    def __init__(self, name: str, options: Options, setting: SourceSettings) -> None:
        self.name, self.host = name, setting.host
        self._options, self._setting = options, setting
        self._status: Feed[SourceStatus] = Feed()
        self._records: list[LogRecord] = []
        self._first, self._bytes = 0, 0
        self._arrived: list[LogRecord] | None = []
        """What comes before the first page, which is sorted by time; None afterwards."""
        self._notices: list[tuple[int, SourceNotice]] = []
        self._followed: dict[str, _Followed] = {}
        self._settled, self._changed = asyncio.Event(), asyncio.Event()
        self._error: LilFoxError | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`; ``missed`` counts records dropped from memory."""
        return self._status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`. Raises the error of the engine if nothing was read before."""
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
        about = self._options.container or self._options.project or self._options.label
        self._status.publish(
            SourceStatus(
                description=" ".join(filter(None, ("containers", about))), format=self._setting.format,
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
            listed = len(self._followed)
            try:
                try:
                    await self._read_engine()
                except ExceptionGroup as group:
                    raise group.exceptions[0] from None
            except ENGINE_ERRORS as error:
                tries = 0 if len(self._followed) > listed else tries + 1
                self._error = error
                self._status.fail(error)
                if self._followed:
                    self._notices.append((self._end, self._notice(tr("{reason}", reason=error.message))))
            self._settle()
            self._wake()
            await wait_until_reconnected(self.host, AGAIN_S[min(tries, len(AGAIN_S) - 1)])

    async def _read_engine(self) -> None:
        """Follow the containers that are wanted until the engine ends. Raises EngineError, HostError."""
        engine = await self._engine()
        async with aclosing(engine.events()) as events, CancelSafeTaskGroup() as group:
            async for event in events:
                if event is None:
                    wanted = [each for each in await engine.inspect(await engine.list_ids()) if self._wants(each)]
                    await asyncio.gather(*(self._catch_up(engine, each) for each in wanted))
                    self._error = None
                    self._settle()
                    for each in wanted:
                        self._go_on(group, engine, each)
                elif event.action in ("start", "restart"):
                    for each in await engine.inspect([event.id]):
                        if self._wants(each):
                            self._go_on(group, engine, each)
            for followed in self._followed.values():
                if followed.running is not None:
                    followed.running.cancel()
        raise EngineError(tr("{engine} on {host} has stopped", engine=engine.place.text, host=self.host.name))

    async def _engine(self) -> ApiEngine:
        sockets = [self._options.socket] if self._options.socket else None
        place = next((each for each in await find_engines(self.host, sockets) if each.socket), None)
        if place is None:
            raise EngineError(
                tr("{host} has no container engine whose socket this login can use", host=self.host.name),
                tr("Set socket: of the log source, or add the login to the group of the socket."),
            )
        return ApiEngine(self.host, place)

    def _wants(self, container: Container) -> bool:
        options, labels = self._options, dict(container.labels)
        name, has_value, value = options.label.partition("=")
        return (
            (not options.container or container.name == options.container
             or (len(options.container) >= 4 and container.id.startswith(options.container)))
            and (not options.project or container.project == options.project)
            and (not name or (name in labels and (not has_value or labels[name] == value)))
        )  # fmt: skip

    def _go_on(self, group: CancelSafeTaskGroup, engine: ApiEngine, container: Container) -> None:
        """Follow a container, unless that is being done."""
        followed = self._followed.setdefault(container.id, _Followed())
        if followed.running is None or followed.running.done():
            followed.running = group.create_task(self._follow_on(engine, container, followed))

    async def _catch_up(self, engine: ApiEngine, container: Container) -> None:
        """Read what is there."""
        await self._take(engine, container, self._followed.setdefault(container.id, _Followed()), follow=False)

    async def _follow_on(self, engine: ApiEngine, container: Container, followed: _Followed) -> None:
        """Follow a container until it ends, then once more without waiting: what it wrote last is on its way while
        its engine tells of the end. One that is gone has no more."""
        try:
            while True:
                before = followed.stamp, followed.count
                await self._take(engine, container, followed, follow=True)
                now = next(iter(await engine.inspect([container.id])), None)
                if (now is None or not now.running) and before == (followed.stamp, followed.count):
                    return
        except EngineError as error:
            self._notices.append((self._end, self._notice(tr("{reason}", reason=error.message))))
            self._wake()

    async def _take(self, engine: ApiEngine, container: Container, followed: _Followed, *, follow: bool) -> None:
        since = followed.stamp or time.time_ns() - int(self._options.since * 1e9)
        query = {
            "stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0",
            "since": f"{since // 10**9}.{since % 10**9:09d}",
            "tail": "all" if followed.stamp else str(self._options.lines),
        }  # fmt: skip
        groups: Mapping[int, ContainerLines] = {
            stream: ContainerLines(self.name, container, self._setting) for stream in (0, 1, 2)
        }
        async with aclosing(followed.new(self._lines(engine, container.id, urlencode(query)))) as lines:
            async for line in lines:
                if line is not None:
                    self._add(groups[min(line.stream, 2)].take(line))
                else:
                    self._add([record for each in groups.values() for record in each.settle()])
        self._add([record for each in groups.values() for record in each.settle()])

    async def _lines(self, engine: ApiEngine, name: str, query: str) -> AsyncGenerator[StampedLine | None, None]:
        """Yield the lines as they come, None after each pause."""
        async with engine.logs(name, query) as answer:
            parts, blocks = Demultiplexer(), answer.blocks()
            coming: asyncio.Future[bytes] | None = None
            try:
                while True:
                    coming = coming or asyncio.ensure_future(anext(blocks))
                    if not (await asyncio.wait([coming], timeout=QUIET_S))[0]:
                        yield None
                        await asyncio.wait([coming])
                    block, coming = coming.result(), None
                    for line in parts.take(block):
                        yield line
                    await asyncio.sleep(0)
            except StopAsyncIteration:
                pass
            finally:
                if coming is not None and not coming.done():
                    coming.cancel()
                    await asyncio.wait([coming])
            for line in parts.end():
                yield line
