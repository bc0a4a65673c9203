"""A database, a folder and stores of one test, and the real ``lilfox`` on them as a person would call it."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from lilfox_tui.backup.sets.model import Manifest
from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import Done, lilfox
from tests.services.postgres import Postgres
from tests.waiting import PATIENCE_S

ROWS = 500
TABLES = f"""
CREATE TABLE users AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, {ROWS}) n;
ALTER TABLE users ADD PRIMARY KEY (id);
"""


class BackupLab:
    """``server`` None: without a database. ``folder`` is empty at first."""

    def __init__(self, folder: Path, server: Postgres | None = None, database: str = "lilfox") -> None:
        self.folder = folder
        self.server = server
        self.database = database
        self.password = f"canary-{secrets.token_hex(8)}"
        """Of the role ``lilfox``; of this lab alone: other tests run beside this one, with their words and files."""
        self.uploads, self.store, self.config = folder / "uploads", folder / "store", folder / "config.yaml"
        (self.uploads / "sub").mkdir(parents=True)
        (self.uploads / "a.txt").write_text("fox\n")
        (self.uploads / "sub" / "b.bin").write_bytes(os.urandom(50_000))
        if server is not None:
            for [name] in server.csv("SELECT datname FROM pg_database WHERE datname LIKE '%lilfox%'"):
                server.csv(f'DROP DATABASE "{name}" (FORCE)')  # what a restore of another test has kept, too
            server.csv("DROP ROLE IF EXISTS lilfox")
            server.csv(f"CREATE ROLE lilfox SUPERUSER LOGIN PASSWORD '{self.password}'")
            server.csv(f'CREATE DATABASE "{database}" OWNER lilfox')
            server.csv(TABLES, database=database, user="lilfox")

    @property
    def url(self) -> str:
        """Of the database, as the role ``lilfox``."""
        assert self.server is not None
        return f"postgresql://lilfox@127.0.0.1:{self.server.port}/{self.database}"

    @property
    def words(self) -> tuple[str, ...]:
        """All that can be backed up."""
        database = ("--database", self.url) if self.server is not None else ()
        return (*database, "--files", str(self.uploads))

    @property
    def where(self) -> tuple[str, ...]:
        """The store."""
        return "--store", str(self.store)

    def lilfox(self, *words: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = PATIENCE_S) -> Done:
        """Runs it to its end; ``env`` comes on top of the test's own."""
        return lilfox(*words, env=env, timeout_s=timeout_s)

    def run(self, *words: str | Path, code: int = 0, env: Mapping[str, str] | None = None) -> Done:
        """``lilfox backup run`` of everything into the store, or with ``words`` of a plan; it ends with ``code``."""
        done = self.lilfox("backup", "run", *(words or (*self.words, *self.where)), env=env)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def planned(self, plans: Mapping[str, Any], stores: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Writes the configuration that every call below then reads."""
        local = {"here": {"kind": "local", "path": str(self.store)}}
        document = {**more, "backup": {"stores": {**local, **(stores or {})}, "plans": dict(plans)}}
        self.config.write_text(yaml.safe_dump(document))
        self.config.chmod(0o600)
        place = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox" / "config.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.config.read_text())
        place.chmod(0o600)

    def plan(self, **changes: Any) -> dict[str, Any]:
        """A plan of everything, into the store ``here``."""
        sources: dict[str, Any] = {"uploads": {"kind": "files", "path": str(self.uploads)}}
        if self.server is not None:
            sources["database"] = {"kind": "postgresql", "url": self.url}
        return {"sources": sources, "store": "here", **changes}

    def sets(self, *where: str | Path, code: int | None = None) -> list[dict[str, Any]]:
        """``lilfox backup list --json``, held against its schema."""
        done = self.lilfox("backup", "list", *(where or self.where), "--json")
        assert code is None or done.returncode == code, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        jsonschema.validate(found, schema("backup-list"))
        return found

    def status(self) -> dict[str, str]:
        """Set → status."""
        return {found["id"]: found["status"] for found in self.sets()}

    def manifests(self, store: Path | None = None) -> list[Manifest]:
        """Of all sets, oldest first."""
        files = sorted((store or self.store).glob("*.manifest.json"))
        return [msgspec.json.decode(file.read_bytes(), type=Manifest) for file in files]

    def left(self, store: Path | None = None) -> list[str]:
        """What lies in the store and is of no set that has a manifest."""
        place = store or self.store
        named = {part.name for manifest in self.manifests(place) for part in manifest.parts}
        files = [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
        own = (".manifest.json", ".proof.json")
        return sorted(name for name in files if name not in named and not name.endswith(own) and name[0] != ".")

    def rows(self, database: str | None = None) -> int:
        """Of the table ``users``."""
        assert self.server is not None
        return int(self.server.csv("SELECT count(*) FROM users", database=database or self.database)[0][0])

    def sql(self, text: str, database: str | None = None) -> Sequence[Sequence[str]]:
        """Runs it in the database."""
        assert self.server is not None
        return self.server.csv(text, database=database or self.database)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server for one file of tests."""
    with Postgres() as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path, server: Postgres) -> BackupLab:
    """A database, a folder and stores of one test."""
    return BackupLab(tmp_path, server)


@pytest.fixture
def files(tmp_path: Path) -> BackupLab:
    """A folder and stores of one test; no database, which is quicker."""
    return BackupLab(tmp_path)
