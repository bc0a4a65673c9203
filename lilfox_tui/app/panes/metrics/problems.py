"""Rows of the home screen: what is wrong, and what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.finding_state import ClusterProblem
from lilfox_tui.app.panes.metrics.findings import audit_text
from lilfox_tui.app.panes.metrics.state import Fault, Subject, cause_of
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import UNICODE, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row
from lilfox_tui.app.rows.hosts import ROLES, held_for, plan_reasons, reason_pieces, reasons_told, well
from lilfox_tui.app.rows.job_words import is_stale
from lilfox_tui.app.rows.reasons import HostGroup, why_no_numbers
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses, listed, tr
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes, human_duration, short_age
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import (
    AuditView,
    BackendView,
    HostView,
    PlanView,
    ServiceView,
    StatusChange,
    View,
)
from lilfox_tui.monitor.raised_levels import without_alerts

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem, OneView
    from lilfox_tui.app.panes.metrics.state import Problem
    from lilfox_tui.backup.sets.model import BackupSet

_WIDEST, _WIDE, _NARROW = 96, 76, 60
"""Cells from which there is room for how long a pending alert waits, and for the kind of thing or the name of the alert
in a column of its own, with fewer than the first only if no reason is cut for it; below the last one a state is only as
old as it is: its sign says the rest."""
_LEAST_NAME, _MOST_SOURCE, _MEASURED = 6, 24, 12
_GAP = "  "


class ProblemWidths(Struct, frozen=True):
    """The cells of the columns that are as wide as their widest text; what is wrong has the rest."""

    name: int
    state: int
    source: int


def problem_widths(
    problems: Iterable[Problem], now: datetime, width: int, because: Mapping[Subject, Subject] | None = None
) -> ProblemWidths:
    """The columns of a list of problems that is ``width`` cells wide. ``because`` is what fails because of what."""
    problems = list(problems)
    name = state = source = 0
    for each in problems:
        found = _columns(each, now, width)
        name, state, source = (
            max(size, cell_width(clean(text))) for size, text in zip((name, state, source), found, strict=True)
        )
    name, state = max(_LEAST_NAME, min(name, width // 4)), min(state, width // 3)
    source = min(source, _MOST_SOURCE) if width >= _WIDE else 0
    if source and width < _WIDEST:
        room = width - 4 - name - state - source - 3 * len(_GAP)
        if any(_cells_of(each, now, because or {}) > room for each in problems[:_MEASURED]):
            source = 0
    return ProblemWidths(name, state, source)


def _cells_of(problem: Problem, now: datetime, because: Mapping[Subject, Subject]) -> int:
    """The cells of what is wrong, and because of what."""
    cause = cause_of(problem, because)
    told = cell_width(_because(cause)) + len(_GAP) if cause else 0
    return cells(_what(problem, now, UNICODE, named=False)[1:]) + told


def _because(cause: str) -> str:
    return _("because {name} fails", name=clean(cause))


def _columns(problem: Problem, now: datetime, width: int) -> tuple[str, str, str]:
    """Its subject, its state and since when, and which alert or kind of thing it is."""
    match problem:
        case HostView():
            return problem.name, _at_level(problem, now, width), _("host")
        case ServiceView():
            return problem.name, _at_level(problem, now, width), _("service")
        case BackendView():
            return problem.name, _at_level(problem, now, width), problem.config.kind
        case ClusterProblem():
            return problem.name, _at_level(problem, now, width), _("cluster")
        case PlanView():
            lost = problem.outage is not None
            state = _held(_plan_since(problem), now, width) if lost else _at_level(problem, now, width)
            return problem.name, state, _("backup plan")
        case HostGroup():
            return problem.name, _at_level(problem, now, width), _("host")
        case AuditView():
            return _("audit"), _ago(problem.at, now, width), _("findings")
        case Fault():
            return problem.view.name, *_columns(problem.item, now, width)[1:]
    from lilfox_tui.app.panes.metrics.alert_page import state_since, state_text
    from lilfox_tui.app.panes.metrics.alert_series import where

    if problem.alert is None:
        return problem.name, "", _("rule")
    if width < _NARROW:
        state = short_age((now - state_since(problem.alert)).total_seconds())
    elif width < _WIDEST and problem.alert.is_resolved:
        state = _ago(state_since(problem.alert), now, width)  # its sign says the rest
    else:
        state = state_text(problem.alert, problem.rule if width >= _WIDEST else None, now)
    return where(problem.alert.labels) or problem.name, state, problem.name


def problem_row(
    problem: Problem, widths: ProblemWidths, now: datetime, glyphs: Glyphs, width: int, cause: str = ""
) -> Row:
    """A problem in one line: its subject, what is wrong, since when, and which alert or kind of thing it is. ``cause``
    is the name of what makes it fail: it comes first where not all of what is wrong has room."""
    name, state, source = _columns(problem, now, width)
    mark, *what = _what(problem, now, glyphs, named=not widths.source)
    muted = what[0].role == "muted"
    behind: list[Piece] = []
    if state := clean(state):  # at the right of its column: what is wrong has the cells that are free before it
        state = fit(state, min(widths.state, cell_width(state)))
        behind += [Piece(_GAP), Piece(state, "muted" if muted else "text")]
    if widths.source:
        behind += [Piece(_GAP), Piece(fit(clean(source), widths.source), "muted")]
    room = width - 3 - widths.name - len(_GAP) - sum(cell_width(piece.text) for piece in behind) - 1
    needed = cell_width(_because(cause)) + len(_GAP) if cause else 0
    if isinstance(problem, Fault) and not widths.source and cells(what) + needed > room:
        mark, *what = _what(problem, now, glyphs, named=False)  # what is wrong says more than the alert's name
    if cause:
        told, fits = Piece(_because(cause), what[0].role), cells(what) + needed <= room
        what = [*what, Piece(_GAP), told] if fits else [told, Piece(_GAP), *what]
    return (
        Piece(" "),
        mark,
        Piece(" "),
        Piece(fit(clean(name), widths.name), "muted" if muted else "strong"),
        Piece(_GAP),
        *cut_row(tuple(what), max(1, room)),
        Piece(" " * (room - cells(what))),
        *behind,
    )


def _what(problem: Problem, now: datetime, glyphs: Glyphs, *, named: bool) -> Row:
    """Its sign, and what is wrong; ``named``: with the name of the alert, which has no column of its own."""
    match problem:
        case HostView(link=Unavailable(error=error)) | BackendView(outage=Unavailable(error=error)):
            why: Row = (Piece(str(error.message), ROLES[problem.level]),)
        case HostView() | ServiceView() | BackendView():
            why = reason_pieces(problem)
        case PlanView():
            why = plan_reasons(problem)
        case ClusterProblem():
            why = (Piece(clauses(map(str, problem.reasons)), ROLES[problem.level]),)
        case HostGroup():
            why = (Piece(_("cannot be reached: {why}", why=problem.why), ROLES[problem.level]),)
        case AuditView():
            return Piece(glyphs.degraded, "degraded"), Piece(audit_text(problem), "degraded")
        case Fault():
            return _of_fault(problem, now, glyphs, named=named)
        case _:
            return _of_alert(problem, now, glyphs, named=named)
    return Piece(glyphs.level(problem.level), ROLES[problem.level]), *why


def plan_detail(plan: PlanView, now: datetime, glyphs: Glyphs) -> list[Row]:
    """A plan with a problem as text, and where its sets are."""
    role = ROLES[plan.level]
    head = (
        Piece(f" {glyphs.level(plan.level)} ", role),
        Piece(plan.name, "strong"),
        Piece(f"  {_held(_plan_since(plan), now)}  "),
    )
    return [(*head, Piece(clauses(map(str, plan.reasons)), role)), (Piece("   "), Piece(_("enter opens the backups")))]


def _plan_since(plan: PlanView) -> datetime:
    """Since when there is the first of its reasons: the outage of its store, which it may have been late before."""
    return plan.since if plan.outage is None else plan.outage.since


def reason_rows(view: HostView | ServiceView, now: datetime) -> list[Row]:
    """The reasons for the level of a host or service, one per row so that none cuts off another, and how long it has
    lasted; for an unreachable host also what to do."""
    if isinstance(view, HostView) and isinstance(view.link, Unavailable):
        hint = str(view.link.error.hint or "")
        why = (Piece("   "), Piece(why_no_numbers(view, now), ROLES[view.level]))  # it says since when
        return [why, *([(Piece("   "), Piece(hint))] if hint else [])]
    reasons = reasons_told(view) or [(well(view), ROLES[view.level])]
    rows: list[Row] = [(Piece("   "), Piece(reason, role)) for reason, role in reasons]
    if held := held_for(view, now):
        rows[0] = (*rows[0], Piece("  " + _("for {time}", time=held), "muted"))
    return rows


def plan_rows(plan: PlanView, now: datetime, width: int) -> list[Row]:
    """What is known of a plan's sets, of its next run and of its store, in lines of a label and a value."""
    facts: list[tuple[str, str, str]] = []
    own = [each for each in plan.sets or () if each.plan in (plan.name, "")]
    if plan.sets is not None and not plan.behind and (own or plan.outage is None):
        newest, good = next(iter(own), None), next((each for each in own if each.good), None)
        facts.append((_("newest set"), *_set_text(newest, now)))
        if newest is not None and good is not newest and plan.foreign is None:
            facts.append((_("good set"), *_set_text(good, now)))
    if plan.next_run is not None:
        wait = human_duration(max(0.0, (plan.next_run - now).total_seconds()))
        facts.append((_("next run"), _("in {time}", time=wait), "text"))
    elif plan.config is not None and not plan.config.schedule and not plan.copy:
        facts.append((_("next run"), _("no schedule"), "text"))
    wide = max(cell_width(each) for each in (_("newest set"), _("good set"), _("next run"), _("store"), _("last read")))
    room = max(1, width - wide - 3)
    facts.append((_("store"), fit_middle(clean(plan.where or plan.store), room), "text"))
    if plan.free_bytes is not None:
        read = "" if plan.read_at is None else "  " + _("at {time}", time=plan.read_at.strftime("%H:%M"))
        facts.append((_("free"), human_bytes(plan.free_bytes) + read, "text"))
    if plan.read_at is not None and is_stale(plan, now):
        age = human_age(max(1.0, (now - plan.read_at).total_seconds()))
        facts.append((_("last read"), _("{time} ago", time=age), "degraded"))
    return [(Piece(f" {fit(label, wide)}  ", "muted"), Piece(fit(text, room), role)) for label, text, role in facts]


