"""A run in this terminal: what it tells is shown, and where it waits somebody here is asked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lilfox_tui.cli.job_output import Shown
from lilfox_tui.cli.outcome import INTERRUPTED
from lilfox_tui.cli.output import print_error, print_line, warn
from lilfox_tui.cli.runbooks.following import Following
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.jobs.control import follow_events, request_end
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.model import Ended, Job, MessageLogged
from lilfox_tui.runbook.run import output, persistence
from lilfox_tui.runbook.run.protocol import (
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    DoneByHand,
    FinishRun,
    Order,
    OutputProgress,
    RunbookPinned,
    RunbookReloaded,
    RunFact,
    Stop,
    decode_facts,
    send,
)
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import RunState, WaitingFor

Answer = Callable[[RunReducer, WaitingFor], Coroutine[object, object, "Order | None"]]
"""What is ordered where the run waits; None: nothing, and the terminal leaves."""


class Attending:
    """Shows a run until it has ended. ``quiet``: what commands print is not shown (it is asked for as JSON).
    ``begun``: its job was begun here; nobody else waits for it."""

    def __init__(self, job_id: str, *, quiet: bool = False, begun: bool = False) -> None:
        self.job: Job = find_job(job_id)
        self.folder = Path(self.job.folder)
        self.folding: RunReducer | None = None
        """None until the job has opened the run."""
        self._quiet, self._begun = quiet, begun
        self._shown = Shown(warn)
        self._printed: dict[str, int] = {}
        """How many characters of the head of what a command printed were shown."""
        self._interrupted = 0
        self._ordered = False
        """An order was taken, and nothing has come of it yet."""
        self._finishing = False
        """The end was ordered: what still ends by it is no question."""
        self._asks = False
        """A question stands in the terminal: the run waits, and nothing of it runs."""
        self._following = Following(self.folder)

    async def until_end(self, answer: Answer | None) -> int:
        """Its exit code. ``answer`` is asked where it waits; without one it goes on alone, and ctrl-c cancels it."""
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
                    self._following.look(self.folding)
                    if answer is not None and not await self._answered(answer):
                        return self._left_waiting()
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            if self._asks:
                return self._left_waiting()
            warn(_("the run goes on; watch it: lilfox attach {id}", id=self.job.id))
            return INTERRUPTED
        finally:
            self._following.close()
        return 1

    def state(self) -> RunState | None:
        """The run as far as it was heard of; None where it was never opened."""
        return None if self.folding is None else self.folding.state()

    def _left_waiting(self) -> int:
        warn(_("the run waits; go on with it: lilfox runbook run --resume {id}", id=self.job.id))
        return INTERRUPTED

    async def order(self, order: Order) -> None:
        """Gives it to a run that asks nobody. Where it is refused a run that was begun here is given up, unless
        something of it runs: a refusal stops nothing. Nothing where the job is over, maybe before it could listen: what
        it told last says why. Raises LilFoxError."""
        try:
            await send(self.folder, order)
        except LilFoxError:
            if self._is_over():
                return
            if not (self._begun and await self._gave_up()):
                warn(_("run {id} goes on as it was; watch it: lilfox attach {id}", id=self.job.id))
            raise

    async def _gave_up(self) -> bool:
        """Ends the run where nothing of it runs; whether that was taken."""
        with suppress(LilFoxError):
            await send(self.folder, FinishRun(abort=True, idle=True))
            return True
        return False

    def _is_over(self) -> bool:
        return find_job(self.job.id).state != "running"

    async def _answered(self, answer: Answer) -> bool:
        """Asks where it waits, and orders what is answered; whether this terminal stays."""
        if self.folding is None or self._ordered or self._finishing or self._following.who:
            return True
        waiting = self.folding.waiting()
        if waiting.what == "nothing":
            return True
        asking = asyncio.ensure_future(answer(self.folding, waiting))
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
        """Whether somebody here has answered; else somebody else has taken over, and the question is gone."""
        both: list[asyncio.Future[Any]] = [asking, asyncio.ensure_future(self._following.until_taken())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return asking.done()
        finally:
            for each in both:
                each.cancel()

    def _hear(self, facts: list[RunFact]) -> None:
        if self.folding is None:
            if not facts:
                return
            self.folding = RunReducer(persistence.read_snapshot(self.folder))
        self.folding.take(facts)
        for fact in facts:
            if isinstance(
                fact, CommandBegan | CommandEnded | CommandSkipped | DoneByHand | RunbookReloaded | RunbookPinned
            ):
                self._ordered = False
            if isinstance(fact, RunbookReloaded):
                self.folding.read_again(persistence.read_snapshot(self.folder))
            elif not self._quiet and isinstance(fact, CommandBegan):
                self._printed[fact.run] = 0
            elif self._quiet:
                continue
            elif isinstance(fact, CommandEnded) or (
                isinstance(fact, OutputProgress) and len(self.folding.running()) == 1
            ):
                self._print(fact.run, ended=isinstance(fact, CommandEnded))

    def _print(self, run: str, *, ended: bool) -> None:
        """What the command printed and was not shown yet, as far as it is kept."""
        kept = output.read_output(self.folder, run)
        text = kept.head[self._printed.get(run, 0) :]
        if not ended:
            text = text[: text.rfind("\n") + 1]
        self._printed[run] = self._printed.get(run, 0) + len(text)
        if ended and kept.left_out_bytes:
            text += "\n" + _("… {count} bytes are left out", count=kept.left_out_bytes) + "\n"
        for line in (text + (kept.tail if ended else "")).splitlines():
            print_line(line)

    @asynccontextmanager
    async def _interrupts(self, alone: bool) -> AsyncIterator[None]:
        """ctrl-c ends what runs (of a run that goes on alone, the run); once more, or at a question, leaves."""
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
                warn(_("cancelling; waiting for its clean-up. Once more: stop waiting"))
                with suppress(LilFoxError):
                    request_end(self.job)
            else:
                warn(_("stopping what runs. Once more: leave; the run then waits"))
                stopping.add(asyncio.ensure_future(stop()))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
