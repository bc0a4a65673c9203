"""Plain dumps that are cut, strange or made to harm: FAULTS section 1, rows 27, 27b, 28, 30, 34, 35, and S9."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.postgresql.connect import ClientPrograms
from lilfox_tui.backup.postgresql.plain import PlainDump, PlainReader, read_plain, safe_script
from lilfox_tui.backup.sets.model import ManifestPart, PartKind, detail_json
from lilfox_tui.backup.sources.postgresql import judge_part
from lilfox_tui.backup.store import BrokenSet
from tests.faults.test_dump_content_faults import EVERYTHING
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, program, source

BLOCK = 64 * 1024


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        fresh(running, EVERYTHING)
        yield running


@pytest.fixture(scope="module")
def dump(server: Postgres) -> bytes:
    """As the manual's script has pg_dump write it."""
    return program(server, "pg_dump", "-d", "lilfox").stdout


async def blocks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), BLOCK):
        yield data[at : at + BLOCK]


def said(kind: PartKind, detail: dict[str, Any]) -> ManifestPart:
    """A line of a manifest with that detail."""
    none = "0" * 64
    return ManifestPart(
        name="x", source="db", source_kind="postgresql", kind=kind, size_bytes=1, sha256=none, raw_bytes=1,
        raw_sha256=none, detail_json=detail_json(detail),
    )  # fmt: skip


async def reason(data: bytes, *, cluster: bool = False) -> str:
    with pytest.raises(BrokenSet) as caught:
        await read_plain(blocks(data), cluster=cluster)
    return str(caught.value)


async def test_a_good_dump_is_whole_and_its_rows_are_counted(dump: bytes) -> None:
    found = await read_plain(blocks(dump))
    assert found.tables["public.users"] == 500
    assert found.tables['"Some Schema"."we""ird\nname"'] == 3
    assert found.sequences["public.numbers"].last == 5
    assert found.large_objects == 2
    assert found.dumped_by.startswith(str(found.server_version_num)[:2])


async def test_27_28_a_dump_that_is_cut_anywhere_is_never_whole(dump: bytes) -> None:
    end = dump.index(b"-- PostgreSQL database dump complete") + len(b"-- PostgreSQL database dump complete")
    boundaries = [at + 2 for at in range(0, end, 1) if dump[at : at + 2] == b";\n"]
    for cut in (*boundaries[::7], *range(1, end, 997)):
        assert await reason(dump[:cut])
    copied = dump.rindex(b"\n\\.\n") + 4
    assert "it is truncated: the line" in await reason(dump[:copied])


async def test_27b_what_follows_the_end_is_refused(dump: bytes) -> None:
    assert "there is a statement after its end: SELECT 1/0;" in await reason(dump + b"SELECT 1/0;\n")
    assert "there is a statement after its end" in await reason(dump + dump)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"<html><body>502 Bad Gateway</body></html>\n", "it begins with <html>"),
        (b"SELECT 1;\n", "it is not a pg_dump script"),
        (b"PGDMP\x01\x0f\x00", "custom format"),
        (b"--\n-- PostgreSQL database dump\n--\n\n", "it is truncated"),
    ],
)
async def test_30_what_is_no_dump_is_named(data: bytes, why: str) -> None:
    assert why in await reason(data)


async def test_30_the_dump_of_another_database_is_told_by_its_manifest(server: Postgres) -> None:
    into = KeptParts()
    await source(server, globals=False).dump(into)
    fresh(server, name="other")
    part = said("postgresql-custom", into.details["lilfox.dump"])
    assert await judge_part("postgresql-custom", part, blocks(into.raw["lilfox.dump"])) == part.detail
    other = program(server, "pg_dump", "-Fc", "-d", "other").stdout
    with pytest.raises(BrokenSet, match="it is a dump of database other; its manifest says lilfox"):
        await judge_part("postgresql-custom", part, blocks(other))
    created = program(server, "pg_dump", "-C", "-d", "other").stdout
    with pytest.raises(BrokenSet, match="it is a dump of database other"):
        await judge_part("postgresql-plain", part, blocks(created))


async def test_26_rows_that_are_missing_in_a_plain_dump_are_counted(server: Postgres) -> None:
    into = KeptParts(manual=True)
    await source(server, globals=False).dump(into)
    raw = into.raw["lilfox.sql"]
    part = said("postgresql-plain", into.details["lilfox.sql"])
    await judge_part("postgresql-plain", part, blocks(raw))
    at = raw.index(b"COPY public.users ")
    first = raw.index(b"\n", at) + 1
    fewer = raw[:first] + raw[raw.index(b"\n", first) + 1 :]
    with pytest.raises(BrokenSet, match=r"public\.users has 499 rows in the dump, but 500 were counted"):
        await judge_part("postgresql-plain", part, blocks(fewer))


