"""The checks of a whole host: each fault is made on it, found, mended by the fix that its finding gives, and gone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditSeverity
from tests.lab.auditing import WEAK_PACKAGE, audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
PUBLIC = "5.9.0.1"
"""Any address that is not private; only the host itself has it."""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web1")
    made.up()
    made.ssh(f"ip address add {PUBLIC}/32 dev host0")
    yield made
    made.kill()


@pytest.mark.provokes("firewall")
async def test_a_firewall_that_accepts_everything(lab: MachineLab, machine: Machine) -> None:
    before = found_by(await audited(lab, machine, "firewall"), "firewall")
    assert before.keys() == {"IPv4"}
    await mend(machine, before["IPv4"].fix)
    after = await audited(lab, machine, "firewall")
    assert (after.found, after.not_checked) == ((), ())
    await run(machine, "nft flush ruleset")


@pytest.mark.provokes("public-database")
async def test_a_redis_that_everyone_reaches(lab: MachineLab, machine: Machine) -> None:
    await run(machine, "redis-server --bind 0.0.0.0 --port 6379 --daemonize yes --dir /tmp")
    report = await audited(lab, machine, "public-database")
    assert [(each.finding.subject, each.severity) for each in report.found] == [("Redis:6379", AuditSeverity.CRITICAL)]
    assert PUBLIC in str(report.found[0].finding.evidence)
    fix = report.found[0].finding.fix
    await write(machine, fix.file, *fix.lines)
    await run(machine, "redis-cli shutdown nosave", f"redis-server {fix.file} --daemonize yes --dir /tmp")
    assert (await audited(lab, machine, "public-database")).found == ()
    await run(machine, "redis-cli shutdown nosave")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("tcp dport 6379 accept", True),
        ("tcp dport { 80, 6379 } accept", True),
        ("tcp dport 6000-7000 accept", True),
        ("ip saddr 10.0.0.0/8 tcp dport 6379 accept", False),
        ("tcp dport 6379 drop; tcp dport 6379 accept", False),
        ("tcp dport 80 accept", False),
        ("accept", True),
    ],
)
async def test_what_a_firewall_lets_in(lab: MachineLab, machine: Machine, rule: str, found: bool) -> None:
    rules = f"policy drop; ct state established,related accept; iif lo accept; tcp dport 22 accept; {rule};"
    table = f"table inet filter {{ chain input {{ type filter hook input priority 0; {rules} }}; }}"
    await run(
        machine,
        f"nft flush ruleset; echo {shlex.quote(table)} | nft -f -",
        "redis-server --bind 0.0.0.0 --port 6379 --daemonize yes --dir /tmp",
    )
    report = await audited(lab, machine, "public-database", "firewall")
    await run(machine, "redis-cli shutdown nosave", "nft flush ruleset")
    assert (bool(found_by(report, "public-database")), found_by(report, "firewall")) == (found, {})


@pytest.mark.provokes("sudo-nopasswd")
async def test_sudo_without_a_password(lab: MachineLab, machine: Machine) -> None:
    file = "/etc/sudoers.d/90-cloud"
    await write(machine, file, "# deploy ALL=(ALL) NOPASSWD:ALL", "deploy ALL=(ALL) NOPASSWD:ALL")
    await write(machine, "/etc/sudoers.d/backup", "backup ALL=(root) NOPASSWD: /usr/bin/pg_dump")
    await write(machine, "/etc/sudoers.d/old.dpkg-bak", "deploy ALL=(ALL) NOPASSWD:ALL")
    found = found_by(await audited(lab, machine, "sudo-nopasswd"), "sudo-nopasswd")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        f"{file}: deploy": f"{file}:2: deploy may run ALL with NOPASSWD"
    }
    await run(machine, f"sed -i 's/NOPASSWD://' {file}")
    report = await audited(lab, machine, "sudo-nopasswd")
    assert [each.check.id for each in report.passed] == ["sudo-nopasswd"]


@pytest.mark.provokes("filesystem-full")
async def test_file_systems_that_are_full(lab: MachineLab, machine: Machine) -> None:
    await run(
        machine,
        "mkdir -p /srv/small /srv/many; mount -t tmpfs -o size=1m small /srv/small",
        "mount -t tmpfs -o size=1m,nr_inodes=20 many /srv/many",
        "head -c 1000000 /dev/zero >/srv/small/file; cd /srv/many; touch $(seq 19)",
    )
    found = found_by(await audited(lab, machine, "filesystem-full"), "filesystem-full")
    assert found.keys() == {"/srv/small", "/srv/many: inodes"}
    await run(machine, "umount /srv/small /srv/many")
    assert found_by(await audited(lab, machine, "filesystem-full"), "filesystem-full") == {}


@pytest.mark.provokes("security-updates", "reboot-required")
async def test_updates_and_the_restart_that_they_wait_for(lab: MachineLab, machine: Machine) -> None:
    await run(machine, WEAK_PACKAGE)
    report = await audited(lab, machine, "security-updates", "reboot-required")
    updates, reboot = found_by(report, "security-updates"), found_by(report, "reboot-required")
    assert str(updates["packages"].evidence) == "1 package: weak"
    assert str(reboot["reboot"].evidence) == "/run/reboot-required exists; packages: weak"
    await run(machine, "apt-get -qq -y dist-upgrade", "rm /run/reboot-required")
    after = await audited(lab, machine, "security-updates", "reboot-required")
    assert (after.found, after.not_checked) == ((), ())
    await run(machine, "touch -d '12 days ago' /var/lib/apt/lists /var/lib/apt/lists/partial")
    old = await audited(lab, machine, "security-updates")
    assert [str(each.reason) for each in old.not_checked] == ["the package lists are 12 days old: run apt-get update"]


async def test_nothing_is_found_on_a_host_that_is_set_up_well(lab: MachineLab, machine: Machine) -> None:
    fix = found_by(await audited(lab, machine, "firewall"), "firewall")["IPv4"].fix
    await mend(machine, fix)
    await run(machine, WEAK_PACKAGE, "apt-get -qq -y dist-upgrade", "rm /run/reboot-required")
    report = await audited(lab, machine, "host")
    # a container has no clock of its own, a kernel with cgroup v1 counts no memory by unit, and no engine runs
    unmade = {each.check.id for each in report.not_checked}
    assert unmade <= {"oom-kills"}
    assert {each.check.id for each in report.passed} == {each.id for each in chosen(["host"])} - {
        "clock-not-synchronised",
        "redis-kernel-settings",
        "filesystem-growth",
        "container-engine-tcp",
        *unmade,
    }
    assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
