"""A run of a runbook, and a host whose power is cut: before a command began, while it ran, after it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.runbook.run.protocol import LookAgain, OrderRefused
from tests.lab.machines import Machine, MachineLab
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import Sshd
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab-recovery")]
CHANGE = '{"risk":"change","host":"app-1"}'
WAITS = "echo once >>/root/count; sync; touch /run/runs; sleep 1000"


class OnMachine(RunbookLab):
    """Runbooks on a whole host, ``app-1``."""

    servers: dict[str, Sshd]

    def __init__(self, folder: Path, lab: MachineLab, machine: Machine) -> None:
        self._hosts = {"app-1": {"address": machine.address, "user": "root", "identity": str(lab.client_key)}}
        self._known = str(lab.known_hosts)
        super().__init__(folder, _Nobody())  # type: ignore[arg-type]

    def configure(self, more: str = "", **_of_hosts: dict[str, Any]) -> None:
        """Writes the configuration."""
        ssh = {"config_files": [], "known_hosts": [self._known], "keepalive": "1s", "retry_max": "1s"}
        self.config.write_text(f"hosts: {json.dumps(self._hosts)}\nssh: {json.dumps(ssh)}\n{more}")
        self.config.chmod(0o600)


class _Nobody:
    """No server of ours."""

    servers: Sequence[Sshd] = ()


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    yield made
    made.kill()


@pytest.fixture
def run(tmp_path: Path, lab: MachineLab, machine: Machine, jobs: Path) -> OnMachine:
    machine.ssh("rm -f /root/count /run/runs")
    return OnMachine(tmp_path, lab, machine)


def test_a_command_whose_host_lost_its_power_is_unknown_and_does_not_run_again(
    run: OnMachine, machine: Machine
) -> None:
    run.write(fence("echo before >>/root/count", CHANGE), fence(WAITS, CHANGE), fence("cat /root/count", CHANGE))
    job = run.begin()
    run.run_one(job, 1)
    assert run.until(job, "done", 1).exit_status == 0
    run.run_one(job, 2)
    wait_for(lambda: machine.ssh("ls /run/runs", check=False), what="it runs")
    machine.kill()
    wait_for(lambda: run.results(job, 2)["app-1"].link_lost, what="the loss is told")
    machine.up()
    unknown = run.until(job, "unknown", 2)
    assert "its outcome is unknown" in unknown.message
    assert run.results(job, 1)["app-1"].state == "done"
    with pytest.raises(OrderRefused, match="the outcome of this command on app-1 is not known"):
        run.run_one(job, 2)
    run.order(job, LookAgain(run=unknown.run))
    run.run_one(job, 3)
    assert run.printed(job, run.until(job, "done", 3)) == "before\nonce\n"


def test_what_ended_before_the_power_went_is_done_and_what_had_not_begun_did_not_run(
    run: OnMachine, machine: Machine
) -> None:
    run.write(fence("echo once >>/root/count; sync", CHANGE), fence("echo twice >>/root/count", CHANGE))
    job = run.begin()
    run.run_one(job, 1)
    run.until(job, "done", 1)
    machine.kill()
    run.run_one(job, 2)
    failed = run.until(job, "failed", 2)
    assert (failed.exit_status, failed.stopped) == (None, False)
    machine.up()
    assert machine.ssh("cat /root/count") == "once\n"
    run.run_one(job, 2)
    run.until(job, "done", 2)
    assert machine.ssh("cat /root/count") == "once\ntwice\n"
