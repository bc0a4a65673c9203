"""The lists of the Backup pane as rows, and the selected plan or set as text. Pure: views in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.panes.backup.state import newest_of
from lilfox_tui.app.rendering.columns import Column, cells, choose, heading, line, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.app.rows.job_words import STATE_ROLES, STATES, free_text, job_kind_text, last_read, percent_of
from lilfox_tui.backup.checks import labelled, proof_text, status_text
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import (
    break_line,
    cell_width,
    fit,
    fit_middle,
    human_age,
    human_bytes,
    human_duration,
    short_age,
)
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import SET_LEVELS, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.monitor.model import AuditView

SET_ROLES = {
    "restored": "good",
    "intact": "good",
    "partial": "degraded",
    "unverified": "unknown",
    "foreign": "unknown",
    "untrusted": "failing",
    "broken": "failing",
}
"""A set whose digests are right is well, if not yet proven: its shape says so, not its colour."""
_BEST_FIRST = tuple(SET_ROLES)
DAYS, _LEAST_DAYS = 30, 7
"""Days that are shown above the sets at most, and at least."""
INDENT = 3
_ID, _BEGUN = 22, 11
"""Cells of a set's id, and of when it was begun."""
_LEAST_SET = _BEGUN + 2 + 4 + 2
"""Cells beside the proof: when it was begun, and its age."""
_PROOF = 18
"""Cells of ``checksums verified``, the longest word for a set of which nothing is wrong."""
_PROOF_MOST, _SOURCES_MOST = 80, 40
_CHANGE, _MUCH, _MANY_TIMES = 6, 10, 1000
"""Cells of the change of a size; percents from which it is marked, and from which it is told as a factor."""
_MEASURED = 100
"""Sets by whose texts the widths of columns are chosen."""
_MOST_WARNINGS = 6


class BackupStyle(Struct, frozen=True):
    """The drawing context of the rows. Times are shown in ``zone``."""

    width: int
    glyphs: Glyphs
    now: datetime
    zone: tzinfo
    marked: bool = False
    """Whether the row has a mark of its own: the selected plan while the highlight is elsewhere, a set that the filter
    matches among others."""


_FACT = 10
"""Cells of the label of a fact."""


class SetWidths(Struct, frozen=True):
    """Cells of the columns of a list of sets, as its texts need them; without room for ``whole_ids`` a set is named by
    when it was begun."""

    proof: int
    sources: int
    whole_ids: bool
    grow: int = 0
    """Cells that the proofs also take where they are left."""


class _Plan(Struct, frozen=True):
    view: PlanView
    running: Job | None
    style: BackupStyle


class _Set(Struct, frozen=True):
    found: BackupSet
    style: BackupStyle
    widths: SetWidths
    change: float | None


def _last(plan: _Plan) -> Row:
    """The last run in short: running, failed, or the status of the newest set."""
    if plan.running is not None:
        percent = percent_of(plan.running)
        mark = plan.style.glyphs.job
        # The number first: in a narrow column it must not be cut to another one.
        words = ("" if percent is None else f"{percent}% ") + job_kind_text(plan.running.kind)
        return (Piece(f"{mark} {words}", "accent"),)
    view, newest = plan.view, newest_of(plan.view)
    if view.outage is not None:
        return (Piece(_("unreadable"), "failing"),)
    last = view.last
    if last is not None and last.state in ("failed", "unknown") and (newest is None or newest.created < last.started):
        return (Piece(_("failed"), "failing"),)
    if view.behind:
        return (Piece(_("reading …"), "muted"),)
    if newest is None:
        return (Piece(_("no set yet") if view.sets is not None else _("not read yet"), "muted"),)
    if newest.status == "foreign":
        return (Piece(_("not proven"), SET_ROLES[newest.status]),)
    return (Piece(status_text(newest.status), SET_ROLES[newest.status]),)


def _age(plan: _Plan) -> Row:
    newest = newest_of(plan.view)
    if newest is None or plan.view.behind:
        return (Piece("-", "muted"),)
    role = "failing" if plan.view.late is not None else "text"
    return (Piece(short_age((plan.style.now - newest.created).total_seconds()), role),)


def _size(plan: _Plan) -> Row:
    newest = None if plan.view.behind else newest_of(plan.view)
    return (Piece("-" if newest is None or not newest.parts else human_bytes(newest.size_bytes), "text"),)


