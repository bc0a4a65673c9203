"""Samples one host periodically: decides which collectors are due, computes rates, and makes a snapshot each period."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field

from lilfox_tui.core.aio import Feed, Ready
from lilfox_tui.core.errors import HostError, HostUnreachable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import later, whole
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.collector import (
    Collector,
    HostAnswer,
    HostSource,
    LocalSource,
    has_proc,
    load_collectors,
    read_text,
)
from lilfox_tui.metrics.model import (
    HostSnapshot,
    MalformedOutput,
    ProcessTotals,
    ProcessUsage,
    Sample,
    Series,
    silent_after_s,
)

if TYPE_CHECKING:
    from lilfox_tui.metrics.psutil_source import PsutilSource

# The processes of the host that is looked at: CPU shares from two readings, the busiest first.


_TICKS_PER_S = 100.0


class _ProcessRead(NamedTuple):
    """A process as read: ``share`` of a core and ``io_s`` since the reading before are None if there is none;
    ``told``: its I/O may be read."""

    share: float | None
    memory: float
    io_s: float | None
    told: bool
    facts: Mapping[str, str]


class ProcessTable:
    """Keeps each process's CPU time and I/O by (pid, start time), so that a reused pid counts as another process."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[float, float | None]] = {}
        self._uptime: float | None = None
        self.totals: ProcessTotals | None = None
        """All processes of the last update together."""

    def update(
        self, samples: Iterable[Sample], uptime_s: float | None, at: datetime, users: Mapping[str, str], top: int,
        command_lines: Mapping[str, str],
    ) -> tuple[ProcessUsage, ...]:  # fmt: skip
        """Update the table; return the ``top`` processes by CPU, the ``top`` ones by memory and those by I/O, most CPU
        first, then most memory. ``users`` maps uid to name, ``command_lines`` pid to command line."""
        elapsed = None if uptime_s is None or self._uptime is None else uptime_s - self._uptime
        if elapsed is not None and elapsed <= 0:
            elapsed = None
        before, self._read, self._uptime = self._read, {}, uptime_s
        found: list[_ProcessRead] = []
        cpu_s, io = 0.0, None
        for sample in samples:
            if sample.name == "process_cpu_seconds_total":
                cpu_s, io = sample.value, None
                continue
            if sample.name == "process_io_bytes_total":
                io = sample.value
                continue
            facts = dict(sample.labels)
            key = (facts["pid"], facts["started"])
            self._read[key] = cpu_s, io
            old_cpu_s, old_io = before.get(key, (None, None))
            share = _per_second(100 * cpu_s, None if old_cpu_s is None else 100 * old_cpu_s, elapsed)
            found.append(_ProcessRead(share, sample.value, _per_second(io, old_io, elapsed), io is not None, facts))
        self.totals = _totals(found)
        found.sort(key=lambda one: (one.share or 0.0, one.memory), reverse=True)
        if len(found) > top:
            memory = sorted((one.memory for one in found), reverse=True)[top - 1]
            io_s = max(sorted((one.io_s or 0.0 for one in found), reverse=True)[top - 1], 1.0)
            rest = (one for one in found[top:] if one.memory >= memory or (one.io_s or 0.0) >= io_s)
            found = [*found[:top], *rest]
        booted = None if uptime_s is None else later(at, -uptime_s)
        return tuple(_process(one, booted, users, command_lines) for one in found)


def _per_second(value: float | None, before: float | None, elapsed_s: float | None) -> float | None:
    if value is None or before is None or elapsed_s is None:
        return None
    return max(0.0, (value - before) / elapsed_s)


def _totals(found: Sequence[_ProcessRead]) -> ProcessTotals:
    kernel = sum(one.facts.get("kernel") == "yes" for one in found)
    told = all(one.told for one in found if one.memory)  # the others are threads of the kernel, or have ended
    return ProcessTotals(
        len(found), kernel, math.fsum(one.share or 0.0 for one in found), int(math.fsum(one.memory for one in found)),
        math.fsum(one.io_s or 0.0 for one in found) if told else None,
    )  # fmt: skip


