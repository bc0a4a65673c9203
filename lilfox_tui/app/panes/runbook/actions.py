"""Actions of the Runbook pane: those on the selection, starting a run, and performing the step that the run waits
for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.prompt import Option, OptionsDialog
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.dialogs import (
    RunDialog,
    again_ways,
    beginning_rows,
    beginning_ways,
    confirm_rows,
    decision_rows,
    decision_ways,
    first_run_rows,
    hand_rows,
    resuming_rows,
    worked_rows,
    worked_ways,
)
from lilfox_tui.app.panes.runbook.incident_actions import close_and_leave
from lilfox_tui.app.panes.runbook.orders import Permission, RunOrders, ValuePrompts
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, STEPS, RunbookItem, RunbookState
from lilfox_tui.app.shared_actions import ListView
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.incident.incidents import current_folder
from lilfox_tui.runbook.control import begin, go_on, in_terminal, once_more, open_incident_for, run_order, word_to_type
from lilfox_tui.runbook.library import allow, first_run
from lilfox_tui.runbook.run.gate import asks_with
from lilfox_tui.runbook.run.persistence import newest_run, runbook_of
from lilfox_tui.runbook.run.protocol import ByHand, FinishRun, LookAgain, TerminalEnded
from lilfox_tui.runbook.run.reducer import half_done

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.model import Runbook
    from lilfox_tui.runbook.run.reducer import RunReducer
    from lilfox_tui.runbook.run.state import RunState, Turn


# Starting a run from the Runbook pane, and answering what it waits for.


# What waits in a run of the Runbook pane, and the order that becomes of a person's answer.
#
# Nothing that changes something begins on one key.


class WaitingSteps:
    """Performs the step that a run waits for: asks for its values, shows it, asks for confirmation, and tells the run's
    job to run it."""

    def __init__(self, context: PaneContext[RunbookState], values: ValuePrompts, orders: RunOrders) -> None:
        self._state, self._app = context.state, context.app
        self._values, self._orders = values, orders

    async def go_on(self, run: RunLog) -> None:
        """Performs the waiting step of the run."""
        assert run.reducer is not None
        waiting = run.reducer.waiting()
        turn = waiting.turn
        if waiting.what == "nothing":
            runs = bool(run.reducer.running())
            self._app.tell(tr("a command is running; C stops it") if runs else tr("loading the run's earlier progress"))
        elif turn is None and self._state.failed_undo is not None:
            await self._orders.end(run)  # not what somebody wanted who took it back: what stays is listed first
        elif turn is None:
            await self._orders.send(run, FinishRun())
        elif (reducer := await self._orders.with_its_text(run)) is not None:
            await self._do_turn(run, reducer, turn)

    async def retry(self, run: RunLog) -> None:
        """Runs the failed command again on the hosts where it is not done yet."""
        if (reducer := await self._orders.with_its_text(run)) is None:
            return
        turn = reducer.waiting().turn
        if turn is not None and await self._values.ask_missing(run, reducer, turn):
            again, unknown = once_more(reducer, turn)
            await self._run_turn(run, reducer, again, again=bool(unknown))

    async def _do_turn(self, run: RunLog, reducer: RunReducer, turn: Turn) -> None:
        waiting = reducer.waiting()
        if waiting.what == "hand":
            await self._by_hand(run, reducer, turn)
        elif waiting.what == "decision":
            await self._decide(run, reducer, turn)
        elif await self._values.ask_missing(run, reducer, turn):
            await self._run_turn(run, reducer, turn)

    async def _run_turn(self, run: RunLog, reducer: RunReducer, turn: Turn, *, again: bool = False) -> None:
        """Runs a command. Asks first if the command changes something, needs the terminal, or would run a second
        time."""
        if reducer.command(turn).kind == "interactive":
            await self._in_terminal(run, reducer, turn, again=again)
            return
        given = self._values.given(run)
        known = [reducer.known.on(host) | given for host in turn.hosts or ("",)]
        asked = again or any(asks_with(reducer.command(turn), values, reducer.runbook) for values in known)
        if asked and not await self._confirmed(reducer, turn, given, again=again):
            return
        await self._orders.send(run, run_order(turn, reducer.sha256, given, again=again, seen=asked))

    async def _confirmed(self, reducer: RunReducer, turn: Turn, given: dict[str, str], *, again: bool) -> bool:
        about, text = confirm_rows(reducer, turn, given, again=again, glyphs=self._app.glyphs)
        word = word_to_type(reducer, turn)
        return await self._app.push_screen_wait(RunDialog(_title_of(reducer, turn), about, text, word))

    async def _decide(self, run: RunLog, reducer: RunReducer, turn: Turn) -> None:
        """Shows what is known after a failure or an unknown result, and asks how to continue."""
        rows = decision_rows(reducer, turn, self._app.glyphs)
        again, unknown = once_more(reducer, turn)
        half = half_done(reducer, turn)
        ways = decision_ways(unknown=bool(unknown), undoable=bool(reducer.state().undoable), half=bool(half))
        chosen = await self._app.push_screen_wait(OptionsDialog(_title_of(reducer, turn), rows, ways))
        if chosen == "look":
            await self._orders.send(run, LookAgain(run=unknown))
        elif chosen == "retry":
            await self._run_turn(run, reducer, again, again=bool(unknown))
        elif chosen == "skip":
            self._orders.ask_skip()
        elif chosen in ("undo", "half"):
            await self._orders.undo(run, half if chosen == "half" else "")
        elif chosen == "end":
            await self._orders.end(run)

    async def _by_hand(self, run: RunLog, reducer: RunReducer, turn: Turn) -> None:
        ways = [Option("enter", _("it is done"), "done"), Option("minus", _("skip it"), "skip")]
        rows = hand_rows(reducer.runbook.steps[turn.step], self._app.glyphs)
        chosen = await self._app.push_screen_wait(OptionsDialog(_title_of(reducer, turn), rows, ways))
        if chosen == "done":
            await self._orders.send(run, ByHand(step=turn.step))
        elif chosen == "skip":
            self._orders.ask_skip()

    async def _in_terminal(self, run: RunLog, reducer: RunReducer, turn: Turn, *, again: bool) -> None:
        """Runs an interactive command in this terminal, and reports its result to the job."""
        given = self._values.given(run)
        found = in_terminal(self._app.config, reducer, turn, reducer.sha256, given)
        if not await self._confirmed(reducer, turn, given, again=again):
            return
        begins = found.begins
        if await self._orders.send(run, begins):
            status = self._app.step_aside_for(found.argv)
            ended = TerminalEnded(
                step=begins.step,
                command=begins.command,
                host=begins.host,
                exit_status=127 if status is None else status,
                worked=None if status is None else await self._worked(reducer, turn, status),
            )
            await self._orders.send(run, ended)

    async def _worked(self, reducer: RunReducer, turn: Turn, status: int) -> bool | None:
        """Asks the user whether the interactive program succeeded; None means that its exit status decides."""
        rows = worked_rows(reducer.command(turn), turn.hosts, status)
        chosen = await self._app.push_screen_wait(OptionsDialog(_title_of(reducer, turn), rows, worked_ways(status)))
        return None if chosen is None else chosen == "worked"


def _title_of(reducer: RunReducer, turn: Turn) -> str:
    """The number and title of a turn's step."""
    return f"{turn.step + 1}. {reducer.runbook.steps[turn.step].title}"


