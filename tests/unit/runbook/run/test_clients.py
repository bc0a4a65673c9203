"""Faces: who orders, told apart by their processes, and noticed when they are gone."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from lilfox_tui.runbook.run.protocol import ClientPresence, RunClient, client_of, this_client
from tests.waiting import turn, until


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours on a terminal, which sudo has started for somebody."""
    parent, terminal = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "sleep", "1000"], stdin=terminal, env={**os.environ, "SUDO_USER": "ann"}
    )
    yield process
    process.kill()
    process.wait()
    os.close(parent)
    os.close(terminal)


def _has_its_own_terminal(pid: int) -> bool:
    """It has first the one of these tests, then none."""
    return client_of(pid, 0).terminal not in (this_client().terminal, "")


async def test_who_it_is(other: subprocess.Popen[bytes]) -> None:
    await until(lambda: _has_its_own_terminal(other.pid), what="it has its terminal")
    client = client_of(other.pid, 0)
    assert client.name.startswith("ann (root)@")
    assert client.terminal.startswith("pts/")
    assert client.who == f"{client.name} {client.terminal}"
    assert client.process.runs()
    assert not client_of(other.pid, 65534).name.startswith("ann"), "only root is somebody else"
    assert this_client().pid == os.getpid()


async def test_its_end_is_noticed_once(other: subprocess.Popen[bytes]) -> None:
    gone: list[RunClient] = []
    client = client_of(other.pid, os.geteuid())
    presence = ClientPresence(client, lambda: gone.append(client))
    await turn()
    assert not gone
    other.kill()
    await until(lambda: bool(gone), what="it is noticed")
    presence.close()
    assert len(gone) == 1


async def test_what_is_watched_no_more_tells_nothing(other: subprocess.Popen[bytes]) -> None:
    gone: list[int] = []
    presence = ClientPresence(client_of(other.pid, os.geteuid()), lambda: gone.append(1))
    later = ClientPresence(client_of(other.pid, os.geteuid()), lambda: gone.append(2))
    presence.close()
    other.kill()
    await until(lambda: bool(gone), what="the other one is noticed")
    later.close()
    assert gone == [2]


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}, {"pid": 0}, {"pid": 1 << 22}])
async def test_another_process_with_its_pid_is_not_it(
    other: subprocess.Popen[bytes], change: dict[str, int | str]
) -> None:
    gone: list[bool] = []
    ClientPresence(replace(client_of(other.pid, os.geteuid()), **change), lambda: gone.append(True))
    await until(lambda: bool(gone), what="it is known to be gone")
