"""Raises the levels of an overview: what a firing alert is about is at least as ill as the alert says, and a backend
whose clients report errors is not good. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import asdict, replace

from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import LatePattern, clean
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView, ClientReport, HostView, Overview, ServiceView, View

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert

REPORTED_FOR = timedelta(minutes=5)
"""How long a logged error is told of."""
_WARNING = 1
"""The urgency of a warning; 0 only informs."""
_PLACES = ("service", "job", "host", "backend", "instance")
"""Labels that tell what an alert is about, in the order in which they are asked."""
_FIRES = tr("alert {name} is firing: {said}")
_REPORTS = tr("its client {client} reports errors: {said}")
_REPORTED = tr("its client {client} reported errors until {at:%H:%M:%S}: {said}")
_View = TypeVar("_View", HostView, ServiceView, BackendView)


class ClientError(Protocol):
    """An error that a client logged, or several in a row that say the same; ``at`` (aware UTC) is of the last one."""

    @property
    def at(self) -> datetime:
        """When the last one was logged."""
        ...

    @property
    def first(self) -> datetime | None:
        """When the first of several was logged."""
        ...

    @property
    def source(self) -> str:
        """The log."""
        ...

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def times(self) -> int:
        """How many they are."""
        ...


def raised(overview: Overview, errors: Iterable[ClientError] = ()) -> Overview:
    """Return the overview with the levels that its firing alerts, and what clients say in their health checks and
    logged ``errors`` (newest first), give to what they are about; the same object if there are neither."""
    firing = [] if not isinstance(overview.alerts, Ready) else [
        each for each in overview.alerts.value.alerts if each.is_firing and each.urgency and not each.silenced_by
    ]  # fmt: skip
    reports = _all_reports(overview, errors)
    if not firing and not reports:
        return overview
    hosts, services, backends = dict(overview.hosts), dict(overview.services), dict(overview.backends)
    for name, found in reports.items():
        backends[name] = _with_reports(backends[name], found, overview.at)
    for alert in sorted(firing, key=lambda each: each.urgency):  # the most severe one comes first in the end
        kind, name = place_of(overview, alert) or ("", "")
        if kind == "service":
            services[name] = _with_alert(services[name], alert)
        elif kind == "host":
            hosts[name] = _with_alert(hosts[name], alert)
        elif kind == "backend":
            backends[name] = _with_alert(backends[name], alert)
    return replace(overview, hosts=hosts, services=services, backends=backends, unraised=overview)


def place_of(overview: Overview, alert: Alert) -> tuple[str, str] | None:
    """Return the kind and name of the watched service, host or backend that an alert's labels name."""
    for label in _PLACES:
        name = alert.label(label)
        if name in overview.services:
            return "service", name
        if name in overview.hosts:
            return "host", name
        if name in overview.backends:
            return "backend", name
    return None


def without_alerts(view: View) -> View:
    """Return the view with the reasons that it would have without alerts; its level stays."""
    own = tuple(each for each in view.reasons if each.text != _FIRES.text)
    if len(own) == len(view.reasons) or isinstance(view, BackendView):
        return replace(view, reasons=own)
    lesser = view.reasons[len(view.reasons) - view.lesser :]
    return replace(view, reasons=own, lesser=sum(each.text != _FIRES.text for each in lesser))


def is_of_client(reason: Message) -> bool:
    """Return whether a reason for the level of a backend is what its clients report."""
    return reason.text in (_REPORTS.text, _REPORTED.text)


def _with_alert(view: _View, alert: Alert) -> _View:
    level = Level.FAILING if alert.urgency > _WARNING else Level.DEGRADED
    said: Message | str = clean(_said(alert).removeprefix(f"{view.name}: "))
    if alert.as_of is not None:
        said = tr("{what} (at {time})", what=said, time=f"{alert.as_of:%H:%M:%S}")
    reason = Message(_FIRES.text, {"name": alert.name, "said": said})
    return _with_reasons(view, level, alert.fired_at or alert.active_at, (reason,))