def _next(plan: _Plan) -> Row:
    return (Piece(when(plan.view.next_run, plan.style), "muted" if plan.view.next_run is None else "text"),)


def when(at: datetime | None, style: BackupStyle) -> str:
    """A future time in 5 cells: the time of day within a day, else the date."""
    if at is None:
        return "-"
    local, now = at.astimezone(style.zone), style.now.astimezone(style.zone)
    return local.strftime("%H:%M" if (at - style.now).total_seconds() < 86400 and local > now else "%m-%d")


def _rto(plan: _Plan) -> Row:
    took = plan.view.rto_s
    return (Piece("-" if took is None else short_age(max(1.0, took)), "muted" if took is None else "text"),)


def _name(plan: _Plan) -> Row:
    view = plan.view
    copy = Piece(f" @{view.store}", "muted") if view.copy else Piece("")
    return Piece(view.name, "strong"), copy


_PLANS: list[Column[_Plan]] = [
    Column(lambda: _("plan"), 11, _name, 0, grow=13),
    Column(lambda: _("state"), _PROOF, _last, 1),
    Column(lambda: _("age"), 4, _age, 0, right=True),
    Column(lambda: _("size"), 5, _size, 3, right=True),
    Column(lambda: _("next"), 5, _next, 2, right=True),
    Column(lambda: _("RTO"), 4, _rto, 4, right=True),
]


def plan_heading(style: BackupStyle) -> Row:
    """The line of column titles."""
    return heading(choose(_PLANS, style.width - INDENT), INDENT)


def plan_row(view: PlanView, running: Job | None, style: BackupStyle) -> Row:
    """One plan in one line. ``running`` is its running job."""
    chosen = choose(_PLANS, style.width - INDENT)
    mark = Piece(style.glyphs.level(view.level), ROLES[view.level])
    return (_left(style), mark, Piece(" "), *line(chosen, _Plan(view, running, style)))


def _left(style: BackupStyle) -> Piece:
    return Piece(style.glyphs.chosen, "accent") if style.marked else Piece(" ")


def _proof_of(found: BackupSet) -> str:
    text = proof_text(found.status, found.missing)
    if found.status == "restored" and found.proof is not None and found.proof.took_s is not None:
        return _("restore-tested in {time}", time=human_duration(found.proof.took_s))
    return labelled(text, found.reason) if found.refused else text


def _sources_of(found: BackupSet) -> str:
    return listed(dict.fromkeys(part.source for part in found.parts))


def _proof(each: _Set) -> Row:
    text = _proof_of(each.found)
    if cell_width(text) > each.widths.proof and not each.found.refused:
        text = proof_text(each.found.status, each.found.missing)
    return (Piece(text, SET_ROLES[each.found.status]),)


def _sources(each: _Set) -> Row:
    return (Piece(_sources_of(each.found), "muted"),)


def _id(each: _Set) -> Row:
    """The set's id; in a narrow column when it was begun, which leaves room for what has been proven of it."""
    found, style = each.found, each.style
    begun = f"{found.created.astimezone(style.zone):%m-%d %H:%M}"
    return (Piece(found.id if each.widths.whole_ids else begun, "strong"),)


def _set_age(each: _Set) -> Row:
    return (Piece(short_age((each.style.now - each.found.created).total_seconds())),)


def _set_size(each: _Set) -> Row:
    return (Piece(human_bytes(each.found.size_bytes) if each.found.parts else "-"),)


def size_changes(sets: Sequence[BackupSet]) -> dict[str, float]:
    """By how much each set is larger (0.1: by a tenth) or smaller than the one before it with the same sources, by id;
    ``sets`` are newest first. A set that is not to be restored is neither told of nor compared with."""
    before: dict[tuple[str, ...], int] = {}
    changes: dict[str, float] = {}
    for found in reversed(sets):
        size, sources = found.size_bytes, (found.plan, *sorted({part.source for part in found.parts}))
        if found.refused or not size:
            continue
        if sources in before:
            changes[found.id] = size / before[sources] - 1
        before[sources] = size
    return changes


