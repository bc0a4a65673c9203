"""The bundled failover where PgBouncer or a virtual address leads the application, and a standby that must follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.lab.test_library_database import APP, PRIMARY, STANDBY, rows
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-recovery"),
    pytest.mark.usefixtures("jobs"),
]
INI = "/etc/pgbouncer/pgbouncer.ini"
POOLER = f"""
set -e
install -d -m 750 -o postgres -g postgres /etc/pgbouncer
install -m 640 -o postgres -g postgres /dev/null {INI}
cat >{INI} <<'INI'
[databases]
postgres = host=@PRIMARY@ port=5432 user=postgres password=canary-canary dbname=postgres
reports = host=@PRIMARY@ dbname=postgres
other = host=10.9.9.9 port=5433 dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = /run/postgresql
auth_type = any
pool_mode = transaction
server_login_retry = 1
INI
cat >/etc/systemd/system/pgbouncer.service <<'UNIT'
[Service]
Type=notify
User=postgres
RuntimeDirectory=postgresql
ExecStart=/usr/sbin/pgbouncer {INI}
UNIT
systemctl daemon-reload
systemctl restart pgbouncer
sed -i 's#@[0-9.]*:5432/#@127.0.0.1:6432/#' /etc/lilfox/backend.env
systemctl restart lilfox-backend
"""
KEEPALIVED = """
set -e
install -d /etc/keepalived
cat >/etc/keepalived/keepalived.conf <<'CONF'
vrrp_instance database {
    state @STATE@
    interface host0
    virtual_router_id 51
    priority @PRIORITY@
    advert_int 1
    virtual_ipaddress {
        @VIRTUAL@/24
    }
}
CONF
systemctl restart keepalived
"""
CONNINFO = "runuser -u postgres -- psql -qXAtc 'SHOW primary_conninfo'"
SENDER = "runuser -u postgres -- psql -qXAtc 'SELECT status, sender_host FROM pg_stat_wal_receiver'"


class Pooled:
    """``db-1`` has the database, ``db-2`` and ``db-3`` are its standbys, ``app-1`` has the application."""

    def __init__(self, lab: MachineLab) -> None:
        self.primary, self.standby, self.third, self.app = (
            lab.machine(each) for each in ("db-1", "db-2", "db-3", "app-1")
        )
        for machine in self.machines:
            machine.up()
        self.primary.ssh(PRIMARY)
        for standby in (self.standby, self.third):
            standby.ssh(STANDBY.replace("@PRIMARY@", self.primary.address))
        self.app.ssh(APP.replace("@PRIMARY@", self.primary.address))

    @property
    def machines(self) -> list[Machine]:
        return [self.primary, self.standby, self.third, self.app]

    def committed(self) -> set[int]:
        """Rows of which the application was told that they are committed."""
        return set(map(int, self.app.ssh("cat /srv/committed").split()))

    def commits(self) -> None:
        """Waits until the application has committed more."""
        before = len(self.committed())
        wait_for(lambda: len(self.committed()) > before + 5, timeout_s=60, what="rows are committed")

    def values(self, lead: str, primary: Machine, standby: Machine) -> dict[str, object]:
        """Of the variables of a failover."""
        return {
            "primary": primary.name, "standby": standby.name, "unit": "database.service", "lead": lead,
            "standby_address": standby.address, "patience": 20,
        }  # fmt: skip


@pytest.fixture(scope="module")
def pooled(lab: MachineLab) -> Iterator[Pooled]:
    made = Pooled(lab)
    yield made
    for machine in made.machines:
        machine.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, pooled: Pooled) -> Walk:
    for machine in pooled.machines:
        machine.ssh(MENDED)
    return Walk(tmp_path, lab, pooled.machines)


def test_pgbouncer_is_paused_and_leads_to_the_new_primary(walk: Walk, pooled: Pooled) -> None:
    """Rows are written through it all the time."""
    pooled.app.ssh(POOLER.replace("@PRIMARY@", pooled.primary.address))
    pooled.commits()
    values = pooled.values("pgbouncer", pooled.primary, pooled.standby) | {"pgbouncer_entry": "postgres"}
    missing = walk("database-failover", "app-1", values=values | {"pgbouncer_entry": "away"}, undo=True)
    assert missing.failed == ["1.2"], missing.why

    done = walk("database-failover", "app-1", values=values)

    assert done.code == 0, done.why
    assert "canary-canary" not in done.said + str(done.document)
    pooled.commits()
    assert not pooled.committed() - rows(pooled.standby)
    address = pooled.standby.address
    assert pooled.app.ssh(f"sed -n 2,4p {INI}; stat -c %U:%a {INI}").splitlines() == [
        f"postgres = host={address} port=5432 user=postgres password=canary-canary dbname=postgres",
        f"reports = host={address} port=5432 dbname=postgres",
        "other = host=10.9.9.9 port=5433 dbname=postgres",
        "postgres:640",
    ]


def test_a_standby_that_cannot_stream_follows_its_old_primary_again(walk: Walk, pooled: Pooled) -> None:
    before = pooled.third.ssh(CONNINFO)
    values: dict[str, object] = {"primary_address": "127.0.0.1", "primary_port": 9, "patience": 2}
    refused = walk("database-repoint", "db-3", values=values, undo=True)
    assert refused.failed == ["1.1"], refused.why

    pooled.third.ssh(broken("pg_isready", "false"))
    pooled.third.ssh("printf '#!/bin/sh\\nexit 0\\n' >/usr/local/sbin/pg_isready")
    undone = walk("database-repoint", "db-3", values=values, undo=True)

    assert undone.failed == ["3.1"], undone.why
    after = pooled.third.ssh(CONNINFO)
    assert sorted(after.split()) == sorted(before.split())
    assert not pooled.third.ssh("ls /srv/postgresql/data/lilfox-primary 2>/dev/null || true").strip()


def test_another_standby_follows_the_new_primary(walk: Walk, pooled: Pooled) -> None:
    before = pooled.third.ssh(CONNINFO)

    done = walk("database-repoint", "db-3", primary_address=pooled.standby.address)

    assert done.code == 0, done.why
    assert pooled.third.ssh(SENDER).strip() == f"streaming|{pooled.standby.address}"
    kept = {each for each in before.split() if not each.startswith(("host=", "port="))}
    assert kept <= set(pooled.third.ssh(CONNINFO).split())
    pooled.commits()
    wait_for(lambda: pooled.committed() <= rows(pooled.third), timeout_s=30, what="the rows are on the standby")


@pytest.mark.parametrize("keepalived", [False, True], ids=["by hand", "keepalived"])
def test_a_virtual_address_moves_to_the_new_primary(walk: Walk, pooled: Pooled, *, keepalived: bool) -> None:
    """``db-2`` has it and takes the rows; then ``db-3``, and the other way round with the real keepalived."""
    primary, standby = (pooled.third, pooled.standby) if keepalived else (pooled.standby, pooled.third)
    virtual = primary.address.rsplit(".", 1)[0] + ".250"
    if keepalived:
        standby.ssh(
            "systemctl stop database; rm -rf /srv/postgresql /etc/systemd/system/database.service.d;"
            " systemctl daemon-reload"
        )
        standby.ssh(STANDBY.replace("@PRIMARY@", primary.address))
        primary.ssh(f"ip addr del {virtual}/32 dev host0")
        for machine, state, priority in ((primary, "MASTER", 150), (standby, "BACKUP", 100)):
            made = KEEPALIVED.replace("@STATE@", state).replace("@PRIORITY@", str(priority))
            machine.ssh(made.replace("@VIRTUAL@", virtual))
        wait_for(lambda: virtual in primary.ssh("ip -o addr"), timeout_s=30, what="keepalived has the address")
    else:
        primary.ssh(f"ip addr add {virtual}/24 dev host0")
    pooled.app.ssh(
        f"sed -i 's#@[0-9.]*:[0-9]*/#@{virtual}:5432/#' /etc/lilfox/backend.env; systemctl restart lilfox-backend"
    )
    pooled.commits()
    values = pooled.values("address", primary, standby)
    missing = walk("database-failover", "app-1", values=values, undo=True)
    assert missing.failed == ["1.2"], missing.why

    done = walk("database-failover", "app-1", values=values | {"virtual_address": virtual})

    assert done.code == 0, done.why
    assert virtual in standby.ssh("ip -o addr")
    assert virtual not in primary.ssh("ip -o addr")
    pooled.commits()
    assert not pooled.committed() - rows(standby)


def test_a_virtual_address_is_given_back_if_nothing_is_promoted(walk: Walk, pooled: Pooled) -> None:
    """``db-2`` has it by keepalived; there is no standby that could take over."""
    primary, standby = pooled.standby, pooled.third
    virtual = primary.address.rsplit(".", 1)[0] + ".250"
    standby.ssh(
        "systemctl stop keepalived database; rm -rf /srv/postgresql /etc/systemd/system/database.service.d;"
        " systemctl daemon-reload"
    )
    standby.ssh(STANDBY.replace("@PRIMARY@", primary.address))
    standby.ssh(broken("psql", "case $* in *promote*) ;; *) false ;; esac"))
    values = pooled.values("address", primary, standby) | {"virtual_address": virtual}

    done = walk("database-failover", "app-1", values=values, undo=True)

    assert done.failed == ["3.1"], done.why
    wait_for(lambda: virtual in primary.ssh("ip -o addr"), timeout_s=30, what="keepalived has the address again")
    pooled.commits()
