"""Rows of the home screen: what is wrong, what changed, and processes. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lilfox_tui.app.rendering.columns import EXACT, Column, Digits, choose, heading, line
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.app.rows.hosts import ROLES, well
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.core.text import clean, fit, human_bytes, human_duration
from lilfox_tui.metrics.model import ProcessUsage
from lilfox_tui.monitor.model import BackendView, HostView, PlanView, ServiceView, StatusChange, View

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem
    from lilfox_tui.app.panes.metrics.errors import LoggedError

_WIDE = 76
"""Cells from which there is room for the kind of thing, or the name of the alert, in a column of its own."""
_NAME, _STATE, _SOURCE = 14, 13, 16
_NARROW_NAME, _NARROW_STATE = 10, 12


def problem_row(problem: AlertItem | View | PlanView, now: datetime, glyphs: Glyphs, width: int) -> Row:
    """A problem in one line: its subject, what is wrong, since when, and which alert or kind of thing it is."""
    match problem:
        case HostView() | ServiceView() | BackendView():
            parts = _of_view(problem, now, glyphs)
        case PlanView():
            parts = _of_plan(problem, now, glyphs)
        case _:
            parts = _of_alert(problem, now, glyphs)
    mark, name, what, state, source = parts
    wide = width >= _WIDE
    name_width, state_width = (_NAME, _STATE) if wide else (_NARROW_NAME, _NARROW_STATE)
    if width > 2 * _WIDE:
        name_width += 10
    used = 3 + name_width + 2 + state_width + (2 + _SOURCE if wide else 0) + 2
    return (
        Piece(" "),
        mark,
        Piece(" "),
        Piece(fit(clean(name), name_width), "strong" if what.role != "muted" else "muted"),
        Piece("  "),
        Piece(fit(clean(what.text), max(1, width - used)), what.role),
        Piece("  "),
        Piece(fit(state, state_width), "muted" if what.role == "muted" else "text"),
        *((Piece("  "), Piece(fit(clean(source), _SOURCE), "muted")) if wide else ()),
    )


_Parts = tuple[Piece, str, Piece, str, str]


def _of_view(view: View, now: datetime, glyphs: Glyphs) -> _Parts:
    role = ROLES[view.level]
    why = clauses(map(str, view.reasons)) or well(view)
    if isinstance(view, HostView) and isinstance(view.link, Unavailable):
        why = str(view.link.error.message)
    kind = _("host") if isinstance(view, HostView) else _("service") if isinstance(view, ServiceView) else (
        view.config.kind)  # fmt: skip
    return Piece(glyphs.level(view.level), role), view.name, Piece(why, role), _held(view.since, now), kind


def _of_plan(plan: PlanView, now: datetime, glyphs: Glyphs) -> _Parts:
    role = ROLES[plan.level]
    why = clauses(map(str, plan.reasons))
    return Piece(glyphs.level(plan.level), role), plan.name, Piece(why, role), _held(plan.since, now), _("backup plan")


def plan_detail(plan: PlanView, now: datetime, glyphs: Glyphs) -> list[Row]:
    """A plan with a problem as text, and where its sets are."""
    role = ROLES[plan.level]
    head = (
        Piece(f" {glyphs.level(plan.level)} ", role),
        Piece(plan.name, "strong"),
        Piece(f"  {_held(plan.since, now)}  "),
    )
    return [(*head, Piece(clauses(map(str, plan.reasons)), role)), (Piece("   "), Piece(_("enter opens the backups")))]


def _held(since: datetime, now: datetime) -> str:
    seconds = (now - since).total_seconds()
    return _("for {time}", time=human_duration(seconds)) if seconds >= 1 else ""


def _of_alert(item: AlertItem, now: datetime, glyphs: Glyphs) -> _Parts:
    from lilfox_tui.alerts.notifier import summary
    from lilfox_tui.app.panes.metrics.alert_page import against, marks, role, rule_trouble, shape, state_text, where

    mark, alert = shape(item, glyphs), item.alert
    if alert is None:
        return mark, item.name, Piece(rule_trouble(item.rule, now), mark.role), "", _("rule")
    told = "  ".join(filter(None, (against(alert, item.expression), marks(alert), summary(alert))))
    colour = "muted" if alert.acknowledged is not None else role(alert)
    return Piece(mark.text, colour), where(alert.labels) or item.name, Piece(told, colour), state_text(
        alert, item.rule, now), item.name  # fmt: skip


def change_row(change: StatusChange, now: datetime, glyphs: Glyphs) -> Row:
    """A change: when, what it is about, and what happened."""
    today = change.at.date() == now.date()
    return (
        Piece(" " + change.at.strftime("%H:%M:%S" if today else "%m-%d %H:%M") + " ", "muted"),
        Piece(glyphs.level(change.level) + " ", ROLES[change.level]),
        Piece(clean(change.subject.partition("/")[2]) + "  ", "strong"),
        Piece(str(change.what)),
    )


def _command(each: ProcessUsage) -> Row:
    """The command line without its program's folder; a process without one is the kernel's."""
    if not each.command_line:
        return (Piece(f"[{each.command}]", "muted"),)
    program, _blank, rest = each.command_line.partition(" ")
    return (Piece(program.rpartition("/")[2] or program, "name"), Piece(f" {rest}" if rest else ""))


def error_row(error: LoggedError, now: datetime, glyphs: Glyphs) -> Row:
    """An error of a log: when, in which log, how often in a row, and what it says."""
    today = error.at.date() == now.date()
    return (
        Piece(" " + error.at.strftime("%H:%M:%S" if today else "%m-%d %H:%M") + " ", "muted"),
        Piece(glyphs.failing + " ", "failing"),
        Piece(clean(error.source) + "  ", "strong"),
        *((Piece(f"×{error.times}  ", "accent"),) if error.times > 1 else ()),
        *coloured(clean(error.text)),
    )


def first_steps() -> list[Row]:
    """What somebody can do who has configured nothing yet."""
    steps = (
        ("2", _("read the logs found on this machine, or start with lilfox FILE")),
        ("enter", _("open this machine: all of its numbers")),
        ("hosts:", _("add hosts and services to ~/.config/lilfox/config.yaml")),
        ("lilfox demo", _("try everything on a stand-in stack with faults to inject")),
    )
    return [(Piece(" " + fit(key, 12), "key"), Piece(text)) for key, text in steps]


_PROCESS_COLUMNS: tuple[Column[ProcessUsage], ...] = (
    Column(lambda: _("cpu"), 5, lambda each: (Piece(_cpu(each)),), right=True),
    Column(lambda: _("mem"), 5, lambda each: (Piece(human_bytes(each.resident_bytes)),), right=True),
    Column(lambda: _("pid"), 7, lambda each: (Piece(str(each.pid), "muted"),), priority=3, right=True),
    Column(lambda: _("user"), 8, lambda each: (Piece(each.user, "muted"),), priority=2),
    Column(lambda: _("command"), 12, _command, priority=1, grow=400),
)


def _cpu(each: ProcessUsage, digits: Digits = EXACT) -> str:
    return "-" if each.cpu_percent is None else f"{digits.rounded(each.cpu_percent):.0f}%"


def process_heading(width: int) -> Row:
    """The column titles of processes."""
    return heading(choose(_PROCESS_COLUMNS, width - 2), 1)


def process_row(each: ProcessUsage, width: int) -> Row:
    """One process: its share of a core, its memory, and its command."""
    return (Piece(" "), *line(choose(_PROCESS_COLUMNS, width - 2), each))
