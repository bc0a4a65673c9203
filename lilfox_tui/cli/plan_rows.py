"""Backup plans as rows of ``lilfox check``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lilfox_tui.backup.labels import status_text
from lilfox_tui.cli.output import Cell, shape
from lilfox_tui.i18n import _
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.backup_view import PlanView
from lilfox_tui.monitor.model import Overview
from lilfox_tui.text import human_duration

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore


def half_done_rows(half_done: Sequence[InterruptedRestore]) -> Iterator[tuple[Level, list[list[Cell]]]]:
    """Restores that are half done, each with what can be done."""
    for half in half_done:
        first = [shape(Level.FAILING), Cell(_("restore")), Cell(half.restored.set), Cell(str(half.message))]
        yield Level.FAILING, [first, [Cell(""), Cell(""), Cell(""), Cell(str(half.hint))]]


def plan_rows(overview: Overview) -> Iterator[tuple[Level, list[list[Cell]]]]:
    """Each plan in each of its stores: why it is not well, else its newest set."""
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
    parts = [_("{set}, {age} old, {status}", set=newest.id, age=age, status=status_text(newest.status))]
    if view.rto_s is not None:
        parts.append(_("restore-tested in {time}", time=human_duration(view.rto_s)))
    return "  ".join(parts)
