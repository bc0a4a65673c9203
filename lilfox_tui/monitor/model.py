"""The overview of all monitored objects at one time, and the objects that the configuration says to monitor."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from lilfox_tui.backends.model import BackendReading, Figure
from lilfox_tui.config.foreign import EnginePlan, ForeignPlanConfig, WatchedPlan
from lilfox_tui.config.model import BackendConfig, Config, HostConfig, PlanConfig, ServiceConfig, Threshold, Thresholds
from lilfox_tui.core.aio import Pending, State, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message
from lilfox_tui.hosts.base import Link
from lilfox_tui.hosts.open import this_machine
from lilfox_tui.hosts.process import LostCommand
from lilfox_tui.metrics.model import Health, HostSummary, Level, ServiceState
from lilfox_tui.metrics.traffic import Traffic

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts
    from lilfox_tui.backup.plan import LatePlan
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.clusters.model import ClusterView
    from lilfox_tui.containers.model import EngineView
    from lilfox_tui.incident.model import Incident, TimelineEntry
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Document, Runbook
    from lilfox_tui.scrape.scraper import Scrape, Scraper


SET_LEVELS = {
    "restored": Level.GOOD,
    "intact": Level.DEGRADED,
    "partial": Level.DEGRADED,
    "unverified": Level.UNKNOWN,
    "untrusted": Level.FAILING,
    "broken": Level.FAILING,
    "foreign": Level.UNKNOWN,
}
"""Shapes of what is known of a set, by its ``backup/sets/model.py``: ● ◐ ○ ✖."""


class PlanView(Struct, frozen=True, kw_only=True):
    """One plan in one of its stores, as a row shows it; or a store without a plan.

    ``level`` has held since ``since`` (aware UTC); ``reasons`` say why, worst first, empty when good. ``sets`` are
    newest first, also when they are old: ``read_at`` tells when their last look began; None before the first one.
    ``outage`` tells why there is no newer one.
    """

    name: str
    """Of the plan; of a store without one, its own."""
    store: str
    """Name in the configuration; of a store that was found, its folder."""
    where: str = ""
    """The store for people; empty before it was opened."""
    config: PlanConfig | WatchedPlan | None = None
    copy: bool = False
    """Not the store that sets are made in, but one that they are copied to."""
    level: Level = Level.UNKNOWN
    since: datetime
    reasons: tuple[Message, ...] = ()
    sets: tuple[BackupSet, ...] | None = None
    read_at: datetime | None = None
    outage: Unavailable | None = None
    late: LatePlan | None = None
    next_run: datetime | None = None
    last: Job | None = None
    """The newest run of the plan that is known on this machine and has ended."""
    behind: bool = False
    """That run has ended since ``sets`` were read: they are being read again."""
    rto_s: float | None = None
    """How long the newest drill took to restore."""
    free_bytes: int | None = None
    """On the store's disk at the last look; None where that is not known."""

    @property
    def key(self) -> tuple[str, str]:
        """The view's unique key: plan and store."""
        return self.name, self.store

    @property
    def foreign(self) -> ForeignPlanConfig | None:
        """The plan if another program makes its backups."""
        return self.config if isinstance(self.config, ForeignPlanConfig) else None

    @property
    def own_config(self) -> PlanConfig | None:
        """The plan if LilFox makes its sets itself."""
        return None if isinstance(self.config, WatchedPlan) else self.config

    @property
    def engine(self) -> EnginePlan | None:
        """The plan if another program makes its sets for LilFox."""
        return self.config if isinstance(self.config, EnginePlan) else None


class EarlierSet(Struct, frozen=True):
    """A set as it was in a store until ``until`` (aware UTC), when it was seen to be gone or to have another state."""

    store: str
    set: BackupSet
    until: datetime


