"""Sessions of clients, and the statements that cancel what one of them runs or end it.

pg_cancel_backend, pg_terminate_backend (PostgreSQL, System Administration Functions). Who was meant is told by pid and
start time, of a statement by its own start too: a number that was given again, or the next statement of a pool's
session, is left alone.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.backends.backend import BackendError, BackendRefused
from lilfox_tui.backends.model import ClientSession, Ending
from lilfox_tui.backends.postgresql.asks import Ask
from lilfox_tui.backends.postgresql.session import APPLICATION, Refused, Session
from lilfox_tui.backends.postgresql.statement import without_secrets
from lilfox_tui.i18n import Message, tr

Row = TypeVar("Row", bound=Struct)
MOST = 200
_CHARS = 300
_TIME = re.compile(r"[0-9]{4,6}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00")
_TEXT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
_FUNCTIONS: dict[Ending, str] = {"cancel": "pg_cancel_backend", "terminate": "pg_terminate_backend"}
_NO_RIGHT = "42501"


class _Told(Struct, frozen=True):
    told: bool


def _asked(pid: int | None) -> Ask[ClientSession]:
    only = "" if pid is None else f"AND a.pid = {int(pid)}"
    sql = f"""
    WITH blocking AS MATERIALIZED (
      SELECT unnest(pg_blocking_pids(pid)) AS pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    )
    SELECT a.pid, {_TEXT.format("a.backend_start")} AS began, {_TEXT.format("a.query_start")} AS statement_began,
           a.usename AS role, a.datname AS database, a.application_name AS application,
           coalesce(host(a.client_addr), 'local') AS address, a.state,
           extract(epoch FROM clock_timestamp() - a.state_change) AS in_state_s,
           (SELECT count(*) FROM blocking b WHERE b.pid = a.pid) AS blocks, left(a.query, {_CHARS}) AS statement
      FROM pg_stat_activity a
     WHERE a.backend_type = 'client backend' AND a.backend_start IS NOT NULL AND a.pid <> pg_backend_pid()
       AND a.application_name <> '{APPLICATION}' {only}
     ORDER BY blocks DESC, a.state = 'idle', a.state_change
     LIMIT {MOST}
    """
    return Ask(sql, ClientSession)


async def sessions(session: Session, pid: int | None = None) -> tuple[ClientSession, ...]:
    """See :meth:`~lilfox_tui.backends.backend.EndsSessions.sessions`."""
    rows = await _rows(session, _asked(pid))
    return tuple(
        msgspec.structs.replace(row, statement=None if row.statement is None else without_secrets(row.statement))
        for row in rows
    )


def ending(session: ClientSession, how: Ending) -> str:
    """See :meth:`~lilfox_tui.backends.backend.EndsSessions.ending`."""
    where = [f"pid = {int(session.pid)}", f"backend_start = {_literal(session.began)}"]
    if how == "cancel" and session.statement_began is not None:
        where += ["state = 'active'", f"query_start = {_literal(session.statement_began)}"]
    select = f"SELECT {_FUNCTIONS[how]}(pid) AS told FROM pg_stat_activity"
    return f"{select}\nWHERE backend_type = 'client backend' AND {' AND '.join(where)}"


async def end(session: Session, statement: str) -> bool:
    """See :meth:`~lilfox_tui.backends.backend.EndsSessions.end`."""
    return any(row.told for row in await _rows(session, Ask(statement, _Told)))


async def _rows(session: Session, ask: Ask[Row]) -> list[Row]:
    (answer,) = await session.run([ask.step])
    if isinstance(answer, Refused):
        hint: Message | str = ""
        if answer.sqlstate == _NO_RIGHT:
            hint = tr("GRANT pg_signal_backend TO its role; sessions of a superuser are ended by superusers alone.")
        raise BackendRefused(tr("the server refuses ({sqlstate}): {reason}", sqlstate=answer.sqlstate,
                              reason=answer.said), hint)  # fmt: skip
    try:
        return ask.rows(answer)
    except (msgspec.MsgspecError, IndexError) as error:
        raise BackendError(tr("the server's answer is not what was asked for: {reason}", reason=str(error))) from None


def _literal(time: str) -> str:
    """Raises ValueError for what is no time of ours: nothing else is put into a statement."""
    if not _TIME.fullmatch(time):
        raise ValueError(time)
    return f"'{time}'"