VALUES_S = 1.0
"""Until a run that was just begun has its values; one that needs others waits for them."""
OPENED_S = 30.0
"""So long a job that has begun has to open its run."""


class RunStarter:
    """Starts a run of the selected runbook, or performs the step that its run waits for."""

    def __init__(self, context: PaneContext[RunbookState], waiting: WaitingSteps) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._waiting = waiting

    async def begin_or_go_on(self) -> None:
        """Starts a run. If one is in progress, performs the step that it waits for; if another step is selected, only
        selects that step."""
        state = self._state
        run, turn = state.run, state.turn
        if run is None:
            await self._begin()
        elif turn is not None and state.place not in (state.place_of(turn), (turn.step, None)):
            state.choose_place(None)
            self._app.tell(tr("this step is waiting; press enter again to run it"))
        else:
            await self._waiting.go_on(run)
        self._context.repaint_all()

    def open_result(self) -> None:
        """Shows the result of the run that has ended: where it failed, or its last step and output. Reads it first if
        nobody has looked at it here."""
        state = self._state
        if (item := state.item) is None or not (job := state.finished):
            return
        state.last_run[item.key] = job
        self._app.attach(job)
        state.choose_item(item.key)
        state.choose_place(None)
        state.output_top = None
        state.column = COMMAND
        self._context.repaint_all()

    async def begin_again(self) -> None:
        """Starts another run of the selected runbook, after a question."""
        if (item := self._state.item) is not None and item.runbook is not None:
            await self._begin_anew(item)
            self._context.repaint_all()

    async def _begin(self) -> None:
        item, log = self._state.item, self._state.seen
        if item is None:
            return
        if log is not None and log.ended is None:
            self._app.tell(tr("the run is still starting"))
        elif self._state.killed is not None:
            await self._resume(item)
        elif item.runbook is not None:
            await self._begin_anew(item)

    async def _begin_anew(self, item: RunbookItem) -> None:
        runbook = item.runbook
        assert runbook is not None
        if not await self._allowed(runbook):
            return
        incident = await self._incident_for(item)
        if incident is None:
            return
        app, values = self._app, self._state.values_of_cause(runbook)
        path = app.monitor.backups.config_path
        await self._begin_job(item, lambda: begin(runbook, app.config, path, values=values, incident=incident))

    async def _allowed(self, runbook: Runbook) -> bool:
        """Return whether the runbook may run on this machine. Asks on the first run of a file that nobody has approved
        yet."""
        first = await asyncio.to_thread(first_run, runbook, self._app.config.runbooks)
        if first is None:
            return True
        ways = [Option("y", _("allow it"), "allow")]
        if (
            await self._app.push_screen_wait(OptionsDialog(_("Approve this runbook"), first_run_rows(first), ways))
            != "allow"
        ):
            return False
        await asyncio.to_thread(allow, first)
        return True

    async def _incident_for(self, item: RunbookItem) -> str | None:
        """Return the id of the incident that the run will belong to, empty for none; None if the user cancels."""
        there = await asyncio.to_thread(current_folder)  # what is shown may not have it yet
        again = self._state.seen is not None or (item.last is not None and not item.alert)
        if there is not None and not again:
            return there.name
        runbook = item.runbook
        assert runbook is not None
        cause = self._state.alerts.cause_of_run(runbook)
        rows = beginning_rows(runbook, cause, self._state.values_of_cause(runbook), self._app.config)
        title = _("Run {title} again", title=runbook.title) if again else _("Run {title}", title=runbook.title)
        incident = "" if there is None else there.name
        ways = again_ways(runbook, cause, incident) if again else beginning_ways(runbook, cause)
        chosen = await self._app.push_screen_wait(OptionsDialog(title, rows, ways))
        if chosen != "with":
            return None if chosen is None else incident
        told = ("", "") if cause is None else (cause.title, cause.severity)
        opened = await asyncio.to_thread(open_incident_for, runbook, cause=told[0], severity=told[1])
        self._app.monitor.incidents.look_again()
        return opened

    async def _resume(self, item: RunbookItem) -> None:
        """Resumes a run whose job was killed, or starts a new one, as the user chooses."""
        job, app = item.job, self._app
        assert job is not None
        ways = [Option("enter", _("resume where it stopped"), "on")]
        if item.runbook is not None:
            ways.append(Option("n", _("start a new run"), "anew"))
        chosen = await app.push_screen_wait(OptionsDialog(_("This run was interrupted"), resuming_rows(job), ways))
        if chosen == "anew":
            await self._begin_anew(item)
        elif chosen == "on" and await self._allowed(await asyncio.to_thread(lambda: runbook_of(newest_run(job.id)))):
            await self._begin_job(item, lambda: go_on(job.id, app.config, app.monitor.backups.config_path))

    async def _begin_job(self, item: RunbookItem, begin: Callable[[], str]) -> None:
        """Starts a job, waits until it has opened the run, and runs the first command at once if that is read-only."""
        state = self._state
        state.busy = True
        try:
            job = await asyncio.to_thread(begin)
            state.last_run[item.key] = job
            log = self._app.attach(job)
            async with asyncio.timeout(OPENED_S):
                while (log.reducer is None or log.reducer.taking_over) and log.ended is None:
                    await log.next_change()
        except TimeoutError:
            self._app.tell(tr("job {id} is running but has not started the runbook run yet", id=job))
            return
        finally:
            state.busy = False
        if log.ended is not None:
            raise LilFoxError(log.ended.message, log.ended.hint)
        state.choose_item(item.key)
        state.choose_place(None)
        state.column = max(state.column, STEPS)
        with suppress(TimeoutError):  # the values that it was begun with come in lines of their own
            async with asyncio.timeout(VALUES_S):
                while log.state is not None and log.state.waiting.what == "value":
                    await log.next_change()
        if log.state is not None and log.state.waiting.what == "order":
            await self._waiting.go_on(log)


