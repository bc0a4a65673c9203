"""Sessions of a real PostgreSQL are cancelled and ended, by jobs; one that was not meant is left alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from msgspec.structs import replace

from lilfox_tui.backends.kinds.postgresql import PostgresBackend
from lilfox_tui.backends.model import BackendRefused, ClientSession, Ending
from lilfox_tui.jobs.model import Job
from lilfox_tui.jobs.start import start
from lilfox_tui.operations.sessions import request_of, session_operation
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_looks import VERSIONS, connect, of_version, opened
from tests.services.sshd import sshd_lab
from tests.unit.jobs.running import ended, jobs
from tests.waiting import until

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs", "looks_end")


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with of_version(request.param) as running:
        yield running


class Busy:
    """A client that runs a statement, in a thread; what it was told in the end is ``error``."""

    def __init__(self, server: Postgres, sql: str = "SELECT pg_sleep(60)") -> None:
        self.connection = connect(server, "busy")
        self.pid = self.connection.info.backend_pid
        self.error: psycopg.Error | None = None
        self._thread = threading.Thread(target=self._run, args=(sql,), daemon=True)
        self._thread.start()

    def _run(self, sql: str) -> None:
        try:
            self.connection.execute(sql.encode())
        except psycopg.Error as error:
            self.error = error

    def told(self) -> str:
        """The SQLSTATE with which its statement ended."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return "" if self.error is None else self.error.sqlstate or "gone"

    def close(self) -> None:
        """Ends it."""
        with suppress(psycopg.Error):
            self.connection.cancel()
        self._thread.join(60)
        self.connection.close()


@pytest.fixture
def busy(server: Postgres) -> Iterator[Busy]:
    made = Busy(server)
    yield made
    made.close()


async def seen(backend: PostgresBackend, pid: int, state: str = "active") -> ClientSession:
    """The session, once it is in that state."""
    found: list[ClientSession] = []

    async def look() -> bool:
        found[:] = [each for each in await backend.sessions() if each.pid == pid and each.state == state]
        return bool(found)

    for _time in range(200):
        if await look():
            return found[0]
    raise AssertionError(f"{pid} is not {state}")


def make(folder: Path, server: Postgres, session: ClientSession, how: Ending, **more: Any) -> Job:
    """The job, when it has ended."""
    job = start(request(folder, server, session, how, **more))
    return ended(job)


def request(folder: Path, server: Postgres, session: ClientSession, how: Ending, **more: Any) -> Any:
    """The job's request, over a configuration of one backend."""
    config = folder / "config.yaml"
    backend = {
        "kind": "postgresql",
        "port": server.port,
        "user": SUPERUSER,
        "tls": "disable",
        **more.pop("backend", {}),
    }
    config.write_text(yaml.safe_dump({"backends": {"db": backend}, **more}))
    config.chmod(0o600)
    operation = session_operation("db", backend.get("host"), opened(server), session, how)
    return request_of(operation, "db", session, str(config))


async def test_what_a_session_runs_is_cancelled_and_it_stays(server: Postgres, busy: Busy, tmp_path: Path) -> None:
    session = await seen(opened(server), busy.pid)
    done = make(tmp_path, server, session, "cancel")
    assert (done.state, done.message) == ("ok", f"session {busy.pid} is no longer running that statement")
    assert busy.told() == "57014"
    busy.connection.rollback()
    assert busy.connection.execute("SELECT 1").fetchone() == (1,)


