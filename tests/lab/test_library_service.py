"""The bundled runbook for a service that crashes, on a whole host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.runbook import library
from lilfox_tui.runbook.run.protocol import FinishRun, Skip, Undo
from lilfox_tui.runbook.run.state import CommandResult
from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import Walk, broken, install_backend
from tests.services.runbook_lab import RunbookLab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-library"),
    pytest.mark.usefixtures("jobs"),
]
HEALTH = "curl -sS -m 5 http://127.0.0.1:8000/health"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    install_backend(made)
    yield made
    made.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, machine: Machine) -> Walk:
    machine.ssh(
        "cd /srv/lilfox; rm -f sick .git/lilfox-before /usr/local/sbin/*; runuser -u app -- git checkout -q main;"
        " systemctl reset-failed lilfox-backend; systemctl restart lilfox-backend"
    )
    return Walk(tmp_path, lab, [machine])


def commit(machine: Machine, version: str) -> None:
    """A newer version of the application, checked out and running, or crashing."""
    machine.ssh(
        f"cd /srv/lilfox; echo {version} >VERSION; runuser -u app -- git commit -qam 'Release {version}';"
        " systemctl restart lilfox-backend"
    )


def test_a_stopped_service_is_restarted_and_what_is_healthy_is_not_rolled_back(walk: Walk, machine: Machine) -> None:
    machine.ssh("systemctl kill --signal=KILL --kill-whom=all lilfox-backend; systemctl stop lilfox-backend")
    done = walk("service-crash", "app-1", previous_commit="v1", patience=4)
    assert done.code == 0, done.why
    assert done.steps == ["done"] * 4
    assert "nothing to go back from" in done.output("4.1")
    assert '"version": "v2"' in machine.ssh(HEALTH)


def test_what_goes_on_crashing_stops_at_the_restart(walk: Walk, machine: Machine) -> None:
    commit(machine, "broken-3")
    done = walk("service-crash", "app-1", previous_commit="v2", patience=4)
    assert (done.code, done.failed) == (1, ["3.1"]), done.why
    assert "broken: no such module" in done.output("1.1")
    machine.ssh("cd /srv/lilfox; runuser -u app -- git reset -q --hard v2")


@pytest.mark.parametrize(
    ("fails", "fault"),
    [("1.1", broken("journalctl")), ("2.1", broken("df")), ("3.1", "touch /srv/lilfox/sick")],
)
def test_each_step_can_fail_and_nothing_comes_behind_it(walk: Walk, machine: Machine, fails: str, fault: str) -> None:
    machine.ssh(fault)
    done = walk("service-crash", "app-1", previous_commit="v1", patience=4)
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    assert machine.ssh("git -C /srv/lilfox -c safe.directory=* describe --tags").strip() == "v2"


class Ordered(RunbookLab):
    """The bundled runbook on the host, ordered command by command."""

    def __init__(self, walk: Walk) -> None:
        self.config, self.folder = walk.config, walk.config.parent
        self.path = Path(library.__file__).parent / "library" / "en" / "service-crash.md"

    def one(self, job: str, step: int, command: int, state: str, *, again: bool = False) -> CommandResult:
        """Orders it, and waits until it is so."""
        self.run_one(job, step, command, again=again)
        return self.until(job, state, step, command)


def test_what_goes_on_crashing_goes_to_the_commit_before_and_forward_again(walk: Walk, machine: Machine) -> None:
    commit(machine, "broken-3")
    ordered = Ordered(walk)
    job = ordered.begin(hosts="app-1", values={"previous-commit": "v2", "patience": "4"})
    try:
        ordered.one(job, 3, 1, "failed")
        ordered.order(job, Skip(step=2, command=0, reason="it crashes at once"))
        ordered.one(job, 4, 1, "done")
        ordered.one(job, 4, 2, "done")
        assert '"version": "v2"' in machine.ssh(HEALTH)
        ordered.order(job, Undo(sha256=ordered.sha256))
        ordered.until(job, "undone", 4, 1)
        assert machine.ssh("cat /srv/lilfox/VERSION") == "broken-3\n"
        ordered.one(job, 4, 1, "done")
        machine.ssh("touch /srv/lilfox/sick")
        ordered.one(job, 4, 2, "failed", again=True)
    finally:
        ordered.order(job, FinishRun(abort=True))
        ordered.ended(job)
        machine.ssh("cd /srv/lilfox; runuser -u app -- git checkout -q main; runuser -u app -- git reset -q --hard v2")


def test_uncommitted_changes_are_not_lost(walk: Walk, machine: Machine) -> None:
    machine.ssh("cd /srv/lilfox; echo mine >>VERSION; touch sick")
    ordered = Ordered(walk)
    job = ordered.begin(hosts="app-1", values={"previous-commit": "v1"})
    try:
        result = ordered.one(job, 4, 1, "failed")
        assert "would be lost" in ordered.printed(job, result)
        assert machine.ssh("cat /srv/lilfox/VERSION") == "v2\nmine\n"
    finally:
        ordered.order(job, FinishRun(abort=True))
        ordered.ended(job)
        machine.ssh("cd /srv/lilfox; runuser -u app -- git checkout -q VERSION")
