"""Repositories that the real restic, Borg and pgBackRest have made: too old, found, backed up into, and gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from lilfox_tui.audit.checks.backups.repositories import REPOSITORIES
from lilfox_tui.audit.model import AuditFinding
from lilfox_tui.audit.targets.hosts import gather
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.hosts.open import open_host
from tests.lab.auditing import audited, found_by, run, write
from tests.lab.database_host import DatabaseHost
from tests.lab.machines import Machine, MachineLab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab"),
    pytest.mark.provokes("repository-too-old"),
]
CHECK = "repository-too-old"
LATER_S = 20
"""The programs tell when they began; the files are written at the end."""
OLD = "touch -d '3 days ago'"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("backups1")
    made.up()
    yield made
    made.kill()


async def found(lab: MachineLab, machine: Machine, **settings: object) -> dict[str, AuditFinding]:
    report = await audited(lab, machine, CHECK, audit=AuditConfig(**settings))  # type: ignore[arg-type]
    assert report.not_checked == ()
    return found_by(report, CHECK)


async def read(lab: MachineLab, machine: Machine) -> list[float]:
    """When the newest snapshots were written, as the audit reads it."""
    host = open_host(machine.name, machine.config(), lab.ssh())
    try:
        printed = await gather(host, [REPOSITORIES], sudo=False)
    finally:
        await host.close()
    return [each.newest or 0 for each in REPOSITORIES.parse(printed[REPOSITORIES.name]).found]


async def test_restic(lab: MachineLab, machine: Machine) -> None:
    backup = "RESTIC_PASSWORD=x restic -q --no-cache -r /srv/backups/shop/restic"
    await run(machine, f"mkdir -p /srv/backups/shop; {backup} init; {backup} backup /etc/hostname")
    assert await found(lab, machine) == {}
    await run(machine, f"cd /srv/backups/shop/restic; chmod -R u+w .; {OLD} snapshots/* config")
    each = (await found(lab, machine))["/srv/backups/shop/restic"]
    assert "the newest snapshot in this repository of restic is 3 d old (" in str(each.evidence)
    assert str(each.evidence).endswith("the RPO is 2 d")
    assert await found(lab, machine, rpo=Seconds(4 * 86400)) == {}
    await run(machine, "systemctl list-timers --all", f"{backup} backup /etc/hostname")
    assert each.fix.commands == (
        "systemctl list-timers --all",
        "restic -r /srv/backups/shop/restic snapshots --latest 1",
    )
    assert await found(lab, machine) == {}
    told = json.loads(machine.ssh(f"{backup} snapshots --json"))
    at = datetime.fromisoformat(max(each["time"] for each in told)[:19] + "+00:00")
    assert 0 <= (await read(lab, machine))[0] - at.timestamp() <= LATER_S
    await run(machine, "rm -r /srv/backups")


async def test_borg(lab: MachineLab, machine: Machine) -> None:
    await run(
        machine,
        "borg init -e none /root/shop.borg; borg create /root/shop.borg::one /etc/hostname",
        f"{OLD} /root/shop.borg/*",
    )
    each = (await found(lab, machine))["/root/shop.borg"]
    assert "the last write to this repository of Borg was 3 d ago" in str(each.evidence)
    await run(machine, *each.fix.commands, "borg create /root/shop.borg::two /etc/hostname")
    assert await found(lab, machine) == {}
    told = json.loads(machine.ssh("TZ=UTC borg list --json --last 1 /root/shop.borg"))
    at = datetime.fromisoformat(told["archives"][0]["time"] + "+00:00")
    assert 0 <= (await read(lab, machine))[0] - at.timestamp() <= LATER_S
    await run(machine, "rm -r /root/shop.borg")


async def test_pgbackrest(lab: MachineLab, machine: Machine) -> None:
    DatabaseHost(machine, rows=10)
    await write(
        machine,
        "/etc/pgbackrest.conf",
        "[global]\nrepo1-path=/var/spool/pgbackrest\nrepo1-retention-full=1\narchive-check=n\narchive-copy=n",
        "start-fast=y\ncompress-level=1\n[shop]\npg1-path=/srv/postgresql/data\npg1-socket-path=/run/postgresql",
    )
    await run(
        machine,
        "install -d -o postgres /var/spool/pgbackrest /var/log/pgbackrest",
        "runuser -u postgres -- pgbackrest --stanza=shop stanza-create",
    )
    info = "/var/spool/pgbackrest/backup/shop/backup.info"
    assert await found(lab, machine) == {}  # made just now
    await run(machine, f"{OLD} {info}")
    each = (await found(lab, machine))["/var/spool/pgbackrest: shop"]
    assert "a repository of pgBackRest without a snapshot" in str(each.evidence)
    await run(machine, *each.fix.commands)
    assert await found(lab, machine) == {}
    told = json.loads(machine.ssh("runuser -u postgres -- pgbackrest info --output=json"))
    assert await read(lab, machine) == [told[0]["backup"][-1]["timestamp"]["stop"]]
    await run(machine, f"cp {info} /root/info; sed -i -E 's/(timestamp-stop\":)17../\\1160/' {info}")
    each = (await found(lab, machine))["/var/spool/pgbackrest: shop"]  # what was written then
    assert "the newest snapshot in this repository of pgBackRest is " in str(each.evidence)
    await run(machine, f"cp /root/info {info}", *each.fix.commands)
    assert await found(lab, machine) == {}


async def test_one_that_the_configuration_names(lab: MachineLab, machine: Machine) -> None:
    place = "/usr/local/kept/a repository"
    named = AuditConfig(repositories=(f"{machine.name}:{place}", "elsewhere:/other"))
    await run(machine, f"mkdir -p '{place}'; borg init -e none '{place}'; {OLD} '{place}'/*")
    report = await audited(lab, machine, CHECK, audit=named)
    assert found_by(report, CHECK).keys() == {place}
    await run(machine, f"borg create '{place}::one' /etc/hostname")
    report = await audited(lab, machine, CHECK, audit=named)
    assert (report.found, report.not_checked) == ((), ())
    await run(machine, f"rm -r '{place}'")
    report = await audited(lab, machine, CHECK, audit=named)
    reasons = [str(each.reason) for each in report.not_checked]
    assert reasons == [f"{place}: no repository of restic, Borg or pgBackRest"]
