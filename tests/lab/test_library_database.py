"""The bundled runbooks for a database that fails: a real server, its real streaming standby, and who writes to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-recovery"),
    pytest.mark.usefixtures("jobs"),
]
BIN = "/usr/lib/postgresql/17/bin"
DATA = "/srv/postgresql/data"
UNIT = f"""
cat >/etc/systemd/system/database.service <<'UNIT'
[Service]
User=postgres
RuntimeDirectory=postgresql
ExecStart={BIN}/postgres -D {DATA}
KillMode=mixed
KillSignal=SIGINT
UNIT
systemctl daemon-reload
"""
PRIMARY = f"""
set -e
install -d -m 700 -o postgres -g postgres /srv/postgresql
runuser -u postgres -- {BIN}/initdb -D {DATA} -A trust --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
cat >>{DATA}/postgresql.conf <<'CONF'
listen_addresses = '*'
unix_socket_directories = '/run/postgresql'
shared_buffers = 16MB
max_wal_size = 32MB
min_wal_size = 32MB
synchronous_standby_names = '*'
CONF
echo "host all,replication all 10.88.0.0/16 trust" >>{DATA}/pg_hba.conf
{UNIT}
systemctl start database
until pg_isready -q; do sleep 0.1; done
runuser -u postgres -- psql -qX -c "SET synchronous_commit = local" -c "CREATE TABLE rows (n int PRIMARY KEY)"
"""
STANDBY = f"""
set -e
install -d -m 700 -o postgres -g postgres /srv/postgresql
runuser -u postgres -- {BIN}/pg_basebackup -h @PRIMARY@ -U postgres -D {DATA} -R -X stream --no-sync -c fast
{UNIT}
systemctl start database
until pg_isready -q; do sleep 0.1; done
"""
APP = """
set -e
install -d /etc/lilfox
printf 'DATABASE_URL=postgresql://postgres:canary-canary@@PRIMARY@:5432/postgres\\nOTHER=1\\n' >/etc/lilfox/backend.env
chmod 640 /etc/lilfox/backend.env
cat >/srv/app.py <<'END'
import http.server, os, subprocess
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        words = ["psql", "-qXAtc", "SELECT 1 WHERE NOT pg_is_in_recovery()", os.environ["DATABASE_URL"]]
        good = subprocess.run(words, capture_output=True, timeout=4).stdout == b"1\\n"
        self.send_response(200 if good else 503)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
END
cat >/srv/writer.sh <<'END'
n=$(tail -n 1 /srv/committed 2>/dev/null || echo 0)
while :; do
    n=$((n + 1))
    psql -qX -c "INSERT INTO rows VALUES ($n)" "$DATABASE_URL" 2>/dev/null && echo "$n" >>/srv/committed || sleep 0.05