def _set_text(found: BackupSet | None, now: datetime) -> tuple[str, str]:
    if found is None:
        return _("none"), "failing"
    age = _("{time} ago", time=human_age((now - found.created).total_seconds()))
    return f"{age}  {human_bytes(found.size_bytes)}", "text" if found.on_time else "degraded"


def _held(since: datetime, now: datetime, width: int = _WIDE) -> str:
    seconds = (now - since).total_seconds()
    if seconds < 1:
        return ""
    return short_age(seconds) if width < _NARROW else _("for {time}", time=human_age(seconds))


def _at_level(problem: View | HostGroup | PlanView | ClusterProblem, now: datetime, width: int) -> str:
    """For how long it has had its level, which may have begun with another reason than the one that is told. Where
    there is no room to say so, what does not answer has the age of that: else it would be taken for it."""
    if width < _WIDEST:
        return _held(_told_since(problem), now, width)
    if not _held(problem.since, now, width):
        return ""
    age = human_age((now - problem.since).total_seconds())
    return _("failing {age}", age=age) if problem.level is Level.FAILING else _("degraded {age}", age=age)


def _told_since(problem: View | HostGroup | PlanView | ClusterProblem) -> datetime:
    """Since when there is the reason that is told, as far as that is known: an outage has a start of its own."""
    match problem:
        case HostView(link=Unavailable(since=since), summary=summary):
            return since if summary is None else min(since, summary.at)
        case BackendView(outage=Unavailable(since=since)):
            return since
        case HostGroup(views=views):
            return min(map(_told_since, views))
        case _:
            return problem.since


