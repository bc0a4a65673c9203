"""Queries by psql (psql(1)): one script a session, or one session that answers statement after statement."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.errors import HostUnreachable, LinkLost
from lilfox_tui.hosts.base import Loop
from lilfox_tui.hosts.shell_words import new_tick
from lilfox_tui.i18n import Message, tr
from lilfox_tui.redact import redact
from lilfox_tui.text import clean

# Questions and orders to a server by psql (psql(1)): a script on stdin, answers as JSON.
#
# Names and texts get into SQL by psql's own quoting only: ``:"name"`` and ``:'text'`` of what was given as variables.


ASK_TIMEOUT_S = 60.0
SETTINGS = {
    "client_encoding": "UTF8",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "0",
}
"""What a role's or database's own settings must not decide; nothing that somebody has put into a schema of theirs is
called (CVE-2018-1058), and names are told with their schema."""
WORDS = ("-X", "-q", "-t", "-A", "-w")
"""No psqlrc, nothing but rows, no padding, no question for a password."""

Row = dict[str, Any]

_NO_SESSION, _SCRIPT_FAILED = 2, 3
"""Exit statuses of psql(1)."""
_REFUSED = re.compile(r"^(?:psql:[^\n]*?:\d+: )?[^\s:]+:\s+(?P<sqlstate>[0-9A-Z]{5}): (?P<said>[^\n]*)", re.MULTILINE)
"""``ERROR:  42501: permission denied for table secret``, in any language."""
_HINTS = (
    (
        ("no password supplied", "password authentication failed"),
        tr(
            "Write password: env:NAME (or file:PATH, cmd:ARGV) at the source, or set PGPASSWORD. "
            "Nothing is asked for here."
        ),
    ),
    (("Connection refused", "No such file or directory"), tr("Is the server running? Look at its address and port.")),
    (("Peer authentication failed",), tr("Set as: to the account that the server trusts, such as postgres.")),
    (("pg_hba.conf",), tr("The server's pg_hba.conf must let this role in from this host.")),
    (("too many clients", "remaining connection slots"), tr("The server has no connection left; try when it has.")),
    (("could not translate host name",), tr("The host does not know this name; give an address.")),
    (("is starting up", "is shutting down", "recovery mode"), tr("Try again when the server is up.")),
)


class SqlRefused(BackupError):
    """The server refused a statement. ``sqlstate`` is its code (PostgreSQL, appendix A), ``said`` its first line."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, sqlstate: str, said: str) -> None:
        super().__init__(message, hint)
        self.sqlstate = sqlstate
        self.said = said


