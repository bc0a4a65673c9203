"""A private PostgreSQL with a log on stderr; it runs as ``postgres`` where the tests are root. Nothing stays."""

from __future__ import annotations

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


class Postgres:
    """One server, of the newest version that is installed, with ``settings`` in its postgresql.conf. Use as a context
    manager."""

    def __init__(self, settings: str = "") -> None:
        self._settings = settings
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        assert versions, "PostgreSQL is not installed: tests/install_packages"
        self._bin = versions[-1]
        self.folder = Path(tempfile.mkdtemp(prefix="lilfox-pg-"))
        self.log = self.folder / "log"
        self._user = "postgres" if os.geteuid() == 0 else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Postgres:
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        try:
            self._run("initdb", "-D", str(self._data), "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
            with (self._data / "postgresql.conf").open("a") as config:
                config.write(CONFIG.format(port=self.port, folder=self.folder) + self._settings)
            self._run("pg_ctl", "-D", str(self._data), "-l", str(self.log), "-w", "start")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

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
