"""From a key to the screen in each pane, while many hosts are watched and a log grows by thousands of lines.

The hosts and the writer of the log stand for other machines: with two CPUs, they do not run on the console's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.on_terminal import OnTerminal
from tests.bench.programs import LILFOX, Peers
from tests.bench.ssh_hosts import config_of, connected
from tests.bench.table import Row, within
from tests.services.sshd import sshd_lab

LINES_S = 5000
PANES = ("Metrics", "Logs", "Backup", "Runbook")
OPENED: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("filter", "/", lambda screen: "enter keep it" in screen),  # in the place of the footer
    ("palette", ":", lambda screen: "type to filter" in screen),
)
"""What is opened by which key, and whether it is on the screen."""
KEYS = 20
"""In each pane."""
MOST_MS = 30
_WITHIN_S = 10.0
_SETTLE_S = 5.0
_GROWS = f"""
import json, sys, time
number, due = 0, time.monotonic()
with open(sys.argv[1], "a") as log:
    while True:
        for _ in range({LINES_S // 20}):
            number += 1
            level = "ERROR" if number % 97 == 0 else "INFO"
            record = {{"timestamp": time.time(), "level": level, "message": f"request {{number}}"}}
            log.write(json.dumps(record) + "\\n")
        log.flush()
        due += 0.05
        time.sleep(max(0.0, due - time.monotonic()))
"""


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """A key that opens the filter's line, and one that opens the palette with its rows: 95 of 100 within."""
    count = 20 if quick else 100
    log = home / "busy.log"
    console, others = cpus_apart(os.sched_getaffinity(0))
    where = "" if console & others else " on another CPU"
    logs = {"busy": {"kind": "file", "path": str(log)}}
    (home / "data").mkdir()
    sources = {"data": {"kind": "files", "path": str(home / "data")}}
    backup = {
        "stores": {"disk": {"path": str(home / "sets")}},
        "plans": {"data": {"sources": sources, "store": "disk"}},
    }
    with on_cpus(others), sshd_lab() as lab:
        config = config_of(lab, home, count=count, refresh="2s", logs=logs, backup=backup)
        with _growing(log), _console(config, home, console) as program:
            connected(program, lab)
            program.collect(_SETTLE_S)
            for number, name in enumerate(PANES, 1):
                program.press(str(number))
                program.collect(_SETTLE_S)
                for opened, key, shows in OPENED:
                    taken = sorted(_key_s(program, key, shows) for _ in range(KEYS))
                    what = (
                        f"{name}, {opened}: key to screen, {count} hosts and {LINES_S} lines/s{where}, 95 of 100 within"
                    )
                    yield within(what, taken[-(-95 * len(taken) // 100) - 1] * 1000, MOST_MS, "ms")


def cpus_apart(cpus: Collection[int]) -> tuple[set[int], set[int]]:
    """Which of ``cpus`` is the console's, and which those of all else; the same where there is only one."""
    first, *others = sorted(cpus)
    return {first}, set(others) or {first}


@contextmanager
def on_cpus(cpus: Collection[int]) -> Iterator[None]:
    """Runs this thread, and what it starts meanwhile, on these CPUs alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _console(config: Path, home: Path, cpus: Collection[int]) -> OnTerminal:
    with on_cpus(cpus):
        return OnTerminal((*LILFOX, "--config", str(config)), home=home)


@contextmanager
def _growing(log: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", _GROWS, str(log)]) as writer:
        try:
            yield
        finally:
            writer.kill()


def _key_s(program: OnTerminal, key: str, shows: Callable[[str], bool]) -> float:
    """Seconds from the key to the block of output with what it opens; leaves it closed."""
    pressed = time.monotonic()
    program.press(key)
    shown = program.started + program.until(shows, _WITHIN_S)
    program.press("\x1b")
    program.until(lambda screen: not shows(screen), _WITHIN_S)
    program.collect(0.1)
    return shown - pressed
