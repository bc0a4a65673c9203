"""A container as its engine tells of it, and what its control groups say of its use; pure.

The engine's JSON is that of Docker's API (``GET /containers/ID/json``, v1.41), which Podman speaks too; the other
engine's own spelling (``podman inspect``) differs in a few keys, which are read here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.core.text import human_age, human_bytes
from lilfox_tui.metrics.model import Labels, Level, Series

PROJECT_LABELS = ("com.docker.compose.project", "io.podman.compose.project")
SERVICE_LABEL = "com.docker.compose.service"
RECENT_S = 600.0
"""A restart or a kill for lack of memory counts as a problem for so long."""
OLD_S = 86_400.0
"""A container that ended so long ago is no problem of today."""
LOOPS_AFTER = 3
"""So many restarts within ``RECENT_S`` are a crash loop."""
ID_CHARS = 12
"""Of an id, as engines show it."""
_LABELS_AT_MOST = 32
_MOUNTS_AT_MOST, _FAILURES_AT_MOST, _OUTPUT_CHARS = 24, 3, 300
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?")
_PLAIN_ID = re.compile(r"[0-9a-f]{64}")
_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")

State = Literal["created", "running", "paused", "restarting", "exited", "dead", "removing", "unknown"]
_STATES: Mapping[str, State] = {
    "created": "created", "configured": "created", "initialized": "created", "running": "running",
    "paused": "paused", "restarting": "restarting", "exited": "exited", "stopped": "exited", "stopping": "exited",
    "dead": "dead", "removing": "removing",
}  # fmt: skip


class PublishedPort(Struct, frozen=True):
    """A port of a container, and where the host publishes it; ``host_port`` is None where it does not."""

    container: str
    """``80/tcp``."""
    address: str = ""
    host_port: str | None = None

    @property
    def text(self) -> str:
        """As ``docker ps`` writes it."""
        if self.host_port is None:
            return self.container
        address = f"[{self.address}]" if ":" in self.address else self.address or "0.0.0.0"  # noqa: S104  shown
        return f"{address}:{self.host_port}->{self.container}"


class ContainerMount(Struct, frozen=True):
    """What a container sees at ``target``: a path of the host, or a volume by its name."""

    source: str
    target: str
    read_only: bool = False

    @property
    def text(self) -> str:
        """As ``docker run -v`` takes it."""
        return f"{self.source or '-'}:{self.target}" + (":ro" if self.read_only else "")


class FailedCheck(Struct, frozen=True):
    """A health check that failed at ``at`` (aware UTC), with its exit code and the start of what it wrote."""

    at: datetime | None
    code: int
    output: str


class Container(Struct, frozen=True, kw_only=True):
    """A container's state and settings. Times are aware UTC, None where there is none yet; texts are untrusted."""

    id: str
    name: str
    image: str
    image_id: str = ""
    image_created: datetime | None = None
    state: State = "unknown"
    health: str = ""
    """``healthy``, ``unhealthy`` or ``starting``; empty without a health check."""
    health_failures: int = 0
    """Failed health checks in a row."""
    failed_checks: tuple[FailedCheck, ...] = ()
    """The last health checks that failed, newest first, as far as the engine keeps them."""
    pid: int | None = None
    restarts: int = 0
    """By its engine, after it had ended by itself."""
    exit_code: int | None = None
    """Of its last end; None before the first."""
    oom_killed: bool = False
    """Whether its last end was for lack of memory."""
    error: str = ""
    """Why it could not be started."""
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    memory_limit: float | None = None
    cpu_limit: float | None = None
    """In cores."""
    host_network: bool = False
    privileged: bool = False
    user: str = ""
    """Of its process; empty for root, and where it was not asked for whole."""
    engine_sockets: tuple[str, ...] = ()
    """Sockets of engines that it has of the host; as ``user``."""
    restart_policy: str = ""
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[ContainerMount, ...] = ()
    project: str = ""
    service: str = ""
    labels: Labels = ()

    @property
    def short_id(self) -> str:
        """The start of its id."""
        return self.id[:ID_CHARS]

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state in ("running", "paused")