def _change(each: _Set) -> Row:
    if each.change is None:
        return (Piece("-", "muted"),)
    percent = round(each.change * 100)
    if percent >= _MANY_TIMES:
        return (Piece(f"x{each.change + 1:.0f}", "strong"),)
    return (Piece(f"{percent:+}%" if percent else "=", "strong" if abs(percent) >= _MUCH else "muted"),)


def set_widths(sets: Sequence[BackupSet], width: int) -> SetWidths:
    """The widths for a list of ``width`` cells, so that no proof is cut where another column can be dropped."""
    some, room = sets[:_MEASURED], width - INDENT - _LEAST_SET
    beside = room - 2 - 5 - 2 - _CHANGE
    proofs = [(min(_PROOF_MOST, cell_width(_proof_of(found))), beside if found.refused else room) for found in some]
    sources = max((cell_width(_sources_of(found)) for found in some), default=0)
    sources = max(8, min(_SOURCES_MOST, sources))
    # One that is cut in any case has what the other columns leave, as has a reason, which the page of its set tells.
    proof = max([_PROOF, *(each for each, most in proofs if each <= most)])
    grow = any(each > most for each, most in proofs)
    others = _ID - _BEGUN + 2 + 5 + 2 + _CHANGE + 2 + sources  # whole ids, the size, its change and the sources
    return SetWidths(proof, sources, room - proof >= others, _PROOF_MOST if grow else 0)


def _set_columns(widths: SetWidths) -> list[Column[_Set]]:
    return [
        Column(lambda: _("set"), _ID if widths.whole_ids else _BEGUN, _id, 0),
        Column(lambda: _("age"), 4, _set_age, 0, right=True),
        Column(lambda: _("size"), 5, _set_size, 2, right=True),
        Column(lambda: _("change"), _CHANGE, _change, 3, right=True),
        Column(lambda: _("proof"), widths.proof, _proof, 1, grow=widths.grow),
        Column(lambda: _("contains"), widths.sources, _sources, 4),
    ]


def set_heading(style: BackupStyle, widths: SetWidths) -> Row:
    """The line of column titles."""
    return heading(choose(_set_columns(widths), style.width - INDENT), INDENT)


def set_row(found: BackupSet, style: BackupStyle, widths: SetWidths, change: float | None = None) -> Row:
    """One set in one line. ``change`` is that of its size, see :func:`size_changes`."""
    chosen = choose(_set_columns(widths), style.width - INDENT)
    mark = Piece(style.glyphs.level(SET_LEVELS[found.status]), SET_ROLES[found.status])
    return (_left(style), mark, Piece(" "), *line(chosen, _Set(found, style, widths, change)))


def days_row(sets: Sequence[BackupSet], style: BackupStyle, width: int) -> Row:
    """What the last 30 days have left, oldest first: the best set of each day; fewer days where there are not ``width``
    cells for all, and nothing for less than a week. A day without a set is no fault: retention removes sets."""
    best: dict[int, BackupSet] = {}
    for found in sets:
        ago = _days_ago(found, style)
        before = best.get(ago)
        if 0 <= ago < DAYS and (before is None or _BEST_FIRST.index(found.status) < _BEST_FIRST.index(before.status)):
            best[ago] = found
    if not best:
        return ()
    days = min(DAYS, width - cell_width(_days_text(DAYS)))
    if days < _LEAST_DAYS:
        return ()
    return (Piece(_days_text(days), "muted"), *(_day(best.get(ago), style) for ago in reversed(range(days))))


def days_legend(sets: Sequence[BackupSet], style: BackupStyle) -> list[Row]:
    """What the signs of the last 30 days mean: those of the sets that there are, and that of a day without one; as many
    in a line as have room."""
    signs: dict[str, tuple[str, list[str]]] = {}
    for status in sorted({found.status for found in sets}, key=_BEST_FIRST.index):
        sign = style.glyphs.level(SET_LEVELS[status])
        signs.setdefault(sign, (SET_ROLES[status], []))[1].append(status_text(status))
    told = [(Piece(f" {sign}", role), Piece(f" {listed(texts)} ", "muted")) for sign, (role, texts) in signs.items()]
    lines: list[Row] = [()]
    for each in (*told, (Piece(" "), _day(None, style), Piece(" " + _("no set"), "muted"))):
        if lines[-1] and cells((*lines[-1], *each)) > style.width:
            lines.append(())
        lines[-1] = (*lines[-1], *each)
    return lines


