"""The open incident and the run that goes on, in the line of tabs. Nothing of incident/ and runbook/ is imported."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.i18n import _
from lilfox_tui.monitor.model import IncidentView

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog


def incident_pieces(
    view: IncidentView | None, runs: Iterable[RunLog], now: datetime, glyphs: Glyphs, *, seconds: bool
) -> list[Row]:
    """``INC-7 SEV-2 00:12:31  step 3/6``, and the same in ever fewer words; empty rows where there is neither."""
    incident = None if view is None else view.incident
    step = _step(runs, glyphs)
    if incident is None:
        return [step, ()]
    role = "failing" if incident.severity in ("SEV-1", "SEV-2") else "degraded"
    name, severity = Piece(f"  {incident.id}", role), Piece(f" {incident.severity}", role)
    clock = Piece(f" {_clock(incident.opened, now, seconds=seconds)}", "text")
    return [(name, severity, clock, *step), (name, severity, *step), (name, *step), (name,)]


def _step(runs: Iterable[RunLog], glyphs: Glyphs) -> Row:
    """Where the run is that began last."""
    going = [run for run in runs if run.ended is None and run.state is not None]
    if not going:
        return ()
    run = going[-1]
    assert run.state is not None
    count = len(run.state.steps)
    turn = run.turn
    at = count if turn is None else turn.step + 1
    failed = run.state.waiting.what == "decision"
    mark = f"{glyphs.failing} " if failed else ""
    return (Piece("  " + mark + _("step {number}/{count}", number=at, count=count), "failing" if failed else "accent"),)


def _clock(since: datetime, now: datetime, *, seconds: bool) -> str:
    passed = max(0, int((now - since).total_seconds()))
    text = f"{passed // 3600:02}:{passed % 3600 // 60:02}"
    return f"{text}:{passed % 60:02}" if seconds else text