class ContainerUsage(Struct, frozen=True):
    """What a container has used since it was started, and its memory now, of its control groups. ``memory`` is the
    working set as cAdvisor has it: what is used without the inactive files. None is unknown."""

    cpu_s: float | None = None
    memory: float | None = None
    oom_kills: float | None = None
    read_bytes: float | None = None
    written_bytes: float | None = None
    receive_bytes: float | None = None
    transmit_bytes: float | None = None


class UsageRates(Struct, frozen=True):
    """Uses per second between two readings: ``cpu`` in cores, the others in bytes. None is unknown."""

    cpu: float | None = None
    read: float | None = None
    write: float | None = None
    receive: float | None = None
    transmit: float | None = None


class ContainerView(Struct, frozen=True, kw_only=True):
    """One container as a row shows it: ``level`` and ``reasons``, worst first; ``recent_restarts`` are those of the
    last ten minutes that were seen, ``oom_events`` all that were seen."""

    host: str
    engine: str
    container: Container
    level: Level
    reasons: tuple[Message, ...] = ()
    usage: ContainerUsage = ContainerUsage()
    rates: UsageRates = UsageRates()
    recent_restarts: int = 0
    oom_events: int = 0

    @property
    def cpu_percent(self) -> float | None:
        """Of its limit; of one core where it has none."""
        if self.rates.cpu is None:
            return None
        return 100 * self.rates.cpu / (self.container.cpu_limit or 1.0)

    @property
    def memory_percent(self) -> float | None:
        """Of its limit; None without one."""
        limit, used = self.container.memory_limit, self.usage.memory
        return None if used is None or not limit else 100 * used / limit


class EngineView(Struct, frozen=True):
    """One engine of a host and its containers, worst first. ``error`` is why it cannot be asked now: the containers are
    as they were seen last."""

    host: str
    place: str
    """Its socket, or its program."""
    version: str
    level: Level
    reasons: tuple[Message, ...] = ()
    containers: tuple[ContainerView, ...] = ()
    error: LilFoxError | None = None

    @property
    def worst(self) -> Level:
        """The worst level of it and its containers."""
        return max([self.level, *(each.level for each in self.containers)])

    def count(self, level: Level) -> int:
        """Return how many containers are at that level."""
        return sum(each.level is level for each in self.containers)


# An engine's JSON as a container. What is missing or of another type counts as unknown: nothing here raises.


def container_of(found: Mapping[str, Any], image_created: datetime | None = None) -> Container:
    """Return the container that ``inspect`` tells of."""
    state, host, config = _part(found, "State"), _part(found, "HostConfig"), _part(found, "Config")
    health = _part(state, "Health") or _part(state, "Healthcheck")
    labels = {str(key): str(value) for key, value in _part(config, "Labels").items()}
    finished = moment(state.get("FinishedAt"))
    pid = _number(state.get("Pid"))
    return Container(
        id=_text(found.get("Id")),
        name=_text(found.get("Name")).removeprefix("/"),
        image=_text(found.get("ImageName")) or _text(config.get("Image")) or _text(found.get("Image")),
        image_id=_image_id(_text(found.get("Image"))),
        image_created=image_created,
        state=_STATES.get(_text(state.get("Status")).lower(), "unknown"),
        health="" if (word := _text(health.get("Status")).lower()) == "none" else word,
        health_failures=int(_number(health.get("FailingStreak")) or 0),
        failed_checks=_failed_checks(health.get("Log")),
        pid=int(pid) if pid else None,
        restarts=int(_number(found.get("RestartCount")) or 0),
        exit_code=None if finished is None else int(_number(state.get("ExitCode")) or 0),
        oom_killed=state.get("OOMKilled") is True,
        error=_text(state.get("Error"))[:300],
        created=moment(found.get("Created")),
        started=moment(state.get("StartedAt")),
        finished=finished,
        memory_limit=_number(host.get("Memory")) or None,
        cpu_limit=_cpu_limit(host),
        host_network=_text(host.get("NetworkMode")) == "host",
        privileged=host.get("Privileged") is True,
        user=_text(config.get("User")),
        engine_sockets=_engine_sockets(found),
        restart_policy=_text(_part(host, "RestartPolicy").get("Name")),
        ports=_ports(_part(_part(found, "NetworkSettings"), "Ports")),
        mounts=_mounts(found.get("Mounts")),
        project=next((labels[name] for name in PROJECT_LABELS if labels.get(name)), ""),
        service=labels.get(SERVICE_LABEL, ""),
        labels=tuple(sorted(labels.items())[:_LABELS_AT_MOST]),
    )


