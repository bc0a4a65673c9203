"""psql sessions on a host, and the details that a manifest has about databases."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from lilfox_tui.backends.postgresql.session import STATE, refused_in
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import RestoreTask
from lilfox_tui.backup.store import BackupError, BrokenSet
from lilfox_tui.core.errors import HostUnreachable, UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Loop
from lilfox_tui.hosts.shell_words import new_tick
from lilfox_tui.redact import redact

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

Row = dict[str, Any]

COMMAND_FAILED, _NO_SESSION, _SCRIPT_FAILED = 1, 2, 3
"""Exit statuses of psql(1): of ``-c``, of a connection that failed or was lost, of a script."""
VERBOSE = "\\set VERBOSITY verbose"
"""Has psql tell the code of an error before its message."""
_REFUSED = re.compile(r"^(?:psql:[^\n]*?:\d+: )?[^\s:]+:\s+(?P<sqlstate>[0-9A-Z]{5}): (?P<said>[^\n]*)", re.MULTILINE)
"""``ERROR:  42501: permission denied for table secret``, in any language."""
_HINTS = (
    (
        ("no password supplied", "password authentication failed"),
        tr(
            "Set password: env:NAME (or file:PATH, cmd:ARGV) for the source, or set PGPASSWORD. LilFox does not "
            "prompt for it."
        ),
    ),
    (("Connection refused", "No such file or directory"), tr("Is the server running? Check its address and port.")),
    (("Peer authentication failed",), tr("Set as: to the account that the server trusts, such as postgres.")),
    (("pg_hba.conf",), tr("The server's pg_hba.conf must allow this role from this host.")),
    (("too many clients", "remaining connection slots"), tr("The server has no free connections; try again later.")),
    (("could not translate host name",), tr("The host cannot resolve this name; use an address.")),
    (("is starting up", "is shutting down", "recovery mode"), tr("Try again when the server is up.")),
)


class SqlRefused(BackupError):
    """Raised when the server refuses a statement. ``sqlstate`` is the code (PostgreSQL, appendix A), ``said`` the first
    line of the message."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, sqlstate: str, said: str) -> None:
        super().__init__(message, hint)
        self.sqlstate = sqlstate
        self.said = said


