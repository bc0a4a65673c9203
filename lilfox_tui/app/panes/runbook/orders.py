"""What a person orders of a run in the Runbook pane: values that are asked for, and what is confirmed first.

What it needs of runbook/ and of the dialogs is imported when it is asked for."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.state import RunbookState
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.model import Variable
    from lilfox_tui.runbook.run.protocol import Order
    from lilfox_tui.runbook.run.reducer import RunReducer
    from lilfox_tui.runbook.run.state import Turn


class ValuePrompts:
    """The values of runs that are given here; secret ones too, which are nowhere else but in their jobs."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._app = context.app
        self._given: dict[str, dict[str, str]] = {}

    def given(self, run: RunLog) -> dict[str, str]:
        """The values that were given here for a run, by name."""
        return self._given.setdefault(run.job_id, {})

    async def ask_missing(self, run: RunLog, folding: RunReducer, turn: Turn) -> bool:
        """Whether every value that the command needs is there; asks for those that are not."""
        known, given = {variable.name: variable for variable in folding.runbook.variables}, self.given(run)
        hosts = turn.hosts
        for name in folding.missing(turn):
            if name in given:
                continue
            value = await self._ask(folding, known[name], hosts)
            if value is None:
                return False
            given[name] = value
        return True

    async def _ask(self, folding: RunReducer, variable: Variable, hosts: tuple[str, ...]) -> str | None:
        from lilfox_tui.app.dialogs.prompt import Prompt
        from lilfox_tui.app.panes.runbook.dialogs import offer_of, value_rows
        from lilfox_tui.hosts.addresses import Denied
        from lilfox_tui.runbook.run.targets import offered, refuse_unknown
        from lilfox_tui.runbook.run.variables import check_value

        def check(text: str) -> str:
            value = check_value(variable, text, denied=Denied())
            refuse_unknown(self._app.config, folding.runbook, {variable.name: value})
            return value

        trouble, offers = "", []
        if variable.from_:
            self._app.tell(tr("{name}: asking what there is to choose", name=variable.name))
        try:
            offers = [offer_of(each) for each in await offered(self._app.config, variable, hosts)]
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
    """Gives orders to the jobs of runs, once a person has confirmed what needs that."""

    def __init__(self, context: PaneContext[RunbookState], values: ValuePrompts) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._values = values

    async def send(self, run: RunLog, order: Order) -> bool:
        """Gives an order; whether it was taken, else why not is told."""
        from lilfox_tui.runbook.run.protocol import send

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
        """The run, where its file says what it has, or it stays with what it has; None where nothing is to be done now.
        Where the file was changed meanwhile somebody is asked; what it says now is shown before anything of it runs."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import other_text_rows, other_text_ways
        from lilfox_tui.runbook.control import other_text, stay, use_now

        folding = run.folding
        assert folding is not None
        other = await asyncio.to_thread(other_text, folding)
        if other is None:
            return folding
        asked = Options(_("The file was changed"), other_text_rows(other), other_text_ways(other))
        chosen = await self._app.push_screen_wait(asked)
        if chosen == "now" and other.now is not None:
            if await self.send(run, await asyncio.to_thread(use_now, other.now, self._app.config.runbooks)):
                self._app.tell(tr("this is what the file says now; enter goes on"))
        elif chosen == "stay":
            return folding if await self.send(run, stay(folding)) else None
        elif chosen == "end":
            await self.end(run)
        return None

    def ask_skip(self) -> None:
        """Asks for the reason, and skips with it what waits."""
        run, turn = self._state.run, self._state.turn
        if run is None or turn is None:
            return

        def take(reason: str) -> None:
            if reason.strip():
                self._context.run(partial(self._skip, run, turn, reason.strip()), group="order", exclusive=True)
            else:
                self._app.tell(tr("nothing is skipped without a reason"))

        self._app.ask_line(_("why is it skipped? enter skips, esc leaves"), "", take, live=False)

    async def _skip(self, run: RunLog, turn: Turn, reason: str) -> None:
        from lilfox_tui.runbook.run.protocol import Skip

        await self.send(run, Skip(step=turn.step, command=turn.command, reason=reason))

    async def undo(self, run: RunLog, half: str = "") -> None:
        """Shows what takes back what was changed, or what failed ``half`` way, and does so."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import undo_rows
        from lilfox_tui.runbook.run.protocol import Undo

        given = self._values.given(run)
        if (folding := await self.with_its_text(run)) is None:
            return
        for each in (half,) if half else folding.state().undoable:
            for turn in folding.rollback_of(each):
                if not await self._values.ask_missing(run, folding, turn):
                    return
        rows = undo_rows(folding, given, self._app.glyphs, half)
        ways = [Option("enter", _("take it back"), "undo")]
        if await self._app.push_screen_wait(Options(_("Take back what was changed"), rows, ways)) == "undo":
            await self.send(run, Undo(sha256=folding.sha256, run=half, values=given))

    async def stop(self, run: RunLog) -> None:
        """Ends the command that runs; one that changes something is confirmed first."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import stop_rows
        from lilfox_tui.runbook.run.protocol import Stop

        if run.folding is None:
            return
        running = run.folding.running()
        if any(each.kind == "change" for each in running):
            ways = [Option("enter", _("end it"), "stop")]
            rows = stop_rows(running)
            if await self._app.push_screen_wait(Options(_("End what runs"), rows, ways)) != "stop":
                return
        await self.send(run, Stop())

    async def end(self, run: RunLog) -> None:
        """Ends the run, once that is confirmed; what it changed and stays is listed first."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import ending_rows
        from lilfox_tui.runbook.run.protocol import FinishRun

        assert run.state is not None
        ways = [Option("enter", _("end the run"), "end")]
        if await self._app.push_screen_wait(Options(_("End this run"), ending_rows(run.state), ways)) == "end":
            await self.send(run, FinishRun(abort=run.state.waiting.what != "end"))
