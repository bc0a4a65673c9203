from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lilfox_tui.jobs import start
from lilfox_tui.jobs.model import JobError, KeyHeld, LockHolder
from lilfox_tui.jobs.reader import EVENTS

HOLDER = LockHolder("20231230-020000-3f9a", "ada", socket.gethostname(), datetime(2023, 12, 30, 2, 0, tzinfo=UTC))
KEY = "backup lilfox"


def hold(jobs: Path, job_id: str) -> int:
    """Its events, held as by its process."""
    (jobs / job_id).mkdir()
    handle = os.open(jobs / job_id / EVENTS, os.O_CREAT | os.O_WRONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    events = hold(tmp_path, HOLDER.id)
    held = start.take_lock(tmp_path, KEY, HOLDER)
    with pytest.raises(KeyHeld) as caught:
        start.take_lock(tmp_path, KEY, LockHolder("x", "bob", "elsewhere", HOLDER.since))
    assert caught.value.holder == HOLDER
    for word in (KEY, HOLDER.id, "ada", HOLDER.host, HOLDER.since.astimezone().strftime("%H:%M:%S")):
        assert word in str(caught.value)
    assert f"lilfox attach {HOLDER.id}" in str(caught.value.hint)
    os.close(start.take_lock(tmp_path, "another key", HOLDER))
    os.close(held)
    os.close(start.take_lock(tmp_path, KEY, HOLDER))
    os.close(events)


@pytest.mark.parametrize("pid", [os.getppid, lambda: 1, lambda: 2**22 - 1], ids=["ours", "of init", "nobody's"])
def test_what_stands_in_the_file_holds_nothing(tmp_path: Path, pid: Callable[[], int]) -> None:
    """A process was killed: its pid is dead, or another process has it now."""
    os.close(start.take_lock(tmp_path, KEY, HOLDER))
    (file,) = (tmp_path / ".locks").iterdir()
    file.write_text(str(pid()))
    os.close(start.take_lock(tmp_path, KEY, HOLDER))


def test_an_earlier_holder_is_not_taken_for_the_one_that_has_not_told_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_TELLS_S", 0.05)
    (tmp_path / HOLDER.id).mkdir()
    (tmp_path / HOLDER.id / EVENTS).touch()  # it has ended
    held = start.take_lock(tmp_path, KEY, HOLDER)
    with pytest.raises(KeyHeld, match="another job is working on it") as caught:
        start.take_lock(tmp_path, KEY, HOLDER)
    assert caught.value.holder is None
    os.close(held)


@pytest.mark.parametrize("text", [b"", b"\xff", b"12", msgspec.json.encode({"id": "../../etc", "user": 1})])
def test_a_holder_that_cannot_be_read_holds_it_all_the_same(
    tmp_path: Path, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_TELLS_S", 0.05)
    held = start.take_lock(tmp_path, KEY, HOLDER)
    (file,) = (tmp_path / ".locks").iterdir()
    file.write_bytes(text)
    with pytest.raises(KeyHeld) as caught:
        start.take_lock(tmp_path, KEY, HOLDER)
    assert caught.value.holder is None
    os.close(held)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    os.close(start.take_lock(tmp_path, KEY, HOLDER))
    (file,) = (tmp_path / ".locks").iterdir()
    file.unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file.symlink_to(victim)
    with pytest.raises(JobError, match="cannot be used"):
        start.take_lock(tmp_path, KEY, HOLDER)
    assert victim.read_text() == "precious"
