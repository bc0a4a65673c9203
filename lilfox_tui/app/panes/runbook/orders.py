"""Sends orders (run, retry, skip, undo, stop, end) from the Runbook pane to a run's job, and decides whether that is
allowed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.dialogs.prompt import Option, OptionsDialog, Prompt
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.dialogs import (
    RunDialog,
    alerts_first,
    ending_rows,
    offer_of,
    other_text_rows,
    other_text_ways,
    stop_rows,
    undo_rows,
    value_rows,
)
from lilfox_tui.app.panes.runbook.state import INCIDENT, LIST, RunbookState
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.runbook.control import other_text, stay, use_now, word_to_type
from lilfox_tui.runbook.run.gate import offered, refuse_unknown
from lilfox_tui.runbook.run.protocol import FinishRun, Skip, Stop, Undo, send
from lilfox_tui.runbook.run.variables import check_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lilfox_tui.app.rendering.draw import Row
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.model import Variable
    from lilfox_tui.runbook.run.protocol import Order
    from lilfox_tui.runbook.run.reducer import RunReducer
    from lilfox_tui.runbook.run.state import Turn


class ValuePrompts:
    """The values entered here for runs. Secret values exist only here and in the runs' jobs."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._app, self._state = context.app, context.state
        self._given: dict[str, dict[str, str]] = {}

    def given(self, run: RunLog) -> dict[str, str]:
        """The values that were given here for a run, by name."""
        return self._given.setdefault(run.job_id, {})

    async def ask_missing(self, run: RunLog, reducer: RunReducer, turn: Turn) -> bool:
        """Asks for the values that the command needs and lacks; returns whether all of them are known now."""
        known, given = {variable.name: variable for variable in reducer.runbook.variables}, self.given(run)
        hosts = turn.hosts
        for name in reducer.missing(turn):
            if name in given:
                continue
            value = await self._ask(reducer, known[name], hosts)
            if value is None:
                return False
            given[name] = value
        return True

    async def _ask(self, reducer: RunReducer, variable: Variable, hosts: tuple[str, ...]) -> str | None:
        def check(text: str) -> str:
            value = check_value(variable, text, denied=Denied())
            refuse_unknown(self._app.config, reducer.runbook, {variable.name: value})
            return value

        trouble, offers = "", []
        if variable.from_:
            self._app.tell(tr("{name}: querying the choices", name=variable.name))
        try:
            choices = await offered(self._app.config, variable, hosts)
            firing = self._state.alerts.values(reducer.runbook).get(variable.name, [])
            offers = [offer_of(each) for each in alerts_first(choices, firing)]
        except LilFoxError as error:
            trouble = str(error.message)
        asked = Prompt(
            variable.title or variable.name,
            value_rows(variable, trouble),
            check=check,
            text=(variable.default or "") or (offers[0].text or "" if len(offers) == 1 else ""),
            secret=variable.type == "secret",
            offers=offers,
        )
        answer = await self._app.push_screen_wait(asked)
        return None if answer is None else answer.text


