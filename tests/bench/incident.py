"""What the record of an incident costs when it is long: going on after a kill -9 with 10,000 entries, and one more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import verify
from lilfox_tui.incident.model import Noted, StepBegan, StepEnded, find
from lilfox_tui.incident.timeline import open_for_append
from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import LILFOX, Peers, environment, median_ratio
from tests.bench.table import Row, against, within

ENTRIES = 10_000
CALLS = 7
APPENDS = 200
OUTPUT = "Active: active (running) since Sat 2023-12-30 02:00:00 UTC; 3min ago\n" * 8
GOES_ON = """
import json, time
began = time.perf_counter()
from lilfox_tui.incident import incidents
from lilfox_tui.incident.model import Noted
found = incidents.current()
incidents.append(found.id, Noted(text="goes on"), once="the same")
print(json.dumps([time.perf_counter() - began, found.entries, list(found.steps)]))
"""


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Of a new process: its imports, the whole timeline read and added up, one entry appended; then one entry more
    against one to a timeline that is new."""
    folder = home / "incident"
    folder.mkdir()
    with _state(folder):
        incident = _fill(book.open_incident("bench").id)
        if verify(incident).problems:
            raise CannotMeasure(f"{incident} is not intact")
        calls = [_goes_on(folder) for _ in range(1 + (3 if quick else CALLS))][1:]
        yield within(f"resume with {ENTRIES} timeline entries, a new process", median(calls), 0.5, "s")
        shown = [_lilfox(folder) for _ in range(1 + (3 if quick else CALLS))][1:]
        yield within(f"lilfox incident current, {ENTRIES} timeline entries, wall", median(shown), 0.5, "s")
        ours, new = _append_s(incident, book.open_incident("new").id)
        mine, other = median(ours), median(new)
        theirs = f"{other * 1000:.2f} ms  to a new one"
        shown_mine = f"{mine * 1000:.2f} ms"
        yield against(f"entry {ENTRIES} appended, with fsync", shown_mine, theirs, median_ratio(ours, new), 1.5)


def _fill(incident: str) -> str:
    """A command's beginning and end in turn; the last one has not ended."""
    with patch("os.fsync"), open_for_append(find(incident), "kim@bastion") as timeline:
        for number in range(ENTRIES // 2):
            run = f"{number}"
            begun = StepBegan(
                runbook="db", sha256="0" * 64, step=1, title="look", command="systemctl status x", host="a", run=run
            )
            timeline.append(begun)
            if number < ENTRIES // 2 - 1:
                timeline.append(StepEnded(run=run, state="done", message="exit status 0", output=OUTPUT))
    return incident


def _goes_on(folder: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", GOES_ON], env=_environment(folder), capture_output=True, text=True, check=True
    )
    took, entries, steps = json.loads(done.stdout)
    if entries < ENTRIES or steps != [f"{ENTRIES // 2 - 1}"]:
        raise CannotMeasure(f"{entries} entries, {steps}: not all of it was read")
    return float(took)


def _lilfox(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run([*LILFOX, "incident", "current"], env=_environment(folder), capture_output=True, check=True)
    return time.perf_counter() - began


def _append_s(*incidents: str) -> list[list[float]]:
    """Seconds of each entry, to one incident and the other in turn."""
    took: list[list[float]] = [[] for _ in incidents]
    for number in range(APPENDS):
        for incident, times in zip(incidents, took, strict=True):
            began = time.perf_counter()
            book.append(incident, Noted(text=f"{number}"))
            times.append(time.perf_counter() - began)
    return took


def _environment(folder: Path) -> dict[str, str]:
    return {**environment(folder), "STATE_DIRECTORY": str(folder)}


@contextmanager
def _state(folder: Path) -> Iterator[None]:
    before = os.environ.get("STATE_DIRECTORY")
    os.environ["STATE_DIRECTORY"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("STATE_DIRECTORY")
        if before is not None:
            os.environ["STATE_DIRECTORY"] = before
