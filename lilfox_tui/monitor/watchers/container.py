"""Watches the containers of hosts: which there are and what happens to them is told by their engines, what they use by
the samples of the host.

An engine is asked for all of its containers once; then it tells what changes (``/events``), and only those containers
are asked for anew. So a hundred containers cost hardly more than none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import ENGINE_ERRORS, Engine, EngineError, EnginePlace, find_engines, open_engine
from lilfox_tui.containers.model import (
    ID_CHARS,
    RECENT_S,
    Container,
    ContainerUsage,
    ContainerView,
    EngineView,
    UsageRates,
    judge,
    rates_of,
    usages_of,
)
from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.metrics.collectors import containers as collector
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import HostSnapshot, Level, Series

FIND_AGAIN_S = 60.0
"""Between two looks for an engine on a host that has none."""
RELIST_S = 600.0
"""Between two lists of all containers while events arrive: for what no event told of."""
PING_S = 15.0
"""After so long without an event the engine is asked whether it is there."""
GATHER_S = 0.5
"""Events are gathered for so long, and longer where many containers change: each is asked for at most so often."""
_GATHER_EACH_S = 0.02
AGAIN_S = (0.5, 1.0, 2.0, 5.0, 15.0)
HELD_S = 2.5 * collector.EVERY_S
"""What a container uses counts for so long unless something newer is read."""
_APART_S = 1.0
"""Between the two readings of a single look."""
_LEAST_APART_S, _BOOT_S = 0.5, 60.0
"""Readings that are closer are one; an uptime that is so much shorter is that of another boot."""


class _EngineSeen:
    """What was seen of one container beside its present state."""

    def __init__(self, container: Container, now: datetime) -> None:
        self.container = container
        self.restarted: deque[tuple[datetime, int]] = deque(maxlen=64)
        self.oom_events = 0
        self.oomed_at: datetime | None = None
        self._oom_kills: float | None = None
        self._counted = False
        """Whether an end for lack of memory of its present run was counted by its control group."""
        if container.restarts and container.created is not None and container.started is not None:
            recent = timedelta(seconds=RECENT_S)
            if now - container.created < recent:
                self.restarted.append((container.started, container.restarts))
            elif now - container.started < recent:
                self.restarted.append((container.started, 1))
        if container.oom_killed and container.finished is not None:
            self.oomed_at = container.finished

    def take(self, new: Container) -> None:
        """Take in a new state."""
        old, self.container = self.container, new
        if new.restarts > old.restarts:
            self.restarted.append((new.started or datetime.now(UTC), new.restarts - old.restarts))
        if new.oom_killed and new.finished != old.finished and not self._counted:
            self._oomed(1)
        if new.started != old.started:
            self._counted, self._oom_kills = False, None

    def take_kills(self, kills: float | None) -> None:
        """Take in how many processes of its control group were killed for lack of memory."""
        if kills is not None and self._oom_kills is not None and kills > self._oom_kills:
            self._oomed(round(kills - self._oom_kills))
            self._counted = True
        self._oom_kills = kills

    def _oomed(self, times: int) -> None:
        self.oom_events += times
        self.oomed_at = datetime.now(UTC)

    def recent_restarts(self, now: datetime) -> int:
        """Return how often its engine has restarted it in the last ten minutes."""
        return sum(count for at, count in self.restarted if (now - at).total_seconds() < RECENT_S)


class EngineWatch:
    """The containers of one engine; ``changed`` is called when there is something new."""

    def __init__(self, host: Host, place: EnginePlace, changed: Callable[[], None], *, sudo: bool = False) -> None:
        self.place, self._host, self._changed = place, host, changed
        self._engine: Engine = open_engine(host, place, sudo=sudo)
        self._seen: dict[str, _EngineSeen] = {}
        self._usages: Mapping[str, ContainerUsage] = {}
        self._rates: Mapping[str, UsageRates] = {}
        self._read_at: float | None = None
        self._version = ""
        self._error: LilFoxError | None = None
        self._listed = False
        self._pending: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. An internal error affects this engine alone."""
        tries = 0
        while True:
            listed, self._listed = self._listed, False
            try:
                await self._watch()
            except ENGINE_ERRORS as error:
                self._fail(error)
            except Exception as error:
                cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                self._fail(cause if isinstance(cause, ENGINE_ERRORS) else EngineError(fault_of(cause)))
            tries = 0 if self._listed else tries + 1
            self._listed = self._listed or listed
            await wait_until_reconnected(self._host, AGAIN_S[min(tries, len(AGAIN_S) - 1)])

    async def look_once(self) -> None:
        """Ask once for all containers."""
        try:
            await self._list()
        except ENGINE_ERRORS as error:
            self._fail(error)
        finally:
            await self._engine.close()

    async def _watch(self) -> None:
        async with aclosing(self._engine.events()) as events, CancelSafeTaskGroup() as group:
            keeping: asyncio.Task[Any] | None = None
            async for event in events:
                if event is None:
                    await self._list()
                    keeping = keeping or group.create_task(self._keep_up())
                else:
                    self._pending.add(event.id)
                    self._wake.set()
            if keeping is not None:
                keeping.cancel()
        raise EngineError(
            tr("{engine} on {host} has stopped", engine=self.place.text, host=self._host.name),
            tr("Containers of Docker stop with it unless live-restore is set. Check: systemctl status docker"),
        )

    async def _keep_up(self) -> None:
        """Ask for the containers that events tell of; without events, whether the engine is there."""
        clock = asyncio.get_running_loop().time
        listed_s = clock()
        while True:
            try:
                async with asyncio.timeout(PING_S):
                    await self._wake.wait()
            except TimeoutError:
                if clock() - listed_s > RELIST_S:
                    await self._list()
                    listed_s = clock()
                else:
                    await self._engine.ping()
                continue
            await asyncio.sleep(GATHER_S + _GATHER_EACH_S * len(self._pending))
            ids, self._pending = self._pending, set()
            self._wake.clear()
            self._take(await self._engine.inspect(sorted(ids)), ids)

    async def _list(self) -> None:
        self._version = self._version or await self._engine.version()
        ids = await self._engine.list_ids()
        found = await self._engine.inspect(ids)
        self._take(found, set(self._seen) | set(ids))
        self._listed = True

    def _take(self, found: Iterable[Container], asked: set[str]) -> None:
        """Take in the containers that were asked for; those that were not found are gone."""
        now = datetime.now(UTC)
        there = {each.id: each for each in found}
        for name in asked - set(there):
            self._seen.pop(name, None)
        for name, container in there.items():
            if name in self._seen:
                self._seen[name].take(container)
            else:
                self._seen[name] = _EngineSeen(container, now)
        self._error = None
        self._changed()

    def _fail(self, error: LilFoxError) -> None:
        self._error = error
        self._changed()

    def take_usages(self, read_at: float | None, usages: Mapping[str, ContainerUsage]) -> bool:
        """Take in what the host's control groups say, read at that uptime; return whether it is new."""
        if read_at is None:
            return False
        if self._read_at is not None and -_BOOT_S < read_at - self._read_at < _LEAST_APART_S:
            return False  # of two who read at the same time: no rate can be told between them
        seconds = 0.0 if self._read_at is None else read_at - self._read_at
        known = self._usages
        self._rates = {name: rates_of(known[name], usage, seconds) for name, usage in usages.items() if name in known}
        self._usages, self._read_at = usages, read_at
        for name, seen in self._seen.items():
            usage = usages.get(name[:ID_CHARS])
            seen.take_kills(None if usage is None else usage.oom_kills)
        return True

    def series(self) -> Iterator[tuple[Series, float]]:
        """Yield what each running container uses, as charts take it: bytes, bytes per second, and cores."""
        for name, seen in self._seen.items():
            if seen.container.state != "running":
                continue
            labels = (("id", name[:ID_CHARS]),)
            usage, rates = self._used(seen)
            known = (("memory", usage.memory), ("cpu", rates.cpu), ("read", rates.read), ("write", rates.write),
                     ("receive", rates.receive), ("transmit", rates.transmit))  # fmt: skip
            yield from ((Series(what, labels), value) for what, value in known if value is not None)

    def _used(self, seen: _EngineSeen) -> tuple[ContainerUsage, UsageRates]:
        """Return what a container uses, as far as that is its own."""
        container, name = seen.container, seen.container.short_id
        usage, rates = self._usages.get(name, ContainerUsage()), self._rates.get(name, UsageRates())
        if container.state != "running":
            return ContainerUsage(), UsageRates()
        if container.host_network:  # its numbers are the host's
            usage = replace(usage, receive_bytes=None, transmit_bytes=None)
            rates = replace(rates, receive=None, transmit=None)
        return usage, rates

    def view(self, now: datetime) -> EngineView:
        """Return the engine's row with those of its containers, worst first."""
        views = [self._of(seen, now) for seen in self._seen.values()]
        views.sort(key=lambda each: (-each.level, each.container.name))
        reasons = () if self._error is None else (tr("{reason}", reason=self._error.message),)
        level = Level.GOOD
        if self._error is not None:
            level = Level.FAILING if self._listed else Level.UNKNOWN
        elif not self._listed:
            level, reasons = Level.UNKNOWN, (tr("not checked yet"),)
        return EngineView(self._host.name, self.place.text, self._version, level, reasons, tuple(views),
                          self._error)  # fmt: skip

    def _of(self, seen: _EngineSeen, now: datetime) -> ContainerView:
        container = seen.container
        recent = seen.recent_restarts(now)
        oomed_s = None if seen.oomed_at is None else (now - seen.oomed_at).total_seconds()
        level, reasons = judge(container, now, recent_restarts=recent, oomed_s=oomed_s)
        usage, rates = self._used(seen)
        return ContainerView(
            host=self._host.name, engine=self.place.text, container=container, level=level, reasons=reasons,
            usage=usage,
            rates=rates,
            recent_restarts=recent, oom_events=seen.oom_events,
        )  # fmt: skip


