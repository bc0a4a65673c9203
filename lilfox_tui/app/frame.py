"""The frame around every pane: header, tabs, rule and footer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace
from textual.css.query import NoMatches

from lilfox_tui.app.actions import Action
from lilfox_tui.app.console import Console
from lilfox_tui.app.navigation import BACKUP, Navigation
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import row_width
from lilfox_tui.app.rows.hosts import firing_role
from lilfox_tui.app.rows.job_words import job_kind_text, percent_of
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import _, language, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups, IncidentView, Overview

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog


NARROW = 60
"""Below so many cells the header counts alerts without words."""


class HeaderState(Struct, frozen=True):
    """What the header shows besides the counts."""

    name: str
    now: datetime
    """Of what is shown (aware UTC)."""
    rewound_by_s: float | None
    paused: bool
    read_only: bool
    seconds: bool
    """Whether the clock shows seconds (a slow link does not)."""
    jobs: Row = ()
    """What runs, where there is no line of tabs to say it."""


def header(overview: Overview | None, state: HeaderState, width: int, glyphs: Glyphs) -> Row:
    """``▲ LilFox  prod   ● 4  ◐ 2  ✖ 3   03:12:44 UTC``."""
    left = [Piece(f" {glyphs.logo} LilFox", "title")]
    if state.name:
        left.append(Piece(f"  {state.name}", "strong"))
    if overview is not None:
        left.append(Piece("  "))
        for level, role in (
            (Level.GOOD, "good"),
            (Level.DEGRADED, "degraded"),
            (Level.FAILING, "failing"),
            (Level.UNKNOWN, "unknown"),
        ):
            count = overview.count(level)
            if count or level is not Level.UNKNOWN:
                left.append(Piece(f"  {glyphs.level(level)} {count}", role if count else "muted"))
        left += _alerts(overview, width, glyphs)
    left += state.jobs
    if state.read_only:
        left.append(Piece("   " + _("read-only"), "muted"))
    clock = state.now.strftime("%H:%M:%S UTC" if state.seconds else "%H:%M UTC")
    right = [Piece(clock + " ", "text")]
    if state.rewound_by_s is not None:
        ago = _("{time} ago", time=human_duration(state.rewound_by_s))
        right = [Piece(f"{glyphs.back} {ago}  ", "accent"), Piece(clock + " ", "accent")]
    elif state.paused:
        right.insert(0, Piece(glyphs.pause + " " + _("paused") + "  ", "accent"))
    if row_width([*left, *right]) >= width:  # the counts outlive the clock: they say what is wrong
        right = right[:-1]
    if row_width([*left, *right]) >= width:
        left = [piece for piece in left if piece.role not in ("title", "strong")]
    return _spread(left, right, width)


def _alerts(overview: Overview, width: int, glyphs: Glyphs) -> list[Piece]:
    """The numbers of firing, acknowledged and pending alerts that are not silenced; nothing if there are none or it
    is not known."""
    if isinstance(overview.alerts, Unavailable):
        return [Piece(f"   {glyphs.alert} " + (_("alerts unknown") if width >= NARROW else "?"), "degraded")]
    if not isinstance(overview.alerts, Ready):
        return []
    alerts = overview.alerts.value
    told: list[tuple[str, str]] = []
    if firing := alerts.new_firing:
        text = _("{count} firing", count=firing) if width >= NARROW else str(firing)
        told.append((text, firing_role(alerts.new_firing_urgency)))
    if acknowledged := alerts.acknowledged:
        told.append((_("{count} acked", count=acknowledged) if width >= NARROW else f"({acknowledged})", "muted"))
    if pending := alerts.new_pending:
        told.append((_("{count} pending", count=pending) if width >= NARROW else f"({pending})", "degraded"))
    if not told:
        return []
    first, *others = told
    return [Piece(f"   {glyphs.alert} {first[0]}", first[1]), *(Piece(f"  {text}", role) for text, role in others)]


_NOW = 3
"""The rank in the footer of the steps through the past, once there: that of the key that leads back."""
_NOTE_ROWS = 3
"""That a message may cover."""
Marks = Mapping[int, Row]
"""By the place of a tab what stands behind its title."""


def worst_plan(overview: Overview | None, glyphs: Glyphs) -> Row:
    """Return the symbol of the worst backup plan if one is degraded or failing; the header's counts do not tell plans
    apart."""
    backups = None if overview is None else overview.backups
    for level, role in ((Level.FAILING, "failing"), (Level.DEGRADED, "degraded")):
        if backups is not None and backups.count(level):
            return (Piece(f"{glyphs.level(level)} ", role),)
    return ()


def tabs(names: Sequence[str], marks: Marks, current: int, status: Row, width: int) -> Row:
    """Return the tab line: the panes and the status of the current one. If the names do not fit, only the current pane
    has its name."""
    left = [piece for title in tab_titles(names, marks, current, width) for piece in title]
    return _spread(left, [*status, Piece(" ")], width)


def tab_titles(names: Sequence[str], marks: Marks, current: int, width: int) -> list[Row]:
    """The titles of the tabs, one row each."""
    titles = _titles(names, marks, current)
    if sum(map(row_width, titles)) >= width:
        titles = _titles([name if index == current else "" for index, name in enumerate(names)], marks, current)
    return titles


def _titles(names: Sequence[str], marks: Marks, current: int) -> list[Row]:
    titles: list[Row] = []
    for index, name in enumerate(names):
        title = f"  {index + 1} {name} " if name else f"  {index + 1} "
        titles.append((Piece(title, "title" if index == current else "muted"), *marks.get(index, ())))
    return titles


def fitting(names: Sequence[str], marks: Marks, told: Sequence[Row], status: Row, width: int) -> Row:
    """Return ``status``, preceded by the longest row of ``told`` that leaves room for all titles; the rows are ordered
    from long to short."""
    titles = sum(map(row_width, _titles(names, marks, 0)))
    for row in told:
        touching = row and status and not status[0].text.startswith(" ")
        both = (*row, Piece("  "), *status) if touching else (*row, *status)
        if titles + row_width(both) + 2 <= width:
            return both
    return status


def job_pieces(backups: Backups | None, glyphs: Glyphs) -> Row:
    """Return the running jobs with their progress, and a mark for interrupted restores and for jobs whose result is
    unknown."""
    if backups is None:
        return ()
    pieces = []
    running = [job for job in backups.running if job.kind != "runbook"]  # of these the step is told
    if len(running) == 1:
        percent = percent_of(running[0])
        text = job_kind_text(running[0].kind) + ("" if percent is None else f" {percent}%")
        pieces.append(Piece(f"  {glyphs.job} {text}", "accent"))
    elif running:
        pieces.append(Piece(f"  {glyphs.job} " + _("{count} jobs", count=len(running)), "accent"))
    if backups.interrupted_restores:
        count = ngettext(
            "{count} interrupted restore", "{count} interrupted restores", len(backups.interrupted_restores)
        )
        pieces.append(Piece(f"  {glyphs.failing} {count}", "failing"))
    if backups.unsettled:
        count = ngettext("{count} job unknown", "{count} jobs unknown", len(backups.unsettled))
        pieces.append(Piece(f"  {glyphs.failing} {count}", "failing"))
    return tuple(pieces)


def note_beside(text: str, role: str, room: int) -> Row:
    """A message in ``room`` cells beside the tabs; empty if it does not fit there, or there is none."""
    if not text or "\n" in text or cell_width(text) + 3 > room:
        return ()
    return (Piece(f" {text} ", role, "selection"),)


def note_rows(text: str, role: str, width: int) -> list[Row]:
    """A message in at most ``_NOTE_ROWS`` rows; none if it is empty."""
    if not text:
        return []
    rows = wrapped([(Piece(" "), Piece(text, role))], width)
    if len(rows) > _NOTE_ROWS:
        *rows, last, over = rows[: _NOTE_ROWS + 1]
        rest = "".join(piece.text for piece in (*last, *over))
        rows.append((Piece(fit(rest, width), role),))
    return rows


def footer(actions: Sequence[Action]) -> Row:
    """The keys of ``actions`` and what they do."""
    return tuple(
        piece for each in actions for piece in (Piece(f" {each.key_text}", "key"), Piece(f" {each.title}  ", "muted"))
    )


def in_footer(possible: Sequence[Action], width: int) -> list[Action]:
    """As many of the actions as fit, always with the help. Two keys that do the same are one: the first."""
    words = [str(each.title) for each in possible]
    possible = [each for place, each in enumerate(possible) if words.index(words[place]) == place]
    always = [each for each in possible if each.id == "help"]
    left = width - sum(map(_cells_of_key, always))
    kept: list[Action] = []
    for each in possible:
        if each not in always and (left := left - _cells_of_key(each)) < 0:
            break
        kept.append(each)
    return kept + [each for each in always if each not in kept]


def _cells_of_key(each: Action) -> int:
    return cell_width(each.key_text) + cell_width(str(each.title)) + 4


def _spread(left: list[Piece], right: list[Piece], width: int) -> Row:
    """``left`` and ``right`` at the two edges; ``right`` stays whole when they do not both fit."""
    space = width - row_width([*left, *right])
    while space < 1 and len(left) > 1:
        space += cell_width(left.pop().text)
    return (*left, Piece(" " * max(0, space)), *right)


def incident_pieces(
    view: IncidentView | None, runs: Iterable[RunLog], now: datetime, glyphs: Glyphs, *, seconds: bool
) -> list[Row]:
    """``INC-7 SEV-2 00:12:31  run 3/6 ● Restart it 00:42``, then shorter and shorter forms of it; empty rows if there
    is neither an incident nor a run."""
    incident, runs = None if view is None else view.incident, tuple(runs)
    steps = run_pieces(runs, datetime.now(UTC), glyphs, seconds=seconds)
    if incident is None:
        return [*steps, ()]
    role = "failing" if incident.severity in ("SEV-1", "SEV-2") else "degraded"
    name, severity = Piece(f"  {incident.id}", role), Piece(f" {incident.severity}", role)
    clock = Piece(f" {_clock(incident.opened, now, seconds=seconds)}", "text")
    waits = next((run.waits for run in reversed(runs) if run.ended is None and run.state is not None), "")
    told = [step for step in steps if waits and any(piece.text.strip().startswith(waits) for piece in step)]
    whole: list[Row] = [(name, severity, clock, *step) for step in told]
    if told:  # that it waits is more than since when
        whole += [(name, severity, *told[-1]), (name, *told[-1])]
    whole += [(name, severity, clock, *step) for step in steps if step not in told]
    return [*whole, (name, severity, *steps[-1]), (name, *steps[-1]), (name,)]


def run_pieces(runs: Iterable[RunLog], now: datetime, glyphs: Glyphs, *, seconds: bool) -> list[Row]:
    """The progress of the newest run that has not ended, from long to short: its step of how many, whether that runs,
    for whom it waits or that it has failed, its title, and for how long its command has been running. One empty row
    without a run."""
    going = [run for run in runs if run.ended is None and run.state is not None]
    if not going or (state := going[-1].state) is None:
        return [()]
    turn, count = going[-1].turn, len(state.steps)
    at = count if turn is None else turn.step + 1
    number = _("run {number}/{count}", number=at, count=count)
    title = "" if turn is None else clean(state.runbook.steps[turn.step].title)
    mark, role = (glyphs.degraded, "degraded")
    if state.waiting.what == "decision":
        mark, role = (glyphs.failing, "failing")
    elif state.waiting.what in ("nothing", "end"):
        mark, role = (glyphs.good, "accent" if state.waiting.what == "nothing" else "good")
    began = [each.began for step in state.steps for command in step.commands for each in command.results
             if each.state == "running"]  # fmt: skip
    passed = max(0, int((now - min(began, default=now)).total_seconds()))
    clock = Piece(f" {passed // 60:02}:{passed % 60:02}", "text") if began and seconds else Piece("")
    head = (Piece(f"  {number} ", "text"), Piece(mark, role))
    short = (Piece(f"  {mark} {at}/{count}", role),)
    waits = [Piece(f" {going[-1].waits}", role)] if going[-1].waits else []
    waiting: list[Row] = [(*head, *waits), (Piece(f"  {mark}", role), *waits, Piece(f" {at}/{count}", role))]
    if not title:
        return [*(waiting if waits else ()), head, short]
    if waits:
        text = _("{waits}: {what}", waits=going[-1].waits, what=title)
        text = fit(text, min(cell_width(text), _TITLE))
        return [(*head, Piece(f" {text}", role)), *waiting, head, short]
    titles = [fit(title, min(cell_width(title), most)) for most in (_TITLE, _SHORT_TITLE)]
    return [*((*head, Piece(f" {each}", role), clock) for each in titles), (*head, clock), head, short]


_TITLE, _SHORT_TITLE = 40, 20
"""Cells of a step's title at most, with for whom the run waits, and where there is less room."""


