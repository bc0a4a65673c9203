"""A command of this machine that is cancelled before asyncio has handed it over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from tests.waiting import turn, until


async def test_a_command_that_is_cancelled_while_it_starts_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, host = tmp_path / "pid", LocalHost("here", HostConfig(local=True))
    handed_over = asyncio.Event()
    real = asyncio.create_subprocess_exec

    async def slowly(*argv: str, **options: object) -> asyncio.subprocess.Process:
        process = await real(*argv, **options)  # type: ignore[arg-type]
        await handed_over.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    script = f"echo $$ >{note}.new; mv {note}.new {note}; sleep 1000 & wait"
    running = asyncio.create_task(host.run(["sh", "-c", script]))
    await until(note.exists)
    running.cancel()
    asyncio.get_running_loop().call_later(0.1, handed_over.set)
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert int(note.read_text()) not in _groups()
    assert not host.lost


async def test_a_command_that_bears_term_is_gone_also_where_its_end_is_not_waited_for(tmp_path: Path) -> None:
    """By a limit, by who leaves, and by asyncio at the end of the process."""
    pid, termed = tmp_path / "pid", tmp_path / "termed"
    host = LocalHost("here", HostConfig(local=True))
    child = "(trap '' TERM; sleep 600) &"
    script = f"{child} trap 'touch {termed}' TERM; echo $$ >{pid}.new; mv {pid}.new {pid}; while :; do sleep 0.1; done"
    running = asyncio.create_task(host.run(["sh", "-c", script]))
    await until(pid.exists)
    running.cancel()
    await until(termed.exists)
    while not running.done():
        running.cancel()
        await turn()
    assert running.cancelled()
    await until(lambda: int(pid.read_text()) not in _groups(), timeout_s=20)
    await host.close()


def _groups() -> set[int | None]:
    """The process groups that run."""
    return {_group(stat) for stat in Path("/proc").glob("[0-9]*/stat")}


def _group(stat: Path) -> int | None:
    """The process group of a process that runs (proc(5)); None for one that has ended."""
    try:
        state, _parent, group, *_ = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(group)