class HostContainers:
    """The engines of one host. ``host_of`` returns the host, opened at the first look."""

    def __init__(self, config: HostConfig, host_of: Callable[[], Host], changed: Callable[[], None]) -> None:
        self._config, self._host_of, self._changed = config, host_of, changed
        self._engines: list[EngineWatch] = []

    async def run(self) -> None:
        """Find the engines, then watch them until cancelled."""
        host = self._host_of()
        while True:
            try:
                await self._find(host)
            except LilFoxError:
                """The host's own row says why."""
            if self._engines:
                async with CancelSafeTaskGroup() as group:
                    for engine in self._engines:
                        group.create_task(engine.run())
            await wait_until_reconnected(host, FIND_AGAIN_S)

    async def look_once(self) -> None:
        """Look once: at the containers, and twice at what they use."""
        host = self._host_of()
        try:
            await self._find(host)
            if not self._engines:
                return
            async with CancelSafeTaskGroup() as group:
                for engine in self._engines:
                    group.create_task(engine.look_once())
                group.create_task(self._read_twice(host))
        except LilFoxError:
            """The host's own row says why."""

    async def _read_twice(self, host: Host) -> None:
        for turn in range(2):
            await asyncio.sleep(_APART_S * turn)
            done = await host.run_script(collector.script(collector.Options()))
            text = done.stdout.decode("utf-8", "replace")
            samples = collector.parse({"script": text}, collector.Options())
            self.take((each.series, each.value) for each in samples)

    async def _find(self, host: Host) -> None:
        places = await find_engines(host, self._config.containers)
        self._engines = [EngineWatch(host, each, self._changed, sudo=self._config.sudo) for each in places]

    def take(self, values: Iterable[tuple[Series, float]]) -> dict[Series, float]:
        """Take in a new reading of the host; return what each container uses, if the reading tells something new."""
        read_at, usages = usages_of(values)
        told = [engine for engine in self._engines if engine.take_usages(read_at, usages)]
        return {series: value for engine in told for series, value in engine.series()}

    def views(self, now: datetime) -> tuple[EngineView, ...]:
        """Return a row for each engine. A program that no containers were ever seen of, and that fails, is none."""
        views = (engine.view(now) for engine in self._engines)
        return tuple(each for each in views if each.containers or each.error is None or "/" in each.place)


