"""Draws the rows of the Runbook pane from its state. Imported when the pane is first shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.rows import (
    Of,
    Outputs,
    RunbookStyle,
    about_row,
    command_row,
    item_row,
    prose_rows,
    state_mark,
    step_row,
    text_rows,
    title_row_of,
    waiting_text,
)
from lilfox_tui.app.panes.runbook.state import COMMAND, LIST, STEPS, RunbookItem, RunbookState
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.incidents import as_it_was, timeline_rows
from lilfox_tui.app.widgets import Lines, RowsOnDemand, more_below
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, fit_middle, human_duration
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run.gate import words
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import Asked, CommandResult, CommandState, RunState, Turn, hosts_of

LEFT, MIDDLE = (28, 40), (34, 56)
LOW = 14
"""Rows of the pane from which the timeline is shown."""
MOST_WAITING = 5
"""Lines of what waits, at most: of a failure the reason in full."""


class Drawing:
    """Makes the rows of the Runbook pane."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._state, self._app = context.state, context.app
        self._outputs = Outputs()

    @property
    def _now(self) -> datetime:
        """The time from which ages are computed (aware UTC); the present on a rewound screen, because runs are not
        rewound."""
        return self._app.clock if self._app.rewound is None else datetime.now(UTC)  # runs are shown as they are

    # ---- where things stand ----------------------------------------------------------------------------------------

    def widths(self) -> tuple[int, int, int]:
        """The widths of the three columns in cells; 0 for hidden ones."""
        state = self._state
        width, column = self._app.room.width, state.column
        count = state.side_by_side(width)
        if count == 1:
            return width if column == LIST else 0, width if column == STEPS else 0, width if column == COMMAND else 0
        left = min(max(LEFT[0], width // 4), LEFT[1])
        middle = min(max(MIDDLE[0], width * 3 // 10), MIDDLE[1])
        if count == 3:
            return left, middle, width - left - middle
        if column == LIST:
            return max(left, width * 2 // 5), width - max(left, width * 2 // 5), 0
        return 0, middle, width - middle

    def heights(self) -> tuple[int, int]:
        """The heights, in rows, of the text about what the run waits for and of the timeline."""
        height = self._app.room.height
        view = self._state.incident
        entries = 0 if view is None or view.incident is None else len(view.entries)
        timeline = 0 if height < LOW or not entries else min(entries + 1, max(4, height // 4))
        return len(self.waiting_rows()), timeline

    def style(self, width: int) -> RunbookStyle:
        """The style for a part of that width."""
        return RunbookStyle(width, self._app.glyphs, self._now)

    # ---- the list ----------------------------------------------------------------------------------------------

    def list_rows(self, lines: Lines, width: int) -> tuple[Sequence[Row], int | None]:
        """The runbooks under their title, and the index of the highlighted one."""
        state = self._state
        items, item = state.items, state.item
        title = _("RUNBOOKS")
        if state.filter:
            title = f"{title}  /{state.filter}" + ("" if state.only_matching else " " + _("(matches marked)"))
        head: Row = (Piece(f" {title}", "title"), Piece(f"  {len(items)}  {more_below(lines.hidden_below)}", "muted"))
        if not items:
            return [head, BLANK, *wrapped([(Piece("  "), Piece(self._why_none(), "muted"))], width - 1)], None
        here = state.column == LIST
        at = items.index(item) if item is not None else None

        def make(place: int) -> Row:
            return self._item(items[place], width, marked=place == at and not here)

        return RowsOnDemand([head], len(items), make), None if at is None or not here else at + 1

    def _item(self, item: RunbookItem, width: int, *, marked: bool) -> Row:
        glyphs, right = self._app.glyphs, Piece("", "muted")
        log = self._state.run_of(item)
        if log is not None and log.ended is None and log.state is not None:
            turn = log.turn
            number = len(log.state.steps) if turn is None else turn.step + 1
            bad = log.state.waiting.what == "decision"
            mark = Piece(glyphs.failing if bad else glyphs.job, "failing" if bad else "accent")
            right = Piece(f"{number}/{len(log.state.steps)}", mark.role)
        elif item.job is not None and item.job.state == "running":
            mark = Piece(glyphs.job, "accent")
        elif self._state.cut_off(item):
            mark, right = Piece("?", "failing"), Piece(_("interrupted"), "failing")
        elif log is not None and log.ended is not None:
            good = log.ended.state == "ok"
            mark = Piece(glyphs.done, "good") if good else Piece(glyphs.failing, "degraded")
        elif item.problems:
            mark = Piece(glyphs.failing, "failing")
        elif item.alert:
            mark = Piece(glyphs.alert, "failing")
        else:
            mark = Piece(" ", "muted")
        if item.origin and not right.text:
            right = Piece(fit_middle(item.origin, min(cell_width(item.origin), width // 3)), "muted")
        return item_row(mark, item.title, right, width, marked=marked)

    def _why_none(self) -> str:
        state = self._state
        if isinstance(self._app.monitor.runbooks.feed.state, Unavailable):
            return str(self._app.monitor.runbooks.feed.state.error)
        if state.view is None:
            return _("loading")
        return _("no matching runbook") if state.filter else _("no runbooks; configure runbooks: folders: [PATH]")

    # ---- the steps ----------------------------------------------------------------------------------------------

    def step_rows(self, lines: Lines, width: int) -> tuple[Sequence[Row], int | None]:
        """The steps under the runbook's title, and the index of the highlighted one."""
        shown = self._state
        runbook, item = shown.runbook, shown.item
        if runbook is None:
            rows: list[Row] = [(Piece(" " + _("STEPS"), "title"),), BLANK]
            problems = () if item is None else item.problems
            rows += [(Piece(f"  {each.line:>4}  ", "muted"), Piece(each.text, "failing")) for each in problems]
            return wrapped(rows, width - 1), None
        places, here = shown.places, shown.column == STEPS
        below = more_below(lines.hidden_below)
        head: Row = (Piece(f" {runbook.title}", "title"), Piece(f"  {below}" if below else "", "muted"))
        state = None if shown.seen is None else shown.seen.state
        turn = shown.turn
        at = places.index(shown.place) if shown.place in places else None
        next_place = None if turn is None else shown.place_of(turn)

        def make(index: int) -> Row:
            step, number = places[index]
            marked = index == at and not here
            style = self.style(width)
            if number is None:
                of_step = "ready" if state is None else state.steps[step].state
                is_here = next_place is not None and next_place[0] == step
                return step_row(step, runbook.steps[step], of_step, style, here=is_here, marked=marked)
            of_command = "ready" if state is None else state.steps[step].commands[number].state
            is_here = next_place == (step, number)
            return command_row(runbook.steps[step].commands[number], of_command, style, here=is_here, marked=marked)

        return RowsOnDemand([head], len(places), make), None if at is None or not here else at + 1

    # ---- the command -------------------------------------------------------------------------------------------------

    def command_rows(self, width: int) -> list[Row]:
        """The selected command as it will run, or the text of the selected step."""
        state = self._state
        runbook = state.runbook
        if runbook is None or not runbook.steps:
            return []
        return [*self._problem_rows(width), *self._place_rows(runbook, width)]

    def _problem_rows(self, width: int) -> list[Row]:
        """All problems of the file, in full, above the text that cannot be run because of them."""
        state = self._state
        if state.item is None or state.seen is not None:
            return []
        rows = [(Piece(f" {each.line:>4}  ", "muted"), Piece(each.text, "failing")) for each in state.item.problems]
        return [*wrapped(rows, width - 1), BLANK] if rows else []

    def _place_rows(self, runbook: Runbook, width: int) -> list[Row]:
        """The text and commands of the selected step, or the selected command."""
        state = self._state
        step = state.place[0]
        style = self.style(width)
        found = state.command
        rows = prose_rows(step, runbook.steps[step], style)
        if found is None:
            if not runbook.steps[step].commands:
                rows += [BLANK, (Piece("    "), Piece(_("This is a manual step."), "muted"))]
            for number, command in enumerate(runbook.steps[step].commands):
                hosts = self._hosts(step, number)
                rows += [BLANK, *about_row(command, hosts, style)]
                rows += text_rows(command, state.values_on(hosts), runbook.variables, style)
            return rows
        _step, number, command = found
        if state.place[1] is not None:
            rows = [title_row_of(step, runbook.steps[step])]  # the step's words stand at the step
        rows += [BLANK] if self._app.room.height >= LOW else []
        hosts = self._hosts(step, number)
        rows += about_row(command, hosts, style)
        if command.comment:
            rows += wrapped([(Piece("   "), Piece(line, "muted")) for line in command.comment.split("\n")], width - 1)
        return rows + text_rows(command, state.values_on(hosts), runbook.variables, style)

    def _hosts(self, step: int, number: int) -> tuple[str, ...]:
        state = self._state
        log, runbook = state.seen, state.runbook
        assert runbook is not None
        if log is not None and log.state is not None:
            command: CommandState = log.state.steps[step].commands[number]
            return command.hosts
        try:
            known = words(self._app.config, runbook)
        except LilFoxError:
            return ()
        return hosts_of(runbook.steps[step].commands[number], runbook, known, state.values)

    # ---- what became of it ----------------------------------------------------------------------

    def output_rows(
        self, results: Sequence[CommandResult], width: int, top: int | None, room: int
    ) -> tuple[Sequence[Row], int]:
        """The rows of a command's output on these hosts, and how many rows at the top do not scroll. ``top`` is the
        first visible row of the rest, None for the end; ``room`` is the number of rows available."""
        log, found = self._state.seen, self._state.command
        assert log is not None
        assert log.reducer is not None
        place = log.reducer.place(results[0].run)
        if place is None:
            return (), 0
        last = found is not None and found[:2] != (place[0].step, place[0].command)
        kept = [(result, log.kept(result)) for result in results]
        return self._outputs.rows(Of(place[0].step, place[1], last), kept, self.style(width), top, room)

    # ---- below ----------------------------------------------------------------------------------------------

    def waiting_rows(self) -> list[Row]:
        """What the run waits for, or what went wrong, wrapped; cut off if there is not enough room."""
        room = self._app.room
        most = 0 if room.height < 6 else min(MOST_WAITING, room.height // 4)
        said = [*self._of_failed_undo(), self._waiting_row()]
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
            return (mark, Piece(_("the job was interrupted: enter resumes the run"), "failing"))
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
        if item.alert:
            return (mark, Piece(self._of_alert(item.alert), "accent"))
        if (last := item.last) is not None and last.ended is not None:
            return self._of_ended(last.state, last.message, last.ended, f"{last.user}@{last.host}")
        return (mark, Piece(self._of_new(), "muted"))

    def _of_alert(self, alert: str) -> str:
        """The text about a runbook for a firing alert: what enter does."""
        if self._state.column == LIST:
            return _("runbook for firing alert {alert}: enter opens the steps", alert=alert)
        if self._state.shows_less(self._app.room.width):
            return _(
                "runbook for firing alert {alert}: enter shows the command, enter again starts a run",
                alert=alert,
            )
        return _("runbook for firing alert {alert}: enter starts a run", alert=alert)

    def _of_new(self) -> str:
        """The text about a runbook that has never run: what enter does."""
        if self._state.column == LIST:
            return _("enter opens the steps; enter again starts a run; changes are confirmed first")
        if self._state.shows_less(self._app.room.width):
            return _("enter shows the command; enter again starts a run; changes are confirmed first")
        return _("enter starts a run; nothing changes until you have seen and confirmed it")

    def _of_ended(self, state: str, message: str, at: datetime, by: str) -> Row:
        """The last run: who, when, how it ended."""
        good, ago = state == "ok", human_duration(max(0.0, (self._now - at).total_seconds()))
        text = _("last run, by {who}, ended {time} ago: {message}", who=by, time=ago, message=message)
        mark = state_mark("done" if good else "failed", self._app.glyphs)
        return (Piece(" "), mark, Piece(f" {text}", "good" if good else "degraded"))

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

    def _of_run(self, state: RunState, reducer: RunReducer, mark: Piece) -> Row:
        running, log = reducer.running(), self._state.seen
        if log is not None and log.actor:
            said = following_text(state.waiting.what, log.actor, here=_here(state.waiting.turn))
            return (mark, Piece(said, "degraded"))
        if state.runs_all:
            return (mark, Piece(_("running all remaining steps automatically"), "accent"))
        if running and state.waiting.what == "nothing":
            first = running[0]
            place = reducer.place(first.run)
            number = 0 if place is None else place[0].step + 1
            hosts = listed(each.host for each in running)
            text = _("step {number} is running on {hosts}: C stops it", number=number, hosts=hosts)
            if first.link_lost:
                text = _(
                    "step {number} is running on {hosts}: connection lost, waiting to reconnect",
                    number=number,
                    hosts=hosts,
                )
            return (Piece(f" {self._app.glyphs.job} ", "accent"), Piece(text, "accent"))
        turn = state.waiting.turn
        states = {step.state for step in state.steps}
        states |= {command.state for step in state.steps for command in step.commands}
        if self._state.failed_undo is not None:
            states.discard("undone")
        undoable = bool(state.undoable)
        text, role = waiting_text(state.waiting.what, here=_here(turn), undoable=undoable, states=states)
        return (mark, Piece(text, role))

    def timeline_rows(self, rows: int, width: int) -> list[Row]:
        """The incident, and its newest entries in chronological order."""
        state = self._state
        view, until = state.incident, self._app.rewound
        if view is None or view.incident is None or rows == 0:
            return []
        if until is None:
            return timeline_rows(view.incident, view.entries, self._now, rows, width)
        then = as_it_was(view.incident, view.entries, until)
        if then is None:
            text = _("{id} was not open yet", id=view.incident.id)
            return [(Piece(f" {text}", "muted"),)]
        return timeline_rows(*then, until, rows, width)


def _here(turn: Turn | None) -> str:
    if turn is None:
        return ""
    step = _("step {number}", number=turn.step + 1)
    return _("{step} on {hosts}", step=step, hosts=listed(turn.hosts)) if turn.hosts else step


def following_text(asked: Asked, who: str, *, here: str) -> str:
    """The text shown instead of keys to a follower; ``here`` names the step and its hosts, empty at the end."""
    if asked == "end":
        return _("following (a takes over): all steps are done; {who} is in control", who=who)
    if asked == "nothing":
        return _("following (a takes over): a command is running; {who} is in control", who=who)
    return _("following (a takes over): {what} is waiting for {who}", what=here, who=who)
