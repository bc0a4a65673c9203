"""Sessions on a PostgreSQL server: over TCP by psycopg, or by psql on the server's host."""

from __future__ import annotations

import asyncio
import csv
import importlib
import io
import os
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct

from lilfox_tui.backends.model import BackendError, no_answer
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import refuse
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Error


# Statements on one PostgreSQL, by whichever way it is reached: the driver or psql on its host.


APPLICATION = "lilfox"
"""``application_name`` of our sessions in pg_stat_activity."""


class Statement(Struct, frozen=True):
    """A statement to run. With ``generated``, the texts that it returns are run as statements, and their answers are
    returned."""

    sql: str
    generated: bool = False


class StatementRefused(Struct, frozen=True):
    """A statement that the server refused: its SQLSTATE and message (untrusted text)."""

    sqlstate: str
    said: str

    @property
    def message(self) -> Message:
        """The refusal of one of LilFox's own queries, as text."""
        return tr("the server refused the query ({sqlstate}): {reason}", sqlstate=self.sqlstate, reason=self.said)


StatementAnswer: TypeAlias = tuple[str, ...] | StatementRefused
"""The first column of a statement's rows."""


class PostgresSession(Protocol):
    """A persistent connection to one server. Each statement runs in a read-only transaction of its own with a
    statement_timeout; the application_name is :data:`APPLICATION`."""

    async def run(self, steps: Sequence[Statement]) -> list[StatementAnswer]:
        """Run the statements and return their answers, in order; a refused statement does not stop the others. Raises
        BackendError, HostError, or LilFoxError if a secret cannot be read; the next call reconnects."""
        ...

    async def close(self) -> None:
        """Close the session."""
        ...


