"""``lilfox check``: one check of hosts, services, backends, clusters, backup plans and alerts, worst
first.

Anything failing exits 1, an alert that fires and is not silenced among it, a plan that is late, a job of which nobody
knows how it ended, and with ``--audit`` a severe finding; else checks of the audit that could not be made exit 3. What
is degraded alone exits 0.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lilfox_tui.backup.checks import proof_text
from lilfox_tui.cli.exports import exported_files
from lilfox_tui.cli.job_output import check_rows, job_document
from lilfox_tui.cli.output import Cell, print_json, print_table, shape
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.aio import Ready, State, Unavailable
from lilfox_tui.core.i18n import _, clauses, ngettext
from lilfox_tui.core.text import human_count, human_duration
from lilfox_tui.jobs.listing import list_jobs, unsettled
from lilfox_tui.jobs.model import Job
from lilfox_tui.metrics.model import HostSnapshot, HostSummary, Level
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.export import level_name, report, worst
from lilfox_tui.monitor.export_sections import alerts_level, audit_document
from lilfox_tui.monitor.model import AuditView, BackendView, HostView, Overview, PlanView, ServiceView, TargetView, View
from lilfox_tui.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore


Ranked = tuple[Level, list[list[Cell]]]


def alert_rows(state: State[Alerts] | None) -> Iterator[Ranked]:
    """Firing and pending alerts, failed rules, and other problems, each with its level; one row if all is well or
    nothing is known."""
    if state is None:
        return
    if not isinstance(state, Ready):
        why = str(state.error) if isinstance(state, Unavailable) else _("unknown")
        level = alerts_level(state)
        rows = [_alert_row(level, "", why)]
        if isinstance(state, Unavailable) and str(state.error.hint):
            rows.append([Cell(""), Cell(""), Cell(""), Cell(str(state.error.hint))])
        yield level, rows
        return
    alerts = state.value
    live = [alert for alert in alerts.alerts if alert.resolved_at is None]
    yield from (_alert_lines(each, alerts) for each in live)
    for rule in alerts.rules:
        if rule.error is not None:
            text = _("cannot be evaluated: {why}", why=rule.error)
            yield Level.FAILING, [_alert_row(Level.FAILING, rule.name, text)]
    for trouble in alerts.troubles:
        level = Level.FAILING if trouble.blind else Level.DEGRADED
        yield level, [_alert_row(level, "", str(trouble))]
    if not live and not alerts.blind:
        yield (
            Level.GOOD,
            [
                _alert_row(
                    Level.GOOD,
                    "",
                    ngettext("{count} rule, not firing", "{count} rules, none firing", len(alerts.rules)),
                )
            ],
        )


def _alert_lines(alert: Alert, alerts: Alerts) -> Ranked:
    level = Level.DEGRADED if alert.fired_at is None else Level.FAILING
    age = human_duration(round((alerts.at - (alert.fired_at or alert.active_at)).total_seconds()))
    said = [_("pending {age}", age=age) if alert.fired_at is None else _("firing {age}", age=age)]
    if alert.silenced_by:
        level = Level.GOOD
        said.append(alert.suppression or _("silenced"))
    if alert.acknowledged is not None:
        said.append(_("acknowledged by {name}", name=alert.acknowledged.by))
    said += [f"{name}={value}" for name, value in alert.labels if name != "alertname"]
    rows = [_alert_row(level, alert.name, "  ".join(said))]
    if alert.summary:
        rows.append([Cell(""), Cell(""), Cell(""), Cell(alert.summary)])
    return level, rows


def _alert_row(level: Level, name: str, text: str) -> list[Cell]:
    """A row about the alert or rule ``name``, or about all alerts if that is empty."""
    return [shape(level), Cell(_("alert") if name else _("alerts")), Cell(name), Cell(text)]


def interrupted_rows(interrupted_restores: Sequence[InterruptedRestore]) -> Iterator[tuple[Level, list[list[Cell]]]]:
    """Interrupted restores, each with how to settle it."""
    for half in interrupted_restores:
        first = [shape(Level.FAILING), Cell(_("restore")), Cell(half.restored.set), Cell(str(half.message))]
        yield Level.FAILING, [first, [Cell(""), Cell(""), Cell(""), Cell(str(half.hint))]]


def plan_rows(overview: Overview) -> Iterator[tuple[Level, list[list[Cell]]]]:
    """Each plan in each of its stores, with its problems or else its newest set."""
    for view in overview.backups.plans.values() if overview.backups is not None else ():
        if view.config is None:
            continue
        name = f"{view.name} ({view.store})" if view.copy else view.name
        first, *more = [str(reason) for reason in view.reasons] or [_newest(view, overview.at)]
        rows = [[shape(view.level), Cell(_("backup")), Cell(name), Cell(first)]]
        rows += [[Cell(""), Cell(""), Cell(""), Cell(line)] for line in more]
        if view.outage is not None and str(view.outage.error.hint):
            rows.append([Cell(""), Cell(""), Cell(""), Cell(_("hint: {hint}", hint=view.outage.error.hint))])
        if view.reasons and view.sets:
            rows.append([Cell(""), Cell(""), Cell(""), Cell(_newest(view, overview.at))])
        yield view.level, rows


def _newest(view: PlanView, now: datetime) -> str:
    if not view.sets:
        return ""
    newest = view.sets[0]
    age = human_duration((now - newest.created).total_seconds())
    parts = [_("{set}, {age} old, {status}", set=newest.id, age=age, status=proof_text(newest.status, newest.missing))]
    if view.rto_s is not None:
        parts.append(_("restore-tested in {time}", time=human_duration(view.rto_s)))
    return "  ".join(parts)


def audit_rows(view: AuditView | None) -> Iterator[Ranked]:
    """The findings of the audit that nobody accepts, and the checks that could not be made, a row for each reason."""
    if view is None:
        return
    if view.error is not None:
        yield Level.UNKNOWN, [[shape(Level.UNKNOWN), Cell(_("audit")), Cell(""), Cell(str(view.error))]]
    for each in view.open_findings:
        text = f"{each.severity_text}  {each.check}: {each.title}: {each.evidence}"
        yield each.level, [[shape(each.level), Cell(_("audit")), Cell(each.target), Cell(text)]]
    for (target, reason), count in Counter((each.target, each.reason) for each in view.not_checked).items():
        text = ngettext(
            "{count} check could not be made: {why}", "{count} checks could not be made: {why}", count, why=reason
        )
        yield Level.UNKNOWN, [[shape(Level.UNKNOWN), Cell(_("audit")), Cell(target), Cell(text)]]
    if view.passed and not view.open_findings:
        text = ngettext("{count} check, nothing found", "{count} checks, nothing found", view.passed)
        yield Level.GOOD, [[shape(Level.GOOD), Cell(_("audit")), Cell(""), Cell(text)]]


def container_rows(overview: Overview) -> Iterator[Ranked]:
    """A row for each engine whose containers are all well, and for one that cannot be asked; the rows of hosts tell the
    problems of containers."""
    for engine in (each for found in overview.containers.values() for each in found):
        if engine.level is Level.UNKNOWN:
            text = clauses(map(str, engine.reasons))
            yield engine.level, [[shape(engine.level), Cell(_("containers")), Cell(engine.host), Cell(text)]]
        elif engine.worst is Level.GOOD:
            text = ngettext("{count} container, no problems", "{count} containers, no problems", len(engine.containers))
            yield Level.GOOD, [[shape(Level.GOOD), Cell(_("containers")), Cell(engine.host), Cell(text)]]


def cluster_rows(overview: Overview) -> Iterator[Ranked]:
    """A row for each Kubernetes cluster with its worst problems, or how much there is without any."""
    for view in overview.clusters.values():
        workloads = ngettext("{count} workload", "{count} workloads", len(view.workloads))
        pods = ngettext("{count} pod", "{count} pods", len(view.pods))
        nodes = ngettext("{count} node", "{count} nodes", len(view.nodes))
        well = _("{workloads}, {pods}, {nodes}, no problems", workloads=workloads, pods=pods, nodes=nodes)
        first, *more = [str(reason) for reason in view.reasons] or [well]
        if view.error is not None and str(view.error.hint):
            more.append(_("hint: {hint}", hint=view.error.hint))
        rows = [[shape(view.level), Cell(_("cluster")), Cell(view.name), Cell(first)]]
        rows += [[Cell(""), Cell(""), Cell(""), Cell(line)] for line in more]
        yield view.level, rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``check``."""
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))
    parser.add_argument(
        "--timeout", type=duration, default=15.0, metavar="DURATION", help=_("time limit for all checks together")
    )
    parser.add_argument("--audit", action="store_true", help=_("also check how everything is set up (lilfox audit)"))


