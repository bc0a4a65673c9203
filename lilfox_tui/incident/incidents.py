"""Opens, writes, reads, hands over and closes incidents, and records their key moments."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core import paths
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.files import open_regular
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.incident.model import (
    NAMED_BY,
    TIMELINE,
    Closed,
    FollowUp,
    FollowUpDone,
    Incident,
    IncidentError,
    IncidentOpened,
    Marked,
    Moment,
    MomentRefused,
    NoSuchIncident,
    NotRecorded,
    Reopened,
    SeverityLevel,
    TimelineEntry,
    TookOver,
    What,
    all_folders,
    find,
    incidents_in,
    number_of,
    own_folder,
    own_path,
)
from lilfox_tui.incident.reducer import fold, impact, is_open, moment_text, still_in_force
from lilfox_tui.incident.timeline import (
    NOTHING_BEFORE,
    TimelineReader,
    create_timeline,
    digest,
    log_head_hash,
    masked,
    not_recorded,
    open_for_append,
    read_head_hash,
    sync_folder,
)
from lilfox_tui.redact import redact

# Incidents as everybody else has them: opened, written to, read, taken over, closed.
#
# Everything blocks (fsync): from an event loop use ``asyncio.to_thread``.


MOST_EVIDENCE_BYTES = 16 << 20
_LOCK = ".lock"
_NEW = ".new-"


class TimelineContents(Struct, frozen=True):
    """The contents of a timeline."""

    entries: tuple[TimelineEntry, ...]
    unreadable: int
    """Lines that are no entries: left out above, named by ``verifying.verify``."""


def myself() -> str:
    """Return the author's name: ``user@machine``; under sudo, the user who called it."""
    return name_of(os.geteuid(), os.environ.get("SUDO_USER", ""))