async def test_a_session_is_ended_and_who_waited_for_it_goes_on(server: Postgres, tmp_path: Path) -> None:
    holder = connect(server, "holder")
    holder.execute("SELECT * FROM orders WHERE id = 7 FOR UPDATE")
    waiter = Busy(server, "UPDATE orders SET note = 'late' WHERE id = 7")
    try:
        backend = opened(server)
        await until(lambda: server.csv(f"SELECT cardinality(pg_blocking_pids({waiter.pid}))") == [["1"]], what="a lock")
        first = (await backend.sessions())[0]
        assert (first.pid, first.blocks, first.state) == (holder.info.backend_pid, 1, "idle in transaction")
        done = make(tmp_path, server, first, "terminate")
        assert (done.state, done.message) == ("ok", f"session {first.pid} has ended")
        assert waiter.told() == ""
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")
    finally:
        waiter.close()
        holder.close()


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_a_session_of_another_start_is_left_alone(
    how: Ending, server: Postgres, busy: Busy, tmp_path: Path
) -> None:
    session = replace(await seen(opened(server), busy.pid), began="2020-01-01 00:00:00.000001+00")
    done = make(tmp_path, server, session, how)
    assert (done.state, "nothing was done" in done.message) == ("failed", True)
    assert busy.error is None
    assert busy._thread.is_alive()


async def test_the_next_statement_of_a_session_is_not_cancelled(server: Postgres, tmp_path: Path) -> None:
    """A pool gives a session to somebody else within a moment."""
    first = Busy(server, "SELECT pg_sleep(0.2)")
    session = await seen(opened(server), first.pid)
    assert first.told() == ""
    first.connection.rollback()
    second = threading.Thread(target=first._run, args=("SELECT pg_sleep(3)",))
    second.start()
    try:
        await until(lambda: server.csv(f"SELECT state FROM pg_stat_activity WHERE pid = {first.pid}") == [["active"]])
        done = make(tmp_path, server, session, "cancel")
        assert (done.state, "nothing was done" in done.message) == ("failed", True)
    finally:
        second.join(60)
        first.close()
    assert first.error is None


async def test_whom_the_server_does_not_let_is_told_what_to_grant(server: Postgres, busy: Busy, tmp_path: Path) -> None:
    session = await seen(opened(server), busy.pid)
    done = make(tmp_path, server, session, "terminate", backend={"user": "watcher"})
    assert done.state == "failed"
    assert "42501" in done.message
    assert "pg_signal_backend" in done.hint
    watcher = opened(server, user="watcher")
    with pytest.raises(BackendRefused):
        await watcher.end(watcher.ending(session, "cancel"))
    assert busy.error is None


async def test_with_read_only_nothing_is_ended(server: Postgres, busy: Busy, tmp_path: Path) -> None:
    session = await seen(opened(server), busy.pid)
    done = make(tmp_path, server, session, "terminate", read_only=True)
    assert (done.state, "nothing was changed" in done.message) == ("failed", True)
    assert busy.error is None


async def test_by_psql_on_its_host(server: Postgres, busy: Busy, tmp_path: Path) -> None:
    session = await seen(opened(server), busy.pid)
    with sshd_lab() as lab:
        sshd = lab.sshd()
        host = lab.host(sshd, sudo=True)
        hosts = {"db-1": {"address": host.address, "port": host.port, "user": host.user, "identity": host.identity,
                          "sudo": True}}  # fmt: skip
        ssh = {"config_files": [], "known_hosts": [str(each) for each in lab.ssh().known_hosts]}
        backend = {"host": "db-1", "by": "psql", "socket": str(server.folder), "run_as": SUPERUSER}
        done = make(tmp_path, server, session, "terminate", backend=backend, hosts=hosts, ssh=ssh)
    assert (done.state, done.message) == ("ok", f"session {busy.pid} has ended"), done.hint
    assert busy.told() == "57P01"


def test_what_is_no_time_never_comes_into_a_statement() -> None:
    from lilfox_tui.backends.postgresql.queries import end_statement

    hostile = ClientSession(
        pid=7, began="2026-01-01 00:00:00.000000+00' OR true --", statement_began=None, role=None, database=None,
        application=None, address=None, state=None, in_state_s=None, blocks=0, statement=None,
    )  # fmt: skip
    with pytest.raises(ValueError, match="OR true"):
        end_statement(hostile, "terminate")
