"""Names for what jobs do, and how old a store's state is, for the header, rows and pages. Does not import jobs/,
because the header is drawn first."""

from __future__ import annotations

import os
import pwd
import socket
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import human_age, human_bytes
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.monitor.model import PlanView


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
        "restart container": _("restart"),
        "stop container": _("stop"),
        "start container": _("start"),
        "kill container": _("kill"),
        "restart workload": _("restart"),
        "set image": _("update"),
        "undo rollout": _("undo"),
        "scale workload": _("scale"),
        "pause rollout": _("pause"),
        "resume rollout": _("resume"),
        "cordon": _("cordon"),
        "uncordon": _("uncordon"),
        "drain": _("drain"),
        "delete pod": _("delete"),
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


# How old what is known of a store is.


_STALE_S = 150.0
"""So old a store's numbers are told with their age: it is looked at each minute."""


def is_stale(view: PlanView, now: datetime) -> bool:
    """Whether what is known of a plan's store is of the past: it cannot be read, or a look at it is overdue."""
    age_s = 0.0 if view.read_at is None else (now - view.read_at).total_seconds()
    return view.outage is not None or age_s > _STALE_S


def last_read(read_at: datetime, now: datetime) -> str:
    """How old what is known of a store is."""
    return _("last read {time} ago", time=human_age(max(1.0, (now - read_at).total_seconds())))


def free_text(view: PlanView, now: datetime, zone: tzinfo) -> str:
    """The free room on a store's disk and when it was asked for, as an age where a look is overdue; empty if it is
    unknown."""
    if view.free_bytes is None:
        return ""
    text = _("{bytes} free", bytes=human_bytes(view.free_bytes))
    if view.read_at is None:
        return text
    if is_stale(view, now):
        return _("{free} {time} ago", free=text, time=human_age((now - view.read_at).total_seconds()))
    return _("{free} at {time}", free=text, time=f"{view.read_at.astimezone(zone):%H:%M}")