def _clock(since: datetime, now: datetime, *, seconds: bool) -> str:
    passed = max(0, int((now - since).total_seconds()))
    text = f"{passed // 3600:02}:{passed % 3600 // 60:02}"
    return f"{text}:{passed % 60:02}" if seconds else text


class FramePainter:
    """Draws the frame of ``app`` around the pane of ``navigation``."""

    def __init__(self, app: Console, navigation: Navigation) -> None:
        self._app, self._navigation = app, navigation
        self._keys: dict[str, list[tuple[int, str]]] = {}
        """What can be clicked on the tabs and in the footer: the cells of each from left to right, and its key."""
        self._tabs: object = None
        self._footer: object = None
        """What tabs and footer were drawn from: most times it is what it was a second ago."""

    def key_at(self, bar: str, x: int) -> str | None:
        """The key that stands at cell ``x`` of the widget ``bar``."""
        for cells, key in self._keys.get(bar, ()):
            if (x := x - cells) < 0:
                return key
        return None

    def paint(self) -> None:
        """Draws header, tabs and footer."""
        app = self._app
        if not app.is_attached or not app.screen_stack:
            return
        width, screen = app.size.width, app.screen_stack[0]
        try:
            bars = {name: screen.query_one(f"#{name}", Lines) for name in ("header", "tabs", "footer", "note")}
        except NoMatches:  # leaving: parts of the screen are gone
            return
        backups = app.monitor.backups.backups
        jobs = job_pieces(backups, app.glyphs)
        told = incident_pieces(
            self._incident_shown(), app.runs.values(), app.clock, app.glyphs, seconds=not app.slow_link
        )
        state = HeaderState(
            name=app.config.name,
            now=self._clock(),
            rewound_by_s=None if app.rewound is None else (datetime.now(UTC) - app.rewound).total_seconds(),
            paused=app.paused,
            read_only=app.config.read_only,
            seconds=not app.slow_link,
            jobs=() if app.tabs_fit else (*told[-2], *jobs),
        )
        bars["header"].show([header(app.shown, state, width, app.glyphs)])
        self._paint_tabs(bars["tabs"], bars["note"], told, jobs)
        self._paint_footer(bars["footer"], width)

    def _clock(self) -> datetime:
        """The time of what is shown: of the overview, or of what the pane has drawn since, such as a record of a log.
        Not past the present, which a host's clock may be."""
        newest = self._navigation.pane.newest
        if newest is None or self._app.rewound is not None:
            return self._app.clock
        return max(self._app.clock, min(newest, datetime.now(UTC)))

    def _paint_tabs(self, lines: Lines, note: Lines, told: Sequence[Row], jobs: Row) -> None:
        """Draws the tabs, and a message beside them or at the bottom."""
        app, current, width = self._app, self._navigation.current, self._app.size.width
        marks = {BACKUP: worst_plan(app.shown, app.glyphs)}
        state = self._navigation.pane.status()
        drawn_from = marks, told, state, jobs, app.note, current, width, app.tabs_fit, language(), lines.size
        if drawn_from == self._tabs:
            return
        self._tabs = drawn_from
        titles = [str(tab.title) for tab in self._navigation.tabs]
        status = fitting(titles, marks, told, (*state, *jobs), width)
        shown = tab_titles(titles, marks, current, width)
        beside = note_beside(*app.note, width - sum(map(row_width, shown))) if app.tabs_fit else ()
        lines.show([tabs(titles, marks, current, beside or status, width)])
        self._keys["tabs"] = [(row_width(title), str(number)) for number, title in enumerate(shown, 1)]
        self._paint_note(note, () if beside else note_rows(*app.note, width))

    def _paint_footer(self, lines: Lines, width: int) -> None:
        """Draws the keys that can be pressed now; a dialog shows its own."""
        app = self._app
        actions = () if len(app.screen_stack) > 1 else self._navigation.actions
        offered = [each for each in actions if each.in_footer and each.offered() and each.why_not() is None]
        can = [(each, each.now() or each.title) for each in offered]
        shown = [(each.id, each.keys, title) for each, title in can], width, language(), lines.size, app.rewound is None
        if shown == self._footer:
            return
        self._footer = shown
        rank = {} if app.rewound is None else {"earlier": _NOW}
        ordered = sorted(
            (replace(each, title=title) for each, title in can), key=lambda each: rank.get(each.id, each.footer)
        )
        kept = in_footer(ordered, width)
        lines.show([footer(kept)])
        self._keys["footer"] = [(_cells_of_key(each), each.keys[0]) for each in kept]

    def _paint_note(self, lines: Lines, rows: Sequence[Row]) -> None:
        """Shows a message that has no room beside the tabs above the footer, which like the tabs stays seen; on a
        screen without tabs the pane gives up the rows, for it has none to be covered."""
        low = not self._app.tabs_fit
        lines.set_class(not low, "-over")
        self._app.note_rows = len(rows) if low else 0
        if rows:
            lines.styles.height = len(rows)
            lines.show(rows)
        if lines.display is not bool(rows):
            lines.display = bool(rows)

    def _incident_shown(self) -> IncidentView | None:
        """The open incident; on a rewound screen none that was opened later."""
        view = self._app.monitor.incidents.feed.value
        incident = None if view is None else view.incident
        rewound = self._app.rewound
        early = incident is not None and rewound is not None and incident.opened > rewound
        return None if early else view
