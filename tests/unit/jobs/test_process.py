from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.jobs.reader import ProcessIdentity, boot_id, start_of, this_process
from tests.waiting import wait_for


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