class NoConnection(BackupError):
    """No session was had: refused, wrong password, unknown database, no such socket. ``said`` is psql's own line."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, said: str) -> None:
        super().__init__(message, hint)
        self.said = said


class Psql:
    """Asks one server. Each call is one session, ended with it."""

    def __init__(self, access: ServerAccess, *, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` go over :data:`SETTINGS` for every session."""
        self.access = access
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def where(self) -> str:
        """For people: ``db-1: socket /run/postgresql:5432``."""
        return f"{self.access.host.name}: {self.access.connection.server}"

    async def ask(
        self,
        *queries: str,
        database: str = "",
        variables: Mapping[str, str] | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> list[list[Row]]:
        """The rows of each query (no final ``;``), in one read-only transaction. ``database``: the connection's own
        when not given.

        Raises SqlRefused for the first that is refused, NoConnection, HostError.
        """
        tick = new_tick()
        script = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"]
        for query in queries:
            rows = f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q;"  # noqa: S608 - values come by variables
            script += [rows, f"\\echo {tick}"]
        answers = (await self._run([*script, "COMMIT;"], database, variables, timeout_s)).split(f"{tick}\n")
        return [json.loads(answer) for answer in answers[: len(queries)]]

    async def execute(
        self,
        *statements: str,
        database: str = "",
        variables: Mapping[str, str] | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
        together: bool = True,
    ) -> None:
        """Runs the statements (no final ``;``): all of them or none, or with ``together=False`` one by one up to the
        first that is refused (for those that no transaction may hold).

        Raises SqlRefused, NoConnection, HostError.
        """
        script = [f"{statement};" for statement in statements]
        if together:
            script = ["BEGIN;", *script, "COMMIT;"]
        await self._run(script, database, variables, timeout_s)

    def argv(self, database: str = "", variables: Mapping[str, str] | None = None) -> list[str]:
        """A psql that stops at the first error and reads its script from stdin."""
        words = [*WORDS, "-v", "ON_ERROR_STOP=1"]
        for name, value in (variables or {}).items():
            words += ["-v", f"{name}={value}"]
        path = self.access.clients.newest.path("psql")
        return self.access.argv(path, *words, "-d", self.access.conninfo(database, self._settings))

    async def _run(
        self, script: Sequence[str], database: str, variables: Mapping[str, str] | None, timeout_s: float
    ) -> str:
        done = await self.access.host.run(
            self.argv(database, variables),
            stdin="\n".join(["\\set VERBOSITY verbose", *script, ""]).encode(),
            timeout_s=timeout_s,
            sudo=self.access.sudo,
        )
        if done.truncated:
            raise BackupError(tr("{where}: the answer is larger than is taken", where=self.where))
        if not done.ok:
            raise self._refusal(done.exit_status, redact(done.stderr.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "replace")

    def _refusal(self, status: int | None, stderr: str) -> BackupError:
        refused = _REFUSED.search(stderr)
        if refused and status == _SCRIPT_FAILED:
            said = clean(refused["said"])[:400]
            return SqlRefused(
                tr("{where}: {reason}", where=self.where, reason=said), sqlstate=refused["sqlstate"], said=said
            )
        lines = [line for line in stderr.splitlines() if line.strip()]
        said = clean(lines[0].removeprefix("psql: error: "))[:400] if lines else ""
        if status == _NO_SESSION or lines:
            return NoConnection(tr("{where}: {reason}", where=self.where, reason=said), refusal_hint(said), said=said)
        return BackupError(tr("{where}: psql ended with status {status}", where=self.where, status=status))


def refusal_hint(said: str) -> Message | str:
    """What to do about what libpq or the server said when no session was had (in English; else nothing is known)."""
    for words, hint in _HINTS:
        if any(word in said for word in words):
            return hint
    return ""


# Variables of psql for names and texts of any kind: ``:"name"`` and ``:'name'`` then quote them (psql(1), \set).


def variable(name: str, value: str) -> str:
    r"""The line that sets ``name`` to ``value``. Within single quotes psql knows ``''``, ``\n`` and ``\\`` alone of
    what may be in it, and expands nothing. Raises ValueError for a NUL byte."""
    if "\0" in value:
        raise ValueError("a variable cannot hold a NUL byte")
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"\\set {name} '{escaped}'"


# A kept psql: one session of a database that answers one statement after the other and ends with whoever asks.
#
# psql reads its statements from a shell that passes on each line it gets. When the asking process is gone, however that
# happened, the shell reads the end of its input and ends its whole process group; a server that still counts notices by
# itself that nobody listens (``client_connection_check_interval``, from 14 on).


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


class PersistentPsql:
    """Made by :func:`open_session`. Statements are single lines."""

    def __init__(self, access: ServerAccess, loop: Loop) -> None:
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
async def open_session(
    access: ServerAccess, database: str, *, version_num: int, settings: Mapping[str, str] | None = None
) -> AsyncIterator[PersistentPsql]:
    """A session of ``database``, ended with the context and with this process. Raises HostError."""
    own = {**SETTINGS, **(settings or {})}
    if version_num >= 140000:
        own[_NOTICED] = "2s"
    psql = [access.clients.newest.path("psql"), *WORDS, "-d", access.conninfo(database, own)]
    script = access.script(_RELAY.replace("PSQL", shlex.join(psql)))
    async with access.host.loop(script, sudo=access.sudo) as loop:
        yield PersistentPsql(access, loop)