class Backups(Struct, frozen=True):
    """All plans, in the order of the configuration, and all jobs, newest first. ``jobs`` is None before the first read;
    ``unsettled`` are the ids of jobs whose outcome is unknown; ``interrupted_restores`` ended between their renames.
    ``earlier`` is what the stores had before, as far as it was seen."""

    plans: Mapping[tuple[str, str], PlanView] = {}
    jobs: tuple[Job, ...] | None = None
    unsettled: tuple[str, ...] = ()
    interrupted_restores: tuple[InterruptedRestore, ...] = ()
    earlier: tuple[EarlierSet, ...] = ()

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that are running, newest first."""
        return tuple(job for job in self.jobs or () if job.state == "running")

    def count(self, level: Level) -> int:
        """Return how many configured plans are at that level; an interrupted restore counts as failing."""
        half = len(self.interrupted_restores) if level is Level.FAILING else 0
        return half + sum(view.level is level for view in self.plans.values() if view.config is not None)


class TargetView(Struct, frozen=True):
    """One target: its address, its period, the result of the last scrape, and its live series. ``host`` scrapes it,
    empty for this machine. ``optional``: it is a service and need not have a metrics endpoint."""

    url: str
    every_s: float
    state: State[Scrape]
    series: int
    job: str = ""
    instance: str = ""
    host: str = ""
    optional: bool = False

    @property
    def down(self) -> bool:
        """Whether the last scrape failed although the target should have a metrics endpoint."""
        return isinstance(self.state, Unavailable) and not self.optional


def target_view(scraper: Scraper, series: int, *, optional: bool = False) -> TargetView:
    """Return the view of a scraper's target."""
    target = scraper.target
    labels = target.label("job"), target.label("instance")
    return TargetView(target.url, target.interval_s, scraper.feed.state, series, *labels, target.host or "", optional)


class StoreUsage(Struct, frozen=True):
    """The usage of all targets together: live series, and memory of what was stored ``since`` (aware UTC). ``problems``
    are the reasons why configured targets are not scraped, as sentences."""

    series: int
    size_bytes: int
    limit_bytes: int
    bytes_a_sample: float | None = None
    since: datetime | None = None
    problems: tuple[str, ...] = ()


class IncidentView(Struct, frozen=True):
    """The current incident, as of ``at`` (aware UTC), with all ``entries``. None if none is open."""

    at: datetime
    incident: Incident | None = None
    entries: tuple[TimelineEntry, ...] = ()


class RunbooksView(Struct, frozen=True):
    """All documents, and the runs of runbooks, newest first; ``documents`` is None before the first read."""

    documents: tuple[Document, ...] | None = None
    runs: tuple[Job, ...] = ()

    @property
    def runbooks(self) -> tuple[Runbook, ...]:
        """The runbooks of all documents, those of the configuration first."""
        return tuple(runbook for document in self.documents or () for runbook in document.runbooks)


class LatencyLimit(Struct, frozen=True):
    """The limit that the rule ``alert`` sets for a quantile of the latencies in the histogram ``metric``; each empty
    for the configured limit, which is that of all quantiles. ``fails``: the rule's severity is worse than a warning."""

    metric: str
    quantile: float | None
    seconds: float
    alert: str = ""
    fails: bool = False


class ServiceLimits(Struct, frozen=True):
    """The limits in force for a service's requests: ``errors`` for the percentage of 5xx responses, set by the alert
    rule ``alert``, or by the configuration if that is empty; and those of its latency, the lowest first."""

    errors: Threshold = Thresholds().server_errors_percent
    alert: str = ""
    latency: tuple[LatencyLimit, ...] = ()

    def of_latency(self, traffic: Traffic, slow_s: float | None) -> tuple[LatencyLimit, ...]:
        """Return the limits of the histogram from which ``traffic`` is, the lowest first; ``slow_s`` if no rule sets
        any. Of the past it is not known which histogram that was."""
        metric = traffic.taken.get("latency")
        found = tuple(each for each in self.latency if metric in (None, each.metric))
        return found or (() if slow_s is None else (LatencyLimit("", None, slow_s),))


class HostView(Struct, frozen=True):
    """One host as a row shows it.

    ``level`` has held since ``since`` (aware UTC); ``reasons`` say why, worst first, empty when good; ``lesser`` of
    them, the last ones, would alone make it degraded only. ``summary`` is the newest there is, also when it is old: its
    ``at`` tells. ``link`` holds the error while the host is not reached. ``thresholds`` are the limits in force, by
    which it is judged and drawn: those of alert rules, else the configured ones.
    """

    name: str
    config: HostConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    summary: HostSummary | None = None
    link: State[Link] = field(default_factory=Pending)
    lost: tuple[LostCommand, ...] = ()
    lesser: int = 0
    thresholds: Thresholds = Thresholds()