def moment(text: object) -> datetime | None:
    """Return the time of an engine (RFC 3339, with nanoseconds), aware UTC; None for none, which it writes as that of
    year 1."""
    match = _STAMP.match(text) if isinstance(text, str) else None
    if match is None or match[1].startswith("0001-"):
        return None
    zone = (match[3] or "Z").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(
            f"{match[1]}{(match[2] or '')[:7].ljust(7, '0') if match[2] else ''}{zone}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _image_id(name: str) -> str:
    """Podman's program leaves out how the id was made."""
    return f"sha256:{name}" if _PLAIN_ID.fullmatch(name) else name


def _engine_sockets(found: Mapping[str, Any]) -> tuple[str, ...]:
    mounts = found.get("Mounts")
    sources = (
        [_text(each.get("Source")) for each in mounts if isinstance(each, dict)] if isinstance(mounts, list) else []
    )
    return tuple(sorted(each for each in sources if each.endswith(_SOCKETS)))


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _cpu_limit(host: Mapping[str, Any]) -> float | None:
    if nano := _number(host.get("NanoCpus")):
        return nano / 1e9
    quota, period = _number(host.get("CpuQuota")), _number(host.get("CpuPeriod")) or 100_000.0
    return quota / period if quota and quota > 0 else None


def _ports(found: Mapping[str, Any]) -> tuple[PublishedPort, ...]:
    ports: list[PublishedPort] = []
    for name, places in found.items():
        published = [place for place in places if isinstance(place, dict)] if isinstance(places, list) else []
        ports += (
            PublishedPort(name, _text(place.get("HostIp")), _text(place.get("HostPort")) or None) for place in published
        )
        if not published:
            ports.append(PublishedPort(name))
    return tuple(ports)


def _mounts(found: object) -> tuple[ContainerMount, ...]:
    known = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return tuple(
        ContainerMount(
            _text(each.get("Name")) if each.get("Type") == "volume" else _text(each.get("Source")),
            _text(each.get("Destination")),
            each.get("RW") is False,
        )
        for each in known[:_MOUNTS_AT_MOST]
    )


def _failed_checks(found: object) -> tuple[FailedCheck, ...]:
    known = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    failed = [
        FailedCheck(moment(each.get("End")), int(code), _text(each.get("Output")).strip()[:_OUTPUT_CHARS])
        for each in known
        if (code := _number(each.get("ExitCode")))
    ]
    return tuple(failed[: -_FAILURES_AT_MOST - 1 : -1])


# How well a container is.


def judge(
    container: Container, now: datetime, *, recent_restarts: int, oomed_s: float | None
) -> tuple[Level, tuple[Message, ...]]:
    """Return the level of a container and the reasons, worst first. ``oomed_s`` is how long ago a process of it was
    last killed for lack of memory. One that was stopped, has ended with 0, or ended a day ago is well."""
    found: list[tuple[Level, Message]] = []
    end = _end_words(container)
    if recent_restarts >= LOOPS_AFTER:
        found.append((Level.FAILING, tr("crash loop: restarts in 10 minutes: {count}{end}", count=recent_restarts,
                                        end=end)))  # fmt: skip
    elif container.state == "restarting" and container.restarts >= LOOPS_AFTER:
        found.append((Level.FAILING, tr("crash loop: restarts so far: {count}{end}", count=container.restarts,
                                        end=end)))  # fmt: skip
    elif recent_restarts:
        found.append((Level.DEGRADED, tr("restarts in 10 minutes: {count}{end}", count=recent_restarts, end=end)))
    if container.health == "unhealthy" and container.running:
        found.append((Level.FAILING, tr("unhealthy: {count} health checks failed in a row",
                                        count=container.health_failures)))  # fmt: skip
    ended = container.state in ("exited", "dead") and container.exit_code is not None
    if ended and container.finished is not None and (now - container.finished).total_seconds() > OLD_S:
        return Level.GOOD, ()
    if ended and container.oom_killed:
        found.append((Level.FAILING, tr("killed: out of memory (exit code {code})", code=container.exit_code)))
    elif container.oom_killed or (oomed_s is not None and oomed_s < RECENT_S):
        found.append((Level.FAILING, tr("out of memory: the kernel killed a process of it")))
    elif ended and container.exit_code not in (0, *STOPPED_CODES):
        found.append((Level.DEGRADED, tr("exited with code {code}", code=container.exit_code)))
    if container.state == "dead":
        found.append((Level.FAILING, tr("dead: the engine could not remove it")))
    if container.error:
        found.append((Level.FAILING, tr("not started: {error}", error=container.error)))
    if container.state == "paused":
        found.append((Level.DEGRADED, tr("paused")))
    found.sort(key=lambda each: -each[0])
    return (found[0][0] if found else Level.GOOD), tuple(text for _level, text in found)


STOPPED_CODES = (130, 137, 143)
"""Of a program that was told to end: by INT, KILL and TERM."""


def _end_words(container: Container) -> Message | str:
    if container.exit_code is None:
        return ""
    if container.oom_killed:
        return tr(", the last for lack of memory")
    return tr(", last exit code {code}", code=container.exit_code) if container.exit_code else ""


# What is told of a container in a line, by commands and on the screen.


def state_text(container: Container, now: datetime) -> str:
    """State, since when, and health: ``running 3 h, healthy``; of one that has ended its exit code."""
    since = container.started if container.running else container.finished or container.created
    age = "" if since is None else f" {human_age((now - since).total_seconds())}"
    if container.running:
        return listed(filter(None, (f"{container.state}{age}", container.health)))
    return f"{container.state}{age}" + ("" if container.exit_code is None else f" ({container.exit_code})")


def image_text(container: Container, now: datetime) -> str:
    """The image and its age."""
    if container.image_created is None:
        return container.image
    return f"{container.image} ({human_age((now - container.image_created).total_seconds())})"


def cpu_text(view: ContainerView) -> str:
    """Use of the CPU against its limit: ``45% of 1.5 CPU``; of one core without a limit."""
    percent, limit = view.cpu_percent, view.container.cpu_limit
    if percent is None:
        return "-"
    return f"{percent:.0f}%" if limit is None else _("{percent:.0f}% of {cores:g} CPU", percent=percent, cores=limit)


def memory_text(view: ContainerView) -> str:
    """Use of memory against its limit: ``52M/64M``."""
    used, limit = view.usage.memory, view.container.memory_limit
    if used is None:
        return "-"
    return human_bytes(used) if limit is None else f"{human_bytes(used)}/{human_bytes(limit)}"


# What control groups say, as the collector ``containers`` reads it.


READ_AT = "containers_read_uptime_seconds"
"""When the groups were read, by the host's own clock."""
NAMES = {
    "container_cpu_seconds_total": "cpu_s",
    "container_memory_bytes": "memory",
    "container_oom_kills_total": "oom_kills",
    "container_read_bytes_total": "read_bytes",
    "container_written_bytes_total": "written_bytes",
    "container_receive_bytes_total": "receive_bytes",
    "container_transmit_bytes_total": "transmit_bytes",
}
"""Series of a snapshot (label ``id``) and what they are here."""


def usages_of(values: Iterable[tuple[Series, float]]) -> tuple[float | None, dict[str, ContainerUsage]]:
    """Return when the control groups were read (uptime of the host, None if they were not), and what each container
    has used, by the start of its id."""
    found: dict[str, dict[str, float]] = {}
    read_at: float | None = None
    for series, value in values:
        if (name := NAMES.get(series.name)) is not None:
            found.setdefault(series.label("id"), {})[name] = value
        elif series.name == READ_AT:
            read_at = value
    return read_at, {each: ContainerUsage(**values) for each, values in found.items()}


def rates_of(before: ContainerUsage, now: ContainerUsage, seconds: float) -> UsageRates:
    """Return the rates between two readings. What has become less was begun anew: unknown."""

    def rate(first: float | None, last: float | None) -> float | None:
        return None if first is None or last is None or last < first or seconds <= 0 else (last - first) / seconds

    return UsageRates(
        rate(before.cpu_s, now.cpu_s),
        rate(before.read_bytes, now.read_bytes),
        rate(before.written_bytes, now.written_bytes),
        rate(before.receive_bytes, now.receive_bytes),
        rate(before.transmit_bytes, now.transmit_bytes),
    )