def _said(alert: Alert) -> str:
    return alert.summary or " ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")


def _with_reasons(view: _View, level: Level, since: datetime, reasons: tuple[Message, ...]) -> _View:
    """The view at that level, or at its own if that is worse; reasons for a level stand in the order of their level."""
    if level > view.level:
        more: dict[str, object] = {} if isinstance(view, BackendView) else {"lesser": _lesser(view)}
        return replace(view, level=level, since=since, reasons=(*reasons, *view.reasons), **more)
    if isinstance(view, BackendView):
        return replace(view, reasons=(*view.reasons, *reasons))
    if level < view.level:
        return replace(view, reasons=(*view.reasons, *reasons), lesser=view.lesser + len(reasons))
    return replace(view, reasons=_before_last(view.reasons, view.lesser, reasons))


def _before_last(reasons: tuple[Message, ...], lesser: int, more: tuple[Message, ...]) -> tuple[Message, ...]:
    after = len(reasons) - lesser
    return (*reasons[:after], *more, *reasons[after:])


def _lesser(view: HostView | ServiceView) -> int:
    """How many reasons would alone make a view degraded once it is failing."""
    return len(view.reasons) if view.level is Level.DEGRADED else view.lesser


# What clients say of a backend: that it answers LilFox does not prove that it answers them.


_MOST_REPORTS = 3
_KIND_WORDS = {
    "postgresql": ("database", "postgres", "postgresql", "psycopg", "psycopg2", "asyncpg"),
    "redis": ("redis",),
    "rabbitmq": ("rabbitmq", "amqp"),
}
"""By which an error means a backend, if it is the only one of its kind."""
_SERVER_LOGS = {
    "postgresql": LatePattern(r"postgres(?:ql)?(?:[@-]?\d.*)?"),
    "redis": LatePattern(r"(?:redis|valkey)(?:-server)?"),
    "rabbitmq": LatePattern(r"rabbit(?:mq)?(?:-server|@.*)?"),
}
"""The names that the log of a server itself has, behind that of its host: ``db-1.postgresql-16-main``."""
_UNREACHED = LatePattern(
    r"refus|too many (?:clients|connections)|connection slots|time[ds]? ?out|could not connect|connect(?:ion)? fail"
    r"|unreachable|no route|unavailable|connection (?:\S+ ){0,12}(?:closed|reset|lost|terminated|failed)"
)
"""In small letters: a pattern that ignores case takes ten times as long, and there are hundreds of errors."""
_SQL_FAILED = LatePattern(
    r'(?:relation|schema|database) "[^"]{1,80}" does not exist|permission denied for (?:table|relation|schema)'
    r"|in a read-only transaction|could not extend file|out of shared memory"
)
"""What PostgreSQL itself answers to a statement, which is of the only database of its kind."""
_ILL = r"[^,;\n]{0,60}?(?:\bdown\b|fail|error|unhealthy|false|refus|time[ds]? ?out|unavailable|unreachable)"
"""What stands behind the name of a part in the body of a health check that says it is ill."""


def _all_reports(overview: Overview, errors: Iterable[ClientError]) -> Mapping[str, list[ClientReport]]:
    """What services say of each backend of which they say anything; nothing of the past, which has no errors."""
    if overview.rewound:
        return {}
    newest = [each for each in errors if timedelta() <= overview.at - each.at < REPORTED_FOR]
    if not newest and all(each.level is Level.GOOD for each in overview.services.values()):
        return {}
    kinds = [each.config.kind for each in overview.backends.values()]
    found = {
        name: client_reports(
            view, newest, overview.services.values(), overview.at, alone=kinds.count(view.config.kind) == 1
        )
        for name, view in overview.backends.items()
    }
    return {name: reports for name, reports in found.items() if reports}


