"""A run whose own state cannot be written: what reads goes on, and what is told of what changes is true."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.runbook.run.protocol import FinishRun
from tests.faults.test_runbook_faults import CHANGE, servers
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab
from tests.unit.jobs.running import jobs, kill

__all__ = ["jobs", "servers"]
READ = '{"host":"web1"}'


@pytest.fixture
def disk(tmp_path: Path, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of its own for the state, with room for some sixty files."""
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    options = "size=4m,nr_inodes=60,mode=700"
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place]).returncode:
        pytest.skip("only root can mount")
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield place
    for each in list_jobs():
        if each.state == "running":
            kill(each)
    subprocess.run(["umount", "-l", place], check=True)


def test_without_inodes_what_a_command_prints_is_kept_in_memory(tmp_path: Path, servers: SshdLab, disk: Path) -> None:
    lab = RunbookLab(tmp_path, servers)
    lab.write(fence("echo first", READ), fence("touch changed; echo second", CHANGE), fence("echo third", READ))
    job = lab.begin()
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    fillers: list[Path] = []
    with suppress(OSError):
        while True:
            fillers.append(disk / f"filler-{len(fillers)}")
            fillers[-1].touch()
    lab.run_one(job, 2)
    assert lab.until(job, "done", 2).size_bytes == len("second\n")
    lab.run_one(job, 3)
    assert lab.until(job, "done", 3).size_bytes == len("third\n")
    assert (lab.on_host("web1") / "changed").exists()
    for each in fillers[:-1]:
        each.unlink()
    lab.order(job, FinishRun())
    assert lab.ended(job).state == "ok"
