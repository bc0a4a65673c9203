"""Sets of the ops manual's scripts: files recognized by name, grouped by date, checked by size.

``backup_db.sh`` writes ``postgresql/lilfox_DATE.sql.gz`` (``.sql`` once somebody has unpacked it), ``backup.sh`` above
it ``env_DATE``, ``config_DATE.tar.gz``, ``uploads_DATE.tar.gz``; the scripts for one part put those into ``config/``
and ``files/``, and ``rollback.sh`` reads ``rollback/db_VERSION.sql``. Each script asks for the date anew, so the dates
of one set differ. A failed run leaves a file all the same: 20 bytes of gzip around nothing, 45 around an empty archive.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from msgspec import Struct

from lilfox_tui.backup.sets.model import BackupSet, FoundPart, state_of
from lilfox_tui.backup.sets.names import moment_of
from lilfox_tui.backup.store import StoreEntry
from lilfox_tui.core.i18n import Message, listed, tr

WINDOW = timedelta(seconds=120)
"""Dates of one set are not further apart."""
EMPTY_BELOW = 64
"""Fewer bytes hold neither a dump's header and trailer nor an archive with a member in it."""
_NEIGHBOURS = 4
_STAMP = r"(?P<stamp>\d{8}_\d{6})"
_DATABASE = re.compile(rf"(?:postgresql/)?lilfox_{_STAMP}\.sql(?:\.gz)?", re.ASCII | re.IGNORECASE)
_ROLLBACK = re.compile(r"rollback/db_(?P<stamp>\w[\w.-]{0,200}?)\.sql(?:\.gz)?", re.ASCII | re.IGNORECASE)
_ENV = re.compile(rf"(?:config/)?env_{_STAMP}", re.ASCII | re.IGNORECASE)
_CONFIG = re.compile(rf"(?:config/)?config_{_STAMP}\.tar(?:\.gz)?", re.ASCII | re.IGNORECASE)
_UPLOADS = re.compile(rf"(?:files/)?uploads_{_STAMP}\.tar(?:\.gz)?", re.ASCII | re.IGNORECASE)


class OldSetSlot(Struct, frozen=True):
    """One kind of file in a set of the ops manual's scripts; a set has one of each or none. ``about`` is its label."""

    pattern: re.Pattern[str]
    source: str
    source_kind: str
    kind: str
    about: Message | str


_SLOTS = (
    OldSetSlot(_DATABASE, "database", "postgresql", "postgresql-plain", tr("database")),
    OldSetSlot(_ROLLBACK, "database", "postgresql", "postgresql-plain", tr("database")),
    OldSetSlot(_ENV, "config", "config", "file", ".env"),
    OldSetSlot(_CONFIG, "config", "config", "files", "config/"),
    OldSetSlot(_UPLOADS, "uploads", "files", "files", tr("uploads")),
)
_WHOLE = (_SLOTS[0], *_SLOTS[2:])
"""What a set of ``backup.sh`` has."""


class OldFile(Struct, frozen=True):
    """A file of the ops manual's scripts, with the time in its name as aware UTC."""

    entry: StoreEntry
    slot: OldSetSlot
    stamp: str
    at: datetime

    @property
    def is_rollback(self) -> bool:
        """Whether the file is a dump for ``rollback.sh``, which forms a set by itself."""
        return self.slot.pattern is _ROLLBACK


def is_rollback(found: BackupSet) -> bool:
    """Whether a set is a dump for ``rollback.sh``, made before a change rather than nightly."""
    return found.old and all(_ROLLBACK.fullmatch(part.name) for part in found.parts)


def read_old_name(entry: StoreEntry, zone: tzinfo) -> OldFile | None:
    """Parse a file name of the ops manual's scripts; None if it is not one. A dump for ``rollback.sh`` without a date
    gets its modification time."""
    for slot in _SLOTS:
        found = slot.pattern.fullmatch(entry.name)
        if found is None:
            continue
        at = _moment(found["stamp"], entry.modified, zone)
        if at is None and slot.pattern is _ROLLBACK:
            at = entry.modified
        return None if at is None else OldFile(entry, slot, found["stamp"], at)
    return None


def _moment(stamp: str, modified: datetime, zone: tzinfo) -> datetime | None:
    """Return the time of a stamp. In an hour that occurs twice, it is the second one if the file was written then."""
    first, second = moment_of(stamp, zone), moment_of(stamp, zone, fold=1)
    if first is None or second is None or first >= second:
        return first
    return second if timedelta(0) <= modified - second < second - first else first


