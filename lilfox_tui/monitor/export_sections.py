"""Sections of the export: alerts, backups, recovery, targets and traffic, as JSON and as Prometheus metric families."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lilfox_tui.backup.sets.model import Status
from lilfox_tui.config.model import RecoveryConfig
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import NotEvaluated
from lilfox_tui.metrics.model import CertificateTimes, Health, HealthCheck, Labels, Level, ServiceState
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.model import AuditView, Backups, PlanView, ServiceView, TargetView
from lilfox_tui.recovery.history import UnitRecord

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts


Line = tuple[Labels, float]
Family = tuple[str, str, str, list[Line]]
"""Name, type, help and lines of one metric."""


def iso(at: datetime) -> str:
    """Format a time in ISO 8601 with the offset of this machine's zone."""
    return at.astimezone().isoformat(timespec="milliseconds")


# Alerts for other programs: in the reports, and as the series that Prometheus itself has of them.


_NO_NAME_CHARACTER = re.compile(r"^(?=[0-9])|[^a-zA-Z0-9_]")


def alerts_level(state: State[Alerts] | None) -> Level:
    """Return the level of the alerts, without silenced ones; GOOD if there are no rules, UNKNOWN if nobody has
    evaluated them. FAILING if an alert may be missing, or the source of the alerts does not answer: problems would go
    unnoticed."""
    if state is None:
        return Level.GOOD
    if isinstance(state, Unavailable):
        return Level.UNKNOWN if isinstance(state.error, NotEvaluated) else Level.FAILING
    if isinstance(state, Pending):
        return Level.UNKNOWN
    live = [alert for alert in state.value.alerts if alert.resolved_at is None and not alert.silenced_by]
    if state.value.blind or any(alert.fired_at is not None for alert in live):
        return Level.FAILING
    return Level.DEGRADED if live or state.value.troubles else Level.GOOD


def alerts_document(state: State[Alerts] | None) -> dict[str, Any] | None:
    """Return what is known about alerts; None if the config names no rules. ``why`` is the reason why nothing is
    known."""
    if state is None:
        return None
    if not isinstance(state, Ready):
        return {"known": False, "why": None if isinstance(state, Pending) else str(state.error)}
    alerts = state.value
    return {
        "known": True,
        "at": alerts.at.isoformat(),
        "evaluated_here": alerts.evaluated_here,
        "alerts": [alert_document(alert) for alert in alerts.alerts],
        "rules": len(alerts.rules),
        "failing_rules": [
            {"name": rule.name, "group": rule.group, "error": str(rule.error)}
            for rule in alerts.rules
            if rule.error is not None
        ],
        "rules_without_data": [rule.name for rule in alerts.rules if rule.health.name == "NO_DATA"],
        "troubles": [str(each) for each in alerts.troubles],
    }


def alert_document(alert: Alert) -> dict[str, Any]:
    """Return one alert for JSON: times in ISO 8601, UTC; a value that JSON cannot hold is null."""
    seen = alert.acknowledged
    return {
        "state": alert.state.name.lower(),
        "name": alert.name,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": alert.value if math.isfinite(alert.value) else None,
        "active_at": _iso_or_none(alert.active_at),
        "fired_at": _iso_or_none(alert.fired_at),
        "resolved_at": _iso_or_none(alert.resolved_at),
        "no_data_since": _iso_or_none(alert.no_data_since),
        "rule": alert.rule,
        "acknowledged": None if seen is None else {"by": seen.by, "at": _iso_or_none(seen.at), "note": seen.note},
        "silenced_by": list(alert.silenced_by),
    }