def name_of(uid: int, caller: str = "") -> str:
    """Return the author's name like ``myself``, for a process of user ``uid`` on this machine; ``caller`` started it by
    sudo."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    if uid == 0 and caller not in ("", name):
        name = f"{caller} ({name})"
    return f"{name}@{socket.gethostname()}"


def open_incident(
    title: str, severity: SeverityLevel = "SEV-3", cause: str = "", by: str = "", *, unless_open: bool = False
) -> Incident:
    """Open an incident, which becomes the current one; with ``unless_open``, if one is already open here, return that
    one instead. ``cause`` is the name of an alert or a runbook. Raises NotRecorded."""
    place = own_folder()
    try:
        with _alone(place):
            if unless_open and (there := _newest_open(place)) is not None:
                return read_incident(there)
            folder = _make(place, IncidentOpened(title=title, severity=severity, cause=cause), by or myself())
    except OSError as error:
        raise not_recorded(place, error) from None
    return read_incident(folder)


def current_folder(*, own: bool = False, places: Sequence[Path] | None = None) -> Path | None:
    """Return the folder of the current incident: the one that LILFOX_INCIDENT names, else the newest open one in this
    process's own folder, else (unless ``own``) one in another readable folder. ``places`` are ``all_folders``, from who
    knows them. Raises NoSuchIncident if the environment names one that does not exist."""
    if named := os.environ.get(NAMED_BY, ""):
        return find(named)
    for place in filter(None, [own_path()]) if own else places or all_folders():
        if (found := _newest_open(place)) is not None:
            return found
    return None


def current() -> Incident | None:
    """The current incident, as ``current_folder`` finds it. Raises NoSuchIncident, IncidentError."""
    folder = current_folder()
    return None if folder is None else read_incident(folder)


def open_beside(folder: Path) -> Incident | None:
    """Return the current incident unless it is the one in ``folder``. Raises NoSuchIncident, IncidentError."""
    now = current_folder()
    return None if now is None or now == folder else read_incident(now)


def chosen(incident_id: str | None) -> Path:
    """Return the folder of the incident with this id, or of the current one for None. Raises NoSuchIncident."""
    if incident_id is not None:
        return find(incident_id)
    folder = current_folder()
    if folder is None:
        raise NoSuchIncident(
            tr("no incident is open"),
            tr(
                "open one: lilfox incident open TITLE; or specify the ID of a closed one, such as INC-7 (lilfox "
                "incident list --all)"
            ),
        )
    return folder


def append(incident_id: str, what: What, *, by: str = "", once: str | None = None) -> TimelineEntry:
    """Write ``what`` to disk (fsync), masked and bounded, and return the entry as stored; if an entry has the same
    ``once``, return that one. Raises NoSuchIncident, NotRecorded, IncidentError."""
    return append_in(find(incident_id), what, by=by, once=once)


def append_in(folder: Path, what: What, *, by: str = "", once: str | None = None) -> TimelineEntry:
    """Append like ``append``, to the incident in the given folder."""
    with open_for_append(folder, by or myself()) as timeline:
        return timeline.append(what, once=once or "")


def record(what: What, *, by: str = "", once: str | None = None) -> bool:
    """Append ``what`` to the current incident in this process's own folder; return False if none is open. Raises
    NotRecorded if it cannot be written; the recorded action must then not be taken."""
    folder = current_folder(own=True)
    if folder is None:
        return False
    append_in(folder, what, by=by, once=once)
    return True


def keep_evidence(incident_id: str, name: str, data: bytes, text: str, *, by: str = "") -> TimelineEntry:
    """Store ``data`` (at most 16 MiB), its secrets masked, as a file of the incident; the entry holds an
    ``EvidenceKept`` with the file's name. Raises NoSuchIncident, NotRecorded, IncidentError."""
    if len(data) > MOST_EVIDENCE_BYTES:
        raise IncidentError(
            tr("{name} is too large for evidence: {size} bytes, the limit is {most}",
               name=name, size=len(data), most=MOST_EVIDENCE_BYTES),
            tr("keep only the relevant part: its head, its tail, or the lines in question"),
        )  # fmt: skip
    with open_for_append(find(incident_id), by or myself()) as timeline:
        return timeline.keep(name, _masked_bytes(data), text)


def entries(incident_id: str) -> list[TimelineEntry]:
    """Return the readable entries. Raises NoSuchIncident, IncidentError."""
    return list(read_timeline(find(incident_id)).entries)


def read_timeline(folder: Path) -> TimelineContents:
    """Read the whole timeline. Raises IncidentError if it cannot be read."""
    reader = TimelineReader(folder)
    try:
        found = reader.read()
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
        ) from None
    return TimelineContents(tuple(found), reader.unreadable)


def read_incident(folder: Path) -> Incident:
    """Return the incident's current state, computed from its timeline. Raises IncidentError."""
    return fold(read_timeline(folder).entries, folder)


def list_incidents(*, closed: bool = True) -> list[Incident]:
    """Return the incidents in all readable folders, newest first; without closed ones if ``closed`` is False.
    Unreadable ones are left out."""
    found = []
    for place in all_folders():
        for folder in incidents_in(place):
            with suppress(IncidentError):
                if closed or _is_open(folder):
                    found.append(read_incident(folder))
    return sorted(found, key=lambda incident: incident.opened, reverse=True)


def take_over(folder: Path, *, by: str = "", who: str = "", process: int = 0) -> TimelineEntry:
    """Put ``by`` in charge of the incident from now on; the previous leader follows. ``who`` and ``process`` as in
    ``TookOver``. Raises NotRecorded, IncidentError."""
    with open_for_append(folder, by or myself()) as timeline:
        return timeline.append(TookOver(before=read_incident(folder).leader, who=who, process=process))


def check_open(incident: Incident) -> None:
    """Raise IncidentError if the incident is closed already."""
    if incident.closed is not None:
        raise IncidentError(tr("{id} is already closed", id=incident.id))


