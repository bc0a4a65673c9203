"""What the command line costs: CPU of a check of this machine, time of the shortest call."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import LILFOX, Peers, environment, median_ratio
from tests.bench.table import Row, against, within

CHECKS = 5
CALLS = 20
TIMEOUT_S = 30.0


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """``lilfox check`` with no config; ``lilfox --version`` against ``python -c 'import argparse'``, in turn."""
    checks = [_cpu_s((*LILFOX, "check"), home) for _ in range(1 + CHECKS)][1:]
    yield within("lilfox check of this machine, CPU", median(checks), 0.5, "s")
    ours, theirs = [], []
    for number in range(1 + (CALLS // 2 if quick else CALLS)):
        mine, other = (
            _wall_s((*LILFOX, "--version"), home),
            _wall_s((sys.executable, "-c", "import argparse"), home),
        )
        if number:
            ours.append(mine)
            theirs.append(other)
    shown = f"{median(theirs) * 1000:.0f} ms  import argparse"
    yield against("lilfox --version", f"{median(ours) * 1000:.0f} ms", shown, median_ratio(ours, theirs), 2.5)


def _cpu_s(argv: Sequence[str], home: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        argv, env=environment(home), cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise CannotMeasure(f"{argv!r}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _wall_s(argv: Sequence[str], home: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv,
        env=environment(home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=TIMEOUT_S,
    )
    return time.perf_counter() - began