def alerts_families(state: State[Alerts] | None) -> Iterator[Family]:
    """Yield ``ALERTS`` and ``ALERTS_FOR_STATE`` as Prometheus writes them, and the health of rules and
    notifications."""
    if state is None:
        return
    known = isinstance(state, Ready)
    yield "lilfox_alerts_known", "gauge", "Whether the state of the alerts is known.", [((), float(known))]
    if not isinstance(state, Ready):
        return
    live = [alert for alert in state.value.alerts if alert.resolved_at is None]
    shown: list[Line] = [
        ((*_valid_labels(alert.labels), ("alertstate", alert.state.name.lower())), 1.0) for alert in live
    ]
    since: list[Line] = [(_valid_labels(alert.labels), alert.active_at.timestamp()) for alert in live]
    yield "ALERTS", "gauge", "Alerts that are pending or firing.", shown
    yield "ALERTS_FOR_STATE", "gauge", "Since when an alert's expression has held, in seconds since 1970.", since
    silenced = sum(bool(alert.silenced_by) for alert in live)
    yield "lilfox_alerts_silenced", "gauge", "Alerts that are silenced.", [((), float(silenced))]
    failing = sum(rule.error is not None for rule in state.value.rules)
    yield "lilfox_rules_failing", "gauge", "Rules whose last evaluation failed.", [((), float(failing))]
    troubles = float(len(state.value.troubles))
    yield "lilfox_alert_troubles", "gauge", "Problems with rules, state or notifications.", [((), troubles)]


def _valid_labels(labels: Labels) -> Labels:
    """Return the labels with names that are valid and unique in the text format."""
    taken, named = {"alertstate"}, {}
    for name, _value in sorted(labels, key=lambda pair: _NO_NAME_CHARACTER.search(pair[0]) is not None):
        plain = _NO_NAME_CHARACTER.sub("_", name)
        while plain in taken:
            plain += "_"
        taken.add(plain)
        named[name] = plain
    return tuple((named[name], value) for name, value in labels)


def _iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


# Backup plans for other programs: in the document of ``check`` and ``monitor``, and as Prometheus' gauges.


def backups_level(backups: Backups | None) -> Level:
    """Return the worst level of the plans, including unfinished restores; GOOD if there are none."""
    if backups is not None and backups.interrupted_restores:
        return Level.FAILING
    return max((view.level for view in _plans(backups)), default=Level.GOOD)


def interrupted_document(backups: Backups | None) -> list[dict[str, Any]]:
    """Restores that are only partly in place."""
    return [] if backups is None else [half.document() for half in backups.interrupted_restores]


def backups_document(backups: Backups | None) -> list[dict[str, Any]]:
    """Return each plan in each of its stores. Times are ISO 8601 with their offset; null is unknown."""
    return [_plan_document(view) for view in _plans(backups)]


def backups_families(backups: Backups | None, now: datetime) -> Iterator[Family]:
    """Yield level, age of the newest good set and duration of the newest drill, with the labels ``plan`` and
    ``store``."""
    views: list[tuple[Labels, PlanView]] = [
        ((("plan", view.name), ("store", view.store)), view) for view in _plans(backups)
    ]
    half: list[Line] = [] if backups is None else [((), float(len(backups.interrupted_restores)))]
    yield "lilfox_restores_interrupted", "gauge", "Restores whose process died between their renames.", half
    levels = [(labels, float(view.level)) for labels, view in views]
    yield "lilfox_backup_level", "gauge", "State of the plan: 0 good, 1 unknown, 2 degraded, 3 failing.", levels
    yield "lilfox_backup_sets", "gauge", "Sets in the store, by their state.", _by_state(views)
    late = [(labels, float(view.late is not None)) for labels, view in views if view.sets is not None]
    yield "lilfox_backup_late", "gauge", "Whether a scheduled run gave no good set.", late
    newest = [(labels, _newest_on_time(view)) for labels, view in views]
    ages = [(labels, (now - at).total_seconds()) for labels, at in newest if at is not None]
    yield (
        "lilfox_backup_age_seconds",
        "gauge",
        "Age of the newest good set, of a foreign plan of the newest backup.",
        ages,
    )
    drills = [(labels, view.rto_s) for labels, view in views if view.rto_s is not None]
    yield "lilfox_backup_restore_seconds", "gauge", "How long the newest drill took to restore a set.", drills