def close(folder: Path, summary: str, *, by: str = "", found: Closed | None = None) -> TimelineEntry:
    """Close the incident; its ``Closed`` entry names the changes that are still in force, and has what ``found`` has of
    what still fails. Raises NotRecorded, IncidentError (closed already)."""
    with open_for_append(folder, by or myself()) as timeline:
        incident = read_incident(folder)
        check_open(incident)
        changes = tuple(change.text for change in still_in_force(incident, datetime.now(UTC)))
        return timeline.append(replace(found or Closed(summary=""), summary=summary, in_force=changes))


def follow_up(folder: Path, text: str, owner: str, due: date | None, *, done: int | None) -> FollowUp | FollowUpDone:
    """Return what to record of a follow-up: a new one, or that the one of the entry ``done`` is done. Raises
    IncidentError."""
    if done is None:
        if not text:
            raise UsageError(tr("a follow-up needs a text"), tr("say what is to be done"))
        return FollowUp(text=text, owner=owner, due=due)
    if not any(each.number == done and isinstance(each.what, FollowUp) for each in read_timeline(folder).entries):
        raise UsageError(
            tr("entry {number} is no follow-up", number=done), tr("list the entries: lilfox incident show --all")
        )
    return FollowUpDone(number=done, text=text)


def reopen(folder: Path, reason: str, *, by: str = "") -> TimelineEntry:
    """Reopen the incident. Raises NotRecorded, IncidentError (open already)."""
    with open_for_append(folder, by or myself()) as timeline:
        incident = read_incident(folder)
        if incident.closed is None:
            raise IncidentError(tr("{id} is already open", id=incident.id))
        return timeline.append(Reopened(reason=reason))


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock that keeps other processes from opening incidents in ``place``. Raises OSError."""
    handle = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(place: Path, first: IncidentOpened, by: str) -> Path:
    """Create an incident's folder; it becomes visible only once it is complete. Raises OSError, NotRecorded."""
    for left in place.glob(f"{_NEW}*"):  # of somebody who was killed
        shutil.rmtree(left, ignore_errors=True)
    folder = place / f"{_NEW}{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        folder.chmod(paths.modes(place)[0])
        register = read_register(place)
        known = [number_of(found.name) or 0 for each in all_folders() for found in incidents_in(each)[:1]]
        number = max([*known, *(each.number for each in register[-1:])], default=0) + 1
        after = f"INC-{register[-1].number} {register[-1].first}" if register else ""
        create_timeline(folder, replace(first, after=after), by)
        sync_folder(folder)
        named = place / f"INC-{number}"
        folder.rename(named)
        sync_folder(place)
    except (OSError, NotRecorded):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    with suppress(OSError):  # it is open already
        _register(place, number, named, register)
    if (end := read_head_hash(named)) is not None:
        log_head_hash(named, end)
    return named


# The register of the incidents of a folder: which numbers were given. A number is never given again, so an incident
# that somebody removed is missing from then on, and the first entry of the next one names it.


_REGISTER = ".register"


class RegisteredIncident(Struct, frozen=True, kw_only=True):
    """A line of the register. ``first`` is the SHA-256 of the first line of its timeline, ``previous`` that of the line
    of the register before this one (64 zeros for the first)."""

    number: int
    at: datetime
    first: str
    previous: str


def read_register(place: Path) -> list[RegisteredIncident]:
    """Return the readable lines of the register of a folder, oldest first. Blocks."""
    found = []
    with suppress(OSError), os.fdopen(open_regular(place / _REGISTER), "rb") as file:
        for line in file.read().split(b"\n"):
            with suppress(msgspec.MsgspecError):
                found.append(msgspec.json.decode(line, type=RegisteredIncident))
    return sorted(found, key=lambda each: each.number)


