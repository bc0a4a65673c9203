"""``python -m tests.bench scale [AXIS …]``: measures the growth curves, keeps them in docs/scaling.json."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import TREE, environment
from tests.bench.scale.curves import exponents, upper_exponent
from tests.bench.scale.model import Axis, Cost, Curve, Measured
from tests.bench.scale.results import AXES, axis_named, keep, kept

WITHIN_S = 1800


def main(argv: Sequence[str]) -> int:
    """Returns 1 where something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench scale", description=__doc__, allow_abbrev=False)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of: {' '.join(AXES)}; all when none is named")
    parser.add_argument("--operation", metavar="NAME", action="append", help="only this operation of the axes")
    parser.add_argument("--least", type=int, default=0, metavar="SIZE", help="leave out smaller sizes")
    parser.add_argument("--most", type=int, default=sys.maxsize, metavar="SIZE", help="leave out larger sizes")
    parser.add_argument("--folder", help="where to make what is measured, with the room for it; default: as mktemp")
    parser.add_argument("--beside", default="", metavar="TEXT", help="what else ran on the machine, for the page")
    parser.add_argument("--show", action="store_true", help="only print it; keep what docs/scaling.json has")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.axes) - set(AXES)
    if unknown:
        parser.error(f"no such axis: {' '.join(sorted(unknown))}; there are: {' '.join(AXES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers and large files go in any case
    failed = False
    for name in arguments.axes or AXES:
        axis = axis_named(name)
        ladder = _Ladder(axis, arguments)
        measured = ladder.measured()
        failed = failed or ladder.failed
        if not arguments.show:
            keep(measured, kept())
    return int(failed)


class _Ladder:
    """The sizes of an axis, one after the other; each operation in a process of its own."""

    def __init__(self, axis: Axis, arguments: argparse.Namespace) -> None:
        self._axis, self._folder, self._beside = axis, arguments.folder, arguments.beside
        self._sizes = [size for size in axis.sizes if arguments.least <= size <= arguments.most]
        self._operations = [
            each for each in axis.operations if arguments.operation is None or each.name in arguments.operation
        ]
        self._costs: dict[str, list[Cost]] = {each.name: [] for each in self._operations}
        self.failed = False

    def measured(self) -> Measured:
        """Measures all; what fails is told and left out."""
        for size in self._sizes:
            with tempfile.TemporaryDirectory(prefix="lilfox-scale-", dir=self._folder) as home:
                folder = Path(home)
                folder.chmod(0o755)
                try:
                    with self._axis.prepare(size, folder):
                        self._at(size, folder)
                except (CannotMeasure, AssertionError, OSError, subprocess.SubprocessError) as error:
                    self._give_up(f"{self._axis.name} {size}: {error}")
        curves = tuple(Curve(operation=name, costs=tuple(costs)) for name, costs in self._costs.items() if costs)
        for curve in curves:
            _tell_fit(self._axis, curve)
        machine = f"{os.cpu_count()} cores" + (f", {self._beside}" if self._beside else "")
        return Measured(axis=self._axis.name, day=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine, curves=curves)

    def _at(self, size: int, folder: Path) -> None:
        for operation in self._operations:
            if operation.most is not None and size > operation.most:
                continue
            words = (self._axis.name, operation.name, str(size), str(folder))
            argv = [sys.executable, "-m", "tests.bench.scale.child", *words]
            done = subprocess.run(
                argv, cwd=TREE, env=environment(folder) | {"PYTHONPATH": str(TREE), "STATE_DIRECTORY": str(folder)},
                stdin=subprocess.DEVNULL, capture_output=True, timeout=WITHIN_S, check=False,
            )  # fmt: skip
            if done.returncode:
                said = done.stderr.decode(errors="replace")[-2000:]
                self._give_up(f"{self._axis.name} {operation.name} {size}: {said}")
                continue
            cost = msgspec.json.decode(done.stdout, type=Cost)
            self._costs[operation.name].append(cost)
            _tell(self._axis, operation.name, cost)

    def _give_up(self, text: str) -> None:
        self.failed = True
        sys.stderr.write(f"{text}\n")


def _tell(axis: Axis, operation: str, cost: Cost) -> None:
    moved = "" if cost.moved_bytes is None else f"  {cost.moved_bytes:>14,} B"
    shown = "".join(f"  {name} {value:g}" for name, value in cost.shown.items())
    sys.stderr.write(
        f"{axis.name:8} {operation:10} {cost.size:>14,}  cpu {cost.cpu_s:10.4f} s  wall {cost.wall_s:10.4f} s"
        f"  memory {cost.memory_bytes / 1e6:8.1f} of {cost.peak_bytes / 1e6:8.1f} MB{moved}{shown}\n"
    )


def _tell_fit(axis: Axis, curve: Curve) -> None:
    for measure in ("cpu_s", "wall_s", "memory_bytes", "moved_bytes"):
        points = [(each.size, value) for each in curve.costs if (value := getattr(each, measure)) is not None]
        upper = upper_exponent(points)
        if upper is None:
            continue
        told = " ".join(f"{each:.2f}" for each in exponents(points))
        fit = f"upper decade {upper:.2f}; neighbours {told}"
        sys.stderr.write(f"{axis.name:8} {curve.operation:10} {measure:13} {fit}\n")
