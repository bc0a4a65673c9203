"""A runbook as a document, before it runs: the alert that fires for it, the values that it runs with, what it is for,
and its steps with their commands and rollbacks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from lilfox_tui.alerts.model import Alert
from lilfox_tui.app.panes.runbook.rows import (
    RunbookStyle,
    about_row,
    prose_rows,
    rollback_rows,
    shown_rows,
    text_rows,
    undo_piece,
)
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.hosts import firing_role
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age
from lilfox_tui.core.units import value_text
from lilfox_tui.incident.model import alert_subject
from lilfox_tui.monitor.model import Overview
from lilfox_tui.redact import redact
from lilfox_tui.runbook.model import Kind, Runbook, Step, Variable

_LABEL, _NAME = 10, 20
"""Cells of the labels, and of the longest name of a variable."""


class Preview(Struct, frozen=True):
    """What a document is made of: the runbook, the firing alerts that name it, each with the expression of its rule
    (empty where that is not known), the values that a run begins with, which of them are from an alert, and what the
    alerts say of the others."""

    runbook: Runbook
    alerts: Sequence[tuple[Alert, str]]
    values: Mapping[str, str]
    of_alert: Mapping[str, str]
    offered: Mapping[str, Sequence[str]] = {}


def head_rows(shown: Preview, style: RunbookStyle) -> list[Row]:
    """The upper part of the document, which changes with the clock: the alerts, and what is to be known of a run."""
    rows: list[Row] = []
    for alert, expression in shown.alerts:
        rows += alert_rows(alert, expression, style)
    rows += [BLANK] if rows else []
    return [*rows, *_about_rows(shown, style)]


class DocumentSteps(Struct, frozen=True):
    """The steps of a document, and in which row each step and each of its commands begins: by the index of the step,
    and that of the command, None for the step itself."""

    rows: list[Row] = []
    starts: Mapping[tuple[int, int | None], int] = {}

    def span(self, place: tuple[int, int | None]) -> tuple[int, int]:
        """Where a step or a command begins, and where it ends."""
        start = self.starts.get(place, 0)
        others = (at for (_step, command), at in self.starts.items() if place[1] is not None or command is None)
        return start, min((at for at in others if at > start), default=len(self.rows))


def steps_rows(shown: Preview, hosts: Callable[[int, int], tuple[str, ...]], style: RunbookStyle) -> DocumentSteps:
    """The steps of the document. ``hosts`` returns where a command of a step would run."""
    rows: list[Row] = []
    starts: dict[tuple[int, int | None], int] = {}
    group = ""
    for number, step in enumerate(shown.runbook.steps):
        found, commands = _step_rows(shown, number, step, hosts, style)
        rows.append(BLANK)
        if step.group and step.group != group:
            rows += [*wrapped([(Piece(f" {step.group}", "muted"),)], style.width - 1), BLANK]
        group = step.group
        starts[number, None] = len(rows)
        starts |= {(number, at): len(rows) + start for at, start in enumerate(commands)}
        rows += found
    return DocumentSteps(rows, starts)


def contents_rows(shown: Preview, style: RunbookStyle) -> list[Row]:
    """How many steps there are, and what their commands do."""
    return wrapped([(Piece(" "), Piece(contents_text(shown.runbook), "muted"))], style.width - 1)


def alerts_with_rules(alerts: Sequence[Alert], shown: Overview | None) -> list[tuple[Alert, str]]:
    """Firing alerts, each with the expression of its rule; empty where none is known."""
    if not alerts or shown is None or not isinstance(shown.alerts, Ready):
        return []
    expressions = {rule.key: rule.expression for rule in shown.alerts.value.rules}
    return [(each, expressions.get(each.rule, "")) for each in alerts]


def alert_rows(alert: Alert, expression: str, style: RunbookStyle) -> list[Row]:
    """A firing alert: its value beside the limit, since when and where it fires, and what it says."""
    role = "muted" if alert.silenced_by else firing_role(alert.urgency)
    age = human_age(max(1.0, (style.now - (alert.fired_at or alert.active_at)).total_seconds()))
    subject = alert_subject(dict(alert.labels))
    since = _("firing {age} on {subject}", age=age, subject=subject) if subject else _("firing {age}", age=age)
    head = (Piece(f" {style.glyphs.alert} ", role), Piece(alert.name, "strong"))
    silenced = (Piece("  " + _("silenced"), "muted"),) if alert.silenced_by else ()
    rows: list[Row] = [(*head, Piece(f"  {beside_limit(alert, expression)}", role), Piece(f"  {since}"), *silenced)]
    if alert.summary:
        rows.append((Piece("   "), Piece(alert.summary, "muted")))
    return wrapped(rows, style.width - 1)


def beside_limit(alert: Alert, expression: str) -> str:
    """An alert's value and what it is compared with, ``94% > 5%``; the bare value where no rule is known."""
    from lilfox_tui.monitor.alert_explain import compared

    sides = compared(expression)
    value = value_text(alert.value, sides.unit)
    limit = sides.right if sides.limit is None else value_text(sides.limit, sides.unit)
    return f"{value} {sides.op} {limit}" if sides.op else value


