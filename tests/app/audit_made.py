"""Results of the audit made by hand, for screens that must look the same every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import AuditView, FindingView, UncheckedView

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
LEVELS = {"low": Level.DEGRADED, "medium": Level.DEGRADED, "high": Level.FAILING, "critical": Level.FAILING}


def finding(check: str, severity: str, target: str, **more: Any) -> FindingView:
    """A finding on a host, or on what ``more`` says."""
    said: dict[str, Any] = {
        "kind": "host",
        "subject": check,
        "title": Message(f"the title of {check}"),
        "why": Message(f"Why {check} matters."),
        "evidence": f"{check} was read",
        "fix": Message(f"Mend {check}."),
        "first_seen": NOW - timedelta(days=2),
    }
    return FindingView(
        key=f"{check} {target}",
        check=check,
        severity=severity,
        severity_text=Message(severity),
        level=LEVELS[severity],
        target=target,
        **{**said, **more},
    )


PASSWORDS = finding(
    "ssh-password-auth",
    "high",
    "db-1",
    subject="PasswordAuthentication",
    title=Message("sshd accepts passwords"),
    why=Message("A key cannot be guessed."),
    evidence="sshd -T: passwordauthentication yes",
    fix=Message("Write these lines to /etc/ssh/sshd_config.d/00-lilfox-audit.conf, then reload sshd."),
    file="/etc/ssh/sshd_config.d/00-lilfox-audit.conf",
    lines=("PasswordAuthentication no",),
    commands=("sshd -t", "systemctl reload ssh"),
    reference="https://man.openbsd.org/sshd_config#PasswordAuthentication",
)
FIREWALL = finding("firewall", "medium", "db-1", subject="IPv6")
DURABILITY = finding("postgresql-durability", "critical", "shop", kind="backend", subject="fsync")
ACCEPTED = finding(
    "oom-kills", "medium", "web-1", state="accepted", accepted_until="2026-04-30", accepted_why="a known leak"
)
NOT_CHECKED = UncheckedView("firewall", "host", "web-1", "needs root: set sudo: true for this host, or log in as root")


def result(*findings: FindingView, **more: Any) -> AuditView:
    """The result of a run two minutes ago: these findings, or one of each kind."""
    found = findings or (DURABILITY, PASSWORDS, FIREWALL, ACCEPTED)
    said = {"at": NOW - timedelta(minutes=2), "findings": found, "not_checked": (NOT_CHECKED,), "passed": 21}
    return AuditView(**{**said, **more})
