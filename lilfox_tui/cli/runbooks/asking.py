"""What is asked in the terminal where a run waits, and the order that becomes of the answer."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lilfox_tui.cli.output import print_line, warn
from lilfox_tui.cli.runbooks.shown import kind_text
from lilfox_tui.cli.runbooks.values import ask
from lilfox_tui.config.model import Config
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.monitor.shell import terminal_argv
from lilfox_tui.redact import redact
from lilfox_tui.runbook.filling import fill, marked, shown
from lilfox_tui.runbook.orders import (
    ByHand,
    Finish,
    LookAgain,
    Order,
    RunOne,
    Skip,
    TerminalBegins,
    TerminalEnded,
    Undo,
    send,
)
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.states import Waiting
from lilfox_tui.runbook.targets import host_config
from lilfox_tui.runbook.turns import Turn, asks

_OTHERS = tr("[s]kip, [u]ndo what was changed, [a]bort")


class Asking:
    """Answers for the person at the terminal. ``values`` has what was given so far, secret ones too; they go with the
    next order. ``sha256``: of the file as it was shown."""

    def __init__(self, config: Config, folder: Path, sha256: str, values: dict[str, str]) -> None:
        self._config, self._folder, self._sha256, self._values = config, folder, sha256, values
        self._tried: Turn | None = None
        """What was ordered last without a question: once more without one it would go round for ever."""

    async def answer(self, folding: Folding, waiting: Waiting) -> Order | None:
        """The order for what the run waits for; None: the person leaves. Raises LilFoxError."""
        turn = waiting.turn
        if turn is None:
            return Finish()
        if waiting.what == "hand":
            return await self._by_hand(folding, turn)
        if waiting.what == "decision":
            return await self._decision(folding, turn)
        known = {variable.name: variable for variable in folding.runbook.variables}
        for name in waiting.names:
            if name not in self._values:
                self._values[name] = await asyncio.to_thread(ask, known[name])
        if folding.command(turn).kind == "interactive":
            return await self._in_terminal(folding, turn)
        if not asks(folding.command(turn)) and self._tried != turn:
            self._tried = turn
            return self._run(turn)
        return await self._confirmed(folding, turn)

    def _run(self, turn: Turn, *, again: bool = False) -> RunOne:
        return RunOne(
            step=turn.step,
            command=turn.command or 0,
            sha256=self._sha256,
            hosts=turn.hosts or None,
            values=self._values,
            again=again,
        )

    async def _confirmed(self, folding: Folding, turn: Turn) -> Order | None:
        self._show(folding, turn)
        attributes = folding.command(turn).attributes
        word = ", ".join(turn.hosts)
        if word and (attributes.confirm == "typed" or attributes.risk == "destroy"):
            answer = await _choice(tr("to run it type {word}; or {others}", word=word, others=_OTHERS), (word, *"sua"))
            return self._run(turn) if answer == word else await self._other(answer, turn)
        answer = await _choice(tr("run it? [y]es, {others}", others=_OTHERS), "ysua")
        return self._run(turn) if answer == "y" else await self._other(answer, turn)

    async def _decision(self, folding: Folding, turn: Turn) -> Order | None:
        results = folding.results(turn.step, turn.command or 0)
        unknown = [each for each in results.values() if each.state == "unknown"]
        left = tuple(host for host in turn.hosts if host not in results or results[host].state != "done")
        again = Turn(turn.step, turn.command, left or turn.hosts)
        if unknown:
            question = tr("nobody knows how it ended: [l]ook again, [r]un it once more, {others}", others=_OTHERS)
            answer = await _choice(question, "lrsua")
            if answer == "l":
                return LookAgain(run=unknown[0].run)
        else:
            answer = await _choice(tr("it failed: [r]etry, {others}", others=_OTHERS), "rsua")
        if answer == "r":
            return self._run(again, again=bool(unknown))
        return await self._other(answer, turn)

    async def _by_hand(self, folding: Folding, turn: Turn) -> Order | None:
        step = folding.runbook.steps[turn.step]
        print_line(f"{turn.step + 1}. {step.title}")
        for line in (*step.prose, *(f"- {each}" for each in step.checklist)):
            print_line(f"   {redact(line)}")
        answer = await _choice(tr("this is done by hand. Is it done? [y]es, {others}", others=_OTHERS), "ysua")
        return ByHand(step=turn.step) if answer == "y" else await self._other(answer, turn)

    async def _in_terminal(self, folding: Folding, turn: Turn) -> Order | None:
        """Runs it here and gives the order that tells how it ended."""
        self._show(folding, turn)
        command = folding.command(turn)
        secret = {variable.name for variable in folding.runbook.variables if variable.type == "secret"}
        if any(placeholder.name in secret for placeholder in command.placeholders) or len(turn.hosts) != 1:
            warn(_("this cannot be run from here: it is of several hosts, or would show a secret to all on the host"))
            return await self._other(await _choice(_OTHERS, "sua"), turn)
        answer = await _choice(tr("it takes this terminal. Run it? [y]es, {others}", others=_OTHERS), "ysua")
        if answer != "y":
            return await self._other(answer, turn)
        step, number, (host,) = turn.step, turn.command or 0, turn.hosts
        filled = fill(command, folding.values | self._values, folding.runbook.variables)
        argv = terminal_argv(
            host,
            host_config(self._config, host),
            self._config.ssh,
            filled.script,
            filled.env,
            sudo=bool(command.attributes.sudo),
        )
        begins = TerminalBegins(step=step, command=number, host=host, sha256=self._sha256, values=self._values)
        await send(self._folder, begins)
        process = await asyncio.create_subprocess_exec(*argv)
        return TerminalEnded(step=step, command=number, host=host, exit_status=await process.wait())

    async def _other(self, answer: str | None, turn: Turn) -> Order | None:
        if answer == "s":
            reason = ""
            while not reason.strip():
                line = await _line(tr("why is it skipped?"))
                if line is None:
                    return None
                reason = line
            return Skip(step=turn.step, command=turn.command, reason=reason)
        if answer == "u":
            return Undo(sha256=self._sha256, values=self._values)
        return Finish(abort=True) if answer == "a" else None

    def _show(self, folding: Folding, turn: Turn) -> None:
        """The command as it will run, values marked."""
        command = folding.command(turn)
        pieces = shown(command.text, folding.values | self._values, folding.runbook.variables)
        title = folding.runbook.steps[turn.step].title
        print_line(f"{turn.step + 1}. {title}")
        print_line(f"   {', '.join(turn.hosts)}: {kind_text(command.kind)}")
        for line in redact(marked(pieces)).split("\n"):
            print_line(f"     {line}")


async def _choice(question: Message, among: str | tuple[str, ...]) -> str | None:
    """One of ``among``; None at the end of input."""
    while True:
        line = await _line(question)
        if line is None:
            return None
        word = line.strip()
        if word in among and word:
            return word
        if word.lower()[:1] in among and word.lower() in ("yes", "skip", "undo", "abort", "retry", "run", "look"):
            return word.lower()[0]


async def _line(question: Message) -> str | None:
    """A line that somebody types; None at the end of input. The loop goes on meanwhile."""
    warn(question)
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        line = await typed
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return line.rstrip("\n") if line else None
