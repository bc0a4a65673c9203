"""Who took the incident over, as the console of the one who acted before has it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.app.console import Acting
from lilfox_tui.incident.model import IncidentOpened, Noted, TimelineEntry, TookOver, What
from lilfox_tui.incident.reducer import fold
from lilfox_tui.monitor.model import IncidentView

NOW = datetime(2024, 5, 1, 3, tzinfo=UTC)


def view(*events: What, name: str = "INC-1") -> IncidentView:
    opened = IncidentOpened(title="it burns", severity="SEV-2")
    entries = tuple(
        TimelineEntry(number=number, at=NOW, by="ann@a", previous="0" * 64, what=what)
        for number, what in enumerate((opened, *events), 1)
    )
    return IncidentView(NOW, fold(entries, Path(name)), entries)


def test_what_was_before_takes_nothing_from_us_and_what_comes_does() -> None:
    acting = Acting()
    before = TookOver(before="x", who="eve@a pts/9", process=1)
    assert acting.look(view(before)) is None
    assert acting.taken_by == ""
    assert acting.look(view(before, Noted(text="smoke"))) is None
    later = TookOver(before="ann@a pts/1", who="bob@a pts/2", process=os.getppid())
    said = acting.look(view(before, Noted(text="smoke"), later))
    assert "bob@a pts/2 took over INC-1" in str(said)
    assert acting.taken_by == "bob@a pts/2"
    back = TookOver(before="bob@a pts/2", who="ann@a pts/1", process=os.getpid())
    assert acting.look(view(before, Noted(text="smoke"), later, back)) is None
    assert acting.taken_by == ""


def test_who_took_it_over_and_is_gone_takes_nothing_any_more() -> None:
    acting = Acting()
    acting.look(view())
    with subprocess.Popen(["sleep", "1000"]) as other:
        acting.look(view(TookOver(before="ann@a", who="bob@a pts/2", process=other.pid)))
        assert acting.taken_by == "bob@a pts/2"
        other.kill()
    assert acting.taken_by == ""


def test_another_incident_is_nobodys() -> None:
    acting = Acting()
    acting.look(view())
    acting.look(view(TookOver(before="ann@a")))
    assert acting.taken_by == "ann@a", "by a command that has ended since: until we say otherwise"
    assert acting.look(view(name="INC-2")) is None
    assert acting.taken_by == ""
    acting.look(IncidentView(NOW))
    assert acting.taken_by == ""