def day_sizes(sets: Sequence[BackupSet], style: BackupStyle) -> list[float | None]:
    """The bytes of the largest set of each of the last 30 days, oldest first; None for a day without a set."""
    sizes: dict[int, float] = {}
    for found in sets:
        ago = _days_ago(found, style)
        sizes[ago] = max(sizes.get(ago, 0.0), float(found.size_bytes))
    return [sizes.get(ago) for ago in reversed(range(DAYS))]


def day_times(sets: Sequence[BackupSet], style: BackupStyle) -> list[float | None]:
    """The seconds of the longest run of each of the last 30 days, oldest first, as far as the sets that are left tell;
    None for a day without one."""
    times: dict[int, float] = {}
    for found in sets:
        took, ago = took_s(found), _days_ago(found, style)
        if took is not None:
            times[ago] = max(times.get(ago, 0.0), took)
    return [times.get(ago) for ago in reversed(range(DAYS))]


def took_s(found: BackupSet) -> float | None:
    """How long it took to make a set; None where its manifest does not tell."""
    manifest = found.manifest
    return None if manifest is None else max(0.0, (manifest.finished - manifest.created).total_seconds())


def _days_ago(found: BackupSet, style: BackupStyle) -> int:
    return (style.now.astimezone(style.zone).date() - found.created.astimezone(style.zone).date()).days


def _days_text(days: int) -> str:
    return _("{count} days", count=days) + " "


def _day(found: BackupSet | None, style: BackupStyle) -> Piece:
    if found is None:
        return Piece(style.glyphs.empty if style.glyphs.ascii_only else style.glyphs.separator, "muted")
    return Piece(style.glyphs.level(SET_LEVELS[found.status]), SET_ROLES[found.status])


def why_no_sets(view: PlanView | None, *, filtered: bool, runs: bool = False, refused: bool = False) -> str:
    """Why the list of sets is empty. ``runs``: the plan is being backed up; ``refused``: it cannot be now."""
    if view is None:
        return _("no plan and no store yet")
    if view.outage is not None:
        return _("its store cannot be read")
    if view.sets is None:
        return _("loading")
    if view.behind:
        return _("the sets are being read again")
    if filtered:
        return _("no matching set")
    if view.foreign is not None:
        return _("no backup yet")
    if runs:
        return _("no set yet: the first backup is running")
    return _("no set yet") if refused else _("no set yet: b backs up now")


# ---- above and below the lists -----------------------------------------------------------------------------------


def warning_rows(
    interrupted_restores: Sequence[InterruptedRestore], rewound: datetime | None, style: BackupStyle
) -> list[Row]:
    """The warnings shown first: interrupted restores, and what a rewound screen does not know."""
    rows: list[Row] = []
    if rewound is not None:
        then = f"{rewound.astimezone(style.zone):%Y-%m-%d %H:%M:%S}"
        text = _("As of {time}. Sets removed before this console started are unknown.", time=then)
        rows.append((Piece(f" {text}", "degraded"),))
    for half in interrupted_restores:
        mark = Piece(f" {style.glyphs.failing} ", "failing")
        rows.append((mark, Piece(str(half.message), "failing"), Piece("  " + _("press a to settle it"), "strong")))
    return wrapped(rows, style.width - 1)[:_MOST_WARNINGS]


def plan_detail(view: PlanView, restores: Sequence[Restored], style: BackupStyle, *, named: bool = True) -> list[Row]:
    """A plan as text: what is wrong and since when, then other facts; ``named`` where no title has its name.
    ``restores`` are those that retain data."""
    name = (Piece(f"{view.name}  ", "strong"),) if named else ()
    if view.outage is not None:
        return _outage_rows(view, view.outage, name, style)
    mark = Piece(f" {style.glyphs.level(view.level)} ", ROLES[view.level])
    since = ""
    lasted = round((style.now - view.since).total_seconds())
    if view.level not in (Level.GOOD, Level.UNKNOWN) and lasted > 0:
        since = _("for {time}", time=human_duration(lasted))
    head = (mark, *name, Piece(f"{since}  " if since else "", "muted"))
    why, recovery = clauses(map(str, view.reasons)), _recovery(view, style)
    first, rest = break_line(why or recovery, max(20, style.width - cells(head)))
    rows: list[Row] = [(*head, Piece(first, ROLES[view.level]))]
    rows += [(Piece("   "), Piece(rest, ROLES[view.level]))] if rest else []
    rows += [(Piece("   "), Piece(recovery))] if why and recovery else []
    return [*rows, *_facts(view, restores, style)]