def _about_rows(shown: Preview, style: RunbookStyle) -> list[Row]:
    """When it is used, with which values it runs, and how many of its commands change something."""
    runbook = shown.runbook
    rows: list[Row] = [(Piece(" "), Piece(redact(text))) for text in runbook.about]
    rows += [BLANK] if rows else []
    if runbook.on_alert:
        rows.append(_fact(_("for alerts"), (Piece(listed(runbook.on_alert)),)))
    width = min(_NAME, max((cell_width(clean(each.name)) for each in runbook.variables), default=0))
    for number, variable in enumerate(runbook.variables):
        label = _("runs with") if number == 0 else ""
        rows.append(_fact(label, (Piece(fit(variable.name, width) + "  ", "strong"), *_value_of(variable, shown))))
    if runbook.links:
        rows.append(_fact(_("see also"), (Piece(redact(listed(each.text for each in runbook.links))),)))
    rows.append(_fact(_("contains"), (Piece(contents_text(runbook)),)))
    return wrapped(rows, style.width - 1)


def _fact(label: str, row: Row) -> Row:
    return (Piece(" " + fit(label, _LABEL) + " ", "muted"), *row)


def _value_of(variable: Variable, shown: Preview) -> Row:
    """The value of a variable and where it is from, or where it will be from."""
    if variable.name in shown.of_alert:
        return Piece(shown.of_alert[variable.name], "accent"), Piece("  " + _("from the alert"), "muted")
    if variable.name in shown.values:
        return Piece(shown.values[variable.name]), Piece("  " + _("default"), "muted")
    for number, step in enumerate(shown.runbook.steps):
        if any(variable.name in command.attributes.capture for command in step.commands):
            return (Piece(_("read by step {number}", number=number + 1), "muted"),)
    if several := shown.offered.get(variable.name):
        return (Piece(_("asked for during the run; the alerts say {values}", values=listed(several)), "degraded"),)
    choices = f": {listed(variable.choices)}" if variable.choices else ""
    return (Piece(_("asked for during the run") + choices, "degraded"),)


def contents_text(runbook: Runbook) -> str:
    """How many steps there are, and what their commands do."""
    commands = [each for step in runbook.steps for each in step.commands if not each.attributes.rollback_of]
    found = Counter(each.kind for each in commands)
    by_hand = sum(not step.commands for step in runbook.steps)
    rollbacks = sum(each.attributes.rollback_of is not None for step in runbook.steps for each in step.commands)
    told = [ngettext("{count} step", "{count} steps", len(runbook.steps))]
    words: dict[Kind, str] = {
        "read": ngettext("{count} command is read-only", "{count} commands are read-only", found["read"]),
        "change": ngettext("{count} makes changes", "{count} make changes", found["change"]),
        "follow": ngettext("{count} follows output", "{count} follow output", found["follow"]),
        "interactive": ngettext("{count} needs a terminal", "{count} need a terminal", found["interactive"]),
    }
    told += [text for kind, text in words.items() if found[kind]]
    told += [ngettext("{count} manual step", "{count} manual steps", by_hand)] if by_hand else []
    told += [ngettext("{count} rollback", "{count} rollbacks", rollbacks)] if rollbacks else []
    return listed(told)


def _step_rows(
    shown: Preview, number: int, step: Step, hosts: Callable[[int, int], tuple[str, ...]], style: RunbookStyle
) -> tuple[list[Row], list[int]]:
    """A step with its text and its commands, and in which row each of these begins; a rollback is under a heading of
    its own."""
    rows: list[Row] = wrapped([(Piece(f" {number + 1}. ", "accent"), Piece(step.title, "strong"))], style.width - 1)
    indent = Piece("   ")
    inner = RunbookStyle(style.width - len(indent.text), style.glyphs, style.now)
    below = prose_rows(step, inner)
    if not step.commands:
        below.append((Piece(" "), Piece(_("This is a manual step."), "muted")))
    starts: list[int] = []
    for at, command in enumerate(step.commands):
        starts.append(len(rows) + len(below))
        if command.attributes.rollback_of:
            below += rollback_rows(command, shown.runbook, hosts(number, at), shown.values, inner)
            continue
        below += about_row(command, hosts(number, at), inner, undo=undo_piece(command, shown.runbook))
        below += text_rows(command, shown.values, shown.runbook.variables, inner)
        below += shown_rows(command, inner)
    return [*rows, *((indent, *row) for row in below)], starts
