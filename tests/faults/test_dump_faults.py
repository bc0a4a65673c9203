"""Dumping a database when something is wrong: FAULTS section 1, by number, with PostgreSQL 15 and 17."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.sources.postgresql import PostgreSqlSource
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostError, LilFoxError
from tests.services.kept_parts import KeptParts
from tests.services.postgres import Postgres
from tests.services.postgres_backups import (
    OURS,
    fresh,
    holding,
    no_session_is_left,
    password_files,
    pids_of,
    script,
    source,
)
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
CANARY = f"cAnArY-{os.urandom(8).hex()}"
ROWS = "CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 20000) g"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        yield running


async def failure(of: PostgreSqlSource, into: KeptParts | None = None) -> LilFoxError:
    """The error that dumping ends with; no part of a database was kept."""
    into = into or KeptParts()
    with pytest.raises((BackupError, HostError)) as caught:
        await of.dump(into)
    assert [name for name in into.raw if not name.startswith("globals")] == []
    error = caught.value
    assert isinstance(error, LilFoxError)
    return error


async def bad(of: PostgreSqlSource, state: str = "bad") -> Check:
    """The one check of that state."""
    found = [check for check in await of.checks() if check.state == state]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.fault("1.1", "2.1")
async def test_1_pg_dump_killed_in_the_middle_leaves_no_part_and_no_session(server: Postgres) -> None:
    fresh(server, ROWS)

    def kill(_block: bytes) -> None:
        for pid in pids_of("pg_dump", server):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    error = await failure(source(server, globals=False), KeptParts(on_block=kill))
    assert "killed by signal KILL" in str(error)
    no_session_is_left(server)


STALLS = """
import asyncio, sys
from tests.services.kept_parts import KeptParts
from tests.services.postgres_backups import source_at

def stall(block):
    print("began", flush=True)
    sys.stdin.read()

