"""The checks of PostgreSQL's settings and access on real servers: each fault is made, found, mended by its own fix, and
gone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.values import SecretRef
from tests.services.lilfox_command import lilfox
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import VERSIONS, audited, found_by, is_mended, mend, severities, unknown
from tests.waiting import wait_for

ACCESS = ("postgresql-hba-trust", "postgresql-hba-any-address", "postgresql-no-tls")
HBA = f"""
local    all  all                          trust
host     all  {SUPERUSER}  127.0.0.1/32    scram-sha-256
hostssl  all  all          10.2.0.0/16     scram-sha-256
host     all  all          10.0.0.0/8      trust
host     all  all          10.1.0.0/16     trust   # which nobody gets to
host     all  all          0.0.0.0/0       scram-sha-256
host     all  all          ::/0            reject
hostssl  all  all          all             cert
"""


@pytest.mark.provokes(*ACCESS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_rules_that_let_too_many_in(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_PG", "pw")
    with Postgres("listen_addresses = '0.0.0.0'\n", version=version) as server:
        server.csv(f"ALTER ROLE {SUPERUSER} PASSWORD 'pw'")
        file = Path(server.csv("SHOW hba_file")[0][0])
        await asyncio.to_thread(file.write_text, HBA)
        server.reload()
        by_password = {"password": SecretRef("env:LILFOX_TEST_PG")}
        report = await audited(server, *ACCESS, **by_password)
        assert unknown(report) == {}
        assert severities(report) == {
            "local all all trust": "high",
            "host all all 10.0.0.0/8 trust": "critical",
            "host all all 0.0.0.0/0 scram-sha-256": "critical",
            "ssl": "high",
        }
        found = found_by(report)
        hidden = found["host all all 10.0.0.0/8 trust"].fix.commands[0]
        assert hidden.endswith(f"-e '6s/^[^#]/#&/' {file}")
        rules = f"{file}:5: host all all 10.0.0.0/8 trust, {file}:7: host all all 0.0.0.0/0 scram-sha-256"
        assert str(found["ssl"].evidence) == f"ssl = off; {rules}"
        last = found.pop("local all all trust")  # after it only the server's own user gets in by the socket
        mend((each.fix for each in found.values()), server)
        now = await audited(server, "postgresql-no-tls", **by_password)
        assert severities(now) == {
            "host all all 10.0.0.0/8 scram-sha-256": "medium",
            "host all all samenet scram-sha-256": "medium",
        }
        mend((*(each.fix for each in found_by(now).values()), last.fix), server)
        await is_mended(server, *ACCESS, **by_password)


@pytest.mark.provokes("postgresql-md5-passwords")
@pytest.mark.parametrize("version", VERSIONS)
async def test_passwords_that_are_weakly_protected(version: int) -> None:
    with Postgres("password_encryption = md5\n", version=version) as server:
        server.csv("CREATE ROLE app LOGIN PASSWORD 'pw'; CREATE ROLE \"Old One\" LOGIN PASSWORD 'pw'")
        server.csv("SET password_encryption = 'scram-sha-256'; CREATE ROLE good LOGIN PASSWORD 'pw'")
        found = found_by(await audited(server, "postgresql-md5-passwords"))
        assert list(found) == ["password_encryption", "Old One", "app"]
        assert "md5" in str(found["app"].evidence)
        mend((each.fix for each in found.values()), server, typed="a better one\na better one\n")
        await is_mended(server, "postgresql-md5-passwords")


@pytest.mark.provokes("postgresql-timeouts")
@pytest.mark.parametrize("version", VERSIONS)
async def test_time_limits_that_are_not_set(version: int) -> None:
    with Postgres(version=version) as server:
        report = await audited(server, "postgresql-timeouts")
        assert severities(report) == {
            "idle_in_transaction_session_timeout": "medium", "lock_timeout": "low", "statement_timeout": "low",
        }  # fmt: skip
        mend((each.fix for each in found_by(report).values()), server)
        await is_mended(server, "postgresql-timeouts")
        server.csv("ALTER DATABASE postgres RESET ALL")
        server.csv("CREATE ROLE app LOGIN; CREATE ROLE \"user\" LOGIN; ALTER ROLE app SET lock_timeout = '1min'")
        found = found_by(await audited(server, "postgresql-timeouts"))
        assert {subject: str(each.evidence) for subject, each in found.items()} == {
            "lock_timeout": 'lock_timeout = 0 for "user"',
            "statement_timeout": 'statement_timeout = 0 for app, "user"',
        }
        mend((each.fix for each in found.values()), server)
        await is_mended(server, "postgresql-timeouts")
        server.csv('ALTER ROLE "user" IN DATABASE postgres SET lock_timeout = 0')
        assert list(found_by(await audited(server, "postgresql-timeouts"))) == ["lock_timeout"]


@pytest.mark.provokes("postgresql-memory-overcommit", "postgresql-memory-default")
@pytest.mark.parametrize("version", VERSIONS)
async def test_memory_that_does_not_fit_the_host(version: int) -> None:
    with Postgres("work_mem = '1TB'\nshared_buffers = '1MB'\n", version=version) as server:
        server.csv("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
        both = ("postgresql-memory-default", "postgresql-memory-overcommit")
        report = await audited(server, *both)
        assert severities(report) == {"work_mem": "high", "shared_buffers": "high"}
        assert str(report.found[1].finding.evidence).startswith("max_connections 100 × work_mem 1.0T + shared_buffers")
        asked = await audited(server, *both, user="watcher", host="here")
        assert found_by(asked) == found_by(report)
        hidden = await audited(server, *both, user="watcher")
        assert set(unknown(hidden)) == set(both)
        assert "name that host as host: of this backend" in unknown(hidden)[both[0]]
        mend((each.fix for each in found_by(report).values()), server)
        await is_mended(server, *both)


@pytest.mark.provokes("postgresql-autovacuum-off", "postgresql-dead-rows")
@pytest.mark.parametrize("version", VERSIONS)
async def test_dead_rows_that_nobody_removes(version: int) -> None:
    with Postgres("autovacuum = off\n", version=version) as server:
        server.csv("CREATE TABLE orders (id int); INSERT INTO orders SELECT generate_series(1, 40000)")
        server.csv("CREATE TABLE small (id int); INSERT INTO small SELECT generate_series(1, 100); DELETE FROM small")
        server.csv("CREATE TABLE queue (id int) WITH (autovacuum_enabled = off)")
        server.csv("INSERT INTO queue SELECT generate_series(1, 40000); DELETE FROM queue WHERE id % 2 = 0")
        server.csv("DELETE FROM orders WHERE id % 2 = 0")
        report = await audited(server, "postgresql-autovacuum-off", "postgresql-dead-rows")
        found = found_by(report)
        assert sorted(found) == ["autovacuum", "public.orders", "public.queue"]
        assert str(found["public.orders"].evidence) == "public.orders: 20k of 40k rows are dead; last vacuumed never"
        assert "RESET (autovacuum_enabled)" in found["public.queue"].fix.commands[0]
        mend((each.fix for each in found.values()), server)
        await is_mended(server, "postgresql-autovacuum-off", "postgresql-dead-rows")


@pytest.mark.provokes("postgresql-wraparound")
@pytest.mark.parametrize("version", VERSIONS)
async def test_transaction_ids_that_run_out(version: int) -> None:
    newest = 1_700_000_000
    by_hand = "autovacuum = off\nautovacuum_freeze_max_age = 2000000000\n"
    with Postgres(by_hand, version=version) as server:
        await is_mended(server, "postgresql-wraparound")
        server.csv("CHECKPOINT")
        server.stop()
        server._run("pg_resetwal", "-f", "-x", str(newest), str(server._data))
        segment = server._data / f"pg_xact/{newest // (32 * 8192 * 4):04X}"
        segment.write_bytes(bytes(32 * 8192))
        segment.chmod(0o666)
        server.start()
        report = await audited(server, "postgresql-wraparound")
        assert severities(report) == dict.fromkeys(("postgres", "template0", "template1"), "high")
        assert "age of the oldest transaction ID 1.7G" in str(report.found[0].finding.evidence)
        mend((each.finding.fix for each in report.found), server)
        await is_mended(server, "postgresql-wraparound")


@pytest.mark.provokes("postgresql-archiver")
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_archiver_that_fails(version: int) -> None:
    check = "postgresql-archiver"
    with Postgres("archive_mode = on\narchive_command = 'false'\n", version=version) as server:
        await is_mended(server, check)
        server.csv("SELECT pg_switch_wal()")
        wait_for(lambda: server.csv("SELECT failed_count > 0 FROM pg_stat_archiver") == [["t"]], what="it fails")
        found = found_by(await audited(server, check))
        assert "last success never" in str(found["archiver"].evidence)
        mend([found["archiver"].fix], server)
        server.csv("ALTER SYSTEM SET archive_command = 'true'")
        server.reload()
        wait_for(lambda: server.csv("SELECT archived_count > 0 FROM pg_stat_archiver") == [["t"]], what="it archives")
        await is_mended(server, check)
        server.csv("ALTER SYSTEM SET archive_command = ''")
        server.reload()
        found = found_by(await audited(server, check))
        assert str(found["archiver"].evidence) == "archive_mode = on without archive_command"
        mend([found["archiver"].fix], server)
        gone = await audited(server, check)
        assert (gone.found, gone.passed, gone.not_checked) == ((), (), ())


@pytest.mark.provokes("postgresql-slot")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_slot_that_nobody_uses(version: int) -> None:
    small = "max_wal_size = '32MB'\nmin_wal_size = '32MB'\n"
    with Postgres(small, version=version) as server:
        server.csv("SELECT pg_create_physical_replication_slot('gone', true)")
        await is_mended(server, "postgresql-slot")  # a standby may be restarting
        for number in range(5):
            server.csv(f"CREATE TABLE t{number} (); SELECT pg_switch_wal()")
        server.csv("CHECKPOINT")
        found = found_by(await audited(server, "postgresql-slot"))
        assert "physical slot gone is inactive: wal_status extended" in str(found["gone"].evidence)
        mend([found["gone"].fix], server)
        await is_mended(server, "postgresql-slot")


async def test_what_a_role_may_not_see_is_not_checked() -> None:
    with Postgres() as server:
        server.csv(
            "CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE ROLE plain LOGIN; CREATE TABLE orders (id int)"
        )
        watcher = await audited(server, "postgresql", user="watcher")
        told = unknown(watcher)
        assert set(told) == {
            "postgresql-hba-trust", "postgresql-hba-any-address", "postgresql-no-tls", "postgresql-md5-passwords",
            "postgresql-timeouts", "postgresql-memory-default", "postgresql-memory-overcommit",
        } - {each.check.id for each in watcher.passed}  # fmt: skip
        assert told["postgresql-hba-trust"] == (
            "the role may not read the view pg_hba_file_rules: grant it SELECT, and EXECUTE of pg_hba_file_rules()"
        )
        server.csv("GRANT SELECT ON pg_hba_file_rules, pg_file_settings TO watcher")
        server.csv("GRANT EXECUTE ON FUNCTION pg_hba_file_rules(), pg_show_all_file_settings() TO watcher")
        granted = await audited(server, "postgresql-hba-trust", "postgresql-timeouts", user="watcher")
        assert unknown(granted) == {}
        plain = unknown(await audited(server, "postgresql", user="plain"))
        assert set(plain) > {"postgresql-pool-size", "postgresql-connection-leak", "postgresql-no-pooler"}
        assert b"permission denied" not in server.log.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
async def test_psql_on_the_host_gives_the_same_as_the_driver(version: int) -> None:
    with Postgres(
        "password_encryption = md5\nshared_preload_libraries = 'pg_stat_statements'\n", version=version
    ) as server:
        server.csv("CREATE EXTENSION pg_stat_statements; CREATE TABLE orders (id int)")
        over_tcp = await audited(server, "postgresql")
        run_as = "postgres" if SUPERUSER == "postgres" else ""
        by_psql = await audited(server, "postgresql", by="psql", host="here", socket=str(server.folder), run_as=run_as)
        assert found_by(by_psql).keys() == found_by(over_tcp).keys()
        assert by_psql.passed == over_tcp.passed


async def test_a_standby_is_not_judged_by_what_its_primary_writes() -> None:
    with Postgres() as primary, Postgres(standby_of=primary) as standby:
        primary.csv("CREATE TABLE orders (id int)")
        wait_for(lambda: standby.csv("SELECT to_regclass('orders') IS NULL") == [["f"]], what="the table is there")
        report = await audited(standby, "performance")
        made = {each.check.id for each in report.passed}
        assert unknown(report) == {}
        assert made & {"postgresql-dead-rows", "postgresql-index-unused", "postgresql-statements-missing"} == set()
        assert "postgresql-pool-size" in made


async def test_a_database_without_tables_beside_others_is_not_checked() -> None:
    with Postgres() as server:
        server.csv("CREATE DATABASE shop")
        told = unknown(await audited(server, "postgresql"))
        assert told["postgresql-index-unused"] == (
            "postgres has no tables: name the application's database as database: of this backend (shop)"
        )


def test_the_command_has_the_checks_of_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "config.yaml"
    with Postgres("autovacuum = off\n") as server:
        backend = {"kind": "postgresql", "port": server.port, "user": SUPERUSER}
        file.write_text(json.dumps({"backends": {"db": backend}}))
        file.chmod(0o600)
        done = lilfox("--language", "en", "--config", file, "audit", "--json", "--only", "performance")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("audit"), format_checker=jsonschema.FormatChecker())
    assert [(each["id"], each["tags"]) for each in document["findings"]] == [
        ("postgresql-autovacuum-off", ["performance"])
    ]
    assert set(document["checks"]) == {each.id for each in chosen(["performance"])}
    assert done.returncode == 1
    listed = lilfox("--language", "en", "--config", file, "audit", "list").stdout
    assert {line.split()[1] for line in listed.splitlines() if line.endswith("performance")} == set(document["checks"])
