"""The time from exec to the first screen with true numbers of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from lilfox_tui.hosts.open import this_machine
from tests.bench.bare import TEXT
from tests.bench.on_terminal import OnTerminal
from tests.bench.programs import BARE, LILFOX, Peers, median_ratio
from tests.bench.table import Row, against

WITHIN_S = 20.0
ALIKE_POINTS = 8.0
"""The percentage of memory on the screen is true when it differs by no more from what is measured here."""


def true_numbers(text: str, row: str) -> bool:
    """Whether a line that matches ``row`` (groups ``cpu`` and ``memory``) stands there with this machine's memory."""
    for line in re.finditer(row, text, re.MULTILINE | re.DOTALL):
        if abs(float(line["memory"]) - psutil.virtual_memory().percent) <= ALIKE_POINTS:
            return 0 <= float(line["cpu"]) <= 100
    return False


OURS = rf"^[ │] ?\S +{re.escape(this_machine()[:12])}\S* +(?P<cpu>\d+)%[^%\n]*? (?P<memory>\d+)%"
GLANCES = r"\bCPU\b[^\n%]*?(?P<cpu>\d+\.?\d*)%.*?\bMEM\b[^\n%]*?(?P<memory>\d+\.?\d*)%"


def measure(peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Ours, the bare app and glances, one after the other, over and over."""
    runs: dict[str, tuple[Sequence[str], Callable[[str], bool]]] = {
        "lilfox": (LILFOX, partial(true_numbers, row=OURS)),
        "bare": (BARE, lambda text: TEXT in text),
    }
    if peers.glances is not None:
        runs["glances"] = ((*peers.glances, "-t", "1"), partial(true_numbers, row=GLANCES))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(4 if quick else 10):
        for name, (argv, shows) in runs.items():
            with OnTerminal(argv, home=home) as program:
                seconds = program.until(shows, WITHIN_S, step_s=1.0)
            if number:  # the first of each compiles and fills caches
                taken[name].append(seconds)
    shown = {name: f"{median(times) * 1000:.0f} ms" for name, times in taken.items()}
    what = "first frame with real numbers"
    ratio = median_ratio(taken["lilfox"], taken["bare"])
    yield against(what, shown["lilfox"], f"{shown['bare']}  bare Textual app", ratio, 1.25)
    if peers.glances is None:
        yield Row(what, shown["lilfox"], "glances: not installed", goal="≤ 0.85")
    else:
        ratio = median_ratio(taken["lilfox"], taken["glances"])
        yield against(what, shown["lilfox"], f"{shown['glances']}  glances", ratio, 0.85)
