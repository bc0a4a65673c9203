"""A dump that executes code when it is restored: named by verify, asked where a superuser restores, and run by a role
without rights beyond the database where there is one, whatever the script tries."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.store import BackupError, NotReady
from tests.services.backup_lab import BackupLab
from tests.services.database_sets import DatabaseSet, bad, databases, dumped, options_for, target, without_others
from tests.services.postgres import Postgres
from tests.services.postgres_backups import fresh, no_session_is_left
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
ROWS = "CREATE TABLE users AS SELECT g AS id FROM generate_series(1, 100) g; ALTER TABLE users OWNER TO app"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        running.csv("CREATE ROLE app LOGIN; CREATE ROLE restorer LOGIN; CREATE ROLE powerful LOGIN CREATEDB")
        running.csv("CREATE ROLE creator LOGIN CREATEDB; GRANT app TO restorer; GRANT app TO creator")
        running.csv("GRANT pg_execute_server_program, app TO powerful")
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    fresh(server, ROWS, "shop")
    server.csv("ALTER DATABASE shop OWNER TO app")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


@pytest.fixture
def canary() -> Iterator[Path]:
    """A file that the server's account could make."""
    with tempfile.TemporaryDirectory(prefix="lilfox-canary-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "canary"


def ran(canary: Path) -> bool:
    """Whether the program was run."""
    return canary.exists()


def program(canary: Path) -> str:
    return f"COPY (SELECT 1) TO PROGRAM ''cat >{canary}''"


def hostile_script(kept: DatabaseSet, canary: Path) -> DatabaseSet:
    """A plain dump with a block of code before its end."""
    code = f"\nDO $$ BEGIN EXECUTE '{program(canary)}'; END $$;\n".encode()
    end = b"\n--\n-- PostgreSQL database dump complete"
    return kept.with_bytes(kept.bytes_of_database.replace(end, code + end))


async def hostile_archive(server: Postgres, canary: Path) -> DatabaseSet:
    """An archive of a database whose constraint runs a program."""
    fresh(
        server,
        f"""CREATE FUNCTION f(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'shop' THEN
        EXECUTE '{program(canary)}'; END IF; RETURN true; END $$; ALTER FUNCTION f OWNER TO app;
        CREATE TABLE users (id int CHECK (f(id))); INSERT INTO users VALUES (1); ALTER TABLE users OWNER TO app""",
        "shop",
    )
    server.csv("ALTER DATABASE shop OWNER TO app")
    return await dumped(options_for(server))


async def the_dump(how: str, server: Postgres, shop: PostgresqlOptions, canary: Path) -> DatabaseSet:
    if how == "archive":
        return await hostile_archive(server, canary)
    return hostile_script(await dumped(shop, manual=True), canary)


@pytest.mark.fault("4.39")
@pytest.mark.parametrize("how", ["script", "archive"])
@pytest.mark.parametrize("user", ["postgres", "powerful"])
async def test_a_powerful_role_is_asked_before_code_of_a_dump_is_run(
    server: Postgres, shop: PostgresqlOptions, canary: Path, how: str, user: str
) -> None:
    kept = await the_dump(how, server, shop, canary)
    options = options_for(server, user=user)
    said = bad(await target(options, kept.task(run_code=False)).checks())
    assert any("executes" in each and "--run-code" in each for each in said), said
    into = target(options, kept.task(run_code=False))
    with pytest.raises(NotReady, match="none of it was executed"):
        await into.stage(lambda _done: None)
    await into.discard()
    assert not ran(canary)
    assert databases(server) == ["shop"]
    into = target(options, kept.task(run_code=True))
    assert not any("--run-code" in each for each in bad(await into.checks()))
    await into.stage(lambda _done: None)
    await into.discard()
    assert ran(canary), "somebody said that it is right"


async def test_large_objects_are_no_code_but_what_stands_for_them_may_be(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    server.csv("SELECT lo_from_bytea(77777, 'one'), lo_from_bytea(77778, 'two')", database="shop")
    server.csv("GRANT SELECT ON LARGE OBJECT 77777 TO app", database="shop")
    kept = await dumped(shop)
    assert bad(await target(shop, kept.task(run_code=False)).checks()) == []
    raw = kept.bytes_of_database
    at = raw.find(b"77778\n")
    if server.csv("SHOW server_version_num")[0][0] < "170000":
        assert at < 0, "each has a statement of its own"
        return
    forged = kept.with_bytes(raw[:at] + b"1'||f\n" + raw[at + 6 :])
    said = bad(await target(shop, forged.task(run_code=False)).checks())
    assert any("executes" in each and "--run-code" in each for each in said), said


@pytest.mark.fault("4.39", "4.40")
@pytest.mark.parametrize("how", ["script", "archive"])
async def test_the_restore_role_runs_it_without_the_right(
    server: Postgres, shop: PostgresqlOptions, canary: Path, how: str
) -> None:
    kept = await the_dump(how, server, shop, canary)
    options = options_for(server, restore_role="restorer")
    into = target(options, kept.task(run_code=False))
    assert bad(await into.checks()) == []
    with pytest.raises(BackupError, match=r"pg_execute_server_program|external program"):
        await into.stage(lambda _done: None)
    await into.discard()
    assert not ran(canary)
    assert databases(server) == ["shop"]


@pytest.mark.fault("4.39", "4.40")
@pytest.mark.parametrize(
    "back",
    ["RESET ROLE", "RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION postgres", "SET ROLE postgres",
     "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "SELECT set_config('role', 'postgres', false)"],
)  # fmt: skip
async def test_a_script_cannot_take_the_rights_back(
    server: Postgres, shop: PostgresqlOptions, canary: Path, back: str
) -> None:
    kept = await dumped(shop, manual=True)
    code = f"\n{back};\nDO $$ BEGIN EXECUTE '{program(canary)}'; END $$;\n".encode()
    end = b"\n--\n-- PostgreSQL database dump complete"
    kept = kept.with_bytes(kept.bytes_of_database.replace(end, code + end))
    into = target(options_for(server, restore_role="restorer"), kept.task(run_code=True))
    with pytest.raises(BackupError):
        await into.stage(lambda _done: None)
    await into.discard()
    assert not ran(canary)


@pytest.mark.fault("4.39")
@pytest.mark.parametrize("manual", [False, True])
async def test_a_restore_role_restores_a_dump_as_it_was(
    server: Postgres, shop: PostgresqlOptions, manual: bool
) -> None:
    kept = await dumped(shop, manual=manual)
    into = target(options_for(server, restore_role="restorer"), kept.task(run_code=False))
    assert bad(await into.checks()) == []
    await into.stage(lambda _done: None)
    assert (await into.compare()).differences == ()
    await into.swap()
    [[owner]] = server.csv("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'")
    [[table]] = server.csv("SELECT tableowner FROM pg_tables WHERE tablename = 'users'", database="shop")
    assert (owner, table) == ("app", "app")


@pytest.mark.fault("4.39")
@pytest.mark.parametrize(("role", "why"), [("powerful", "pg_execute_server_program"), ("nobody", "no such role"),
                                           ("postgres", "postgres")])  # fmt: skip
async def test_a_restore_role_that_is_none_is_refused(
    server: Postgres, shop: PostgresqlOptions, role: str, why: str
) -> None:
    kept = await dumped(shop)
    options = options_for(server, restore_role=role)
    assert any(why in said for said in bad(await target(options, kept.task()).checks()))
    into = target(options, kept.task())
    with pytest.raises(BackupError):
        await into.stage(lambda _done: None)
    await into.discard()
    assert databases(server) == ["shop"]


@pytest.mark.fault("4.39")
async def test_a_role_without_such_rights_is_only_told(server: Postgres, shop: PostgresqlOptions, canary: Path) -> None:
    server.csv(
        "DO $$ BEGIN CREATE ROLE creator LOGIN CREATEDB; GRANT app TO creator; EXCEPTION WHEN OTHERS THEN END $$"
    )
    kept = hostile_script(await dumped(shop, manual=True), canary)
    checks = await target(options_for(server, user="creator"), kept.task(run_code=False)).checks()
    assert not any("executes" in said for said in bad(checks))
    assert any("code that is run directly" in said for said in bad(checks, "warning"))


@pytest.mark.fault("4.39")
@pytest.mark.usefixtures("jobs")
def test_verify_names_what_a_dump_executes_and_a_restore_asks(tmp_path: Path, canary: Path) -> None:
    with Postgres() as server:
        lab = BackupLab(tmp_path / "lab", server)
        lab.planned(
            {"nightly": lab.plan(format="manual", sources={"database": {"kind": "postgresql", "url": lab.url}})}
        )
        lab.run("nightly")
        [dump] = (lab.store / "postgresql").glob("lilfox_*.sql.gz")
        text = gzip.decompress(dump.read_bytes())
        code = f"\nDO $$ BEGIN EXECUTE '{program(canary)}'; END $$;\n".encode()
        end = b"\n--\n-- PostgreSQL database dump complete"
        for file in lab.store.glob("*.json"):
            file.unlink()
        dump.write_bytes(gzip.compress(text.replace(end, code + end)))
        [found] = lab.sets("--store", lab.store)
        done = lab.lilfox("backup", "verify", found["id"], "--store", lab.store)
        assert "restoring it executes code that is run directly: DO $$ BEGIN" in done.stdout + done.stderr
        words = ("restore", found["id"], "--store", lab.store, "--database", lab.url)
        done = lab.lilfox(*words, "--dry-run")
        assert done.returncode == 1
        assert "--run-code" in done.stdout
        assert lab.lilfox(*words, "--yes").returncode == 1
        assert not canary.exists()
        assert lab.lilfox(*words, "--yes", "--run-code").returncode == 0
        assert canary.exists()