def _process(
    read: _ProcessRead, booted: datetime | None, users: Mapping[str, str], command_lines: Mapping[str, str]
) -> ProcessUsage:
    facts = read.facts
    ticks = whole(facts["started"])
    return ProcessUsage(
        pid=whole(facts["pid"]),
        user=users.get(facts["uid"], facts["uid"]),
        command=facts["command"],
        state=facts["state"],
        cpu_percent=read.share,
        resident_bytes=int(read.memory),
        started_at=None if booted is None else later(booted, ticks / _TICKS_PER_S),
        start_ticks=ticks,
        command_line=command_lines.get(facts["pid"], ""),
        io_bytes_s=read.io_s,
        kernel=facts.get("kernel") == "yes",
    )


def users_of(passwd: bytes) -> dict[str, str]:
    """Parse names by uid from the text of /etc/passwd (passwd(5)); the first name of a uid is used."""
    users: dict[str, str] = {}
    for line in passwd.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.split(":")
        if len(fields) >= 4 and fields[0]:
            users.setdefault(fields[2], fields[0])
    return users


# Rises per second of counters, right over resets, wraps, suspends and clock steps.


_WRAP = 2.0**32
_NEAR = _WRAP / 4
_IO_TIME = "disk_io_time_seconds_total"
_IO_TIME_WRAP = _WRAP / 1000
"""The kernel counts these milliseconds in 32 bits, on every machine (block/genhd.c)."""
_UNSTEADY_MODES = ("iowait", "idle")


class Rates:
    """Keeps the last reading of one host and computes the increases since.

    The host's own uptime divides them, which no clock step touches; where it is not given, our monotonic clock.
    """

    def __init__(self) -> None:
        self._counters: Mapping[Series, float] = {}
        self._uptime: float | None = None
        self._now: float | None = None

    def forget(self) -> None:
        """Treat the next reading as a first one."""
        self._counters, self._uptime, self._now = {}, None, None

    def update(
        self, counters: Mapping[Series, float], uptime_s: float | None, now_s: float, max_gap_s: float, *, narrow: bool
    ) -> tuple[float | None, dict[Series, float]]:
        """Return the seconds since the last reading and each counter's increase per second.

        ``now_s`` is our monotonic clock. No interval and no rates at the first reading, after a reboot (the uptime
        fell) and when more than ``max_gap_s`` passed by either clock. ``narrow``: the kernel may count network bytes
        in 32 bits, so that a fall from near 2^32 is a wrap.
        """
        before = self._counters
        elapsed, longest = self._elapsed(uptime_s, now_s)
        self._counters, self._uptime, self._now = counters, uptime_s, now_s
        if elapsed is None or longest > max_gap_s:
            return None, {}
        rates: dict[Series, float] = {}
        for series, value in counters.items():
            old = before.get(series)
            if old is None:
                continue
            rise: float | None = value - old
            if value < old:
                rise = _rise_after_fall(series, old, value, elapsed, narrow=narrow)
            if rise is not None:
                rates[series] = rise / elapsed
        return elapsed, rates

    def _elapsed(self, uptime_s: float | None, now_s: float) -> tuple[float | None, float]:
        """Return the time to divide by, None if it is unknown; and the longer of both clocks' intervals."""
        if self._now is None:
            return None, 0.0
        ours = now_s - self._now
        if uptime_s is None or self._uptime is None:
            return (ours if ours > 0 else None), ours
        theirs = uptime_s - self._uptime
        return (theirs if theirs > 0 else None), max(ours, theirs)


def _rise_after_fall(series: Series, old: float, value: float, elapsed: float, *, narrow: bool) -> float | None:
    """Return the increase of a counter whose value has fallen; None if it was reset."""
    if series.name == "cpu_seconds_total":
        # the kernel's own accounting steps back a little here (proc_stat(5) on iowait); a reset falls much further
        return 0.0 if series.label("mode") in _UNSTEADY_MODES and old - value < elapsed else None
    if series.name == _IO_TIME:
        rise = value + _IO_TIME_WRAP - old
        return rise if 0 <= rise <= 1.5 * elapsed else None
    if narrow and series.name.startswith("network_") and _WRAP - _NEAR <= old < _WRAP and value < _NEAR:
        return value + _WRAP - old
    return None


