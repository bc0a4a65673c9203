"""The bench keeps what stands for other machines off the console's CPU."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench.keys import cpus_apart, on_cpus


def test_the_console_has_a_cpu_of_its_own() -> None:
    assert cpus_apart({3, 0, 1}) == ({0}, {1, 3})
    assert cpus_apart({2}) == ({2}, {2}), "there is only one"


def test_what_is_started_there_runs_there() -> None:
    before = os.sched_getaffinity(0)
    only = {max(before)}
    with on_cpus(only):
        told = subprocess.run(
            [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], check=True, capture_output=True
        )
    assert set(map(int, told.stdout.split())) == only
    assert os.sched_getaffinity(0) == before
