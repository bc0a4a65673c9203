"""Words and signs of jobs, for header, rows and pages. Nothing of jobs/ is imported: the header is drawn before it."""

from __future__ import annotations

import os
import pwd
import socket
from typing import TYPE_CHECKING

from lilfox_tui.core.i18n import _
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import Job


STATES = {
    "running": Level.UNKNOWN,
    "ok": Level.GOOD,
    "partly": Level.DEGRADED,
    "failed": Level.FAILING,
    "cancelled": Level.DEGRADED,
    "unknown": Level.FAILING,
}
STATE_ROLES = {
    "running": "accent",
    "ok": "good",
    "partly": "degraded",
    "failed": "failing",
    "cancelled": "degraded",
    "unknown": "failing",
}


def kind_text(kind: str) -> str:
    """What a job does, in a word."""
    return {
        "backup": _("backup"),
        "verify": _("verify"),
        "drill": _("drill"),
        "prune": _("prune"),
        "restore": _("restore"),
        "undo": _("undo"),
        "settle": _("settle"),
        "forget": _("discard"),
        "recover": _("recover"),
        "runbook": _("runbook"),
        "restart": _("restart"),
        "start": _("start"),
        "stop": _("stop"),
        "signal": _("signal"),
        "ban": _("ban"),
        "unban": _("lift the ban"),
        "cancel query": _("cancel the statement"),
        "terminate": _("terminate the session"),
    }.get(kind, kind)


def percent_of(job: Job) -> int | None:
    """How far a job is over all parts whose size is known; None where none is."""
    known = [each for each in job.progress if each.total_bytes]
    total = sum(each.total_bytes or 0 for each in known)
    return min(100, sum(each.done_bytes for each in known) * 100 // total) if total else None


def user() -> str:
    """Who sits here, as the system has it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def is_ours(job: Job, name: str) -> bool:
    """Whether the one who sits here began it, on this machine."""
    return job.state == "running" and job.user == name and job.host in ("", socket.gethostname())