# From a host's texts to its snapshot: which collectors are due, what they said last, rates and the clock.


PROCESSES, COMMAND_LINES = "processes", "command_lines"
_GAP_PERIODS = 5
_GAP_LEAST_S = 30.0
_NARROW_KERNELS = ("2.4.", "2.6.")
"""Kernels that may count an interface's bytes in 32 bits (rtnl_link_stats64 came with 2.6.35)."""


class SampleTime(Struct, frozen=True):
    """When an answer was requested and received: wall clock in seconds since 1970, and our monotonic clock."""

    sent: float
    received: float
    at: datetime
    now_s: float


class _Said(Struct):
    """The last result of a collector."""

    samples: Sequence[Sample] = ()
    problem: Message | None = None
    asked_s: float | None = None
    read_s: float | None = None
    """When the answer came; some come in a later sample than they were asked for."""
    text: Mapping[str, str] = field(default_factory=dict)


class Readings:
    """One host's readings. ``period_s`` is the time between samples; longer gaps give no rates."""

    def __init__(self, host: str, collectors: Sequence[Collector], period_s: float) -> None:
        self._host = host
        self._collectors = {one.kind: one for one in collectors}
        self._gap_s = max(_GAP_PERIODS * period_s, _GAP_LEAST_S)
        self._said = {one.kind: _Said() for one in collectors}
        self._rates = Rates()
        self._table = ProcessTable()
        self._found: tuple[ProcessUsage, ...] | None = None
        self._found_s: float | None = None
        """The processes of the last answer, and when it came."""
        self._named: Sequence[Sample] = ()
        self._lines: Mapping[str, str] = {}
        """The command lines by pid that were read of ``_named``."""
        self.users: Mapping[str, str] = {}
        """Names by uid, for processes."""

    def due(self, now_s: float, *, focused: bool) -> list[Collector]:
        """Return the collectors to run at ``now_s`` of our monotonic clock."""
        chosen = []
        for kind, one in self._collectors.items():
            if one.when_focused and not focused:
                self._said[kind] = _Said()
                continue
            asked_s = self._said[kind].asked_s
            if not one.every_s or asked_s is None or now_s - asked_s >= one.every_s - 0.05:
                chosen.append(one)
        return chosen

    def take(self, asked: Iterable[Collector], answer: HostAnswer, moment: SampleTime) -> HostSnapshot:
        """Take the answer to ``asked`` and return the new snapshot; the other collectors keep their last samples."""
        for one in asked:
            self._said[one.kind].asked_s = moment.now_s
        late = (self._collectors[kind] for kind in answer.scripts if kind in self._collectors)
        for one in {one.kind: one for one in (*asked, *late)}.values():
            if one.script and one.kind not in answer.scripts:
                continue  # it still runs, in the background
            self._parse(one, answer, moment)
        for kind, problem in answer.failed.items():
            self._said[kind] = _Said((), problem, moment.now_s)
        return self.snapshot(moment)

    def put(self, samples: Mapping[str, Sequence[Sample]], moment: SampleTime) -> HostSnapshot:
        """Take samples, by kind, that need no parsing, and return the new snapshot."""
        for kind, values in samples.items():
            if kind in self._said:
                self._said[kind] = _Said(values, None, moment.now_s, moment.now_s)
        return self.snapshot(moment)

    def _parse(self, one: Collector, answer: HostAnswer, moment: SampleTime) -> None:
        text = {path: answer.files[path] for path in one.files if path in answer.files}
        if one.kind in answer.scripts:
            text["script"] = answer.scripts[one.kind]
        said = self._said[one.kind]
        said.read_s = moment.now_s
        if text == said.text and said.asked_s is not None and text:
            return
        said.text = text
        try:
            said.samples, said.problem = one.parse(text), None
        except MalformedOutput as error:
            said.samples = error.samples
            said.problem = error.message
        if one.kind == "clock":
            said.samples = _offset(said.samples, moment)

    def snapshot(self, moment: SampleTime) -> HostSnapshot:
        """Return all last results as one snapshot."""
        gauges: dict[Series, float] = {}
        counters: dict[Series, float] = {}
        for kind, said in self._said.items():
            if kind in (PROCESSES, COMMAND_LINES):
                continue
            for name, value, labels in said.samples:
                (counters if name.endswith("_total") else gauges)[Series(name, labels)] = value
        uptime = gauges.get(Series("uptime_seconds"))
        interval, rates = self._rates.update(counters, uptime, moment.now_s, self._gap_s, narrow=_is_narrow(gauges))
        return HostSnapshot(
            host=self._host,
            at=moment.at,
            interval_s=interval,
            gauges=gauges,
            counters=counters,
            rates=rates,
            problems={kind: said.problem for kind, said in self._said.items() if said.problem is not None},
            processes=(found := self._processes(uptime, moment.at)),
            process_totals=None if found is None else self._table.totals,
        )

    def _processes(self, uptime: float | None, at: datetime) -> tuple[ProcessUsage, ...] | None:
        said = self._said.get(PROCESSES)
        if said is None or said.asked_s is None:
            return None
        if self._found is not None and self._found_s == said.read_s:
            return self._found
        top = self._collectors[PROCESSES].options.top
        self._found = self._table.update(said.samples, uptime, at, self.users, top, self._command_lines())
        self._found_s = said.read_s
        return self._found

    def _command_lines(self) -> Mapping[str, str]:
        """The command lines by pid."""
        said = self._said.get(COMMAND_LINES)
        samples = () if said is None else said.samples
        if samples is not self._named:
            facts = [dict(sample.labels) for sample in samples]
            self._named, self._lines = samples, {each["pid"]: each["command_line"] for each in facts}
        return self._lines


