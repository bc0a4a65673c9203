"""``lilfox audit`` of hosts: one alone, with what it costs the host, and 25 beside a console that watches them.

The hosts are private servers here, so this machine's CPUs do the work of all. Machines of their own would do it at the
same time: in a second row, each host answers what the one alone did, as late as it did, without doing it again.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import textwrap
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
_MARK = "@@LILFOX-FACT@@"
"""What the script of the audit has in the marks of its answers."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The whole command, from its start to its exit; medians."""
    rounds = 1 if quick else 5
    answer = home / "answer"
    with sshd_lab() as lab:
        config = config_of(lab, home, count=1, refresh="2s", options=(_recorded(home, answer),))
        _audit_s(config, home)  # apt makes its index
        (server,) = lab.servers
        took, cost = zip(*(_with_cost(config, home, server) for _ in range(rounds)), strict=True)
    yield within("audit of one host", statistics.median(took), ONE_HOST_S, "s")
    percent = 100 * statistics.median(cost) / 60
    yield within("  CPU on the host, of a core over a minute", percent, HOST_PERCENT, "%")
    apart = _many(home, rounds, _replayed(home, answer))
    yield within(f"audit of {COUNT} hosts beside a console that watches them", apart, MANY_HOSTS_S, "s")
    here = _many(home, rounds, _runs(home))
    yield Row("  with the work of all hosts on this machine too", f"{here:.3g} s")


def _many(home: Path, rounds: int, option: str) -> float:
    with sshd_lab() as lab:
        config = config_of(lab, home, count=COUNT, refresh="2s", options=(option,))
        with OnTerminal((*LILFOX, "--config", str(config)), home=home) as console:
            connected(console, lab)
            console.collect(_SETTLE_S)
            return statistics.median(_beside(console, config, home) for _ in range(rounds))


def _runs(home: Path) -> str:
    """An option of sshd_config: commands run, and apt keeps its index, as on every host but images of containers, whose
    configuration makes it anew each time."""
    return f'ForceCommand APT_CONFIG={_apt_config(home)} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def _recorded(home: Path, answer: Path) -> str:
    """As :func:`_runs`; what the script of the audit prints is kept in ``answer``, its time in seconds beside it."""
    return _script(
        home / "record.sh",
        f"""
        began=$(date +%s%N)
        APT_CONFIG={_apt_config(home)} /bin/sh -c "$SSH_ORIGINAL_COMMAND" | tee {answer}
        echo "$((($(date +%s%N) - began) / 1000000))" >{answer}.ms
        """,
    )


def _replayed(home: Path, answer: Path) -> str:
    """As :func:`_runs`; the script of the audit does not run: ``answer`` is printed after as long, with its marks."""
    return _script(
        home / "replay.sh",
        f"""
        mark=$(printf %s "$SSH_ORIGINAL_COMMAND" | grep -o '{_MARK} [0-9a-f]*' | head -n 1)
        sleep "$(awk '{{ print $1 / 1000 }}' {answer}.ms)"
        exec sed "s/{_MARK} [0-9a-f]*/$mark/" {answer}
        """,
    )


def _script(file: Path, of_audit: str) -> str:
    """An option of sshd_config: the script of the audit is answered by ``of_audit``, all else runs."""
    lines = [
        "#!/bin/sh",
        f'case $SSH_ORIGINAL_COMMAND in *"{_MARK}"*) ;; *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;; esac',
    ]
    file.write_text("\n".join([*lines, textwrap.dedent(of_audit)]))
    file.chmod(0o755)
    return f"ForceCommand {file}"


def _apt_config(home: Path) -> Path:
    folder = home / "apt"
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    file = home / "apt.conf"
    caches = (f'Dir::Cache::{name} "{folder}/{name}.bin";\n' for name in ("pkgcache", "srcpkgcache"))
    file.write_text("".join((f'Dir::Etc::parts "{folder}/parts";\n', *caches)))
    return file


def _command(config: Path) -> tuple[str, ...]:
    return (*LILFOX, "--config", str(config), "audit")


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
