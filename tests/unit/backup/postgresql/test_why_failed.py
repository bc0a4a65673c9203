"""What is told of a pg_dump that failed while it locked the tables, by what it said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from lilfox_tui.backup.postgresql import dump
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.server import Blocker
from lilfox_tui.core.errors import CommandFailed

ACCESS = cast("ServerAccess", SimpleNamespace(host=SimpleNamespace(name="db-1")))
QUERY = "pg_dump: detail: Query was: LOCK TABLE public.users IN ACCESS SHARE MODE\n"


@pytest.fixture(autouse=True)
def blockers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is in the way."""

    async def none(_psql: object, *, database: str) -> list[Blocker]:
        return []

    monkeypatch.setattr(dump, "blockers_in", none)
    monkeypatch.setattr(dump, "Psql", lambda access: access)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            "query failed: ERROR:  canceling statement due to statement timeout",
            "a table stayed locked",
            "lock_timeout:",
        ),
        ("query failed: ERROR:  canceling statement due to lock timeout", "a table stayed locked", "lock_timeout:"),
        ("query failed: ERROR:  out of shared memory", "pg_dump failed", "max_locks_per_transaction"),
        ("query failed: ERROR:  canceling statement due to conflict with recovery", "pg_dump failed", "standby"),
        ("query failed: server closed the connection unexpectedly", "pg_dump failed", "check its log"),
        ("query failed: FATAL:  terminating connection due to administrator command", "pg_dump failed", "terminated"),
        ("query failed: ERROR:  permission denied for table users", "no permission to read table users", "Grant"),
    ],
)
async def test_only_a_lock_is_called_a_lock(words: str, message: str, hint: str) -> None:
    stderr = f"pg_dump: error: {words}\n{QUERY}"
    error = await dump.why_failed(ACCESS, "lilfox", CommandFailed("db-1", "m", "h", outcome=1, stderr=stderr))
    assert message in str(error)
    assert hint in str(error.hint)


async def test_the_name_of_a_table_is_no_reason() -> None:
    stderr = f"pg_dump: error: query failed: ERROR:  Sperre\n{QUERY.replace('users', 'out of memory')}"
    error = await dump.why_failed(ACCESS, "lilfox", CommandFailed("db-1", "m", "h", outcome=1, stderr=stderr))
    assert "a table stayed locked" in str(error)