def old_sets(files: Sequence[OldFile], taken: Collection[str] = ()) -> list[BackupSet]:
    """Group ``files`` into sets, in no particular order, with ids that are not in ``taken``. A file joins the nearest
    database dump within :data:`WINDOW`; without one, files close in time form a set. There is no list of what a set
    should contain, but one script writes everything: a set is partial if it lacks a file that another set has."""
    ordered = sorted((file for file in files if not file.is_rollback), key=lambda file: (file.at, file.entry.name))
    groups = [[file] for file in files if file.is_rollback]
    groups += _grouped([file for file in ordered if file.slot is _SLOTS[0]], ordered)
    made: list[BackupSet] = []
    ids = set(taken)
    usual = {id(file.slot) for group in groups for file in group}
    for group in groups:
        made.append(_set(group, ids, usual))
        ids.add(made[-1].id)
    return made


def _grouped(databases: list[OldFile], files: list[OldFile]) -> list[list[OldFile]]:
    """Group files, nearest pairs first. Files that match no database dump are grouped around the earliest of them."""
    groups = [[database] for database in _first_of_each_time(databases)]
    in_group = {id(group[0]) for group in groups}
    left = [file for file in files if id(file) not in in_group]
    _join(groups, left)
    joined = {id(file) for group in groups for file in group}
    left = [file for file in left if id(file) not in joined]
    loose: list[list[OldFile]] = []
    for file in left:
        near = loose[-1] if loose else None
        fits = near is not None and file.at - near[0].at <= WINDOW
        if near is not None and fits and all(file.slot is not other.slot for other in near):
            near.append(file)
        else:
            loose.append([file])
    return groups + loose


def _first_of_each_time(databases: list[OldFile]) -> Iterator[OldFile]:
    """Yield one database dump for each time. If there are several, prefer one that is not empty, then the compressed
    one."""
    best: dict[datetime, OldFile] = {}
    for file in databases:
        other = best.get(file.at)
        if other is None or _preference(file) > _preference(other):
            best[file.at] = file
    return iter(best.values())


def _preference(file: OldFile) -> tuple[bool, bool]:
    return file.entry.size_bytes >= EMPTY_BELOW, file.entry.name.lower().endswith(".gz")


def _join(groups: list[list[OldFile]], files: list[OldFile]) -> None:
    """Add files to the groups, nearest pairs first, by the time of a group's first file; a group takes one file for
    each slot."""
    times = [group[0].at for group in groups]
    pairs: list[tuple[timedelta, int, int]] = []
    for at, file in enumerate(files):
        middle = bisect_left(times, file.at)
        for number in range(max(0, middle - _NEIGHBOURS), min(len(groups), middle + _NEIGHBOURS)):
            apart = abs(times[number] - file.at)
            if apart <= WINDOW and file.slot is not _SLOTS[0]:
                pairs.append((apart, number, at))
    full: set[tuple[int, int]] = set()
    placed: set[int] = set()
    for _apart, number, at in sorted(pairs):
        place = (number, id(files[at].slot))
        if at not in placed and place not in full:
            full.add(place)
            placed.add(at)
            groups[number].append(files[at])


def _set(group: list[OldFile], taken: set[str], usual: set[int]) -> BackupSet:
    first = group[0]
    parts = tuple(_part(file) for file in sorted(group, key=lambda file: _SLOTS.index(file.slot)))
    times = [file.at for file in group]
    trouble = next((part.trouble for part in parts if part.trouble), "")
    lacking = _lacking(group)
    missing = tuple(str(slot.about) for slot in lacking if id(slot) in usual)
    return BackupSet(
        id=_free_id(first, taken),
        created=first.at,
        status=state_of(fault=trouble, untrusted=False, missing=bool(missing), proven=None),
        reason=trouble or _not_whole(lacking),
        fault=trouble,
        missing=missing,
        parts=parts,
        old=True,
        spread_s=(max(times) - min(times)).total_seconds(),
    )


def _part(file: OldFile) -> FoundPart:
    entry, slot = file.entry, file.slot
    least = 1 if slot.kind == "file" else EMPTY_BELOW
    return FoundPart(
        name=entry.name,
        source=slot.source,
        source_kind=slot.source_kind,
        kind=slot.kind,
        size_bytes=entry.size_bytes,
        modified=entry.modified,
        trouble=tr("{name} is empty: the run failed", name=entry.name) if entry.size_bytes < least else "",
    )


def _lacking(group: list[OldFile]) -> list[OldSetSlot]:
    if group[0].is_rollback:
        return []
    there = {id(file.slot) for file in group}
    return [slot for slot in _WHOLE if id(slot) not in there]


def _not_whole(lacking: list[OldSetSlot]) -> Message | str:
    missing = listed(str(slot.about) for slot in lacking)
    return tr("incomplete; no files from that time for {missing}", missing=missing) if lacking else ""


def _free_id(file: OldFile, taken: set[str]) -> str:
    wanted = f"db_{file.stamp}" if file.is_rollback else f"lilfox_{file.stamp}"
    made, number = wanted, 1
    while made in taken:
        number += 1
        made = f"{wanted}-{number}"
    return made
