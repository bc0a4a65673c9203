"""Samples, series and snapshots of a host, the health of a service, and when a sample counts as late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct, field

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message

# Samples, series and snapshots: what a host's numbers look like on their way to every reader.
#
# Names follow Prometheus' rules (base units, ``_total`` for counters), so that rules, ``/metrics`` and history use them
# as they are. A value that is not known is absent, never 0.


Labels = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name. Values are untrusted text."""


class Series(NamedTuple):
    """The identity of a time series."""

    name: str
    labels: Labels = ()

    def label(self, name: str) -> str:
        """Return the value of one label, empty if it is missing (as in PromQL)."""
        return next((value for key, value in self.labels if key == name), "")


class Sample(NamedTuple):
    """One reading: a gauge, or a counter where the name ends in ``_total``."""

    name: str
    value: float
    labels: Labels = ()

    @property
    def series(self) -> Series:
        """The series that the sample belongs to."""
        return Series(self.name, self.labels)


class MalformedOutput(LilFoxError):
    """A part of a host's answer is malformed; ``samples`` are those that could still be read."""

    def __init__(self, message: Message, samples: list[Sample]) -> None:
        super().__init__(message)
        self.samples = samples


class Level(IntEnum):
    """The health of an object, worst last. The screen shows each level as a shape and a colour."""

    GOOD = 0
    UNKNOWN = 1
    DEGRADED = 2
    FAILING = 3


class ProcessUsage(Struct, frozen=True):
    """One process of the viewed host. ``cpu_percent`` is of one core; it and ``io_bytes_s`` (read and written) are None
    at its first sample, and the latter where LilFox may not read it."""

    pid: int
    user: str
    command: str
    """Untrusted text."""
    state: str
    cpu_percent: float | None
    resident_bytes: int
    started_at: datetime | None = None
    start_ticks: int | None = None
    """Clock ticks from the boot to its start: with ``pid`` it names this very process."""
    command_line: str = ""
    """Its beginning with secrets masked, untrusted text; empty for a kernel thread, and where it is not known yet."""
    io_bytes_s: float | None = None
    kernel: bool = False
    """Whether it is a thread of the kernel."""


class ProcessTotals(Struct, frozen=True):
    """All processes of the viewed host together, also those that are not kept: how many, how many of them are threads
    of the kernel, and what they use."""

    count: int
    kernel_threads: int
    cpu_percent: float
    """Of one core."""
    resident_bytes: int
    """Memory that several share is counted for each."""
    io_bytes_s: float | None
    """None if LilFox may not read it of some of them."""


class HostSnapshot(Struct, frozen=True):
    """One reading of one host, with the rates since the previous reading.

    ``at`` is aware UTC by the clock of the machine that runs LilFox. ``gauges`` and ``counters`` are as read;
    ``rates`` are counters' rises per second since the last reading, absent for a new series, after a reset, and
    where the time between is not known (suspend). ``problems`` maps a collector's kind to why it gave nothing or
    not all.
    """

    host: str
    at: datetime
    interval_s: float | None
    gauges: Mapping[Series, float]
    counters: Mapping[Series, float] = field(default_factory=dict)
    rates: Mapping[Series, float] = field(default_factory=dict)
    problems: Mapping[str, Message] = field(default_factory=dict)
    processes: tuple[ProcessUsage, ...] | None = None
    process_totals: ProcessTotals | None = None

    def gauge(self, name: str, labels: Labels = ()) -> float | None:
        """Return a gauge's value, or None if unknown."""
        return self.gauges.get(Series(name, labels))

    def rate(self, name: str, labels: Labels = ()) -> float | None:
        """Return one counter's increase per second, or None if unknown."""
        return self.rates.get(Series(name, labels))


class CpuSplit(Struct, frozen=True):
    """Shares of one core or of all cores together, in percent of their time; with idle they add up to 100."""

    user: float
    system: float
    iowait: float
    steal: float
    idle: float

    @property
    def busy(self) -> float:
        """Everything but idle and I/O wait, as ``top`` and psutil count it: user + system + steal."""
        return self.user + self.system + self.steal


class DiskActivity(Struct, frozen=True):
    """One block device. Rates are per second, utilisation is percent of the time with I/O under way."""

    device: str
    read_bytes_s: float | None
    write_bytes_s: float | None
    reads_s: float | None
    writes_s: float | None
    utilisation_percent: float | None


class InterfaceActivity(Struct, frozen=True):
    """One network interface; rates are per second."""

    device: str
    receive_bytes_s: float | None
    transmit_bytes_s: float | None
    receive_errors_s: float | None
    transmit_errors_s: float | None
    up: bool | None = None
    receive_drops_s: float | None = None
    transmit_drops_s: float | None = None


class FilesystemUsage(Struct, frozen=True):
    """One mounted filesystem. ``used_percent`` as ``df`` prints it: used / (used + available to users)."""

    mountpoint: str
    device: str
    kind: str
    size_bytes: float
    used_bytes: float
    available_bytes: float
    used_percent: float
    inode_percent: float | None
    read_only: bool = False


class Pressure(Struct, frozen=True):
    """PSI ``some`` avg10 in percent (kernel doc accounting/psi)."""

    cpu: float | None
    memory: float | None
    io: float | None


class Memory(Struct, frozen=True):
    """A total and available amount of memory, in bytes."""

    total: float
    available: float

    @property
    def percent(self) -> float:
        """The used share in percent."""
        return 100 * max(0.0, self.total - self.available) / self.total if self.total else 0.0


