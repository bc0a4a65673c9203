"""What tests cost: time by the clock, and processor time of the test's process and of the programs that it started and
waited for, those of ``forked_lilfox`` among them. A server that it left to itself, as those that a module's tests
share, is not counted.

``make test-times`` runs tests with this as a plugin of pytest (``-p tests.times``), and lists the 50 that cost most and
what each folder and file costs. Each worker writes what its tests cost into a file of its own in ``LILFOX_TEST_TIMES``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.services import forked_lilfox

FOLDER = "LILFOX_TEST_TIMES"
MOST = 50
LONGEST = 160
"""Characters of a name that are printed."""


class Cost(NamedTuple):
    """Seconds by the clock, and of processors."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: tuple[float, ...]) -> Cost:  # type: ignore[override]
        return Cost(self.wall_s + other[0], self.cpu_s + other[1])


def _now() -> Cost:
    own, programs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    waited_for_s = own.ru_utime + own.ru_stime + programs.ru_utime + programs.ru_stime
    return Cost(time.monotonic(), waited_for_s + forked_lilfox.spent_s())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Writes what a test cost with its fixtures: the first one of a module pays for what the module shares."""
    began = _now()
    try:
        return (yield)
    finally:
        ended = _now()
        folder = Path(os.environ[FOLDER])
        with (folder / f"{os.getpid()}.jsonl").open("a") as file:
            spent = [round(ended.wall_s - began.wall_s, 4), round(ended.cpu_s - began.cpu_s, 4)]
            file.write(json.dumps([item.nodeid.rpartition("@")[0] or item.nodeid, *spent]) + "\n")


def read(folder: Path) -> dict[str, Cost]:
    """What each test cost, by its name; one that was run twice both times."""
    found: defaultdict[str, Cost] = defaultdict(Cost)
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            name, wall, cpu = json.loads(line)
            found[name] += Cost(wall, cpu)
    return dict(found)


def grouped(tests: dict[str, Cost], key: Callable[[str], str]) -> dict[str, Cost]:
    """The costs of tests added up by what ``key`` makes of their names."""
    found: defaultdict[str, Cost] = defaultdict(Cost)
    for name, cost in tests.items():
        found[key(name)] += cost
    return dict(found)


def folder_of(name: str) -> str:
    """``tests/lab`` of a test in ``tests/lab/test_x.py``; ``tests/unit/jobs`` where the folder has folders."""
    return str(Path(name.partition("::")[0]).parent)


def file_of(name: str) -> str:
    """The module of a test."""
    return name.partition("::")[0]


def table(title: str, costs: dict[str, Cost], most: int = MOST) -> str:
    """The ``most`` that take longest by the clock, with their processor time."""
    rows = sorted(costs.items(), key=lambda each: each[1], reverse=True)[:most]
    lines = [f"{cost.wall_s:9.1f} {cost.cpu_s:9.1f}  {name[:LONGEST]}" for name, cost in rows]
    return "\n".join([f"\n{title}", f"{'wall s':>9} {'CPU s':>9}", *lines])


def main(arguments: list[str]) -> int:
    """Runs tests with the plugin, prints the tables and returns pytest's exit status."""
    with tempfile.TemporaryDirectory(prefix="lilfox-times-") as folder:
        environment = os.environ | {FOLDER: folder}
        command = [sys.executable, "-m", "tests.run", "-p", "tests.times", *arguments]
        began = time.monotonic()
        status = subprocess.run(command, env=environment, check=False).returncode
        tests = read(Path(folder))
    whole = sum(tests.values(), Cost())
    took = time.monotonic() - began
    sys.stdout.write(table("folders", grouped(tests, folder_of)))
    sys.stdout.write(table("modules", grouped(tests, file_of)))
    sys.stdout.write(table(f"the {MOST} slowest tests", tests))
    sys.stdout.write(f"\n\n{len(tests)} tests took {took:.0f} s: {whole.wall_s:.0f} s of tests, "
                     f"{whole.cpu_s:.0f} s of processors\n")  # fmt: skip
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
