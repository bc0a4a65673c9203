"""Sets of one source of kind postgresql with their raw bytes in memory: what a store gives back, without the store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from lilfox_tui.backup.checks import Check, hint_text
from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.plan import RestoreSpec
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, ManifestPart, PartKind, Status, detail_json
from lilfox_tui.backup.source import RestoreTarget, RestoreTask
from lilfox_tui.backup.sources import postgresql
from lilfox_tui.hosts.base import Host
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import local

SET = "shop_20231230_020000"
_KINDS: dict[str, PartKind] = {".dump": "postgresql-custom", ".sql": "postgresql-plain"}
_BLOCK = 64 * 1024


class DatabaseSet:
    """A set: part → bytes, and what the manifest says of it. ``told=False``: as the manual's scripts leave it."""

    def __init__(self, raw: Mapping[str, bytes], details: Mapping[str, dict[str, Any]], *, told: bool = True) -> None:
        self.raw, self.details = dict(raw), dict(details)
        parts = tuple(self._found(name, told=told) for name in self.raw)
        self.found = BackupSet(id=SET, created=datetime.now(UTC), status=Status.INTACT, parts=parts, old=not told)

    def _found(self, name: str, *, told: bool) -> FoundPart:
        raw = self.raw[name]
        kind: PartKind = (
            "postgresql-globals" if name.startswith("globals") else _KINDS[name[name.rindex(".") :]]
        )  # fmt: skip
        digest = hashlib.sha256(raw).hexdigest()
        said = ManifestPart(
            name=name, source="database", source_kind="postgresql", kind=kind, size_bytes=len(raw), sha256=digest,
            raw_bytes=len(raw), raw_sha256=digest,
            detail_json=detail_json(self.details.get(name, {})),
        )  # fmt: skip
        return FoundPart(
            name=name, source="database", source_kind="postgresql", kind=kind, size_bytes=len(raw),
            said=said if told else None,
        )  # fmt: skip

    async def blocks(self, part: FoundPart) -> AsyncGenerator[bytes, None]:
        """Raw bytes of a part."""
        raw = self.raw[part.name]
        for at in range(0, len(raw), _BLOCK):
            yield raw[at : at + _BLOCK]

    def task(self, *, place: str = "", scratch: bool = False, jobs: int = 2, **fields: Any) -> RestoreTask:
        """The whole set; ``fields`` are the spec's own. What its dump executes is allowed unless they say other."""
        places = {"database": place} if place else {}
        spec = RestoreSpec(places=places, **{"run_code": True, **fields})
        return RestoreTask(source="database", set=self.found, blocks=self.blocks, spec=spec, scratch=scratch, jobs=jobs)

    def saying(self, **detail: Any) -> DatabaseSet:
        """The same bytes, of which the manifest says something else."""
        return DatabaseSet(self.raw, {name: {**said, **detail} for name, said in self.details.items()})

    def with_bytes(self, raw: bytes, *, told: bool = True) -> DatabaseSet:
        """Other bytes in the part that holds the database."""
        [name] = [name for name in self.raw if not name.startswith("globals")]
        return DatabaseSet({name: raw}, self.details, told=told)

    @property
    def bytes_of_database(self) -> bytes:
        """Of the one part that holds a database."""
        [raw] = [raw for name, raw in self.raw.items() if not name.startswith("globals")]
        return raw


def options_for(server: Postgres, database: str = "shop", *, user: str = SUPERUSER, **more: Any) -> PostgresqlOptions:
    """A source that is ``database``, through the server's socket."""
    url = f"postgresql://{user}@/{quote(database, safe='')}?host={quote(str(server.folder))}&port={server.port}"
    return msgspec.convert({"url": url, **more}, PostgresqlOptions)


async def dumped(
    options: PostgresqlOptions, *, host: Host | None = None, manual: bool = False, told: bool = True
) -> DatabaseSet:
    """A set made by the source itself."""
    into = KeptParts(manual=manual)
    await postgresql.open_source("database", options, host or local()).dump(into)
    raw = {name: data for name, data in into.raw.items() if told or not name.startswith("globals")}
    return DatabaseSet(raw, into.details, told=told)


def target(options: PostgresqlOptions, task: RestoreTask, host: Host | None = None) -> RestoreTarget:
    """Where the set goes."""
    made: RestoreTarget = postgresql.open_target(options, host or local(), task)
    return made


async def restored(options: PostgresqlOptions, task: RestoreTask) -> RestoreTarget:
    """Restores wholly, every check asked; the target has swapped (in a drill: compared, and taken away again)."""
    into = target(options, task)
    assert bad(await into.checks()) == []
    try:
        await into.stage(lambda _done: None)
        assert (await into.compare()).differences == ()
        if not task.scratch:
            await into.swap()
    finally:
        await into.discard()
    return into


def bad(checks: list[Check], state: str = "bad") -> list[str]:
    """What the checks of that state say, each with what to do."""
    return [f"{check.about}: {check.found} ({hint_text(check)})" for check in checks if check.state == state]


def databases(server: Postgres) -> list[str]:
    """The names of all databases but the server's own."""
    rows = server.csv(
        "SELECT encode(convert_to(datname, 'UTF8'), 'hex') FROM pg_database "
        "WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY datname"
    )
    return [bytes.fromhex(row[0]).decode() for row in rows]


def without_others(server: Postgres) -> None:
    """Drops all databases but the server's own."""
    for name in databases(server):
        quoted = name.replace('"', '""')
        server.csv(f'ALTER DATABASE "{quoted}" IS_TEMPLATE false')
        server.csv(f'DROP DATABASE "{quoted}" (FORCE)')