class NoConnection(BackupError):
    """Raised when no session can be opened: connection refused, wrong password, unknown database or no such socket.
    ``said`` is psql's message."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, said: str) -> None:
        super().__init__(message, hint)
        self.said = said


class Psql:
    """Queries one server. Each call opens and ends its own session."""

    def __init__(self, access: ServerAccess, *, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` override :data:`SETTINGS` in every session."""
        self.access = access
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def where(self) -> str:
        """The server, for display: ``db-1: socket /run/postgresql:5432``."""
        return f"{self.access.host.name}: {self.access.connection.server}"

    async def ask(
        self,
        *queries: str,
        database: str = "",
        variables: Mapping[str, str] | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> list[list[Row]]:
        """Return the rows of each query (no final ``;``), in one read-only transaction. ``database``: the connection's
        own when not given.

        Raises SqlRefused for the first that is refused, NoConnection, HostError.
        """
        tick = new_tick()
        script = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"]
        for query in queries:
            rows = f"SELECT coalesce(json_agg(lilfox), '[]') FROM ({query}) AS lilfox;"  # noqa: S608 - values come by variables
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
        """Run the statements (no final ``;``) in one transaction; with ``together=False`` one by one, up to the first
        that is refused (for statements not allowed in a transaction).

        Raises SqlRefused, NoConnection, HostError.
        """
        script = [f"{statement};" for statement in statements]
        if together:
            script = ["BEGIN;", *script, "COMMIT;"]
        await self._run(script, database, variables, timeout_s)

    def argv(self, database: str = "", variables: Mapping[str, str] | None = None) -> list[str]:
        """Return the argv of a psql that stops at the first error and reads its script from stdin."""
        access = self.access
        return access.argv(*access.psql(database, self._settings, rows="plain", stops=True, variables=variables))

    async def _run(
        self, script: Sequence[str], database: str, variables: Mapping[str, str] | None, timeout_s: float
    ) -> str:
        done = await self.access.host.run(
            self.argv(database, variables),
            stdin="\n".join([VERBOSE, *script, ""]).encode(),
            timeout_s=timeout_s,
            sudo=self.access.sudo,
        )
        if done.truncated:
            raise BackupError(tr("{where}: the answer exceeds the size limit", where=self.where))
        if not done.ok:
            raise self._refusal(done.exit_status, redact(done.stderr.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "replace")

    def _refusal(self, status: int | None, stderr: str) -> BackupError:
        sqlstate, said = refusal(stderr)
        if sqlstate and status == _SCRIPT_FAILED:
            return SqlRefused(tr("{where}: {reason}", where=self.where, reason=said), sqlstate=sqlstate, said=said)
        lines = [line for line in stderr.splitlines() if line.strip()]
        said = clean(lines[0].removeprefix("psql: error: "))[:400] if lines else ""
        if status == _NO_SESSION or lines:
            return NoConnection(tr("{where}: {reason}", where=self.where, reason=said), refusal_hint(said), said=said)
        return BackupError(tr("{where}: psql exited with status {status}", where=self.where, status=status))


def refusal(stderr: str) -> tuple[str, str]:
    """Return the code and the first line of the message of the first error in psql's ``stderr``; empty if there is
    none."""
    refused = _REFUSED.search(stderr)
    return (refused["sqlstate"], clean(refused["said"])[:400]) if refused else ("", "")


def refusal_hint(said: str) -> Message | str:
    """Return what to do about the message of libpq or the server when no session could be opened (English messages
    only; else empty)."""
    for words, hint in _HINTS:
        if any(word in said for word in words):
            return hint
    return ""


# Variables of psql for names and texts of any kind: ``:"name"`` and ``:'name'`` then quote them (psql(1), \set).


def variable(name: str, value: str) -> str:
    r"""Return the line that sets ``name`` to ``value``, with quotes, backslashes and line breaks escaped (``''``,
    ``\\``, ``\n``). psql expands nothing else within single quotes. Raises ValueError for a NUL byte."""
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
_RELAY = r"""
{
    while IFS= read -r line; do
        printf '%s\n\\echo @@LILFOX-STATE@@ OUTCOME\n' "${line#* }"
        printf '\\echo @@LILFOX-END@@ %s\n' "${line%% *}"
    done
    kill -TERM 0
} | {
    PSQL 2>/dev/null
    kill -TERM 0
}
"""


class PersistentPsql:
    """A psql session that stays open, made by :func:`open_session`. Statements are single lines."""

    def __init__(self, access: ServerAccess, loop: Loop) -> None:
        self._access, self._loop = access, loop

    async def tell(self, line: str, *, timeout_s: float = LONGEST_S) -> list[str]:
        """Run ``line`` (SQL or a psql command) and return the lines that psql prints. Raises SqlRefused if its last
        statement is refused, BackupError if the session has ended, and HostError."""
        if "\n" in line:
            raise ValueError("a statement of a kept session is one line")
        try:
            answer = await self._loop.ask(line, timeout_s=timeout_s)
        except HostUnreachable as error:
            if error.link_lost:
                raise
            where = f"{self._access.host.name}: {self._access.connection.server}"
            raise BackupError(
                tr("{where}: the session that counts rows has ended: {reason}", where=where, reason=error.message)
            ) from None
        *lines, state = answer.decode("utf-8", "replace").removesuffix("\n").split("\n")
        if (refused := refused_in(state.partition(" ")[2])) is not None:
            text = clean(redact(refused.said))[:400]
            where = self._access.connection.server
            raise SqlRefused(tr("{where}: {reason}", where=where, reason=text), sqlstate=refused.sqlstate, said=text)
        return lines

    async def ask(self, query: str, *, timeout_s: float = LONGEST_S) -> list[dict[str, Any]]:
        """Return the rows of one query (no final ``;``). Raises as :meth:`tell`."""
        statement = f"SELECT row_to_json(q) FROM ({query}) q;"  # noqa: S608 - queries of ours
        lines = await self.tell(statement, timeout_s=timeout_s)
        return [json.loads(line) for line in lines]

    async def ask_each(self, query: str, *, timeout_s: float = LONGEST_S) -> list[dict[str, Any]]:
        r"""Run the statements that ``query`` returns (\gexec), each of which returns a row of JSON; refused ones return
        none. Raises BackupError if the session has ended, HostError."""
        lines = await self.tell(f"{query} \\gexec \\\\ SELECT 1 \\g /dev/null", timeout_s=timeout_s)
        return [json.loads(line) for line in lines if line.startswith("{")]


@asynccontextmanager
async def open_session(
    access: ServerAccess, database: str, *, version_num: int, settings: Mapping[str, str] | None = None
) -> AsyncIterator[PersistentPsql]:
    """Open a session in ``database``; it ends with the context and with this process. Raises HostError."""
    own = {**SETTINGS, **(settings or {})}
    if version_num >= 140000:
        own[_NOTICED] = "2s"
    psql = shlex.join(access.psql(database, own, rows="plain"))
    script = access.script(_RELAY.replace("OUTCOME", STATE).replace("PSQL", psql))
    async with access.host.loop(script, sudo=access.sudo) as loop:
        yield PersistentPsql(access, loop)


# What the manifest records of a database's part, and which database each part of a set is restored to.


# What the manifest says of a database's part (``ManifestPart.detail``), and what restoring is held against.


DigestWay = Literal["pieces", "copy", "values", "rows", "columns", "none"]
"""``pieces``: XXH3-128 of some MiB after the other that COPY writes, of tables that were copied in pieces. ``copy``:
the sum of XXH3-128 of the lines that COPY writes (``row_digest``), of other tables whose rows passed through here.
``values``: the sum over a table of ``hash_record_extended`` of each row's binary form (``record_send``), its columns
by name: booleans, whole numbers, dates, times and UUIDs as they are, the SHA-256 of a bytea, ``hashtextextended`` of
texts and of every other value's text. Servers before 14 have no such hash; of theirs, and in older sets: ``rows``:
``sum(hashtextextended(t::text, 0))`` over the table ``t``. ``columns``: the same of the digests of a row's columns by
name, for tables with values that are too large for a row's text (1 GB) or whose columns change places when restored
(children of inheritance). ``none``: the text of a value is not the same each time."""


class CopiedPiece(Struct, frozen=True, array_like=True):
    """What COPY wrote of some pages of a table: whole lines."""

    size_bytes: Annotated[int, Meta(ge=0)]
    xxh128: str
    """XXH3-128 in hexadecimal."""


class TableContent(Struct, frozen=True):
    """The content of a table in the dump's snapshot, without the rows of its partitions and children."""

    rows: int | None
    """None where they could not be counted; ``note`` says why."""
    digest: str | None = None
    """A sum, as decimal digits (``copy``: hexadecimal); None where there is none to compare."""
    way: DigestWay = "none"
    note: str = ""
    pieces: tuple[CopiedPiece, ...] = ()
    """Of the way ``pieces``: all lines, in the order in which COPY wrote them."""

    @property
    def compares(self) -> bool:
        """Whether more is known than the number of rows."""
        return self.digest is not None or bool(self.pieces)

    def is_as(self, other: TableContent) -> bool:
        """Whether the rows are as in ``other``, in the same order where that is known; digests must be of one way."""
        return (self.digest, self.pieces) == (other.digest, other.pieces)

    def may_be_reordered(self, other: TableContent) -> bool:
        """Whether ``other`` has as many rows and bytes, but not the same in the same order."""
        sizes = [sum(piece.size_bytes for piece in each.pieces) for each in (self, other)]
        return bool(self.pieces) and self.rows == other.rows and sizes[0] == sizes[1] and not self.is_as(other)


class SequenceValue(Struct, frozen=True):
    """The value of a sequence. Sequences are not part of snapshots: pg_dump read a value between ``last`` (from before
    it started) and ``last_after``."""

    last: int
    called: bool
    last_after: int | None = None
    """None where it was the same."""


class DatabaseContent(Struct, frozen=True, kw_only=True):
    """The content of a database. Names are as in SQL, with their schema (``public."Some table"``)."""

    tables: dict[str, TableContent]
    sequences: dict[str, SequenceValue] = {}
    large_objects: int | None = None
    large_objects_digest: str | None = None


class DatabaseDetail(Struct, frozen=True, kw_only=True):
    """The manifest's detail about a part of kind ``postgresql-custom`` or ``postgresql-plain``. Unknown values are
    None."""

    database: str
    server_version_num: int | None = None
    dumped_by: str = ""
    """Version of pg_dump: ``17.12``."""
    system_identifier: str | None = None
    standby: bool = False
    owner: str | None = None
    encoding: str | None = None
    collate: str | None = None
    ctype: str | None = None
    locale_provider: str | None = None
    icu_locale: str | None = None
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    """Of the database on its server's disk."""
    settings: tuple[str, ...] = ()
    """``ALTER DATABASE … SET``: ``work_mem=64MB``; with a role, ``role: work_mem=64MB``. pg_dump leaves them out."""
    acl: str | None = None
    """Rights on the database itself, as text of an array of aclitem; None: the server's default."""
    connection_limit: int | None = None
    comment: str | None = None
    extensions: dict[str, str] = {}
    """Name → version."""
    tablespaces: tuple[str, ...] = ()
    """Other than pg_default that tables or indexes lie in."""
    roles: tuple[str, ...] = ()
    """That own something in it."""
    content: DatabaseContent | None = None
    schema_sha256: str | None = None
    """Of what ``content.py`` says is a schema's text, as the programs ``dumped_by`` write it."""


class GlobalsDetail(Struct, frozen=True, kw_only=True):
    """The manifest's detail about a part of kind ``postgresql-globals``: roles, their memberships and settings,
    tablespaces."""

    server_version_num: int | None = None
    system_identifier: str | None = None
    passwords: bool = False
    """Whether the (hashed) passwords of roles are in it; only a superuser may read them."""


def as_detail(detail: DatabaseDetail | GlobalsDetail) -> dict[str, Any]:
    """Convert a detail to the form stored in the manifest."""
    built: dict[str, Any] = msgspec.to_builtins(detail)
    return built


def database_detail(detail: dict[str, Any]) -> DatabaseDetail:
    """Parse a detail from the manifest. Raises msgspec.ValidationError if it is invalid."""
    return msgspec.convert(detail, DatabaseDetail)


# Which database each part of a set goes to, and under which names.


DATABASE_KINDS = ("postgresql-custom", "postgresql-plain")
GLOBALS_KIND = "postgresql-globals"


class DatabaseTarget(Struct, frozen=True, kw_only=True):
    """A part with a database, and the database that it is restored to."""

    part: FoundPart
    detail: DatabaseDetail
    """As the manifest has it; of an old set only what was counted in the dump."""
    database: str

    @property
    def plain(self) -> bool:
        """Whether the part is a psql script."""
        return self.part.kind == "postgresql-plain"


def database_targets(task: RestoreTask, databases: Sequence[str]) -> tuple[DatabaseTarget, ...]:
    """Return the parts with databases, each with the database to restore it to. ``databases`` are the names from the
    options or the restore location: a single name takes a single part, several must match the names in the set. To
    restore one table, the set's databases that are not among ``databases`` are left out.

    Raises UsageError where a part has no database to go to, BrokenSet for a manifest that tells nonsense.
    """
    parts = [part for part in task.parts if part.kind in DATABASE_KINDS]
    if not parts:
        raise UsageError(tr("{set} contains no database", set=task.set.id))
    details = [_detail(task, part) for part in parts]
    if len(parts) == 1 and len(databases) == 1:
        return (DatabaseTarget(part=parts[0], detail=details[0], database=databases[0]),)
    targets = []
    may_leave_out = task.spec.only and any(detail.database in databases for detail in details)
    for part, detail in zip(parts, details, strict=True):
        if detail.database not in databases and may_leave_out:
            continue
        if detail.database not in databases:
            raise UsageError(
                tr("{part} holds the database {name}, which is not among the target databases: {names}",
                   part=part.name, name=clean(detail.database), names=clean(listed(databases))),
                tr("List it under databases:, or restore a single part."),
            )  # fmt: skip
        targets.append(DatabaseTarget(part=part, detail=detail, database=detail.database))
    return tuple(targets)


def globals_of(task: RestoreTask) -> FoundPart | None:
    """Return the part with roles and tablespaces."""
    return next((part for part in task.parts if part.kind == GLOBALS_KIND), None)


def _detail(task: RestoreTask, part: FoundPart) -> DatabaseDetail:
    """Return a part's detail from the manifest; for a set without a manifest, from what its proof has counted."""
    said = part.said.detail if part.said is not None else None
    if said is None:
        proof = task.set.proof
        said = {} if proof is None else proof.detail.get(part.name, {})
    try:
        return database_detail({"database": "", **said})
    except msgspec.ValidationError as error:
        raise BrokenSet(tr("{set}: its description of {part} is invalid: {reason}",
                           set=task.set.id, part=part.name, reason=error)) from None  # fmt: skip
