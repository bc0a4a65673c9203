"""The table of docs/faults.md: what a run of all tests writes into it, and what it does not let pass."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tools import faults

ROWS = """\
| 1.14 | the link is cut while a dump streams | {passed} | [test_link](../tests/faults/test_link.py): `14_a`, `14_b` |
"""
TESTS = {"1.14": ["tests/faults/test_link.py::test_14_a", "tests/faults/test_link.py::test_14_b"]}


@pytest.mark.parametrize(
    "passed", ["1 passed", "1 failed, 2 passed", "1 failed, 1 skipped", "not run yet", "–", "many passed"]
)
def test_a_row_that_records_less_than_it_names_is_refused(passed: str) -> None:
    troubles = faults.unproved(ROWS.format(passed=passed), TESTS)
    assert troubles == [f"row 1.14 names 2 tests and records '{passed}'; run: make faults"]


@pytest.mark.parametrize("passed", ["2 passed", "7 passed", "1 passed, 1 skipped"])
def test_a_row_whose_tests_all_ran_is_taken(passed: str) -> None:
    assert faults.unproved(ROWS.format(passed=passed), TESTS) == []


def test_parameters_of_a_test_are_counted_one_by_one() -> None:
    outcomes = {"t.py::test_a[1]": "passed", "t.py::test_a[x[2]]": "failed", "t.py::test_b": "skipped"}
    assert faults.by_test(outcomes) == {
        "t.py::test_a": Counter(passed=1, failed=1), "t.py::test_b": Counter(skipped=1),
    }  # fmt: skip


def test_a_run_writes_what_became_of_each_test(tmp_path: Path) -> None:
    (tmp_path / "test_made.py").write_text(
        "import pathlib, pytest\n"
        "@pytest.mark.parametrize('name', ['a', 'b@c'])\n"
        "def test_well(name): pass\n"
        "def test_ill(): assert False\n"
        "def test_once_alone(tmp_path):\n"
        "    seen = pathlib.Path(__file__).with_name('seen')\n"
        "    if not seen.exists():\n"
        "        seen.touch()\n"
        "        assert False\n"
        "@pytest.mark.skip\n"
        "def test_not(): pass\n"
    )
    outcomes = tmp_path / "outcomes.json"
    argv = [
        sys.executable,
        "-m",
        "tests.run",
        "--outcomes",
        str(outcomes),
        "-q",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run([*argv, "-n", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(outcomes.read_text())
    assert {name.rpartition("::")[2]: how for name, how in found.items()} == {
        "test_well[a]": "passed", "test_well[b@c]": "passed", "test_ill": "failed", "test_once_alone": "passed",
        "test_not": "skipped",
    }  # fmt: skip
