"""What a run of the Runbook pane waits for, how the last one ended, and what can be done. Pure, but for the context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from lilfox_tui.alerts.silences import change_of, is_active
from lilfox_tui.app.evidence import LoggedError, error_row
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.rows import state_mark, step_of, waiting_text
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS, RunbookState
from lilfox_tui.app.rendering.columns import slice_row, wrap_spans, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row
from lilfox_tui.app.rows.incidents import Situation, silence_line, wrong_rows
from lilfox_tui.app.run_log import RunLog
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import human_duration
from lilfox_tui.incident.model import AlertChanged, Incident, TimelineEntry, alert_subject
from lilfox_tui.metrics.model import Level
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import Asked, RunState, Turn, state_text

_HIGH, _WRONG = 30, (2, 4)
"""Rows from which the page of the incident has room for the higher number of lines about what is wrong now."""
_ERRORS = {48: 8, _HIGH: 4, 0: 1}
"""How many of the newest errors it shows, by the rows from which there is room for so many."""
_BELOW = "           "
"""Before the second line of an error: it begins below the name of its log."""
MOST_WAITING = 5
"""Lines of what waits, at most: of a failure the reason in full."""


class WaitingLine:
    """Makes the rows about the run of the selected runbook."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._state, self._app = context.state, context.app

    @property
    def _now(self) -> datetime:
        """The time from which ages are computed (aware UTC); the present on a rewound screen, because runs are not
        rewound."""
        return self._app.clock if self._app.rewound is None else datetime.now(UTC)  # runs are shown as they are

    def _refused(self) -> str:
        """Why no key that would run something does so now; empty if they do."""
        if self._app.rewound is not None:
            return _("you are viewing the past; ` returns to now")
        return _("nothing can be run or written from here in read_only mode") if self._app.config.read_only else ""

    def rows(self) -> list[Row]:
        """What the run waits for, or what went wrong, wrapped; cut off if there is not enough room."""
        room = self._app.room
        most = 0 if room.height < 6 else min(MOST_WAITING, room.height // 4)
        if self._state.column == INCIDENT:
            return []
        said = [row for row in (*self._of_failed_undo(), self._waiting_row(), *self._summary()) if row]
        rows = wrapped(said, room.width)
        if len(rows) <= most or most == 0:
            return rows[:most]
        rows = wrapped(said, room.width - 2)[:most]
        return [*rows[:-1], (*rows[-1], Piece(" …", "muted"))]

    def _waiting_row(self) -> Row:
        state = self._state
        log, item = state.seen, state.item
        mark = Piece(f" {self._app.glyphs.chosen} ", "accent")
        if log is not None and log.trouble and state.failed_undo is None:
            return (Piece(f" {self._app.glyphs.failing} ", "failing"), Piece(log.trouble, "failing"))
        if log is not None and log.ended is not None and state.killed is None:
            return self._of_ended(log.ended.state, log.ended.message, log.ended.at, log.by or "?")
        if state.killed is not None:
            text = _("the job was interrupted: enter resumes the run")
            if refused := self._refused():
                text = clauses((_("the job was interrupted"), refused))
            return (mark, Piece(text, "failing"))
        if log is not None and log.state is not None and log.reducer is not None:
            return self._of_run(log.state, log.reducer, mark)
        if (said := self._for_none()) is not None:
            return (mark, Piece(said, "degraded"))
        if item is None:
            return ()
        if item.problems:
            problem = item.problems[0]
            text = _("line {line}: {what}; no command in this file is run", line=problem.line, what=problem.text)
            return (Piece(f" {self._app.glyphs.failing} ", "failing"), Piece(text, "failing"))
        if told := self._of_thing():
            return (mark, Piece(told, "accent"))
        if item.alert:
            return (mark, Piece(self._of_alert(item.alert), "accent"))
        if (last := item.last) is not None and last.ended is not None:
            return self._of_ended(last.state, last.message, last.ended, f"{last.user}@{last.host}")
        return (mark, Piece(self._of_new(), "muted"))

    def _of_thing(self) -> str:
        """The same about a runbook that was opened for something that fails without an alert, if it asks for that."""
        cause, runbook = self._state.cause, self._state.runbook
        if cause is None or not cause.told or runbook is None:
            return ""
        values = self._state.values_of_cause(runbook)
        given = listed(f"{each} = {value}" for each, value in values.items())
        return _("{what}: enter starts a run with {values}", what=cause.told, values=given) if given else ""

    def _of_alert(self, alert: str) -> str:
        """The text about a runbook for an alert: what enter does, and with which values."""
        runbook = self._state.runbook
        cause = None if runbook is None else self._state.alerts.cause_of_run(runbook)
        name = alert if cause is None else cause.title
        values = {} if runbook is None else self._state.values_of_cause(runbook)
        given = listed(f"{each} = {value}" for each, value in values.items())
        if refused := self._refused():
            if self._state.column == LIST:
                return clauses((_("runbook for alert {alert}: enter opens the steps", alert=name), refused))
            return clauses((_("runbook for alert {alert}", alert=name), refused))
        if self._state.column == LIST:
            if given:
                return _(
                    "runbook for alert {alert}: enter opens the steps, enter again runs it with {values}",
                    alert=name,
                    values=given,
                )
            return _("runbook for alert {alert}: enter opens the steps", alert=name)
        if self._state.shows_less(self._app.room.width):
            return _(
                "runbook for alert {alert}: enter shows the command, enter again starts a run",
                alert=name,
            )
        if given:
            return _("runbook for alert {alert}: enter starts a run with {values}", alert=name, values=given)
        return _("runbook for alert {alert}: enter starts a run", alert=name)

    def _of_new(self) -> str:
        """The text about a runbook that has never run: what enter does."""
        if refused := self._refused():
            if self._state.column == LIST:
                return clauses((_("enter opens the steps"), refused))
            less = self._state.shows_less(self._app.room.width)
            return clauses((_("enter shows the command"), refused)) if less else refused
        if self._state.column == LIST:
            return _("enter opens the steps; enter again starts a run; changes are confirmed first")
        if self._state.shows_less(self._app.room.width):
            return _("enter shows the command; enter again starts a run; changes are confirmed first")
        return _("enter starts a run; nothing changes until you have seen and confirmed it")

    def _of_ended(self, state: str, message: str, at: datetime, by: str) -> Row:
        """The last run: who, when, how it ended."""
        good, ago = state == "ok", human_duration(max(0.0, (self._now - at).total_seconds()))
        text = _("last run, by {who}, ended {time} ago: {message}", who=by, time=ago, message=message)
        if self._app.rewound is not None:  # an age would be that of another time than the header's
            ended = f"{at.astimezone(UTC):%m-%d %H:%M:%S}"
            text = _("last run, by {who}, ended at {time}: {message}", who=by, time=ended, message=message)
        mark = state_mark("done" if good else "failed", self._app.glyphs)
        return (Piece(" "), mark, Piece(f" {text}", "good" if good else "degraded"))

    def _summary(self) -> list[Row]:
        """What came of a run that has ended, and what enter does."""
        state, log = self._state, self._state.seen
        if not state.finished or state.column == LIST:
            return []
        told = []
        turn, reducer = state.failed_turn, None if log is None else log.reducer
        if turn is not None and reducer is not None:
            results = reducer.results(turn.step, turn.command or 0)
            bad = tuple(host for host, each in results.items() if each.state in ("failed", "unknown"))
            step = _here(Turn(turn.step, turn.command, bad), reducer.runbook)
            told.append(_("failed: {step}: {title}", step=step, title=reducer.runbook.steps[turn.step].title))
        if log is not None and log.state is not None:
            counts = Counter(step.state for step in log.state.steps)
            told.append(_("steps: {states}", states=listed(f"{n} {state_text(each)}" for each, n in counts.items())))
            if changes := len(log.state.changes):
                told.append(ngettext("{count} change in force", "{count} changes in force", changes))
        if log is None:
            told.append(
                _("enter opens its result") if self._refused()
                else _("enter opens its result; to start another run, press a")
            )  # fmt: skip
        elif not self._refused():
            told.append(_("to start another run, press a"))
        return [(Piece("   "), Piece(f" {self._app.glyphs.separator} ".join(told), "muted"))]

    def _of_failed_undo(self) -> list[Row]:
        """The row about a failed undo: which changes stay in force, and what can be done."""
        failed, state = self._state.failed_undo, None if self._state.seen is None else self._state.seen.state
        if failed is None or state is None:
            return []
        left = ngettext("{count} change stays in force", "{count} changes stay in force", len(state.changes))
        text = _("undo failed on {host}: {left}; u retries, X lists the changes and ends the run",
                 host=failed.host, left=left)  # fmt: skip
        return [(Piece(f" {self._app.glyphs.failing} ", "failing"), Piece(text, "failing"))]

    def _for_none(self) -> str | None:
        """The text for an alert for which the pane was opened but that has no runbook; None if it has one."""
        cause, view = self._state.cause, self._state.view
        if cause is None or view is None or view.documents is None or self._state.chosen:
            return None
        if any(each.alert == cause.alert for each in self._state.items):
            return None
        if not cause.runbook_url:
            return _("no runbook for {alert}", alert=cause.alert)
        return _(
            "no runbook for {alert}; its runbook_url is {url} (y copies it)", alert=cause.alert, url=cause.runbook_url
        )

    def enter_note(self) -> Row:
        """The same as :meth:`enter_does`, to stand beside a title."""
        enter = self.enter_does()
        return (Piece(enter, "accent"),) if enter else ()

    def enter_does(self) -> str:
        """What enter does with the selected step, if the run waits at it or none has begun; empty elsewhere."""
        state, log = self._state, self._state.seen
        if (
            self._refused()
            or state.column not in (STEPS, COMMAND)
            or state.shows_less(self._app.room.width)
            or state.killed is not None
        ):
            return ""
        if log is None and state.item is not None and not state.item.problems and not state.finished:
            return _("enter starts a run")
        if state.run is None or state.run.state is None or state.run.actor or state.turn is None:
            return ""
        asked = state.run.state.waiting.what
        if asked == "nothing" or state.run.state.runs_all or state.place_of(state.turn) != state.place:
            return ""
        texts = {
            "order": _("enter runs it"),
            "confirm": _("enter: review and confirm"),
            "value": _("enter asks for its value"),
            "terminal": _("enter runs it in this terminal"),
            "hand": _("enter marks it as done"),
            "decision": _("enter shows all options"),
            "end": _("enter ends the run"),
        }
        return texts[asked]

    def progress(self) -> Row:
        """The step at which the shown run is, as in the header; of one that has ended, how many steps are over."""
        log = self._state.seen
        if log is None or log.state is None:
            return ()
        states = [step.state for step in log.state.steps]
        over = sum(each in ("done", "skipped", "undone") for each in states)
        if log.ended is None:
            over = len(states) if log.turn is None else log.turn.step + 1
        bad = any(each in ("failed", "unknown") for each in states)
        return (
            Piece(
                f"{over}/{len(states)}",
                "failing" if bad else "good" if log.ended is not None and over == len(states) else "accent",
            ),
        )

    def why_none(self) -> str:
        """Why the list of runbooks is empty."""
        state = self._state
        if isinstance(self._app.monitor.runbooks.feed.state, Unavailable):
            return str(self._app.monitor.runbooks.feed.state.error)
        if state.view is None:
            return _("loading")
        return _("no matching runbook") if state.filter else _("no runbooks; configure runbooks: folders: [PATH]")

    # ---- the page of the incident ------------------------------------------------------------------------------

    def situation(self, incident: Incident, entries: Sequence[TimelineEntry], width: int) -> Situation:
        """What the page of the incident says beside its timeline; a line of it has ``width`` cells."""
        app, overview = self._app, self._app.shown
        first = next((each.what for each in entries if isinstance(each.what, AlertChanged)), None)
        about, high = "" if first is None else alert_subject(first.labels), app.room.height >= _HIGH
        wrong = () if overview is None else wrong_rows(overview, app.glyphs, about, _WRONG[high])
        subjects = self._state.timeline.subjects
        found = app.errors_about(subjects)
        most = next(count for rows, count in _ERRORS.items() if app.room.height >= rows)
        errors = error_rows(found, app.clock, app.glyphs, width, most, key="l" if subjects else "E")
        live = app.rewound is None  # neither runs nor silences are rewound
        waits = [self._of_live(log) for log in self._state.runs_of(incident.id)] if live else []
        offered = self._state.next_runbook
        alerts = None if overview is None or not isinstance(overview.alerts, Ready) else overview.alerts.value
        silences = [
            silence_line(each, self._now)
            for each in (() if alerts is None or not live else alerts.silences)
            if is_active(each, self._now) and change_of(each) not in incident.in_force
        ]
        views = () if overview is None else overview.views
        bad = {each.name for each in views if each.level in (Level.FAILING, Level.DEGRADED)}
        return Situation(wrong, errors, waits, "" if offered is None else offered.title, silences, bad)

    def _of_live(self, log: RunLog) -> str:
        """What a run in progress does or waits for, and where it is seen."""
        state, reducer = log.state, log.reducer
        if state is None or reducer is None:
            return log.job_id
        title, does = reducer.runbook.title, self._does(state, reducer, log.turn)
        if log.actor:
            return _("{runbook}: {does}; {who} is in control", runbook=title, does=does, who=log.actor)
        if log.waits:
            return _("{runbook} waits for you: {does} (press 4)", runbook=title, does=does)
        return _("{runbook}: {does} (press 4)", runbook=title, does=does)

    def _does(self, state: RunState, reducer: RunReducer, turn: Turn | None) -> str:
        """What a run does, or what is to be done where it waits."""
        step = _here(turn, reducer.runbook)
        if turn is not None:
            step = _("{step}, {title}", step=step, title=reducer.runbook.steps[turn.step].title)
        texts = {
            "nothing": _("running: {step}", step=step) if turn is not None else _("running"),
            "order": _("run {step}", step=step),
            "confirm": _("review and confirm {step}", step=step),
            "value": _("type the value of {names} for {step}", names=_missing(reducer, turn), step=step),
            "terminal": _("run {step} in this terminal", step=step),
            "hand": _("do {step} by hand, then mark it as done", step=step),
            "decision": _("decide after the failure of {step}", step=step),
            "end": _("end the run, all steps are done"),
        }
        return texts[state.waiting.what]

    def _of_run(self, state: RunState, reducer: RunReducer, mark: Piece) -> Row:
        running, log = reducer.running(), self._state.seen
        if log is not None and log.actor:
            here = _here(state.waiting.turn, reducer.runbook)
            said = following_text(state.waiting.what, log.actor, here=here)
            return (mark, Piece(said, "degraded"))
        if state.runs_all:
            return (mark, Piece(_("running all remaining steps automatically"), "accent"))
        if running and state.waiting.what == "nothing":
            first = running[0]
            place = reducer.place(first.run)
            step = step_of(-1, None) if place is None else step_of(place[0].step, place[1])
            hosts = listed(each.host for each in running)
            text = _("{step} is running on {hosts}: C stops it", step=step, hosts=hosts)
            if self._refused():
                text = _("{step} is running on {hosts}", step=step, hosts=hosts)
            if first.link_lost:
                text = _("{step} is running on {hosts}: connection lost, waiting to reconnect", step=step, hosts=hosts)
            return (Piece(f" {self._app.glyphs.job} ", "accent"), Piece(text, "accent"))
        turn = state.waiting.turn
        states = {step.state for step in state.steps}
        states |= {command.state for step in state.steps for command in step.commands}
        if self._state.failed_undo is not None:
            states.discard("undone")
        undoable = bool(state.undoable)
        names = _missing(reducer, turn) if state.waiting.what == "value" else ""
        text, role = waiting_text(
            state.waiting.what, here=_here(turn, reducer.runbook), undoable=undoable, states=states, names=names
        )
        if (refused := self._refused()) and state.waiting.what != "nothing":
            waits = _("{what} waits", what=_here(turn, reducer.runbook))
            text = clauses((_("all steps are over") if state.waiting.what == "end" else waits, refused))
        if log is None or not log.waits or self._state.failed_undo is not None:
            return (mark, Piece(text, role))
        glyphs = self._app.glyphs
        shape = {"failing": glyphs.failing, "good": glyphs.good}.get(role, glyphs.degraded)
        return (
            Piece(f" {shape} {log.waits}  ", role if role in ("failing", "good") else "degraded"),
            Piece(text, role),
        )


def error_rows(
    errors: Sequence[LoggedError], now: datetime, glyphs: Glyphs, width: int, most: int, *, key: str
) -> list[Row]:
    """The newest ``most`` of the errors, each on one line of ``width`` cells, or on two where there is room for
    several, and how many are left, which ``key`` shows. Of those of one minute the most frequent is first: they would
    change places all the time."""
    errors = sorted(errors, key=lambda each: (max(0.0, (now - each.at).total_seconds()) // 60, -each.times))
    shown = errors if len(errors) <= most else errors[: max(1, most - 1)]
    rows: list[Row] = []
    for each in shown:
        (time, *rest) = error_row(each, now, glyphs)
        row = (Piece(time.text.lstrip(), time.role), *rest)
        text = "".join(piece.text for piece in row)
        (_start, end), *below = wrap_spans(text, width, width - len(_BELOW))
        if below and most > 1:  # there is room for a second line
            rows.append(tuple(slice_row(row, 0, end)))
            row = (Piece(_BELOW), *slice_row(row, below[0][0], len(text)))
        rows.append(cut_row(row, width))
    if len(shown) < len(errors) and most > 1:
        text = ngettext("{count} more: press {key}", "{count} more: press {key}", len(errors) - len(shown), key=key)
        rows.append((Piece(text, "muted"),))
    return rows


def _missing(reducer: RunReducer, turn: Turn | None) -> str:
    """The names of the values that a command lacks."""
    return "" if turn is None else listed(f"<{name}>" for name in reducer.missing(turn))


def _here(turn: Turn | None, runbook: Runbook) -> str:
    if turn is None:
        return ""
    step = step_of(turn.step, None if turn.command is None else runbook.steps[turn.step].commands[turn.command])
    return _("{step} on {hosts}", step=step, hosts=listed(turn.hosts)) if turn.hosts else step


def following_text(asked: Asked, who: str, *, here: str) -> str:
    """The text shown instead of keys to a follower; ``here`` names the step and its hosts, empty at the end."""
    if asked == "end":
        return _("following (press a to take over): all steps are done; {who} is in control", who=who)
    if asked == "nothing":
        return _("following (press a to take over): a command is running; {who} is in control", who=who)
    return _("following (press a to take over): {what} is waiting for {who}", what=here, who=who)