def _ago(at: datetime | None, now: datetime, width: int) -> str:
    seconds = 0.0 if at is None else (now - at).total_seconds()
    if seconds < 1:
        return ""
    return short_age(seconds) if width < _NARROW else _("{time} ago", time=human_age(seconds))


def _of_fault(fault: Fault, now: datetime, glyphs: Glyphs, *, named: bool) -> Row:
    """The worse sign, why the state is what it is, and what the alert says."""
    view = without_alerts(fault.view)
    if fault.view.reasons and not view.reasons:  # the alert alone says that it is not good
        return _of_alert(fault.item, now, glyphs, named=named)
    rest, alert = _alert_beside(fault.item, view, now, glyphs, named=named)
    told = [piece for piece in alert[1:] if piece.text]
    if rest.reasons or not view.reasons:
        state = _what(rest, now, glyphs, named=False)[1:]
        if fault.item.alert is not None and fault.item.alert.acknowledged is not None:
            state = tuple(Piece(piece.text, "muted") for piece in state)
        told = [*state, *((Piece(_GAP), *told) if told else ())]
    mark = Piece(glyphs.level(fault.level), "muted" if told[0].role == "muted" else ROLES[fault.level])
    return mark, *told


def _of_alert(item: AlertItem, now: datetime, glyphs: Glyphs, *, named: bool) -> Row:
    return _alert_beside(item, None, now, glyphs, named=named)[1]


