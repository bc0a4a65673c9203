"""What ``lilfox recover`` tells of a pass by its exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.__main__ import main
from lilfox_tui.recovery.history import RecoveryHistory, UnitRecord
from lilfox_tui.recovery.watch import UnitWatch
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [pytest.mark.fault("2.22"), pytest.mark.usefixtures("jobs")]
CONFIG = """\
hosts: {here: {local: true}}
recovery:
  ill: {host: here, unit: ill.service, failures: 1}
  well: {host: here, unit: well.service, failures: 1}
"""


@pytest.mark.parametrize(("restarted", "code"), [(True, 3), (False, 1)])
def test_only_a_unit_that_this_pass_restarted_counts_as_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool, code: int
) -> None:
    then = datetime(2026, 3, 1, 3, tzinfo=UTC)
    before = UnitRecord(state="well", since=then, looked=then, restarts=(then,), job="of-march")
    with RecoveryHistory().changing("here/well.service") as change:
        change.record = before

    async def look(watch: UnitWatch, *, restarts: bool = True) -> UnitRecord:
        if watch.name == "ill":
            return replace(before, state="given up", job="")
        watch.job = "of-now" if restarted else ""
        return before

    monkeypatch.setattr(UnitWatch, "look", look)
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert main(["recover", "--config", str(tmp_path / "config.yaml")]) == code