class MemoryParts(Struct, frozen=True):
    """What the kernel does with the machine's memory, in bytes, as ``free -w`` tells it: ``cached`` has the reclaimable
    slabs too."""

    free: float
    buffers: float
    cached: float


class Threads(Struct, frozen=True):
    """The threads of a host, also those of the kernel; how many of them run or could run now, and how many wait for
    I/O."""

    count: int
    running: int
    blocked: int


class Limit(Struct, frozen=True):
    """The limits of a control group; None if unlimited or unknown."""

    cgroup: str
    """Its path; "/" is the one that the host sees as the whole."""
    memory: Memory | None = None
    cores: float | None = None
    cpu_percent: float | None = None
    """Of those cores."""


class HostSummary(Struct, frozen=True):
    """The numbers that a host's row, ``check`` and ``monitor`` show; None is unknown.

    Made from a :class:`HostSnapshot` by ``metrics/summary.py``. Bytes are bytes, ``_s`` is per second, percents are
    0 to 100.
    """

    host: str
    at: datetime
    cpu: CpuSplit | None
    cores: tuple[tuple[str, CpuSplit], ...]
    cpu_count: int | None
    memory_total: float | None
    memory_available: float | None
    memory_percent: float | None
    swap_total: float | None
    swap_used: float | None
    swap_percent: float | None
    load: tuple[float, float, float] | None
    disks: tuple[DiskActivity, ...]
    interfaces: tuple[InterfaceActivity, ...]
    filesystems: tuple[FilesystemUsage, ...]
    fullest: FilesystemUsage | None
    pressure: Pressure | None
    uptime_s: float | None
    booted_at: datetime | None
    failed_units: tuple[str, ...] | None
    clock_offset_s: float | None
    """The host's clock minus ours; known to half the round trip, see ``clock_error_s``."""
    clock_error_s: float | None
    disk_read_s: float | None
    disk_write_s: float | None
    network_in_s: float | None
    network_out_s: float | None
    kernel: str = ""
    boot_id: str = ""
    """Another one after each boot (random(4)); empty when unknown."""
    problems: Mapping[str, Message] = field(default_factory=dict)
    limit: Limit | None = None
    """Of the whole host, which is a container then. Its memory is that of the host; ``cpu`` is the machine's."""
    own_limit: Limit | None = None
    """Of LilFox and what else is in its unit; on this machine only."""
    machine: Memory | None = None
    """Of the machine, where a limit of the host is less."""
    memory_parts: MemoryParts | None = None
    threads: Threads | None = None
    """Both are of now alone: history keeps neither."""

    @property
    def cpu_percent(self) -> float | None:
        """Busy share of all cores, or of those that the host may use."""
        if self.limit is not None and self.limit.cores is not None:
            return self.limit.cpu_percent
        return None if self.cpu is None else self.cpu.busy


class Health(IntEnum):
    """The health of a service, in the ops manual's terms."""

    HEALTHY = 0
    UNHEALTHY = 1
    ERROR = 2


class HealthCheck(Struct, frozen=True):
    """The result of one health request to a service.

    ``status_code`` and ``response_time_s`` are None when no answer came; ``error`` then says why (English or
    Chinese, no secrets). ``detail`` is the start of the body where the answer was not as expected; untrusted text.
    """

    at: datetime
    health: Health
    status_code: int | None
    response_time_s: float | None
    error: Message | None = None
    detail: str = ""


class CertificateTimes(Struct, frozen=True):
    """From when until when the certificate of a service is valid (aware UTC)."""

    start: datetime
    end: datetime

    def days_left(self, now: datetime) -> int:
        """The whole days until it expires; negative once it has."""
        return (self.end - now) // timedelta(days=1)

    def expires_soon(self, now: datetime) -> bool:
        """Whether it should have been renewed: less than three weeks and less than a quarter of its time are left."""
        left = self.end - now
        return left < EXPIRES_SOON and left < (self.end - self.start) / 4


EXPIRES_SOON = timedelta(days=21)


class DeadlineState(Struct, frozen=True):
    """When a job reported its last success, by when it must report the next (aware UTC), how long its last run took,
    and its exit status; None where that is not known."""

    last: datetime | None
    due: datetime
    took_s: float | None = None
    exit_code: int | None = None


class ServiceState(Struct, frozen=True):
    """A service's state after hysteresis: ``level`` changes after N consecutive answers, ``since`` is the time of the
    first (UTC)."""

    name: str
    url: str
    level: Level
    since: datetime
    last: HealthCheck
    failures: int
    """Failures in a row; 0 when the last answer was good."""
    slower_than_s: float | None = None
    """The limit that good answers take longer than, when they have done so for a while."""
    certificate: CertificateTimes | None = None
    """Of the certificate that it showed last; None without TLS, and before the first handshake."""
    deadline: DeadlineState | None = None
    """Of a job that must report; None of anything else."""
    lines: int | None = None
    """Lines of a log that were counted; None of anything else."""


# How long a host may take: a question a period, each of which it is to answer.
#
# A host under load may need 3 s for an answer and is well; one that is frozen, or behind a link that swallows all, is
# told of within 6 s at the default period of 2 s. Both are counted from its last sample, at most a period before.


LATE_S = 2.5
SILENT_S = 3.5


def late_after_s(period_s: float) -> float:
    """Return the age above which a sample is late, if one is expected every ``period_s`` seconds."""
    return period_s + max(LATE_S, period_s / 2)


def silent_after_s(period_s: float) -> float:
    """Return the sample age above which a host counts as silent."""
    return period_s + max(SILENT_S, period_s)
