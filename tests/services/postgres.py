"""A private PostgreSQL with a log on stderr; it runs as ``postgres`` where the tests are root. Nothing stays."""

from __future__ import annotations

import atexit
import contextlib
import csv
import functools
import getpass
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

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
_TRIES = 8
_PREFIX = "lilfox-pg-"
SUPERUSER = "postgres" if os.geteuid() == 0 else getpass.getuser()
"""The role that initdb makes; the server trusts everybody who says to be it."""
_ACCOUNT: Any = {"user": SUPERUSER, "group": SUPERUSER, "extra_groups": []} if os.geteuid() == 0 else {}
"""Of programs that refuse to run as root."""


class Postgres:
    """One server, of the newest version that is installed unless one is given, with ``settings`` in its
    postgresql.conf; ``standby_of`` another it is its streaming standby. Use as a context manager."""

    def __init__(self, settings: str = "", *, version: int | None = None, standby_of: Postgres | None = None) -> None:
        self._settings = settings
        self._primary = standby_of
        versions = {int(path.parent.name): path for path in Path("/usr/lib/postgresql").glob("*/bin")}
        assert versions, "PostgreSQL is not installed: tests/install_packages"
        self._bin = versions[version or max(versions)]
        self.folder = _folder()
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Postgres:
        try:
            if self._primary is None:
                self._copy()
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
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ending_with_us(str(self._bin / "postgres"), "-D", str(self._data), by="QUIT"),
                **_ACCOUNT, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self._is_ready, timeout_s=_SECONDS, what="PostgreSQL is ready")

    def stop(self) -> None:
        """Ends it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_SECONDS)
            self._process = None

    def reload(self) -> None:
        """It reads its files anew; whoever connects from now on finds them read."""
        assert self._process is not None
        before = self.log.read_bytes().count(b"received SIGHUP")
        self._process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.read_bytes().count(b"received SIGHUP") > before, what="PostgreSQL reads its files")

    def csv(self, sql: str, *, user: str = SUPERUSER, database: str = "postgres") -> list[list[str]]:
        """The rows that psql prints for ``sql``, which must succeed. What wants a database for itself is tried again
        while somebody leaves it: on a busy machine that takes longer than the 5 s for which the server waits."""
        argv = [str(self._bin / "psql"), "-X", "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        argv += ["-p", str(self.port), "-U", user, "-d", database, "-c", sql]
        for tries_left in reversed(range(_TRIES)):
            done = subprocess.run(
                argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
            )
            if done.returncode == 0 or not tries_left or b"is being accessed by other users" not in done.stderr:
                break
        assert done.returncode == 0, done.stderr.decode(errors="replace") + self._sessions()
        return list(csv.reader(done.stdout.decode().splitlines()))

    def _sessions(self) -> str:
        """Who is connected, for people who look why a test failed."""
        sql = "SELECT pid, datname, backend_type, state, query FROM pg_stat_activity WHERE datname IS NOT NULL"
        return self.query(sql).stdout.decode(errors="replace")

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
            argv, **_ACCOUNT, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )

    def _run(self, program: str, *arguments: str) -> None:
        _run(str(self._bin / program), *arguments)

    @property
    def pid(self) -> int:
        """Of the server's parent process."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def _is_ready(self) -> bool:
        """As pg_ctl sees it: by the line of postmaster.pid that tells the state."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(errors="replace")
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() in ("ready", "standby")
        return False

    def _copy(self) -> None:
        """A cluster of its own, which initdb takes three times as long to make. Its identifier is its own too, as if
        initdb had made it: it stands at the beginning of pg_control, and pg_resetwal carries it into all else."""
        _run("cp", "--archive", "--reflink=auto", str(_made_by_initdb(self._bin)), str(self._data))
        with (self._data / "global/pg_control").open("r+b") as control:
            control.write(secrets.randbits(62).to_bytes(8, sys.byteorder))
        _run(str(self._bin / "pg_resetwal"), "--force", "--pgdata", str(self._data))


@functools.cache
def _made_by_initdb(programs: Path) -> Path:
    """A cluster of that version that is never started. It goes with this process."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = ("-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
    _run(str(programs / "initdb"), "-D", str(folder / "data"), *words)
    return folder / "data"


def _folder() -> Path:
    """A new folder that is the server's; those of runs that were killed are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        if not Path("/proc", old.name.removeprefix(_PREFIX).split("-")[0]).exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    if os.geteuid() == 0:
        shutil.chown(folder, SUPERUSER, SUPERUSER)
    return folder


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, **_ACCOUNT, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, f"{argv[0]}: {done.stderr.decode(errors='replace')}"
