"""What it costs to stay open: CPU of the process tree and bytes to the terminal, against glances and htop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from lilfox_tui.config.model import Thresholds
from lilfox_tui.hosts.open import this_machine
from tests.bench.first_frame import GLANCES, OURS, WITHIN_S, true_numbers
from tests.bench.on_terminal import OnTerminal, Steady
from tests.bench.programs import LILFOX, Peers, median_ratio
from tests.bench.table import Row, against, within

SETTLE_S = 5.0
SLOW_LINK_S = 30.0
PAUSED_S = 10.0
WHOLE, ZOOMED = "lilfox", "lilfox, zoomed"


def measure(peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """This machine each second: ours and the peers in turn; then paused, then for a slow link."""
    costs = _in_turn(peers, home, rounds=1 if quick else 3, seconds=10.0 if quick else 20.0)
    yield from _cpu("CPU, this machine, 1 s refresh, all charts", costs, WHOLE, {"glances": 0.4, "htop": 1.0})
    yield from _cpu("  the list of hosts alone (z)", costs, ZOOMED, {"glances": 0.25})
    yield _bytes(costs)
    yield _paused(home)
    yield _slow_link(home)


def _in_turn(peers: Peers, home: Path, *, rounds: int, seconds: float) -> dict[str, list[Steady]]:
    ours = (*LILFOX, "--refresh", "1s"), partial(true_numbers, row=OURS)
    runs: dict[str, tuple[tuple[str, ...], Callable[[str], bool]]] = {WHOLE: ours, ZOOMED: ours}
    if peers.glances is not None:
        runs["glances"] = ((*peers.glances, "-t", "1"), partial(true_numbers, row=GLANCES))
    if peers.htop is not None:
        runs["htop"] = ((*peers.htop, "-d", "10"), lambda text: "Mem[" in text)
    costs: dict[str, list[Steady]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (argv, shows) in runs.items():
            with OnTerminal(argv, home=home) as program:
                program.until(shows, WITHIN_S)
                if name == ZOOMED:
                    program.press("z")
                costs[name].append(program.steady(SETTLE_S, seconds))
    return costs


def _cpu(what: str, costs: dict[str, list[Steady]], run: str, goals: dict[str, float]) -> Iterator[Row]:
    ours = [each.cpu_percent for each in costs[run]]
    shown = f"{median(ours):.2f} %"
    for name, goal in goals.items():
        if name not in costs:
            yield Row(what, shown, f"{name}: not installed", goal=f"≤ {goal:g}")
            continue
        theirs = [each.cpu_percent for each in costs[name]]
        yield against(what, shown, f"{median(theirs):.2f} %  {name}", median_ratio(ours, theirs), goal)


def _bytes(costs: dict[str, list[Steady]]) -> Row:
    ours = [each.bytes_s for each in costs[WHOLE]]
    what, shown = "bytes to the terminal a second", f"{median(ours):.0f} B"
    if "htop" not in costs:
        return Row(what, shown, "htop: not installed", goal="≤ 1.5")
    theirs = [each.bytes_s for each in costs["htop"]]
    return against(what, shown, f"{median(theirs):.0f} B  htop", median_ratio(ours, theirs), 1.5)


def _paused(home: Path) -> Row:
    with OnTerminal((*LILFOX, "--config", str(_nothing_fires(home)), "--refresh", "1s"), home=home) as program:
        program.until(partial(true_numbers, row=OURS), WITHIN_S)
        program.press("p")
        program.until(lambda text: "paused" in text, WITHIN_S)
        cost = program.steady(SETTLE_S, PAUSED_S)
    return within("  paused, nothing new firing", cost.bytes_s, 0, "B/s")


def _slow_link(home: Path) -> Row:
    with OnTerminal((*LILFOX, "--config", str(_nothing_fires(home)), "--slow-link"), home=home) as program:
        program.until(partial(true_numbers, row=OURS), WITHIN_S)
        cost = program.steady(SETTLE_S, SLOW_LINK_S)
    return within("  --slow-link", cost.bytes_s / 1000, 0.3, "KB/s")


def _nothing_fires(home: Path) -> Path:
    """A config (JSON is YAML) of this machine without levels: what else runs here cannot make anything fire."""
    never = {name: {"warn": None, "fail": None} for name in Thresholds.__struct_fields__ if name != "hold"}
    file = home / "config.yaml"
    file.write_text(json.dumps({"hosts": {this_machine(): {"local": True}}, "thresholds": never}))
    file.chmod(0o600)
    return file
