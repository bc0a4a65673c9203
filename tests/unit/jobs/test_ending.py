from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from lilfox_tui.jobs.listing import cancel, find_job, follow_events
from lilfox_tui.jobs.model import Began, Ended, Event, JobError, MessageLogged, NoSuchJob
from lilfox_tui.jobs.reader import EVENTS
from tests.unit.jobs.effects import begin
from tests.unit.jobs.made import AT, OK, began, make
from tests.unit.jobs.running import ended, said
from tests.waiting import until, wait_for


async def test_cancel_returns_after_its_clean_up(jobs: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    job_id = await asyncio.to_thread(begin, "waits", until="/nonexistent", clean=str(clean))
    await until(lambda: "waiting" in said(job_id), what="it waits")
    task = asyncio.create_task(cancel(job_id))
    await until(lambda: any("cleaning up" in text for text in said(job_id)), what="it was told to end")
    assert not task.done()
    assert find_job(job_id).state == "running"
    clean.touch()
    job = await task
    assert (job.state, job.exit_code) == ("cancelled", 130)
    assert job.message == "cancelled; it was about to: make a folder"
    assert said(job_id)[-1] == "cleaned up"
    assert await cancel(job_id) == job


async def test_what_takes_longer_is_said_and_goes_on(jobs: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    job_id = await asyncio.to_thread(begin, "waits", until="/nonexistent", clean=str(clean))
    await until(lambda: "waiting" in said(job_id), what="it waits")
    pid = find_job(job_id).pid
    with pytest.raises(JobError, match=rf"still cleaning up \(process {pid} on "):
        await cancel(job_id, wait_s=0.2)
    with pytest.raises(JobError, match="still cleaning up"):
        await cancel(job_id, wait_s=0.2)
    clean.touch()
    assert ended(job_id).state == "cancelled"
    assert said(job_id)[-1] == "cleaned up"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_cut_its_clean_up(jobs: Path, tmp_path: Path, number: signal.Signals) -> None:
    clean = tmp_path / "clean"
    job_id = begin("waits", until="/nonexistent", clean=str(clean))
    pid = find_job(job_id).pid
    assert pid is not None
    wait_for(lambda: "waiting" in said(job_id), what="it waits")
    for _ in range(3):
        os.kill(pid, number)
    wait_for(lambda: any("cleaning up" in text for text in said(job_id)), what="it was told to end")
    os.kill(pid, number)
    clean.touch()
    assert ended(job_id).state == "cancelled"
    assert [text for text in said(job_id) if "clean" in text] == ["cancellation requested; cleaning up", "cleaned up"]


def test_told_to_end_before_it_makes_its_effect_it_makes_none(jobs: Path) -> None:
    for _ in range(5):
        job_id = begin("waits", until="/nonexistent")
        pid = find_job(job_id).pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        job = ended(job_id)
        assert job.state == "cancelled"
        assert said(job_id)[-1] in ("cancellation requested; cleaning up", "cleaned up")


def test_hanging_up_is_nothing_to_it(jobs: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job_id = begin("waits", until=str(go))
    pid = find_job(job_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    os.kill(pid, signal.SIGQUIT)
    go.touch()
    assert ended(job_id).state == "ok"


async def test_a_process_that_has_its_pid_now_is_left_alone(jobs: Path) -> None:
    import fcntl

    with subprocess.Popen(["/bin/sleep", "60"]) as other:  # noqa: ASYNC220  it does not wait
        said_began = msgspec.structs.replace(began(), pid=other.pid, host=os.uname().nodename)
        folder = make(jobs, 1, [said_began])
        assert (await cancel("0001")).state == "unknown"
        with (folder / EVENTS).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # it runs, and not under that pid: in a container
            with pytest.raises(JobError, match="is not visible from here"):
                await cancel("0001")
        assert other.poll() is None
        other.kill()


async def test_one_that_runs_on_another_machine_is_not_ended_from_here(jobs: Path) -> None:
    import fcntl

    folder = make(jobs, 1, [began()])
    with (folder / EVENTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(JobError, match="is running on db-1"):
            await cancel("0001")


async def test_whoever_comes_late_sees_all_events(jobs: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job_id = await asyncio.to_thread(begin, "waits", until=str(go))
    await until(lambda: "waiting" in said(job_id), what="it waits")
    seen: list[list[Event]] = [[], []]

    async def watch(into: list[Event]) -> None:
        async for some in follow_events(job_id[-4:]):
            into.extend(some)

    watching = [asyncio.create_task(watch(each)) for each in seen]
    await until(lambda: all(len(each) >= 3 for each in seen), what="both see what was")
    go.touch()
    await asyncio.gather(*watching)
    assert seen[0] == seen[1]
    assert isinstance(seen[0][0], Began)
    assert isinstance(seen[0][-1], Ended)


async def test_one_that_is_gone_ends_as_unknown_for_whoever_watches(jobs: Path) -> None:
    job_id = await asyncio.to_thread(begin, "dies")
    found = [event async for some in follow_events(job_id) for event in some]
    assert isinstance(found[-1], Ended)
    assert (found[-1].state, found[-1].exit_code) == ("unknown", 1)


async def test_nothing_is_shown_after_the_end(jobs: Path) -> None:
    make(jobs, 1, [began(), OK, MessageLogged(AT, "a ghost")])
    found = [event async for some in follow_events("0001") for event in some]
    assert found == [began(), OK]
    with pytest.raises(NoSuchJob):
        async for _ in follow_events("0002"):
            pass
