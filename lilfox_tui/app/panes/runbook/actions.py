"""What can be done in the Runbook pane with its columns, and with the run of the chosen runbook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.orders import Permission, RunOrders
from lilfox_tui.app.panes.runbook.starting import WaitingSteps
from lilfox_tui.app.panes.runbook.state import RunbookState
from lilfox_tui.app.shared_actions import ListView
from lilfox_tui.core.i18n import Message, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.run.state import RunState

Context = PaneContext[RunbookState]


class ColumnActions(ActionGroup):
    """Which column has the keys, and how much is shown."""

    def __init__(self, context: Context) -> None:
        self._context, self._state = context, context.state

    @action("other-list", "tab left right", tr("other list"), tr("the next column: runbooks, steps, the command"))
    def other_list(self) -> None:
        self._state.go_column((self._state.column + 1) % 3)
        self._context.repaint_all()

    @action("zoom", "z", tr("zoom"), tr("the command and its output alone, or all columns again"))
    def zoom(self) -> None:
        self._state.toggle_zoom()
        self._context.repaint_all()

    @action("follow", "F", tr("follow"), tr("go along with the run again, and with the end of its output"))
    def follow_run(self) -> None:
        self._state.choose_place(None)
        self._state.output_top = None
        self._context.repaint()


class RunActions(ActionGroup):
    """Begins runs, and gives orders to the one that goes on."""

    def __init__(
        self, context: Context, view: ListView, permission: Permission, orders: RunOrders, waiting: WaitingSteps
    ) -> None:
        self._context, self._state = context, context.state
        self._view, self._permission, self._orders, self._waiting = view, permission, orders, waiting

    def _order(self, give: Callable[[RunLog], Awaitable[None]]) -> None:
        """Gives an order to the run that goes on, beside the keys."""
        self._context.run(partial(self._give, give), group="order", exclusive=True)

    async def _give(self, give: Callable[[RunLog], Awaitable[None]]) -> None:
        if (run := self._state.run) is not None:
            await give(run)

    def _run_state(self) -> RunState | None:
        run = self._state.run
        return None if run is None else run.state

    def _why_not_open(self) -> Message | None:
        return self._view.why_not_open()

    @action("open", "enter", tr("run"), tr("begin a run, or run what waits: what changes something is shown and asked "
            "first; in a list, open the row"), why_not=_why_not_open, footer=1)  # fmt: skip
    def open(self) -> None:
        self._view.open_selected()

    def _why_nothing_for_terminal(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "terminal":
            return tr("no command that needs a terminal waits now")
        return self._permission.why_no_run()

    @action("terminal", "x", tr("terminal"), tr("run the command that needs a terminal here; the console steps aside"),
            why_not=_why_nothing_for_terminal)  # fmt: skip
    def terminal(self) -> None:
        self._order(self._waiting.go_on)

    def _why_nothing_by_hand(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "hand":
            return tr("no step to be done by hand waits now")
        return self._permission.why_no_run()

    @action("by-hand", "H", tr("done by hand"), tr("say that the step without commands is done"),
            why_not=_why_nothing_by_hand)  # fmt: skip
    def by_hand(self) -> None:
        self._order(self._waiting.go_on)

    def _why_nothing_failed(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.what != "decision":
            return tr("the last command did not fail")
        return self._permission.why_no_run()

    @action("retry", "r", tr("try again"), tr("run the failed command again, where it is not done yet"),
            why_not=_why_nothing_failed, footer=1)  # fmt: skip
    def retry(self) -> None:
        self._order(self._waiting.retry)

    def _why_nothing_runs(self) -> Message | None:
        run = self._state.run
        if run is not None and run.folding is not None and not run.folding.running():
            return tr("no command runs now")
        return self._permission.why_no_run()

    @action("stop", "S", tr("stop"), tr("end the running command; one that follows a log ends well by this"),
            why_not=_why_nothing_runs, footer=1)  # fmt: skip
    def stop(self) -> None:
        self._order(self._orders.stop)

    def _why_nothing_waits(self) -> Message | None:
        state = self._run_state()
        if state is not None and state.waiting.turn is None:
            return tr("nothing waits now")
        return self._permission.why_no_run()

    @action("skip", "s", tr("skip"), tr("skip the step that waits, and say why"),
            why_not=_why_nothing_waits, footer=1)  # fmt: skip
    def skip(self) -> None:
        self._orders.ask_skip()

    def _why_nothing_to_undo(self) -> Message | None:
        state = self._run_state()
        if state is not None and not state.undoable:
            if state.changes:
                return tr("the runbook does not say how what was changed is taken back")
            return tr("nothing was changed by this run")
        return self._permission.why_no_run()

    @action("undo", "u", tr("undo"), tr("take back what this run changed, the last change first"),
            why_not=_why_nothing_to_undo, footer=1)  # fmt: skip
    def undo(self) -> None:
        self._order(self._orders.undo)

    def _why_no_run(self) -> Message | None:
        return self._permission.why_no_run()

    @action("end-run", "X", tr("end the run"), tr("give the run up; what it changed stays, and is listed first"),
            why_not=_why_no_run)  # fmt: skip
    def end_run(self) -> None:
        self._order(self._orders.end)
