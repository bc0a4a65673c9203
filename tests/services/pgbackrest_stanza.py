"""A PostgreSQL server that archives into a pgBackRest repository of its own, for tests and measurements."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.services.postgres import SUPERUSER, Postgres
from tests.waiting import wait_for

ACCOUNT = ["runuser", "-u", SUPERUSER, "--"] if os.geteuid() == 0 else []
_CONFIG = """
[global]
repo1-path={0}/repo
lock-path={0}/lock
log-path={0}/log
spool-path={0}/spool
log-level-file=off
start-fast=y
compress-type=zst
{3}
[{2}]
pg1-path={0}/data
pg1-port={1}
pg1-socket-path={0}
"""
_ARCHIVING = """
archive_mode = on
archive_command = 'pgbackrest --config={0}/pgbackrest.conf --stanza={1} archive-push %p'
"""


class Stanza:
    """The stanza ``name`` of a server that is not started yet. ``options`` are more of pgbackrest, ``settings`` more of
    the server."""

    def __init__(self, server: Postgres, name: str, options: Mapping[str, int], settings: str = "") -> None:
        self.server, self.name, self.folder = server, name, server.folder
        self.config = server.folder / "pgbackrest.conf"
        more = "\n".join(f"{key}={value}" for key, value in options.items())
        self.config.write_text(_CONFIG.format(server.folder, server.port, name, more))
        server._settings = settings + _ARCHIVING.format(server.folder, name)

    def argv(self, *words: str) -> list[str]:
        """A command of pgbackrest itself."""
        return [*ACCOUNT, "pgbackrest", f"--config={self.config}", f"--stanza={self.name}", *words]

    def pgbackrest(self, *words: str) -> str:
        """What pgbackrest itself prints; it must succeed."""
        done = subprocess.run(self.argv(*words), cwd="/", capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def now(self) -> str:
        """The server's time."""
        return self.server.csv("SELECT clock_timestamp() AT TIME ZONE 'UTC'")[0][0] + "+00:00"

    def archive(self) -> str:
        """Closes the current WAL segment and waits until it is archived; its name."""
        [[name]] = self.server.csv("SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.server.csv("SELECT pg_switch_wal()")
        archived = "SELECT last_archived_wal >= '{}' FROM pg_stat_archiver"
        wait_for(lambda: self.server.csv(archived.format(name)) == [["t"]], what=f"{name} is archived")
        return name

    def segment(self, name: str) -> Path:
        """The file of a WAL segment in the repository."""
        (file,) = (self.folder / f"repo/archive/{self.name}").glob(f"*/*/{name}-*")
        return file