def _by_state(views: Sequence[tuple[Labels, PlanView]]) -> list[tuple[Labels, float]]:
    """Return the number of sets in every state, even if it is 0, so that an alerting rule can see it change."""
    return [
        ((*labels, ("state", state.value)), float(sum(found.status == state for found in view.sets)))
        for labels, view in views
        if view.sets is not None
        for state in Status
    ]


def _plan_document(view: PlanView) -> dict[str, Any]:
    newest = view.sets[0] if view.sets else None
    good = _newest_good(view)
    return {
        "plan": view.name,
        "store": view.store,
        "copy": view.copy,
        "level": view.level.name.lower(),
        "since": iso(view.since),
        "reasons": [str(reason) for reason in view.reasons],
        "late": view.late is not None,
        "due": None if view.late is None else iso(view.late.due),
        "next_run": None if view.next_run is None else iso(view.next_run),
        "newest": None if newest is None else newest.id,
        "newest_status": None if newest is None else newest.status,
        "newest_good_at": None if good is None else iso(good),
        "sets": None if view.sets is None else len(view.sets),
        "restore_s": view.rto_s,
    }


def _newest_good(view: PlanView) -> datetime | None:
    return next((found.created for found in view.sets or () if found.good), None)


def _newest_on_time(view: PlanView) -> datetime | None:
    return next((found.created for found in view.sets or () if found.on_time), None)


def _plans(backups: Backups | None) -> Iterator[PlanView]:
    if backups is not None:
        yield from (view for view in backups.plans.values() if view.config is not None)


# Units that recover by themselves, as Prometheus' gauges.


def recovery_families(units: Mapping[str, RecoveryConfig], records: Mapping[str, UnitRecord]) -> Iterator[Family]:
    """Yield for each unit that was checked whether recovery gave up on it, and its restarts within its window."""
    known: list[tuple[Labels, UnitRecord]] = [
        ((("name", name), ("host", unit.host), ("unit", unit.subject)), records[name])
        for name, unit in units.items()
        if name in records
    ]
    given_up = [(labels, float(record.state == "given up")) for labels, record in known]
    yield "lilfox_recovery_given_up", "gauge", "Whether the unit is left alone after too many restarts.", given_up
    restarts = [(labels, float(len(record.restarts))) for labels, record in known]
    yield "lilfox_recovery_restarts", "gauge", "Restarts within the time of its limit.", restarts


# Certificates of services, from the handshakes of their health checks.


def certificate_families(services: Iterable[ServiceView]) -> Iterator[Family]:
    """Yield from when until when the certificate of each service with TLS is valid."""
    found = [
        ((("service", view.name),), view.state.certificate)
        for view in services
        if view.state is not None and view.state.certificate is not None
    ]
    starts: list[Line] = [(labels, times.start.timestamp()) for labels, times in found]
    ends: list[Line] = [(labels, times.end.timestamp()) for labels, times in found]
    yield CERTIFICATE + "start_timestamp_seconds", "gauge", "Time from which the certificate is valid.", starts
    yield CERTIFICATE + "expiry_timestamp_seconds", "gauge", "Time at which the certificate expires.", ends


CERTIFICATE = "lilfox_service_certificate_"


# Ports and hosts that are asked without HTTP, under the names of the blackbox exporter.


def probe_families(services: Iterable[ServiceView]) -> Iterator[Family]:
    """Yield whether each port or host answered, and how long that took; ``job`` is its name, ``instance`` its
    address."""
    found: list[tuple[Labels, HealthCheck]] = [
        ((("job", view.name), ("instance", view.config.url.partition("://")[2])), view.state.last)
        for view in services
        if view.state is not None and (view.config.tcp is not None or view.config.icmp is not None)
    ]
    success = [(labels, float(last.health is Health.HEALTHY)) for labels, last in found]
    yield "probe_success", "gauge", "Whether the port or host answered.", success
    times = [(labels, last.response_time_s) for labels, last in found if last.response_time_s is not None]
    yield "probe_duration_seconds", "gauge", "How long the answer took.", times