def _is_narrow(gauges: Mapping[Series, float]) -> bool:
    return any(series.label("kernel").startswith(_NARROW_KERNELS) for series in gauges if series.name == "host_info")


def _offset(samples: Sequence[Sample], moment: SampleTime) -> list[Sample]:
    """Return the host's clock minus ours at the middle of the round trip, and half of the round trip as the error.

    Without ``%N`` the host's second is taken in its middle.
    """
    read = {sample.name: sample.value for sample in samples}
    if "clock_seconds" not in read:
        return []
    resolution = read.get("clock_resolution_seconds", 0.0)
    offset = read["clock_seconds"] + resolution / 2 - (moment.sent + moment.received) / 2
    error = max(0.0, moment.received - moment.sent) / 2 + resolution / 2
    return [Sample("clock_offset_seconds", offset), Sample("clock_error_seconds", error)]


# One host, sampled over and over: a question each period, a snapshot on a feed.


_LEAST_TIMEOUT_S = 5.0
_LAST_LOOK_S = 0.25
"""A process of ours that stood still sees what came meanwhile before it calls a host silent."""
_APART_S = 0.25
"""Between the two readings of one look: 25 ticks of the kernel's clock."""
_NAMES_S = 1.0


def _without_proc() -> PsutilSource | None:
    """Return the psutil source for a machine without /proc (macOS, BSD); None if it has /proc."""
    if has_proc():
        return None
    from lilfox_tui.metrics.psutil_source import PsutilSource

    return PsutilSource()


