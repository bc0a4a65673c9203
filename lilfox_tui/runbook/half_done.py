"""A change that failed on its way: how far it came only a look at its host tells. What takes it back may be run, too,
which is never done by itself: it was written for the whole change."""

from __future__ import annotations

from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.states import Result
from lilfox_tui.runbook.turns import Turn


def is_half_done(folding: Folding, failed: Result) -> bool:
    """Whether it may have changed something before it failed that nothing has taken back since."""
    begun = failed.exit_status is not None or failed.stopped
    return failed.kind == "change" and failed.state == "failed" and begun and not _taken_back(folding, failed)


def half_done(folding: Folding, turn: Turn) -> str:
    """``run`` of what may be half done at ``turn`` and that the runbook can take back; empty where there is none."""
    found = [
        each.run
        for each in folding.results(turn.step, turn.command or 0).values()
        if is_half_done(folding, each) and folding.rollback_of(each.run)
    ]
    return found[-1] if found else ""


def _taken_back(folding: Folding, failed: Result) -> bool:
    ways = folding.rollback_of(failed.run)
    later = [folding.results(way.step, way.command or 0).get(failed.host) for way in ways]
    return bool(ways) and all(each is not None and each.state == "done" and each.began > failed.began for each in later)
