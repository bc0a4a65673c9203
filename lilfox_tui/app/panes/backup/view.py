"""What the Backup pane draws: its lists, the page of a set, and the running job. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.rows import (
    SET_ROLES,
    BackupStyle,
    days_row,
    plan_detail,
    plan_heading,
    plan_row,
    set_detail,
    set_heading,
    set_row,
    warning_rows,
    why_no_sets,
)  # fmt: skip
from lilfox_tui.app.panes.backup.state import BackupState
from lilfox_tui.app.rendering.columns import Digits, cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.jobs import JobLog, event_rows, job_title, progress_rows
from lilfox_tui.app.widgets import Lines, RowsOnDemand, more_below
from lilfox_tui.backup.checks import labelled, proof_text, signature_text
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, fit, human_bytes, human_duration
from lilfox_tui.monitor.model import SET_LEVELS, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet, FoundPart
    from lilfox_tui.jobs.model import Job


# The page of a set, and what is said where no backups are configured. Pure: sets in, rows out.


_LABEL = 12
_MOST_TABLES = 200
_WIDE = 110
_DIGEST = 16
_SIGNATURES = {"none": "muted", "good": "good", "other": "degraded", "forged": "failing"}


def set_page(found: BackupSet, view: PlanView, style: BackupStyle) -> list[Row]:
    """Everything known about a set from its store alone; long lines are wrapped."""
    rows: list[Row] = [_title(found, style), BLANK]
    rows += _about(found, view, style)
    rows += _proof(found, style)
    rows += _missing(found)
    rows += [BLANK, _section(_("PARTS"), len(found.parts))]
    for part in found.parts:
        rows += _part(part, style)
    if found.manifest is not None and found.manifest.notes:
        rows += [BLANK, _section(_("NOTES"), len(found.manifest.notes))]
        rows += [(Piece("   "), Piece(note, "degraded")) for note in found.manifest.notes]
    return [*wrapped(rows[:2], style.width - 1), *wrapped(rows[2:], style.width - 1)]


def _title(found: BackupSet, style: BackupStyle) -> Row:
    age = human_duration((style.now - found.created).total_seconds())
    role = SET_ROLES[found.status]
    return (
        Piece(f" {style.glyphs.level(SET_LEVELS[found.status])} ", role),
        Piece(found.id, "title"),
        Piece(f"  {proof_text(found.status, found.missing)}", role),
        Piece("  " + _("{age} old", age=age), "muted"),
    )


def _field(label: str, text: str, role: str = "text") -> Row:
    return (Piece("   " + fit(label, _LABEL) + "  ", "muted"), Piece(text, role))


def _section(text: str, count: int) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}", "muted"))


def _about(found: BackupSet, view: PlanView, style: BackupStyle) -> Iterator[Row]:
    yield _field(_("started"), found.created.astimezone(style.zone).strftime("%Y-%m-%d %H:%M:%S %Z"))
    yield _field(_("store"), view.where or view.store)
    yield _field(_("size"), human_bytes(found.size_bytes))
    if found.manifest is not None and found.manifest.tag:
        yield _field(_("tag"), _("{tag}: retention keeps it; restore it with tag:{tag}", tag=found.manifest.tag))
    if found.reason:
        yield _field(_("why"), str(found.reason), SET_ROLES[found.status])
    manifest = found.manifest
    if manifest is None:
        told = _("created by the ops manual's scripts: no manifest lists its contents")
        if found.old:
            yield _field(_("created by"), told)
        if found.spread_s:
            apart = human_duration(found.spread_s)
            yield _field(_("dates"), _("the dates in its part names are {time} apart", time=apart), "degraded")
        return
    took = human_duration((manifest.finished - manifest.created).total_seconds())
    yield _field(_("created by"), _("{tool} on {host}, plan {plan}, job {job}", tool=manifest.tool, host=manifest.host,
                                 plan=manifest.plan, job=manifest.run))  # fmt: skip
    yield _field(_("took"), took)
    yield _field(_("signature"), signature_text(found.signature), _SIGNATURES[found.signature])


def _proof(found: BackupSet, style: BackupStyle) -> Iterator[Row]:
    proof = found.proof
    if proof is None:
        yield _field(
            _("proof"), _("not verified yet: v reads the whole set, D restores it into a scratch location"), "muted"
        )
        return
    at = proof.at.astimezone(style.zone).strftime("%Y-%m-%d %H:%M")
    if proof.level == "restored":
        took = human_duration(proof.took_s)
        text = _(
            "restore-tested on {at}: restored to {where} in {time} and compared", at=at, time=took, where=proof.where
        )
    elif proof.level == "intact":
        text = _("checksums verified on {at}: fully read; digests, trailers and content are correct", at=at)
    else:
        text = _("found broken on {at}: {reason}", at=at, reason=proof.reason)
    yield _field(_("proof"), text, SET_ROLES.get(proof.level, "text"))


def _missing(found: BackupSet) -> Iterator[Row]:
    for source, reason in (found.manifest.missing if found.manifest is not None else {}).items():
        yield _field(_("missing"), labelled(source, reason), "failing")


def _part(part: FoundPart, style: BackupStyle) -> Iterator[Row]:
    said = part.said
    pieces = [Piece("   "), Piece(part.name, "strong"), Piece(f"  {human_bytes(part.size_bytes)}")]
    if said is not None:
        raw = _("{bytes} unpacked", bytes=human_bytes(said.raw_bytes))
        pieces.append(Piece(f"  {raw}  {said.packing}", "muted"))
        if said.encrypted:
            pieces.append(Piece("  age", "accent"))
    yield tuple(pieces)
    yield (Piece("      "), Piece(f"{part.source}  {part.source_kind}  {part.kind}", "muted"))
    if part.trouble:
        yield (Piece("      "), Piece(str(part.trouble), "failing"))
    if part.sha256:
        shown = part.sha256 if style.width >= _WIDE else part.sha256[:_DIGEST] + "…"
        yield (Piece("      "), Piece(f"sha256 {shown}", "muted"))
    if said is not None:
        yield from _detail(said.detail)
        yield from _tables(said.tables)


def _detail(detail: Mapping[str, Any]) -> Iterator[Row]:
    """The plain values that the source recorded about the part. A manifest may contain anything: only values of the
    expected shape are shown."""
    plain = [f"{key} {value}" for key, value in detail.items() if isinstance(value, str | int | float) and value != ""]
    if plain:
        yield (Piece("      "), Piece("  ".join(plain), "muted"))


def _tables(tables: Mapping[str, int | None]) -> Iterator[Row]:
    """The tables with their rows, largest first."""
    if not tables:
        return
    yield (Piece("      "), Piece(ngettext("{count} table", "{count} tables", len(tables)), "text"))
    counted = sorted(tables.items(), key=lambda each: -(each[1] or 0))
    width = min(40, max((len(name) for name, _rows in counted[:_MOST_TABLES]), default=0))
    for name, rows in counted[:_MOST_TABLES]:
        count = _("rows not counted") if rows is None else ngettext("{count} row", "{count} rows", rows)
        yield (Piece("        " + fit(name, width)), Piece("  " + fit(count, 16, right=True), "muted"))
    if len(counted) > _MOST_TABLES:
        yield (Piece("        " + _("and {count} more", count=len(counted) - _MOST_TABLES), "muted"),)


def nothing_configured(style: BackupStyle, *, looked: bool) -> list[Row]:
    """What to do when the configuration has no backups. ``looked``: whether the usual places were searched."""
    examples = (
        "lilfox backup run --database postgresql:///lilfox --files /srv/lilfox/public/uploads --store /backup",
        "lilfox backup list --store /backup",
    )
    rows: list[Row] = [
        (Piece(" " + _("No backups are configured."), "strong"),),
        BLANK,
        (Piece(" "), Piece(_("Back up without a configuration, and list the sets:"))),
        *((Piece("   "), Piece(each, "accent")) for each in examples),
        BLANK,
        (Piece(" "), Piece(_("Or configure what to back up, where to and when:"))),
        *(
            (Piece("   "), Piece(each, "accent"))
            for each in (
                "backup:",
                "  stores: {disk: {path: /backup}}",
                "  plans:",
                "    lilfox:",
                "      sources:",
                "        database: {kind: postgresql, url: postgresql:///lilfox}",
                "        uploads: {kind: files, path: /srv/lilfox/public/uploads}",
                "      store: disk",
                '      schedule: "0 2 * * *"',
                "      keep: {daily: 7, weekly: 4}",
            )
        ),
    ]
    if looked:
        rows += [
            BLANK,
            (
                Piece(" "),
                Piece(_("No sets from the ops manual's scripts were found in /backup on this machine."), "muted"),
            ),
        ]
    return wrapped(rows, style.width - 1)


BESIDE = 80
"""Columns from which plans and sets stand side by side; below, the list that the keys move in."""
LOW = 12
"""Rows below which there are no column titles and no blank lines."""
ROOMY = 20
"""Rows of the pane from which the text about a plan or a set may take more than two."""
_MOST_PARTS, _MOST_LINES = 4, 4
_LEAST_PREVIEW = 9
"""Free rows from which the page of the selected set is shown below the lists."""
_LEFT = (34, 64)


class BackupView:
    """Draws everything above and below the job section, from the state alone."""

    def __init__(self, context: PaneContext[BackupState]) -> None:
        self._state, self._app = context.state, context.app

    @property
    def now(self) -> datetime:
        """The time from which ages are computed (aware UTC): that of the shown overview, which stands still while the
        screen is paused; the present on a rewound screen."""
        shown = self._app.shown
        return shown.at if shown is not None and not shown.rewound else datetime.now(UTC)

    def _style(self, width: int, *, marked: bool = False) -> BackupStyle:
        return BackupStyle(width, self._app.glyphs, self.now, self._state.zone, marked)

    def warnings(self) -> list[Row]:
        """The warnings to show first."""
        return warning_rows(self._state.interrupted_restores, self._app.rewound, self._style(self._app.room.width))

    def page(self) -> list[Row] | None:
        """The rows shown instead of the lists: a set's page, or what to do if nothing is configured; None for the
        lists."""
        state, style, plan = self._state, self._style(self._app.room.width), self._state.selected_plan
        if state.page is not None and plan is not None:
            if (found := state.selected_set) is not None:
                return set_page(found, plan, style)
            return [(Piece(f" {state.page}", "strong"), Piece("  " + _("no longer exists"), "failing"))]
        if not state.plans and not self._app.monitor.backups.configured:
            return nothing_configured(style, looked=state.backups is not None)
        return None

    def detail(self) -> list[Row]:
        """The selected plan or set as text, in as many rows as the screen has for it."""
        state, plan = self._state, self._state.selected_plan
        if state.page is not None or plan is None:
            return []
        style, height = self._style(self._app.room.width), self._app.room.height
        most = 4 if height >= ROOMY else 2 if height >= 16 else 1 if height >= 9 else 0
        if height >= LOW and plan.outage is not None:
            most = height // 3  # what to do is said too
        if state.focus == "sets" and (found := state.selected_set) is not None:
            rows = set_detail(found, style)
        else:
            rows = plan_detail(plan, state.restores_of(plan), style)
        return (wrapped(rows, style.width - 1) if most > len(rows) else rows)[:most]

    def preview(self, used: int) -> list[Row]:
        """The page of the selected set, in the rows that the lists leave free; ``used`` rows are taken by other parts.
        Empty if it would show little."""
        state, plan, found = self._state, self._state.selected_plan, self._state.selected_set
        room = self._app.room
        free = room.height - used - 4 - max(len(state.plans), len(state.sets))
        if state.page is not None or plan is None or found is None or free < _LEAST_PREVIEW or room.width < BESIDE:
            return []
        rows = set_page(found, plan, self._style(room.width))
        rule = self._app.glyphs.rule
        name = f" {found.id} "
        head: Row = (
            Piece(rule * 2, "rule"),
            Piece(name, "title"),
            Piece(rule * max(0, room.width - 2 - cell_width(name)), "rule"),
        )
        shown = [head, *rows[2:]]
        if len(shown) > free:
            shown = [*shown[: free - 1], (Piece("   " + _("enter shows all of it"), "muted"),)]
        return [*shown, *[BLANK] * (free + 1 - len(shown))]

    # ---- the lists -----------------------------------------------------------------------------------------------

    def split(self) -> tuple[int, int]:
        """The widths of the two lists in cells; 0 for a hidden one."""
        width = self._app.room.width
        if width >= BESIDE:
            left = max(_LEFT[0], min(_LEFT[1], width * 2 // 5))
            return left, width - left
        return (width, 0) if self._state.focus == "plans" else (0, width)

    def paint_plans(self, lines: Lines, width: int) -> None:
        """Shows the plans in ``width`` cells."""
        state, plans, selected = self._state, self._state.plans, self._state.selected_plan
        here, style = state.focus == "plans", self._style(width)
        at = next(
            (place for place, each in enumerate(plans) if selected is not None and each.key == selected.key), None
        )
        head = [_view_title(_("PLANS"), len(plans), lines), plan_heading(style)][: lines.sticky]

        def row(place: int) -> Row:
            marked = self._style(width, marked=place == at and not here)
            return plan_row(plans[place], state.running(plans[place]), marked)

        rows = RowsOnDemand(head, len(plans), row)
        lines.show(rows, selected=None if at is None or not here else at + len(head))

    def paint_sets(self, lines: Lines, width: int) -> None:
        """Shows the sets of the selected plan in ``width`` cells."""
        state, style, plan = self._state, self._style(width), self._state.selected_plan
        sets = state.sets
        for _time in range(2):
            title = _view_title(self._sets_title(), len(sets), lines)
            days = days_row(() if plan is None else plan.sets or (), style, width - cells(title) - 3)
            blank = Piece(" " * (width - cells(title) - cells(days) - 1))
            head = [(*title, blank, *days) if days else title, set_heading(style)][: lines.sticky]
            if not sets:
                why = why_no_sets(plan, filtered=bool(state.filter))
                rows: Sequence[Row] = [*head, (Piece("   " + why, "muted"),)]
            else:
                rows = RowsOnDemand(head, len(sets), partial(self._set_row, sets, width))
            before = lines.hidden_below
            lines.show(rows, selected=state.place + len(head) if sets and state.focus == "sets" else None)
            if lines.hidden_below == before:
                return

    def _sets_title(self) -> str:
        state, plan = self._state, self._state.selected_plan
        title = _("SETS") if plan is None else _("SETS of {plan}", plan=plan.name)
        if not state.filter:
            return title
        return f"{title}  /{state.filter}" + ("" if state.only_matching else " " + _("(matches marked)"))

    def _set_row(self, sets: Sequence[BackupSet], width: int, place: int) -> Row:
        return set_row(sets[place], self._style(width, marked=self._state.is_marked(sets[place])))


class JobSection:
    """Draws the running job: progress bars of its parts, and its last lines. Calls ``changed`` when there is something
    new."""

    def __init__(self, context: PaneContext[BackupState], changed: Callable[[], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._changed = changed
        self.log: JobLog | None = None
        """What the job said that was followed last."""

    def follow(self) -> None:
        """Follows the events of the job that is shown, and switches when another job is."""
        job = self._state.shown_job
        if job is None or (self.log is not None and self.log.job_id == job.id):
            return
        self.log = JobLog(job.id)
        self._context.run(self._follow(self.log), group="job", exclusive=True)

    async def _follow(self, log: JobLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await log.follow(self._changed)

    def rows(self, now: datetime) -> list[Row]:
        """The rows of the section; empty if no job runs."""
        job = self._state.shown_job
        return [] if job is None else self._rows(job, now)

    def _rows(self, job: Job, now: datetime) -> list[Row]:
        glyphs, room = self._app.glyphs, self._app.room
        most = max(1, room.height // 3)
        rows: list[Row] = [BLANK] if room.height >= LOW else []
        rows.append(job_title(job, now, glyphs))
        log = self.log if self.log is not None and self.log.job_id == job.id else None
        parts = log.progress if log is not None and log.progress else job.progress
        bars = min(_MOST_PARTS, most - len(rows))
        rows += progress_rows(parts, bars, room.width, glyphs, Digits(few=self._app.slow_link))
        room_left = min(_MOST_LINES, most - len(rows))
        if log is not None and room_left > 0:
            newest = list(log.events)[-room_left:]
            rows += [row for event in newest for row in event_rows(event, self._state.zone, glyphs)][-room_left:]
        return rows


def _view_title(text: str, count: int, lines: Lines) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}  {more_below(lines.hidden_below)}", "muted"))
