"""The stand-in database: ``python -m lilfox_tui.demo.database --folder D --programs BIN --control SOCK``.

A private PostgreSQL that listens on a socket in its folder and on no port, with the application's tables, and sessions
that work on them. On the control socket ``GET /state`` tells how far it is, ``POST /message`` keeps a message of the
backend's, ``POST /fault`` breaks the data, ``POST /setup`` makes the server's settings careless or careful. The server
ends with this process, also when that is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import random
import shutil
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from lilfox_tui.backends.postgresql.session import STATE, connection_string, psql_argv, refused_in
from lilfox_tui.demo.http import (
    DemoRequest,
    DemoResponse,
    SharedFolder,
    at_parents_end,
    die_with_parent,
    serve_connection,
    until_told_to_end,
)

# Whether this machine has PostgreSQL's programs, and as whom its server may run.


_DEBIAN = Path("/usr/lib/postgresql")
_NEEDED = ("initdb", "postgres", "psql")
_ACCOUNTS = ("postgres", "nobody")
_STATISTICS = "pg_stat_statements"


def server_programs() -> Path | None:
    """Return the folder of the newest server's programs: Debian's, else the one found in PATH; None without one."""
    debian = [path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    known = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("initdb"):
        known.append(Path(found).resolve().parent)
    return next((path for path in known if all(os.access(path / name, os.X_OK) for name in _NEEDED)), None)


def statement_statistics(programs: Path) -> bool:
    """Return whether the server has the library that counts statements (pg_stat_statements). Told to load one that is
    not there, it would not start."""
    places = ("lib", "lib/postgresql", "lib/pgsql", "lib64/pgsql")
    return any((programs.parent / place / f"{_STATISTICS}.so").exists() for place in places)


def server_account() -> pwd.struct_passwd | None:
    """Return the account that the server runs as, because initdb refuses root. None for this process's own."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


# One kept session of psql with the stand-in database, as the application's own would be.


_MARK = "@@DONE@@"
_TIMEOUT_S = 30.0


class NoAnswer(Exception):
    """The server ended the session, or is not running."""


class DemoSession:
    """Runs statements one after another in one psql, which is restarted if it has ended. ``start`` is the argv."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._psql: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def run(self, statements: str) -> str:
        """Run statements and return the server's error, empty if it succeeded. The statements are our own and are not
        checked.

        Raises NoAnswer.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await self._ask(statements)
            except (OSError, TimeoutError, EOFError) as error:
                await self._end()
                raise NoAnswer(str(error) or type(error).__name__) from error

    async def _ask(self, statements: str) -> str:
        psql = self._psql
        if psql is None or psql.returncode is not None:
            psql = self._psql = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        if psql.stdin is None or psql.stdout is None:
            raise EOFError
        psql.stdin.write(f"{statements}\n\\echo {_MARK} {STATE}\n".encode())
        await psql.stdin.drain()
        while line := (await psql.stdout.readline()).decode("utf-8", "replace"):
            mark, _, said = line.strip().partition(" ")
            if mark == _MARK:
                refused = refused_in(said)
                return "" if refused is None else refused.said
        raise EOFError("the session ended")

    async def _end(self) -> None:
        if self._psql is not None and self._psql.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._psql.kill()
            await self._psql.wait()
        self._psql = None

    async def close(self) -> None:
        """Close the session."""
        await self._end()


NAME = "lilfox"
"""Of the database, and of the role that owns it."""
_SETTINGS = f"""
listen_addresses = ''
unix_socket_permissions = 0700
synchronous_commit = off
max_connections = 50
shared_buffers = 32MB
max_wal_size = 256MB
log_line_prefix = '%m [%p] %q%u@%d '
idle_in_transaction_session_timeout = '5min'
lock_timeout = '10s'
statement_timeout = '60s'
include_if_exists = 'careless.conf'
cluster_name = '{NAME}-demo'
"""
_CARELESS = "fsync = off\n"
"""Also while the tables are filled, which then takes less time."""
_OPEN_RULE = "host all all 0.0.0.0/0 trust\n"
_SAME_INDEX = "messages_of_conversation"
_COUNTED = f"""
shared_preload_libraries = '{_STATISTICS}'
pg_stat_statements.max = 500
pg_stat_statements.track_utility = off
pg_stat_statements.save = off
"""
_MESSAGE = (
    "INSERT INTO messages (conversation_id, body) SELECT c.id, md5(random()::text) FROM conversations c"
    " WHERE c.id >= (SELECT floor(random() * max(id))::bigint FROM conversations) ORDER BY c.id LIMIT 1;"
)
_FORGET = "DELETE FROM messages WHERE id <= (SELECT max(id) - 100000 FROM messages);"
"""A demo that nobody ends fills no disk."""
_FORGET_EACH = 1000
_SEEN = "UPDATE presence SET status = 'online', seen_at = now() WHERE user_id = {user};"
_CONVERSATIONS = (
    "SELECT c.id, c.title, (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id) AS messages"
    " FROM conversations c WHERE c.user_id = {user} ORDER BY c.created_at DESC LIMIT 10;"
)
_SEARCH = "SELECT id, conversation_id FROM messages WHERE body LIKE '%{text:x}%' ORDER BY id DESC LIMIT 20;"
"""Without an index that helps: what a real application has somewhere."""
_ORDER = "INSERT INTO orders (user_id, amount) SELECT id, {amount} FROM users WHERE id = {user};"
_TAKE = "SELECT id FROM orders WHERE state = 'new' ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED;"
_SHIPPED = (
    "UPDATE orders SET state = 'shipped' WHERE id IN (SELECT id FROM orders WHERE state = 'new' ORDER BY id LIMIT 10);"
)
_REPORT = (
    "SELECT date_trunc('day', created_at) AS day, state, count(*), sum(amount), pg_sleep(0.006)"
    " FROM orders WHERE created_at > now() - interval '30 days' GROUP BY 1, 2;"
)
"""Waits for most of its time: a report that is seen, and costs nothing."""
_FORGET_ORDERS = "DELETE FROM orders WHERE id <= (SELECT max(id) - 20000 FROM orders);"
_PAGE_S, _SHIP_S, _REPORT_S = 0.6, 5.0, 7.0
"""Between two of a kind, on average."""
_PAYING_S = 0.8
FAULTS = {"users": "DELETE FROM users WHERE id % 2 = 0;", "table": "DROP TABLE messages CASCADE;"}
_READY_S = 30.0
_END_S = 1.5