def run(args: argparse.Namespace) -> int:
    """Checks everything once and prints the results."""
    if args.json_schema:
        print_schema("check")
        return 0
    loaded = load_settings(args)
    monitor = Monitor(loaded.config, config_file=loaded.path)
    if args.audit:
        monitor.audit.exports = exported_files
    overview = asyncio.run(monitor.check_once(args.timeout, audit=args.audit))
    jobs = unsettled(list_jobs())
    level = max(worst(overview), Level.FAILING if jobs else Level.GOOD, _audit_level(overview.audit))
    if args.json:
        told = report(overview, _local(monitor, overview)) | {"level": level_name(level)}
        print_json(told | {"jobs": [job_document(job) for job in jobs], "audit": audit_document(overview.audit)})
    else:
        print_table(_overview_rows(overview, jobs))
    return 1 if level is Level.FAILING else 3 if _incomplete(overview.audit) else 0


def _audit_level(view: AuditView | None) -> Level:
    return Level.GOOD if view is None else max(view.level, Level.UNKNOWN if _incomplete(view) else Level.GOOD)


def _incomplete(view: AuditView | None) -> bool:
    """Whether the audit was asked for and some of its checks could not be made."""
    return view is not None and (view.error is not None or bool(view.not_checked))


def _local(monitor: Monitor, overview: Overview) -> HostSnapshot | None:
    here = next((name for name, view in overview.hosts.items() if view.config.local), None)
    return None if here is None else monitor.snapshot(here).value


