"""PostgreSQL by psql on its host, over the server's socket as the service's user: no password, no port (psql(1))."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lilfox_tui.backends.backend import BackendError
from lilfox_tui.backends.postgresql.session import APPLICATION, Answer, Refused, Step, settings
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr

_END = "@@LILFOX-END@@"
_STARTING_S = 5.0
"""For the login, sudo and psql itself."""


class PsqlSession:
    """See :class:`Session`. Each call is one psql, which reads its statements from stdin.

    ``socket`` is the folder of the server's socket, empty for psql's own. ``run_as`` is the user of the host whom the
    server trusts (through sudo where the login is another), empty for the login's.
    """

    def __init__(
        self, host: Host, *, socket: str, port: int, database: str, user: str, run_as: str, timeout_s: float
    ) -> None:
        self._host, self._timeout_s, self._run_as = host, timeout_s, run_as
        words = {
            "host": socket, "port": str(port), "dbname": database, "user": user, "application_name": APPLICATION,
            "options": settings(timeout_s), "client_encoding": "UTF8", "connect_timeout": "5",
        }  # fmt: skip
        conninfo = " ".join(f"{key}={_quoted(value)}" for key, value in words.items() if value)
        psql = ["psql", "-X", "-q", "-t", "--csv", "-w", "-d", conninfo]
        self._argv = ["runuser", "-u", run_as, "--", *psql] if run_as else psql
        self._where = f"{host.name}:{socket or 'socket'}:{port}"

    async def run(self, steps: Sequence[Step]) -> list[Answer]:
        """See :meth:`Session.run`."""
        script = "".join(_script(step, place) for place, step in enumerate(steps))
        done = await self._host.run(
            self._argv, stdin=script.encode(), timeout_s=self._timeout_s + _STARTING_S, sudo=bool(self._run_as)
        )
        answers = _answers(done.stdout.decode("utf-8", "replace"))
        if len(answers) == len(steps):
            return answers
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[0][:300] if said else tr("psql ended with status {status}", status=done.exit_status)
        raise BackendError(
            tr("{where}: {reason}", where=self._where, reason=reason),
            tr("Try on the host: {command}", command=" ".join(self._argv[: self._argv.index("-X") + 1])),
        )

    async def close(self) -> None:
        """Nothing is kept."""


def _quoted(value: str) -> str:
    r"""A value of a connection string: in quotes, with ``\`` before quotes and backslashes."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _script(step: Step, place: int) -> str:
    r"""The statement, then a line of its own with what became of it. ``\gexec`` sends what it got to the server as it
    is: psql reads neither its commands nor variables in it."""
    end = "\\gexec" if step.generated else ";"
    return f"{step.sql}\n{end}\n\\echo {_END} {place} :SQLSTATE :LAST_ERROR_MESSAGE\n"


def _answers(output: str) -> list[Answer]:
    answers: list[Answer] = []
    rows: list[str] = []
    for line in _records(output):
        if not line.startswith(_END):
            rows.append(line)
            continue
        _end, _place, sqlstate, *said = line.split(" ", 3)
        answers.append(tuple(_first_cells(rows)) if sqlstate == "00000" else Refused(sqlstate, " ".join(said)))
        rows = []
    return answers


def _records(output: str) -> list[str]:
    """CSV records of the output; a quoted cell may go over several lines."""
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
