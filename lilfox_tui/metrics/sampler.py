"""One host, sampled over and over: a question each period, a snapshot on a feed."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lilfox_tui.errors import HostError, HostUnreachable
from lilfox_tui.feed import Feed, Ready
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.collector import load_collectors
from lilfox_tui.metrics.model import Snapshot
from lilfox_tui.metrics.patience import silent_after_s
from lilfox_tui.metrics.process_table import users_of
from lilfox_tui.metrics.psutil_source import PsutilSource, has_proc
from lilfox_tui.metrics.readings import PROCESSES, Moment, Readings
from lilfox_tui.metrics.sources import HostSource, LocalSource, read_text

_LEAST_TIMEOUT_S = 5.0
_LAST_LOOK_S = 0.25
"""A process of ours that stood still sees what came meanwhile before it calls a host silent."""
_APART_S = 0.25
"""Between the two readings of one look: 25 ticks of the kernel's clock."""
_NAMES_S = 1.0


class Sampler:
    """Samples ``host`` every ``period_s``; ``options`` maps a collector's kind to its Options, or False for off.

    ``clock`` is a monotonic clock in seconds. The feed becomes unavailable while the host does not answer and
    recovers by itself.
    """

    def __init__(
        self, host: Host, options: Mapping[str, Any], period_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.feed: Feed[Snapshot] = Feed()
        self.focused = False
        """Whether this host is being looked at: its processes are then read too."""
        self._host = host
        self._period_s = period_s
        self._clock = clock
        collectors = load_collectors(options)
        self._readings = Readings(host.name, collectors, period_s)
        self._local = isinstance(host, LocalHost)
        self._without_proc = PsutilSource() if self._local and not has_proc() else None
        self._source = LocalSource(host, collectors) if self._local else HostSource(host, collectors)
        self._naming: asyncio.Future[Mapping[str, str]] | None = None
        self._heard_s: float | None = None
        """When the last answer came, by our clock."""

    async def run(self) -> None:
        """Samples until cancelled. Ticks stay on their grid; those missed (a machine that slept) are left out.

        Hosts start at different phases, so that a hundred of them do not answer at the same moment.
        """
        phase = 0.0 if self._local else zlib.crc32(self._host.name.encode()) / 2**32
        next_s = self._clock() + phase * self._period_s
        try:
            while True:
                await asyncio.sleep(max(0.0, next_s - self._clock()))
                await self._tick()
                next_s += self._period_s * max(1, math.ceil((self._clock() - next_s) / self._period_s))
        finally:
            if self._naming is not None:
                self._naming.cancel()
            await self._source.close()

    async def sample_once(self) -> Snapshot:
        """Two readings a quarter of a second apart, so that rates exist; raises HostError."""
        try:
            await self._read()
            if isinstance(self._source, LocalSource) and self._without_proc is None:
                await self._source.settle()
            await asyncio.sleep(_APART_S)
            return await self._read()
        finally:
            await self._source.close()

    def read_now(self) -> Snapshot:
        """A reading of this machine at once: no process, no event loop. Raises TypeError for another host."""
        if not isinstance(self._source, LocalSource):
            raise TypeError(f"{self._host.name} is not this machine")
        if self._without_proc is not None:
            return self._readings.put(self._without_proc.read(), self._moment(time.time()))
        asked = self._readings.due(self._clock(), focused=False)
        sent = time.time()
        answer = self._source.read_now(asked)
        read = [one for one in asked if not one.script or one.kind in answer.scripts]
        return self._readings.take(read, answer, self._moment(sent))

    async def _tick(self) -> None:
        try:
            snapshot = await (self._read() if self._local else self._heard())
        except HostError as error:
            self._fail(error)
            return
        self.feed.publish(snapshot, snapshot.at)

    async def _heard(self) -> Snapshot:
        """The next sample of another host; meanwhile the feed says where it becomes silent. Raises HostError."""
        reading = asyncio.ensure_future(self._read())
        try:
            if not await self._comes_in_time(reading):
                last = self.feed.state.at if isinstance(self.feed.state, Ready) else None
                self._fail(_silent(self._host.name), since=last)
            snapshot = await reading
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
        self._heard_s = self._clock()
        return snapshot

    async def _comes_in_time(self, reading: asyncio.Future[Snapshot]) -> bool:
        """Whether an answer comes, or an error, before the host counts as silent. Before its first there is no such
        time: a login may take long."""
        if self._heard_s is None:
            return True
        left_s = self._heard_s + silent_after_s(self._period_s) - self._clock()
        await asyncio.wait([reading], timeout=max(0.0, left_s - _LAST_LOOK_S))
        if not reading.done():
            await asyncio.wait([reading], timeout=_LAST_LOOK_S)
        return reading.done() or self._logging_in()

    def _logging_in(self) -> bool:
        """Whether the login shell is waited for: the host itself answers."""
        link = self._host.link.value
        return link is not None and link.login_since is not None

    def _fail(self, error: HostError, *, since: datetime | None = None) -> None:
        self.feed.fail(error, since=since, next_try=datetime.now(UTC) + timedelta(seconds=self._period_s))

    async def _read(self) -> Snapshot:
        if self._without_proc is not None:
            return self._readings.put(self._without_proc.read(), self._moment(time.time()))
        asked = self._readings.due(self._clock(), focused=self.focused)
        sent = time.time()
        answer = await self._source.read(asked, timeout_s=max(2 * self._period_s, _LEAST_TIMEOUT_S))
        moment = self._moment(sent)
        if any(one.kind == PROCESSES for one in asked):
            await self._name_users()
        return self._readings.take(asked, answer, moment)

    async def _name_users(self) -> None:
        """Asks for names once, and waits but a little: a login that takes long must not hold up the numbers."""
        if self._readings.users:
            return
        if self._naming is None:
            self._naming = asyncio.ensure_future(self._users())
            await asyncio.wait([self._naming], timeout=min(_NAMES_S, self._period_s / 2))
        if self._naming.done():
            self._readings.users, self._naming = self._naming.result(), None

    async def _users(self) -> Mapping[str, str]:
        """Names by uid; numbers stand for themselves where the file cannot be read."""
        path = "/etc/passwd"
        if self._local:
            return users_of(read_text(path).encode("utf-8", "surrogateescape"))
        try:
            return users_of(await self._host.read_file(path, limit_bytes=1024 * 1024)) or {"": ""}
        except HostError:
            return {"": ""}

    def _moment(self, sent: float) -> Moment:
        received = time.time()
        return Moment(sent, received, datetime.fromtimestamp(received, UTC), self._clock())


def _silent(host: str) -> HostUnreachable:
    return HostUnreachable(
        host,
        tr("{host} does not answer", host=host),
        tr("It is asked again by itself. If it stays: a frozen or busy host, a link that is cut, or a frozen disk."),
    )
