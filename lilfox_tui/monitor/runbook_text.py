"""A run whose file was changed in mid-run: what is told of that in a face, and the orders that it leads to."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from lilfox_tui.config.runbook_model import RunbooksConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.runbook.library import allow, first_run
from lilfox_tui.runbook.model import BUNDLED, Runbook
from lilfox_tui.runbook.run.persistence import RunbookFile, command_moves
from lilfox_tui.runbook.run.protocol import UseText
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.trusted_file import why_not


class OtherText(Struct, frozen=True, kw_only=True):
    """The file of a run does not say what the run has."""

    what: tuple[Message, ...]
    """Sentences for people."""
    now: Runbook | None
    """What it says now; None where that cannot be run."""


def other_text(folding: RunReducer) -> OtherText | None:
    """None where the file says what the run has, or the run stays with that. Blocks."""
    runbook = folding.runbook
    if folding.stays or runbook.path.startswith(BUNDLED):
        return None
    file = RunbookFile(runbook.path, runbook.id)
    there = file.sha256()
    if there == folding.sha256:
        return None
    if not there:
        return OtherText(what=(tr("{path} cannot be read any more", path=runbook.path),), now=None)
    changed = tr("{path} was changed since this run read it", path=runbook.path)
    try:
        now = file.read()
    except LilFoxError as error:
        return OtherText(what=(changed, tr("what it says now cannot be run: {reason}", reason=error.message)), now=None)
    commands = sum(len(step.commands) for step in now.steps)
    told = tr("commands that are as they were: {count} of {all}", count=len(command_moves(runbook, now)), all=commands)
    others = why_not(Path(runbook.path))
    return OtherText(what=(changed, *(() if others is None else (others.message,)), told), now=now)


def use_now(now: Runbook, config: RunbooksConfig) -> UseText:
    """Somebody wants the run to go on with what its file says now, which is allowed by that. Blocks. Raises
    LilFoxError."""
    if (first := first_run(now, config)) is not None:
        allow(first)
    return UseText(sha256=now.sha256)


def stay(folding: RunReducer) -> UseText:
    """Somebody wants it to go on with what it has."""
    return UseText(sha256=folding.sha256)
