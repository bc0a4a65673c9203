"""What tests of dumps share: a source on a private server, and what else is going on there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.sources.postgresql import PostgreSqlSource, open_source
from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from tests.services.postgres import SUPERUSER, Postgres
from tests.waiting import wait_for

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lilfox backup'"


def local() -> LocalHost:
    return LocalHost("here", HostConfig(local=True))


def source(server: Postgres, *, user: str = SUPERUSER, host: Host | None = None, **options: Any) -> PostgreSqlSource:
    """A source of the database ``lilfox`` unless ``databases`` are given."""
    options = {"url": f"postgresql://{user}@127.0.0.1:{server.port}", "databases": ("lilfox",), **options}
    return open_source("db", PostgresqlOptions(**options), host or local())


def source_at(port: int, user: str = SUPERUSER) -> PostgreSqlSource:
    """A source of ``lilfox`` on the server that listens there, for processes of their own."""
    return open_source(
        "db", PostgresqlOptions(url=f"postgresql://{user}@127.0.0.1:{port}/lilfox", globals=False), local()
    )


def program(server: Postgres, name: str, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs a client program of the server's version as the superuser; it must succeed."""
    argv = [str(server._bin / name), "-h", str(server.folder), "-p", str(server.port), "-U", SUPERUSER, *words]
    done = subprocess.run(argv, cwd="/", capture_output=True, timeout=120, check=False, **more)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done


def script(server: Postgres, sql: str, database: str = "lilfox") -> None:
    """Runs a script by psql, up to its first error, of which there is none."""
    program(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, input=sql.encode())


def fresh(server: Postgres, sql: str = "", name: str = "lilfox") -> None:
    """An empty database of that name, ``sql`` run in it."""
    server.csv(f"DROP DATABASE IF EXISTS {name} (FORCE)")
    server.csv(f"CREATE DATABASE {name}")
    if sql:
        script(server, sql, name)


@contextmanager
def holding(server: Postgres, sql: str, database: str = "lilfox") -> Iterator[int]:
    """A session that has run ``sql`` in a transaction and stays idle in it; its pid."""
    argv = [str(server._bin / "psql"), "-X", "-q", "-t", "-A", "-h", str(server.folder), "-p", str(server.port)]
    argv += ["-U", SUPERUSER, "-d", database]
    with subprocess.Popen(argv, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(f"BEGIN; {sql};\nSELECT pg_backend_pid();\n".encode())
        session.stdin.flush()
        try:
            yield int(session.stdout.readline())
        finally:
            session.stdin.close()
            session.wait(60)


def pids_of(program: str, server: Postgres) -> list[int]:
    """Processes of that client program that are connected to the server."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if words[0].endswith(b"/" + program.encode()) and f"port='{server.port}'".encode() in words[-2]:
                found.append(int(file.parent.name))
    return found


def password_files(word: str) -> list[Path]:
    """Files made for passwords on this machine that hold ``word``."""
    found = []
    for folder in Path("/tmp").glob("lilfox-pass-*"):
        with suppress(OSError):  # it goes while it is looked at
            found += [file for file in folder.iterdir() if word.encode() in file.read_bytes()]
    return found


def no_session_is_left(server: Postgres) -> None:
    """Waits until the server has no session of ours any more."""
    wait_for(lambda: server.csv(OURS) == [["0"]], what="no session of a backup is left")
