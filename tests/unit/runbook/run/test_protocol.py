"""Orders: who may give them, how long a path may be, what comes back."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.jobs.reader import this_process
from lilfox_tui.runbook.run.protocol import (
    SOCKET,
    FinishRun,
    Order,
    OrderRefused,
    RunClient,
    RunOne,
    Stop,
    listening,
    send,
)
from tests.waiting import turn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder, far longer than a socket's path may be."""
    made = tmp_path / ("long" * 40) / ("x" * 200)
    made.mkdir(parents=True)
    (made / "events.jsonl").touch()
    return made


async def test_an_order_arrives_whole_and_its_refusal_comes_back(folder: Path) -> None:
    got: list[tuple[Order, RunClient]] = []

    async def handle(order: Order, client: RunClient) -> None:
        got.append((order, client))
        if isinstance(order, Stop):
            raise LilFoxError(tr("nothing is running"), "hint")

    order = RunOne(step=1, command=2, sha256="0" * 64, values={"pw": "é\n\"'"}, again=True)
    async with listening(folder, handle):
        assert (folder / SOCKET).stat().st_mode & 0o777 == 0o600
        await send(folder, order)
        with pytest.raises(OrderRefused, match="nothing is running") as refused:
            await send(folder, Stop())
        assert refused.value.hint == "hint"
    assert got[0][0] == order
    assert "@" in got[0][1].name
    assert got[0][1].process == this_process()
    assert not (folder / SOCKET).exists()
    with pytest.raises(LilFoxError, match="cannot reach run"):
        await send(folder, FinishRun())


async def test_one_order_is_handled_at_a_time(folder: Path) -> None:
    running = most = 0

    async def handle(_order: Order, _client: RunClient) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await turn()
        running -= 1

    async with listening(folder, handle):
        await asyncio.gather(*(send(folder, Stop()) for _number in range(20)))
    assert most == 1


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"order":"run"}\n', b'{"order":"explode"}\n', b"x" * (2 << 20)])
async def test_what_is_no_order_reaches_nobody(folder: Path, line: bytes) -> None:
    async def handle(order: Order, _client: RunClient) -> None:
        raise AssertionError(order)

    async with listening(folder, handle):
        handle_of = os.open(folder, os.O_PATH)
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{handle_of}/{SOCKET}")
        os.close(handle_of)
        writer.write(line)
        with suppress(ConnectionResetError):  # of the one that is far too long
            assert b"does not support this request" in await reader.read()
        writer.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be")
async def test_another_user_is_refused(folder: Path) -> None:
    async def handle(order: Order, _client: RunClient) -> None:
        raise AssertionError(order)

    program = (
        "import os, socket, sys; handle = os.open(sys.argv[1], os.O_PATH); os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX); s.connect(f'/proc/self/fd/{handle}/orders'); "
        "print(s.recv(1000).decode())"
    )
    async with listening(folder, handle):
        (folder / SOCKET).chmod(0o666)  # as if its mode did not hold anybody
        for parent in (folder, *folder.parents[:2]):
            parent.chmod(0o755)
        process = await asyncio.create_subprocess_exec(
            "python3", "-c", program, str(folder), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await process.communicate())[0].decode()
    assert "only root and the user who started the run" in said
