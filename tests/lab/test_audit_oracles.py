"""lynis and the audit look at the same host, careless and then mended: what both find is equal, or the tables say why
not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.model import Report
from tests.lab.auditing import WEAK_PACKAGE, audited, mend, run, write
from tests.lab.machines import Machine, MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
PUBLIC = "5.9.0.1"
"""Any address that is not private; only the host itself has it."""
GROUPS = {
    "KRNL": "kernel",
    "PKGS": "ports_packages",
    "FIRE": "firewalls",
    "SSH": "ssh",
    "DBS": "databases",
    "TIME": "time",
    "FILE": "file_permissions",
}
"""The groups of tests of lynis, by the first part of their names."""
TESTS = (
    "SSH-7402", "SSH-7404", "SSH-7406", "SSH-7408", "FIRE-4540", "PKGS-7392", "KRNL-5830",
    "TIME-3104", "FILE-7524", "DBS-1880", "DBS-1882", "DBS-1888",
)  # fmt: skip
"""Those whose subject the audit has too, and those that they need."""
SAME = {
    "SSH-7408 PermitRootLogin": ("ssh-root-login", "PermitRootLogin"),
    "firewall_empty_ruleset": ("firewall", "IPv4"),
    "vulnerable_package weak": ("security-updates", "packages"),
    "KRNL-5830": ("reboot-required", "reboot"),
    "redis_bind_localhost": ("public-database", "Redis:6379"),
}
"""What lynis reports, and what the audit finds."""
SHELL = "a user who has a shell can forward by other means (sshd_config(5)), and operations engineers use it"
ONLY_LYNIS = {
    "SSH-7408 AllowTcpForwarding": SHELL,
    "SSH-7408 AllowAgentForwarding": SHELL,
    "SSH-7408 ClientAliveCountMax": "how long a dead connection is kept opens nothing",
    "SSH-7408 TCPKeepAlive": "as ClientAliveCountMax",
    "SSH-7408 LogLevel": "OpenSSH logs logins and failures at INFO, its default",
    "SSH-7408 MaxAuthTries": "the audit asks whether passwords are accepted; keys are not guessed",
    "SSH-7408 MaxSessions": "sessions of one login need no login; the default is that of OpenSSH",
    "FILE-7524": "everybody may read sshd_config and list /etc/cron.d on Debian; nothing in them is secret",
    "SSH-7408 Port": "another port hides sshd from nobody who scans",
}
"""Defaults of OpenSSH and Debian that lynis advises to change, and why the audit does not."""
ONLY_AUDIT = {
    ("ssh-password-auth", "PasswordAuthentication"): "lynis does not look at PasswordAuthentication",
    (
        "sudo-nopasswd",
        "/etc/sudoers.d/90-cloud: deploy",
    ): "lynis looks at the permissions of the files, not at the rules",
}
CHECKS = (
    "ssh-root-login", "ssh-password-auth", "firewall", "public-database", "security-updates", "reboot-required",
    "sudo-nopasswd", "clock-not-synchronised",
)  # fmt: skip
SSHD = "/etc/ssh/sshd_config"
REDIS = "/etc/redis/redis.conf"
START_REDIS = f"redis-server {REDIS} --daemonize yes --dir /tmp --logfile /dev/null --pidfile ''"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web1")
    made.up()
    made.ssh(f"ip address add {PUBLIC}/32 dev host0")
    yield made
    made.kill()


async def lynis(machine: Machine, *tests: str) -> set[str]:
    """What lynis reports of ``tests``. It takes one group of tests a run, so they are put into one."""
    file = "/usr/share/lynis/include/tests_shared"
    await write(machine, "/etc/lynis/custom.prf", "skip-upgrade-test=yes", "refresh-repositories=no")
    groups = " ".join(dict.fromkeys(GROUPS[each.partition("-")[0]] for each in tests))
    await write(machine, file, f"for group in {groups}; do . ${{INCLUDEDIR}}/tests_$group; done")
    words = f"--tests {':'.join(tests)} --tests-from-group shared --no-plugins --quick --quiet --no-colors"
    await run(machine, f"chmod 640 {file}; lynis audit system {words} >/dev/null")
    report = machine.ssh("cat /var/log/lynis-report.dat")
    executed = _all(r"^tests_executed=(.*)", report)[0].split("|")
    assert set(executed) >= {each for each in tests if not each.startswith("DBS-")}  # these need a Redis
    found = {f"SSH-7408 {field}" for field in _all(r"^details\[\]=SSH-7408\|.*;field:(\w+);", report)}
    found |= {f"vulnerable_package {name}" for name in _all(r"^vulnerable_package\[\]=(.*)", report)}
    found |= set(_all(r"^(?:warning|suggestion)\[\]=(KRNL-5830|TIME-3104|FILE-7524)\|", report))
    found |= set(_all("^(firewall_empty_ruleset)=1$", report))
    return found | set(_all("^(redis_bind_localhost)=0$", report))


def _all(pattern: str, report: str) -> list[str]:
    return re.findall(pattern, report, re.MULTILINE)


def told(report: Report) -> set[tuple[str, str]]:
    """The findings, by check and subject."""
    assert report.not_checked == ()
    return {(each.check.id, each.finding.subject) for each in report.found}


async def make_careless(machine: Machine) -> None:
    """With a fault of each kind."""
    await write(machine, SSHD, "PermitRootLogin yes", "PasswordAuthentication yes", machine.ssh(f"cat {SSHD}"))
    await write(machine, REDIS, "# Redis", "bind 0.0.0.0", "port 6379", "protected-mode no")
    await write(machine, "/etc/sudoers.d/90-cloud", "deploy ALL=(ALL) NOPASSWD:ALL")
    await run(machine, "systemctl reload ssh", START_REDIS, WEAK_PACKAGE)


async def make_careful(machine: Machine, report: Report) -> None:
    """By what the fixes say."""
    fixes = {(each.check.id, each.finding.subject): each.finding.fix for each in report.found}
    for check, subject in (("ssh-root-login", "PermitRootLogin"), ("ssh-password-auth", "PasswordAuthentication")):
        fix = fixes[check, subject]
        await write(machine, fix.file, *fix.lines, machine.ssh(f"cat {fix.file}"))
        await run(machine, *fix.commands)
    await mend(machine, fixes["firewall", "IPv4"])
    lines = fixes["public-database", "Redis:6379"].lines
    await run(machine, "redis-cli shutdown nosave")
    await write(machine, REDIS, "# Redis", *lines)
    await run(machine, START_REDIS, "apt-get -qq -y dist-upgrade", "rm /etc/sudoers.d/90-cloud /run/reboot-required*")


async def test_lynis_agrees_on_each_item(lab: MachineLab, machine: Machine) -> None:
    """Neither judges the clock of a container, which is that of its host."""
    await make_careless(machine)
    report = await audited(lab, machine, *CHECKS)
    ours, theirs = told(report), await lynis(machine, *TESTS)
    assert theirs == SAME.keys() | ONLY_LYNIS.keys()
    assert ours == set(SAME.values()) | ONLY_AUDIT.keys()
    await make_careful(machine, report)
    assert told(await audited(lab, machine, *CHECKS)) == set()
    assert await lynis(machine, *TESTS) == ONLY_LYNIS.keys()


RULES = "tcp dport { 22, 80, 443 } accept; ct state established accept; iif lo accept; icmp type echo-request accept;"
KERNELS = ("6.0.1-1-amd64", "6.0.1-2-amd64")


async def filtered(machine: Machine, policy: str, rules: str) -> None:
    """Only these rules are in force."""
    chain = f"chain input {{ type filter hook input priority 0; policy {policy}; {rules} }};"
    await run(machine, f"nft flush ruleset; echo 'table inet filter {{ {chain} }}' | nft -f -")


async def test_lynis_counts_rules_where_the_audit_reads_them(lab: MachineLab, machine: Machine) -> None:
    """Four rules are a ruleset for lynis, whatever the policy."""
    await filtered(machine, "accept", RULES)
    assert told(await audited(lab, machine, "firewall")) == {("firewall", "IPv4")}
    assert await lynis(machine, "FIRE-4540") == set()


async def test_a_kernel_that_waits_for_a_restart(lab: MachineLab, machine: Machine) -> None:
    """A container has the kernel of its host, and one rule may be enough: lynis sees neither. Then the same host as one
    with the kernel of Debian."""
    await filtered(machine, "drop", "tcp dport 22 accept;")
    await write(machine, f"/boot/vmlinuz-{KERNELS[1]}", "a kernel")
    assert told(await audited(lab, machine, "firewall", "reboot-required")) == set()
    assert await lynis(machine, "FIRE-4540", "KRNL-5830") == {"firewall_empty_ruleset", "KRNL-5830"}
    for name, text in (("systemd-detect-virt", "exit 1"), ("uname", f"echo {KERNELS[0]}")):
        await write(machine, f"/usr/local/bin/{name}", "#!/bin/sh", text)
    await run(machine, "chmod 755 /usr/local/bin/*")
    report = await audited(lab, machine, "reboot-required")
    assert [str(each.finding.evidence) for each in report.found] == [
        f"kernel {KERNELS[0]} is running, and {KERNELS[1]} is installed"
    ]
    await write(machine, "/usr/local/bin/uname", "#!/bin/sh", f"echo {KERNELS[1]}")  # as after the restart
    assert told(await audited(lab, machine, "reboot-required")) == set()
    await run(machine, "rm /usr/local/bin/*")