async def test_31_an_archive_without_a_manifest_is_decoded(server: Postgres) -> None:
    raw = program(server, "pg_dump", "-Fc", "-Z0", "-d", "lilfox").stdout
    detail = await judge_part("postgresql-custom", None, blocks(raw))
    assert detail["database"] == "lilfox"
    with pytest.raises(BrokenSet):
        await judge_part("postgresql-custom", None, blocks(raw[: len(raw) // 2]))
    with pytest.raises(BrokenSet, match="it is not a pg_dump archive"):
        await judge_part("postgresql-custom", None, blocks(b"no archive at all"))


def test_34_a_psql_that_cannot_be_kept_from_commands_is_known() -> None:
    safe = {"15.20", "17.12", "18.6", "19.0"}
    for text in (*safe, "12.22", "13.23", "14.19", "15.13", "15.19", "16.9", "17.5", "17.11"):
        major, minor = map(int, text.split("."))
        assert ClientPrograms((major, minor), "/x").guards_scripts is (text in safe), text


async def safe(data: bytes) -> tuple[bytes, list[PlainDump]]:
    """What may be run, and what was found out at its end; what was passed on before a refusal counts too."""
    found: list[PlainDump] = []
    out = b""
    async with aclosing(safe_script(blocks(data), PlainReader(), found)) as script:
        try:
            async for block in script:
                out += block
        except BrokenSet:
            found.clear()
    return out, found


def run(server: Postgres, script: bytes, database: str) -> subprocess.CompletedProcess[bytes]:
    argv = [str(server._bin / "psql"), "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]
    argv += ["-p", str(server.port), "-U", SUPERUSER, "-d", database]
    return subprocess.run(argv, input=script, capture_output=True, cwd="/", timeout=60, check=False)


TAMPERED = (
    "\\! touch {canary}\n",
    "\\unrestrict {key}\n\\! touch {canary}\n",
    "\\unrestrict {key}\n\\restrict x\\! touch {canary}\n",
    "\\copy users from program 'touch {canary}'\n",
    "\\i {canary}\n",
    "\\o |touch {canary}\n",
    "\\unrestrict `touch {canary}`\n",
    "\\restrict `touch {canary}`\n",
    "\\connect `touch {canary}`\n",
    "SELECT 1 \\g |touch {canary}\n",
    "\\set x `touch {canary}`\n",
    "COPY users FROM PROGRAM 'touch {canary}';\n",
)


@pytest.mark.parametrize("place", range(len(TAMPERED)))
async def test_35_s9_a_tampered_dump_runs_nothing(server: Postgres, dump: bytes, tmp_path: Path, place: int) -> None:
    canary = tmp_path / "canary"
    key = dump.partition(b"\\restrict ")[2].partition(b"\n")[0].decode()
    evil = TAMPERED[place].format(canary=canary, key=key).encode()
    at = dump.index(b"CREATE SCHEMA")
    tampered = dump[:at] + evil + dump[at:]

    with_restrict = await safe(tampered)
    assert with_restrict[1] == []
    fresh(server, name="victim")
    run(server, with_restrict[0], "victim")
    assert not canary.exists()
    assert "this is not how pg_dump writes a dump" in await reason(tampered)


def test_35_the_canary_would_sing_without_the_reader(server: Postgres, dump: bytes, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    fresh(server, name="victim")
    run(server, b"\\! touch %s\n" % str(canary).encode() + dump, "victim")
    assert canary.exists()


def test_35_psql_itself_refuses_what_the_reader_should_overlook(server: Postgres, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    done = run(server, b"\\restrict abc\n\\! touch %s\n\\unrestrict abc\n" % str(canary).encode(), "postgres")
    assert done.returncode != 0
    assert not canary.exists()


async def test_s9_a_good_dump_passes_whole_under_a_fresh_key_each_time(server: Postgres, dump: bytes) -> None:
    key = dump.partition(b"\\restrict ")[2].partition(b"\n")[0]
    first, found = await safe(dump)
    second, _ = await safe(dump)
    assert found[0].tables["public.users"] == 500
    assert key not in first
    assert first.partition(b"\n")[0] != second.partition(b"\n")[0]
    fresh(server, name="victim")
    done = run(server, first, "victim")
    assert done.returncode == 0, done.stderr
    assert server.csv("SELECT count(*) FROM users", database="victim") == [["500"]]


async def test_s9_a_dump_that_creates_its_database_goes_into_ours(server: Postgres) -> None:
    dump = program(server, "pg_dump", "-C", "--clean", "--if-exists", "-d", "lilfox").stdout
    passed, found = await safe(dump)
    assert found[0].database == "lilfox"
    assert not [
        line for line in passed.splitlines() if line.startswith((b"\\connect", b"CREATE DATABASE", b"DROP DATABASE"))
    ]
    fresh(server, name="victim")
    done = run(server, passed, "victim")
    assert done.returncode == 0, done.stderr
    assert server.csv("SELECT count(*) FROM users", database="victim") == [["500"]]


async def test_globals_are_read_as_a_script_of_their_own(server: Postgres) -> None:
    text = program(server, "pg_dumpall", "--globals-only").stdout
    await read_plain(blocks(text), cluster=True)
    assert "is truncated" in await reason(text[: len(text) // 2], cluster=True)
    assert "psql command" in await reason(text.replace(b"CREATE ROLE", b"\\! id\nCREATE ROLE", 1), cluster=True)
