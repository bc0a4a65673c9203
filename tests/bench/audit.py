"""``lilfox audit`` of hosts: one alone, with what it costs the host, and 25 beside a console that watches them.

The hosts are private servers here, so all of their work is done by this machine's CPUs; on machines of their own they
would do it at the same time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.on_terminal import CannotMeasure, OnTerminal
from tests.bench.programs import LILFOX, TREE, Peers, environment
from tests.bench.ssh_hosts import config_of, connected
from tests.bench.table import Row, within
from tests.services.sshd import Sshd, sshd_lab
from tests.waiting import wait_for

ONE_HOST_S = 2
MANY_HOSTS_S = 10
HOST_PERCENT = 1
"""Of a core, over a minute, in which it is audited once."""
COUNT = 25
_WITHIN_S = 120
_SETTLE_S = 5.0
_GROUPS = ("host", "systemd", "secrets", "logs", "stack")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The whole command, from its start to its exit; medians."""
    rounds = 1 if quick else 5
    with sshd_lab() as lab:
        config = config_of(lab, home, count=1, refresh="2s", options=(_keeps_apt_index(home),))
        _audit_s(config, home)  # apt makes its index
        (server,) = lab.servers
        took, cost = zip(*(_with_cost(config, home, server) for _ in range(rounds)), strict=True)
    yield within("audit of one host", statistics.median(took), ONE_HOST_S, "s")
    percent = 100 * statistics.median(cost) / 60
    yield within("  CPU on the host, of a core over a minute", percent, HOST_PERCENT, "%")
    yield from _many(home, rounds)


def _many(home: Path, rounds: int) -> Iterator[Row]:
    with sshd_lab() as lab:
        config = config_of(lab, home, count=COUNT, refresh="2s", options=(_keeps_apt_index(home),))
        with OnTerminal((*LILFOX, "--config", str(config)), home=home) as console:
            connected(console, lab)
            console.collect(_SETTLE_S)
            took = [_beside(console, config, home) for _ in range(rounds)]
    yield within(
        f"audit of {COUNT} hosts beside a console that watches them", statistics.median(took), MANY_HOSTS_S, "s"
    )


def _keeps_apt_index(home: Path) -> str:
    """An option of sshd_config: apt keeps its index, as on every host but images of containers, whose configuration
    makes it anew each time."""
    folder = home / "apt"
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    file = home / "apt.conf"
    caches = (f'Dir::Cache::{name} "{folder}/{name}.bin";\n' for name in ("pkgcache", "srcpkgcache"))
    file.write_text("".join((f'Dir::Etc::parts "{folder}/parts";\n', *caches)))
    return f'ForceCommand APT_CONFIG={file} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def _command(config: Path) -> tuple[str, ...]:
    only = [word for group in _GROUPS for word in ("--only", group)]
    return (*LILFOX, "--config", str(config), "audit", *only)


def _audit_s(config: Path, home: Path) -> float:
    began = time.monotonic()
    done = subprocess.run(
        _command(config), env=_environment(home), stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN_S
    )
    if done.returncode not in (0, 1, 3) or not done.stdout:
        raise CannotMeasure(f"lilfox audit: {done.stderr.decode(errors='replace')[-2000:]}")
    return time.monotonic() - began


def _environment(home: Path) -> dict[str, str]:
    return environment(home) | {"PYTHONPATH": str(TREE)}


def _with_cost(config: Path, home: Path, server: Sshd) -> tuple[float, float]:
    """Seconds of the command, and of the CPUs for the server with all that it has started and seen end."""
    before = _tree_cpu_s(server)
    took = _audit_s(config, home)
    wait_for(lambda: len(server.tree()) == 1, what="the session ends")
    return took, _tree_cpu_s(server) - before


def _tree_cpu_s(server: Sshd) -> float:
    """utime, stime, cutime and cstime of proc_pid_stat(5)."""
    fields = Path(f"/proc/{server.tree()[0]}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICK_S


def _beside(console: OnTerminal, config: Path, home: Path) -> float:
    """Seconds of the command, while what the console writes is read."""
    began = time.monotonic()
    with subprocess.Popen(
        _command(config), env=_environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            console.collect(0.05)
            if time.monotonic() - began > _WITHIN_S:
                process.kill()
                raise CannotMeasure(f"no result within {_WITHIN_S} s")
    return time.monotonic() - began
