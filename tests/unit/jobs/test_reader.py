from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.jobs.model import Began, Ended, Event, Intent, MessageLogged, Progress, ProgressMade
from lilfox_tui.jobs.reader import EVENTS, EventReader, ProcessIdentity, boot_id, is_held, start_of, this_process
from tests.waiting import wait_for

AT = datetime(2023, 12, 30, 2, 0, tzinfo=UTC)
ME = this_process()
BEGAN = Began(AT, ME.pid, ME.started, ME.boot, "db-1", "root")
EVENTS_OF_A_JOB: list[Event] = [
    BEGAN,
    Intent(AT, "one\n\x1b]0;x\x07"),
    MessageLogged(AT, "två 二"),
    Ended(AT, "ok", "good"),
]


def lines(events: list[Event]) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def test_a_torn_line_is_waited_for(tmp_path: Path) -> None:
    whole = lines(EVENTS_OF_A_JOB)
    file = tmp_path / EVENTS
    reader = EventReader(tmp_path)
    found: list[Event] = []
    file.touch()
    for cut in range(0, len(whole) + 7, 7):
        file.write_bytes(whole[:cut])
        assert reader.grown() or cut == 0 or cut > len(whole)
        found += reader.read()
    assert found == EVENTS_OF_A_JOB
    assert not reader.grown()


@given(st.lists(st.binary(max_size=60)), st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_whatever_stands_between_events_they_are_found(tmp_path: Path, garbage: list[bytes], at: int) -> None:
    between = b"".join(line.replace(b"\n", b"") + b"\n" for line in garbage)
    before, after = lines(EVENTS_OF_A_JOB[:at]), lines(EVENTS_OF_A_JOB[at:])
    (tmp_path / EVENTS).write_bytes(before + between + after)
    assert EventReader(tmp_path).read() == EVENTS_OF_A_JOB


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"said","at":"2023-12-30T02:00:00Z","text":1}',
        b'{"event":"nothing","at":"2023-12-30T02:00:00Z"}',
        b'{"event":"ended","at":"2023-12-30T02:00:00Z","state":"splendid","message":""}',
        b"[" * 100_000,
        b'{"event":"said","at":"yesterday","text":""}',
        b"null",
    ],
)
def test_what_is_no_event_is_left_out(tmp_path: Path, line: bytes) -> None:
    (tmp_path / EVENTS).write_bytes(line + b"\n" + lines([BEGAN]))
    assert EventReader(tmp_path).read() == [BEGAN]


def test_an_endless_line_takes_no_memory_and_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.jobs.reader._LONGEST_LINE", 1000)
    monkeypatch.setattr("lilfox_tui.jobs.reader._BLOCK", 500)
    (tmp_path / EVENTS).write_bytes(b'{"event":"said","text":"' + b"x" * 100_000 + b'"}\n' + lines([BEGAN]))
    reader = EventReader(tmp_path)
    assert reader.read() == [BEGAN]
    assert len(reader._rest) <= 1


def test_links_and_devices_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(lines(EVENTS_OF_A_JOB))
    (tmp_path / EVENTS).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        EventReader(tmp_path).read()
    (tmp_path / EVENTS).unlink()
    os.mkfifo(tmp_path / EVENTS)
    with pytest.raises(FileNotFoundError):
        EventReader(tmp_path).read()


def test_of_a_long_job_that_ended_only_the_ends_are_read(tmp_path: Path) -> None:
    moved: list[Event] = [ProgressMade(AT + timedelta(seconds=n), Progress("one", n, None)) for n in range(20_000)]
    file = tmp_path / EVENTS
    file.write_bytes(lines([BEGAN, *moved]))
    reader = EventReader(tmp_path)
    assert reader.ends() is None
    assert len(reader.read()) == 20_001
    with file.open("ab") as more:
        more.write(lines([Ended(AT, "ok", "good")]))
    ends = EventReader(tmp_path).ends()
    assert ends is not None
    assert ends[0] == BEGAN
    assert ends[1][-2:] == [moved[-1], Ended(AT, "ok", "good")]
    assert len(ends[1]) < 2000


def test_the_lock_on_its_events_says_whether_its_process_is_there(tmp_path: Path) -> None:
    file = tmp_path / EVENTS
    file.touch()
    assert not is_held(tmp_path)
    with file.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_held(tmp_path)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_where_there_are_no_locks_pid_and_start_time_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / EVENTS).touch()

    def none(_handle: int, _how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    assert is_held(tmp_path, BEGAN)
    assert not is_held(tmp_path, Began(AT, ME.pid, ME.started - 1, ME.boot, "db-1", "root"))
    assert not is_held(tmp_path, Began(AT, ME.pid, ME.started, "another boot", "db-1", "root"))
    assert not is_held(tmp_path)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_pid_start_and_boot() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert len(me.boot) == 36
    assert me.runs()


def test_a_pid_that_came_again_is_another_process(other: subprocess.Popen[bytes]) -> None:
    started = start_of(other.pid)
    assert started is not None
    before = ProcessIdentity(other.pid, started - 1, boot_id())
    assert not before.runs()
    assert not before.signal(signal.SIGKILL)
    assert other.poll() is None


def test_after_a_boot_it_is_another_process(other: subprocess.Popen[bytes]) -> None:
    earlier = ProcessIdentity(other.pid, start_of(other.pid) or 0, "another boot")
    assert not earlier.runs()
    assert not earlier.signal(signal.SIGKILL)
    assert other.poll() is None


def test_one_that_ended_and_was_not_waited_for_does_not_run(other: subprocess.Popen[bytes]) -> None:
    it = ProcessIdentity(other.pid, start_of(other.pid) or 0, boot_id())
    assert it.signal(signal.SIGKILL)
    wait_for(lambda: not it.runs(), what="it is a zombie")
    assert os.path.exists(f"/proc/{other.pid}")
    assert not replace(it, pid=2**22 + 1).signal(signal.SIGKILL)


def test_a_name_with_brackets_and_blanks_is_read(tmp_path: os.PathLike[str]) -> None:
    name = os.path.join(tmp_path, "a) 1 (b")
    os.symlink("/bin/sleep", name)
    process = subprocess.Popen([name, "60"])
    try:
        wait_for(lambda: "a) 1 (b" in Path(f"/proc/{process.pid}/stat").read_text(), what="it has its name")
        assert abs((start_of(process.pid) or 0) - (this_process().started)) < 10_000_000
        assert start_of(process.pid) != start_of(1)
    finally:
        process.kill()
        process.wait()
