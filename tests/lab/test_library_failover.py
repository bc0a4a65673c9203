"""The bundled failover where it hurts: a standby that gets nothing any more, and a host without power."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lilfox_tui.runbook import library
from lilfox_tui.runbook.run.protocol import FinishRun, Skip, Undo
from tests.lab.machines import MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.lab.test_library_database import APPS, Databases, rows
from tests.lab.test_library_service import Ordered
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-recovery"),
    pytest.mark.usefixtures("jobs"),
]
ENV = "/etc/lilfox/backend.env"


@pytest.fixture(scope="module")
def databases(lab: MachineLab) -> Iterator[Databases]:
    made = Databases(lab)
    yield made
    for machine in made.machines:
        machine.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, databases: Databases) -> Walk:
    return Walk(tmp_path, lab, databases.machines)


def sql(databases: Databases, host: str, *statements: str) -> None:
    words = " ".join(f'-c "{each}"' for each in statements)
    getattr(databases, host).ssh(f"runuser -u postgres -- psql -qX {words}")


def commits(databases: Databases) -> None:
    """Waits until the application has committed more."""
    before = len(databases.committed())
    wait_for(lambda: len(databases.committed()) > before, timeout_s=20, what="rows are committed")


def test_a_standby_that_gets_nothing_does_not_take_over_from_a_server_that_answers(
    walk: Walk, databases: Databases
) -> None:
    """What is committed from now on is on the old server alone."""
    sql(databases, "primary", "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")
    conninfo = databases.standby.ssh("runuser -u postgres -- psql -qXAtc 'SHOW primary_conninfo'").strip()
    sql(databases, "standby", "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=9'", "SELECT pg_reload_conf()")
    streams = "runuser -u postgres -- psql -qXAtc 'SELECT count(*) FROM pg_stat_replication'"
    wait_for(lambda: databases.primary.ssh(streams) == "0\n", what="nothing streams")
    commits(databases)
    try:
        done = walk("database-failover", APPS, values=databases.values(), undo=True)
        assert (done.code != 0, done.failed) == (True, ["2.1"]), done.why
        assert "is nowhere else" in done.output("2.1")
        commits(databases)
    finally:
        quoted = conninfo.replace("'", "''")
        sql(databases, "standby", f"ALTER SYSTEM SET primary_conninfo = '{quoted}'", "SELECT pg_reload_conf()")
        wait_for(lambda: databases.primary.ssh(streams) == "1\n", what="it streams again")
        sql(databases, "primary", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
    assert not databases.primary.ssh("ls /etc/systemd/system/database.service.d 2>/dev/null || true").strip()


@pytest.mark.fault("2.25")
def test_a_host_without_power_is_passed_over_and_its_committed_rows_are_there(
    walk: Walk, databases: Databases, record_property: Callable[[str, object], None]
) -> None:
    """Its steps are skipped with a reason. The application also knows the standby by a line of its own."""
    app = databases.app
    app.ssh(f"echo REPLICA_URL=postgresql://reader@{databases.standby.address}:5432/postgres >>{ENV}")
    before = app.ssh(f"cat {ENV}")
    commits(databases)
    run = Ordered(walk)
    run.path = Path(library.__file__).parent / "library" / "en" / "database-failover.md"
    values = {name.replace("_", "-"): str(value) for name, value in databases.values().items()} | {"patience": "3"}
    databases.primary.kill()
    job = run.begin(hosts="app-1", values=values)
    try:
        for command in (1, 2):
            run.one(job, 1, command, "done")
        run.one(job, 2, 1, "failed")
        run.order(job, Skip(step=1, command=None, reason="its power is off, and its cable is out"))
        for command in (1, 2):
            run.one(job, 3, command, "done")
        run.one(job, 3, 3, "failed")
        run.order(job, Skip(step=2, command=2, reason="its power is off"))
        for command in (1, 2):
            run.one(job, 4, command, "done")
        app.ssh(broken("curl"))
        run.one(job, 5, 1, "failed")
        app.ssh(MENDED)
        run.one(job, 5, 1, "done")
        run.one(job, 5, 2, "done")
        commits(databases)
        committed, there = databases.committed(), rows(databases.standby)
        record_property("rows committed, lost", (len(committed), len(committed - there)))
        sys.stdout.write(f"failover without power: {len(committed)} rows committed, {len(committed - there)} lost\n")
        assert not committed - there
        assert f"@{databases.standby.address}:5432/postgres\nOTHER=1\nREPLICA_URL=" in app.ssh(f"cat {ENV}")
        run.order(job, Undo(sha256=run.sha256))
        run.until(job, "undone", 5, 1)
        assert app.ssh(f"cat {ENV}") == before, "though it was led there in two attempts"
    finally:
        run.order(job, FinishRun(abort=True))
        run.ended(job)
        databases.primary.up()