class WatchedContainers:
    """The containers of all hosts whose configuration does not switch them off. ``history`` takes what each uses, by
    its host."""

    def __init__(
        self,
        hosts: Mapping[str, HostConfig],
        host_of: Callable[[str], Host],
        changed: Callable[[], None],
        history: History,
    ) -> None:
        self._history = history
        self._hosts = {
            name: HostContainers(config, lambda name=name: host_of(name), changed)  # type: ignore[misc]
            for name, config in hosts.items()
            if config.containers != ()
        }

    async def run(self) -> None:
        """Watch all until cancelled; a problem with one delays no other."""
        async with asyncio.TaskGroup() as group:
            for watch in self._hosts.values():
                group.create_task(watch.run())

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """Return a coroutine for each host that looks at it once."""
        return [watch.look_once() for watch in self._hosts.values()]

    def take(self, snapshot: HostSnapshot) -> None:
        """Take in a new reading of a host."""
        if snapshot.host not in self._hosts:
            return
        used = self._hosts[snapshot.host].take(chain(snapshot.counters.items(), snapshot.gauges.items()))
        if used:
            self._history.add(f"host/{snapshot.host}", snapshot.at, used, holds_s=HELD_S)

    def views(self, now: datetime) -> dict[str, tuple[EngineView, ...]]:
        """Return the engines of each host that has any."""
        found = {name: watch.views(now) for name, watch in self._hosts.items()}
        return {name: views for name, views in found.items() if views}
