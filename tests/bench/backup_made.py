"""What is backed up and restored: a database of mixed text and incompressible rows, a folder of uploads, a store with
many sets; the same each time."""

from __future__ import annotations

import base64
import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lilfox_tui.backup.sets.model import Manifest, Proof, encoded
from lilfox_tui.backup.sets.names import MANIFEST, manifest_name, proof_name
from tests.services.postgres import Postgres

MB = 1_000_000
OWNER = "lilfox"
DATABASE = "lilfox"
_SEED = 20231230
_WORDS = 4000
_SCHEMA = """
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE,
    created timestamptz NOT NULL);
CREATE TABLE messages (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, sent timestamptz NOT NULL,
    body text NOT NULL);
CREATE TABLE comments (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, body text NOT NULL);
CREATE TABLE tokens (id bigint PRIMARY KEY, user_id bigint NOT NULL, token text NOT NULL);
CREATE TABLE attachments (id bigint PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE beats (at timestamptz NOT NULL);
CREATE INDEX ON messages (user_id, sent);
CREATE INDEX ON comments (user_id);
"""
_MESSAGE_WORDS, _COMMENT_WORDS, _TOKEN_BYTES, _ATTACHMENT_BYTES = 36, 24, 180, 6000
_FILE_BYTES = 180_000
"""Of an upload on average: pictures, some documents."""


def make_database(server: Postgres, size_bytes: int) -> None:
    """``lilfox``, owned by ``lilfox``, about that large on the server's disk with its indexes."""
    server.csv(f"CREATE ROLE {OWNER} LOGIN CREATEDB")
    empty_database(server)
    _psql(server, _SCHEMA.encode())
    chance = random.Random(_SEED)
    users = size_bytes // 8000
    _copy(server, "users", (f"{n}\tuser {n}\tuser{n}@example.com\t{_time(n)}" for n in range(users)))
    words = ["".join(chance.choices("aeinorstlkmdu", k=chance.randint(2, 11))) for _ in range(_WORDS)]
    shares = {"messages": 0.33, "comments": 0.22, "tokens": 0.2, "attachments": 0.15}
    for table, share in shares.items():
        _copy(server, table, _rows(table, round(size_bytes * share), users, words, chance))
    server.csv("VACUUM ANALYZE", database=DATABASE)


def empty_database(server: Postgres) -> None:
    """``lilfox`` with nothing in it, whatever was there."""
    drop_databases(server)
    server.csv(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")


def drop_databases(server: Postgres) -> None:
    """Removes ``lilfox`` and what restores kept of it."""
    for [name] in server.csv(f"SELECT datname FROM pg_database WHERE datname ~ '^{DATABASE}'"):
        server.csv(f'DROP DATABASE "{name}" (FORCE)')


def make_uploads(folder: Path, size_bytes: int) -> None:
    """Files in sub-folders; three quarters of the bytes are incompressible, as pictures are."""
    chance = random.Random(_SEED)
    text = " ".join("".join(chance.choices("aeinorstlkmdu", k=7)) for _ in range(60_000)).encode()
    made = number = 0
    while made < size_bytes:
        path = folder / f"{number % 40:02d}" / f"upload-{number:05d}.{'txt' if number % 4 == 0 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = min(round(chance.expovariate(1 / _FILE_BYTES)), size_bytes - made) + 1
        begin = chance.randrange(len(text))
        path.write_bytes(
            (text[begin:] + text * (size // len(text) + 1))[:size] if number % 4 == 0 else chance.randbytes(size)
        )
        made += size
        number += 1


def make_sets(store: Path, count: int) -> None:
    """``count`` sets, an hour apart, in a store that has one: its manifest with other dates, parts of the same sizes
    that hold nothing (one in three has no proof)."""
    [manifest_path] = store.glob(f"*{MANIFEST}")
    manifest = msgspec.json.decode(manifest_path.read_bytes(), type=Manifest)
    proof = msgspec.json.decode((store / proof_name(manifest.id)).read_bytes(), type=Proof)
    stamp = manifest.id.removeprefix(f"{manifest.plan}_")
    for number in range(1, count):
        created = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        mine = created.strftime("%Y%m%d_%H%M%S")
        name = manifest.id.replace(stamp, mine)
        parts = tuple(replace(part, name=part.name.replace(stamp, mine)) for part in manifest.parts)
        for part in parts:
            with (store / part.name).open("wb") as file:
                file.truncate(part.size_bytes)
        sources = {
            source: tuple(part.replace(stamp, mine) for part in names) for source, names in manifest.sources.items()
        }
        made = replace(manifest, id=name, created=created, offset_s=0, parts=parts, sources=sources)
        (store / manifest_name(name)).write_bytes(encoded(made))
        if number % 3:
            digests = {part.name: part.sha256 for part in parts}
            (store / proof_name(name)).write_bytes(encoded(replace(proof, set=name, sha256=digests)))


def _rows(table: str, size_bytes: int, users: int, words: list[str], chance: random.Random) -> Iterator[str]:
    made = number = 0
    while made < size_bytes:
        user = chance.randrange(users)
        if table == "messages":
            row = f"{number}\t{user}\t{_time(number)}\t{' '.join(chance.choices(words, k=_MESSAGE_WORDS))}"
        elif table == "comments":
            row = f"{number}\t{user}\t{' '.join(chance.choices(words, k=_COMMENT_WORDS))}"
        elif table == "tokens":
            row = f"{number}\t{user}\t{base64.b64encode(chance.randbytes(_TOKEN_BYTES)).decode()}"
        else:
            row = f"{number}\t\\\\x{chance.randbytes(_ATTACHMENT_BYTES).hex()}"
        yield row
        made += (len(row) if table != "attachments" else _ATTACHMENT_BYTES) + 40
        number += 1


def _time(number: int) -> str:
    return (datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat()


def _copy(server: Postgres, table: str, rows: Iterator[str]) -> None:
    argv = [*_command(server), "-c", f"COPY {table} FROM STDIN"]
    with subprocess.Popen(argv, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as psql:
        assert psql.stdin is not None
        for row in rows:
            psql.stdin.write(row.encode() + b"\n")
        psql.stdin.close()
        assert psql.wait() == 0, table


def _psql(server: Postgres, sql: bytes) -> None:
    subprocess.run(_command(server), cwd="/", input=sql, stdout=subprocess.DEVNULL, check=True)


def _command(server: Postgres) -> list[str]:
    words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(server.folder), "-p", str(server.port)]
    return [str(server._bin / "psql"), *words, "-U", OWNER, "-d", DATABASE]
