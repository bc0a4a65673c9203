"""Ending process groups of this machine, with real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilfox_tui.hosts.local import end_group, group_runs
from tests.waiting import wait_for


@contextmanager
def started(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """``script`` in a group of its own, once it has said that it is ready."""
    argv = ["sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            subprocess.run(["sh", "-c", f"kill -KILL -{process.pid}"], stderr=subprocess.DEVNULL, check=False)


async def test_a_member_that_outlived_its_leader_is_ended() -> None:
    with started("sleep 60 >/dev/null & echo ready") as process:
        process.wait(60)
        assert group_runs(process.pid)
        assert await end_group(process.pid)
        assert not group_runs(process.pid)


async def test_who_ignores_the_first_signal_is_killed() -> None:
    with started("trap '' TERM; echo ready; while :; do sleep 0.05; done") as process:
        assert await end_group(process.pid)
        assert process.wait(60) == -9


async def test_a_leader_that_nobody_has_waited_for_counts_as_ended() -> None:
    with started("echo ready") as process:
        stat = Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", what="it is a zombie")
        assert not group_runs(process.pid)
        assert await end_group(process.pid)


def test_a_group_that_never_was_does_not_run() -> None:
    with started("echo ready") as process:
        process.wait(60)
        assert not group_runs(process.pid)
