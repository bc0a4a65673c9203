"""What may happen to a job, and what must be known of it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import find_job, list_jobs, unsettled
from lilfox_tui.jobs.model import Intent, JobError, KeyHeld
from lilfox_tui.jobs.reader import EVENTS
from tests.unit.jobs.effects import begin
from tests.unit.jobs.running import all_events, ended, jobs, kill, lines, said
from tests.waiting import wait_for

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("steps", range(1, 11))
def test_12_killed_at_any_step_it_is_unknown_and_nothing_was_done_that_was_not_intended(
    jobs: Path, tmp_path: Path, steps: int
) -> None:
    job = ended(begin("dies_at", folder=str(tmp_path), steps=steps, key="k"))
    intended = {event.text for event in all_events(job.id) if isinstance(event, Intent)}
    made = {name for name in "abc" if (tmp_path / name).exists()}
    assert job.state == "unknown"
    assert made <= intended
    assert len(intended - made) <= 1
    assert unsettled(list_jobs()) == [job]
    assert ended(begin("copies", key="k")).state == "ok"


def test_12_events_that_are_cut_at_any_byte_never_say_that_it_ended_well(jobs: Path) -> None:
    job = ended(begin("copies"))
    whole = lines(job.id)
    file = Path(job.folder) / EVENTS
    began = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        found = find_job(job.id)
        assert found.state == ("failed" if cut < began else "unknown"), whole[:cut]
        assert found.exit_code == 1
    file.write_bytes(whole)
    assert find_job(job.id).state == "ok"


def test_16_the_end_of_its_terminals_session_is_nothing_to_it(jobs: Path, tmp_path: Path) -> None:
    """As ``tests/terminal/test_jobs.py``, where the terminal is closed; here SIGHUP goes to all that it started."""
    go = tmp_path / "go"
    program = f"from tests.unit.jobs.effects import begin; begin('waits', until={str(go)!r}); input()"
    starter = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)
    try:
        wait_for(lambda: [job for job in list_jobs() if "waiting" in said(job.id)], what="it waits")
        os.killpg(starter.pid, signal.SIGHUP)
        assert starter.wait(60) == -signal.SIGHUP
    finally:
        starter.kill()
        starter.communicate()
    (job,) = list_jobs()
    assert job.state == "running"
    go.touch()
    assert ended(job.id).state == "ok"


def test_17_of_many_at_once_one_runs_and_the_others_say_who_holds_it(jobs: Path, tmp_path: Path) -> None:
    go, ready = tmp_path / "go", tmp_path / "ready"
    program = (
        "import os, sys\n"
        "from lilfox_tui.jobs.model import KeyHeld\n"
        "from tests.unit.jobs.effects import begin\n"
        f"while not os.path.exists({str(ready)!r}): pass\n"
        "try:\n"
        f"    print('runs', begin('waits', key='backup lilfox', until={str(go)!r}))\n"
        "except KeyHeld as held:\n"
        "    print('held', held.holder.id)\n"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    try:
        ready.touch()
        said_by = [starter.communicate(timeout=60)[0].split() for starter in starters]
    finally:
        for starter in starters:
            starter.kill()
            starter.communicate()
    assert sorted(word for word, _ in said_by) == ["held"] * 5 + ["runs"]
    (job,) = list_jobs()
    assert {job_id for _, job_id in said_by} == {job.id}
    go.touch()
    ended(job.id)


@pytest.mark.parametrize("pid", ["a dead one", "one that came again"])
def test_18_a_lock_that_a_killed_job_has_left_holds_nobody(jobs: Path, tmp_path: Path, pid: str) -> None:
    first = find_job(begin("waits", key="k", until="/nonexistent"))
    with pytest.raises(KeyHeld):
        begin("copies", key="k")
    kill(first)
    ended(first.id)
    if pid == "one that came again":
        events = Path(first.folder) / EVENTS
        events.write_bytes(events.read_bytes().replace(f'"pid":{first.pid}'.encode(), f'"pid":{os.getpid()}'.encode()))
        assert find_job(first.id).pid == os.getpid()
    assert find_job(first.id).state == "unknown"
    assert ended(begin("copies", key="k")).state == "ok"


def small_disk(tmp_path: Path, options: str) -> Path:
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place]).returncode:
        pytest.skip("only root can mount")
    return place


@pytest.fixture
def disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_folders: Path
) -> Iterator[Path]:
    """A small disk that holds the jobs; the parameter is how it is mounted."""
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    place = small_disk(tmp_path, f"{getattr(request, 'param', 'size=512k')},mode=700")
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> None:
    with (disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 512)


@pytest.mark.fault("1.7", "S25")
def test_7_on_a_disk_that_is_full_nothing_is_begun(disk: Path) -> None:
    ended(begin("copies"))
    fill(disk)
    with pytest.raises(JobError, match=r"No space left on device; nothing was (started|done)"):
        begin("copies")
    assert len(list_jobs()) == 1
    (disk / "rest").unlink()
    assert ended(begin("copies")).state == "ok"


def test_7_on_a_disk_that_becomes_full_what_cannot_be_intended_is_not_done_and_the_end_is_told(
    disk: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    job = ended(begin("fills", disk=str(disk), touch=str(made)))
    assert not made.exists()
    assert (job.state, job.exit_code) == ("failed", 1)
    assert "the change was not made because it cannot be recorded in" in job.message
    assert "): touch iii" in job.message
    assert "No space left on device" in job.message
    assert "free up space" in job.hint
    assert not [event for event in all_events(job.id) if isinstance(event, Intent)]


@pytest.mark.fault("4.55")
@pytest.mark.parametrize("free_kib", range(4, 68, 8))
def test_with_little_room_nothing_is_begun_whose_end_could_not_be_told(
    disk: Path, tmp_path: Path, free_kib: int
) -> None:
    go = tmp_path / "go"
    fill(disk)
    size = (disk / "rest").stat().st_size
    os.truncate(disk / "rest", size - (free_kib << 10))
    job, refused = "", ""
    try:
        job = begin("waits", until=str(go))
    except JobError as error:
        refused = str(error)
    if refused:
        assert free_kib < 48
        assert "No space left on device; nothing was" in refused
        return
    with (disk / "rest").open("ab", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 512)
    with (Path(find_job(job).folder) / EVENTS).open("ab", buffering=0) as events, suppress(OSError):
        while True:
            events.write(b"\n")  # its last page has some room still
    go.touch()
    assert ended(job).state in ("ok", "failed"), "it is told, whatever it was"


@pytest.mark.parametrize("disk", ["size=4m,nr_inodes=7"], indirect=True)
def test_9_without_inodes_nothing_is_begun(disk: Path) -> None:
    with pytest.raises(JobError, match=r"No space left on device; nothing was (started|done)"):
        begin("copies")
    assert list_jobs() == []


def test_10_on_a_disk_that_is_read_only_nothing_is_begun_and_what_was_is_read(disk: Path) -> None:
    job = ended(begin("copies"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(JobError, match="Read-only file system; nothing was started"):
        begin("copies")
    assert find_job(job.id) == job
