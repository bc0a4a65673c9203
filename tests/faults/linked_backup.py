"""A database and a folder on ``db``, a store on ``nas``, each over a wire of its own; and runs in which something
happens at a moment."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.jobs.model import Level
from tests.faults.relay import Relay
from tests.services.backup_lab import BackupLab
from tests.services.postgres import Postgres
from tests.services.sshd import SshdLab
from tests.unit.backup.noted_run import NotedRun

Act = Callable[[], object]
CANARY = "canary-of-links"
"""The password of the role."""


class Linked(BackupLab):
    """``wires`` by the host's name; the plan ``nightly`` goes into the store ``nas``, that of ``copied`` into a folder
    here and from there to ``nas``. Made by :func:`linked`."""

    def __init__(self, folder: Path, server: Postgres, ssh: SshdLab, wires: dict[str, Relay]) -> None:
        for [left] in server.csv("SELECT datname FROM pg_database WHERE datname LIKE '%linked%'"):
            server.csv(f'DROP DATABASE "{left}" (FORCE)')
        super().__init__(folder, server, database="linked")
        self.ssh, self.wires, self.far = ssh, wires, folder / "far"
        self.sql("ALTER ROLE lilfox PASSWORD 'canary-of-links'")
        self.sql(
            "CREATE TABLE words AS SELECT n AS id, md5(n::text) || md5((n * 3)::text) || md5((n * 5)::text)"
            " || md5((n * 7)::text) || md5((n * 11)::text) AS word FROM generate_series(1, 36000) n"
        )
        (self.uploads / "large.bin").write_bytes(os.urandom(9 * 1024 * 1024))
        (self.folder / "password").write_text(CANARY)
        (self.folder / "password").chmod(0o600)
        database = {
            "kind": "postgresql", "host": "db", "url": self.url, "password": f"file:{self.folder}/password",
        }  # fmt: skip
        uploads = {"kind": "files", "host": "db", "path": str(self.uploads)}
        both: dict[str, Any] = {"database": database, "uploads": uploads}
        plans = {
            "nightly": {"sources": both, "store": "nas"},
            "files": {"sources": {"uploads": uploads}, "store": "nas"},
            "copied": {"sources": {"uploads": uploads}, "store": "here", "copies": ["nas"]},
        }
        hosts = {
            name: {"address": wire.address, "port": wire.port, "user": "root", "identity": str(ssh.client_key)}
            for name, wire in wires.items()
        }
        client = {
            "config_files": [], "known_hosts": [str(ssh.known_hosts)], "connect_timeout": "3s", "keepalive": "1s",
            "keepalive_max": 2, "retry_max": "1s",
        }  # fmt: skip
        self.planned(plans, {"nas": {"kind": "sftp", "host": "nas", "path": str(self.far)}}, hosts=hosts, ssh=client)

    def request(self, plan: str, **changes: Any) -> dict[str, Any]:
        """What an effect is given."""
        return as_document(BackupRequest(config=str(self.config), plan=plan, **changes))

    def kill(self, name: str) -> None:
        """SIGKILL to the processes of sshd that serve the host's connections, and to no other."""
        server = self.ssh.servers[list(self.wires).index(name)]
        for pid in server.tree()[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def digest(self, database: str = "linked") -> str:
        """Of what is in the database."""
        return str(self.sql(
            "SELECT md5(string_agg(w::text, '' ORDER BY id)), (SELECT count(*) FROM users) FROM words w", database
        ))  # fmt: skip

    def databases(self) -> list[str]:
        """Of this test."""
        rows = self.sql("SELECT datname FROM pg_database WHERE datname LIKE '%linked%' ORDER BY 1")
        return [row[0] for row in rows]

    def left_on_host(self) -> list[str]:
        """Programs, sessions and files of a backup or a restore that are still on ``db``."""
        assert self.server is not None
        found = [
            words
            for process in Path("/proc").glob("[0-9]*")
            if (words := _words(process)) and any(own in words for own in (str(self.server.port), str(self.uploads)))
            and any(program in words for program in ("pg_dump", "pg_restore", "psql", "tar "))
        ]  # fmt: skip
        found += [str(row) for row in self.sql(
            "SELECT application_name, state, query FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND datname LIKE '%linked%' AND pid <> pg_backend_pid()"
        )]  # fmt: skip
        for file in Path("/tmp").glob("lilfox-pass-*/pgpass"):
            with suppress(OSError):
                found += [str(file)] if CANARY in file.read_text() else []
        found += [str(path) for path in self.uploads.parent.glob(".*lilfox_*")]
        return found

    def modes(self) -> set[int]:
        """Of the files in the store."""
        return {stat.S_IMODE(path.stat().st_mode) for path in self.far.iterdir()}


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@asynccontextmanager
async def linked(folder: Path, server: Postgres, ssh: SshdLab) -> AsyncIterator[Linked]:
    """The lab, its wires whole; ``ssh`` has a server for each."""
    async with AsyncExitStack() as stack:
        wires = {}
        for name, each in zip(("db", "nas"), ssh.servers, strict=True):
            wires[name] = await stack.enter_async_context(Relay(each))
            with ssh.known_hosts.open("a") as known:
                known.write(wires[name].known_line())
        yield await asyncio.to_thread(Linked, folder, server, ssh, wires)


class Watched(NotedRun):
    """A run that calls ``act`` once, as soon as ``at`` is true of what it hears (kind of word, text, bytes), and
    ``when_told`` each time that it says that it tries again."""

    def __init__(self, at: Callable[[str, str, int], bool], act: Act, when_told: Act = lambda: None) -> None:
        super().__init__()
        self.acted = False
        self._at, self._act, self._when_told = at, act, when_told

    def _hear(self, kind: str, text: str, size: int = 0) -> None:
        if not self.acted and self._at(kind, text, size):
            self.acted = True
            self._act()

    def intent(self, text: str, *, sync: bool = True) -> None:
        """See ``Run.intent``."""
        super().intent(text, sync=sync)
        self._hear("intent", text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """See ``Run.done``."""
        super().done(text, worked=worked, sync=sync)
        self._hear("done", text)

    def say(self, text: str, level: Level = "note") -> None:
        """See ``Run.say``."""
        super().say(text, level)
        self._hear("say", text)
        if "retrying in" in text:
            self._when_told()

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """See ``Run.moved``."""
        self._hear("moved", part, done_bytes)

    @property
    def tries(self) -> list[str]:
        """What was told of new tries."""
        return [text for text in self.told("warning") if "retrying in" in text]
