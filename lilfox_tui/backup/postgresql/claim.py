"""Who restores into a database holds an advisory lock for it in the database ``postgres`` of its server, so that two
machines meet there. It is held by a kept session and goes with it, however the holder ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.kept_session import KeptSession, kept
from lilfox_tui.backup.postgresql.psql import Psql, Row
from lilfox_tui.backup.postgresql.variables import variable
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean, human_duration

MEETING = "postgres"
"""The database of every server in which those who restore meet."""
HOLDER = """
SELECT a.pid, a.usename AS role, coalesce(host(a.client_addr), 'local') AS client,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS since_s
FROM pg_stat_activity a JOIN pg_locks l USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::int8 << 32) | l.objid::int8) = hashtextextended('lilfox restore ' || :'name', 0)
"""
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('lilfox restore ' || :'name', 0)) AS taken"


@asynccontextmanager
async def claimed(access: Access, version_num: int, names: Sequence[str]) -> AsyncIterator[KeptSession]:
    """The session that holds the locks of ``names``, in the database ``postgres``; it may be asked other things.

    Raises BackupError where somebody else restores into one of them, HostError.
    """
    settings = {"idle_session_timeout": "0"} if version_num >= 140000 else {}
    async with kept(access, MEETING, version_num=version_num, settings=settings) as session:
        await session.tell("SET client_min_messages = 'error';")
        for name in names:
            await session.tell(variable("name", name))
            [row] = await session.ask(_TRY)
            if not row["taken"]:
                holder = await holder_of(Psql(access), name)
                raise BackupError(
                    holder or tr("somebody else restores into {name} now", name=clean(name)),
                    tr("Wait until that has ended: lilfox jobs shows those of this machine."),
                )
        yield session


async def holder_of(psql: Psql, name: str) -> Message | None:
    """Who restores into ``name`` now; None: nobody. Raises BackupError, HostError."""
    [rows] = await psql.ask(HOLDER, database=MEETING, variables={"name": name})
    return holder_from(rows, name)


def holder_from(rows: Sequence[Row], name: str) -> Message | None:
    """What ``HOLDER`` gave, for people; None: nobody."""
    if not rows:
        return None
    row = rows[0]
    return tr(
        "somebody else restores into {name} now: pid {pid} of the server, role {role}, from {client}, for {time}",
        name=clean(name),
        pid=row["pid"],
        role=clean(row["role"] or ""),
        client=row["client"],
        time=human_duration(row["since_s"]),
    )