_BY_SETS, _BY_TESTS = frozenset({"backup-rpo"}), frozenset({"backup-drill", "backup-rto"})
"""Checks of the audit that a new good set answers, and those that a new restore test does."""


def finding_rows(audit: AuditView, view: PlanView, style: BackupStyle) -> list[Row]:
    """What the audit found on a plan, and how long ago: the most severe first, without what is accepted, and without
    what a newer set or restore test answers."""
    found = [each for each in audit.about("plan", view.name) if each.is_open]
    if not found or audit.at is None:
        return []
    outdated = _outdated(audit.at, view)
    shown = [each for each in found if each.check not in outdated]
    age = _("audit {time} ago", time=human_age((style.now - audit.at).total_seconds()))
    if len(shown) > 1:
        age = _("{count} findings, {age}", count=len(shown), age=age)
    rows: list[Row] = [
        (
            Piece(f" {style.glyphs.level(each.level)} ", ROLES[each.level]),
            Piece(f"{each.severity_text}  ", ROLES[each.level]),
            Piece(each.check, "strong"),
        )
        for each in shown
    ]
    if left_out := len(found) - len(shown):
        older = ngettext(
            "{count} finding is older than the newest set or restore test",
            "{count} findings are older than the newest set or restore test",
            left_out,
        )
        age = labelled(age, older)
    head = rows[0] if rows else (Piece(" "),)
    rows[:1] = [(*head, Piece(f"  {age}", "muted"))]  # before the title, which may be cut
    return [(*row, Piece(f"  {each.title}", "muted")) for row, each in zip(rows, shown, strict=False)] or rows


def _outdated(audited: datetime, view: PlanView) -> frozenset[str]:
    """The checks whose result of ``audited`` the sets of the plan no longer bear out."""
    own = [found for found in view.sets or () if found.plan in (view.name, "")]
    made = [found.created if found.manifest is None else found.manifest.finished for found in own if found.good]
    tested = [found.tested_at for found in own if found.good and found.tested_at is not None]
    answered: frozenset[str] = _BY_SETS if max(made, default=audited) > audited else frozenset()
    return answered | _BY_TESTS if max(tested, default=audited) > audited else answered


def _outage_rows(view: PlanView, outage: Unavailable, name: Row, style: BackupStyle) -> list[Row]:
    """Why a plan's store could not be read, since when, and what to do; long lines are wrapped."""
    if view.read_at is None:
        asked = max(1, round((style.now - outage.since).total_seconds()))
        since = _("never read, first tried {time} ago", time=human_duration(asked))
    else:
        lasted = human_duration(max(1, round((style.now - outage.since).total_seconds())))
        since = _("unreadable for {time}, {read}", time=lasted, read=last_read(view.read_at, style.now))
    again = _("R retries")
    if outage.next_try is not None:
        wait = max(1, round((outage.next_try - style.now).total_seconds()))
        again = _("next try in {time}, R retries now", time=human_duration(wait))
    mark = Piece(f" {style.glyphs.level(view.level)} ", ROLES[view.level])
    rows: list[Row] = [(mark, *name, Piece(f"{since}  {again}", "muted"))]
    rows += [(Piece("   "), Piece(str(why), ROLES[view.level])) for why in view.reasons]
    if str(outage.error.hint):
        rows.append((Piece("   "), Piece(str(outage.error.hint))))
    return wrapped(rows, style.width - 1)


def _recovery(view: PlanView, style: BackupStyle) -> str:
    """What a restore of the newest good set loses, and whether one was ever tried."""
    if view.behind:
        return _("the sets are being read again")
    good = newest_good(view)
    if view.foreign is not None and (newest := newest_of(view)) is not None:
        age = human_age((style.now - newest.created).total_seconds())
        return _("the newest backup is {age} old, not proven by LilFox", age=age)
    if good is None:
        return ""
    age = human_age((style.now - good.created).total_seconds())
    if good.status != "restored":
        return _("a restore loses the last {age}; the set is not restore-tested", age=age)
    if good.proof is None or good.proof.took_s is None:
        return _("a restore loses the last {age}; the set is restore-tested", age=age)
    took = human_duration(good.proof.took_s)
    return _("a restore loses the last {age}; its restore test took {time}", age=age, time=took)


