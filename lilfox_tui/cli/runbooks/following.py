"""A run in which somebody else acts: nothing is asked in this terminal, until somebody here takes over."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from lilfox_tui.cli.output import print_error
from lilfox_tui.cli.questions import pose, typed_line
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.control import follow_events
from lilfox_tui.monitor.runbook_orders import take_over
from lilfox_tui.runbook.run.protocol import ClientActs, decode_facts
from lilfox_tui.runbook.run.reducer import RunReducer


class Following:
    """Who acts instead of this terminal; ``t`` and enter takes over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.who = ""
        """Empty where this terminal may act."""
        self._acts: ClientActs | None = None
        self._taking: asyncio.Task[None] | None = None

    def look(self, folding: RunReducer | None) -> None:
        """Tells where that has changed, and takes the keyboard while somebody else acts."""
        self._acts = None if folding is None else folding.acts
        who = "" if self._acts is None else self._acts.other
        if who == self.who:
            return
        self.who = who
        if not who:
            self._leave_keyboard()
            return
        pose(tr("{who} acts in this run, you follow; t and enter takes over, ctrl-c leaves", who=who))
        if sys.stdin.isatty():
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._typed)

    def close(self) -> None:
        """Gives the keyboard back."""
        if self.who:
            self._leave_keyboard()

    async def until_taken(self) -> None:
        """Returns once somebody else acts instead of this terminal."""
        known = self._acts
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