class RunOrders:
    """Sends orders to the jobs of runs, after confirmation where necessary."""

    def __init__(self, context: PaneContext[RunbookState], values: ValuePrompts) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._values = values

    async def send(self, run: RunLog, order: Order) -> bool:
        """Sends an order to a run's job; returns whether the job accepted it. If not, shows why."""
        self._state.busy = True
        run.trouble = ""
        try:
            await send(run.folder, order)
        except LilFoxError as error:
            run.trouble = str(error.message)
            self._app.tell(error)
            return False
        finally:
            self._state.busy = False
        self._state.choose_place(None)
        return True

    async def with_its_text(self, run: RunLog) -> RunReducer | None:
        """Return the state of the run if it can continue now, else None. If its file has changed, asks which text to
        use; a new text is shown before any of it runs."""
        reducer = run.reducer
        assert reducer is not None
        other = await asyncio.to_thread(other_text, reducer)
        if other is None:
            return reducer
        asked = OptionsDialog(_("The file was changed"), other_text_rows(other), other_text_ways(other))
        chosen = await self._app.push_screen_wait(asked)
        if chosen == "now" and other.now is not None:
            if await self.send(run, await asyncio.to_thread(use_now, other.now, self._app.config.runbooks)):
                self._app.tell(tr("now using the current version of the file; enter continues"))
        elif chosen == "stay":
            return reducer if await self.send(run, stay(reducer)) else None
        elif chosen == "end":
            await self.end(run)
        return None

    def ask_skip(self) -> None:
        """Asks for a reason, and skips the command that the run waits for, with that reason."""
        run, turn = self._state.run, self._state.turn
        if run is None or turn is None:
            return

        def take(reason: str) -> None:
            if reason.strip():
                self._context.run(partial(self._skip, run, turn, reason.strip()), group="order", exclusive=True)
            else:
                self._app.tell(tr("skipping requires a reason"))

        self._app.ask_line(_("reason for skipping"), "", take, live=False, does=_("skip it"))

    async def _skip(self, run: RunLog, turn: Turn, reason: str) -> None:
        await self.send(run, Skip(step=turn.step, command=turn.command, reason=reason))

    async def undo(self, run: RunLog, half: str = "") -> None:
        """Shows how the changes will be undone (only those of the command ``half``, which failed midway, if given), and
        undoes them."""
        given = self._values.given(run)
        if (reducer := await self.with_its_text(run)) is None:
            return
        undoable = (half,) if half else reducer.state().undoable
        turns = [turn for each in undoable for turn in reducer.rollback_of(each)]
        for turn in turns:
            if not await self._values.ask_missing(run, reducer, turn):
                return
        rows, word = undo_rows(reducer, given, self._app.glyphs, half), word_to_type(reducer, *turns)
        if await self._undo_confirmed(rows, word):
            await self.send(run, Undo(sha256=reducer.sha256, run=half, values=given))

    async def _undo_confirmed(self, rows: Sequence[Row], word: str) -> bool:
        """Shows what will be undone and how; returns whether the user confirms it, by typing ``word`` if there is
        one."""
        title = _("Undo the changes")
        if word:
            return await self._app.push_screen_wait(RunDialog(title, (), rows, word))
        ways = [Option("enter", _("undo it"), "undo")]
        return await self._app.push_screen_wait(OptionsDialog(title, rows, ways)) == "undo"

    async def stop(self, run: RunLog) -> None:
        """Stops the running command; asks first if it changes something."""
        if run.reducer is None:
            return
        running = run.reducer.running()
        if any(each.kind == "change" for each in running):
            ways = [Option("enter", _("stop it"), "stop")]
            rows = stop_rows(running)
            if await self._app.push_screen_wait(OptionsDialog(_("Stop the running command"), rows, ways)) != "stop":
                return
        await self.send(run, Stop())

    async def end(self, run: RunLog) -> None:
        """Ends the run after confirmation, which lists the changes that stay."""
        assert run.reducer is not None
        assert run.state is not None
        ways = [Option("enter", _("end the run"), "end")]
        if await self._app.push_screen_wait(OptionsDialog(_("End this run"), ending_rows(run.reducer), ways)) == "end":
            await self.send(run, FinishRun(abort=run.state.waiting.what != "end"))


# Whether anything may be done from the Runbook pane now; each function says why not, in a sentence.


