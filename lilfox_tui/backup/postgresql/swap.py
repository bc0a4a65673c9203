"""Databases put in each other's place: all renames of a restore are one transaction, so that a crash leaves all of them
or none.

While it runs, PostgreSQL holds who connects to a database that is being renamed in the queue for its lock; who is in it
already must leave before. So nobody gets in between, and nothing has to be forbidden that a crash would leave
forbidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from msgspec import Struct

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.carried import Carried, give
from lilfox_tui.backup.postgresql.claim import MEETING
from lilfox_tui.backup.postgresql.kept_session import KeptSession, kept
from lilfox_tui.backup.postgresql.psql import Psql, SqlRefused
from lilfox_tui.backup.postgresql.server import Server, Session, sessions_in
from lilfox_tui.backup.postgresql.variables import variable
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _, clauses, listed, tr
from lilfox_tui.text import clean, human_duration

IN_USE = "55006"
"""object_in_use (PostgreSQL, appendix A)."""
PATIENCE = {True: "3s", False: "500ms"}
"""So long a rename may wait for sessions to leave: those that are being ended, or those that must not be there."""
_AGAIN_S = 0.05
_END = (
    "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = :'ended' "
    "AND pid <> pg_backend_pid()"
)
_SOME = 5


class Step(Struct, frozen=True):
    """A database that gets another name, and what it is given before."""

    name: str
    becomes: str
    given: Carried | None = None
    ours: bool = False
    """Nobody but us has anything to do in it."""


async def rename(
    access: Access, server: Server, claim: KeptSession, steps: Sequence[Step], *, end_sessions: bool
) -> None:
    """Makes all steps, or none. ``claim`` is the session that holds the claims; it ends who is in the way.

    Raises BackupError where somebody is in the way or the server refuses: then everything is as it was.
    """
    busy = [step.name for step in steps if not step.ours]
    ours = [step.name for step in steps if step.ours]
    if not end_sessions:
        await refuse_sessions(Psql(access), busy)
    settings = {"idle_session_timeout": "0"} if server.version_num >= 140000 else {}
    async with (
        kept(access, MEETING, version_num=server.version_num, settings=settings) as session,
        _ended(claim, [*ours, *busy] if end_sessions else ours),
    ):
        try:
            await _in_one_transaction(session, steps, PATIENCE[end_sessions])
        except SqlRefused as error:
            with suppress(LilFoxError):
                await session.tell("ROLLBACK;")
            raise await _refused(Psql(access), busy, error) from None
    phase("swap-second")


async def refuse_sessions(psql: Psql, names: Sequence[str]) -> None:
    """Raises BackupError that names who is in the databases; HostError."""
    for name in names:
        if sessions := await sessions_in(psql, name, database=MEETING):
            raise BackupError(in_the_way(name, sessions), hint_to_end())


def in_the_way(name: str, sessions: Sequence[Session]) -> Message:
    """``lilfox is in use: pid 4711 (role app, psql, local, idle for 3m 20s); …``"""
    told = [_("pid {pid} ({who})", pid=each.pid, who=_who(each)) for each in sessions[:_SOME]]
    more = f" … (+{len(sessions) - _SOME})" if len(sessions) > _SOME else ""
    return tr("{name} is in use: {sessions}", name=clean(name), sessions=clean(clauses(told)) + more)


def _who(session: Session) -> str:
    words = filter(None, (session.role, session.application, session.client, session.state))
    return listed([*words, human_duration(session.since_s)])


def hint_to_end() -> Message:
    """What to do about sessions."""
    return tr("stop what uses it, or allow that these sessions are ended at the swap (--end-sessions)")


async def _in_one_transaction(session: KeptSession, steps: Sequence[Step], patience: str) -> None:
    await session.tell(f"BEGIN; SET LOCAL statement_timeout = '{patience}'; SET LOCAL lock_timeout = '2s';")
    for step in steps:
        if step.given is not None:
            await session.tell(variable("staged", step.name))
            await give(session, step.given)
    for number, step in enumerate(steps):
        await session.tell(variable("name", step.name))
        await session.tell(variable("becomes", step.becomes))
        await session.tell('ALTER DATABASE :"name" RENAME TO :"becomes";')
        if number == 0:
            phase("swap-first")
    await session.tell("COMMIT;")


@asynccontextmanager
async def _ended(claim: KeptSession, names: Sequence[str]) -> AsyncIterator[None]:
    """Ends the sessions of ``names`` over and over, as long as the context stands."""
    if not names:
        yield
        return
    ended = asyncio.Event()

    async def end() -> None:
        while not ended.is_set():
            for name in names:
                await claim.tell(variable("ended", name))
                await claim.ask(_END)
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await ended.wait()

    ending = asyncio.ensure_future(end())
    try:
        yield
    finally:
        ended.set()
        with suppress(LilFoxError):  # who may not end a session is told by the rename that waited for it
            await ending


async def _refused(psql: Psql, names: Sequence[str], error: SqlRefused) -> BackupError:
    if error.sqlstate in (IN_USE, "57014"):
        for name in names:
            if sessions := await sessions_in(psql, name, database=MEETING):
                return BackupError(in_the_way(name, sessions), hint_to_end())
    return BackupError(tr("the databases could not be swapped: {reason}", reason=error.message), error.hint)
