"""What a timeline holds: events, one JSON line each, and the incident that they add up to.

The timeline is the only truth: title, severity, roles and state are what its events say, folded in order. Each line
has the SHA-256 of the line before it, so that nothing in the middle can be changed or taken out unseen. All text was
masked (``redact``) before it was written. Times are aware UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

SeverityLevel = Literal["SEV-1", "SEV-2", "SEV-3", "SEV-4"]
Moment = Literal["detected", "acknowledged", "mitigated", "resolved"]
StepState = Literal["running", "done", "failed", "unknown", "skipped", "undone"]


class IncidentOpened(Struct, frozen=True, kw_only=True, tag="opened", tag_field="event"):
    title: str
    severity: SeverityLevel
    cause: str = ""
    """What opened it: an alert's or a runbook's name; empty when somebody did by hand."""


class Noted(Struct, frozen=True, kw_only=True, tag="note", tag_field="event"):
    text: str


class Decided(Struct, frozen=True, kw_only=True, tag="decision", tag_field="event"):
    text: str


class RoleAssigned(Struct, frozen=True, kw_only=True, tag="role", tag_field="event"):
    """``who`` is now ``role`` (lead, communication, scribe, …)."""

    role: str
    who: str


class Graded(Struct, frozen=True, kw_only=True, tag="severity", tag_field="event"):
    severity: SeverityLevel


class Called(Struct, frozen=True, kw_only=True, tag="contact", tag_field="event"):
    """Somebody of the config's contacts was called, and what came of it."""

    contact: str
    outcome: str


class Marked(Struct, frozen=True, kw_only=True, tag="moment", tag_field="event"):
    """``moment`` was at ``when``, which may be before the event."""

    moment: Moment
    when: datetime


class AlertChanged(Struct, frozen=True, kw_only=True, tag="alert", tag_field="event"):
    name: str
    labels: dict[str, str]
    state: Literal["pending", "firing", "resolved", "no data", "acknowledged", "silenced"]
    since: datetime
    summary: str = ""


class Noticed(Struct, frozen=True, kw_only=True, tag="noticed", tag_field="event"):
    """A host, a service or a backend that LilFox watches went or came back, or something of it did."""

    subject: str
    """``host/NAME``, ``service/NAME`` or ``backend/NAME``."""
    kind: str
    """``lost``, ``back``, ``restarted``, ``level``, or ``unit`` with its name."""
    level: Literal["good", "degraded", "failing"]
    """What it went to."""
    text: str
    since: datetime


class Did(Struct, frozen=True, kw_only=True, tag="did", tag_field="event"):
    """Something was done at once, without a job: a key trusted, a silence made."""

    text: str


class JobBegan(Struct, frozen=True, kw_only=True, tag="job began", tag_field="event"):
    """A backup, a restore, a restart …: what ``lilfox jobs`` lists."""

    job: str
    kind: str
    title: str


class JobEnded(Struct, frozen=True, kw_only=True, tag="job ended", tag_field="event"):
    job: str
    kind: str
    state: str
    message: str


class StepBegan(Struct, frozen=True, kw_only=True, tag="step began", tag_field="event"):
    """A command is about to run: on the disk before it does."""

    runbook: str
    sha256: str
    step: int
    title: str
    command: str
    """As it runs, values marked, secrets masked."""
    host: str
    run: str
    """By which its end is matched: of one command on one host, once."""


class StepEnded(Struct, frozen=True, kw_only=True, tag="step ended", tag_field="event"):
    run: str
    state: StepState
    message: str
    exit_status: int | None = None
    output: str = ""
    """Its head and tail; all of it that was kept is in ``evidence``."""
    output_lines: int = 0
    output_bytes: int = 0
    evidence: str = ""


class StepSkipped(Struct, frozen=True, kw_only=True, tag="skipped", tag_field="event"):
    runbook: str
    step: int
    title: str
    reason: str


class Changed(Struct, frozen=True, kw_only=True, tag="change", tag_field="event"):
    """Something is now otherwise than it was, until ``Reverted``: a ban, a stopped unit, a switched port."""

    change: str
    """By which its end is matched."""
    text: str
    undo: str = ""
    """How it is taken back, in words or as a command."""
    ends: datetime | None = None
    """When it ends by itself."""


class Reverted(Struct, frozen=True, kw_only=True, tag="reverted", tag_field="event"):
    change: str
    text: str


class EvidenceKept(Struct, frozen=True, kw_only=True, tag="evidence", tag_field="event"):
    """A file beside the timeline."""

    file: str
    """Its name in ``evidence/``."""
    sha256: str
    size_bytes: int
    text: str


class TookOver(Struct, frozen=True, kw_only=True, tag="took over", tag_field="event"):
    """Who wrote this now acts; ``before`` follows."""

    before: str
    who: str = ""
    """Who acts now, with the terminal; empty where that is not known."""
    process: int = 0
    """The process that acts now, where it is one that stays: the console, a run in a terminal."""


class Closed(Struct, frozen=True, kw_only=True, tag="closed", tag_field="event"):
    summary: str
    in_force: tuple[str, ...] = ()
    """Changes that were still in force."""


class Reopened(Struct, frozen=True, kw_only=True, tag="reopened", tag_field="event"):
    reason: str


What: TypeAlias = (
    IncidentOpened | Noted | Decided | RoleAssigned | Graded | Called | Marked | AlertChanged | Noticed | Did | JobBegan
    | JobEnded | StepBegan | StepEnded | StepSkipped | Changed | Reverted | EvidenceKept | TookOver | Closed | Reopened
)  # fmt: skip


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a timeline."""

    number: int
    """From 1, without a gap."""
    at: datetime
    by: str
    """``user@machine``, and ``lilfox monitor`` behind it where nobody asked."""
    previous: str
    """SHA-256, in hex, of the line before this one without its newline; 64 zeros for the first."""
    once: str = ""
    """No other entry of this timeline has the same; empty for those that may come again."""
    what: What


class Incident(Struct, frozen=True, kw_only=True):
    """An incident as its timeline tells it now."""

    id: str
    """``INC-7``: numbers count up in the state folder."""
    folder: str
    title: str
    severity: SeverityLevel
    opened: datetime
    closed: datetime | None = None
    roles: dict[str, str] = {}
    leader: str = ""
    """Who acts (``TookOver``); at first who opened it."""
    moments: dict[Moment, datetime] = {}
    in_force: dict[str, Changed] = {}
    """Changes that nothing reverted, also those that have ended by themselves (``folding.still_in_force``)."""
    jobs: dict[str, JobBegan] = {}
    """Jobs by their id that began and of whose end nothing is told, or only that nobody knows it."""
    steps: dict[str, StepBegan] = {}
    """Commands by ``run``, as ``jobs``."""
    entries: int = 0
    changed: datetime
    """When the last entry was written."""
