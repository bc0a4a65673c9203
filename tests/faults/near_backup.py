"""A database, a folder and the store on one host, ``near``, over one wire: what is dumped stays there."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from lilfox_tui.backup.plan import BackupRequest, as_document
from tests.faults.relay import Relay
from tests.services.backup_lab import BackupLab
from tests.services.postgres import Postgres
from tests.services.sshd import Sshd, SshdLab

CANARY = "canary-of-near"
_SLOW = """#!/bin/sh
{{ head -c 12000000; until [ -e '{gate}' ]; do sleep 0.05; done; cat; }} | exec {real} "$@"
"""


class Near(BackupLab):
    """``gate``: while it is not there, compression on the host stops after 12 MB. Plans ``files`` and ``database`` of
    that source each, and ``both``, into the store ``near``. Made by :func:`near`."""

    def __init__(self, folder: Path, postgres: Postgres, ssh: SshdLab, sshd: Sshd, wire: Relay) -> None:
        for [left] in postgres.csv("SELECT datname FROM pg_database WHERE datname LIKE '%near%'"):
            postgres.csv(f'DROP DATABASE "{left}" (FORCE)')
        super().__init__(folder, postgres, database="near")
        self.ssh, self.sshd, self.wire, self.far = ssh, sshd, wire, folder / "far"
        self.sql(f"ALTER ROLE lilfox PASSWORD '{CANARY}'")
        self.sql(
            "CREATE TABLE words AS SELECT n AS id, md5(n::text) || md5((n * 3)::text) || md5((n * 5)::text)"
            " || md5((n * 7)::text) || md5((n * 11)::text) AS word FROM generate_series(1, 110000) n"
        )
        self.gate, self._bin = folder / "gate", folder / "bin"
        self.gate.touch()
        self._bin.mkdir()
        for program in ("zstd", "gzip"):
            (self._bin / program).write_text(_SLOW.format(gate=self.gate, real=shutil.which(program)))
            (self._bin / program).chmod(0o755)
        (sshd.folder / ".bashrc").write_text(f"PATH={self._bin}:$PATH\n")
        (self.uploads / "large.bin").write_bytes(os.urandom(16 * 1024 * 1024))
        password = folder / "password"
        password.write_text(CANARY)
        password.chmod(0o600)
        database = {"kind": "postgresql", "host": "near", "url": self.url, "password": f"file:{password}"}
        uploads = {"kind": "files", "host": "near", "path": str(self.uploads)}
        plans: dict[str, Any] = {
            "files": {"sources": {"uploads": uploads}, "store": "near"},
            "database": {"sources": {"database": database}, "store": "near"},
            "both": {"sources": {"database": database, "uploads": uploads}, "store": "near"},
        }
        host = {"address": wire.address, "port": wire.port, "user": "root", "identity": str(ssh.client_key)}
        client = {
            "config_files": [], "known_hosts": [str(ssh.known_hosts)], "connect_timeout": "3s", "keepalive": "1s",
            "keepalive_max": 2, "retry_max": "1s",
        }  # fmt: skip
        store = {"kind": "sftp", "host": "near", "path": str(self.far)}
        self.planned(plans, {"near": store}, hosts={"near": host}, ssh=client)

    def change(self, plan: str, **changes: Any) -> None:
        """Changes keys of a plan."""
        document = yaml.safe_load(self.config.read_text())
        backup = document.pop("backup")
        backup["plans"][plan] |= changes
        self.planned(backup["plans"], backup["stores"], **document)

    def request(self, plan: str, **changes: Any) -> dict[str, Any]:
        """What an effect is given."""
        return as_document(BackupRequest(config=str(self.config), plan=plan, **changes))

    def without(self, program: str) -> None:
        """The host has it no more."""
        others = [each for each in Path("/usr/bin").iterdir() if each.name not in (program, "zstd", "gzip")]
        for each in others:
            (self._bin / each.name).symlink_to(each)
        (self.sshd.folder / ".bashrc").write_text(f"PATH={self._bin}\n")

    def kill_link(self) -> None:
        """SIGKILL to the processes of sshd that serve the connections."""
        for pid in self.sshd.tree()[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def jobs(self) -> Path:
        """Where detached commands are on that host."""
        return self.sshd.folder / ".cache/lilfox/jobs"

    def running(self) -> list[int]:
        """Pids of detached commands that are known there and run."""
        found = []
        for record in self.jobs.glob("*/pid"):
            with suppress(OSError):
                word = record.read_text().split()[1]
                if Path(f"/proc/{word}").exists() and not (record.parent / "status").exists():
                    found.append(int(word))
        return found

    def end_all(self) -> None:
        """Ends what may still run there."""
        for record in self.jobs.glob("*/pid"):
            with suppress(OSError):
                for word in record.read_text().split()[1:4:2]:
                    with suppress(ProcessLookupError, ValueError):
                        os.killpg(int(word), signal.SIGKILL)


@asynccontextmanager
async def near(folder: Path, postgres: Postgres, ssh: SshdLab, sshd: Sshd) -> AsyncIterator[Near]:
    """The lab, its wire whole."""
    async with Relay(sshd) as wire:
        with ssh.known_hosts.open("a") as known:
            known.write(wire.known_line())
        made = await asyncio.to_thread(Near, folder, postgres, ssh, sshd, wire)
        try:
            yield made
        finally:
            made.end_all()
            (sshd.folder / ".bashrc").unlink()