def lines_families(services: Sequence[ServiceView]) -> Iterator[Family]:
    """Yield how many lines of a log match the filter of each service within its window, and how many are too many."""
    found: list[Line] = [
        ((("service", view.name), ("log", view.config.lines.log)), float(view.state.lines))
        for view in services
        if view.config.lines is not None and view.state is not None and view.state.lines is not None
    ]
    yield "lilfox_log_lines", "gauge", "Lines of the log that match within the window.", found
    limits: list[Line] = [
        ((("service", view.name), ("log", view.config.lines.log)), float(view.config.lines.count))
        for view in services
        if view.config.lines is not None
    ]
    yield "lilfox_log_lines_limit", "gauge", "So many of these lines are too many.", limits


def deadline_families(services: Iterable[ServiceView]) -> Iterator[Family]:
    """Yield whether each job with a deadline is in time and did not fail, and what it reported."""
    states = [(view.name, view.state) for view in services if view.state is not None and view.config.deadline]
    found: list[tuple[Labels, ServiceState]] = [((("service", name),), state) for name, state in states]
    up = [(labels, float(state.last.health is Health.HEALTHY)) for labels, state in found]
    yield "lilfox_deadline_up", "gauge", "Whether the job reported in time and did not fail.", up
    told = [(labels, state.deadline) for labels, state in found if state.deadline is not None]
    last = [(labels, each.last.timestamp()) for labels, each in told if each.last is not None]
    yield "lilfox_deadline_last_success_timestamp_seconds", "gauge", "Time of the last success.", last
    due = [(labels, each.due.timestamp()) for labels, each in told]
    yield "lilfox_deadline_due_timestamp_seconds", "gauge", "Time at which the next report is due.", due
    took = [(labels, each.took_s) for labels, each in told if each.took_s is not None]
    yield "lilfox_deadline_duration_seconds", "gauge", "How long the last run took, from its start to its end.", took
    codes = [(labels, float(each.exit_code)) for labels, each in told if each.exit_code is not None]
    yield "lilfox_deadline_exit_status", "gauge", "Exit status of the last run.", codes


def certificate_document(times: CertificateTimes | None, now: datetime) -> dict[str, Any] | None:
    """Return the times of a certificate for JSON; None without one."""
    if times is None:
        return None
    return {"valid_from": iso(times.start), "expires": iso(times.end), "days_left": times.days_left(now)}


# The audit: findings that nobody accepts, and when they were looked for.


def audit_families(view: AuditView | None) -> Iterator[Family]:
    """Yield how many findings each check has on each target, with the labels ``severity``, ``id`` and ``target``; an
    accepted one does not count. Also how many checks could not be made, and the time of the result."""
    found = Counter((each.severity, each.check, each.target) for each in (() if view is None else view.open_findings))
    lines: list[Line] = [
        ((("severity", severity), ("id", check), ("target", target)), float(count))
        for (severity, check, target), count in found.items()
    ]
    yield "lilfox_audit_findings", "gauge", "Findings of the audit that are not accepted.", lines
    at = None if view is None else view.at
    unchecked = Counter(each.target for each in (() if view is None else view.not_checked))
    blind: list[Line] = [((("target", target),), float(count)) for target, count in unchecked.items()]
    yield "lilfox_audit_not_checked", "gauge", "Checks of the audit that could not be made.", blind
    times: list[Line] = [] if at is None else [((), at.timestamp())]
    yield "lilfox_audit_run_timestamp_seconds", "gauge", "Time of the newest result of the audit.", times


def audit_document(view: AuditView | None) -> dict[str, Any] | None:
    """Return the newest result for JSON; None if the audit was not run."""
    if view is None or view.at is None:
        return None
    return {
        "at": iso(view.at),
        "findings": [
            {
                "id": each.check,
                "severity": each.severity,
                "kind": each.kind,
                "target": each.target,
                "subject": each.subject,
                "title": str(each.title),
                "evidence": each.evidence,
                "accepted_until": each.accepted_until or None,
                "accepted": not each.is_open,
            }
            for each in view.findings
        ],
        "not_checked": [
            {"id": each.check, "kind": each.kind, "target": each.target, "reason": each.reason}
            for each in view.not_checked
        ],
        "passed": view.passed,
    }


