"""Runbooks: the time to open one, in a process of its own, with the imports; markdown-it reads the same beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import TREE, Peers, environment, median_ratio
from tests.bench.table import Row, against, within

ROUNDS, QUICK_ROUNDS = 9, 3
STEPS = 22_000
"""Some 5 MB."""
_OURS = """
import sys, time
data = open(sys.argv[1], "rb").read()
began = time.perf_counter()
from lilfox_tui.runbook.parse.document import parse
document = parse(data, sys.argv[1])
print(time.perf_counter() - began, len(document.runbooks), sum(len(each.steps) for each in document.runbooks))
"""
_THEIRS = """
import sys, time
data = open(sys.argv[1], "rb").read()
began = time.perf_counter()
from markdown_it import MarkdownIt
tokens = MarkdownIt("commonmark").parse(data.decode())
print(time.perf_counter() - began, sum(each.type == "fence" for each in tokens), 0)
"""


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The manual, where ``LILFOX_MANUAL`` names it, and a runbook of 5 MB."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    large = home / "large.md"
    large.write_text(f"# Large\n\n{''.join(map(_step, range(STEPS)))}", encoding="utf-8")
    manual = os.environ.get("LILFOX_MANUAL")
    if manual is None:
        yield Row("open the manual: LILFOX_MANUAL names none")
    else:
        yield from _opened("open the manual, with imports", Path(manual), home, rounds, 0.05, (3, 12))
    yield from _opened(f"open a runbook of {large.stat().st_size / 1e6:.1f} MB", large, home, rounds, 1.0, (1, STEPS))


def _step(number: int) -> str:
    return (
        f"{number}. **Step number {number}**\n\n   Some words about what is done here, and why.\n\n   ```bash\n"
        f"   sudo systemctl status unit-{number}\n   journalctl -u unit-{number} -n 100 | grep -c 'error {number}'\n"
        f"   sudo systemctl restart unit-{number}\n   ```\n\n   - check {number}\n\n"
    )


def _opened(what: str, path: Path, home: Path, rounds: int, goal_s: float, expected: tuple[int, int]) -> Iterator[Row]:
    ours, theirs = [], []
    for number in range(1 + rounds):
        mine, *found = _timed(_OURS, path, home)
        other, *_counts = _timed(_THEIRS, path, home)
        if tuple(found) != expected:
            raise CannotMeasure(f"{path}: {found} runbooks and steps, not {expected}")
        if number:
            ours.append(mine)
            theirs.append(other)
    yield within(what, median(ours), goal_s, "s")
    shown = f"{median(theirs) * 1000:.0f} ms  markdown-it, blocks alone"
    yield against(f"    {path.name} beside it", f"{median(ours) * 1000:.0f} ms", shown, median_ratio(ours, theirs), 1.0)


def _timed(program: str, path: Path, home: Path) -> tuple[float, int, int]:
    """Seconds, and two counts of what was found."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=environment(home) | {"PYTHONPATH": str(TREE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )
    if done.returncode != 0:
        raise CannotMeasure(done.stderr.decode(errors="replace")[-2000:])
    seconds, first, second = done.stdout.split()
    return float(seconds), int(first), int(second)
