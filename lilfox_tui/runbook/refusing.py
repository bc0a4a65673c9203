"""What is not run unless somebody says so."""

from __future__ import annotations

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.runbook.gate import unseen
from lilfox_tui.runbook.preparing import Ready
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.turns import Turn


def refuse_again(folding: Folding, turn: Turn) -> None:
    """Nothing runs twice. Raises LilFoxError."""
    results = folding.results(turn.step, turn.command or 0)
    for host in turn.hosts:
        state = results[host].state if host in results else "ready"
        if state == "done":
            raise LilFoxError(
                tr("it is done on {host} already; nothing was run", host=host),
                tr("to run it once more, say so: again"),
            )
        if state in ("unknown", "running"):
            raise LilFoxError(
                tr("nobody knows how it ended on {host}; nothing was run", host=host),
                tr("look there first; to run it once more, say so: again"),
            )


def refuse_unseen(ready: Ready) -> None:
    """What only its values make a change of runs once somebody has seen that. Raises LilFoxError."""
    if ready.became:
        raise unseen(ready.command)


def refuse_behind_undone(folding: Folding) -> None:
    """What is left relies on what was before it, and nobody is here to say that it may run without that. Raises
    LilFoxError."""
    if any(folding.state_of(turn) == "undone" for turn in folding.turns()):
        raise LilFoxError(
            tr("what was changed was taken back: nothing goes on behind that without being asked"),
            tr("begin a new run, or go on with this one step by step, without --yes"),
        )