def client_reports(
    view: BackendView, errors: Iterable[ClientError], services: Iterable[ServiceView], now: datetime, *, alone: bool
) -> list[ClientReport]:
    """Return what services say of a backend at ``now`` (aware UTC): in their health checks, and in the logged
    ``errors`` (newest first) without its own, the newest one of each log. ``alone``: it is the only one of its kind."""
    name = _name_pattern(view, alone=alone)
    in_sql = alone and view.config.kind == "postgresql"
    found: dict[str, ClientReport] = {}
    for service in services:
        said = "" if service.state is None or service.level is Level.GOOD else service.state.last.detail
        if re.search(name + _ILL, said, re.IGNORECASE):
            found[service.name] = ClientReport(service.name, said, since=service.since)
    for each in errors:
        recent = timedelta() <= now - each.at < REPORTED_FOR and not _is_own_log(each.source, view)
        if recent and _is_about(each.text, name, in_sql=in_sql):
            since = each.first or each.at
            found.setdefault(each.source, ClientReport(each.source, each.text, each.at, each.times, since))
    return list(found.values())[:_MOST_REPORTS]


def caller_reports(view: ServiceView, errors: Iterable[ClientError], now: datetime) -> list[ClientReport]:
    """Return what other services log at ``now`` (aware UTC) of a service that they do not reach: ``errors`` (newest
    first) without its own, the newest one of each log."""
    name = _address_pattern(view)
    found: dict[str, ClientReport] = {}
    for each in errors:
        if timedelta() <= now - each.at < REPORTED_FOR and _is_about(each.text, name, in_sql=False):
            found.setdefault(each.source, ClientReport(each.source, each.text, each.at, each.times))
    return list(found.values())[:_MOST_REPORTS]


def _address_pattern(view: ServiceView) -> str:
    """A pattern of the words that mean a service, in small letters: its name, and its host with its port as programs
    write them."""
    url = urlsplit(view.config.url)
    if url.scheme in ("icmp", "deadline", "certificate", "lines"):
        return rf"(?<![\w.-]){re.escape(view.name.lower())}(?![\w-])"
    hosts = _LOOPBACK if url.hostname in _LOOPBACK else (url.hostname or view.name,)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = "|".join(map(re.escape, hosts))
    return rf"(?<![\w.-])(?:{re.escape(view.name.lower())}(?![\w-])|(?:{host})(?:\]?:|', |\", ){port}(?!\d))"


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _with_reports(view: BackendView, reports: list[ClientReport], now: datetime) -> BackendView:
    since = min((each.since for each in reports if each.since is not None), default=view.since)
    reasons = tuple(_report_reason(each, now) for each in reports)
    return replace(_with_reasons(view, Level.DEGRADED, since, reasons), reports=tuple(reports))


def _report_reason(report: ClientReport, now: datetime) -> Message:
    values: dict[str, object] = {"client": report.who, "said": clean(report.text)}
    if report.at is None or report.still_holds(now):
        return Message(_REPORTS.text, values)
    return Message(_REPORTED.text, values | {"at": report.at})


def _is_own_log(source: str, view: BackendView) -> bool:
    """Whether a log is of the server itself, which tells no more than that it answered an error to somebody."""
    name = source.rpartition(".")[2]
    pattern = _SERVER_LOGS.get(view.config.kind)
    return view.name in (source, name) or (pattern is not None and pattern.fullmatch(name) is not None)


@lru_cache(maxsize=4096)
def _is_about(text: str, name: str, *, in_sql: bool) -> bool:
    """Whether a logged error says that something was not reached, or did not do what it was asked; asked with each
    overview of the same errors."""
    if in_sql and _SQL_FAILED.search(text):
        return True
    said = text.lower()
    return _UNREACHED.search(said) is not None and re.search(name, said) is not None


def _name_pattern(view: BackendView, *, alone: bool) -> str:
    """A pattern of the words that mean a backend, in small letters: its name, its address unless that is of many, those
    of its kind."""
    address = str(asdict(view.config).get("address", ""))
    far = address if address not in ("", "localhost", "::1") and not address.startswith("127.") else ""
    words = [view.name, far, *(_KIND_WORDS.get(view.config.kind, ()) if alone else ())]
    return rf"(?<![\w-])(?:{'|'.join(re.escape(each.lower()) for each in words if each)})(?![\w-])"
