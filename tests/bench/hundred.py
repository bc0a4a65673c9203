"""The real app without a terminal over a config of many hosts: late samples and the event loop's longest block.

``python -m tests.bench.hundred CONFIG SECONDS [SETTLE]`` prints one JSON object; times are milliseconds.
It begins to look once each host that was reached has given the samples of SETTLE seconds (5).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.start import build_app
from lilfox_tui.cli.main import parse
from lilfox_tui.config.loader import load
from lilfox_tui.core.aio import Ready
from tests.bench.on_terminal import COLUMNS, ROWS
from tests.waiting import until

BEAT_S = 0.005
THREADS = "/proc/self/task"
CONNECT_S = 120.0
SETTLE_S = 5.0


@dataclass
class Beats:
    """How late each beat of the loop came (seconds): in all, and without the time in which a thread waited for a CPU.

    The servers run on the same machine and take its cores; what the loop itself does is the second. A thread that has
    the interpreter's lock holds up the loop while it waits for a CPU, so it is the longest wait of any thread.
    """

    late_s: list[float] = field(default_factory=list)
    blocked_s: list[float] = field(default_factory=list)

    async def count(self) -> None:
        """Beats until cancelled."""
        with ExitStack() as opened:
            files: dict[str, int] = {}
            while True:
                for thread in set(os.listdir(THREADS)) - files.keys():
                    with suppress(OSError):
                        file = opened.enter_context(open(f"{THREADS}/{thread}/schedstat", "rb"))  # noqa: ASYNC230
                        files[thread] = file.fileno()
                before = {thread: _waited_s(file) for thread, file in files.items()}
                due = time.perf_counter() + BEAT_S
                await asyncio.sleep(BEAT_S)
                late_s = time.perf_counter() - due
                self.late_s.append(late_s)
                waits_s = (_waited_s(files[thread]) - waited_s for thread, waited_s in before.items())
                self.blocked_s.append(late_s - max(waits_s))


def _waited_s(schedstat: int) -> float:
    """Seconds that a thread was ready to run and had no CPU: the second number (kernel: scheduler/sched-stats)."""
    try:
        return int(os.pread(schedstat, 100, 0).split()[1]) / 1e9
    except OSError:  # it has ended
        return 0.0


@dataclass
class Arrivals:
    """When the samples of one host came, by the monotonic clock."""

    at: list[float] = field(default_factory=list)

    async def follow(self, app: LilFoxApp, name: str) -> None:
        """Notes each sample until cancelled."""
        async with aclosing(app.monitor.snapshot(name).watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self.at.append(time.monotonic())

    def late(self, began: float, ended: float, period_s: float) -> int:
        """Samples that came more than one period after they were due, the one still awaited included."""
        times = [at for at in self.at if at >= began]
        gaps = [after - before for before, after in zip([began, *times], [*times, ended], strict=True)]
        return sum(gap > 2 * period_s for gap in gaps)


async def observe(config: Path, seconds: float, settle_s: float = SETTLE_S) -> dict[str, float]:
    """Runs the app over ``config`` and looks at it for ``seconds``, once each host has given a sample."""
    app = build_app(load(config).config, parse(["--config", str(config)]))
    arrivals = {name: Arrivals() for name in app.monitor.hosts}
    beats = Beats()
    async with app.run_test(size=(COLUMNS, ROWS)):
        tasks = [asyncio.create_task(each.follow(app, name)) for name, each in arrivals.items()]
        connecting = time.monotonic()
        with suppress(AssertionError):  # how many were reached stands in the result
            await until(lambda: all(each.at for each in arrivals.values()), timeout_s=CONNECT_S)
        connected_s = time.monotonic() - connecting
        reached = [each for each in arrivals.values() if each.at]
        with suppress(AssertionError):
            await until(
                lambda: all(len(each.at) > settle_s / app.refresh_s for each in reached), timeout_s=3 * settle_s + 1
            )
        tasks.append(asyncio.create_task(beats.count()))
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        ended, cpu = time.monotonic(), time.process_time() - cpu
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    late = {name: each.late(began, ended, app.refresh_s) for name, each in arrivals.items()}
    return {
        "hosts": len(arrivals),
        "reached": sum(bool(each.at) for each in arrivals.values()),
        "connected_s": round(connected_s, 1),
        "samples": sum(began <= at <= ended for each in arrivals.values() for at in each.at),
        "late_samples": sum(late.values()),
        "late_hosts": sum(count > 0 for count in late.values()),
        "longest_block_ms": round(max(beats.blocked_s) * 1000, 1),
        "longest_late_ms": round(max(beats.late_s) * 1000, 1),
        "blocks_over_50_ms": sum(blocked_s > 0.05 for blocked_s in beats.blocked_s),
        "p99_ms": round(sorted(beats.blocked_s)[int(len(beats.blocked_s) * 0.99)] * 1000, 1),
        "cpu_percent": round(100 * cpu / (ended - began), 1),
    }


if __name__ == "__main__":
    gc.disable()  # as the program does, until what is there at its start has settled
    sys.stdout.write(json.dumps(asyncio.run(observe(Path(sys.argv[1]), *map(float, sys.argv[2:])))) + "\n")
