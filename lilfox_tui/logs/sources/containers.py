"""Logs of containers from their engine, Docker or Podman: of one, of a Compose project, or of a label in one list.

The engine stamps each line when it is written; these times order the list. A container that ends and starts again is
followed on from its last stamp: lines of that stamp that were read before are left out, so that a restart loses and
doubles nothing. Kept in memory, as what a program prints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from urllib.parse import urlencode

from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.containers.engine import ANSWER_S, ENGINE_ERRORS, ApiEngine, EngineError, EnginePlace, find_engines
from lilfox_tui.containers.model import Container
from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.stamped_source import (
    FollowedLines,
    StampedLine,
    StampedLines,
    StampedOrigin,
    StampedSource,
    lines_with_pauses,
    stamped,
)

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


class ContainersSource(StampedSource):
    """See :class:`LogSource`."""

    errors = ENGINE_ERRORS

    def __init__(self, name: str, options: Options, setting: SourceSettings) -> None:
        about = options.container or options.project or options.label
        super().__init__(name, setting, " ".join(filter(None, ("containers", about))))
        self._options = options
        self._followed: dict[str, FollowedLines] = {}

    async def _read_on(self) -> None:
        """Follow the containers that are wanted until the engine ends."""
        engine = await self._engine()
        async with aclosing(engine.events()) as events, CancelSafeTaskGroup() as group:
            async for event in events:
                if event is None:
                    wanted = [each for each in await engine.inspect(await engine.list_ids()) if self._wants(each)]
                    await asyncio.gather(*(self._catch_up(engine, each) for each in wanted))
                    self._caught_up()
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
        followed = self._followed.setdefault(container.id, FollowedLines())
        if followed.running is None or followed.running.done():
            followed.running = group.create_task(self._follow_on(engine, container, followed))

    async def _catch_up(self, engine: ApiEngine, container: Container) -> None:
        """Read what is there."""
        await self._read_lines(
            engine, container, self._followed.setdefault(container.id, FollowedLines()), follow=False
        )

    async def _follow_on(self, engine: ApiEngine, container: Container, followed: FollowedLines) -> None:
        """Follow a container until it ends, then once more without waiting: what it wrote last is on its way while
        its engine tells of the end. One that is gone has no more."""
        try:
            while True:
                before = followed.stamp, followed.count
                await self._read_lines(engine, container, followed, follow=True)
                now = next(iter(await engine.inspect([container.id])), None)
                if (now is None or not now.running) and before == (followed.stamp, followed.count):
                    return
        except EngineError as error:
            self._note(tr("{reason}", reason=error.message))

    async def _read_lines(
        self, engine: ApiEngine, container: Container, followed: FollowedLines, *, follow: bool
    ) -> None:
        since = followed.stamp or time.time_ns() - int(self._options.since * 1e9)
        query = {
            "stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0",
            "since": f"{since // 10**9}.{since % 10**9:09d}",
            "tail": "all" if followed.stamp else str(self._options.lines),
        }  # fmt: skip
        groups = {stream: StampedLines(self.name, _origin(container, stream), self._setting) for stream in (0, 1, 2)}
        async with aclosing(followed.new(_lines(engine, container.id, urlencode(query)))) as lines:
            await self._take(groups, lines)


def _origin(container: Container, stream: int) -> StampedOrigin:
    fields = {"container": container.name, "stream": "stderr" if stream == 2 else "stdout"}
    fields |= {"project": container.project} if container.project else {}
    return StampedOrigin(container.name, container.name, container.short_id, fields)


async def _lines(engine: ApiEngine, name: str, query: str) -> AsyncGenerator[StampedLine | None, None]:
    """Yield the lines as they come, None after each pause."""
    parts = Demultiplexer()
    async with engine.logs(name, query) as answer, aclosing(lines_with_pauses(answer.blocks(), parts.take)) as lines:
        async for line in lines:
            yield line
        for line in parts.end():
            yield line