# Targets that are scraped, in the reports.


def targets_document(targets: Iterable[TargetView]) -> list[dict[str, Any]]:
    """Return one object per target; ``up`` is null while unknown."""
    return [_target_document(target) for target in targets]


def _target_document(target: TargetView) -> dict[str, Any]:
    state = target.state
    scrape = state.value if isinstance(state, Ready) else None
    return {
        "job": target.job,
        "instance": target.instance,
        "url": target.url,
        "host": target.host or None,
        "up": None if isinstance(state, Pending) else scrape is not None,
        "needed": not target.optional,
        "why": None if isinstance(state, Pending | Ready) else str(state.error),
        "since": None if isinstance(state, Pending | Ready) else iso(state.since),
        "samples": None if scrape is None else scrape.samples,
        "duration_s": None if scrape is None else scrape.duration_s,
    }


# A service's requests for other programs. What is not known is null in JSON and absent in Prometheus' text.


def traffic_document(view: ServiceView) -> dict[str, Any] | None:
    """Return ``traffic`` of a service's document; None before anything is known."""
    if isinstance(view.traffic, Pending):
        return None
    if not isinstance(view.traffic, Ready):
        return {"unknown": {"page": str(view.traffic.error.message)}}
    traffic = view.traffic.value
    return {
        "at": iso(traffic.at),
        "window_s": traffic.window_s,
        "requests_s": traffic.requests_s,
        "latency_s": {
            **{f"p{quantile * 100:.0f}": found and found.seconds for quantile, found in traffic.quantiles()},
            "average": traffic.average_s,
            "maximum": traffic.maximum_s,
        },
        "latency_bounds": {
            f"p{quantile * 100:.0f}": found.bound for quantile, found in traffic.quantiles() if found and found.bound
        },
        "latency_at_most_s": {
            f"p{quantile * 100:.0f}": found.at_most_s
            for quantile, found in traffic.quantiles()
            if found and found.at_most_s
        },
        "client_errors_percent": traffic.client_errors,
        "server_errors_percent": traffic.server_errors,
        "in_flight": traffic.in_flight,
        "metrics": dict(traffic.taken),
        "unknown": {what: str(why) for what, why in traffic.missing.items()},
    }


def traffic_families(views: Iterable[ServiceView]) -> Iterator[Family]:
    """Yield the traffic of services as gauges, with the label ``service``."""
    rates: list[Line] = []
    times: list[Line] = []
    errors: list[Line] = []
    in_flight: list[Line] = []
    for view in views:
        if isinstance(view.traffic, Ready):
            own: Labels = (("service", view.name),)
            traffic = view.traffic.value
            rates += _line(own, traffic.requests_s)
            times += _quantiles(own, traffic)
            errors += _ratio((*own, ("class", "4xx")), traffic.client_errors)
            errors += _ratio((*own, ("class", "5xx")), traffic.server_errors)
            in_flight += _line(own, traffic.in_flight)
    yield "lilfox_service_requests_per_second", "gauge", "Requests a second over the last while.", rates
    yield "lilfox_service_latency_seconds", "gauge", "Time to an answer over the last while, by quantile.", times
    yield "lilfox_service_errors_ratio", "gauge", "Share of the requests that ended with 4xx or 5xx.", errors
    yield "lilfox_service_requests_in_flight", "gauge", "Requests under way.", in_flight


def _line(labels: Labels, value: float | None) -> list[Line]:
    return [] if value is None else [(labels, value)]


def _ratio(labels: Labels, percent: float | None) -> list[Line]:
    return [] if percent is None else [(labels, percent / 100)]


def _quantiles(own: Labels, traffic: Traffic) -> list[Line]:
    return [
        ((*own, ("quantile", f"{quantile:g}")), found.seconds)
        for quantile, found in traffic.quantiles()
        if found is not None
    ]
