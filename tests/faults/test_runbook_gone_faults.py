"""What a run relies on is taken away in its middle: what its host keeps of a command, its own file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lilfox_tui.runbook.run.protocol import FinishRun, OrderRefused, RunOne, UseText
from tests.faults.test_runbook_faults import CHANGE, COUNTS, begun, kill_job, lab, servers
from tests.services.runbook_lab import RunbookLab, fence
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs", "lab", "servers"]


@pytest.mark.parametrize("then", ["true", "sleep 1.5"])
@pytest.mark.parametrize("host", ["web1", "here"])
def test_a_command_that_takes_away_what_its_host_keeps_of_it_is_not_said_not_to_have_run(
    lab: RunbookLab, host: str, then: str
) -> None:
    """To make room, say. Nobody sees how it ends; that it did not begin would be a lie, and it would be run again."""
    home = lab.on_host(host) if host in lab.servers else Path.home()
    attributes = f'{{"risk":"change","host":"{host}"}}'
    lab.write(fence(f"echo once >>ran; rm -rf ~/.cache; {then}; echo over >>ran", attributes))
    job = lab.begin()
    ended = lab.run_all(job)
    (result,) = lab.results(job).values()
    wait_for(lambda: (home / "ran").read_text() == "once\nover\n", what="it has run to its end, once")
    assert (result.state, ended.state) == ("unknown", "unknown"), result.message


def test_of_what_has_printed_and_is_gone_from_its_host_nobody_says_that_it_did_not_begin(lab: RunbookLab) -> None:
    """The job was killed meanwhile, and ~/.cache there was tidied up before somebody went on."""
    lab.write(fence(f"echo printed; {COUNTS}", CHANGE))
    job = lab.begin()
    home = begun(lab, job).parent
    wait_for(lambda: bool((found := lab.results(job).get("web1")) and found.size_bytes), what="its output is told")
    kill_job(lab, job)
    (home / "go").touch()
    wait_for(lambda: (home / "count").read_text() == "once\nover\n", what="it has ended")
    shutil.rmtree(home / ".cache")
    again = lab.begin(resumes=job)
    assert "no longer has a record of it" in lab.until(again, "unknown").message
    lab.order(again, FinishRun(abort=True))
    lab.ended(again)


@pytest.mark.parametrize("kind", ["fifo", "endless", "folder"])
def test_a_file_that_is_none_any_more_holds_the_run_up_for_no_moment(lab: RunbookLab, kind: str) -> None:
    """Whatever has the name of its runbook in mid-run, the job goes on taking orders, and runs nothing of it."""
    lab.write(fence("echo first"), fence("echo second"))
    job, seen = lab.begin(), lab.sha256
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    second = RunOne(step=1, command=0, sha256=seen)
    lab.path.unlink()
    if kind == "fifo":
        os.mkfifo(lab.path)
    elif kind == "endless":
        lab.path.symlink_to("/dev/zero")
    else:
        lab.path.mkdir()
    with pytest.raises(OrderRefused, match="can no longer be read"):
        lab.order(job, second)
    lab.order(job, UseText(sha256=seen))
    lab.order(job, second)
    lab.until(job, "done", 2)
    lab.order(job, FinishRun())
    assert lab.ended(job).state == "ok"


def test_a_host_that_froze_after_its_fence_is_no_fault_of_the_run(lab: RunbookLab) -> None:
    """What the fence left there cannot be taken away, and a run has ended well all the same."""
    lab.config.write_text(lab.config.read_text().replace('"keepalive": "1s"', '"keepalive": "60s"'))
    lab.write(fence("x=1\necho $x", '{"host":"web1"}'))
    job = lab.begin()
    for command in (1, 2):
        lab.run_one(job, 1, command)
        lab.until(job, "done", 1, command)
    lab.servers["web1"].freeze()
    try:
        lab.order(job, FinishRun())
        ended = lab.ended(job)
    finally:
        lab.servers["web1"].thaw()
    assert ended.state == "ok", ended.message
