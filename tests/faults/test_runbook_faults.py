"""What may happen to a run, and what must be known of it afterwards: done, failed or unknown, and nothing run twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.listing import find_job, list_jobs
from lilfox_tui.jobs.reader import EVENTS, start_of
from lilfox_tui.runbook.run.persistence import newest_run
from lilfox_tui.runbook.run.protocol import SOCKET, FinishRun, LookAgain, OrderRefused, RunAll, Stop, UseText, send
from lilfox_tui.runbook.run.state import CommandResult
from tests.faults import faulty_job, killed_job
from tests.faults.relay import Relay
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs, kill
from tests.waiting import until, wait_for

__all__ = ["jobs"]
COUNTS = 'echo once >>count; touch runs; while [ ! -e go ]; do sleep 0.05; done; echo "printed"; echo over >>count'
CHANGE = '{"risk":"change","host":"web1"}'


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
def lab(tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunbookLab]:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = RunbookLab(tmp_path, servers)
    yield made
    (made.on_host("web1") / "go").touch()  # what a test left running there ends


def kill_job(lab: RunbookLab, job: str) -> None:
    """The job is killed without a word."""
    kill(find_job(job))
    wait_for(lambda: find_job(job).state == "unknown", what="it is known to be gone")


def begun(lab: RunbookLab, job: str, step: int = 1) -> Path:
    """Orders the step that counts, and waits until it runs on the host; the file that it counts in."""
    lab.run_one(job, step)
    home = lab.on_host("web1")
    wait_for((home / "runs").exists, what="it runs there")
    return home / "count"


def test_a_job_that_is_killed_is_gone_on_with_and_its_command_ran_once(lab: RunbookLab) -> None:
    lab.write(fence("echo before"), fence(COUNTS, CHANGE), fence("cat count", '{"host":"web1"}'))
    job = lab.begin()
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    count = begun(lab, job, 2)
    kill_job(lab, job)
    assert count.read_text() == "once\n", "it goes on there"
    second = lab.begin(resumes=newest_run(job))
    assert lab.until(second, "running", 2).run.startswith(job)
    with pytest.raises(OrderRefused, match=r"busy: .* is running"):
        lab.run_one(second, 2)
    (lab.on_host("web1") / "go").touch()
    done = lab.until(second, "done", 2)
    assert (done.exit_status, lab.printed(second, done)) == (0, "printed\n")
    assert lab.results(second, 1)[next(iter(lab.results(second, 1)))].state == "done"
    assert lab.printed(second, next(iter(lab.results(second, 1).values()))) == "before\n"
    assert lab.run_all(second).state == "ok"
    assert lab.printed(second, lab.results(second, 3)["web1"]) == "once\nover\n"
    assert newest_run(job) == second


def test_what_ended_while_nobody_watched_is_told_as_it_ended(lab: RunbookLab) -> None:
    lab.write(fence(COUNTS + "; exit 7", CHANGE))
    job = lab.begin()
    count = begun(lab, job)
    kill_job(lab, job)
    (lab.on_host("web1") / "go").touch()
    wait_for(lambda: count.read_text() == "once\nover\n", what="it has ended there")
    second = lab.begin(resumes=newest_run(job))
    failed = lab.until(second, "failed")
    assert (failed.exit_status, lab.printed(second, failed)) == (7, "printed\n")
    kill_job(lab, second)
    third = lab.begin(resumes=newest_run(job))
    assert lab.until(third, "failed").exit_status == 7
    assert count.read_text() == "once\nover\n"


@pytest.mark.parametrize("phase", range(12))
def test_killed_at_any_write_of_its_events_nothing_is_done_that_is_not_known(
    lab: RunbookLab, monkeypatch: pytest.MonkeyPatch, phase: int
) -> None:
    """The job is killed before its ``phase``-th fact reaches the disk."""
    lab.write(fence("echo once >>count", CHANGE), fence("echo twice >>count", CHANGE))
    monkeypatch.setenv("LILFOX_TEST_KILL_AT", str(phase))
    count = lab.on_host("web1") / "count"
    job = lab.begin(module=killed_job.__name__)
    with suppress(LilFoxError):
        lab.order(job, RunAll(sha256=lab.sha256))
    assert lab.ended(job).state in ("unknown", "ok")
    monkeypatch.delenv("LILFOX_TEST_KILL_AT")
    if find_job(job).state == "unknown":
        job = lab.begin(resumes=newest_run(job))
        wait_for((lab.job_folder(job) / SOCKET).exists, what="all is taken over")
        wait_for(lambda: not any(each.state == "running" for step in (1, 2) for each in of(lab, job, step)))
        assert not [each for step in (1, 2) for each in of(lab, job, step) if each.state == "unknown"]
        lab.run_all(job)
    assert lab.ended(job).state == "ok"
    assert count.read_text() == "once\ntwice\n"


def of(lab: RunbookLab, job: str, step: int) -> list[CommandResult]:
    """Results of a step; nothing before the run is opened."""
    return [] if lab.state(job) is None else list(lab.results(job, step).values())


def test_the_hosts_sshd_is_killed_and_the_command_goes_on_and_is_found(lab: RunbookLab) -> None:
    lab.write(fence(COUNTS, CHANGE))
    job = lab.begin()
    count = begun(lab, job)
    server = lab.servers["web1"]
    server.kill()
    wait_for(lambda: lab.results(job)["web1"].link_lost, what="the loss is told")
    assert lab.results(job)["web1"].state == "running"
    (lab.on_host("web1") / "go").touch()
    server.start()
    done = lab.until(job, "done")
    assert (done.link_lost, lab.printed(job, done)) == ("", "printed\n")
    assert count.read_text() == "once\nover\n"


def test_a_host_that_does_not_come_back_leaves_it_unknown_until_somebody_looks(lab: RunbookLab) -> None:
    lab.write(fence(COUNTS, CHANGE), fence("echo next", '{"host":"web1"}'))
    job = lab.begin()
    count = begun(lab, job)
    server = lab.servers["web1"]
    server.kill()
    wait_for(lambda: lab.results(job)["web1"].link_lost, what="the loss is told")
    lab.order(job, Stop())
    unknown = lab.until(job, "unknown")
    assert "stopped on request" in unknown.message
    with pytest.raises(OrderRefused, match="the outcome of this command on web1 is not known"):
        lab.run_one(job)
    with pytest.raises(OrderRefused):
        lab.order(job, RunAll(sha256="0" * 64))
    (lab.on_host("web1") / "go").touch()
    wait_for(lambda: count.read_text() == "once\nover\n", what="it ends there, unseen")
    server.start()
    lab.order(job, LookAgain(run=unknown.run))
    assert lab.until(job, "done").exit_status == 0
    assert count.read_text() == "once\nover\n"


def test_a_run_that_ends_with_something_unknown_says_so(lab: RunbookLab) -> None:
    lab.write(fence("echo $$ >pid; " + COUNTS, CHANGE))
    job = lab.begin()
    begun(lab, job)
    kill_job(lab, job)
    home = lab.on_host("web1")
    group = int((home / "pid").read_text())
    for keeper in (home / ".cache/lilfox/jobs").glob("*/pid"):
        for pid in keeper.read_text().split()[3:4]:
            os.kill(int(pid), signal.SIGKILL)
    os.killpg(os.getpgid(group), signal.SIGKILL)
    second = lab.begin(resumes=newest_run(job))
    assert "its outcome is unknown" in lab.until(second, "unknown").message
    lab.order(second, FinishRun())
    assert ((ended := lab.ended(second)).state, ended.exit_code) == ("unknown", 1)


def test_what_only_reads_is_unknown_when_its_link_drops_and_may_be_run_again(lab: RunbookLab) -> None:
    lab.write(fence("cat go; echo read", '{"host":"web1"}'))
    os.mkfifo(pipe := lab.on_host("web1") / "go")
    lab.run_one(job := lab.begin())
    with pipe.open("wb"):  # the command reads there now, and waits
        lab.servers["web1"].kill()
        assert lab.until(job, "unknown").message
    lab.servers["web1"].start()
    lab.run_one(job, again=True)
    pipe.write_bytes(b"")
    assert lab.printed(job, lab.until(job, "done")) == "read\n"


def test_a_job_that_is_cancelled_ends_its_command_and_writes_that_down(lab: RunbookLab) -> None:
    lab.write(fence("trap 'echo cleaned >>count; exit 9' TERM; " + COUNTS, CHANGE))
    job = lab.begin()
    count = begun(lab, job)
    found = find_job(job)
    assert found.pid is not None
    os.kill(found.pid, signal.SIGTERM)
    assert lab.ended(job).state == "cancelled"
    result = lab.results(job)["web1"]
    assert (result.state, result.stopped) == ("failed", True)
    assert "over" not in count.read_text()


@pytest.fixture
async def relay(servers: SshdLab) -> AsyncIterator[Relay]:
    async with Relay(servers.servers[0]) as made:
        with servers.known_hosts.open("a") as known:
            known.write(made.known_line())
        yield made


async def test_a_cut_cable_loses_nothing_and_runs_nothing_twice(
    tmp_path: Path, servers: SshdLab, jobs: Path, relay: Relay
) -> None:
    lab = RunbookLab(tmp_path, servers, {"web1": (relay.address, relay.port)})
    home = lab.on_host("web1")
    lab.write(fence(COUNTS, CHANGE), fence("cat count", '{"host":"web1"}'))
    job = await asyncio.to_thread(lab.begin)
    await send(lab.job_folder(job), RunAll(sha256=lab.sha256))
    await until((home / "runs").exists, what="it runs there")
    relay.cut()
    await until(lambda: lab.results(job)["web1"].link_lost, what="the loss is told", timeout_s=60)
    (home / "go").touch()
    await until(lambda: "over" in (home / "count").read_text(), what="it ended there meanwhile")
    relay.mend()
    assert (await asyncio.to_thread(lab.ended, job)).state == "ok"
    assert lab.printed(job, lab.results(job, 2)["web1"]) == "once\nover\n"


@pytest.mark.fault("S38")
def test_a_run_is_gone_on_with_by_one_and_of_the_last_that_knows_all(lab: RunbookLab) -> None:
    lab.write(fence("echo one >>count", CHANGE), fence("echo two >>count", CHANGE))
    job = lab.begin()
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    with pytest.raises(LilFoxError, match="is still active"):
        newest_run(job)
    kill_job(lab, job)
    second = lab.begin(resumes=newest_run(job))
    lab.run_one(second, 2)
    lab.until(second, "done", 2)
    kill_job(lab, second)
    assert newest_run(job) == second
    third = lab.begin(resumes=newest_run(job))
    with pytest.raises(OrderRefused, match="already done on web1"):
        lab.run_one(third, 2)
    assert lab.run_all(third).state == "ok"
    assert (lab.on_host("web1") / "count").read_text() == "one\ntwo\n"


def test_a_run_that_was_killed_while_it_took_over_is_passed_over(lab: RunbookLab) -> None:
    lab.write(fence("echo one >>count", CHANGE))
    job = lab.begin()
    lab.run_one(job)
    lab.until(job, "done")
    kill_job(lab, job)
    second = lab.begin(resumes=newest_run(job))
    lab.until(second, "done")
    kill_job(lab, second)
    events = lab.job_folder(second) / EVENTS
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join(lines[:2]))  # no further than Opened
    third = lab.begin(resumes=newest_run(job))
    assert lab.until(third, "done").exit_status == 0
    assert (lab.on_host("web1") / "count").read_text() == "one\n"


@pytest.mark.fault("S29")
def test_a_file_that_was_changed_after_the_run_is_not_gone_on_with(lab: RunbookLab) -> None:
    lab.write(fence("echo one >>count", CHANGE))
    job = lab.begin()
    lab.run_one(job)
    lab.until(job, "done")
    kill_job(lab, job)
    lab.path.write_text(lab.path.read_text().replace("echo one", "echo other"))
    assert "has changed since run" in lab.ended(lab.begin(resumes=newest_run(job))).message


@pytest.mark.fault("S29")
@pytest.mark.parametrize("after", ["changed", "gone", "broken"])
def test_a_run_whose_file_was_changed_goes_on_with_the_text_that_was_kept(lab: RunbookLab, after: str) -> None:
    lab.write(fence("echo one >>count", CHANGE), fence("echo two >>count", CHANGE))
    job = lab.begin(hosts="web1")
    before = lab.runbook(job)
    lab.run_one(job)
    lab.until(job, "done")
    kill_job(lab, job)
    lab.path.write_text(lab.path.read_text().replace("echo two", "if (" if after == "broken" else "echo other"))
    if after == "gone":
        lab.path.unlink()
    second = lab.begin(resumes=newest_run(job), hosts="web1", runbook=before)
    lab.until(second, "done")
    with pytest.raises(OrderRefused, match="can no longer be read" if after == "gone" else "has changed"):
        lab.run_one(second, 2, sha256=before.sha256)
    lab.order(second, UseText(sha256=before.sha256))
    assert lab.run_all(second, sha256=before.sha256).state == "ok"
    assert (lab.on_host("web1") / "count").read_text() == "one\ntwo\n"


@pytest.mark.fault("S28", "S29")
def test_a_text_with_a_secret_is_not_kept_and_so_not_gone_on_with(lab: RunbookLab) -> None:
    lab.write(fence("PASSWORD=hunter2canary true", CHANGE))
    before = lab.runbook(job := lab.begin(hosts="web1"))
    kill_job(lab, job)
    lab.path.unlink()
    ended = lab.ended(lab.begin(resumes=newest_run(job), hosts="web1", runbook=before))
    assert "contained what looks like a secret; that part was not saved" in ended.message


@pytest.mark.fault("S25")
def test_on_a_full_disk_nothing_is_changed_and_reading_goes_on(
    tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", place]).returncode
    ):
        pytest.skip("only root can mount")
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        lab = RunbookLab(tmp_path, servers)
        home = lab.on_host("web1")
        lab.write(fence("echo first"), fence("touch changed", CHANGE), fence("cat pipe"))
        os.mkfifo(home / "pipe")
        job = lab.begin(hosts="web1")
        lab.run_one(job, 1)
        lab.until(job, "done", 1)
        with (place / "rest").open("wb", buffering=0) as rest, suppress(OSError):
            while True:
                rest.write(b"x" * 512)
        with (lab.job_folder(job) / EVENTS).open("ab", buffering=0) as events, suppress(OSError):
            while True:
                events.write(b"\n")  # its last page has some room still
        lab.run_one(job, 3)
        (home / "pipe").write_text("read")  # returns when somebody reads it
        wait_for(lambda: not busy(lab, job, 2), what="what changes is taken as an order")
        wait_for(lambda: not busy(lab, job, 99), what="and has come to its end")
        (place / "rest").unlink()
        lab.run_one(job, 1, again=True)
        wait_for(lambda: not busy(lab, job, 99), what="it is read once more")
        assert not (home / "changed").exists()
        lab.run_one(job, 2)
        lab.until(job, "done", 2)
        kill_job(lab, job)
    finally:
        for each in list_jobs():
            if each.state == "running":
                kill(each)
        subprocess.run(["umount", "-l", place], check=True)


def busy(lab: RunbookLab, job: str, step: int) -> bool:
    """Orders the step, which may not be there; whether the job still has something else to do."""
    try:
        lab.run_one(job, step)
    except OrderRefused as refused:
        return "busy: " in str(refused)
    return False


def test_a_runbook_of_ten_thousand_steps_is_walked_in_its_order(lab: RunbookLab) -> None:
    steps = [fence("echo one >>count", CHANGE), *(["By hand."] * 10_000), fence("echo last >>count", CHANGE)]
    lab.write(*steps)
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    assert (lab.on_host("web1") / "count").read_text() == "one\nlast\n"


@pytest.mark.parametrize("background", [False, True])
def test_a_fault_of_ours_ends_the_run_and_says_so(lab: RunbookLab, background: bool) -> None:
    lab.write(fence("echo once >>count", f'{{"risk":"change","host":"web1","background":{str(background).lower()}}}'))
    job = lab.begin(module=faulty_job.__name__)
    lab.run_one(job)
    ended = lab.ended(job)
    assert (ended.state, ended.exit_code) == ("failed", 1)
    assert "RuntimeError" in ended.message
    wait_for((lab.on_host("web1") / "count").exists)
    second = lab.begin(resumes=newest_run(job))
    assert lab.until(second, "done").exit_status == 0, "what it did is found all the same"
    assert (lab.on_host("web1") / "count").read_text() == "once\n"


def test_a_run_whose_folder_is_taken_away_ends(lab: RunbookLab) -> None:
    lab.write(fence("true"))
    job = find_job(lab.begin())
    wait_for((Path(job.folder) / SOCKET).exists)
    shutil.rmtree(job.folder)
    assert job.pid is not None
    pid = job.pid
    wait_for(lambda: start_of(pid) is None, what="its process is gone")
