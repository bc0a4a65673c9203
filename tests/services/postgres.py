"""A private PostgreSQL with a log on stderr; it runs as ``postgres`` where the tests are root. Nothing stays."""

from __future__ import annotations

import csv
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = off
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
log_min_duration_statement = 0
"""
_SECONDS = 60.0
SUPERUSER = "postgres" if os.geteuid() == 0 else getpass.getuser()
"""The role that initdb makes; the server trusts everybody who says to be it."""


class Postgres:
    """One server, of the newest version that is installed unless one is given, with ``settings`` in its
    postgresql.conf; ``standby_of`` another it is its streaming standby. Use as a context manager."""

    def __init__(self, settings: str = "", *, version: int | None = None, standby_of: Postgres | None = None) -> None:
        self._settings = settings
        self._primary = standby_of
        versions = {int(path.parent.name): path for path in Path("/usr/lib/postgresql").glob("*/bin")}
        assert versions, "PostgreSQL is not installed: tests/install_packages"
        self._bin = versions[version or max(versions)]
        self.folder = Path(tempfile.mkdtemp(prefix="lilfox-pg-"))
        self.log = self.folder / "log"
        self._user = SUPERUSER if os.geteuid() == 0 else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Postgres:
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        try:
            if self._primary is None:
                self._run("initdb", "-D", str(self._data), "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
            else:
                source = ("-h", str(self._primary.folder), "-p", str(self._primary.port), "-U", SUPERUSER)
                self._run("pg_basebackup", "-D", str(self._data), "-R", "-c", "fast", "--no-sync", *source)
            with (self._data / "postgresql.conf").open("a") as config:
                config.write(CONFIG.format(port=self.port, folder=self.folder) + self._settings)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if (self._data / "postmaster.pid").exists():
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self.log), "-w", "start")

    def stop(self) -> None:
        """Ends it as a crash does."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def csv(self, sql: str, *, user: str = SUPERUSER, database: str = "postgres") -> list[list[str]]:
        """The rows that psql prints for ``sql``, which must succeed."""
        argv = [str(self._bin / "psql"), "-X", "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        argv += ["-p", str(self.port), "-U", user, "-d", database, "-c", sql]
        done = subprocess.run(
            argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return list(csv.reader(done.stdout.decode().splitlines()))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def query(self, sql: str) -> subprocess.CompletedProcess[bytes]:
        """Runs ``sql`` with psql, whatever comes of it."""
        argv = [
            str(self._bin / "psql"),
            "-X",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-d",
            "postgres",
            "-c",
            sql,
        ]
        return subprocess.run(
            argv, user=self._user, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps what it is given
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {(done.stderr or b'').decode(errors='replace')}"