class ServiceView(Struct, frozen=True):
    """One service as a row shows it; ``state`` is None until the first probe. ``traffic`` comes from its metrics
    endpoint, or says why it is unavailable. ``found``: not in the config, and only displayed. ``lesser`` as in
    :class:`HostView`; ``limits`` are those by which it is judged and drawn."""

    name: str
    config: ServiceConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    state: ServiceState | None = None
    traffic: State[Traffic] = field(default_factory=Pending)
    found: bool = False
    lesser: int = 0
    limits: ServiceLimits = ServiceLimits()

    @property
    def unanswered(self) -> bool:
        """Whether its last health check got no response."""
        return self.state is not None and self.state.last.health is Health.ERROR


class ClientReport(Struct, frozen=True):
    """What a client says of a backend: ``who`` logged it at ``at`` (aware UTC) for the last time; None: says it now.
    ``since`` is when it said so first."""

    who: str
    text: str
    at: datetime | None = None
    times: int = 1
    since: datetime | None = None

    def still_holds(self, now: datetime) -> bool:
        """Return whether it says so at ``now`` (aware UTC): an error that was logged within the last minute may come
        again."""
        return self.at is None or now - self.at < timedelta(minutes=1)


class BackendView(Struct, frozen=True):
    """One backend as a row shows it.

    ``figures`` are its line. ``reading`` is the newest there is, also when it is old; None before the first, and of the
    past, of which only its values are kept. ``outage`` tells why there is no new one.
    """

    name: str
    config: BackendConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    figures: tuple[Figure, ...] = ()
    reading: BackendReading | None = None
    outage: Unavailable | None = None
    reports: tuple[ClientReport, ...] = ()
    """What its clients say of it; its ``reasons`` say so too."""


class FindingView(Struct, frozen=True, kw_only=True):
    """A finding of the audit, as rows and pages show it. ``kind`` and ``target`` are what it was found on: ``host`` or
    ``backend`` and its name, ``plan`` and that of a backup plan. Its texts are without secrets and escapes."""

    key: str
    """The same in every run."""
    check: str
    severity: str
    """``critical``, ``high``, ``medium`` or ``low``."""
    severity_text: Message
    level: Level
    kind: str
    target: str
    subject: str
    title: Message
    why: Message
    evidence: str
    fix: Message
    file: str = ""
    lines: tuple[str, ...] = ()
    """What belongs into ``file``."""
    commands: tuple[str, ...] = ()
    reference: str = ""
    state: str = "new"
    """``new``, ``unchanged`` or ``accepted``."""
    first_seen: datetime
    accepted_until: str = ""
    """The last day on which it is accepted, or was; empty for never."""
    accepted_why: str = ""
    by_config: bool = False
    """Whether the configuration accepts it, and not a command."""

    @property
    def is_open(self) -> bool:
        """Whether it counts: nobody accepts it."""
        return self.state != "accepted"

    @property
    def copied(self) -> str:
        """What there is to paste of its fix: the lines, else the commands, else nothing."""
        return "\n".join(self.lines or self.commands)


class UncheckedView(Struct, frozen=True):
    """A check of the audit that could not be made on a target, and why."""

    check: str
    kind: str
    target: str
    reason: str


class AuditView(Struct, frozen=True, kw_only=True):
    """The newest result of the audit, of ``at`` (aware UTC; None before the first run), the most severe finding first
    and accepted ones last. ``error`` is why the last run gave no result, ``problems`` what it could not read or
    store."""

    at: datetime | None = None
    findings: tuple[FindingView, ...] = ()
    not_checked: tuple[UncheckedView, ...] = ()
    passed: int = 0
    gone: int = 0
    running: bool = False
    error: LilFoxError | None = None
    problems: tuple[LilFoxError, ...] = ()

    @property
    def open_findings(self) -> tuple[FindingView, ...]:
        """Those that count, the most severe first."""
        return tuple(each for each in self.findings if each.is_open)

    @property
    def level(self) -> Level:
        """The worst level of what counts."""
        return max((each.level for each in self.open_findings), default=Level.GOOD)

    def about(self, kind: str, target: str) -> tuple[FindingView, ...]:
        """The findings on one target."""
        return tuple(each for each in self.findings if (each.kind, each.target) == (kind, target))

    def by_severity(self) -> list[tuple[Message, int]]:
        """How many findings count of each severity that there is, the worst first."""
        texts = {each.severity: each.severity_text for each in self.open_findings}
        counts = Counter(each.severity for each in self.open_findings)
        return [(text, counts[severity]) for severity, text in texts.items()]


