"""A home whose console has one runbook, ``Made``, here or on a host over SSH, and how a run of it is begun there."""

from __future__ import annotations

import getpass
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from tests.services.sshd import SshdLab, sshd_lab
from tests.terminal.console import Console, configure


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    """One server, which is the host ``web1`` of the tests' homes."""
    with sshd_lab() as made:
        made.sshd()
        yield made


@contextmanager
def runbook_home(home: Path, runbook: str, lab: SshdLab | None = None) -> Iterator[Path]:
    """``home`` with that runbook alone, and with the lab's server as ``web1``. Its jobs are ended afterwards."""
    more = "runbooks: {folders: [~/runbooks], bundled: false}\n"
    if lab is not None:
        server = lab.servers[0]
        there = {
            "address": server.address,
            "port": server.port,
            "user": getpass.getuser(),
            "identity": str(lab.client_key),
        }
        ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
        more = f"  web1: {json.dumps(there)}\nssh: {json.dumps(ssh)}\n{more}"
    configure(home, more)
    (home / "runbooks").mkdir()
    (home / "runbooks/made.md").write_text(runbook)
    yield home
    for job in list_jobs():
        if job.state == "running" and job.pid is not None:
            os.killpg(job.pid, signal.SIGKILL)


def open_pane(console: Console) -> None:
    """Pane 4, where the runbook is chosen."""
    console.until("cpu")
    console.press("4")
    console.until("Made")


def begin_in_incident(console: Console) -> None:
    """An incident is opened in pane 4, and a run of the runbook in it."""
    console.press("I")
    console.until("Open an incident")
    console.press("it burns\r")
    console.until("INC-1 is open")
    console.press("4\r\r")  # from its page, which is shown then
