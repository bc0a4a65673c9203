"""What containers cost: the bytes on the wire, memory and CPU of one SSH host, without and with a hundred of them; and
how soon two hundred of both engines are seen.

All processes of the machine count: ``unshare -pf --mount-proc python -m tests.bench containers`` leaves out others.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.on_terminal import CannotMeasure, OnTerminal, tree_cpu_s
from tests.bench.programs import TREE, Peers
from tests.bench.ssh_hosts import config_of, connected
from tests.bench.table import Row, against, within
from tests.services.container_engines import ContainerEngine
from tests.services.many_containers import fill, seen_after_s
from tests.services.sshd import sshd_lab

SETTLE_S = 20.0
_GOAL, _SEEN_S = 1.3, 6.0
_BYTES = re.compile(r"\bbytes_(?:acked|received):(\d+)")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one host cost: from the start on, then over a minute in which nothing happens."""

    first_bytes: int
    bytes_s: float
    memory: int
    host_cpu: float
    """Of one core, of all that sshd runs for us."""


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """One host without containers, and with a hundred of Podman."""
    count, seconds = (30, 20.0) if quick else (100, 60.0)
    with ContainerEngine("podman") as engine:
        without = _cost(home, (), seconds)
        for number in range(count):
            labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": f"service-{number % 7}"}
            engine.run(f"shop-service-{number}", "sleep", "3600", Labels=labels, host={"Memory": 64 << 20})
        yield from _rows(f"{count} containers", without, _cost(home, (engine.socket,), seconds), seconds)
    yield from _seen(count)


def _seen(count: int) -> Iterator[Row]:
    with ExitStack() as stack:
        lab = stack.enter_context(sshd_lab())
        server = lab.sshd()
        engines = [stack.enter_context(ContainerEngine(kind)) for kind in ("podman", "docker")]
        for engine in engines:
            fill(engine, count)
        took = asyncio.run(seen_after_s(lab, server, engines, count))
    name = f"{2 * count} containers on a host"
    yield within(f"{name}: all seen", max(each["all"] for each in took.values()), _SEEN_S, "s")
    for what in ("oom", "unhealthy", "crash loop", "stopped"):
        yield within(f"  {what} seen", max(each[what] for each in took.values()), _SEEN_S, "s")


def _rows(name: str, without: Cost, found: Cost, seconds: float) -> Iterator[Row]:
    def row(what: str, mine: float, other: float, unit: str) -> Row:
        return against(what, f"{mine:.4g} {unit}", f"{other:.4g} {unit}  none", mine / other, _GOAL)

    first, before = found.first_bytes / 1000, without.first_bytes / 1000
    yield row(f"{name} on an SSH host, bytes a second", found.bytes_s / 1000, without.bytes_s / 1000, "KB")
    yield row(f"  bytes of the first {SETTLE_S + seconds:.0f} s", first, before, "KB")
    yield row("  peak memory", found.memory / 1e6, without.memory / 1e6, "MB")
    yield Row("  CPU of the host, of a core", f"{found.host_cpu:.2f} %", f"{without.host_cpu:.2f} %  none")


def _cost(home: Path, sockets: Sequence[str], seconds: float) -> Cost:
    with sshd_lab() as lab:
        config = config_of(lab, home, count=1, refresh="2s")
        settings = json.loads(config.read_text())
        settings["hosts"]["ssh-1"]["containers"] = list(sockets)
        config.write_text(json.dumps(settings))
        argv = ("env", f"PYTHONPATH={TREE}", sys.executable, "-m", "lilfox_tui", "--config", str(config))
        [server] = lab.servers
        with OnTerminal(argv, home=home) as program:
            connected(program, lab)
            program.collect(SETTLE_S)
            before, cpu = _wire_bytes(server.address, server.port), tree_cpu_s(server.tree()[0])
            program.collect(seconds)
            after, cpu = _wire_bytes(server.address, server.port), tree_cpu_s(server.tree()[0]) - cpu
            return Cost(after, (after - before) / seconds, program.peak_memory_bytes(), 100 * cpu / seconds)


def _wire_bytes(address: str, port: int) -> int:
    """The bytes of TCP connections to a server so far, both ways. Raises CannotMeasure without one."""
    words = ("ss", "-Htin", "state", "established", "dst", f"{address}:{port}")
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    if not (counts := _BYTES.findall(said)):
        raise CannotMeasure(f"no connection to {address}:{port}")
    return sum(map(int, counts))
