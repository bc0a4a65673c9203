"""What is asked in the terminal where a run waits, and the order that becomes of the answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lilfox_tui.cli.output import print_error, print_line, warn
from lilfox_tui.cli.questions import asked_line
from lilfox_tui.cli.runbooks.values import ask, offers
from lilfox_tui.config.model import Config
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, listed, tr
from lilfox_tui.monitor.aside import run_aside
from lilfox_tui.monitor.runbook_orders import in_terminal, once_more, run_order, word_to_type
from lilfox_tui.monitor.runbook_text import OtherText, other_text, stay, use_now
from lilfox_tui.redact import redact
from lilfox_tui.runbook.run.dispatcher import half_done
from lilfox_tui.runbook.run.gate import asks_with, kind_with
from lilfox_tui.runbook.run.protocol import ByHand, FinishRun, LookAgain, Order, RunOne, Skip, TerminalEnded, Undo, send
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import Turn, WaitingFor, asks, kind_text
from lilfox_tui.runbook.run.targets import refuse_unknown
from lilfox_tui.runbook.run.variables import marked, shown

_OTHERS = tr("[s]kip, [u]ndo what was changed, [a]bort")


class Asking:
    """Answers for the person at the terminal. ``values`` has what was given so far, secret ones too; they go with the
    next order. ``recorded``: a run whose file was changed goes on with the text that it read."""

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

    async def answer(self, folding: RunReducer, waiting: WaitingFor) -> Order | None:
        """The order for what the run waits for; None: the person leaves. Raises LilFoxError."""
        before, self._in_force = self._in_force, len(folding.changes())
        if before and not self._in_force:
            warn(tr("what was changed was taken back"))
        self._sha256 = folding.sha256
        turn = waiting.turn
        if turn is None:
            return FinishRun()
        if (other := await asyncio.to_thread(other_text, folding)) is not None:
            return await self._other_text(folding, other)
        if waiting.what == "hand":
            return await self._by_hand(folding, turn)
        if waiting.what == "decision":
            return await self._decision(folding, turn)
        known = {variable.name: variable for variable in folding.runbook.variables}
        for name in waiting.names:
            while name not in self._values:
                choices = await offers(self._config, known[name], turn.hosts)
                value = await asyncio.to_thread(ask, known[name], choices)
                try:
                    refuse_unknown(self._config, folding.runbook, {name: value})
                except LilFoxError as error:
                    print_error(error)
                else:
                    self._values[name] = value
        if folding.command(turn).kind == "interactive":
            return await self._in_terminal(folding, turn)
        if not self._asks(folding, turn) and self._tried != turn and not self._another:
            self._tried = turn
            return self._run(turn)
        return await self._confirmed(folding, turn)

    async def _other_text(self, folding: RunReducer, other: OtherText) -> Order | None:
        """With which text the run goes on, whose file was changed."""
        for each in other.what:
            warn(each)
        if self._recorded:
            return stay(folding)
        if other.now is None:
            answer = await _choice(tr("go on with the text [a]s this run read it, or [e]nd the run?"), "ae")
        else:
            answer = await _choice(
                tr("go on with what it says [n]ow, with the text [a]s this run read it, or [e]nd the run?"), "nae"
            )
        if answer == "n" and other.now is not None:
            self._another = True
            return await asyncio.to_thread(use_now, other.now, self._config.runbooks)
        if answer == "a":
            return stay(folding)
        return FinishRun(abort=True) if answer == "e" else None

    def _asks(self, folding: RunReducer, turn: Turn) -> bool:
        known = [folding.known.on(host) | self._values for host in turn.hosts or ("",)]
        return any(asks_with(folding.command(turn), values, folding.runbook) for values in known)

    def _run(self, turn: Turn, *, again: bool = False, seen: bool = False) -> RunOne:
        return run_order(turn, self._sha256, self._values, again=again, seen=seen)

    async def _confirmed(self, folding: RunReducer, turn: Turn) -> Order | None:
        self._another = False
        self._show(folding, turn)
        if word := word_to_type(folding.command(turn), turn):
            answer = await _choice(tr("to run it type {word}; or {others}", word=word, others=_OTHERS), (word, *"sua"))
            return self._run(turn, seen=True) if answer == word else await self._other(answer, folding, turn)
        answer = await _choice(tr("run it? [y]es, {others}", others=_OTHERS), "ysua")
        return self._run(turn, seen=True) if answer == "y" else await self._other(answer, folding, turn)

    async def _decision(self, folding: RunReducer, turn: Turn) -> Order | None:
        again, unknown = once_more(folding, turn)
        if unknown:
            question = tr("nobody knows how it ended: [l]ook again, [r]un it once more, {others}", others=_OTHERS)
            answer = await _choice(question, "lrsua")
            if answer == "l":
                return LookAgain(run=unknown)
        elif half := half_done(folding, turn):
            question = tr("it failed: [r]etry, take [b]ack what it may have done, {others}", others=_OTHERS)
            answer = await _choice(question, "rbsua")
            if answer == "b":
                return await self._half_back(folding, half) or await self._decision(folding, turn)
        else:
            answer = await _choice(tr("it failed: [r]etry, {others}", others=_OTHERS), "rsua")
        if answer == "r" and folding.command(again).kind == "interactive":
            return await self._in_terminal(folding, again)
        if answer == "r" and self._asks(folding, again) and not asks(folding.command(again)):
            return await self._confirmed(folding, again)
        if answer == "r":
            return self._run(again, again=bool(unknown))
        return await self._other(answer, folding, turn)

    async def _half_back(self, folding: RunReducer, run: str) -> Order | None:
        """What takes back a change that failed on its way; None: the person has seen it and does not want it."""
        for way in folding.rollback_of(run):
            self._show(folding, way)
        answer = await _choice(tr("it was written for the whole change. Run it? [y]es, [n]o"), "yn")
        return Undo(sha256=self._sha256, run=run, values=self._values) if answer == "y" else None

    async def _by_hand(self, folding: RunReducer, turn: Turn) -> Order | None:
        step = folding.runbook.steps[turn.step]
        print_line(f"{turn.step + 1}. {step.title}")
        for line in (*step.prose, *(f"- {each}" for each in step.checklist)):
            print_line(f"   {redact(line)}")
        answer = await _choice(tr("this is done by hand. Is it done? [y]es, {others}", others=_OTHERS), "ysua")
        return ByHand(step=turn.step) if answer == "y" else await self._other(answer, folding, turn)

    async def _in_terminal(self, folding: RunReducer, turn: Turn) -> Order | None:
        """Runs it here and gives the order that tells how it ended."""
        self._show(folding, turn)
        try:
            found = in_terminal(self._config, folding, turn, self._sha256, self._values)
        except LilFoxError as error:
            warn(error.message)
            return await self._other(await _choice(_OTHERS, "sua"), folding, turn)
        answer = await _choice(tr("it takes this terminal. Run it? [y]es, {others}", others=_OTHERS), "ysua")
        if answer != "y":
            return await self._other(answer, folding, turn)
        begins = found.begins
        await send(self._folder, begins)
        try:
            status = run_aside(found.argv)
        except OSError as error:
            warn(tr("cannot run {program}: {reason}", program=found.argv[0], reason=error.strerror))
            status = 127
        answer = await _choice(tr("it ended with {status}. Did it work? [y]es, [n]o", status=status), "yn")
        return TerminalEnded(
            step=begins.step,
            command=begins.command,
            host=begins.host,
            exit_status=status,
            worked=None if answer is None else answer == "y",
        )

    async def _other(self, answer: str | None, folding: RunReducer, turn: Turn) -> Order | None:
        if answer == "s":
            reason = ""
            while not reason.strip():
                line = await asked_line(tr("why is it skipped?"))
                if line is None:
                    return None
                reason = line
            return Skip(step=turn.step, command=turn.command, reason=reason)
        if answer == "u":
            return await self._undo(folding, turn)
        return FinishRun(abort=True) if answer == "a" else None

    async def _undo(self, folding: RunReducer, turn: Turn) -> Order | None:
        """Shows what takes back the changes, the last one first; ``turn`` is asked again where nobody wants that."""
        ways = [way for each in reversed(folding.changes()) for way in folding.rollback_of(each.run)]
        for way in ways:
            self._show(folding, way)
        if not ways or await _choice(tr("this takes back what was changed. Run it? [y]es, [n]o"), "yn") == "y":
            return Undo(sha256=self._sha256, values=self._values)
        if turn.command is None:
            return await self._by_hand(folding, turn)
        if folding.command(turn).kind == "interactive":
            return await self._in_terminal(folding, turn)
        return await self._confirmed(folding, turn)

    def _show(self, folding: RunReducer, turn: Turn) -> None:
        """The command as it will run, values marked."""
        command, values = folding.command(turn), folding.known.shown(turn.hosts) | self._values
        pieces = shown(command.text, values, folding.runbook.variables)
        title = folding.runbook.steps[turn.step].title
        print_line(f"{turn.step + 1}. {title}")
        print_line(f"   {listed(turn.hosts)}: {kind_text(kind_with(command, values, folding.runbook))}")
        for line in redact(marked(pieces)).split("\n"):
            print_line(f"     {line}")


async def _choice(question: Message, among: str | tuple[str, ...]) -> str | None:
    """One of ``among``; None at the end of input."""
    while True:
        line = await asked_line(question)
        if line is None:
            return None
        word = line.strip()
        if word in among and word:
            return word
        if word.lower()[:1] in among and word.lower() in ("yes", "no", "skip", "undo", "abort", "retry", "run", "look"):
            return word.lower()[0]
