"""SSH hosts, each a private sshd here: memory with one of them; CPU, late samples and blocks with a hundred."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.first_frame import WITHIN_S
from tests.bench.on_terminal import CannotMeasure, OnTerminal, process_cpu_s
from tests.bench.programs import LILFOX, TREE, Peers, environment
from tests.bench.table import Row, within
from tests.services.sshd import SshdLab, sshd_lab

ONE_HOST_S = 20.0
CONNECT_S = 120.0


def measure_one(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The most memory that the app has held after 20 s with one SSH host."""
    with sshd_lab() as lab:
        config = config_of(lab, home, count=1, refresh="2s")
        with OnTerminal((*LILFOX, "--config", str(config)), home=home) as program:
            program.until(lambda text: re.search(r"^[ │] ?\S +ssh-1 +\d+%", text, re.MULTILINE) is not None, WITHIN_S)
            program.collect(5.0 if quick else ONE_HOST_S)
            peak = program.peak_memory_bytes()
    yield within("peak memory with one SSH host", peak / 1e6, 75, "MB")


def measure_hundred(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """A hundred at 2 s: the CPU of the app on its terminal, then the app in a loop that is listened to."""
    count, seconds = (20, 15.0) if quick else (100, 60.0)
    with sshd_lab() as lab:
        config = config_of(lab, home, count=count, refresh="2s")
        cpu = _cpu_on_terminal(config, lab, home, seconds)
        inside = _observe(config, home, seconds)
    name = f"{count} SSH hosts at 2 s"
    yield within(f"{name}, CPU of a core", cpu, 30, "%")
    row = within(f"  samples more than a period late, of {inside['samples']}", inside["late_samples"], 0, "samples")
    yield _only_if_reached(row, inside)
    row = within("  event loop's longest block", inside["longest_block_ms"], 50, "ms")
    yield _only_if_reached(row, inside)
    yield Row("    99 of 100 beats within", f"{inside['p99_ms']} ms")
    yield Row("    longest with the wait for a CPU, which the servers take here", f"{inside['longest_late_ms']} ms")


def _only_if_reached(row: Row, inside: dict[str, Any]) -> Row:
    if inside["reached"] == inside["hosts"]:
        return row
    return Row(f"{row.what}: only {inside['reached']} of {inside['hosts']} hosts answered", failed=True)


def config_of(
    lab: SshdLab, home: Path, *, count: int, refresh: str, options: Sequence[str] = (), **more: object
) -> Path:
    """A config (JSON is YAML) with ``count`` servers that run with these ``options`` of sshd_config, and ``more``."""
    servers = [lab.sshd(*options) for _ in range(count)]
    hosts = {
        f"ssh-{number}": {
            "address": server.address,
            "port": server.port,
            "user": lab.host(server).user,
            "identity": str(lab.client_key),
        }
        for number, server in enumerate(servers, 1)
    }
    ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
    file = home / "config.yaml"
    file.write_text(json.dumps({"refresh": refresh, "hosts": hosts, "ssh": ssh, **more}))
    file.chmod(0o600)
    return file


def _cpu_on_terminal(config: Path, lab: SshdLab, home: Path, seconds: float) -> float:
    with OnTerminal((*LILFOX, "--config", str(config)), home=home) as program:
        connected(program, lab)
        program.collect(10.0)
        before = process_cpu_s(program.pid)
        program.collect(seconds)
        return 100 * (process_cpu_s(program.pid) - before) / seconds


def connected(program: OnTerminal, lab: SshdLab) -> None:
    """Waits until all servers have a client. Raises CannotMeasure."""
    waited = 0.0
    while not all(len(server.tree()) > 1 for server in lab.servers):
        program.collect(1.0)
        waited += 1.0
        if waited > CONNECT_S:
            missing = sum(len(server.tree()) < 2 for server in lab.servers)
            raise CannotMeasure(f"{missing} of {len(lab.servers)} hosts are not connected after {waited:.0f} s")


def _observe(config: Path, home: Path, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.hundred", str(config), str(seconds)],
        env=environment(home) | {"PYTHONPATH": str(TREE)},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=CONNECT_S + seconds + 60,
    )
    if done.returncode != 0:
        raise CannotMeasure(f"the app without a terminal: {done.stderr.decode(errors='replace')[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