asyncio.run(source_at(int(sys.argv[1]), *sys.argv[2:]).dump(KeptParts(on_block=stall)))
"""


@contextmanager
def stalled(server: Postgres, *user: str) -> Iterator[None]:
    """Within, a process of its own stands still in the middle of a dump; then it is killed."""
    argv = [sys.executable, "-c", STALLS, str(server.port), *user]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as dumping:
        try:
            assert dumping.stdout is not None
            assert dumping.stdout.readline() == b"began\n"
            yield
        finally:
            dumping.kill()


def test_1_our_own_process_killed_in_the_middle_leaves_no_session_on_the_server(server: Postgres) -> None:
    fresh(server, ROWS)
    with stalled(server):
        assert int(server.csv(OURS)[0][0]) >= 1
    no_session_is_left(server)


async def test_2_a_server_that_is_down_is_told_before_anything_is_written(server: Postgres) -> None:
    closed = source(server, url="postgresql://postgres@127.0.0.1:1/lilfox", databases=())
    check = await bad(closed)
    assert "Connection refused" in str(check.found)
    assert "Is the server running?" in str(check.hint)
    assert "Connection refused" in str(await failure(closed))


@pytest.fixture
def with_passwords(server: Postgres) -> Iterator[Postgres]:
    """The server asks for passwords over TCP; the role ``app`` has one."""
    fresh(server, "CREATE TABLE a (x int)")
    server.csv(f"DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN SUPERUSER PASSWORD '{CANARY}'")
    hba = server._data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all app 127.0.0.1/32 scram-sha-256\n" + before)
    server.reload()
    yield server
    hba.write_text(before)
    server.reload()
    server.csv("DROP ROLE app")


@pytest.mark.fault("1.3", "2.13")
async def test_3_a_wrong_password_is_told_and_nobody_is_asked(
    with_passwords: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no password supplied" in str((await bad(source(with_passwords, user="app"))).found)
    monkeypatch.setenv("PGPASSWORD", "wrong-" + CANARY)
    check = await bad(source(with_passwords, user="app"))
    assert "password authentication failed" in str(check.found)
    assert CANARY not in str(check.found) + str(check.hint)
    assert "Set password: env:" in str(check.hint)


async def test_4_a_table_that_may_not_be_read_is_named_before_and_the_dump_fails(server: Postgres) -> None:
    fresh(server, "CREATE TABLE open_to_all (x int); CREATE TABLE secret (x int); CREATE SEQUENCE hidden")
    server.csv("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    script(server, "GRANT SELECT ON open_to_all TO reader")
    of_reader = source(server, user="reader", globals=False)
    check = await bad(of_reader)
    assert str(check.found) == "reader is not allowed to read public.hidden, public.secret"
    assert "pg_read_all_data" in str(check.hint)
    assert "no permission to read table secret" in str(await failure(of_reader))


async def test_5_rows_that_security_hides_are_never_left_out_in_silence(server: Postgres) -> None:
    fresh(server, "CREATE TABLE t (x int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    server.csv("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    script(server, "GRANT SELECT ON t TO reader")
    of_reader = source(server, user="reader", globals=False)
    check = await bad(of_reader)
    assert "row-level security hides rows of public.t from reader" in str(check.found)
    error = await failure(of_reader)
    assert "row-level security" in str(error)
    assert "BYPASSRLS" in str(error.hint)


async def test_6_who_holds_a_lock_is_named_and_waited_for_no_longer_than_told(server: Postgres) -> None:
    fresh(server, "CREATE TABLE t (x int)")
    with holding(server, "LOCK TABLE t") as pid:
        check = await bad(source(server, globals=False), "warning")
        error = await failure(source(server, globals=False, lock_timeout=Seconds(1)))
    assert f"pid {pid} (role postgres, psql, idle in transaction) blocks reads of" in str(check.found)
    assert f"a table stayed locked: pid {pid} (role postgres, psql, idle in transaction)" in str(error)
    assert f"pg_terminate_backend({pid})" in str(error.hint)
    no_session_is_left(server)


async def test_too_few_locks_for_all_tables_are_not_called_a_lock_of_somebody() -> None:
    with Postgres("max_locks_per_transaction = 10\nmax_connections = 10\n") as small:
        fresh(small, "; ".join(f"CREATE TABLE t{n} ()" for n in range(1000)))
        error = await failure(source(small, globals=False))
    assert "out of shared memory" in str(error)
    assert "max_locks_per_transaction" in str(error.hint)


async def test_6_a_reader_of_a_table_is_not_in_the_way_and_a_dump_blocks_no_writer(server: Postgres) -> None:
    fresh(server, ROWS)
    writes: list[bytes] = []

    def write(block: bytes) -> None:
        if not writes:
            writes.append(block)
            script(server, "SET lock_timeout = '1s'; INSERT INTO big VALUES (0, 'new')")

    into = KeptParts(on_block=write)
    with holding(server, "SELECT count(*) FROM big"):
        await source(server, globals=False).dump(into)
    assert writes
    content = into.details["lilfox.dump"]["content"]["tables"]["public.big"]
    assert content["rows"] == 20000, "the row that came later is not in the dump's snapshot"


async def test_32_a_server_that_is_newer_than_pg_dump_is_told_before(server: Postgres) -> None:
    fresh(server)
    old = source(server, binaries="/usr/lib/postgresql/15/bin", globals=False)
    if server._bin.parent.name == "15":
        assert [check for check in await old.checks() if check.state == "bad"] == []
        return
    check = await bad(old)
    assert "up to PostgreSQL 15.20, but the server is 17: pg_dump refuses to dump it" in str(check.found)
    assert "up to PostgreSQL 15.20" in str(await failure(old))


async def test_50_timeouts_of_the_role_and_the_database_end_nothing(server: Postgres) -> None:
    fresh(server, ROWS)
    server.csv("ALTER DATABASE lilfox SET statement_timeout = '20ms'")
    server.csv("ALTER DATABASE lilfox SET idle_in_transaction_session_timeout = '20ms'")
    into = KeptParts()
    of = source(server, globals=False)
    await of.dump(into)
    assert into.details["lilfox.dump"]["content"]["tables"]["public.big"]["rows"] == 20000
    assert any("statement_timeout=20ms" in str(check.found) for check in await of.checks())


def seen_anywhere(word: str) -> list[str]:
    """Processes whose command line or environment holds ``word``; this one and who started it not counted."""
    found = []
    mine = {os.getpid(), os.getppid()}
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                text = (folder / name).read_bytes()
            except OSError:
                continue
            if word.encode() in text and int(folder.name) not in mine:
                found.append(f"{folder.name} {name} {text[:300]!r}")
    return found


@pytest.mark.fault("1.59", "2.13", "2.25", "S37")
async def test_59_the_password_is_in_no_command_line_environment_log_or_lasting_file(
    with_passwords: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(with_passwords, ROWS)
    monkeypatch.setenv("PGPASSWORD", CANARY)
    seen: list[str] = []
    files: list[Path] = []
    modes: set[int] = set()

    def look(_block: bytes) -> None:
        if not files:
            seen.extend(seen_anywhere(CANARY))
            files.extend(password_files(CANARY))
            modes.update(path.stat().st_mode & 0o777 for file in files for path in (file, file.parent))

    into = KeptParts(on_block=look)
    await source(with_passwords, user="app").dump(into)
    assert seen == []
    assert len(files) == 1
    assert modes == {0o600, 0o700}
    wait_for(lambda: password_files(CANARY) == [], what="the password's file is gone")
    told = json.dumps(into.details) + "".join(into.notes)
    assert CANARY not in told
    assert CANARY.encode() not in with_passwords.log.read_bytes().replace(b"PASSWORD '" + CANARY.encode(), b"")
    assert all(CANARY.encode() not in raw for raw in into.raw.values())


@pytest.mark.fault("S37")
def test_a_killed_dump_leaves_no_file_with_the_password(
    with_passwords: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(with_passwords, ROWS)
    monkeypatch.setenv("PGPASSWORD", CANARY)
    with stalled(with_passwords, "app"):
        assert len(password_files(CANARY)) == 1
    wait_for(lambda: password_files(CANARY) == [], what="the password's file is gone")


async def test_60_a_password_file_that_others_may_read_is_told_of(
    with_passwords: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"other:*:*:*:no\n127.0.0.1:{with_passwords.port}:*:app:{CANARY}\n")
    file.chmod(0o644)
    monkeypatch.setenv("PGPASSFILE", str(file))
    check = await bad(source(with_passwords, user="app"))
    assert "other users can read or write it, so PostgreSQL ignores it" in str(check.found)
    assert str(check.hint) == f"run: chmod 600 {file}"
    file.chmod(0o600)
    assert [each for each in await source(with_passwords, user="app").checks() if each.state == "bad"] == []


@pytest.mark.parametrize(
    "name",
    ["lil fox", "a;b", "-x", '"q"', "it's", "n" * 63, "数据库", "two\nlines", "$(id)", "a\\b", "%s", ":USER"],
)
async def test_62_a_database_of_any_name_is_dumped_and_its_part_has_a_harmless_one(server: Postgres, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    server.csv(f"CREATE DATABASE {quoted}")
    try:
        of = source(server, databases=(name,), globals=False)
        assert {check.state for check in await of.checks()} == {"good"}
        into = KeptParts()
        await of.dump(into)
    finally:
        server.csv(f"DROP DATABASE {quoted} (FORCE)")
    [(part, detail)] = into.details.items()
    assert detail["database"] == name
    assert set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert part[0] not in "-."


async def test_s8_a_database_called_like_a_connection_string_is_only_a_name(server: Postgres) -> None:
    evil = "host=127.0.0.2 port=1 dbname=postgres user=evil"
    for name in (evil, "postgresql://127.0.0.2:1/x", "dbname='x' host=127.0.0.2"):
        check = await bad(source(server, databases=(name,), globals=False))
        assert "does not exist" in str(check.found)


def environments_of(program: str) -> list[bytes]:
    """Those of this machine's processes of that name which this one has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "comm").read_text().strip() == program and is_ours(int(folder.name)):
                found.append((folder / "environ").read_bytes())
    return found


