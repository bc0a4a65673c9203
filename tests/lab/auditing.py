"""Audits of a lab host, and what their fixes say done on it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditFinding, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.model import BackendConfig, Config, LogConfig
from tests.lab.machines import Machine, MachineLab

WEAK_PACKAGE = """
set -e
for version in 1 2; do
    mkdir -p /srv/build/DEBIAN
    printf 'Package: weak\\nVersion: %s\\nArchitecture: all\\nMaintainer: nobody\\nDescription: weak\\n' $version \
        >/srv/build/DEBIAN/control
    dpkg-deb --build /srv/build /srv/weak_$version.deb
done
dpkg -i /srv/weak_1.deb
cd /etc/apt; mkdir -p /srv/repo sources.list.d preferences.d apt.conf.d
mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial
mv /srv/weak_2.deb /srv/repo; cd /srv/repo
size=$(stat -c %s weak_2.deb); sum=$(sha256sum weak_2.deb | cut -d' ' -f1)
{ dpkg-deb -f weak_2.deb; printf 'Filename: ./weak_2.deb\\nSize: %s\\nSHA256: %s\\n' $size $sum; } >Packages
printf 'Origin: Debian\\nLabel: Debian-Security\\nSuite: stable-security\\nSHA256:\\n %s %s Packages\\n' \
    $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) >Release
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
apt-get -qq update
touch /run/reboot-required; echo weak >/run/reboot-required.pkgs
"""
"""Commands that install a package of which a repository for security has a newer version, and make it wait for a
restart."""


async def audited(
    lab: MachineLab,
    machine: Machine,
    *checks: str,
    logs: Mapping[str, LogConfig] | None = None,
    audit: AuditConfig | None = None,
    backends: Mapping[str, BackendConfig] | None = None,
) -> Report:
    """The report of ``checks`` on one host, of which the configuration has these ``logs`` and ``backends``."""
    config = Config(
        hosts={machine.name: machine.config()}, ssh=lab.ssh(), logs=dict(logs or {}), audit=audit or AuditConfig(),
        backends=dict(backends or {}),
    )  # fmt: skip
    return await Audit(config, timeout_s=120).run(chosen(checks), targets_of(config))


def found_by(report: Report, check: str) -> dict[str, AuditFinding]:
    """The findings of one check, by their subjects."""
    return {each.finding.subject: each.finding for each in report.found if each.check.id == check}


async def run(machine: Machine, *commands: str) -> None:
    """Runs commands as root, one after another."""
    for command in commands:
        await asyncio.to_thread(machine.ssh, command)


async def write(machine: Machine, file: str, *lines: str) -> None:
    """Writes a file and its folder."""
    text = shlex.quote("\n".join(lines) + "\n")
    await run(machine, f"mkdir -p {shlex.quote(file.rpartition('/')[0])}; printf %s {text} >{shlex.quote(file)}")


async def mend(machine: Machine, fix: Fix) -> None:
    """What a fix says: its lines into its file, then its commands."""
    if fix.file:
        await write(machine, fix.file, *fix.lines)
    await run(machine, *fix.commands)
