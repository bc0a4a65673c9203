"""An incident, the entries of its timeline, and its folder on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from lilfox_tui.core import paths
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr

SeverityLevel = Literal["SEV-1", "SEV-2", "SEV-3", "SEV-4"]
Moment = Literal["detected", "acknowledged", "mitigated", "resolved"]
StepState = Literal["running", "done", "failed", "unknown", "skipped", "undone"]


class IncidentOpened(Struct, frozen=True, kw_only=True, tag="opened", tag_field="event", gc=False):
    title: str
    severity: SeverityLevel
    cause: str = ""
    """What opened it: an alert's or a runbook's name; empty when somebody did by hand."""
    after: str = ""
    """The incident that was opened before it there, and the SHA-256 of its first line: ``INC-6 9f86d0…``."""


class Noted(Struct, frozen=True, kw_only=True, tag="note", tag_field="event", gc=False):
    text: str


class Decided(Struct, frozen=True, kw_only=True, tag="decision", tag_field="event", gc=False):
    text: str


class RoleAssigned(Struct, frozen=True, kw_only=True, tag="role", tag_field="event", gc=False):
    """``who`` now has the role ``role`` (lead, communication, scribe, …)."""

    role: str
    who: str


class Graded(Struct, frozen=True, kw_only=True, tag="severity", tag_field="event", gc=False):
    severity: SeverityLevel


class Called(Struct, frozen=True, kw_only=True, tag="contact", tag_field="event", gc=False):
    """One of the configured contacts was called, with the outcome."""

    contact: str
    outcome: str


class Marked(Struct, frozen=True, kw_only=True, tag="moment", tag_field="event", gc=False):
    """The time of a moment of the incident was recorded: ``moment`` was at ``when``, which may be earlier than the
    entry."""

    moment: Moment
    when: datetime


def alert_subject(labels: Mapping[str, str]) -> str:
    """Return what an alert is about: the service, job, host or instance that its labels name; empty for none."""
    return next((labels[each] for each in ("service", "job", "host", "instance") if labels.get(each)), "")


def alert_title(name: str, labels: Mapping[str, str]) -> str:
    """Return the title and the cause of an incident that is opened for an alert: the alert's name and its subject."""
    subject = alert_subject(labels)
    return f"{name}: {subject}" if subject else name


class AlertChanged(Struct, frozen=True, kw_only=True, tag="alert", tag_field="event", gc=False):
    name: str
    labels: dict[str, str]
    state: Literal["pending", "firing", "resolved", "no data", "acknowledged", "silenced"]
    since: datetime
    summary: str = ""
    as_of: datetime | None = None
    """When the summary was true, if that is later than ``since``: it was recorded by an incident opened later."""


class PastEvent(Struct, frozen=True, gc=False):
    """What happened to an alert before an incident was opened. ``kind`` as the history of alerts has it."""

    at: datetime
    kind: str
    lasted_s: float | None = None
    """How long it had fired when it resolved."""
    by: str = ""
    note: str = ""


class AlertPast(Struct, frozen=True, kw_only=True, tag="alert history", tag_field="event", gc=False):
    """What happened to an alert of the incident before it fired this time, oldest first."""

    name: str
    labels: dict[str, str]
    events: tuple[PastEvent, ...]


class Noticed(Struct, frozen=True, kw_only=True, tag="noticed", tag_field="event", gc=False):
    """A host, service or backend that LilFox watches, or a part of it, failed or recovered."""

    subject: str
    """``host/NAME``, ``service/NAME`` or ``backend/NAME``."""
    kind: str
    """``lost``, ``back``, ``restarted``, ``level``, or ``unit`` with its name."""
    level: Literal["good", "degraded", "failing"]
    """What it went to."""
    text: str
    since: datetime


class Did(Struct, frozen=True, kw_only=True, tag="did", tag_field="event", gc=False):
    """Something was done directly, without a job: a key trusted, a silence created."""

    text: str


class JobBegan(Struct, frozen=True, kw_only=True, tag="job began", tag_field="event", gc=False):
    """A job began: a backup, a restore, a restart …; listed by ``lilfox jobs``."""

    job: str
    kind: str
    title: str


class JobEnded(Struct, frozen=True, kw_only=True, tag="job ended", tag_field="event", gc=False):
    job: str
    kind: str
    state: str
    message: str
    took_s: float | None = None
    """How long the job ran, as its own events say; None in entries of older versions."""


class StepBegan(Struct, frozen=True, kw_only=True, tag="step began", tag_field="event", gc=False):
    """A command is about to run; written to disk before it does."""

    runbook: str
    sha256: str
    step: int
    title: str
    command: str
    """As it runs, with its values, secrets masked."""
    host: str
    run: str
    """By which its end is matched: of one command on one host, once."""


class StepEnded(Struct, frozen=True, kw_only=True, tag="step ended", tag_field="event", gc=False):
    run: str
    state: StepState
    message: str
    took_s: float | None = None
    """How long the command ran, as its output says; None in entries of older versions."""
    exit_status: int | None = None
    output: str = ""
    """Its head and tail; all of it that was kept is in ``evidence``."""
    output_lines: int = 0
    output_bytes: int = 0
    evidence: str = ""


class StepSkipped(Struct, frozen=True, kw_only=True, tag="skipped", tag_field="event", gc=False):
    runbook: str
    step: int
    title: str
    reason: str


