"""The checks of the connections of applications, on real servers: pools that are too large or leak, and a PgBouncer as
the fix says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from lilfox_tui.audit.checks.postgresql import pool
from lilfox_tui.audit.model import Fix
from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.services.postgres import _ACCOUNT, SUPERUSER, Postgres
from tests.services.postgres_audit import VERSIONS, audited, connect, found_by, is_mended, mend, severities
from tests.waiting import wait_for

POOL = ("postgresql-pool-size", "postgresql-connection-leak")


@pytest.mark.provokes(*POOL)
@pytest.mark.parametrize("version", VERSIONS)
async def test_pools_that_are_too_large_and_leak(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres("max_connections = 30\n", version=version) as server, ExitStack() as opened:
        await is_mended(server, *POOL)
        shop = [opened.enter_context(closing(connect(server, application_name="shop"))) for _number in range(22)]
        report = await audited(server, *POOL)
        subject = f"{SUPERUSER}@postgres"
        assert severities(report) == {"max_connections": "medium", subject: "medium"}
        assert str(found_by(report)["max_connections"].evidence) == (
            f"22 of 27 connections are in use; {subject} has 22 (shop)"
        )
        assert "22 idle; client addresses: 1 (shop)" in str(found_by(report)[subject].evidence)
        while len(shop) > 10:  # what the fix says: a smaller pool
            shop.pop().close()
        await is_mended(server, POOL[0])
        for each in shop[:2]:
            each.execute("SELECT 1")
        monkeypatch.setattr(pool, "LEAKED_S", 0.0)
        leaked = found_by(await audited(server, *POOL))
        assert "2 idle in transaction" in str(leaked[subject].evidence)
        mend([leaked[subject].fix], server)
        await is_mended(server, *POOL)
        monkeypatch.setattr(pool, "STALE_S", 0.0)
        monkeypatch.setattr(pool, "STALE", 8)
        forgotten = found_by(await audited(server, *POOL))
        assert "8 connections unused for at least" in str(forgotten[subject].evidence)
        mend([forgotten[subject].fix], server)
        await is_mended(server, *POOL)


@pytest.mark.provokes("postgresql-no-pooler")
@pytest.mark.parametrize("version", VERSIONS)
async def test_more_connections_than_a_server_works_on_well(version: int) -> None:
    check = "postgresql-no-pooler"
    with Postgres("max_connections = 300\n", version=version) as server:
        with ExitStack() as opened:
            for _number in range(201):
                opened.enter_context(closing(connect(server)))
            found = found_by(await audited(server, check))
        assert str(found["connections"].evidence) == "201 client connections; max_connections = 300"
        with pgbouncer(found["connections"].fix, server.folder) as port, ExitStack() as opened:
            for _number in range(201):
                client = opened.enter_context(closing(connect(server, port=port, password="pw")))
                client.execute("SELECT 1")
                client.commit()
            await is_mended(server, check)
            clients = "SELECT count(*) BETWEEN 1 AND 20 FROM pg_stat_activity WHERE client_addr IS NOT NULL"
            assert server.csv(clients) == [["t"]]


@contextmanager
def pgbouncer(fix: Fix, folder: Path) -> Iterator[int]:
    """A PgBouncer with the lines of ``fix``, but with a port and files of its own; its port."""
    port = free_port()
    users = folder / "userlist.txt"
    users.write_text(f'"{SUPERUSER}" "pw"\n')
    lines = "\n".join(fix.lines).replace("6432", str(port)).replace("/etc/pgbouncer/userlist.txt", str(users))
    file, log = folder / "pgbouncer.ini", folder / "pgbouncer.log"
    file.write_text(f"{lines}\nunix_socket_dir =\n")
    argv = ending_with_us("/usr/sbin/pgbouncer", str(file), by="INT")
    with log.open("wb") as output:
        process = subprocess.Popen(argv, **_ACCOUNT, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            wait_for(lambda: b"process up" in log.read_bytes() or process.poll(), what="PgBouncer is ready")
            assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.kill()
            process.wait()
