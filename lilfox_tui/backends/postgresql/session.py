"""Statements on one PostgreSQL, by whichever way it is reached: the driver or psql on its host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

APPLICATION = "lilfox"
"""``application_name`` of our sessions in pg_stat_activity."""


class Step(Struct, frozen=True):
    """A statement. With ``generated`` each text that it selects is run as a statement, and the answer is theirs."""

    sql: str
    generated: bool = False


class Refused(Struct, frozen=True):
    """The server did not run a statement: its SQLSTATE and what it said (untrusted text)."""

    sqlstate: str
    said: str


Answer: TypeAlias = tuple[str, ...] | Refused
"""The first column of a statement's rows."""


class Session(Protocol):
    """One kept way to one server. Each statement is a read-only transaction of its own with a statement_timeout, in a
    session whose application_name is :data:`APPLICATION`."""

    async def run(self, steps: Sequence[Step]) -> list[Answer]:
        """What each statement answers, in order; one that is refused ends none of the others. Raises BackendError,
        HostError, or a secret's LilFoxError; the next call connects anew."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...


def settings(timeout_s: float) -> str:
    """The session's ``options`` (libpq): nothing is changed, nothing lasts, nobody waits for us."""
    timeout_ms = round(timeout_s * 1000)
    return (
        f"-c default_transaction_read_only=on -c statement_timeout={timeout_ms} -c lock_timeout={timeout_ms // 2} "
        f"-c idle_in_transaction_session_timeout={timeout_ms * 2}"
    )
