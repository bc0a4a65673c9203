"""A server on a busy machine: sessions that were ended are still there when it gives up waiting for them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lilfox_tui.backup.postgresql import swap
from lilfox_tui.backup.postgresql.connect import open_server_access, read_url
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.server import server_of
from lilfox_tui.backup.store import BackupError
from tests.services.database_sets import databases
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, holding, local

IDLE = "SET LOCAL work_mem = '1MB'"
GIVES_UP_S = 5
"""PostgreSQL itself waits so long for sessions to leave (CountOtherDBBackends)."""


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        yield running


async def _drop(server: Postgres, name: str) -> None:
    async with open_server_access(
        local(), read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/postgres")
    ) as access:
        psql = Psql(access)
        await swap.drop(psql, await server_of(psql), name)


@pytest.mark.fault("1.46", "4.97")
async def test_46_what_was_staged_is_taken_away_once_a_session_that_takes_long_has_left(server: Postgres) -> None:
    fresh(server, name="staged")
    with holding(server, IDLE, "staged") as pid:
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(GIVES_UP_S + 1, os.kill, pid, signal.SIGCONT)
        await _drop(server, "staged")
    assert "staged" not in databases(server)


@pytest.mark.fault("1.46", "4.97")
async def test_46_a_session_that_does_not_leave_is_named(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "LEAVE_S", 0.0)
    fresh(server, name="staged")
    with holding(server, IDLE, "staged") as pid:
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(BackupError, match=rf"staged is in use: pid {pid} \(") as refused:
                await _drop(server, "staged")
            assert "stop the applications that use it" in str(refused.value.hint)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert "staged" in databases(server)


@pytest.mark.fault("4.97")
def test_the_tests_own_server_waits_too(server: Postgres) -> None:
    fresh(server, name="shared")
    with holding(server, IDLE, "shared") as pid:
        os.kill(pid, signal.SIGSTOP)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGCONT))
        signal.alarm(GIVES_UP_S + 1)
        fresh(server, name="shared")
    assert "shared" in databases(server)