View: TypeAlias = HostView | ServiceView | BackendView
"""A row of what is watched."""


class StatusChange(Struct, frozen=True):
    """A change at ``at`` (aware UTC): ``what`` happened to ``subject``. ``level`` is the new level."""

    at: datetime
    subject: str
    """``host/NAME``, ``service/NAME``, ``backend/NAME`` or ``plan/NAME``, of a copy ``plan/NAME@STORE``."""
    what: Message
    level: Level
    kind: str = ""
    """``lost``, ``back``, ``restarted``, ``level``, or ``unit``, ``mount``, ``disk``, ``interface`` with its name: the
    same in every LilFox that notices it, whatever it says of why and how long."""


class Overview(Struct, frozen=True):
    """Everything that is monitored, at one time. ``rewound``: made from history. ``alerts`` is None if the config names
    no rules, and pending if their state is unknown. ``targets`` are all that are scraped, including services; unknown
    for the past. ``backups`` is None before the first read, and for the past; ``audit`` is so too."""

    at: datetime
    hosts: Mapping[str, HostView]
    services: Mapping[str, ServiceView]
    backends: Mapping[str, BackendView] = {}
    rewound: bool = False
    alerts: State[Alerts] | None = None
    targets: tuple[TargetView, ...] = ()
    backups: Backups | None = None
    audit: AuditView | None = None
    containers: Mapping[str, tuple[EngineView, ...]] = {}
    """The engines of each host that has any; empty for the past."""
    clusters: Mapping[str, ClusterView] = {}
    """Those of the configuration; empty for the past."""
    unraised: Overview | None = None
    """The same without the levels that alerts and clients give; None where they give none."""

    @property
    def measured(self) -> Overview:
        """The overview with the levels that LilFox measured itself, without those that alerts and clients give."""
        return self.unraised or self

    @property
    def views(self) -> tuple[View, ...]:
        """Everything monitored, in the order of the config."""
        return (*self.hosts.values(), *self.services.values(), *self.backends.values())

    def count(self, level: Level) -> int:
        """Return how many hosts, services, backends, clusters and backup plans are at that level."""
        plans = 0 if self.backups is None else self.backups.count(level)
        return plans + sum(view.level is level for view in (*self.views, *self.clusters.values()))


# What is watched: what the config names; with nothing in it, this machine and the services that are found here.


def watched_hosts(config: Config) -> Mapping[str, HostConfig]:
    """Return the hosts of ``config``; this machine if it names none."""
    return config.hosts or {this_machine(): HostConfig(local=True)}


def watched_services(config: Config) -> Mapping[str, ServiceConfig]:
    """Return the services of ``config``; if it names neither hosts nor services, those found on this machine."""
    return config.services if names_services(config) else _found_services()


def names_services(config: Config) -> bool:
    """Return whether ``config`` determines the services. Otherwise they are discovered and only displayed: rules and
    other programs must not expect a service on a port just because it happens to be open."""
    return bool(config.services or config.hosts)


_SERVICES = {"gateway": 8080, "backend": 8000, "model": 8001}
"""The services of the ops manual and the ports it gives them: what is looked for where there is no configuration."""
_ANSWERS_WITHIN_S = 0.1


def _found_services() -> dict[str, ServiceConfig]:
    return {name: ServiceConfig(url=f"http://localhost:{port}") for name, port in _SERVICES.items() if accepts(port)}


def accepts(port: int) -> bool:
    """Return whether something on this machine accepts connections to ``port`` of ``localhost``. To read
    /proc/net/tcp instead would cost milliseconds: Linux walks its table of all connections for it."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWERS_WITHIN_S)
                connection.connect((address, port))
        except OSError:  # also where there is no IPv6
            continue
        return True
    return False