class Changed(Struct, frozen=True, kw_only=True, tag="change", tag_field="event", gc=False):
    """A change that is in force until ``Reverted``: a ban, a stopped unit, a switched port."""

    change: str
    """By which its end is matched."""
    text: str
    undo: str = ""
    """How it is taken back, in words or as a command."""
    ends: datetime | None = None
    """When it ends by itself."""


class Reverted(Struct, frozen=True, kw_only=True, tag="reverted", tag_field="event", gc=False):
    change: str
    text: str
    stays: bool = False
    """It is not undone: it can no longer be, and so it is not counted as a change in force."""


class EvidenceKept(Struct, frozen=True, kw_only=True, tag="evidence", tag_field="event", gc=False):
    """A file was stored beside the timeline."""

    file: str
    """Its name in ``evidence/``."""
    sha256: str
    size_bytes: int
    text: str


class TookOver(Struct, frozen=True, kw_only=True, tag="took over", tag_field="event", gc=False):
    """The author of this entry took over; ``before`` now follows."""

    before: str
    who: str = ""
    """Who acts now, with the terminal; empty where that is not known."""
    process: int = 0
    """The process that acts now, where it is one that stays: the console, a run in a terminal."""


class Closed(Struct, frozen=True, kw_only=True, tag="closed", tag_field="event", gc=False):
    summary: str
    in_force: tuple[str, ...] = ()
    """Changes that were still in force."""
    failing: tuple[str, ...] = ()
    """What still failed, each with its reason and since when."""
    not_known: tuple[str, ...] = ()
    """Of what nobody knew whether it failed, and why."""
    checked: datetime | None = None
    """When that was looked at; None in entries of older versions, and where nobody could look."""
    follow_up: str = ""
    """The incident that was opened for what still failed."""


class FollowUp(Struct, frozen=True, kw_only=True, tag="follow-up", tag_field="event", gc=False):
    """Something is to be done because of the incident; it is called by the number of its entry."""

    text: str
    owner: str = ""
    due: date | None = None


class FollowUpDone(Struct, frozen=True, kw_only=True, tag="follow-up done", tag_field="event", gc=False):
    """The follow-up of the entry ``number`` is done."""

    number: int
    text: str = ""
    """What came of it."""


class Reopened(Struct, frozen=True, kw_only=True, tag="reopened", tag_field="event", gc=False):
    reason: str


What: TypeAlias = (
    IncidentOpened | Noted | Decided | RoleAssigned | Graded | Called | Marked | AlertChanged | Noticed | Did | JobBegan
    | JobEnded | StepBegan | StepEnded | StepSkipped | Changed | Reverted | EvidenceKept | TookOver | Closed | Reopened
    | AlertPast | FollowUp | FollowUpDone
)  # fmt: skip


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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
    """The current state of an incident, computed from its timeline."""

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


# The folders of incidents: where they are, what is in them, and what can go wrong.


# What can go wrong with incidents.


class IncidentError(LilFoxError):
    """An incident could not be opened, read or changed."""


class NoSuchIncident(IncidentError):
    """No incident has this id, or none is open."""

    exit_code = 2


class NotRecorded(IncidentError):
    """The entry could not be written (full or read-only disk); the action to be recorded must not be taken."""


class MomentRefused(IncidentError):
    """A moment of the incident cannot have been at the given time."""

    exit_code = 2


# Where incidents are kept: ``incidents`` in the places that ``core/paths.py`` knows, each a folder ``INC-N``.
#
# It holds ``timeline.jsonl``, ``head`` (the hash of its last line, beside it) and ``evidence/``.


TIMELINE, HEAD, EVIDENCE = "timeline.jsonl", "head", "evidence"
NAMED_BY = "LILFOX_INCIDENT"
"""The environment's word for another incident than the newest open one."""
_INCIDENTS = "incidents"
_ID = re.compile(r"INC-([1-9][0-9]{0,8})", re.ASCII)


def own_folder() -> Path:
    """Return the folder where this process opens incidents, creating it if necessary. Raises NotRecorded."""
    try:
        return paths.own_folder(_INCIDENTS)
    except paths.FolderRefused as refused:
        raise NotRecorded(tr("{problem}; no incident was opened", problem=refused.message), refused.hint) from None


def own_path() -> Path | None:
    """Return the path of ``own_folder`` without creating it; None if there is no such place."""
    try:
        return paths.own_path(_INCIDENTS)
    except (OSError, RuntimeError):
        return None


def all_folders() -> list[Path]:
    """Return the folders that are searched for incidents: where this process opens them, then the user's and the
    system's."""
    mine = own_path()
    return list(dict.fromkeys(folder for folder in (mine, *paths.all_folders(_INCIDENTS)) if folder is not None))


def number_of(name: str) -> int | None:
    """Return the number in an incident's id (7 for ``INC-7``); None if the name is not an id."""
    found = _ID.fullmatch(name)
    return None if found is None else int(found[1])


def incidents_in(folder: Path) -> list[Path]:
    """Return the incidents in one folder, newest first; none if it is missing or unreadable."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  names alone, no objects
    except OSError:
        return []
    found = [(number, name) for name in names if (number := number_of(name)) is not None]
    return [folder / name for _number, name in sorted(found, reverse=True)]


def find(incident_id: str) -> Path:
    """Return the incident's folder, searching this process's own place first. Raises NoSuchIncident."""
    if number_of(incident_id) is not None:
        for folder in all_folders():
            with suppress(OSError):  # another user's may not be looked into
                (folder / incident_id / TIMELINE).lstat()
                return folder / incident_id
    raise NoSuchIncident(
        tr("{id}: no such incident", id=incident_id), tr("list all incidents: lilfox incident list --all")
    )
