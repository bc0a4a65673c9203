"""Runs of runbooks: what a step costs beside its command, against a new login by ssh; and an output of 100 MB."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread

from lilfox_tui.hosts.open import open_host
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.model import Job
from lilfox_tui.jobs.reader import EventReader
from lilfox_tui.runbook.run.protocol import CommandBegan, decode_facts
from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import Peers
from tests.bench.table import Row, within
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import Sshd, SshdLab, sshd_lab

STEPS, QUICK_STEPS = 40, 10
GOAL = 0.3
MUCH = "yes 'a line of an output that is far too long' | head -c 100000000"


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Steps that read and steps that change, over one kept connection; then 100 MB."""
    steps = QUICK_STEPS if quick else STEPS
    with sshd_lab() as servers, _state(home):
        server = servers.sshd()
        lab = RunbookLab(home, servers)
        login = median(_login_s(servers, server, "true") for _number in range(steps))
        alone = asyncio.run(_alone_s(servers, server, steps))
        for kind in ("read", "change"):
            lab.write(*[fence("true", f'{{"risk":"{kind}"}}')] * steps)
            own = _step_s(lab, _ended(lab)) - alone
            ratio = own / login
            row = Row(
                f"a step's own time beside its command ({kind})",
                f"{own * 1000:.0f} ms",
                f"{login * 1000:.0f} ms  a new ssh",
                f"{ratio:.2f}",
                f"≤ {GOAL:g}",
                ratio <= GOAL,
            )
            yield row
        yield from _much(lab, servers, server)


def _much(lab: RunbookLab, servers: SshdLab, server: Sshd) -> Iterator[Row]:
    lab.write(fence(MUCH, '{"risk":"read"}'))
    began = time.monotonic()
    job = lab.begin(hosts="web1")
    pid = find_job(job).pid
    peaks, ended = [0.0], Event()

    def look() -> None:
        while not ended.wait(0.05):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                return
            peaks.extend(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM:"))

    looking = Thread(target=look)
    looking.start()
    try:
        done = lab.run_all(job)
        took = time.monotonic() - began
    finally:
        ended.set()
        looking.join()
    if done.state != "ok":
        raise CannotMeasure(f"100 MB: {done.message}")
    plain = _login_s(servers, server, MUCH)
    yield within("100 MB of output: the job's peak memory", max(peaks), 100, "MB")
    yield Row(
        "    time, with the job's beginning", f"{took:.1f} s", f"{plain:.1f} s  ssh to /dev/null", f"{took / plain:.2f}"
    )


@contextmanager
def _state(home: Path) -> Iterator[None]:
    """Jobs of this process go into ``home``."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(home / "state")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before


def _ended(lab: RunbookLab) -> Job:
    job = lab.run_all(lab.begin(hosts="web1"))
    if job.state != "ok":
        raise CannotMeasure(job.message)
    return job


def _step_s(lab: RunbookLab, job: Job) -> float:
    """From the beginning of a step to that of the next one."""
    facts = decode_facts(EventReader(Path(job.folder)).read())
    times = [fact.at for fact in facts if isinstance(fact, CommandBegan)]
    return median((after - before).total_seconds() for before, after in pairwise(times))


def _login_s(lab: SshdLab, server: Sshd, command: str) -> float:
    argv = [
        "ssh", "-F", "none", "-i", str(lab.client_key), "-p", str(server.port), "-o",
        f"UserKnownHostsFile={lab.known_hosts}", "-o", "BatchMode=yes", server.address, command,
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120
    )
    if done.returncode != 0:
        raise CannotMeasure(done.stderr.decode(errors="replace")[-1000:])
    return time.monotonic() - began


async def _alone_s(lab: SshdLab, server: Sshd, rounds: int) -> float:
    """A command over the kept connection, without a run."""
    host = open_host("web1", lab.host(server), lab.ssh())
    try:
        await host.run(["true"])
        times = []
        for _number in range(rounds):
            began = time.monotonic()
            await host.run(["true"])
            times.append(time.monotonic() - began)
    finally:
        await host.close()
    return median(times)
