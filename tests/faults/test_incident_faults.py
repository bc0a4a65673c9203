"""What may happen to an incident's record, and what must be true of it afterwards."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import verify
from lilfox_tui.incident.model import EvidenceKept, IncidentError, JobBegan, JobEnded, Noted, NotRecorded, find
from lilfox_tui.jobs.listing import find_job
from tests.faults.test_job_faults import fill, small_disk
from tests.unit.jobs.effects import begin
from tests.unit.jobs.running import ended, jobs, kill, said
from tests.waiting import wait_for

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
APPENDING = """
import sys
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.model import Noted
name, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    book.append("INC-1", Noted(text=f"{name} {number}"), once=f"both {number}" if number < 50 else None)
    print(number, flush=True)
"""
TORN = """
import os, signal, sys
from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.model import Noted
write = os.write
def half(handle, data):
    if bytes(data[:9]) == b'{"number"':
        write(handle, data[: int(sys.argv[1])])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(handle, data)
os.write = half
book.append("INC-1", Noted(text="never"))
"""


@pytest.fixture
def memory_disk(monkeypatch: pytest.MonkeyPatch, own_folders: Path) -> Iterator[Path]:
    """State on a disk that is quick to sync."""
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as made:
        monkeypatch.setenv("XDG_STATE_HOME", made)
        yield Path(made) / "lilfox" / "incidents"


def python(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def notes() -> list[str]:
    return [entry.what.text for entry in book.entries("INC-1") if isinstance(entry.what, Noted)]


def test_two_processes_append_a_thousand_each_and_nothing_is_lost_or_out_of_order(memory_disk: Path) -> None:
    book.open_incident("x")
    writers = [python(APPENDING, name, "1000") for name in ("a", "b")]
    try:
        for writer in writers:
            writer.communicate(timeout=60)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    found = notes()
    for name in ("a", "b"):
        assert [text for text in found if text.startswith(name)][-950:] == [f"{name} {n}" for n in range(50, 1000)]
    assert len(found) == 1950  # the first fifty are the same event, whoever came first
    assert [entry.number for entry in book.entries("INC-1")] == list(range(1, 1952))
    assert verify("INC-1").problems == ()


@pytest.mark.parametrize("after", [1, 7, 23, 61])
def test_killed_at_any_moment_what_was_said_to_be_written_is_there(memory_disk: Path, after: int) -> None:
    book.open_incident("x")
    writer = python(APPENDING, "a", "100000")
    try:
        assert writer.stdout is not None
        written = [writer.stdout.readline() for _ in range(after)]
        writer.send_signal(signal.SIGKILL)
        written += writer.stdout.readlines()
    finally:
        writer.kill()
        writer.communicate()
    assert len(notes()) >= len([line for line in written if line.endswith("\n")])
    assert verify("INC-1").problems == ()
    book.append("INC-1", Noted(text="goes on"))
    assert verify("INC-1").problems == ()


@pytest.mark.parametrize("size", [1, 40, 150])
def test_killed_in_the_middle_of_a_line_that_line_is_put_aside_and_told(memory_disk: Path, size: int) -> None:
    book.open_incident("x")
    writer = python(TORN, str(size))
    writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    verdict = verify("INC-1")
    assert verdict.problems == ()
    assert f"the last {size} bytes are from an interrupted write" in str(verdict.notes[0])
    assert [type(entry.what).__name__ for entry in book.entries("INC-1")] == ["IncidentOpened"]
    entry = book.append("INC-1", Noted(text="goes on"))
    kept = book.entries("INC-1")[1].what
    assert isinstance(kept, EvidenceKept)
    assert (kept.file, kept.size_bytes, entry.number) == ("torn-line-2", size, 3)
    assert (memory_disk / "INC-1/evidence/torn-line-2").read_bytes().startswith(b'{"number":2'[:size])
    assert verify("INC-1").problems == ()


def test_a_follower_sees_what_another_process_writes_after_a_torn_line(memory_disk: Path) -> None:
    from lilfox_tui.incident.timeline import TimelineReader

    book.open_incident("x")
    reader = TimelineReader(find("INC-1"))
    assert len(reader.read()) == 1
    python(TORN, "100").communicate(timeout=60)
    assert reader.grown()
    assert reader.read() == []
    book.append("INC-1", Noted(text="a"))
    assert [type(entry.what).__name__ for entry in reader.read()] == ["EvidenceKept", "Noted"]
    assert (reader.unreadable, reader.read()) == (0, [])


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_folders: Path) -> Iterator[Path]:
    """A small disk that holds the state."""
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    place = small_disk(tmp_path, "size=512k,mode=700")
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.fault("S25")
def test_on_a_full_disk_nothing_is_opened_and_what_is_open_is_read_and_refuses_more(disk: Path) -> None:
    book.open_incident("x")
    fill(disk)
    with pytest.raises(NotRecorded, match="No space left on device"):
        book.open_incident("y")
    with pytest.raises(NotRecorded, match="No space left on device"):
        book.keep_evidence("INC-1", "a", b"x" * 10_000, "")
    refused = 0
    for number in range(200):  # there is room in the file's last block
        try:
            book.append("INC-1", Noted(text=f"{number}"))
        except NotRecorded:
            refused += 1
    assert refused > 0
    found = notes()
    assert found == [f"{number}" for number in range(len(found))]
    assert (verify("INC-1").problems, verify("INC-1").notes) == ((), ())
    assert [each.id for each in book.list_incidents()] == ["INC-1"]
    assert not [path for path in (disk / "lilfox/incidents").rglob(".*") if path.name.startswith((".new", ".part"))]
    (disk / "rest").unlink()
    book.append("INC-1", Noted(text="goes on"))
    assert verify("INC-1").problems == ()


@pytest.mark.fault("S25")
@pytest.mark.parametrize("room", [1, 100, 199, 250, 4000])
def test_a_disk_that_takes_half_a_line_keeps_none_of_it(
    memory_disk: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.open_incident("x")
    write, left = os.write, room

    def small(handle: int, data: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(handle, data[:left])
        left -= taken
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", small)
        with pytest.raises(NotRecorded):
            book.append("INC-1", Noted(text="x" * 5000))
    assert notes() == []
    assert verify("INC-1").notes == ()
    assert book.append("INC-1", Noted(text="goes on")).number == 2


@pytest.mark.fault("S25")
def test_an_event_that_cannot_be_recorded_raises_before_it_is_done(memory_disk: Path) -> None:
    book.open_incident("x")
    timeline = memory_disk / "INC-1/timeline.jsonl"
    head = memory_disk / "INC-1/head"
    kept = head.read_bytes()
    timeline.rename(timeline.with_name("moved"))
    timeline.mkdir()
    head.write_bytes(kept.replace(kept[13:28], f"{timeline.stat().st_size:015d}".encode()))
    with pytest.raises(NotRecorded, match="Is a directory"):
        book.record(Noted(text="restart"))


def test_a_process_that_stands_still_with_the_lock_does_not_hang_the_others(
    memory_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilfox_tui.incident.timeline._WAITS_S", 0.1)
    book.open_incident("x")
    with (memory_disk / "INC-1/timeline.jsonl").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IncidentError, match="another process is still writing to"):
            book.append("INC-1", Noted(text="x"))
    book.append("INC-1", Noted(text="x"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\0" * 5000,
        b"no JSON\n" * 3,
        b'{"number":1}\n',
        b"[" * 100_000 + b"\n",
        b"x" * 3_000_000,
        b'{"number":1,"at":"2023-12-30T02:00:00Z","by":"","previous":"","what":{"event":"of a later version"}}\n',
        "link",
        "fifo",
        "folder",
    ],
    ids=lambda content: content if isinstance(content, str) else repr(content[:20]),
)
def test_a_foreign_timeline_is_told_and_hides_no_other_incident(memory_disk: Path, content: bytes | str) -> None:
    book.open_incident("good")
    bad = memory_disk / "INC-2"
    bad.mkdir()
    file = bad / "timeline.jsonl"
    match content:
        case "link":
            file.symlink_to(memory_disk / "INC-1/timeline.jsonl")
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case bytes():
            file.write_bytes(content)
    (found,) = book.list_incidents()
    assert found.id == "INC-1"
    current = book.current()
    assert current is not None
    assert current.id == "INC-1"
    with pytest.raises(IncidentError):
        book.read_incident(bad)
    with suppress(IncidentError):
        assert verify("INC-2").problems != ()
    assert book.open_incident("next").id == "INC-3"


@pytest.mark.fault("S23")
def test_an_altered_line_is_named_and_not_in_the_way(memory_disk: Path) -> None:
    book.open_incident("x")
    for number in range(5):
        book.append("INC-1", Noted(text=f"{number}"))
    timeline = memory_disk / "INC-1/timeline.jsonl"
    lines = timeline.read_bytes().splitlines()
    timeline.write_bytes(b"\n".join([*lines[:-1], b"altered", b""]))
    assert book.append("INC-1", Noted(text="goes on")).number == 7
    assert verify("INC-1").problems[0].line == 6
    assert notes() == ["0", "1", "2", "3", "goes on"]


def test_a_job_tells_the_incident_that_is_open_and_the_one_that_the_environment_names(jobs: Path) -> None:
    ended(begin("copies", title="before any incident"))
    book.open_incident("first")
    book.open_incident("second")
    one = ended(begin("copies", title="password=S3CRET"))
    other = ended(begin("copies", title="b", env={**os.environ, "LILFOX_INCIDENT": "INC-1"}))
    told = {
        name: [
            (what.job, what.title if isinstance(what, JobBegan) else what.state)
            for entry in book.entries(name)
            if isinstance(what := entry.what, JobBegan | JobEnded)
        ]
        for name in ("INC-1", "INC-2")
    }
    assert told == {
        "INC-1": [(other.id, "b"), (other.id, "ok")],
        "INC-2": [(one.id, "password=***"), (one.id, "ok")],
    }
    assert one.state == other.state == "ok"
    for name, job in (("INC-1", other), ("INC-2", one)):
        [took_s] = [what.took_s for entry in book.entries(name) if isinstance(what := entry.what, JobEnded)]
        assert job.ended is not None
        assert took_s == (job.ended - job.started).total_seconds(), "a job has one duration"


def test_a_job_whose_incident_is_closed_meanwhile_tells_its_end_there(jobs: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    book.open_incident("x")
    job = begin("waits", until=str(go))
    wait_for(lambda: len(book.entries("INC-1")) == 2, what="it is told")
    book.close(find("INC-1"), "")
    book.open_incident("y")
    go.touch()
    ended(job)
    assert [type(entry.what).__name__ for entry in book.entries("INC-1")] == [
        "IncidentOpened",
        "JobBegan",
        "Closed",
        "JobEnded",
    ]
    assert len(book.entries("INC-2")) == 1


def test_of_a_job_that_was_killed_nothing_is_invented(jobs: Path) -> None:
    book.open_incident("x")
    job = begin("waits", until="/nonexistent")
    wait_for(lambda: len(book.entries("INC-1")) == 2, what="it is told")
    kill(find_job(job))
    assert ended(job).state == "unknown"
    assert len(book.entries("INC-1")) == 2
    assert list(book.read_incident(find("INC-1")).jobs) == [job]


def test_an_incident_that_takes_nothing_stops_no_job_and_is_told_by_it(jobs: Path) -> None:
    book.open_incident("x")
    timeline = jobs.parent / "incidents/INC-1/timeline.jsonl"
    timeline.rename(timeline.with_name("moved"))
    timeline.mkdir()
    job = ended(begin("copies", env={**os.environ, "LILFOX_INCIDENT": "INC-1"}))
    assert job.state == "ok"
    told = [text for text in said(job.id) if "not recorded in the incident's timeline" in text]
    assert len(told) == 2
    assert "Is a directory" in told[0]
    other = ended(begin("copies", env={**os.environ, "LILFOX_INCIDENT": "INC-9"}))
    assert "INC-9: no such incident" in "".join(said(other.id))
