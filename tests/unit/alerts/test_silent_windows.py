"""While something is in maintenance nobody is told of its alerts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.maintenance import MaintenanceWindow, open_window
from tests.unit.alerts.running import Run


@pytest.mark.parametrize("name", ["a", "all"])
async def test_nobody_is_told_of_what_is_in_maintenance(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(tmp_path)
    await run.start()
    await run.go(150, {"a": 0.0, "b": 0.0})
    now = run.clock.now()
    open_window(MaintenanceWindow(name=name, since=now, until=now + timedelta(hours=1), by="kim@ops"))
    await run.go(15, {"a": 0.0, "b": 0.0})
    assert [bool(each.silenced_by) for each in run.alerts()] == [True, name == "all"]
    await run.go(3600, {"a": 0.0, "b": 0.0})
    assert [each.silenced_by for each in run.alerts()] == [(), ()]