def _overview_rows(overview: Overview, jobs: Sequence[Job]) -> Iterator[list[Cell]]:
    found = [(view.level, list(_view_rows(view))) for view in overview.views]
    found += alert_rows(overview.alerts)
    found += check_rows(jobs)
    found += interrupted_rows(() if overview.backups is None else overview.backups.interrupted_restores)
    found += plan_rows(overview)
    found += audit_rows(overview.audit)
    found += container_rows(overview)
    found += cluster_rows(overview)
    found += [(Level.DEGRADED, [_target(target)]) for target in overview.targets if target.down]
    for _level, rows in sorted(found, key=lambda each: -each[0]):
        yield from rows


def _target(target: TargetView) -> list[Cell]:
    why = str(target.state.error) if isinstance(target.state, Unavailable) else ""
    return [shape(Level.DEGRADED), Cell(_("target")), Cell(target.job), Cell(why)]


def _view_rows(view: View) -> Iterator[list[Cell]]:
    kind = {HostView: _("host"), ServiceView: _("service")}.get(type(view), _("backend"))
    first, *more = [str(reason) for reason in view.reasons] or [_numbers(view)]
    yield [shape(view.level), Cell(kind), Cell(view.name), Cell(first)]
    yield from ([Cell(""), Cell(""), Cell(""), Cell(line)] for line in more)
    if view.reasons and (numbers := _numbers(view)):
        yield [Cell(""), Cell(""), Cell(""), Cell(numbers)]


def _numbers(view: View) -> str:
    if isinstance(view, BackendView):
        incomplete = None if view.reading is None else view.reading.incomplete
        return "  ".join(
            str(each) for each in (*(figure.text for figure in view.figures), incomplete or "") if str(each)
        )
    if isinstance(view, HostView):
        return "" if view.summary is None else _host_numbers(view.summary)
    last = None if view.state is None else view.state.last
    if last is None or last.status_code is None:
        return ""
    answer = f"{last.status_code}  {human_duration(last.response_time_s)}"
    return "  ".join((answer, *_traffic(view.traffic.value if isinstance(view.traffic, Ready) else None)))


def _traffic(traffic: Traffic | None) -> Iterator[str]:
    if traffic is None:
        return
    if traffic.requests_s is not None:
        yield _("{count}/s", count=human_count(traffic.requests_s))
    if traffic.p95 is not None:
        yield "p95 " + traffic.p95.bound + human_duration(traffic.p95.seconds)
    if traffic.server_errors is not None:
        yield f"5xx {traffic.server_errors:.1f}%"


def _host_numbers(summary: HostSummary) -> str:
    parts = [
        _("cpu {percent}", percent=_percent(summary.cpu_percent)),
        _("memory {percent}", percent=_percent(summary.memory_percent)),
        _("swap {percent}", percent=_percent(summary.swap_percent)),
    ]
    if summary.fullest is not None:
        fullest = summary.fullest
        parts.append(_("disk {mount} {percent}", mount=fullest.mountpoint, percent=_percent(fullest.used_percent)))
    if summary.load is not None:
        parts.append(_("load {load:.2f}", load=summary.load[0]))
    parts.append(_("up {uptime}", uptime=human_duration(summary.uptime_s)))
    return "  ".join(parts)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}%"