class Permission:
    """Decides whether the keys for runs and incidents are enabled."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._state, self._app = context.state, context.app

    def why_not_now(self) -> Message | None:
        """Why nothing can be changed now."""
        if self._app.rewound is not None:
            return tr("you are viewing the past; ` returns to now")
        if self._app.config.read_only:
            return tr("nothing can be run or written from here in read_only mode")
        return tr("busy: the previous command is still being submitted") if self._state.busy else None

    def why_not_order(self) -> Message | None:
        """Why no run can be started or controlled now, for example because somebody else is in control."""
        return self.why_not_now() or self._who_acts()

    def _who_acts(self) -> Message | None:
        run = self._state.run
        if run is not None and run.actor:
            return tr("{who} controls this run: you are following; press a to take over", who=run.actor)
        return self._who_took_over()

    def _who_took_over(self) -> Message | None:
        taken_by = self._app.acting.taken_by
        return (
            tr("{who} took over the incident: you are following; press a to take it back", who=taken_by)
            if taken_by
            else None
        )

    def why_not_here(self) -> Message | None:
        """Why nothing can be done with runs and runbooks on the page of the incident, which does not show them."""
        if self._state.column != INCIDENT:
            return None
        return tr("this page shows the incident; press esc to return to the runbooks")

    def why_no_run(self) -> Message | None:
        """Why there is no run on the screen that can be controlled."""
        if (why := self.why_not_here()) is not None:
            return why
        return self._no_run() if self._state.run is None else self.why_not_order()

    def _no_run(self) -> Message:
        """What is said where no run is in progress, and which key starts one there."""
        state, item = self._state, self._state.item
        if item is None:
            return tr("no runbook is selected")
        if state.seen is not None and state.seen.ended is None:
            return tr("the run is still starting")
        if state.killed is not None:
            resumes = tr("this run was interrupted; enter resumes it")
            return resumes if self._enter_starts() else tr("this run was interrupted")
        if state.finished:
            again = tr("this run has ended; to start another run, press a")
            return tr("this run has ended") if item.runbook is None or self.why_not_start() is not None else again
        none = tr("no run of this runbook is in progress")
        return tr("no run of this runbook is in progress; enter starts one") if self._enter_starts() else none

    def _enter_starts(self) -> bool:
        """Whether enter starts a run, or resumes one that was interrupted: it neither opens something nor is
        refused."""
        return not self.enter_opens() and self.why_not_start() is None

    def why_not_again(self) -> Message | None:
        """Why the selected runbook cannot be run another time."""
        state, item = self._state, self._state.item
        if (why := self.why_not_here()) is not None:
            return why
        if state.run is not None:
            return tr("a run of this runbook is in progress")
        if item is None or state.killed is not None or (state.seen is not None and state.seen.ended is None):
            return self._no_run()
        if item.runbook is None:  # its file is not read here
            return self.why_not_start() or self._no_run()
        if item.last is None and state.seen is None:
            never = tr("this runbook has not been run yet; enter starts a run")
            return never if self._enter_starts() else tr("this runbook has not been run yet")
        return self.why_not_start()

    def enter_opens(self) -> bool:
        """Whether enter opens the selected row or the next column, instead of running something."""
        return self._state.column == LIST or self._state.shows_less(self._app.room.width)

    def why_not_open(self) -> Message | None:
        """Why enter does nothing."""
        state, item = self._state, self._state.item
        if state.column == INCIDENT:
            return None if state.timeline.items else self.why_no_incident_to_read()
        if item is None:
            return tr(
                "no runbook is selected; clear the filter with esc, or add runbooks with runbooks: folders: "
                "[PATH] in the configuration"
            )
        if self.enter_opens() or state.finished:
            return None
        return self.why_not_start()

    def why_not_start(self) -> Message | None:
        """Why no run of the selected runbook can be started, or continued."""
        state, item = self._state, self._state.item
        if item is None:
            return None
        if item.runbook is None and item.last is not None and state.run is None:
            return tr(
                "this run has ended, and its file is not in any of the folders under runbooks: in the "
                "configuration; start another run with lilfox runbook run"
            )
        if item.runbook is None and item.job is None:
            return tr("this file has no runnable runbook; its problems are shown beside it")
        if item.problems and state.run is None:
            return tr("line {line}: {what}; no command in this file is run",
                      line=item.problems[0].line, what=item.problems[0].text)  # fmt: skip
        return self.why_not_order()

    def why_no_incident(self) -> Message | None:
        """Why nothing can be added to an incident."""
        return self.why_no_incident_to_read() or self.why_not_now()

    def why_no_incident_to_read(self) -> Message | None:
        """Why there is no incident to show."""
        return None if self._state.open_incident is not None else tr("no incident is open; press I to open one")