done
END
cat >/etc/systemd/system/lilfox-backend.service <<'UNIT'
[Unit]
Wants=writer.service
[Service]
EnvironmentFile=/etc/lilfox/backend.env
ExecStart=python3 /srv/app.py
UNIT
cat >/etc/systemd/system/writer.service <<'UNIT'
[Unit]
PartOf=lilfox-backend.service
[Service]
EnvironmentFile=/etc/lilfox/backend.env
Environment=PGCONNECT_TIMEOUT=2
ExecStart=sh /srv/writer.sh
UNIT
systemctl daemon-reload
systemctl start lilfox-backend
until [ -s /srv/committed ]; do sleep 0.1; done
"""


OTHER_STANDBYS = """\
cat >/usr/local/sbin/psql <<'PSQL'
#!/bin/sh
case $* in *pg_stat_replication*) printf '10.9.9.1\\n10.9.9.2\\n' ;; *) exec /usr/bin/psql "$@" ;; esac
PSQL
chmod +x /usr/local/sbin/psql
"""
"""A server that says that two standbys stream from it, and none is the one that takes over."""
APPS = "app-1,app-2"


class Databases:
    """``db-1`` has the database, ``db-2`` is its synchronous standby, ``app-1`` writes rows and notes each that was
    committed, ``app-2`` is one more host of the application."""

    def __init__(self, lab: MachineLab) -> None:
        names = ("db-1", "db-2", "app-1", "app-2")
        self.primary, self.standby, self.app, self.other_app = (lab.machine(name) for name in names)
        self.primary.up()
        self.primary.ssh(PRIMARY)
        self.standby.up()
        self.standby.ssh(STANDBY.replace("@PRIMARY@", self.primary.address))
        self.app.up()
        self.app.ssh(APP.replace("@PRIMARY@", self.primary.address))
        self.other_app.up()
        silent = APP.replace("Wants=writer.service", "").replace("until [ -s /srv/committed ]", "until true")
        self.other_app.ssh(silent.replace("@PRIMARY@", self.primary.address))

    @property
    def machines(self) -> list[Machine]:
        return [self.primary, self.standby, self.app, self.other_app]

    def committed(self) -> set[int]:
        """Rows of which the application was told that they are committed."""
        return set(map(int, self.app.ssh("cat /srv/committed").split()))

    def values(self) -> dict[str, object]:
        """Of the variables of a failover."""
        return {
            "primary": "db-1", "standby": "db-2", "unit": "database.service",
            "standby_address": self.standby.address, "patience": 20,
        }  # fmt: skip


@pytest.fixture(scope="module")
def databases(lab: MachineLab) -> Iterator[Databases]:
    made = Databases(lab)
    yield made
    for machine in made.machines:
        machine.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, databases: Databases) -> Walk:
    for machine in databases.machines:
        machine.ssh(MENDED)
    return Walk(tmp_path, lab, databases.machines)


def rows(machine: Machine) -> set[int]:
    return set(map(int, machine.ssh("runuser -u postgres -- psql -qXAtc 'SELECT n FROM rows'").split()))


def test_a_killed_server_is_started_and_a_good_one_is_left_alone(walk: Walk, databases: Databases) -> None:
    machine = databases.primary
    machine.ssh("systemctl kill --signal=KILL --kill-whom=all database")
    wait_for(lambda: machine.ssh("systemctl is-active database || true").strip() == "failed", what="it has failed")
    done = walk("database-failure", "db-1", unit="database.service", patience=30)
    assert done.code == 0, done.why
    assert "signal" in done.output("1.1")
    assert "not restarted" not in done.output("3.1")
    done = walk("database-failure", "db-1", unit="database.service", patience=30, language="zh_CN")
    assert done.code == 0, done.why
    assert "not restarted" in done.output("3.1")
    wait_for(lambda: len(databases.committed()) > 5, what="rows are written again")


@pytest.mark.parametrize(
    ("fails", "fault"),
    [
        ("1.1", broken("df")),
        ("2.1", broken("journalctl")),
        ("3.1", "chmod 755 /srv/postgresql/data; systemctl stop database"),
        ("3.2", broken("psql", "case $* in *TEMPORARY*) ;; *) false ;; esac")),
        ("4.1", broken("psql", "case $* in *blocking*) ;; *) false ;; esac")),
    ],
)  # fmt: skip
def test_each_step_can_fail_and_nothing_comes_behind_it(
    walk: Walk, databases: Databases, fails: str, fault: str
) -> None:
    databases.primary.ssh(fault)
    try:
        done = walk("database-failure", "db-1", unit="database.service", patience=3)
        assert (done.code != 0, done.failed) == (True, [fails]), done.why
    finally:
        databases.primary.ssh(f"{MENDED}; chmod 700 /srv/postgresql/data; systemctl start database")


@pytest.mark.parametrize(
    ("fails", "on", "fault", "mend"),
    [
        ("1.1", "standby", "systemctl stop database", "systemctl start database"),
        ("1.2", "app", "mv /etc/lilfox/backend.env /etc/lilfox/away", "mv /etc/lilfox/away /etc/lilfox/backend.env"),
        ("1.2", "other_app", "mv /etc/lilfox/backend.env /etc/lilfox/away",
         "mv /etc/lilfox/away /etc/lilfox/backend.env"),
        ("2.1", "primary", OTHER_STANDBYS, "true"),
        ("2.2", "primary", broken("pg_isready", "exit 0"), "true"),
        ("3.1", "standby", broken("psql", "case $* in *promote*) ;; *) false ;; esac"), "true"),
        ],
)  # fmt: skip
def test_a_failover_that_fails_before_the_promotion_is_taken_back(
    walk: Walk, databases: Databases, fails: str, on: str, fault: str, mend: str
) -> None:
    machine: Machine = getattr(databases, on)
    machine.ssh(fault)
    try:
        done = walk("database-failover", APPS, values=databases.values(), undo=True)
        assert (done.code != 0, done.failed) == (True, [fails]), done.why
    finally:
        machine.ssh(f"{MENDED}; {mend}")
    before = len(databases.committed())
    wait_for(lambda: len(databases.committed()) > before, timeout_s=60, what="the old server takes rows again")
    assert not databases.primary.ssh("ls /etc/systemd/system/database.service.d 2>/dev/null || true").strip()


@pytest.mark.fault("2.25")
def test_a_standby_takes_over_and_no_committed_row_is_lost(
    walk: Walk, databases: Databases, record_property: Callable[[str, object], None]
) -> None:
    """The server is killed while it takes rows."""
    databases.primary.ssh("systemctl kill --signal=KILL --kill-whom=all database")
    done = walk("database-failover", APPS, values=databases.values())
    assert done.code == 0, done.why
    assert "canary-canary" not in done.said + str(done.document)
    noted = databases.committed()
    wait_for(lambda: len(databases.committed()) > len(noted) + 5, timeout_s=60, what="rows go to the standby")
    committed, there = databases.committed(), rows(databases.standby)
    record_property("rows committed, lost", (len(committed), len(committed - there)))
    sys.stdout.write(f"failover: {len(committed)} rows committed, {len(committed - there)} lost\n")
    assert not committed - there
    for app in (databases.app, databases.other_app):
        assert app.ssh("stat -c %a /etc/lilfox/backend.env").strip() == "640"
        assert f"@{databases.standby.address}:5432/" in app.ssh("head -1 /etc/lilfox/backend.env")
        assert app.ssh("tail -1 /etc/lilfox/backend.env").strip() == "OTHER=1"
        assert app.ssh("curl -s -o /dev/null -m 5 -w '%{http_code}' http://127.0.0.1:8000/health") == "200"
    assert databases.primary.ssh("systemctl start database; systemctl is-active database || true").strip() != "active"


def test_a_failover_that_fails_after_the_promotion_does_not_start_the_old_server(
    walk: Walk, databases: Databases
) -> None:
    """The other way round: what was the primary is a standby by now."""
    standby = STANDBY.replace("@PRIMARY@", databases.standby.address)
    databases.primary.ssh(
        "systemctl stop database; rm -rf /srv/postgresql /etc/systemd/system/database.service.d;"
        " systemctl daemon-reload"
    )
    databases.primary.ssh(standby)
    values = {
        **databases.values(), "primary": "db-2", "standby": "db-1", "standby_address": databases.primary.address,
        "health_url": "http://127.0.0.1:9/health", "patience": 5,
    }  # fmt: skip
    done = walk("database-failover", APPS, values=values, undo=True)
    assert (done.code != 0, done.failed) == (True, ["2.3", "5.1"]), done.why
    assert "must not start" in done.output("2.3")
    assert databases.standby.ssh("systemctl is-active database || true").strip() == "inactive"
    before = len(databases.committed())
    wait_for(lambda: len(databases.committed()) > before + 5, timeout_s=60, what="rows go to the new server")
    assert not databases.committed() - rows(databases.primary)