# What can be done in the Runbook pane with its columns, and with the run of the chosen runbook.


Context = PaneContext[RunbookState]


class ColumnActions(ActionGroup):
    """Actions that choose the active column and how much is shown."""

    TASK = tr("Display")

    def __init__(self, context: Context, permission: Permission) -> None:
        self._context, self._state, self._permission = context, context.state, permission

    @action(
        "other-list", "tab left right", tr("other list"), tr("go to the next part: runbooks, steps, command, incident")
    )
    def other_list(self) -> None:
        self._state.next_column()
        self._context.repaint_all()

    @action("zoom", "z", tr("zoom"), tr("show only the command and its output, or all columns"))
    def zoom(self) -> None:
        self._state.toggle_zoom()
        self._context.repaint_all()

    def _why_not_here(self) -> Message | None:
        return self._permission.why_not_here()

    @action("follow", "f", tr("follow"), tr("resume following the run and its latest output"), why_not=_why_not_here)
    def follow_run(self) -> None:
        self._state.choose_place(None)
        self._state.output_top = None
        self._context.repaint()


class RunActions(ActionGroup):
    """Actions that start runs and that control the current one."""

    TASK = tr("Runs")

    def __init__(
        self,
        context: Context,
        view: ListView,
        permission: Permission,
        orders: RunOrders,
        waiting: WaitingSteps,
        starter: RunStarter,
    ) -> None:
        self._context, self._state = context, context.state
        self._view, self._permission, self._orders = view, permission, orders
        self._waiting, self._starter = waiting, starter

    def _order(self, give: Callable[[RunLog], Awaitable[None]]) -> None:
        """Calls ``give`` with the current run, in the background."""
        self._context.run(partial(self._give, give), group="order", exclusive=True)

    async def _give(self, give: Callable[[RunLog], Awaitable[None]]) -> None:
        if (run := self._state.run) is not None:
            await give(run)

    def _shown_run(self) -> RunLog | None:
        return None if self._permission.why_not_here() is not None else self._state.run

    def _run_state(self) -> RunState | None:
        run = self._shown_run()
        return None if run is None else run.state

    def _why_not_open(self) -> Message | None:
        return self._view.why_not_open()

    def _what_enter_does(self) -> Message | None:
        if self._permission.enter_opens() or self._state.column == INCIDENT:
            return tr("open")
        if self._state.finished:
            return tr("result")
        state = self._run_state()
        ways = {
            "confirm": tr("review"),
            "value": tr("value"),
            "hand": tr("mark done"),
            "decision": tr("options"),
            "end": tr("end the run"),
        }
        return None if state is None else ways.get(state.waiting.what)

    @action(
        "open",
        "enter",
        tr("run"),
        tr(
            "open the row, start a run, or run the waiting step: changes are shown and confirmed first; after a run, "
            "open its result"
        ),
        why_not=_why_not_open,
        footer=1,
        now=_what_enter_does,
    )
    def open(self) -> None:
        self._view.open_selected()

    def _shows_runs(self) -> bool:
        return self._permission.why_not_here() is None

    def _why_not_again(self) -> Message | None:
        return self._permission.why_not_again()

    @action("run-again", "", tr("start again"), tr("start another run from the first step"),
            why_not=_why_not_again, fits=_shows_runs)  # fmt: skip
    def run_again(self) -> None:
        self._context.run(self._starter.begin_again, group="order", exclusive=True)

    def _why_nothing_for_terminal(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "terminal":
            return tr("no command is waiting for a terminal")
        return self._permission.why_no_run()

    @action("terminal", "x", tr("terminal"), tr("run the waiting command in this terminal; suspends the console"),
            why_not=_why_nothing_for_terminal, fits=_shows_runs)  # fmt: skip
    def terminal(self) -> None:
        self._order(self._waiting.go_on)

    def _why_nothing_by_hand(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "hand":
            return tr("no manual step is waiting")
        return self._permission.why_no_run()

    @action("by-hand", "H", tr("mark done"), tr("mark the waiting manual step as done"),
            why_not=_why_nothing_by_hand, fits=_shows_runs)  # fmt: skip
    def by_hand(self) -> None:
        self._order(self._waiting.go_on)

    def _why_nothing_failed(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "decision":
            return tr("the last command did not fail")
        return self._permission.why_no_run()

    @action("retry", "R", tr("retry"), tr("retry the failed command; not where it has succeeded"),
            why_not=_why_nothing_failed, footer=1, fits=_shows_runs)  # fmt: skip
    def retry(self) -> None:
        self._order(self._waiting.retry)

    def _why_nothing_runs(self) -> Message | None:
        run = self._shown_run()
        if run is not None and run.reducer is not None and not run.reducer.running():
            return tr("no command is running")
        return self._permission.why_no_run()

    @action("stop", "C", tr("stop"), tr("stop the running command; a command that follows a log then counts as "
                                        "successful"),
            why_not=_why_nothing_runs, footer=1, fits=_shows_runs)  # fmt: skip
    def stop(self) -> None:
        self._order(self._orders.stop)

    def _why_nothing_waits(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.turn is None:
            return tr("no step is waiting")
        return self._permission.why_no_run()

    @action("skip", "minus", tr("skip"), tr("skip the waiting step, with a reason"),
            why_not=_why_nothing_waits, footer=1, fits=_shows_runs)  # fmt: skip
    def skip(self) -> None:
        self._orders.ask_skip()

    def _why_nothing_to_undo(self) -> Message | None:
        state = self._run_state()
        if state is not None and not state.undoable:
            if state.changes:
                return tr("the runbook does not define how to undo the changes")
            return tr("this run has no changes to undo")
        seen = self._state.seen
        if self._state.finished and seen is not None and seen.state is not None and seen.state.changes:
            return tr("this run has ended: u cannot undo its changes any more; run the rollback commands yourself")
        return self._permission.why_no_run()

    @action("undo", "u", tr("undo"), tr("undo this run's changes, latest first"),
            why_not=_why_nothing_to_undo, footer=1, fits=_shows_runs)  # fmt: skip
    def undo(self) -> None:
        self._order(self._orders.undo)

    def _why_nothing_ends(self) -> Message | None:
        on_page = self._state.column == INCIDENT
        return self._permission.why_no_incident() if on_page else self._permission.why_no_run()

    def _what_ends(self) -> Message | None:
        return tr("close the incident") if self._state.column == INCIDENT else None

    @action("end-run", "X", tr("end the run"), tr("abandon the run, or close the incident on its page; what is in "
                                                  "force is listed first and stays"),
            why_not=_why_nothing_ends, footer=2, now=_what_ends, fits=_shows_runs)  # fmt: skip
    def end_run(self) -> None:
        if self._state.column != INCIDENT:
            self._order(self._orders.end)
        elif (incident := self._state.open_incident) is not None:
            self._context.run(partial(close_and_leave, self._context, incident), group="course", exclusive=True)
