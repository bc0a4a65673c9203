"""What an axis of the growth curves is: sizes, what makes them, the operations that are measured on each."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from msgspec import Struct

LEAST_ROUNDS, MOST_ROUNDS = 3, 40
ENOUGH_S, LONG_S = 1.5, 30.0
"""Rounds go on until they have taken the first; an operation that takes the second runs once."""
_STATUS = Path("/proc/self/status")
_FORGET_PEAK = "5"
"""To /proc/self/clear_refs: VmHWM begins anew at what is resident now (proc_pid_clear_refs(5))."""


class Cost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operation cost at one size. Medians of several rounds; children that were waited for are included."""

    size: int
    cpu_s: float
    wall_s: float
    memory_bytes: int
    """The most that was resident while it ran, above what the process had before."""
    peak_bytes: int
    """The most that was resident in all."""
    moved_bytes: int | None = None
    """On the disk or the wire: the operation says which."""
    shown: Mapping[str, float] = {}
    """Further numbers, by their names in the table."""


class Limits(Struct, frozen=True, kw_only=True):
    """What somebody who works with it bears; None where nobody waits for it or it is not held at once."""

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_bytes: int | None = None


class Stopwatch:
    """Takes the cost of what runs inside :meth:`turn`; ``moved_bytes`` and ``shown`` are the operation's to set."""

    def __init__(self) -> None:
        self.moved_bytes: int | None = None
        self.shown: dict[str, float] = {}
        self._cpu_s: list[float] = []
        self._wall_s: list[float] = []
        self._before = self._peak = 0

    def rounds(self) -> Iterator[None]:
        """As many rounds as are worth the time; each is to have one :meth:`turn`."""
        while len(self._wall_s) < MOST_ROUNDS:
            yield None
            taken = sum(self._wall_s)
            if taken >= LONG_S or (len(self._wall_s) >= LEAST_ROUNDS and taken >= ENOUGH_S):
                return

    def begin(self) -> None:
        """Takes what is resident now as what the process has before; else that is taken at the first turn."""
        self._before = _status_bytes("VmRSS")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What runs inside counts."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)
        if not self._before:
            self._before = _status_bytes("VmRSS")
        cpu, wall = _cpu_s(), time.perf_counter()
        yield
        self._wall_s.append(time.perf_counter() - wall)
        self._cpu_s.append(_cpu_s() - cpu)
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        self._peak = max(self._peak, _status_bytes("VmHWM"), children)

    def cost(self, size: int) -> Cost:
        """The medians."""
        return Cost(
            size=size,
            cpu_s=statistics.median(self._cpu_s),
            wall_s=statistics.median(self._wall_s),
            memory_bytes=max(0, self._peak - self._before),
            peak_bytes=self._peak,
            moved_bytes=self.moved_bytes,
            shown=self.shown,
        )


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _status_bytes(name: str) -> int:
    (line,) = [each for each in _STATUS.read_text().splitlines() if each.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


class Operation(Struct, frozen=True, kw_only=True):
    """An operation of an axis. ``run`` gets the size, the folder that was prepared, and the stopwatch; it runs in a
    process of its own, in which nothing else is measured."""

    name: str
    title: str
    run: Callable[[int, Path, Stopwatch], None]
    limits: Limits = Limits()
    moved: str = ""
    """What ``moved_bytes`` are: of the file, over the wire."""
    most: int | None = None
    """The largest size at which it is measured; None for all."""


class Axis(Struct, frozen=True, kw_only=True):
    """One axis: ``prepare`` makes a size in an empty folder and takes down what it started."""

    name: str
    title: str
    unit: str
    about: str
    """What was made and measured, in Markdown."""
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], AbstractContextManager[None]]
    operations: tuple[Operation, ...]


class Curve(Struct, frozen=True, kw_only=True):
    """What was measured of an operation, smallest size first."""

    operation: str
    costs: tuple[Cost, ...]


class Measured(Struct, frozen=True, kw_only=True):
    """The result of an axis, as it is kept in ``docs/scaling.json``."""

    axis: str
    day: str
    machine: str
    curves: tuple[Curve, ...]
