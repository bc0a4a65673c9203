from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from lilfox_tui.core.i18n import set_language
from lilfox_tui.jobs.listing import (
    MOST_RETAINED,
    Jobs,
    Listing,
    find_job,
    forget_old,
    list_jobs,
    mark_checked,
    unsettled,
)
from lilfox_tui.jobs.model import (
    Ended,
    Intent,
    Job,
    JobError,
    MessageLogged,
    NoSuchJob,
    Progress,
    ProgressMade,
    StepDone,
)
from lilfox_tui.jobs.reader import EVENTS, REQUEST
from tests.unit.jobs.made import AT, OK, began, make
from tests.waiting import until


def test_a_job_is_what_its_events_say(jobs: Path) -> None:
    moved = [ProgressMade(AT, Progress(part, done, 10, 5.0, 1.0)) for part, done in (("a", 1), ("b", 2), ("a", 3))]
    folder = make(jobs, 1, [began(), *moved, OK])
    job = find_job("0001")
    assert (job.id, job.title, job.state, job.started, job.ended) == (folder.name, "job 1", "ok", AT, OK.at)
    assert (job.message, job.exit_code, job.user, job.host, job.folder) == ("good", 0, "root", "db-1", str(folder))
    assert job.progress == (Progress("a", 3, 10), Progress("b", 2, 10)), "nothing moves any more"


def test_one_whose_process_is_gone_without_a_result_is_unknown(jobs: Path) -> None:
    folder = make(jobs, 1, [began(), Intent(AT, "one"), StepDone(AT, "one"), Intent(AT, "rename lilfox")])
    with (folder / EVENTS).open("ab") as file:
        file.write(b'{"event":"ended","at":"2023-')  # torn in the middle of the write
        fcntl.flock(file, fcntl.LOCK_EX)
        assert find_job(folder.name).state == "running"
    job = find_job(folder.name)
    assert (job.state, job.ended, job.exit_code) == ("unknown", None, 1)
    assert job.message == "its process is gone and left no result; it was about to: rename lilfox"
    assert f"lilfox jobs checked {folder.name}" in job.hint


def test_one_that_never_began_did_nothing(jobs: Path) -> None:
    make(jobs, 1, [])
    job = find_job("0001")
    assert (job.state, job.exit_code) == ("failed", 1)
    assert "nothing was done" in job.message
    assert unsettled([job]) == []


def test_an_unknown_one_asks_for_a_look_until_somebody_looked_or_a_later_one_was_good(jobs: Path) -> None:
    make(jobs, 1, [began()], key="a")
    make(jobs, 2, [began()], key="b")
    make(jobs, 3, [began(AT - timedelta(hours=1)), OK], key="a")
    make(jobs, 4, [began(AT + timedelta(hours=1)), Ended(AT, "failed", "", "", 1)], key="a")
    assert {job.title for job in unsettled(list_jobs())} == {"job 1", "job 2"}
    make(jobs, 5, [began(AT + timedelta(hours=2)), OK], key="a")
    assert [job.title for job in unsettled(list_jobs())] == ["job 2"]
    listing = Listing()
    assert len(listing.look()) == 5
    assert mark_checked("0002").checked
    assert unsettled(list_jobs()) == []
    assert unsettled(listing.look()) == []
    with pytest.raises(JobError, match="is in state ok; only a job in state unknown"):
        mark_checked("0005")
    make(jobs, 6, [began(), Ended(AT, "unknown", "nobody saw it", "", 1)], key="c")
    assert [job.title for job in unsettled(listing.look())] == ["job 6"]
    assert mark_checked("0006").checked
    assert unsettled(listing.look()) == []
    assert unsettled(list_jobs()) == []


def test_the_newest_come_first_and_those_of_the_system_too(jobs: Path, own_folders: Path) -> None:
    make(jobs, 1, [began(AT), OK])
    make(own_folders / "system" / "jobs", 2, [began(AT + timedelta(days=1)), OK])
    make(jobs, 3, [began(AT + timedelta(hours=1)), OK])
    assert [job.title for job in list_jobs()] == ["job 2", "job 3", "job 1"]


def test_what_is_no_job_is_left_out(jobs: Path) -> None:
    make(jobs, 1, [began(), OK])
    broken = make(jobs, 2, [began(), OK])
    (broken / REQUEST).write_text('{"entry": 1}')
    (jobs / "20231230-020000-0003").mkdir()  # just being made
    (jobs / "20231230-020000-0004").symlink_to("/etc")
    (jobs / "notes.txt").touch()
    (jobs / "20231230-020000-0005").touch()
    assert [job.title for job in list_jobs()] == ["job 1"]
    for name in ("0002", "0003"):
        with pytest.raises(NoSuchJob):
            find_job(name)


@pytest.mark.parametrize("name", ["", "ffff", "../..", "/etc", "0001/../x", "\0"])
def test_a_name_that_no_job_has(jobs: Path, name: str) -> None:
    make(jobs, 1, [began(), OK])
    with pytest.raises(NoSuchJob, match="no such job") as caught:
        find_job(name)
    assert caught.value.exit_code == 2


