"""A host without power at any moment of a run: what nobody has seen of it is not made up, and nothing runs twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.incident.export import verify
from lilfox_tui.incident.incidents import open_incident
from lilfox_tui.jobs.reader import EVENTS
from lilfox_tui.runbook.run.protocol import FinishRun, LookAgain, RunAll, Undo
from tests.lab.machines import Machine, MachineLab
from tests.lab.test_runbook_power import CHANGE, OnMachine
from tests.services.runbook_lab import fence
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab-recovery")]
STEPS = 3


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


def counted(machine: Machine) -> list[str]:
    return machine.ssh("cat /root/count 2>/dev/null || true").split()


@pytest.mark.parametrize("facts", range(3, 3 + 3 * STEPS))
def test_at_any_moment_of_a_run_each_command_ran_once_or_not_at_all(
    run: OnMachine, machine: Machine, facts: int
) -> None:
    """The cut comes as soon as so many facts are written down."""
    made = open_incident("power")
    run.write(
        *(fence(f"echo {step} >>/root/count; sync /root/count; sleep 0.5", CHANGE) for step in range(1, STEPS + 1))
    )
    job = run.begin()
    run.order(job, RunAll(sha256=run.sha256))
    events = run.job_folder(job) / EVENTS
    wait_for(lambda: events.read_bytes().count(b"\n") >= facts, timeout_s=60, what=f"{facts} facts")
    machine.kill()
    machine.up()
    ended = run.ended(job)
    count = counted(machine)
    assert count == sorted(set(count)), "none ran twice, and each behind the one before"
    for step in range(1, STEPS + 1):
        result = run.results(job, step).get("app-1")
        if result is None or (result.state == "failed" and result.exit_status is None):
            assert str(step) not in count, (result, count)
        elif result.state != "unknown":
            assert (result.state, str(step) in count) == ("done", True), (result, count)
    unknown = [
        step for step in range(1, STEPS + 1) if (found := run.results(job, step)) and found["app-1"].state == "unknown"
    ]
    assert (ended.state == "unknown") is bool(unknown), (ended, unknown)
    assert verify(made.id).problems == ()


def test_what_ended_while_the_link_was_cut_is_known_also_after_a_power_cut(run: OnMachine, machine: Machine) -> None:
    run.write(fence("touch /run/runs; sleep 3; echo over; echo once >>/root/count; exit 7", CHANGE))
    job = run.begin()
    run.run_one(job)
    wait_for(lambda: machine.ssh("ls /run/runs", check=False), what="it runs")
    machine.cut()
    wait_for(lambda: run.results(job)["app-1"].link_lost, what="the loss is told")
    status = machine.root / "root/.cache/lilfox/jobs" / run.results(job)["app-1"].run / "status"
    wait_for(status.exists, what="it has ended there")
    machine.kill()
    machine.up()
    failed = run.until(job, "failed")
    assert (failed.exit_status, run.printed(job, failed)) == (7, "over\n")
    assert counted(machine) == ["once"]


def test_what_was_on_its_way_to_a_host_that_froze_and_lost_its_power_runs_once(
    run: OnMachine, machine: Machine
) -> None:
    run.write(fence("true", CHANGE), fence("echo once >>/root/count; sync", CHANGE))
    job = run.begin()
    run.run_one(job, 1)
    run.until(job, "done", 1)
    machine.freeze()
    run.run_one(job, 2)
    wait_for(lambda: run.results(job, 2) and run.results(job, 2)["app-1"].link_lost, what="the loss is told")
    machine.kill()
    machine.up()
    run.until(job, "done", 2)
    assert counted(machine) == ["once"]


def test_a_power_cut_in_the_way_back_stops_it_and_is_unknown(run: OnMachine, machine: Machine) -> None:
    back = '{"rollback-of":"%s","risk":"change","host":"app-1"}'
    named = '{"name":"%s","risk":"change","host":"app-1"}'
    run.write(
        fence("echo one >>/root/count; sync", named % "one")
        + "\n"
        + fence("echo one-back >>/root/count", back % "one"),
        fence("echo two >>/root/count; sync", named % "two")
        + "\n"
        + fence("echo two-back >>/root/count; sync; touch /run/runs; sleep 1000", back % "two"),
    )
    job = run.begin()
    for step in (1, 2):
        run.run_one(job, step)
        run.until(job, "done", step)
    run.order(job, Undo(sha256=run.sha256))
    wait_for(lambda: machine.ssh("ls /run/runs", check=False), what="it is undone")
    machine.kill()
    wait_for(lambda: run.results(job, 2, 2)["app-1"].link_lost, what="the loss is told")
    machine.up()
    unknown = run.until(job, "unknown", 2, 2)
    assert counted(machine) == ["one", "two", "two-back"]
    state = run.state(job)
    assert state is not None
    assert [step.commands[0].state for step in state.steps] == ["done", "done"], "neither is said to be taken back"
    run.order(job, LookAgain(run=unknown.run))
    run.until(job, "unknown", 2, 2)
    run.order(job, FinishRun())
    ended = run.ended(job)
    assert (ended.state, ended.exit_code) == ("unknown", 1)
