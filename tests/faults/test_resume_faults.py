"""A run that is gone on with: on each host what is done is done, what runs is waited for, and nothing runs twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.listing import find_job, list_jobs
from lilfox_tui.jobs.reader import EventReader
from lilfox_tui.runbook.run.persistence import newest_run
from lilfox_tui.runbook.run.protocol import RunAll, RunAllStarted, decode_facts
from tests.faults import killed_job
from tests.services.lilfox_command import lilfox, running
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs, kill
from tests.waiting import wait_for

__all__ = ["jobs"]
BOTH = '{"risk":"change","host":"web*"}'
ONE = '{"risk":"change","host":"web1"}'
COUNTS = "echo begin >>count; touch runs; while [ ! -e go ]; do sleep 0.05; done; echo end >>count"


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        made.sshd()
        yield made


@pytest.fixture
def lab(tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunbookLab]:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = RunbookLab(tmp_path, servers)
    yield made
    for name in ("web1", "web2"):
        (made.on_host(name) / "go").touch()  # what a test left running there ends


def kill_job(job: str) -> None:
    """The job is killed without a word."""
    kill(find_job(job))
    wait_for(lambda: find_job(job).state == "unknown", what="it is known to be gone")


def resumed(lab: RunbookLab, job: str) -> int:
    """``--resume --yes`` to its end; the exit code."""
    return lilfox("--config", lab.config, "runbook", "run", "--resume", job, "--yes", timeout_s=60).returncode


def counted(lab: RunbookLab, name: str) -> str:
    """What was counted on a host."""
    there = lab.on_host(name) / "count"
    return there.read_text() if there.exists() else ""


def runs_all(lab: RunbookLab, job: str) -> bool:
    """Whether the order to run all that is left was taken."""
    return any(isinstance(fact, RunAllStarted) for fact in decode_facts(EventReader(lab.job_folder(job)).read()))


@pytest.mark.fault("4.45")
def test_what_failed_on_one_host_is_not_run_again_where_it_is_done(lab: RunbookLab) -> None:
    (lab.on_host("web2") / "broken").touch()
    lab.write(fence("echo one >>count; [ ! -e broken ]", BOTH), fence("echo two >>count", BOTH))
    job = lab.run_all(lab.begin()).id
    assert find_job(job).state == "partly"
    (lab.on_host("web2") / "broken").unlink()
    assert resumed(lab, job) == 0
    assert (counted(lab, "web1"), counted(lab, "web2")) == ("one\ntwo\n", "one\none\ntwo\n")


@pytest.mark.fault("4.45")
def test_what_is_asked_of_a_person_is_only_what_is_left(lab: RunbookLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is killed between one host and the next."""
    lab.write(fence("echo one >>count", BOTH))
    monkeypatch.setenv("LILFOX_TEST_KILL_AT", "4")  # opened, acts, began and ended on web1
    job = lab.begin(module=killed_job.__name__)
    with suppress(LilFoxError):
        lab.order(job, RunAll(sha256=lab.sha256))
    lab.ended(job)
    monkeypatch.delenv("LILFOX_TEST_KILL_AT")
    second = lab.begin(resumes=newest_run(job))
    wait_for(lambda: (state := lab.state(second)) is not None and state.waiting.what == "confirm")
    state = lab.state(second)
    assert state is not None
    assert state.waiting.turn is not None
    assert state.waiting.turn.hosts == ("web2",)
    lab.run_one(second, hosts=state.waiting.turn.hosts)
    lab.until(second, "done")
    assert (counted(lab, "web1"), counted(lab, "web2")) == ("one\n", "one\n")


@pytest.mark.fault("4.46")
def test_an_order_to_run_all_waits_for_what_survived_the_job(lab: RunbookLab, tmp_path: Path) -> None:
    lab.write(fence(COUNTS, ONE), fence("echo after >>count", ONE))
    job = lab.begin()
    lab.run_one(job)
    wait_for((lab.on_host("web1") / "runs").exists, what="it runs there")
    kill_job(job)
    words: list[str | Path] = ["--config", lab.config, "runbook", "run", "--resume", job, "--yes"]
    with running(words, tmp_path / "resumed") as process:
        wait_for(lambda: newest_running(job) != "", what="a job goes on with it")
        second = newest_running(job)
        wait_for(lambda: runs_all(lab, second), what="the order was taken")
        (lab.on_host("web1") / "go").touch()
        assert process.wait(60) == 0, (tmp_path / "resumed.err").read_text()
    assert counted(lab, "web1") == "begin\nend\nafter\n"


def newest_running(job: str) -> str:
    """The job that goes on with it, once it runs."""
    return next((each.id for each in list_jobs() if each.id != job and each.state == "running"), "")


@pytest.mark.fault("4.46")
def test_a_refused_order_stops_nothing(lab: RunbookLab) -> None:
    lab.write(fence(COUNTS, ONE), fence("echo after >>count", ONE))
    job = lab.begin()
    order = f"RunOne(step=0, command=0, sha256='{lab.sha256}')"
    text = "import asyncio; from pathlib import Path; from lilfox_tui.runbook.run.protocol import RunOne, send; "
    text += f"asyncio.run(send(Path({str(lab.job_folder(job))!r}), {order}))"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)  # a face that is gone, and acts no more
    wait_for((lab.on_host("web1") / "runs").exists, what="it runs there")
    done = lilfox("--config", lab.config, "runbook", "run", "--resume", job, "--yes", timeout_s=60)
    assert done.returncode != 0
    assert "busy: " in done.stderr
    assert f"run {job} continues unchanged" in done.stderr
    (lab.on_host("web1") / "go").touch()
    lab.until(job, "done")
    assert counted(lab, "web1") == "begin\nend\n"


@pytest.mark.fault("4.45")
@pytest.mark.parametrize("phase", range(10))
def test_killed_at_any_write_and_gone_on_with_at_once_each_host_is_changed_once(
    lab: RunbookLab, monkeypatch: pytest.MonkeyPatch, phase: int
) -> None:
    """And once more while it takes over, at the same write: who goes on with either goes on from the same place."""
    lab.write(fence("echo one >>count", BOTH), fence("echo two >>count", BOTH))
    monkeypatch.setenv("LILFOX_TEST_KILL_AT", str(phase))
    job = lab.begin(module=killed_job.__name__)
    with suppress(LilFoxError):
        lab.order(job, RunAll(sha256=lab.sha256))
    state = lab.ended(job).state
    if state == "unknown":
        second = lab.begin(resumes=newest_run(job), module=killed_job.__name__)
        with suppress(LilFoxError):
            lab.order(second, RunAll(sha256=lab.sha256))
        lab.ended(second)
        monkeypatch.delenv("LILFOX_TEST_KILL_AT")
        assert find_job(second).state == "ok" or resumed(lab, job) == 0
        wait_for(lambda: newest_run(job) == newest_run(second), what="both are gone on with by one")
    assert (counted(lab, "web1"), counted(lab, "web2")) == ("one\ntwo\n", "one\ntwo\n")
