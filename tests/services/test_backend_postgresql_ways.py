"""The ways to a PostgreSQL: driver, psql, SSH, TLS, passwords; what they leave alone, and how they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.backends.model import BackendError
from lilfox_tui.backends.postgresql.session import Statement, StatementRefused
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.model import Series
from tests.services.http_servers import own_certificate
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_looks import (
    PRELOADED,
    TABLES,
    blocked_sessions,
    by_psql,
    one_look,
    opened,
    states,
    states_by_psql,
    table,
    until_quiet,
)
from tests.services.sshd import SshdLab, sshd_lab

pytestmark = pytest.mark.usefixtures("looks_end")


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


async def test_our_session_changes_nothing_waits_for_nobody_and_has_a_name(postgres: Postgres) -> None:
    backend = opened(postgres, timeout=Seconds(3))
    steps = [
        Statement("SELECT current_setting('application_name')"),
        Statement("SELECT current_setting('statement_timeout')"),
        Statement("CREATE TABLE ours (a int)"),
        Statement("SELECT 'still there'"),
    ]
    name, timeout, made, after = await backend._session.run(steps)
    assert (name, timeout, after) == (("lilfox",), ("3s",), ("still there",))
    assert isinstance(made, StatementRefused)
    assert made.sqlstate == "25006"
    assert postgres.csv("SELECT to_regclass('ours') IS NULL") == [["t"]]
    await backend.close()


async def test_psql_on_the_host_gives_the_same_as_the_driver(postgres: Postgres) -> None:
    until_quiet(postgres)
    here = open_host("here", HostConfig(local=True), SshConfig())
    try:
        with blocked_sessions(postgres) as pids:
            over_psql = by_psql(postgres, here)
            reading = await over_psql.read()
            direct = await one_look(opened(postgres))
            assert states(reading) == states(direct) == {"active": 2, "idle in transaction": 1}
            assert [str(row["pid"]).strip() for row in table(reading, "blocking")] == [str(pid) for pid in pids]
        assert [(fact.key, fact.value) for fact in reading.facts if fact.key in ("version", "user")] == [
            ("version", postgres.csv("SHOW server_version")[0][0]),
            ("user", SUPERUSER),
        ]
        postgres.csv("SELECT pg_stat_statements_reset()")
        postgres.csv("SELECT note FROM orders WHERE id = 7")
        slow = next(
            row for row in table(await over_psql.read(), "slow_statements") if "id = $1" in str(row["statement"])
        )
        plan = await over_psql.explain(str(slow["id"]))
        assert plan.generic
        assert "Index Scan using orders_pkey on orders" in plan.lines[0]
    finally:
        await here.close()


async def test_what_a_statement_holds_is_never_run_by_psql(postgres: Postgres, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    postgres.csv("SELECT pg_stat_statements_reset()")
    postgres.csv(f"SELECT 1 /* ;\n\\! touch {mark}\n@@LILFOX-END@@ 0 00000 */, 'a,\"b\"'")
    here = open_host("here", HostConfig(local=True), SshConfig())
    try:
        backend = by_psql(postgres, here)
        rows = table(await backend.read(), "slow_statements")
        slow = next(row for row in rows if "LILFOX-END" in str(row["statement"]))
        with pytest.raises(BackendError, match="contains a semicolon"):
            await backend.explain(str(slow["id"]))
    finally:
        await here.close()
    assert not mark.exists()


@pytest.mark.parametrize("way", ["driver", "psql"])
async def test_over_ssh(lab: SshdLab, way: str) -> None:
    with Postgres(PRELOADED) as remote:
        host = open_host("db-1", lab.host(lab.sshd(), sudo=True), lab.ssh())
        try:
            backend = opened(remote, host) if way == "driver" else by_psql(remote, host)
            reading = await one_look(backend)
            assert reading.values[Series("postgresql_connections_max")] == 100
            assert states(reading) == states_by_psql(remote) == {}
        finally:
            await host.close()


async def test_an_outage_is_told_and_the_next_look_connects_anew() -> None:
    with Postgres() as running:
        backend = opened(running)
        await backend.read()
        running.stop()
        with pytest.raises(BackendError):
            await backend.read()
        with pytest.raises(BackendError, match=f"127.0.0.1:{running.port}: Connection refused") as refused:
            await backend.read()
        assert str(refused.value.hint) == "Nothing is listening at this address: is the server running?"
        running.start()
        assert (await backend.read()).values[Series("postgresql_connections_used")] == 0
        await backend.close()


async def test_a_wrong_password_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres() as running:
        running.csv(TABLES)
        hba = running.folder / "data" / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        if os.geteuid() == 0:
            shutil.chown(hba, "postgres", "postgres")
        running.reload()
        monkeypatch.setenv("RIGHT", "watcher-secret")
        monkeypatch.setenv("WRONG", "guessed-secret")
        good = await one_look(opened(running, user="watcher", password=SecretRef("env:RIGHT")))
        assert good.incomplete is None
        with pytest.raises(BackendError, match="password authentication failed") as refused:
            await one_look(opened(running, user="watcher", password=SecretRef("env:WRONG")))
        told = f"{refused.value} {refused.value.hint} {refused.value!r}"
        assert "guessed" not in told
        assert "pg_hba.conf" in told


async def test_its_certificate_is_judged_also_through_a_forwarded_port(lab: SshdLab) -> None:
    with Postgres() as running:
        data = running.folder / "data"
        own_certificate(running.folder)
        for name in ("key.pem", "certificate.pem"):
            moved = (running.folder / name).rename(data / name)
            moved.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(moved, "postgres", "postgres")
        with (data / "postgresql.conf").open("a") as config:
            config.write("ssl = on\nssl_cert_file = 'certificate.pem'\nssl_key_file = 'key.pem'\n")
        running.reload()
        authority = lab.folder / "authority.pem"
        authority.write_bytes((data / "certificate.pem").read_bytes())
        host = open_host("db-1", lab.host(lab.sshd()), lab.ssh())
        try:
            strict = {"tls": "verify-full", "ca_file": str(authority)}
            named = opened(running, host, address="localhost", **strict)
            used = await named._session.run([Statement("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")])
            assert used == [("True",)]
            other = opened(running, host, **strict)
            with pytest.raises(BackendError, match="does not match host name"):
                await other.read()
            without = opened(running, address="localhost", tls="verify-full", ca_file=str(lab.folder / "none.pem"))
            with pytest.raises(BackendError, match=r"none\.pem"):
                await without.read()
        finally:
            await named.close()
            await host.close()


async def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    with Postgres() as running:
        backend = opened(running, timeout=Seconds(0.5))
        await backend.read()
        with pytest.raises(BackendError, match=r"no answer from 127.0.0.1:\d+ within 0.5 s"):
            await backend._session.run([Statement("SET statement_timeout = 0"), Statement("SELECT pg_sleep(30)")])
        assert (await backend.read()).incomplete is None
        await backend.close()