class Sampler:
    """Samples ``host`` every ``period_s``; ``options`` maps a collector's kind to its Options, or to False to switch it
    off.

    ``clock`` is a monotonic clock in seconds. The feed becomes unavailable while the host does not answer and
    recovers by itself.
    """

    def __init__(
        self, host: Host, options: Mapping[str, Any], period_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.feed: Feed[HostSnapshot] = Feed()
        self.focused = False
        """Whether this host is being looked at: its processes are then read too."""
        self._host = host
        self._period_s = period_s
        self._clock = clock
        collectors = load_collectors(options)
        self._readings = Readings(host.name, collectors, period_s)
        self._local = isinstance(host, LocalHost)
        self._without_proc = _without_proc() if self._local else None
        self._source = LocalSource(host, collectors) if self._local else HostSource(host, collectors)
        self._naming: asyncio.Future[Mapping[str, str]] | None = None
        self._heard_s: float | None = None
        """When the last answer came, by our clock."""

    async def run(self) -> None:
        """Sample until cancelled. Ticks stay on their grid; missed ones (a suspended machine) are skipped.

        Hosts start at different phases, so that a hundred of them do not answer at the same moment.
        """
        phase = 0.0 if self._local else zlib.crc32(self._host.name.encode()) / 2**32
        next_s = self._clock() + phase * self._period_s
        try:
            while True:
                await asyncio.sleep(max(0.0, next_s - self._clock()))
                await self._tick()
                next_s += self._period_s * max(1, math.ceil((self._clock() - next_s) / self._period_s))
                if self._local:  # with all else that looks again and again, see to_next_beat_s
                    next_s = math.floor(next_s / self._period_s + 0.5) * self._period_s
        finally:
            if self._naming is not None:
                self._naming.cancel()
            await self._source.close()

    async def sample_once(self) -> HostSnapshot:
        """Take two readings a quarter of a second apart, so that there are rates; raises HostError."""
        try:
            await self._read()
            if isinstance(self._source, LocalSource) and self._without_proc is None:
                await self._source.settle()
            await asyncio.sleep(_APART_S)
            return await self._read()
        finally:
            await self._source.close()

    def read_now(self) -> HostSnapshot:
        """Read this machine immediately: no process, no event loop. Raises TypeError for another host."""
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

    async def _heard(self) -> HostSnapshot:
        """Return the next sample of another host; publish the host as silent if the sample takes too long. Raises
        HostError."""
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

    async def _comes_in_time(self, reading: asyncio.Future[HostSnapshot]) -> bool:
        """Return whether an answer or an error arrives before the host counts as silent. There is no limit before the
        first answer, because a login may take long."""
        if self._heard_s is None:
            return True
        left_s = self._heard_s + silent_after_s(self._period_s) - self._clock()
        await asyncio.wait([reading], timeout=max(0.0, left_s - _LAST_LOOK_S))
        if not reading.done():
            await asyncio.wait([reading], timeout=_LAST_LOOK_S)
        return reading.done() or self._logging_in()

    def _logging_in(self) -> bool:
        """Return whether the host answers but its login shell is still starting."""
        link = self._host.link.value
        return link is not None and link.login_since is not None

    def _fail(self, error: HostError, *, since: datetime | None = None) -> None:
        self.feed.fail(error, since=since, next_try=datetime.now(UTC) + timedelta(seconds=self._period_s))

    async def _read(self) -> HostSnapshot:
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
        """Read user names once, and wait only briefly: a slow login must not delay the numbers."""
        if self._readings.users:
            return
        if self._naming is None:
            self._naming = asyncio.ensure_future(self._users())
            await asyncio.wait([self._naming], timeout=min(_NAMES_S, self._period_s / 2))
        if self._naming.done():
            self._readings.users, self._naming = self._naming.result(), None

    async def _users(self) -> Mapping[str, str]:
        """Return names by uid; numbers are shown if the file cannot be read."""
        path = "/etc/passwd"
        if self._local:
            return users_of(read_text(path).encode("utf-8", "surrogateescape"))
        try:
            return users_of(await self._host.read_file(path, limit_bytes=1024 * 1024)) or {"": ""}
        except HostError:
            return {"": ""}

    def _moment(self, sent: float) -> SampleTime:
        received = time.time()
        return SampleTime(sent, received, datetime.fromtimestamp(received, UTC), self._clock())


def _silent(host: str) -> HostUnreachable:
    return HostUnreachable(
        host,
        tr("{host} does not answer", host=host),
        tr(
            "LilFox retries automatically. If the problem persists, check for a hung or overloaded host, a "
            "network failure, or a hung disk."
        ),
    )
