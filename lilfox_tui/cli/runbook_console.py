"""A runbook run in this terminal: shows its events, asks when it waits, and sends the answers."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lilfox_tui.cli.job_output import JobPrinter
from lilfox_tui.cli.output import INTERRUPTED, ask_line, pose, print_error, print_line, typed_line, warn
from lilfox_tui.cli.runbook_dry_run import ask, offers
from lilfox_tui.config.model import Config, RunbooksConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.hosts.local import run_in_foreground
from lilfox_tui.jobs.listing import find_job, follow_events, request_end
from lilfox_tui.jobs.model import Ended, Job, MessageLogged
from lilfox_tui.redact import redact
from lilfox_tui.runbook.control import (
    ChangedText,
    in_terminal,
    once_more,
    other_text,
    run_order,
    stay,
    take_over,
    use_now,
    word_to_type,
)
from lilfox_tui.runbook.library import allow, first_run, refuse_first_run
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run import output, persistence
from lilfox_tui.runbook.run.gate import asks_with, kind_with, refuse_unknown
from lilfox_tui.runbook.run.protocol import (
    ByHand,
    ClientActs,
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    DoneByHand,
    FinishRun,
    LookAgain,
    Order,
    OutputProgress,
    RunbookPinned,
    RunbookReloaded,
    RunFact,
    RunOne,
    Skip,
    Stop,
    TerminalEnded,
    Undo,
    decode_facts,
    send,
)
from lilfox_tui.runbook.run.reducer import RunReducer, half_done
from lilfox_tui.runbook.run.state import RunState, Turn, WaitingFor, asks, excluded, excluded_text, kind_text
from lilfox_tui.runbook.run.variables import marked, shown

# Asks at the terminal before a runbook is run whose file nobody chose for this machine.


def allow_first_run(runbook: Runbook, config: RunbooksConfig, *, yes: bool) -> None:
    """Checks that the runbook may run for the first time: ``yes`` allows it (unless others may write the file), or the
    user at this terminal does. Raises LilFoxError (exit code 2) if the user refuses. Blocks."""
    first = first_run(runbook, config)
    if first is None:
        return
    if yes and first.others is not None:
        refuse_first_run(runbook, config)
    warn(first.question)
    if first.others is not None:
        warn("  " + _("hint: {hint}", hint=first.others.hint))
    if not yes:
        answer = ask_line(tr("allow it? [y]es; anything else: no"))
        if (answer or "").strip().lower() not in ("y", "yes"):
            raise _Refused(
                tr("not allowed; nothing was run"), tr("review it: lilfox runbook show {path}", path=first.path)
            )
    allow(first)


class _Refused(LilFoxError):
    """The user refused."""

    exit_code = 2


# What is asked in the terminal where a run waits, and the order that becomes of the answer.


_OTHERS = tr("[s]kip, [u]ndo the changes, [a]bort")


class RunPrompts:
    """Asks the user at the terminal. ``values`` holds the values given so far, including secret ones; they are sent
    with the next order. ``recorded``: if the runbook's file was changed, continue the run with the text that it read at
    its start."""

    def __init__(self, config: Config, folder: Path, values: dict[str, str], *, recorded: bool = False) -> None:
        self._config, self._folder, self._values, self._recorded = config, folder, values, recorded
        self._sha256 = ""
        """Of the text that is shown."""
        self._another = False
        """It is another one than before, and nothing of it was shown yet."""
        self._tried: Turn | None = None
        """What was ordered last without a question: once more without one it would go round for ever."""
        self._in_force = 0
        """Changes of the run when it waited last."""

    async def answer(self, reducer: RunReducer, waiting: WaitingFor) -> Order | None:
        """Asks the user about what the run is waiting for and returns the order; None if the user leaves. Raises
        LilFoxError."""
        before, self._in_force = self._in_force, len(reducer.changes())
        if before and not self._in_force:
            warn(tr("the changes were undone"))
        self._sha256 = reducer.sha256
        turn = waiting.turn
        if turn is None:
            return FinishRun()
        if (other := await asyncio.to_thread(other_text, reducer)) is not None:
            return await self._other_text(reducer, other)
        if waiting.what == "hand":
            return await self._by_hand(reducer, turn)
        if waiting.what == "decision":
            return await self._decision(reducer, turn)
        known = {variable.name: variable for variable in reducer.runbook.variables}
        for name in waiting.names:
            while name not in self._values:
                choices = await offers(self._config, known[name], turn.hosts)
                value = await asyncio.to_thread(ask, known[name], choices)
                try:
                    refuse_unknown(self._config, reducer.runbook, {name: value})
                except LilFoxError as error:
                    print_error(error)
                else:
                    self._values[name] = value
        if reducer.command(turn).kind == "interactive":
            return await self._in_terminal(reducer, turn)
        if not self._asks(reducer, turn) and self._tried != turn and not self._another:
            self._tried = turn
            return self._run(turn)
        return await self._confirmed(reducer, turn)

    async def _other_text(self, reducer: RunReducer, other: ChangedText) -> Order | None:
        """Asks which text the run continues with after its file was changed."""
        for each in other.what:
            warn(each)
        if self._recorded:
            return stay(reducer)
        if other.now is None:
            answer = await _choice(tr("continue with the version [a]lready loaded, or [e]nd the run?"), "ae")
        else:
            answer = await _choice(
                tr("continue with the file as it is [n]ow, with the version [a]lready loaded, or [e]nd the run?"), "nae"
            )
        if answer == "n" and other.now is not None:
            self._another = True
            return await asyncio.to_thread(use_now, other.now, self._config.runbooks)
        if answer == "a":
            return stay(reducer)
        return FinishRun(abort=True) if answer == "e" else None

    def _asks(self, reducer: RunReducer, turn: Turn) -> bool:
        known = [reducer.known.on(host) | self._values for host in turn.hosts or ("",)]
        return any(asks_with(reducer.command(turn), values, reducer.runbook) for values in known)

    def _run(self, turn: Turn, *, again: bool = False, seen: bool = False) -> RunOne:
        return run_order(turn, self._sha256, self._values, again=again, seen=seen)

    async def _confirmed(self, reducer: RunReducer, turn: Turn, *, again: bool = False) -> Order | None:
        self._another = False
        self._show(reducer, turn)
        answer = await _run_or_other(reducer, turn, tr("run it? [y]es, {others}", others=_OTHERS))
        return self._run(turn, again=again, seen=True) if answer == "y" else await self._other(answer, reducer, turn)

    async def _decision(self, reducer: RunReducer, turn: Turn) -> Order | None:
        again, unknown = once_more(reducer, turn)
        if unknown:
            question = tr("the outcome is unknown: [l]ook again, [r]un it again, {others}", others=_OTHERS)
            answer = await _choice(question, "lrsua")
            if answer == "l":
                return LookAgain(run=unknown)
        elif half := half_done(reducer, turn):
            question = tr("it failed: [r]etry, roll [b]ack any partial change, {others}", others=_OTHERS)
            answer = await _choice(question, "rbsua")
            if answer == "b":
                return await self._half_back(reducer, half) or await self._decision(reducer, turn)
        else:
            answer = await _choice(tr("it failed: [r]etry, {others}", others=_OTHERS), "rsua")
        if answer == "r" and reducer.command(again).kind == "interactive":
            return await self._in_terminal(reducer, again)
        if answer == "r" and self._shows_again(reducer, again):
            return await self._confirmed(reducer, again, again=bool(unknown))
        if answer == "r":
            return self._run(again, again=bool(unknown))
        return await self._other(answer, reducer, turn)

    def _shows_again(self, reducer: RunReducer, turn: Turn) -> bool:
        """Whether a retry must be confirmed like a first run: its hosts must be typed, or only its values make it a
        change."""
        became = self._asks(reducer, turn) and not asks(reducer.command(turn))
        return became or bool(word_to_type(reducer, turn))

    async def _half_back(self, reducer: RunReducer, run: str) -> Order | None:
        """Shows the rollback of a change that failed midway; returns the order to run it, None if the user refuses."""
        why = tr("this rollback was written for the completed change")
        agreed = await self._agreed(reducer, reducer.rollback_of(run), why)
        return Undo(sha256=self._sha256, run=run, values=self._values) if agreed else None

    async def _agreed(self, reducer: RunReducer, ways: Sequence[Turn], why: Message) -> bool:
        """Shows rollbacks and ``why`` they need thought; returns whether the user confirms them."""
        for way in ways:
            self._show(reducer, way)
        if word := word_to_type(reducer, *ways):
            return await _choice(tr("{why}. To run it, type {word}; or [n]o", why=why, word=word), (word, "n")) == word
        return await _choice(tr("{why}. Run it? [y]es, [n]o", why=why), "yn") == "y"

    async def _by_hand(self, reducer: RunReducer, turn: Turn) -> Order | None:
        step = reducer.runbook.steps[turn.step]
        print_line(f"{turn.step + 1}. {step.title}")
        for line in (*step.prose, *(f"- {each}" for each in step.checklist)):
            print_line(f"   {redact(line)}")
        if commands := excluded(step):
            print_line(f"   {excluded_text()}")
            for line in (line for each in commands for line in redact(each.text).split("\n")):
                print_line(f"     {line}")
        answer = await _choice(tr("this step is manual. Is it done? [y]es, {others}", others=_OTHERS), "ysua")
        return ByHand(step=turn.step) if answer == "y" else await self._other(answer, reducer, turn)

    async def _in_terminal(self, reducer: RunReducer, turn: Turn) -> Order | None:
        """Runs the command here and returns the order that reports its result."""
        self._show(reducer, turn)
        try:
            found = in_terminal(self._config, reducer, turn, self._sha256, self._values)
        except LilFoxError as error:
            warn(error.message)
            return await self._other(await _choice(_OTHERS, "sua"), reducer, turn)
        question = tr("this command needs the terminal. Run it? [y]es, {others}", others=_OTHERS)
        answer = await _run_or_other(reducer, turn, question)
        if answer != "y":
            return await self._other(answer, reducer, turn)
        begins = found.begins
        await send(self._folder, begins)
        try:
            status = run_in_foreground(found.argv)
        except OSError as error:
            warn(tr("cannot run {program}: {reason}", program=found.argv[0], reason=error.strerror))
            status = 127
        answer = await _choice(
            tr("the command ended with status {status}. Did it work? [y]es, [n]o", status=status), "yn"
        )
        return TerminalEnded(
            step=begins.step,
            command=begins.command,
            host=begins.host,
            exit_status=status,
            worked=None if answer is None else answer == "y",
        )

    async def _other(self, answer: str | None, reducer: RunReducer, turn: Turn) -> Order | None:
        if answer == "s":
            reason = ""
            while not reason.strip():
                line = await asked_line(tr("reason for skipping (required):"))
                if line is None:
                    return None
                reason = line
            return Skip(step=turn.step, command=turn.command, reason=reason)
        if answer == "u":
            return await self._undo(reducer, turn)
        return FinishRun(abort=True) if answer == "a" else None

    async def _undo(self, reducer: RunReducer, turn: Turn) -> Order | None:
        """Shows how the changes are undone, last one first, and asks; if the user refuses, asks about ``turn``
        again."""
        ways = [way for each in reversed(reducer.changes()) for way in reducer.rollback_of(each.run)]
        if not ways or await self._agreed(reducer, ways, tr("this undoes the changes")):
            return Undo(sha256=self._sha256, values=self._values)
        if turn.command is None:
            return await self._by_hand(reducer, turn)
        if reducer.command(turn).kind == "interactive":
            return await self._in_terminal(reducer, turn)
        return await self._confirmed(reducer, turn)

    def _show(self, reducer: RunReducer, turn: Turn) -> None:
        """Shows the command as it will run, with its values marked."""
        command, values = reducer.command(turn), reducer.known.shown(turn.hosts) | self._values
        pieces = shown(command, values, reducer.runbook.variables)
        title = reducer.runbook.steps[turn.step].title
        print_line(f"{turn.step + 1}. {title}")
        print_line(f"   {listed(turn.hosts)}: {kind_text(kind_with(command, values, reducer.runbook))}")
        for line in redact(marked(pieces)).split("\n"):
            print_line(f"     {line}")


async def _run_or_other(reducer: RunReducer, turn: Turn, question: Message) -> str | None:
    """Asks whether to run a command and returns the answer: ``y`` once it is confirmed, by its hosts if these must be
    typed."""
    if word := word_to_type(reducer, turn):
        answer = await _choice(tr("to run it, type {word}; or {others}", word=word, others=_OTHERS), (word, *"sua"))
        return "y" if answer == word else answer
    return await _choice(question, "ysua")


async def asked_line(*question: Message | str) -> str | None:
    """Like :func:`ask_line`, without blocking the event loop."""
    pose(*question)
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str | None] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(typed_line())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        return await typed
    finally:
        loop.remove_reader(sys.stdin.fileno())


async def _choice(question: Message, among: str | tuple[str, ...]) -> str | None:
    """Asks until the answer is one of ``among`` and returns it; None at the end of input."""
    while True:
        line = await asked_line(question)
        if line is None:
            return None
        word = line.strip()
        if word in among and word:
            return word
        if word.lower()[:1] in among and word.lower() in ("yes", "no", "skip", "undo", "abort", "retry", "run", "look"):
            return word.lower()[0]


# A run in which somebody else acts: nothing is asked in this terminal, until somebody here takes over.


class RunObserver:
    """Watches which other client controls the run; ``t`` and enter take control."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.who = ""
        """Empty where this terminal may act."""
        self._control: ClientActs | None = None
        self._taking: asyncio.Task[None] | None = None

    def look(self, reducer: RunReducer | None) -> None:
        """Reports when another client takes control, and reads the keyboard for as long as it keeps it."""
        self._control = None if reducer is None else reducer.control
        who = "" if self._control is None else self._control.other
        if who == self.who:
            return
        self.who = who
        if not who:
            self._leave_keyboard()
            return
        pose(
            tr(
                "{who} is in control of this run; you are following. Press t and Enter to take over, ctrl-c to leave",
                who=who,
            )
        )
        if sys.stdin.isatty():
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._typed)

    def close(self) -> None:
        """Releases the keyboard."""
        if self.who:
            self._leave_keyboard()

    async def until_taken(self) -> None:
        """Returns once another client has taken control from this terminal."""
        known = self._control
        async with aclosing(follow_events(self._folder.name)) as lists:
            async for some in lists:
                new = [
                    fact
                    for fact in decode_facts(some)
                    if isinstance(fact, ClientActs) and (known is None or fact.at > known.at)
                ]
                if new and new[-1].other:
                    return

    def _typed(self) -> None:
        line = typed_line()
        if line is None:
            self._leave_keyboard()
        elif line.strip().lower() == "t":
            self._taking = asyncio.ensure_future(self._take())

    async def _take(self) -> None:
        try:
            await take_over(None, [self._folder])
        except LilFoxError as error:
            print_error(error)

    def _leave_keyboard(self) -> None:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