def newest_good(view: PlanView) -> BackupSet | None:
    """The newest set of a plan that is complete and was read back at least."""
    sets = view.sets or ()
    return next((found for found in sets if found.good and (view.config is None or found.plan == view.name)), None)


def _facts(view: PlanView, restores: Sequence[Restored], style: BackupStyle) -> list[Row]:
    """The other facts of a plan beside each other, its store first; those that have no room in a line begin the
    next."""
    separator = f" {style.glyphs.separator} "
    parts: list[str] = []
    if view.config is not None and view.config.schedule:
        parts.append(_("next run {time} ({schedule})", time=when(view.next_run, style), schedule=view.config.schedule))
    elif view.config is not None and not view.copy:
        parts.append(_("no schedule"))
    undone = sum(restored.stage == "undone" for restored in restores)
    if kept := len(restores) - undone:
        parts.append(
            ngettext(
                "{count} restore has retained data (press a)", "{count} restores have retained data (press a)", kept
            )
        )
    if undone:
        parts.append(
            ngettext(
                "{count} restore was undone; its data is retained (press a)",
                "{count} restores were undone; their data is retained (press a)",
                undone,
            )
        )
    good = newest_good(view)
    if (tested := last_test(view)) is not None and tested.proof is not None and tested.proof.took_s is not None:
        age = human_age((style.now - tested.tested_since).total_seconds())
        test = _("restore test {age} ago", age=age)
        if tested.tested_at is None:
            test = _("restore test up to {age} ago", age=age)
        # how long it took is told by what a restore loses
        parts.append(test if good is tested else f"{test}: {human_duration(tested.proof.took_s)}")
    elif view.rto_s is not None:
        parts.append(_("drill restore took {time}", time=human_duration(view.rto_s)))
    elif view.own_config is not None and view.sets is not None and not view.behind:
        newest = newest_of(view)
        drillable = newest is not None and newest.status not in ("broken", "untrusted")
        parts.append(_("never drilled (press D)") if drillable else _("never drilled"))
    if free := free_text(view, style.now, style.zone):
        parts.insert(0, free)
    room = style.width - 4
    lines = [fit_middle(view.where or view.store, room)]
    for part in parts:
        longer = separator.join((lines[-1], part))
        lines = [*lines[:-1], longer] if cell_width(longer) <= room else [*lines, part]
    return [(Piece("   "), Piece(line, "muted")) for line in lines]


def last_test(view: PlanView) -> BackupSet | None:
    """The set of the plan that was restored for a test last."""
    own = [found for found in view.sets or () if found.plan in (view.name, "")]
    tested = [each for each in own if each.proof and each.proof.level == "restored" and each.proof.took_s is not None]
    return max(tested, key=lambda found: found.tested_since, default=None)


def recent_jobs(jobs: Sequence[Job], style: BackupStyle) -> list[Row]:
    """Jobs that have ended, one in a line: when, what, how long it took, and its outcome."""
    rows: list[Row] = []
    kinds = [job_kind_text(job.kind) for job in jobs]
    wide = max(map(cell_width, kinds), default=0)
    for job, kind in zip(jobs, kinds, strict=True):
        began, role = f"{job.started.astimezone(style.zone):%m-%d %H:%M}", STATE_ROLES[job.state]
        took = human_duration(max(0.0, ((job.ended or style.now) - job.started).total_seconds()))
        mark = Piece(f" {style.glyphs.level(STATES[job.state])} ", role)
        head = (mark, Piece(began), Piece(f"  {fit(kind, wide)}", "strong"), Piece(f"  {fit(took, 6, right=True)}  "))
        rows.append(
            (*head, Piece(fit(job.message, max(1, style.width - 1 - cells(head))), "muted" if role == "good" else role))
        )
    return rows


def fact_row(label: str, text: str, role: str = "strong") -> Row:
    """One line of a dialog's text: a label and its value."""
    return (Piece("  " + fit(label, _FACT) + "  ", "muted"), Piece(text, role))
