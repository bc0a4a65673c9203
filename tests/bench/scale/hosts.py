"""Hosts over SSH in one process that keeps their connections: a check of all, and samples again and again."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from lilfox_tui.config.loader import load
from lilfox_tui.core.aio import Feed, Ready
from lilfox_tui.metrics.model import HostSnapshot
from lilfox_tui.monitor.monitor import Monitor
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch
from tests.bench.ssh_hosts import config_of
from tests.lifetime import running
from tests.services.sshd import sshd_lab

PERIOD_S = 10
"""Of the samples. At the 2 s that are the default, 400 servers need more than the two cores that they run on."""
CONNECT_S, ROUND_S = 600.0, 60.0
_SETTLE_ROUNDS, _ROUNDS, _TURNS = 1, 3, 2
"""Units are asked for every 30 s, the rest in each round: a turn has all of it."""
_NEVER = {"warn": None, "fail": None}
_BY_LOAD = ("cpu_percent", "iowait_percent", "steal_percent", "memory_percent", "load_per_cpu", "pressure_cpu",
            "pressure_memory", "pressure_io")  # fmt: skip
_ACKED_AT, _TCP_INFO_BYTES = 120, 136
"""tcpi_bytes_acked and tcpi_bytes_received of struct tcp_info (linux/tcp.h) stand one after the other."""
_CPU = Limits(cpu_s=0.3 * PERIOD_S * _ROUNDS, peak_bytes=500_000_000)
"""30 % of one core."""
_CHECK = Limits(wall_s=15.0, peak_bytes=500_000_000)
"""What ``lilfox check`` waits by default."""


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """A server for each host, all of this machine. Its load is that of the servers: no host is judged by it."""
    limits = dict.fromkeys(_BY_LOAD, _NEVER)
    with sshd_lab() as lab:
        config_of(lab, folder, count=size, refresh=f"{PERIOD_S}s", thresholds=limits)
        yield


def _checked(size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_check(size, folder, watch))


async def _check(size: int, folder: Path, watch: Stopwatch) -> None:
    """As ``lilfox check``, without its limit of time."""
    config = load(folder / "config.yaml").config
    for _ in watch.rounds():
        monitor = Monitor(config)
        with watch.turn():
            overview = await monitor.check_once(CONNECT_S)
        reached = [each for each in overview.hosts.values() if each.summary is not None]
        assert len(reached) == size


def _sampled(size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_rounds(size, folder, watch))


async def _rounds(size: int, folder: Path, watch: Stopwatch) -> None:
    """Each round ends when every host has given one more sample: hosts give theirs spread over the period."""
    config = load(folder / "config.yaml").config
    watch.begin()
    async with running(Monitor(config)) as monitor:
        assert len(monitor.hosts) == size
        async with asyncio.timeout(CONNECT_S):
            await _samples(monitor, 1 + _SETTLE_ROUNDS)
        for _ in range(_TURNS):
            before = _carried_bytes()
            async with asyncio.timeout(ROUND_S * _ROUNDS):
                with watch.turn():
                    await _samples(monitor, _ROUNDS)
            watch.moved_bytes = _carried_bytes() - before


async def _samples(monitor: Monitor, rounds: int) -> None:
    for _ in range(rounds):
        await asyncio.gather(*(_next_sample(monitor.snapshot(name)) for name in monitor.hosts))


async def _next_sample(feed: Feed[HostSnapshot]) -> None:
    before = feed.value
    async with aclosing(feed.watch()) as states:
        async for state in states:
            if isinstance(state, Ready) and state.value is not before:
                return


def _carried_bytes() -> int:
    """Both ways together, of the TCP connections that this process has open, by the kernel's count."""
    found = 0
    for each in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(each)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(each))) as copy:
                if copy.family in (socket.AF_INET, socket.AF_INET6):
                    info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
                    found += sum(struct.unpack_from("QQ", info, _ACKED_AT))
        except OSError:  # it has been closed
            continue
    return found


AXIS = Axis(
    name="hosts",
    title="Hosts",
    unit="hosts",
    about=f"One process that keeps an SSH connection to each host and takes a sample of each every {PERIOD_S} s, "
    "with the collectors that are on by default. Each host is an OpenSSH server of its own on this machine; CPU and "
    "memory are those of LilFox without the servers, but by the clock a check waits for them: all share the cores. "
    "The bytes are what TCP carries both ways.",
    sizes=(1, 4, 10, 40, 100, 200, 400),
    prepare=prepare,
    operations=(
        Operation(name="check", title="`lilfox check`: all connected, two samples of each", run=_checked,
                  limits=_CHECK),
        Operation(name="samples", title=f"samples of {PERIOD_S * _ROUNDS} s", run=_sampled, limits=_CPU,
                  moved="over the wire"),
    ),
)  # fmt: skip
