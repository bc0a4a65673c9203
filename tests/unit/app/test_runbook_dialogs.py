"""What is said before a run is ended."""

from __future__ import annotations

import pytest

from lilfox_tui.app.panes.runbook.dialogs import alerts_first, beginning_rows, ending_rows
from lilfox_tui.config.model import Config
from lilfox_tui.runbook.run.protocol import RunFact
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.variables import ValueChoice
from tests.unit.runbook.made import began, command, ended, opened, runbook

MADE: list[RunFact] = [began("r1", 0, 0), ended("r1")]
UNMADE: list[RunFact] = [began("r2", 0, 1, rollback=True, undoes=("r1",)), ended("r2")]
LOOKED: list[RunFact] = [began("r3", 1, 0, kind="read"), ended("r3", "failed")]
STAYS, MAY = "1 change stays in force:", "1 command may have changed something:"
LAST = "After the run has ended, u cannot undo this. To undo it now, press esc, then u."


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ([], ["Nothing was changed."]),
        (LOOKED, ["Nothing was changed."]),
        (MADE, [STAYS, LAST]),
        ([*MADE, *UNMADE], ["All changes were undone."]),
        ([began("r1", 0, 0), ended("r1", "failed")], [MAY]),
        ([began("r1", 0, 0), ended("r1", "unknown")], [MAY]),
        ([*MADE, began("r4", 1, 1, kind="interactive"), ended("r4")], [STAYS, MAY, LAST]),
    ],
)
def test_what_a_run_leaves_behind_is_said_before_it_is_ended(facts: list[RunFact], said: list[str]) -> None:
    reducer = RunReducer(
        runbook(
            (command("make", "change", name="make"), command("unmake", "change", rollback_of="make")),
            (command("look"), command("vi", "interactive")),
        )
    )
    reducer.take([opened({"": ("here",)}), *facts])
    texts = ["".join(piece.text for piece in row).strip() for row in ending_rows(reducer)]
    assert [text for text in texts if text.endswith((".", ":"))] == said


def test_values_of_firing_alerts_are_offered_first() -> None:
    choices = [ValueChoice("gateway"), ValueChoice("backend", "port 8000"), ValueChoice("model")]
    found = alerts_first(choices, ["backend", "other"])
    assert [each.value for each in found] == ["backend", "other", "gateway", "model"]
    assert [bool(each.note) for each in found] == [True, True, False, False]
    assert found[0].note == "an alert fires for it"
    assert alerts_first(choices, []) == choices


def test_what_a_run_would_change_is_said_before_it_begins() -> None:
    made = runbook(
        (command("look"), command("set -eu\nsystemctl restart <unit>", "change", name="make")),
        (command("systemctl stop <unit>", "change", rollback_of="make"),),
        (command("rm -r /srv/old", "change", risk="destroy"),),
    )
    rows = beginning_rows(made, None, {}, Config())
    texts = ["".join(piece.text for piece in row) for row in rows]
    assert [text for text in texts if text.strip().startswith("contains")]
    changing = [text for text in texts if "systemctl" in text or "rm -r" in text]
    assert [text.split()[-3:] for text in changing] == [["systemctl", "restart", "<unit>"], ["rm", "-r", "/srv/old"]]
    assert changing[0].strip().startswith("changes")
    assert [row[1].role for row in rows if row and "rm -r" in row[-1].text] == ["failing"]