class DemoClients:
    """The application's other sessions: its web pages, a worker that ships orders, and a report. They do little, but
    what a real application does, so that there is something to see. ``session`` opens one with that name."""

    def __init__(self, session: Callable[[str], DemoSession]) -> None:
        self._sessions = {name: session(f"{NAME}-{name}") for name in ("web", "worker", "report")}
        self._tasks: list[asyncio.Task[None]] = []
        self._steps = 0

    def begin(self) -> None:
        """Start working."""
        plans = ((self._page, _PAGE_S), (self._ship, _SHIP_S), (self._report, _REPORT_S))
        self._tasks = [asyncio.create_task(self._again(work, pause_s)) for work, pause_s in plans]

    async def end(self) -> None:
        """Stop, also in the middle of a statement."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()

    async def _again(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        """Work again and again. A session that a restore ended comes back."""
        while True:
            await asyncio.sleep(random.expovariate(1 / pause_s))
            with contextlib.suppress(NoAnswer):
                await work()

    async def _page(self) -> None:
        """Somebody looks at a page, sometimes searches, and sometimes orders."""
        user, self._steps = random.randint(1, 2000), self._steps + 1  # noqa: S311 -- a made-up user
        statements = [_SEEN.format(user=user), _CONVERSATIONS.format(user=user)]
        if self._steps % 2 == 0:
            statements.append(_SEARCH.format(text=random.getrandbits(20)))
        if self._steps % 3 == 0:
            statements.append(_ORDER.format(user=user, amount=user % 90 + 9.9))
        if self._steps % _FORGET_EACH == 0:
            statements.append(_FORGET_ORDERS)
        await self._sessions["web"].run(" ".join(statements))

    async def _ship(self) -> None:
        """Orders are held while they are paid for elsewhere, and shipped."""
        worker = self._sessions["worker"]
        await worker.run(f"BEGIN; {_TAKE}")
        try:
            await asyncio.sleep(_PAYING_S)
        finally:
            await worker.run(f"{_SHIPPED} COMMIT;")

    async def _report(self) -> None:
        await self._sessions["report"].run(_REPORT)


class DemoDatabase:
    """The server and the application's session with it. ``state`` is ``starting``, ``ready`` or the reason why it is
    not ready."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.state = "starting"
        self._folder, self._programs = folder, programs
        self._data = folder / "data"
        self._server: asyncio.subprocess.Process | None = None
        self._bound = at_parents_end(signal.SIGQUIT)
        account = server_account()
        self._as: dict[str, Any] = {}
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._session = self._opened(f"{NAME}-backend")
        self._clients = DemoClients(self._opened)
        self._kept = 0

    def _opened(self, application: str) -> DemoSession:
        return DemoSession(self._psql(NAME, application))

    def _psql(self, database: str, application: str, *words: str, stops: bool = False) -> list[str]:
        where = {"host": str(self._folder), "user": NAME, "dbname": database, "application_name": application}
        program = str(self._programs / "psql")
        return psql_argv(program, connection_string(where), *words, rows="plain", stops=stops)

    async def start(self) -> None:
        """Create the cluster and its rows. An error becomes the state."""
        try:
            words = ["-D", str(self._data), "-U", NAME, "-A", "peer", "-E", "UTF8", "--locale=C", "--no-sync"]
            await self._do([str(self._programs / "initdb"), *words])
            self._let_in_own_users()
            self._set_up(_CARELESS)
            with (self._data / "postgresql.conf").open("a") as settings:
                counted = _COUNTED if statement_statistics(self._programs) else ""
                settings.write(f"{_SETTINGS}{counted}unix_socket_directories = '{self._folder}'\n")
            self._server = await self._child([str(self._programs / "postgres"), "-D", str(self._data)])
            await self._until_it_answers()
            await self._do(self._psql("postgres", "demo", "-c", f"CREATE DATABASE {NAME}", stops=True))
            schema = Path(__file__).with_name("schema.sql")
            await self._do(self._psql(NAME, "demo", "-1", stops=True), schema.read_bytes())
        except (OSError, RuntimeError) as error:
            self.state = str(error)
        else:
            self._set_up()
            self.state = "ready"
            self._clients.begin()

    def _let_in_own_users(self) -> None:
        """Map the user of this process and that of the server to the application's role: nobody else needs to log
        in."""
        names = {pwd.getpwuid(uid).pw_name for uid in (os.geteuid(), self._as.get("user", os.geteuid()))}
        (self._data / "pg_ident.conf").write_text("".join(f'demo "{name}" {NAME}\n' for name in sorted(names)))

    def _set_up(self, settings: str = "", rules: str = "") -> None:
        """Have the server read these settings and rules of access, besides the careful ones."""
        own = self._data / "careless.conf"
        own.write_text(settings)
        own.chmod(0o644)  # for the server's user; the folder is closed to others
        (self._data / "pg_hba.conf").write_text(f"local all {NAME} peer map=demo\n{rules}")
        if self._server is not None:
            self._server.send_signal(signal.SIGHUP)

    async def _child(self, argv: list[str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *argv, **self._as, cwd="/", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, preexec_fn=self._bound,
        )  # fmt: skip

    async def _do(self, argv: list[str], script: bytes = b"") -> None:
        process = await asyncio.create_subprocess_exec(
            *argv, **self._as, cwd="/", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, preexec_fn=self._bound,
        )  # fmt: skip
        try:
            _out, said = await process.communicate(script)
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines() or [f"status {process.returncode}"]
            raise RuntimeError(f"{Path(argv[0]).name}: {lines[-1]}")

    async def _until_it_answers(self) -> None:
        deadline = asyncio.get_running_loop().time() + _READY_S
        while True:
            try:
                return await self._do([*self._psql("postgres", "demo"), "-c", "SELECT 1"])
            except RuntimeError:
                ended = self._server is None or self._server.returncode is not None
                if ended or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """End the sessions and stop the server without a clean shutdown: no data needs to survive."""
        await self._clients.end()
        await self._session.close()
        server = self._server
        if server is None or server.returncode is not None:
            return
        server.send_signal(signal.SIGQUIT)
        try:
            async with asyncio.timeout(_END_S):
                await server.wait()
        except TimeoutError:
            server.kill()
            await server.wait()

    async def answer(self, request: DemoRequest) -> DemoResponse:
        """Answer a request on the control socket."""
        if (request.method, request.path) == ("GET", "/state"):
            return DemoResponse(200, json.dumps({"state": self.state}).encode())
        if request.method != "POST" or self.state != "ready":
            return DemoResponse(404)
        if request.path == "/message":
            self._kept += 1
            return await self._run(_MESSAGE if self._kept % _FORGET_EACH else f"{_FORGET} {_MESSAGE}")
        try:
            if request.path == "/setup":
                return await self._become(careless=json.loads(request.body)["careless"])
            return await self._run(FAULTS[json.loads(request.body)["kind"]])
        except (ValueError, KeyError, TypeError):
            return DemoResponse(404)

    async def _become(self, *, careless: bool) -> DemoResponse:
        self._set_up(*((_CARELESS, _OPEN_RULE) if careless else ()))
        if careless:
            return await self._run(f"CREATE INDEX IF NOT EXISTS {_SAME_INDEX} ON messages (conversation_id);")
        return await self._run(f"DROP INDEX IF EXISTS {_SAME_INDEX};")

    async def _run(self, statements: str) -> DemoResponse:
        try:
            said = await self._session.run(statements)
        except NoAnswer as error:
            said = str(error)
        return DemoResponse(500 if said else 200, json.dumps({"error": said}).encode())


async def _run(folder: Path, programs: Path, control: Path) -> None:
    database = DemoDatabase(folder, programs)
    private = await asyncio.start_unix_server(
        lambda reader, writer: serve_connection(reader, writer, database.answer), control
    )
    starting = asyncio.create_task(database.start())
    try:
        await until_told_to_end()
    finally:
        private.close()
        starting.cancel()
        await asyncio.wait([starting])
        await database.end()


def main() -> None:
    """Run the database until the parent process ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--shared-folder", type=Path)
    options = parser.parse_args()
    die_with_parent()
    shared = SharedFolder(options.shared_folder) if options.shared_folder else None
    try:
        asyncio.run(_run(options.folder, options.programs, options.control))
    finally:
        if shared is not None:
            shared.leave()


if __name__ == "__main__":
    main()