def _alert_beside(item: AlertItem, view: OneView, now: datetime, glyphs: Glyphs, *, named: bool) -> tuple[OneView, Row]:
    from lilfox_tui.app.panes.metrics.alert_page import alert_beside

    return alert_beside(item, view, now, glyphs, named=named)


class ChangeRun(Struct, frozen=True):
    """A change, or several that say the same: the newest of them, and how many they are. ``aside``: it comes after what
    is wrong where not all has room."""

    change: StatusChange
    times: int = 1
    aside: bool = False


_INTERFACE = "interface "
_NAMES_TOLD = 3


def change_runs(changes: Sequence[StatusChange]) -> list[ChangeRun]:
    """The changes (newest first) without repetition: neighbours that say the same are one, and so are all interfaces of
    a host that came and went, as those of containers do all day."""
    interfaces: dict[str, list[StatusChange]] = {}
    for each in changes:
        if each.kind.startswith(_INTERFACE):
            interfaces.setdefault(each.subject, []).append(each)
    runs: list[ChangeRun] = []
    for each in changes:
        if each.kind.startswith(_INTERFACE):
            if each is interfaces[each.subject][0]:
                runs.append(_interface_run(interfaces[each.subject]))
        elif runs and _says_the_same(runs[-1].change, each):
            runs[-1] = replace(runs[-1], times=runs[-1].times + 1)
        else:
            runs.append(ChangeRun(each))
    return runs


def _says_the_same(one: StatusChange, other: StatusChange) -> bool:
    return (one.subject, one.kind, one.level, one.what) == (other.subject, other.kind, other.level, other.what)


def _interface_run(changes: Sequence[StatusChange]) -> ChangeRun:
    """The interfaces of a host that came and went; they are a problem if one of them is gone that was there before."""
    newest = {each.kind: each for each in reversed(changes)}
    oldest = {each.kind: each for each in changes}
    lost = any(each.level is not Level.GOOD and oldest[kind].level is not Level.GOOD for kind, each in newest.items())
    if len(changes) == 1:
        return ChangeRun(changes[0], aside=not lost)
    names = list(dict.fromkeys(each.kind.removeprefix(_INTERFACE) for each in changes))
    told = listed([*names[:_NAMES_TOLD], *(["…"] if names[_NAMES_TOLD:] else [])])
    came = sum(each.level is Level.GOOD for each in changes)
    gone = len(changes) - came
    if not gone:
        what = tr("{count} interfaces appeared: {names}", count=came, names=told)
    elif not came:
        what = tr("{count} interfaces are gone: {names}", count=gone, names=told)
    else:
        what = tr("interfaces: {came} appeared, {gone} gone: {names}", came=came, gone=gone, names=told)
    level = Level.DEGRADED if lost else Level.GOOD
    return ChangeRun(replace(changes[0], what=what, level=level), aside=not lost)


def change_row(run: ChangeRun, now: datetime, glyphs: Glyphs) -> Row:
    """A change: when, what it is about, how often in a row, and what happened."""
    change = run.change
    today = change.at.date() == now.date()
    return (
        Piece(" " + change.at.strftime("%H:%M:%S" if today else "%m-%d %H:%M") + " ", "muted"),
        Piece(glyphs.level(change.level) + " ", ROLES[change.level]),
        Piece(clean(change.subject.partition("/")[2]) + "  ", "strong"),
        *((Piece(f"×{run.times}  ", "accent"),) if run.times > 1 else ()),
        Piece(str(change.what)),
    )


def first_steps(config_file: str) -> list[Row]:
    """What somebody can do who has configured nothing yet in ``config_file``."""
    steps = (
        ("2", _("read the logs found on this machine, or start with lilfox FILE")),
        ("enter", _("open this machine: all of its numbers")),
        ("hosts:", _("add hosts and services to {file}", file=config_file)),
        ("lilfox demo", _("try everything on a stand-in stack with faults to inject")),
    )
    return [(Piece(" " + fit(key, 12), "key"), Piece(text)) for key, text in steps]
