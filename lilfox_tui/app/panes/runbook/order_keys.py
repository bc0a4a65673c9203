"""What is asked in the Runbook pane where a run waits, and the order that becomes of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.panes.runbook.run_keys import RunbookRunKeys
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.model import Variable
    from lilfox_tui.runbook.run.reducer import RunReducer
    from lilfox_tui.runbook.run.state import Turn


class RunbookOrderKeys(RunbookRunKeys):
    """Answers for the person at the screen."""

    async def go_on(self, run: RunLog) -> None:
        assert run.folding is not None
        waiting = run.folding.waiting()
        turn = waiting.turn
        if waiting.what == "nothing":
            runs = bool(run.folding.running())
            self.lilfox.tell(tr("a command runs; S stops it") if runs else tr("it takes over what was done before"))
        elif turn is None and self.failed_undo is not None:
            await self._end_asked(run)  # not what somebody wanted who took it back: what stays is listed first
        elif turn is None:
            from lilfox_tui.runbook.run.protocol import FinishRun

            await self.order(run, FinishRun())
        elif (folding := await self.with_its_text(run)) is not None:
            await self._do_turn(run, folding, turn)

    async def _do_turn(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        waiting = folding.waiting()
        if waiting.what == "hand":
            await self._by_hand(run, folding, turn)
        elif waiting.what == "decision":
            await self._decide(run, folding, turn)
        elif await self._values(run, folding, turn):
            await self._run_turn(run, folding, turn)

    async def _run_turn(self, run: RunLog, folding: RunReducer, turn: Turn, *, again: bool = False) -> None:
        """Runs a command, which is asked first where it changes something, needs the terminal, or may run twice."""
        from lilfox_tui.runbook.control import run_order
        from lilfox_tui.runbook.run.gate import asks_with

        if folding.command(turn).kind == "interactive":
            await self._in_terminal(run, folding, turn, again=again)
            return
        given = self.given(run)
        known = [folding.known.on(host) | given for host in turn.hosts or ("",)]
        asked = again or any(asks_with(folding.command(turn), values, folding.runbook) for values in known)
        if asked and not await self._confirmed(folding, turn, given, again=again):
            return
        await self.order(run, run_order(turn, folding.sha256, given, again=again, seen=asked))

    async def _confirmed(self, folding: RunReducer, turn: Turn, given: dict[str, str], *, again: bool) -> bool:
        from lilfox_tui.app.panes.runbook.dialogs import confirm_rows
        from lilfox_tui.app.panes.runbook.run_dialog import RunDialog
        from lilfox_tui.runbook.control import word_to_type

        about, text = confirm_rows(folding, turn, given, again=again, glyphs=self.lilfox.glyphs)
        title = f"{turn.step + 1}. {folding.runbook.steps[turn.step].title}"
        word = word_to_type(folding.command(turn), turn)
        return await self.lilfox.push_screen_wait(RunDialog(title, about, text, word))

    # ---- values ----------------------------------------------------------------------------------------------

    async def _values(self, run: RunLog, folding: RunReducer, turn: Turn) -> bool:
        """Whether every value that the command needs is there; asks for those that are not."""
        known, given = {variable.name: variable for variable in folding.runbook.variables}, self.given(run)
        hosts = turn.hosts
        for name in folding.missing(turn):
            if name in given:
                continue
            value = await self._ask_value(folding, known[name], hosts)
            if value is None:
                return False
            given[name] = value
        return True

    async def _ask_value(self, folding: RunReducer, variable: Variable, hosts: tuple[str, ...]) -> str | None:
        from lilfox_tui.app.dialogs.prompt import Prompt
        from lilfox_tui.app.panes.runbook.dialogs import offer_of, value_rows
        from lilfox_tui.hosts.addresses import Denied
        from lilfox_tui.runbook.run.targets import offered, refuse_unknown
        from lilfox_tui.runbook.run.variables import check_value

        def check(text: str) -> str:
            value = check_value(variable, text, denied=Denied())
            refuse_unknown(self.lilfox.config, folding.runbook, {variable.name: value})
            return value

        trouble, offers = "", []
        if variable.from_:
            self.lilfox.tell(tr("{name}: asking what there is to choose", name=variable.name))
        try:
            offers = [offer_of(each) for each in await offered(self.lilfox.config, variable, hosts)]
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
        answer = await self.lilfox.push_screen_wait(asked)
        return None if answer is None else answer.text

    # ---- what waits for a person -------------------------------------------------------------------

    async def _decide(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        """After a failure, or where nobody knows: shows what there is, and asks how to go on."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import decision_rows, decision_ways
        from lilfox_tui.runbook.control import once_more
        from lilfox_tui.runbook.run.dispatcher import half_done
        from lilfox_tui.runbook.run.protocol import LookAgain

        rows = decision_rows(folding, turn, self.lilfox.glyphs)
        again, unknown = once_more(folding, turn)
        half = half_done(folding, turn)
        ways = decision_ways(unknown=bool(unknown), undoable=bool(folding.state().undoable), half=bool(half))
        title = f"{turn.step + 1}. {folding.runbook.steps[turn.step].title}"
        chosen = await self.lilfox.push_screen_wait(Options(title, rows, ways))
        if chosen == "look":
            await self.order(run, LookAgain(run=unknown))
        elif chosen == "retry":
            await self._run_turn(run, folding, again, again=bool(unknown))
        elif chosen == "skip":
            self.skip()
        elif chosen in ("undo", "half"):
            await self._undo_asked(run, half if chosen == "half" else "")
        elif chosen == "end":
            await self._end_asked(run)

    async def _by_hand(self, run: RunLog, folding: RunReducer, turn: Turn) -> None:
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import hand_rows
        from lilfox_tui.runbook.run.protocol import ByHand

        step = folding.runbook.steps[turn.step]
        ways = [Option("enter", _("it is done"), "done"), Option("s", _("skip it"), "skip")]
        chosen = await self.lilfox.push_screen_wait(
            Options(f"{turn.step + 1}. {step.title}", hand_rows(step, self.lilfox.glyphs), ways)
        )
        if chosen == "done":
            await self.order(run, ByHand(step=turn.step))
        elif chosen == "skip":
            self.skip()

    async def _in_terminal(self, run: RunLog, folding: RunReducer, turn: Turn, *, again: bool) -> None:
        """Runs an interactive command in this terminal, and tells the job how it ended."""
        from lilfox_tui.runbook.control import in_terminal
        from lilfox_tui.runbook.run.protocol import TerminalEnded

        given = self.given(run)
        found = in_terminal(self.lilfox.config, folding, turn, folding.sha256, given)
        if not await self._confirmed(folding, turn, given, again=again):
            return
        begins = found.begins
        if await self.order(run, begins):
            status = self.lilfox.step_aside_for(found.argv)
            ended = TerminalEnded(
                step=begins.step,
                command=begins.command,
                host=begins.host,
                exit_status=127 if status is None else status,
                worked=None if status is None else await self._worked(folding, turn, status),
            )
            await self.order(run, ended)

    async def _worked(self, folding: RunReducer, turn: Turn, status: int) -> bool | None:
        """What the person says of a program that ended here; None leaves it to the exit status."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.acting import worked_rows, worked_ways

        title = f"{turn.step + 1}. {folding.runbook.steps[turn.step].title}"
        rows = worked_rows(folding.command(turn), turn.hosts, status)
        chosen = await self.lilfox.push_screen_wait(Options(title, rows, worked_ways(status)))
        return None if chosen is None else chosen == "worked"

    @action("terminal", "x", tr("terminal"), tr("run the command that needs a terminal here; the console steps aside"),
            why_not=lambda self: self.nothing_for_terminal())  # fmt: skip
    def terminal(self) -> None:
        self._do_waiting()

    @action("by-hand", "H", tr("done by hand"), tr("say that the step without commands is done"),
            why_not=lambda self: self.nothing_by_hand())  # fmt: skip
    def by_hand(self) -> None:
        self._do_waiting()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _do_waiting(self) -> None:
        if (run := self.run) is not None:
            await self.go_on(run)

    @action("retry", "r", tr("try again"), tr("run the failed command again, where it is not done yet"),
            why_not=lambda self: self.nothing_failed(), footer=2)  # fmt: skip
    def retry(self) -> None:
        self._retry()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _retry(self) -> None:
        from lilfox_tui.runbook.control import once_more

        run = self.run
        if run is None:
            return
        if (folding := await self.with_its_text(run)) is None:
            return
        turn = folding.waiting().turn
        if turn is not None and await self._values(run, folding, turn):
            again, unknown = once_more(folding, turn)
            await self._run_turn(run, folding, again, again=bool(unknown))

    @action(
        "skip",
        "s",
        tr("skip"),
        tr("skip the step that waits, and say why"),
        why_not=lambda self: self.nothing_waits(),
        footer=3,
    )
    def skip(self) -> None:
        run, turn = self.run, self.turn
        if run is None or turn is None:
            return

        def take(reason: str) -> None:
            if reason.strip():
                self._skip(run, turn, reason.strip())
            else:
                self.lilfox.tell(tr("nothing is skipped without a reason"))

        self.lilfox.ask_line(_("why is it skipped? enter skips, esc leaves"), "", take, live=False)

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _skip(self, run: RunLog, turn: Turn, reason: str) -> None:
        from lilfox_tui.runbook.run.protocol import Skip

        await self.order(run, Skip(step=turn.step, command=turn.command, reason=reason))

    @action("undo", "u", tr("undo"), tr("take back what this run changed, the last change first"),
            why_not=lambda self: self.nothing_to_undo(), footer=3)  # fmt: skip
    def undo(self) -> None:
        self._undo()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _undo(self) -> None:
        if (run := self.run) is not None:
            await self._undo_asked(run)

    async def _undo_asked(self, run: RunLog, half: str = "") -> None:
        """Shows what takes back what was changed, or what failed ``half`` way, and does so."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import undo_rows
        from lilfox_tui.runbook.run.protocol import Undo

        given = self.given(run)
        if (folding := await self.with_its_text(run)) is None:
            return
        for each in (half,) if half else folding.state().undoable:
            for turn in folding.rollback_of(each):
                if not await self._values(run, folding, turn):
                    return
        rows = undo_rows(folding, given, self.lilfox.glyphs, half)
        ways = [Option("enter", _("take it back"), "undo")]
        if await self.lilfox.push_screen_wait(Options(_("Take back what was changed"), rows, ways)) == "undo":
            await self.order(run, Undo(sha256=folding.sha256, run=half, values=given))

    @action("stop", "S", tr("stop"), tr("end the running command; one that follows a log ends well by this"),
            why_not=lambda self: self.nothing_runs(), footer=2)  # fmt: skip
    def stop(self) -> None:
        self._stop()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _stop(self) -> None:
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import stop_rows
        from lilfox_tui.runbook.run.protocol import Stop

        run = self.run
        if run is None or run.folding is None:
            return
        running = run.folding.running()
        if any(each.kind == "change" for each in running):
            ways = [Option("enter", _("end it"), "stop")]
            rows = stop_rows(running)
            if await self.lilfox.push_screen_wait(Options(_("End what runs"), rows, ways)) != "stop":
                return
        await self.order(run, Stop())

    @action("end-run", "X", tr("end the run"), tr("give the run up; what it changed stays, and is listed first"),
            why_not=lambda self: self.no_run())  # fmt: skip
    def end_run(self) -> None:
        self._end_run()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _end_run(self) -> None:
        if (run := self.run) is not None:
            await self._end_asked(run)

    async def _end_asked(self, run: RunLog) -> None:
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import ending_rows
        from lilfox_tui.runbook.run.protocol import FinishRun

        assert run.state is not None
        ways = [Option("enter", _("end the run"), "end")]
        if await self.lilfox.push_screen_wait(Options(_("End this run"), ending_rows(run.state), ways)) == "end":
            await self.order(run, FinishRun(abort=run.state.waiting.what != "end"))