def is_ours(pid: int) -> bool:
    """Whether this process is above it."""
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


async def test_s10_what_the_caller_has_set_for_psql_and_libpq_changes_nothing(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh(server, ROWS)
    canary = tmp_path / "canary"
    (tmp_path / ".psqlrc").write_text(f"\\! touch {canary}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {
        "PSQLRC": str(tmp_path / ".psqlrc"), "PGOPTIONS": "-c search_path=nowhere -c row_security=banana",
        "PGSERVICE": "evil", "PGSERVICEFILE": str(tmp_path / "none"), "PGHOST": "127.0.0.2", "PGHOSTADDR": "127.0.0.2",
        "PGPORT": "1", "PGDATABASE": "evil", "PGUSER": "evil", "PGSSLMODE": "verify-full", "PGCLIENTENCODING": "LATIN1",
        "LD_LIBRARY_PATH": "/nowhere", "LD_AUDIT": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    handed_on: list[bytes] = []

    def look(_block: bytes) -> None:
        if not handed_on:
            handed_on.extend(environments_of("pg_dump"))

    into = KeptParts(on_block=look)
    await source(server).dump(into)
    assert handed_on
    assert not [name for text in handed_on for name in (b"LD_", b"PGOPTIONS", b"PGSERVICE", b"PSQLRC") if name in text]
    assert into.details["lilfox.dump"]["encoding"] == "UTF8"
    assert not canary.exists()


async def test_63_no_pg_dump_is_told_and_a_wrapper_in_the_path_is_passed_over(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh(server)
    check = await bad(source(server, binaries=str(tmp_path)))
    assert f"pg_dump and psql were not found in {tmp_path} on here" in str(check.found)
    assert "Install postgresql-client" in str(check.hint)
    for name in ("pg_dump", "psql"):
        (tmp_path / name).symlink_to("/usr/share/postgresql-common/pg_wrapper")
    assert "pg_dump and psql were not found" in str((await bad(source(server, binaries=str(tmp_path)))).found)
    monkeypatch.setenv("PATH", "/nowhere:/usr/bin:/bin")
    found = [str(check.found) for check in await source(server).checks() if str(check.about) == "pg_dump"]
    assert len(found) == 1
    assert found[0].endswith(f"in {server._bin}")