def settings(timeout_s: float) -> str:
    """Return libpq's ``options`` for a session: read-only, with limits on statements, lock waits and idle
    transactions."""
    timeout_ms = round(timeout_s * 1000)
    return options(
        {
            "default_transaction_read_only": "on",
            "statement_timeout": str(timeout_ms),
            "lock_timeout": str(timeout_ms // 2),
            "idle_in_transaction_session_timeout": str(timeout_ms * 2),
        }
    )


# How every psql is started, and what it says (psql(1); PostgreSQL, libpq, "Connection Strings").


STATE = ":SQLSTATE :LAST_ERROR_MESSAGE"
r"""What ``\echo`` tells of the last statement; :func:`refused_in` reads it."""
_ROWS = {"": (), "plain": ("-t", "-A"), "csv": ("-t", "--csv")}


def options(settings: Mapping[str, str]) -> str:
    """Return the value of libpq's ``options`` with these settings: ``-c name=value``, with blanks and backslashes
    escaped."""
    words = (f"{name}={value}".replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items())
    return " ".join(f"-c {word}" for word in words)


def connection_string(words: Mapping[str, str]) -> str:
    """Return a libpq connection string; parameters without a value are left out, so that libpq uses its defaults.

    Given as one word to ``-d``, it is the only thing that the programs expand: a database called ``host=evil`` stays a
    name."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def psql_argv(
    program: str,
    conninfo: str,
    *words: str,
    rows: Literal["", "plain", "csv"] = "",
    stops: bool = False,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the argv of a psql that reads no psqlrc and never asks for a password. ``rows``: it prints rows only.
    ``stops``: it stops at the first error."""
    given = [f"{name}={value}" for name, value in (variables or {}).items()]
    variable_words = [word for each in (*(["ON_ERROR_STOP=1"] if stops else []), *given) for word in ("-v", each)]
    return [program, "-X", "-q", "-w", *_ROWS[rows], *variable_words, *words, "-d", conninfo]


def as_account(account: str) -> tuple[str, ...]:
    """Return the prefix that runs a command as another account of the host; requires root."""
    return ("runuser", "-u", account, "--")


def refused_in(state: str) -> StatementRefused | None:
    """Parse the output of :data:`STATE`: the refusal, or None if the statement succeeded."""
    sqlstate, _, said = state.partition(" ")
    return None if sqlstate == "00000" else StatementRefused(sqlstate, said)


# PostgreSQL by psycopg: over TCP from here, or through the port that a host forwards.


SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_REASON = re.compile(r"failed: (?:FATAL: +)?")


class Login(Struct, frozen=True):
    """The server's address and the credentials, in libpq's terms."""

    address: str
    port: int
    database: str
    user: str
    password: SecretRef | None
    sslmode: SslMode
    ca_file: str

    @property
    def where(self) -> str:
        """``address:port``, as it appears in errors."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class DriverSession:
    """See :class:`PostgresSession`. One connection, made by the first call."""

    def __init__(self, login: Login, host: Host | None, *, timeout_s: float) -> None:
        self._login, self._host, self._timeout_s = login, host, timeout_s
        self._open = AsyncExitStack()
        self._connection: AsyncConnection | None = None

    async def run(self, steps: Sequence[Statement]) -> list[StatementAnswer]:
        """See :meth:`PostgresSession.run`."""
        psycopg = await asyncio.to_thread(importlib.import_module, "psycopg")
        try:
            return await self._answers(await self._connected(), steps)
        except TimeoutError:
            await self.close()
            raise no_answer(self._login.where, self._timeout_s) from None
        except psycopg.Error as error:
            await self.close()
            raise self._failed(error) from None
        except BaseException:
            await self.close()
            raise

    async def _connected(self) -> AsyncConnection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        await self.close()
        from psycopg import AsyncConnection

        login = self._login
        if login.ca_file not in ("", "system"):  # "system" is libpq's word for the certificates of the machine
            await asyncio.to_thread(refuse, Path(login.ca_file))
        password = None if login.password is None else await revealed_text(login.password)
        async with asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            address, port = login.address, login.port
            if self._host is not None:
                address, port = await self._open.enter_async_context(self._host.forward(port, address))
            connection = await AsyncConnection.connect(
                host=login.address, port=port, dbname=login.database, user=login.user or None, password=password,
                sslmode=login.sslmode, sslrootcert=login.ca_file or None, application_name=APPLICATION,
                options=settings(self._timeout_s), client_encoding="UTF8", connect_timeout=round(CONNECT_AT_LEAST_S),
                autocommit=True, prepare_threshold=None, passfile="/dev/null" if password else None,
                hostaddr=None if self._host is None else address,  # the certificate is still that of ``host``
            )  # fmt: skip
        self._connection = connection
        self._open.push_async_callback(connection.close)
        return connection

    async def _answers(self, connection: AsyncConnection, steps: Sequence[Statement]) -> list[StatementAnswer]:
        """Run the statements. Raises TimeoutError and psycopg's errors. If interrupted, it closes the connection first,
        because psycopg would ask the server to cancel the statement, and wait 5 s for a server that hangs."""

        async def ask() -> list[StatementAnswer]:
            return [await self._answer(connection, step) for step in steps]

        asking = asyncio.create_task(ask())
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(asking)
        finally:
            if not asking.done():
                with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)
                await asyncio.gather(asking, return_exceptions=True)

    async def _answer(self, connection: AsyncConnection, step: Statement) -> StatementAnswer:
        from psycopg import Error

        try:
            texts = await _selected(connection, step.sql)
            if not step.generated:
                return texts
            return tuple([line for text in texts for line in await _selected(connection, text)])
        except UnicodeDecodeError:
            return StatementRefused("22021", "not UTF-8")
        except Error as error:
            if connection.closed:
                raise
            return StatementRefused(error.sqlstate or "", error.diag.message_primary or type(error).__name__)

    def _failed(self, error: Error) -> LilFoxError:
        """Return the error with the server's or the network's message; libpq puts no password into it."""
        said = error.diag.message_primary or _REASON.split(str(error).partition("\n")[0])[-1]
        hint: Message | str = ""
        if "password" in said or "authentication" in said or "no pg_hba.conf entry" in said:
            hint = tr("Check user, password and the server's pg_hba.conf.")
        elif "refused" in said:
            hint = tr("Nothing is listening at this address: is the server running?")
        return BackendError(tr("{where}: {reason}", where=self._login.where, reason=said[:300]), hint)

    async def close(self) -> None:
        """See :meth:`PostgresSession.close`."""
        self._connection = None
        opened, self._open = self._open, AsyncExitStack()
        await opened.aclose()


async def _selected(connection: AsyncConnection, sql: str) -> tuple[str, ...]:
    """Return the first column of the rows, as text. The statement is sent unchanged, without parameters."""
    cursor = await connection.execute(sql.encode())
    if cursor.description is None:
        return ()
    return tuple(str(row[0]) for row in await cursor.fetchall())


# PostgreSQL by psql on its host, over the server's socket as the service's user: no password, no port (psql(1)).


_END = "@@LILFOX-END@@"
_STARTING_S = 5.0
"""For the login, sudo and psql itself."""


class PsqlSession:
    """See :class:`PostgresSession`. Each call runs one psql, which reads its statements from stdin.

    ``socket`` is the folder of the server's socket, empty for psql's own. ``run_as`` is the user of the host whom the
    server trusts; psql then runs through sudo, whatever the host's ``sudo`` says. Empty: the login's, without sudo.
    """

    def __init__(
        self, host: Host, *, socket: str, port: int, database: str, user: str, run_as: str, timeout_s: float
    ) -> None:
        self._host, self._timeout_s, self._run_as = host, timeout_s, run_as
        words = {
            "host": socket, "port": str(port), "dbname": database, "user": user, "application_name": APPLICATION,
            "options": settings(timeout_s), "client_encoding": "UTF8", "connect_timeout": "5",
        }  # fmt: skip
        psql = psql_argv("psql", connection_string(words), rows="csv")
        self._argv = [*as_account(run_as), *psql] if run_as else psql
        self._where = f"{host.name}:{socket or 'socket'}:{port}"

    async def run(self, steps: Sequence[Statement]) -> list[StatementAnswer]:
        """See :meth:`PostgresSession.run`."""
        script = "".join(_script(step, place) for place, step in enumerate(steps))
        done = await self._host.run(
            self._argv, stdin=script.encode(), timeout_s=self._timeout_s + _STARTING_S, sudo=bool(self._run_as)
        )
        answers = _answers(done.stdout.decode("utf-8", "replace"))
        if len(answers) == len(steps):
            return answers
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[0][:300] if said else tr("psql exited with status {status}", status=done.exit_status)
        raise BackendError(
            tr("{where}: {reason}", where=self._where, reason=reason),
            tr("Try on the host: {command}", command=" ".join(self._argv[: self._argv.index("-X") + 1])),
        )

    async def close(self) -> None:
        """Do nothing: no connection is kept."""


def _script(step: Statement, place: int) -> str:
    r"""Return the statement, followed by a line that prints its outcome. ``\gexec`` sends the selected text to the
    server unchanged: psql interprets no commands or variables in it."""
    end = "\\gexec" if step.generated else ";"
    return f"{step.sql}\n{end}\n\\echo {_END} {place} {STATE}\n"


def _answers(output: str) -> list[StatementAnswer]:
    answers: list[StatementAnswer] = []
    rows: list[str] = []
    for line in _records(output):
        if not line.startswith(_END):
            rows.append(line)
            continue
        _end, _place, state = line.split(" ", 2)
        answers.append(refused_in(state) or tuple(_first_cells(rows)))
        rows = []
    return answers


def _records(output: str) -> list[str]:
    """Return the CSV records of the output; a quoted cell may span several lines."""
    records: list[str] = []
    lines: list[str] = []
    in_quotes = False
    for line in output.split("\n"):
        lines.append(line)
        in_quotes ^= line.count('"') % 2 == 1
        if not in_quotes or (len(lines) == 1 and line.startswith(_END)):
            records.append("\n".join(lines))
            lines, in_quotes = [], False
    return records


def _first_cells(records: list[str]) -> list[str]:
    return [row[0] for record in records for row in csv.reader(io.StringIO(record)) if row]
