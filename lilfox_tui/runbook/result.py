"""How a run ended, as its job says it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, ntr, tr
from lilfox_tui.jobs.model import JobState
from lilfox_tui.jobs.run import Outcome
from lilfox_tui.runbook.half_done import is_half_done
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.states import Result, State
from lilfox_tui.runbook.turns import Turn

PARTLY = 3
CANCELLED = 130


def outcome_of(folding: Folding, *, aborted: bool = False, failure: LilFoxError | None = None) -> Outcome:
    """``ok`` (0): all is done. ``failed`` (1): it failed, and of what was done nothing is in force. ``partly`` (3): not
    all is done, and something was changed; or something was skipped. ``unknown`` (1): nobody knows how a command ended.
    ``cancelled`` (130): given up before anything was changed."""
    turns = [turn for turn in folding.turns() if turn.command is not None]
    begun = [*turns, *_ways_back(folding)]
    states: Counter[State] = Counter(folding.state_of(turn) for turn in turns)
    changed = len(folding.changes())
    result = {"runbook": folding.runbook.id, "states": dict(states), "changes_in_force": changed}
    hint = _hint(changed, any(folding.rollback_of(each.run) for each in folding.changes()))
    if (unknown := _first(folding, begun, "unknown")) is not None:
        return Outcome("unknown", str(unknown[0]), str(hint), 1, result)
    bad = _first(folding, begun, "failed")
    if failure is not None or bad is not None:
        message = failure.message if failure is not None else bad and bad[0]
        hints = [failure.hint] if failure is not None else [hint, _half_done(folding, bad[1]) if bad else ""]
        state: JobState = "partly" if changed else "failed"
        return _ended(state, str(message), " ".join(filter(None, map(str, hints))), result)
    left = [turn for turn in turns if not folding.passed(turn)]
    if aborted or left:
        message = ntr("it was ended before its command was done",
                      "it was ended with {left} of {count} commands left", len(turns), left=len(left))  # fmt: skip
        return _ended("partly" if changed else "cancelled", str(message), str(hint), result)
    if states["skipped"]:
        done = len(turns) - states["skipped"] - states["undone"]
        skipped = tr("commands done: {done}, skipped: {skipped}", done=done, skipped=states["skipped"])
        return _ended("partly", str(skipped), "", result)
    if states["undone"]:
        return _ended("partly" if changed else "failed", str(tr("what was changed was taken back")), str(hint), result)
    return Outcome("ok", str(ntr("the command is done", "all {count} commands are done", len(turns))), "", 0, result)


def _ended(state: JobState, message: str, hint: str, result: dict[str, Any]) -> Outcome:
    codes: dict[JobState, int] = {"partly": PARTLY, "failed": 1, "cancelled": CANCELLED}
    return Outcome(state, message, hint, codes[state], result)


def _ways_back(folding: Folding) -> list[Turn]:
    """Rollbacks that were begun: how they ended counts as well."""
    return [
        Turn(step, number, tuple(results))
        for step, each in enumerate(folding.runbook.steps)
        for number, command in enumerate(each.commands)
        if command.attributes.rollback_of is not None and (results := folding.results(step, number))
    ]


def _first(folding: Folding, turns: list[Turn], state: State) -> tuple[Message, Result] | None:
    """The first command of that state that the run cannot pass, in words."""
    for turn in turns:
        if folding.state_of(turn) != state or folding.passed(turn):
            continue
        for each in folding.results(turn.step, turn.command or 0).values():
            if each.state == state:
                title = folding.runbook.steps[turn.step].title
                words = tr("{step}. {title}: {host}: {message}", step=turn.step + 1, title=title, host=each.host,
                           message=each.message or state)  # fmt: skip
                return words, each
    return None


def _half_done(folding: Folding, failed: Result) -> Message | str:
    if not is_half_done(folding, failed):
        return ""
    return tr("what failed may have changed something on {host} before it failed: look there", host=failed.host)


def _hint(changed: int, undoable: bool) -> Message | str:
    if not changed:
        return ""
    if undoable:
        return tr("changes in force: {count}; the runbook can take some of them back", count=changed)
    return tr("changes in force: {count}", count=changed)
