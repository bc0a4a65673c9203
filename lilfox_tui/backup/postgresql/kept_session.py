r"""A kept psql: one session of a database that answers one statement after the other and ends with whoever asks.

psql reads its statements from a shell that passes on each line it gets. When the asking process is gone, however that
happened, the shell reads the end of its input and ends its whole process group; a server that still counts notices by
itself that nobody listens (``client_connection_check_interval``, from 14 on).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.psql import SETTINGS, WORDS, SqlRefused
from lilfox_tui.errors import HostUnreachable, LinkLost
from lilfox_tui.hosts.base import Loop
from lilfox_tui.i18n import tr
from lilfox_tui.redact import redact
from lilfox_tui.text import clean

LONGEST_S = 7 * 86400.0
"""For a count of the largest tables; a dead link or a dead server is noticed before."""
_NOTICED = "client_connection_check_interval"
_STATE = "@@LILFOX-STATE@@"
_RELAY = r"""
{
    while IFS= read -r line; do
        printf '%s\n\\echo @@LILFOX-STATE@@ :SQLSTATE :LAST_ERROR_MESSAGE\n' "${line#* }"
        printf '\\echo @@LILFOX-END@@ %s\n' "${line%% *}"
    done
    kill -TERM 0
} | {
    PSQL 2>/dev/null
    kill -TERM 0
}
"""


class KeptSession:
    """Made by :func:`kept`. Statements are single lines."""

    def __init__(self, access: Access, loop: Loop) -> None:
        self._access, self._loop = access, loop

    async def tell(self, line: str, *, timeout_s: float = LONGEST_S) -> list[str]:
        """The lines that psql prints for ``line`` (SQL or a command of psql). Raises SqlRefused for the last statement
        in it, BackupError where the session has ended, HostError."""
        if "\n" in line:
            raise ValueError("a statement of a kept session is one line")
        try:
            answer = await self._loop.ask(line, timeout_s=timeout_s)
        except LinkLost:
            raise
        except HostUnreachable as error:
            where = f"{self._access.host.name}: {self._access.connection.server}"
            raise BackupError(
                tr("{where}: the session that counts has ended: {reason}", where=where, reason=error.message)
            ) from None
        *lines, state = answer.decode("utf-8", "replace").removesuffix("\n").split("\n")
        _, sqlstate, *said = state.split(" ", 2)
        if sqlstate != "00000":
            text = clean(redact(" ".join(said)))[:400]
            raise SqlRefused(
                tr("{where}: {reason}", where=self._access.connection.server, reason=text), sqlstate=sqlstate, said=text
            )
        return lines

    async def ask(self, query: str, *, timeout_s: float = LONGEST_S) -> list[dict[str, Any]]:
        """The rows of one query (no final ``;``). Raises as :meth:`tell`."""
        statement = f"SELECT row_to_json(q) FROM ({query}) q;"  # noqa: S608 - queries of ours
        lines = await self.tell(statement, timeout_s=timeout_s)
        return [json.loads(line) for line in lines]

    async def ask_each(self, query: str, *, timeout_s: float = LONGEST_S) -> list[dict[str, Any]]:
        r"""Runs the statements that ``query`` makes (\gexec), each of which gives a row of JSON; those that are refused
        give none. Raises BackupError where the session has ended, HostError."""
        lines = await self.tell(f"{query} \\gexec \\\\ SELECT 1 \\g /dev/null", timeout_s=timeout_s)
        return [json.loads(line) for line in lines if line.startswith("{")]


@asynccontextmanager
async def kept(
    access: Access, database: str, *, version_num: int, settings: Mapping[str, str] | None = None
) -> AsyncIterator[KeptSession]:
    """A session of ``database``, ended with the context and with this process. Raises HostError."""
    own = {**SETTINGS, **(settings or {})}
    if version_num >= 140000:
        own[_NOTICED] = "2s"
    psql = [access.clients.newest.path("psql"), *WORDS, "-d", access.conninfo(database, own)]
    script = access.script(_RELAY.replace("PSQL", shlex.join(psql)))
    async with access.host.loop(script, sudo=access.sudo) as loop:
        yield KeptSession(access, loop)
