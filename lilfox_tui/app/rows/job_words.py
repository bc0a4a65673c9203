"""Names for what jobs do, for the header, rows and pages. Does not import jobs/, because the header is drawn first."""

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


def job_kind_text(kind: str) -> str:
    """A word for what a job does."""
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
    """The progress of a job in percent over all parts of known size; None if there are none."""
    known = [each for each in job.progress if each.total_bytes]
    total = sum(each.total_bytes or 0 for each in known)
    return min(100, sum(each.done_bytes for each in known) * 100 // total) if total else None


def user() -> str:
    """The current user, as the system names it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def is_ours(job: Job, name: str) -> bool:
    """Whether a running job was started by user ``name`` on this machine."""
    return job.state == "running" and job.user == name and job.host in ("", socket.gethostname())