def test_an_end_that_several_have_names_them(jobs: Path) -> None:
    make(jobs, 0x11, [began(), OK])
    make(jobs, 0x21, [began(), OK])
    with pytest.raises(NoSuchJob, match="several") as caught:
        find_job("1")
    assert "20231230-020000-0011, 20231230-020000-0021" in str(caught.value.hint)


def test_why_it_is_unknown_follows_the_language(jobs: Path) -> None:
    make(jobs, 1, [began()])
    listing = Listing()
    english = listing.look()[0].message
    set_language("zh_CN")
    assert listing.look()[0].message != english


def test_a_job_that_is_about_to_begin_is_known_as_its_owners(jobs: Path) -> None:
    with (make(jobs, 1, []) / EVENTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (job,) = list_jobs()
    assert (job.state, job.pid, job.user) == ("running", None, pwd.getpwuid(os.getuid()).pw_name)


def test_of_a_thousand_jobs_only_what_is_new_is_read(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = [ProgressMade(AT, Progress("a", n, 100)) for n in range(20)]
    for number in range(1000):
        make(jobs, number, [began(AT + timedelta(seconds=number)), *moved, OK])
    last = make(jobs, 1000, [began(AT + timedelta(days=1))])
    with (last / EVENTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        listing = Listing()
        assert len(listing.look()) == 1001
        opened: list[str] = []
        plain = os.open

        def opens(path: str | Path, *rest: int, dir_fd: int | None = None) -> int:
            if dir_fd is None and str(path) != "/":  # the way to the folder is walked by descriptors
                opened.append(str(path))
            return plain(path, *rest, dir_fd=dir_fd)

        monkeypatch.setattr("lilfox_tui.jobs.reader.os.open", opens)
        begins = time.process_time()
        before = listing.look()
        took_s = time.process_time() - begins
        assert set(opened) == {str(last / EVENTS)}
        assert took_s < 0.5  # it is 50 ms
        file.write(msgspec.json.encode(MessageLogged(AT, "more")) + b"\n")
        file.write(msgspec.json.encode(ProgressMade(AT, Progress("z", 1))) + b"\n")
        file.flush()
        after = listing.look()
    assert before[0].progress == ()
    assert after[0].progress == (Progress("z", 1),)
    assert after[1:] == before[1:]


def count_calls(monkeypatch: pytest.MonkeyPatch, watched: Jobs) -> tuple[list[int], list[int]]:
    """How many jobs each look found, and how many each publication had."""
    looks: list[int] = []
    published: list[int] = []
    look, publish = Listing.look, watched.feed.publish

    def looked(listing: Listing) -> list[Job]:
        found = look(listing)
        looks.append(len(found))
        return found

    def published_them(found: tuple[Job, ...]) -> None:
        published.append(len(found))
        publish(found)

    monkeypatch.setattr(Listing, "look", looked)
    monkeypatch.setattr(watched.feed, "publish", published_them)
    return looks, published


async def test_the_feed_publishes_what_changes_and_nothing_else(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.jobs.listing.LOOK_S", 0.01)
    watched = Jobs()
    looks, published = count_calls(monkeypatch, watched)
    task = asyncio.create_task(watched.run())
    await until(lambda: published == [0], what="none")
    folder = make(jobs, 1, [began(), OK])
    await until(lambda: published[-1] == 1, what="one more")
    seen = len(looks)
    await until(lambda: len(looks) > seen + 5, what="it looked again")
    before = list(published)
    shutil.rmtree(folder)
    await until(lambda: published[-1] == 0, what="it is gone")
    assert published == [*before, 0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.fault("2.18")
def test_old_jobs_are_forgotten_but_never_what_runs_or_asks_for_a_look(jobs: Path) -> None:
    now = AT + timedelta(days=10)
    running = make(jobs, 9001, [began(AT - timedelta(days=300))], key="r")
    asking = make(jobs, 9002, [began(AT - timedelta(days=300))], key="u")
    settled = make(jobs, 9003, [began(AT - timedelta(days=300))], key="n")
    make(jobs, 9004, [began(AT), OK], key="n")
    too_old = make(jobs, 9005, [began(AT - timedelta(days=25)), OK])
    for number in range(MOST_RETAINED + 20):
        make(jobs, number, [began(AT + timedelta(seconds=number)), OK])
    left = jobs / ".gone-20200101-000000-0000"
    left.mkdir()
    with (running / EVENTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        forget_old(jobs, now)
        kept = {job.id for job in list_jobs()}
    assert {running.name, asking.name} <= kept
    assert len(kept) == MOST_RETAINED + 2
    assert not settled.exists()
    assert not too_old.exists()
    assert f"20231230-020000-{MOST_RETAINED + 19:04x}" in kept
    assert not left.exists()
