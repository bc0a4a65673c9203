"""``lilfox check``: one round over hosts, services, backends and backup plans, and the alerts there are, worst first.

Anything failing exits 1, an alert that fires and is not silenced among it, a plan that is late, and a job of which
nobody knows how it ended; what is degraded alone exits 0.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence

from lilfox_tui.cli.alert_rows import alert_rows
from lilfox_tui.cli.durations import duration
from lilfox_tui.cli.job_rows import check_rows, document
from lilfox_tui.cli.output import Cell, print_json, print_table, shape
from lilfox_tui.cli.plan_rows import half_done_rows, plan_rows
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.feed import Ready, Unavailable
from lilfox_tui.i18n import _
from lilfox_tui.jobs.listing import list_jobs, unsettled
from lilfox_tui.jobs.model import Job
from lilfox_tui.metrics.model import HostSnapshot, HostSummary, Level
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.export import level_name, report, worst
from lilfox_tui.monitor.model import BackendView, HostView, Overview, ServiceView, View
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.target_view import TargetView
from lilfox_tui.text import human_count, human_duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``check`` accepts."""
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))
    parser.add_argument("--timeout", type=duration, default=15.0, metavar="DURATION", help=_("for everything together"))


def run(args: argparse.Namespace) -> int:
    """Asks everything once and prints what was found."""
    if args.json_schema:
        print_schema("check")
        return 0
    loaded = load_settings(args)
    monitor = Monitor(loaded.config, config_file=loaded.path)
    overview = asyncio.run(monitor.check_once(args.timeout))
    jobs = unsettled(list_jobs())
    if args.json:
        told = report(overview, _local(monitor, overview))
        level = told["level"] if not jobs else level_name(Level.FAILING)
        print_json(told | {"level": level, "jobs": [document(job) for job in jobs]})
    else:
        print_table(_rows(overview, jobs))
    return 1 if jobs or worst(overview) is Level.FAILING else 0


def _local(monitor: Monitor, overview: Overview) -> HostSnapshot | None:
    here = next((name for name, view in overview.hosts.items() if view.config.local), None)
    return None if here is None else monitor.snapshot(here).value


def _rows(overview: Overview, jobs: Sequence[Job]) -> Iterator[list[Cell]]:
    found = [(view.level, list(_view_rows(view))) for view in overview.views]
    found += alert_rows(overview.alerts)
    found += check_rows(jobs)
    found += half_done_rows(() if overview.backups is None else overview.backups.half_done)
    found += plan_rows(overview)
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
        yield f"5xx {traffic.server_errors:.1f} %"


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
    return "-" if value is None else f"{value:.0f} %"
