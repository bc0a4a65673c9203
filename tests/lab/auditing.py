"""Audits of a lab host, and what their fixes say done on it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditFinding, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.model import AuditConfig, Config, LogConfig
from tests.lab.machines import Machine, MachineLab


async def audited(
    lab: MachineLab,
    machine: Machine,
    *checks: str,
    logs: Mapping[str, LogConfig] | None = None,
    audit: AuditConfig | None = None,
) -> Report:
    """The report of ``checks`` on one host, of which the configuration has these ``logs``."""
    audit = audit or AuditConfig()
    config = Config(hosts={machine.name: machine.config()}, ssh=lab.ssh(), logs=dict(logs or {}), audit=audit)
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
