"""A runbook run as its job reports it, from the first event on. Imported only when there is a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from lilfox_tui.core.i18n import _
from lilfox_tui.jobs.listing import find_folder, follow_events
from lilfox_tui.jobs.model import Began, Ended, Event, MessageLogged
from lilfox_tui.runbook.run import output, persistence
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.protocol import (
    ClientActs,
    CommandBegan,
    CommandEnded,
    RunbookReloaded,
    decode_facts,
    this_client,
)
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import CommandResult, RunState, Turn

_MOST_KEPT = 8
"""Outputs that are held, of some hundred KB each."""


class RunLog:
    """Follows the events of one runbook run and keeps its state."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.folder = Path()
        """Of the job; known once ``follow`` has begun."""
        self.reducer: RunReducer | None = None
        """None until the job has opened the run."""
        self.ended: Ended | None = None
        self.trouble = ""
        """Why what was ordered last could not be done; empty when it could."""
        self.by = ""
        """Who began it."""
        self.taken_by = ""
        """Who took it over from us, where no incident tells that."""
        self._state: RunState | None = None
        self._kept: dict[str, tuple[tuple[int, str], StoredOutput]] = {}
        self._came = asyncio.Event()

    @property
    def state(self) -> RunState | None:
        """The state of the run; the same object until something changes."""
        if self._state is None and self.reducer is not None:
            self._state = self.reducer.state()
        return self._state

    @property
    def actor(self) -> str:
        """Who controls the run instead of this console; empty if this console may control it."""
        control = None if self.reducer is None else self.reducer.control
        return "" if self.ended is not None or control is None else control.other

    @property
    def waits(self) -> str:
        """For whom the run waits, as a text; empty while it goes on by itself, and after its end."""
        state = self.state
        if self.ended is not None or state is None or state.runs_all or state.waiting.what == "nothing":
            return ""
        return _("waits for {who}", who=self.actor) if self.actor else _("waits for you")

    @property
    def turn(self) -> Turn | None:
        """The turn that runs now or comes next; None at the end."""
        if self.reducer is None or self.state is None:
            return None
        for result in self.reducer.running():
            if (place := self.reducer.place(result.run)) is not None:
                return place[0]
        return self.state.waiting.turn

    async def follow(self, changed: Callable[[], None]) -> None:
        """Replays and follows the job's events; ``changed`` is called after each batch. Ends with the job. Raises
        LilFoxError."""
        self.folder = await asyncio.to_thread(find_folder, self.job_id)
        try:
            async with aclosing(follow_events(self.job_id)) as lists:
                async for some in lists:
                    await self._take(some)
                    changed()
        finally:
            self.tell_change()

    async def _take(self, some: Sequence[Event]) -> None:
        facts = list(decode_facts(some))
        acted = not self.actor
        if facts and (self.reducer is None or any(isinstance(fact, RunbookReloaded) for fact in facts)):
            runbook = await asyncio.to_thread(persistence.read_snapshot, self.folder)
            if self.reducer is None:
                self.reducer = RunReducer(runbook)
                self.reducer.take(facts)
            else:
                self.reducer.take(facts)
                self.reducer.read_again(runbook)
        elif self.reducer is not None and facts:
            self.reducer.take(facts)
        for event in some:
            if isinstance(event, Began):
                self.by = f"{event.user}@{event.host}"
            elif isinstance(event, MessageLogged) and event.level == "bad":
                self.trouble = event.text
            elif isinstance(event, Ended):
                self.ended = event
            elif any(isinstance(fact, CommandBegan | CommandEnded) for fact in decode_facts([event])):
                self.trouble = ""  # what was said of it stands with its result
        self._state = None
        alone = self.reducer is not None and not self.reducer.incident
        if acted and alone and any(isinstance(fact, ClientActs) and fact.before == this_client().who for fact in facts):
            self.taken_by = self.actor
        self.tell_change()

    async def next_change(self) -> None:
        """Waits for the next change, or for the end of following."""
        await self._came.wait()

    def tell_change(self) -> None:
        """Wakes the waiters for a change."""
        self._came.set()
        self._came = asyncio.Event()

    def kept(self, result: CommandResult) -> StoredOutput:
        """The output of a command so far; read again when there is more."""
        key = result.size_bytes, result.state
        known = self._kept.get(result.run)
        if known is None or known[0] != key:
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
            known = self._kept[result.run] = key, output.read_output(self.folder, result.run)
        return known[1]
