"""A host's sshd is killed with its sessions at every moment of a run: all of it is done, each command once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.incident.export import verify
from lilfox_tui.incident.incidents import entries, open_incident
from lilfox_tui.incident.model import StepBegan, StepEnded
from lilfox_tui.jobs.reader import EVENTS
from lilfox_tui.runbook.run.protocol import RunAll
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
STEPS = 3
CHANGE = '{"risk":"change","host":"web1"}'


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.mark.parametrize("facts", range(1, 2 + 4 * STEPS))
def test_killed_at_any_fact_of_a_run_all_of_it_is_done_once(
    tmp_path: Path, servers: SshdLab, jobs: Path, facts: int
) -> None:
    incident = open_incident("sshd")
    lab = RunbookLab(tmp_path, servers)
    lab.write(*(fence(f"sleep 0.2; echo {step} >>count; echo said {step}", CHANGE) for step in range(1, STEPS + 1)))
    job = lab.begin()
    lab.order(job, RunAll(sha256=lab.sha256))
    events = lab.job_folder(job) / EVENTS
    wait_for(lambda: events.read_bytes().count(b"\n") >= facts, what=f"{facts} facts")
    server = lab.servers["web1"]
    server.kill()
    server.start()
    ended = lab.ended(job)
    counted = lab.on_host("web1") / "count"
    count = counted.read_text().split() if counted.exists() else []
    assert count == sorted(set(count)), "none ran twice, and each behind the one before"
    if ended.state == "ok":
        assert count == ["1", "2", "3"]
        assert [lab.printed(job, lab.results(job, step)["web1"]) for step in range(1, STEPS + 1)] == [
            f"said {step}\n" for step in range(1, STEPS + 1)
        ]
    else:  # before a command began its host was not there: it is told so, and was not run
        (failed,) = [
            step for step in range(1, STEPS + 1) if (found := lab.results(job, step)) and found["web1"].state != "done"
        ]
        result = lab.results(job, failed)["web1"]
        assert (result.state, result.exit_status) == ("failed", None), result
        assert count == [str(step) for step in range(1, failed)]
    told = [each.what for each in entries(incident.id)]
    begun = [what.run for what in told if isinstance(what, StepBegan)]
    assert begun == [what.run for what in told if isinstance(what, StepEnded)], "each has an end"
    assert verify(incident.id).problems == ()