Answer = Callable[[RunReducer, WaitingFor], Coroutine[object, object, "Order | None"]]
"""What is ordered where the run waits; None: nothing, and the terminal leaves."""


class RunConsole:
    """Shows a run until it ends. ``quiet``: hides the output of commands (for JSON). ``begun``: its job was started
    here; nobody else waits for it."""

    def __init__(self, job_id: str, *, quiet: bool = False, begun: bool = False) -> None:
        self.job: Job = find_job(job_id)
        self.folder = Path(self.job.folder)
        self.reducer: RunReducer | None = None
        """None until the job has opened the run."""
        self._quiet, self._begun = quiet, begun
        self._shown = JobPrinter(warn)
        self._printed: dict[str, int] = {}
        """How many characters of the head of what a command printed were shown."""
        self._interrupted = 0
        self._ordered = False
        """An order was taken, and nothing has come of it yet."""
        self._finishing = False
        """The end was ordered: what still ends by it is no question."""
        self._asks = False
        """A question stands in the terminal: the run waits, and nothing of it runs."""
        self._following = RunObserver(self.folder)

    async def until_end(self, answer: Answer | None) -> int:
        """Follows the run and returns its exit code. ``answer`` is called when the run waits; without it the run is
        unattended, and ctrl-c cancels it."""
        self._shown.job(self.job)
        try:
            async with self._interrupts(answer is None), aclosing(follow_events(self.job.id)) as lists:
                async for some in lists:
                    for event in some:
                        self._hear(list(decode_facts([event])))
                        if isinstance(event, MessageLogged) and event.level == "bad":
                            self._ordered = False  # nothing else comes of it
                        self._shown.event(event)
                        if isinstance(event, Ended):
                            return event.exit_code
                    self._following.look(self.reducer)
                    if answer is not None and not await self._answered(answer):
                        return self._left_waiting()
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            if self._asks:
                return self._left_waiting()
            warn(_("the run continues; watch it: lilfox attach {id}", id=self.job.id))
            return INTERRUPTED
        finally:
            self._following.close()
        return 1

    def state(self) -> RunState | None:
        """The known state of the run; None if it was never opened."""
        return None if self.reducer is None else self.reducer.state()

    def _left_waiting(self) -> int:
        warn(_("the run is waiting; resume it: lilfox runbook run --resume {id}", id=self.job.id))
        return INTERRUPTED

    async def order(self, order: Order) -> None:
        """Sends an order to an unattended run. If the run rejects the order, ends a run that was started here, unless
        one of its commands is running. Does nothing if the job has ended, perhaps before it accepted orders: its last
        message says why. Raises LilFoxError."""
        try:
            await send(self.folder, order)
        except LilFoxError:
            if self._is_over():
                return
            if not (self._begun and await self._gave_up()):
                warn(_("run {id} continues unchanged; watch it: lilfox attach {id}", id=self.job.id))
            raise

    async def _gave_up(self) -> bool:
        """Ends the run unless one of its commands is running; returns whether that was accepted."""
        with suppress(LilFoxError):
            await send(self.folder, FinishRun(abort=True, idle=True))
            return True
        return False

    def _is_over(self) -> bool:
        return find_job(self.job.id).state != "running"

    async def _answered(self, answer: Answer) -> bool:
        """Asks when the run waits, and sends the answer as an order; returns whether this terminal stays."""
        if self.reducer is None or self._ordered or self._finishing or self._following.who:
            return True
        waiting = self.reducer.waiting()
        if waiting.what == "nothing":
            return True
        asking = asyncio.ensure_future(answer(self.reducer, waiting))
        self._asks = True
        answered = await self._asked(asking)
        self._asks = False
        if not answered:
            return True
        order = asking.result()
        if order is None:
            return False
        try:
            await send(self.folder, order)
        except LilFoxError as error:
            if self._is_over():
                return True  # its end is told
            print_error(error)
            return await self._answered(answer)
        self._ordered, self._finishing = True, isinstance(order, FinishRun)
        return True

    async def _asked(self, asking: asyncio.Future[Order | None]) -> bool:
        """Waits for the user's answer; False if another client takes control first, which voids the question."""
        both: list[asyncio.Future[Any]] = [asking, asyncio.ensure_future(self._following.until_taken())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return asking.done()
        finally:
            for each in both:
                each.cancel()

    def _hear(self, facts: list[RunFact]) -> None:
        if self.reducer is None:
            if not facts:
                return
            self.reducer = RunReducer(persistence.read_snapshot(self.folder))
        self.reducer.take(facts)
        for fact in facts:
            if isinstance(
                fact, CommandBegan | CommandEnded | CommandSkipped | DoneByHand | RunbookReloaded | RunbookPinned
            ):
                self._ordered = False
            if isinstance(fact, RunbookReloaded):
                self.reducer.read_again(persistence.read_snapshot(self.folder))
            elif not self._quiet and isinstance(fact, CommandBegan):
                self._printed[fact.run] = 0
            elif self._quiet:
                continue
            elif isinstance(fact, CommandEnded) or (
                isinstance(fact, OutputProgress) and len(self.reducer.running()) == 1
            ):
                self._print(fact.run, ended=isinstance(fact, CommandEnded))

    def _print(self, run: str, *, ended: bool) -> None:
        """Prints the part of the command's output that was not shown yet, if it was kept."""
        kept = output.read_output(self.folder, run)
        text = kept.head[self._printed.get(run, 0) :]
        if not ended:
            text = text[: text.rfind("\n") + 1]
        self._printed[run] = self._printed.get(run, 0) + len(text)
        if ended and kept.left_out_bytes:
            text += "\n" + _("… {count} bytes omitted", count=kept.left_out_bytes) + "\n"
        for line in (text + (kept.tail if ended else "")).splitlines():
            print_line(line)

    @asynccontextmanager
    async def _interrupts(self, alone: bool) -> AsyncIterator[None]:
        """Handles ctrl-c: the first one stops the running command, or an unattended run. The second one leaves the run,
        as does one at a question or while another client is in control."""
        loop, watching = asyncio.get_running_loop(), asyncio.current_task()
        assert watching is not None
        stopping: set[asyncio.Task[None]] = set()

        async def stop() -> None:
            with suppress(LilFoxError):
                await send(self.folder, Stop())

        def interrupted() -> None:
            self._interrupted += 1
            if self._interrupted > 1 or self._asks or self._following.who:
                watching.cancel()
            elif alone:
                warn(_("cancelling; waiting for the clean-up. Interrupt again to stop waiting"))
                with suppress(LilFoxError):
                    request_end(self.job)
            else:
                warn(_("stopping the running commands. Interrupt again to leave; the run then waits"))
                stopping.add(asyncio.ensure_future(stop()))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
