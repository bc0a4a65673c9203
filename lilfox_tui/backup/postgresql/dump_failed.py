"""Why pg_dump failed and what to do, from what it said and from what the server knows now.

The server's words come in its own language; where they are not English the words themselves are told.
"""

from __future__ import annotations

import re

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.psql import Psql, refusal_hint
from lilfox_tui.backup.postgresql.server import Blocker, blockers_in
from lilfox_tui.errors import CommandFailed, LilFoxError
from lilfox_tui.i18n import Message, _, listed, tr
from lilfox_tui.text import clean, human_duration

_LOCKING = re.compile(r"LOCK TABLE")
_NO_RIGHT = re.compile(r"permission denied for (.+)")
_HINTS = (
    ("row-level security", tr("Dump as the tables' owner, or as a role with BYPASSRLS.")),
    ("server version mismatch", tr("pg_dump must not be older than the server; name a newer one with binaries:")),
    ("conflict with recovery",
     tr("The standby had to go on replaying. Raise max_standby_streaming_delay there, set hot_standby_feedback = on, "
        "or dump from the primary.")),
    ("recovery is in progress", tr("A standby cannot do this; dump from the primary.")),
    ("invalid memory alloc", tr("A value is larger than a dump can hold (1 GB as text): pg_dump can never dump it.")),
    ("out of memory", tr("A value is too large for a dump (1 GB as text), or the server has too little memory.")),
    ("server closed the connection", tr("The server went away in the middle: see its log.")),
    ("terminating connection", tr("Somebody ended the session, or the server is shutting down.")),
    ("out of shared memory", tr("Raise max_locks_per_transaction: a dump locks every table at once.")),
)  # fmt: skip


async def why_failed(access: Access, database: str, error: CommandFailed) -> BackupError:
    """The cause, told so that somebody can end it. Asks the server who is in the way where that is the cause."""
    where = f"{access.host.name}: {database}"
    if isinstance(error.outcome, str):
        return BackupError(
            tr("{where}: pg_dump was ended by the signal {signal}", where=where, signal=error.outcome),
            tr("Somebody or the kernel (no memory left?) killed it. Nothing of this dump was kept."),
        )
    said = _said(error.stderr)
    if _LOCKING.search(error.stderr) and "permission denied" not in error.stderr:
        return await _blocked(access, database, where, said)
    if no_right := _NO_RIGHT.search(error.stderr):
        message = tr("{where}: no right to read {what}", where=where, what=clean(no_right[1]).strip())
        return BackupError(message, tr("GRANT pg_read_all_data TO the role that dumps, or dump as the owner."))
    hint: Message | str = next((hint for words, hint in _HINTS if words in error.stderr), refusal_hint(error.stderr))
    return BackupError(tr("{where}: pg_dump failed: {reason}", where=where, reason=said), hint)


def _said(stderr: str) -> str:
    """The line that names the error, without the program's name."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    line = next((line for line in lines if "error:" in line), lines[-1] if lines else "")
    return clean(line.partition("error:")[2].strip() or line)[:400]


async def _blocked(access: Access, database: str, where: str, said: str) -> BackupError:
    try:
        blockers = await blockers_in(Psql(access), database=database)
    except LilFoxError:
        blockers = []
    if not blockers:
        return BackupError(
            tr("{where}: a table stayed locked: {reason}", where=where, reason=said),
            tr("Whoever held the lock has let it go since. Try again, or raise lock_timeout:"),
        )
    return BackupError(
        tr("{where}: a table stayed locked: {blocker}", where=where, blocker=blocked_by(blockers[0])),
        tr("Let it end, or end it: SELECT pg_terminate_backend({pid}). Or raise lock_timeout:", pid=blockers[0].pid),
    )


def blocked_by(blocker: Blocker) -> Message:
    """``pid 4711 (role app, psql, idle in transaction) has public.users locked for 3m 20s``"""
    who = listed(word for word in (_("role {role}", role=blocker.role), blocker.application, blocker.state) if word)
    return tr(
        "pid {pid} ({who}) has {table} locked for {time}",
        pid=blocker.pid, who=clean(who), table=clean(blocker.table), time=human_duration(blocker.since_s),
    )  # fmt: skip