def removed_incidents() -> list[tuple[str, datetime]]:
    """Return the ids of the incidents of all readable folders that are registered and gone, and when they were opened.
    Blocks."""
    found = []
    for place in all_folders():
        there = {number_of(folder.name) for folder in incidents_in(place)}
        found += [(f"INC-{each.number}", each.at) for each in read_register(place) if each.number not in there]
    return found


def _register(place: Path, number: int, folder: Path, register: Sequence[RegisteredIncident]) -> None:
    """Add an incident to the register of ``place``. Raises OSError."""
    with (folder / TIMELINE).open("rb") as timeline:
        first = digest(timeline.readline().rstrip(b"\n"))
    previous = digest(msgspec.json.encode(register[-1])) if register else NOTHING_BEFORE
    line = msgspec.json.encode(RegisteredIncident(number=number, at=datetime.now(UTC), first=first, previous=previous))
    handle = os.open(place / _REGISTER, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, paths.modes(place)[1])
        os.write(handle, b"\n" + line)  # behind what an interrupted write left
        os.fsync(handle)
    finally:
        os.close(handle)


def _newest_open(place: Path) -> Path | None:
    return next((folder for folder in incidents_in(place) if _is_open(folder)), None)


def _is_open(folder: Path) -> bool:
    """Whether the incident is open, by its head if that matches the timeline, else by the timeline; False if it cannot
    be read."""
    try:
        known = read_head_hash(folder)
        if known is not None and known.size == (folder / TIMELINE).stat().st_size:
            return known.open
        found = TimelineReader(folder).read()
    except OSError:
        return False
    return bool(found) and is_open(found)


def _masked_bytes(data: bytes) -> bytes:
    """Mask secrets; in binary data all other bytes stay as they are."""
    try:
        return masked(data.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        return redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


# The four moments of an incident (detected, acknowledged, mitigated, resolved), as somebody says that they were.


_IN_ORDER: tuple[tuple[Moment, Moment], ...] = (
    ("detected", "acknowledged"),
    ("detected", "mitigated"),
    ("detected", "resolved"),
    ("mitigated", "resolved"),
)
"""The first of each pair is never after the second. What mends itself may do so before anybody acknowledges it."""


def mark(folder: Path, moment: Moment, when: datetime, *, by: str = "") -> TimelineEntry:
    """Record that ``moment`` was at ``when`` (aware). Raises MomentRefused for a time in the future or one that does
    not fit the known moments, NotRecorded, IncidentError."""
    with open_for_append(folder, by or myself()) as timeline:
        entries = read_timeline(folder).entries
        derived = impact(fold(entries, folder), entries).items()
        known = {
            name: found.when
            for name, found in derived
            if found.told or name == "detected" or not (found.alert or found.subject)
        }
        _check(moment, when, known)
        return timeline.append(Marked(moment=moment, when=when))


def _check(moment: Moment, when: datetime, known: dict[Moment, datetime]) -> None:
    if when > datetime.now(UTC):
        raise MomentRefused(
            tr("{time:%Y-%m-%d %H:%M:%S} UTC is in the future", time=when.astimezone(UTC)),
            tr("include the date in the time: 2023-12-30T14:05"),
        )
    for first, second in _IN_ORDER:
        if moment == first and second in known and when > known[second]:
            text = tr("“{moment}” must not be later than “{other}” ({time:%Y-%m-%d %H:%M:%S} UTC)",
                      moment=moment_text(first), other=moment_text(second), time=known[second])  # fmt: skip
            raise MomentRefused(text, _hint(second))
        if moment == second and first in known and when < known[first]:
            text = tr("“{moment}” must not be earlier than “{other}” ({time:%Y-%m-%d %H:%M:%S} UTC)",
                      moment=moment_text(second), other=moment_text(first), time=known[first])  # fmt: skip
            raise MomentRefused(text, _hint(first))


def _hint(other: Moment) -> Message:
    return tr("if that time is wrong, correct it first: lilfox incident mark {moment} --at TIME", moment=other)
