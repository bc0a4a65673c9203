"""Where a command finds on a host what those before it in its fence left there."""

from __future__ import annotations

from collections import defaultdict

from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.shell import Fence
from lilfox_tui.runbook.turns import Turn


class Carrying:
    """Of the commands of a run."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._fences: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._fences_of: Runbook | None = None

    def fence(self, turn: Turn, host: str) -> Fence | None:
        """Where the command of ``turn`` finds what was left on the host; None where it is alone in its fence."""
        folding, mine = self._folding, (turn.step, turn.command or 0)
        number = folding.command(turn).fence
        places = self._places(number)
        if len(places) < 2:
            return None
        before = any(
            place < mine and (result := folding.results(*place).get(host)) and result.state in ("done", "undone")
            for place in places
        )
        return Fence(folding.first_run, number, "later" if before else "first", host)

    def _places(self, fence: int) -> list[tuple[int, int]]:
        """Of the commands of a fence."""
        runbook = self._folding.runbook
        if self._fences_of is not runbook:
            self._fences_of, self._fences = runbook, defaultdict(list)
            for step, each in enumerate(runbook.steps):
                for number, command in enumerate(each.commands):
                    if command.kind != "none":
                        self._fences[command.fence].append((step, number))
        return self._fences[fence]
