"""What is made to cost much costs little: time on a core, turns of the loop, memory; each bomb in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.faults.bomb_cost import GROUPS
from tests.speed import slowness

CPU_S, BLOCK_S, MIB = 2.0, 0.1, 200
SERVED_TOO_S = 4.0
"""Where the other side, which makes 100,000 names, is of the same process."""


@pytest.mark.fault("4.22", "4.23", "4.26", "4.28", "4.29", "4.30", "4.31", "4.32")
@pytest.mark.parametrize("group", GROUPS)
def test_no_bomb_costs_more_than_the_machine_has_to_spare(group: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.bomb_cost", group], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == list(GROUPS[group]())
    most_s = (SERVED_TOO_S if group == "listing" else CPU_S) * slowness()
    assert not [row for row in rows if not (row["cpu_s"] <= most_s and row["block_s"] <= BLOCK_S and row["mib"] <= MIB)]
    assert not [row for row in rows if not row["said"] and row["name"] != "rules of prometheus"], "each ends in words"
