"""What waits in a run of the Runbook pane, and the order that becomes of a person's answer.

Nothing that changes something begins on one key. What it needs of runbook/ and of the dialogs is imported when it is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.orders import RunOrders, ValuePrompts
from lilfox_tui.app.panes.runbook.state import RunbookState
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.run.reducer import RunReducer
    from lilfox_tui.runbook.run.state import Turn


class WaitingSteps:
    """Does what waits: asks for its values, shows it, has it confirmed, and orders it."""

    def __init__(self, context: PaneContext[RunbookState], values: ValuePrompts, orders: RunOrders) -> None:
        self._state, self._app = context.state, context.app
        self._values, self._orders = values, orders

    async def go_on(self, run: RunLog) -> None:
        """Does what waits in the run."""
        assert run.folding is not None
        waiting = run.folding.waiting()
        turn = waiting.turn
        if waiting.what == "nothing":
            runs = bool(run.folding.running())
            self._app.tell(tr("a command runs; S stops it") if runs else tr("it takes over what was done before"))
        elif turn is None and self._state.failed_undo is not None:
            await self._orders.end(run)  # not what somebody wanted who took it back: what stays is listed first
        elif turn is None:
            from lilfox_tui.runbook.run.protocol import FinishRun

            await self._orders.send(run, FinishRun())
        elif (folding := await self._orders.with_its_text(run)) is not None:
            await self._do_turn(run, folding, turn)

    async def retry(self, run: RunLog) -> None:
        """Runs the failed command again, where it is not done yet."""
        from lilfox_tui.runbook.control import once_more

        if (folding := await self._orders.with_its_text(run)) is None:
            return
        turn = folding.waiting().turn
        if turn is not None and await self._values.ask_missing(run, folding, turn):
            again, unknown = once_more(folding, turn)
            await self._run_turn(run, folding, again, again=bool(unknown))

    async def _do_turn(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        waiting = folding.waiting()
        if waiting.what == "hand":
            await self._by_hand(run, folding, turn)
        elif waiting.what == "decision":
            await self._decide(run, folding, turn)
        elif await self._values.ask_missing(run, folding, turn):
            await self._run_turn(run, folding, turn)

    async def _run_turn(self, run: RunLog, folding: RunReducer, turn: Turn, *, again: bool = False) -> None:
        """Runs a command, which is asked first where it changes something, needs the terminal, or may run twice."""
        from lilfox_tui.runbook.control import run_order
        from lilfox_tui.runbook.run.gate import asks_with

        if folding.command(turn).kind == "interactive":
            await self._in_terminal(run, folding, turn, again=again)
            return
        given = self._values.given(run)
        known = [folding.known.on(host) | given for host in turn.hosts or ("",)]
        asked = again or any(asks_with(folding.command(turn), values, folding.runbook) for values in known)
        if asked and not await self._confirmed(folding, turn, given, again=again):
            return
        await self._orders.send(run, run_order(turn, folding.sha256, given, again=again, seen=asked))

    async def _confirmed(self, folding: RunReducer, turn: Turn, given: dict[str, str], *, again: bool) -> bool:
        from lilfox_tui.app.panes.runbook.dialogs import confirm_rows
        from lilfox_tui.app.panes.runbook.run_dialog import RunDialog
        from lilfox_tui.runbook.control import word_to_type

        about, text = confirm_rows(folding, turn, given, again=again, glyphs=self._app.glyphs)
        word = word_to_type(folding.command(turn), turn)
        return await self._app.push_screen_wait(RunDialog(_title_of(folding, turn), about, text, word))

    async def _decide(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        """After a failure, or where nobody knows: shows what there is, and asks how to go on."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import decision_rows, decision_ways
        from lilfox_tui.runbook.control import once_more
        from lilfox_tui.runbook.run.dispatcher import half_done
        from lilfox_tui.runbook.run.protocol import LookAgain

        rows = decision_rows(folding, turn, self._app.glyphs)
        again, unknown = once_more(folding, turn)
        half = half_done(folding, turn)
        ways = decision_ways(unknown=bool(unknown), undoable=bool(folding.state().undoable), half=bool(half))
        chosen = await self._app.push_screen_wait(Options(_title_of(folding, turn), rows, ways))
        if chosen == "look":
            await self._orders.send(run, LookAgain(run=unknown))
        elif chosen == "retry":
            await self._run_turn(run, folding, again, again=bool(unknown))
        elif chosen == "skip":
            self._orders.ask_skip()
        elif chosen in ("undo", "half"):
            await self._orders.undo(run, half if chosen == "half" else "")
        elif chosen == "end":
            await self._orders.end(run)

    async def _by_hand(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import hand_rows
        from lilfox_tui.runbook.run.protocol import ByHand

        ways = [Option("enter", _("it is done"), "done"), Option("s", _("skip it"), "skip")]
        rows = hand_rows(folding.runbook.steps[turn.step], self._app.glyphs)
        chosen = await self._app.push_screen_wait(Options(_title_of(folding, turn), rows, ways))
        if chosen == "done":
            await self._orders.send(run, ByHand(step=turn.step))
        elif chosen == "skip":
            self._orders.ask_skip()

    async def _in_terminal(self, run: RunLog, folding: RunReducer, turn: Turn, *, again: bool) -> None:
        """Runs an interactive command in this terminal, and tells the job how it ended."""
        from lilfox_tui.runbook.control import in_terminal
        from lilfox_tui.runbook.run.protocol import TerminalEnded

        given = self._values.given(run)
        found = in_terminal(self._app.config, folding, turn, folding.sha256, given)
        if not await self._confirmed(folding, turn, given, again=again):
            return
        begins = found.begins
        if await self._orders.send(run, begins):
            status = self._app.step_aside_for(found.argv)
            ended = TerminalEnded(
                step=begins.step,
                command=begins.command,
                host=begins.host,
                exit_status=127 if status is None else status,
                worked=None if status is None else await self._worked(folding, turn, status),
            )
            await self._orders.send(run, ended)

    async def _worked(self, folding: RunReducer, turn: Turn, status: int) -> bool | None:
        """What the person says of a program that ended here; None leaves it to the exit status."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import worked_rows, worked_ways

        rows = worked_rows(folding.command(turn), turn.hosts, status)
        chosen = await self._app.push_screen_wait(Options(_title_of(folding, turn), rows, worked_ways(status)))
        return None if chosen is None else chosen == "worked"


def _title_of(folding: RunReducer, turn: Turn) -> str:
    """The step that a turn is of, by its number and title."""
    return f"{turn.step + 1}. {folding.runbook.steps[turn.step].title}"
