"""What pgBackRest reports about a stanza: backups, the WAL archive, and the times that they can be recovered to. Pure.

``info --output=json`` lists the backups, ``repo-ls --output=json`` the files of the archive (pgBackRest's command
reference). ``info`` tells only the first and the last WAL segment: whether one is missing between them, only the list
of files tells.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise

import msgspec
from msgspec import Struct, field

from lilfox_tui.backup.sets.model import PhysicalBackup
from lilfox_tui.backup.store import StoreError
from lilfox_tui.core.i18n import tr

_LOG_BYTES = 1 << 32
"""A WAL segment's name has the timeline, the number of its 4 GiB, and its number in these (XLogFileName)."""
_LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
_ARCHIVED = re.compile(r"([0-9]+(?:\.[0-9]+)?-[0-9]+)/[0-9A-F]{16}/([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?")


# ``pgbackrest info --output=json``.


class _BackupTimes(Struct, frozen=True):
    start: int
    stop: int


class _Segments(Struct, frozen=True):
    start: str | None = None
    stop: str | None = None


class _Database(Struct, frozen=True):
    id: int
    repo: int = field(name="repo-key", default=1)


class _Version(_Database, frozen=True):
    version: str = ""
    system_id: int = field(name="system-id", default=0)


class _Stored(Struct, frozen=True):
    delta: int | None = None
    size: int | None = None


class _Sizes(Struct, frozen=True):
    delta: int = 0
    size: int = 0
    repository: _Stored = _Stored()


class _Listed(Struct, frozen=True):
    label: str
    type: str
    timestamp: _BackupTimes
    database: _Database
    archive: _Segments = _Segments()
    info: _Sizes = _Sizes()
    reference: tuple[str, ...] | None = None
    error: bool | None = None


class _StanzaStatus(Struct, frozen=True):
    code: int
    message: str = ""


class _Repository(Struct, frozen=True):
    key: int
    status: _StanzaStatus


class _Stanza(Struct, frozen=True):
    name: str
    status: _StanzaStatus
    backup: tuple[_Listed, ...] = ()
    db: tuple[_Version, ...] = ()
    repo: tuple[_Repository, ...] = ()


class ListedBackup(Struct, frozen=True):
    """One backup of a stanza. ``archive`` is the archive id of its WAL (``17-1``), ``repo_bytes`` what it added to the
    repository; ``damaged``: pages whose checksum was wrong when it was made; None if it does not tell."""

    label: str
    started: datetime
    archive: str
    system: int
    repo_bytes: int
    damaged: bool | None
    backup: PhysicalBackup


class StanzaInfo(Struct, frozen=True):
    """A stanza: its backups, newest first, and the repositories that could be read."""

    name: str
    backups: tuple[ListedBackup, ...]
    repos: tuple[int, ...]
    troubles: Mapping[int, str]
    """Repository → why it has no valid stanza: what pgBackRest says, untrusted text. Having no backup is none."""


_NO_BACKUP = 2
"""Code of a stanza that exists and has no backup yet."""


def read_info(text: bytes, stanza: str) -> StanzaInfo:
    """Return the stanza of that name. Raises StoreError if the answer is not understood or does not have it."""
    try:
        found = msgspec.json.decode(text, type=tuple[_Stanza, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            tr("the answer of pgbackrest info is not understood: {why}", why=str(error)[:120]),
            tr("LilFox knows the JSON of pgBackRest 2.55; check its version on the host"),
        ) from None
    meant = next((each for each in found if each.name == stanza), None)
    if meant is None:
        raise StoreError(tr("pgBackRest does not report a stanza {stanza}", stanza=stanza))
    try:
        listed = tuple(_listed(each, meant) for each in meant.backup)
    except (OverflowError, OSError, ValueError) as error:
        raise StoreError(tr("the answer of pgbackrest info is not understood: {why}", why=str(error)[:120])) from None
    troubles = {each.key: each.status.message for each in meant.repo if each.status.code not in (0, _NO_BACKUP)}
    readable = tuple(each.key for each in meant.repo if each.key not in troubles)
    return StanzaInfo(meant.name, tuple(sorted(listed, key=_newest_first, reverse=True)), readable, troubles)


def _newest_first(each: ListedBackup) -> tuple[datetime, str]:
    return each.started, each.label


def _listed(each: _Listed, stanza: _Stanza) -> ListedBackup:
    if not _LABEL.fullmatch(each.label):
        raise ValueError(each.label)
    of = next((one for one in stanza.db if (one.id, one.repo) == (each.database.id, each.database.repo)), None)
    if of is None:
        raise ValueError(each.label)
    stored = each.info.repository
    return ListedBackup(
        each.label,
        datetime.fromtimestamp(each.timestamp.start, UTC),
        f"{of.version}-{of.id}",
        of.system_id,
        stored.delta if stored.delta is not None else stored.size or 0,
        each.error,
        PhysicalBackup(
            type=each.type,
            finished=datetime.fromtimestamp(each.timestamp.stop, UTC),
            references=each.reference or (),
            wal_start=each.archive.start or "",
            wal_stop=each.archive.stop or "",
            database_bytes=each.info.size,
            copied_bytes=each.info.delta,
            repo=each.database.repo,
            postgresql=of.version,
        ),
    )


# ``pgbackrest repo-ls --recurse --output=json archive/STANZA``.


class WalRun(Struct, frozen=True):
    """WAL segments of one timeline that follow each other without a gap: the first and the last, and when the last was
    archived."""

    first: str
    last: str
    archived: datetime


class Archive(Struct, frozen=True):
    """The WAL in a stanza's repository: archive id → its runs, by name. ``segment_mb``: size of a segment in MiB."""

    runs: Mapping[str, tuple[WalRun, ...]] = {}
    segment_mb: int = 16

    def reach(self, listed: ListedBackup) -> PhysicalBackup:
        """Return the backup with the last moment that it can be recovered to, on its own timeline."""
        backup = listed.backup
        runs = self.runs.get(listed.archive, ())
        if not backup.wal_start:
            return backup
        at = bisect_right([run.first for run in runs], backup.wal_start) - 1
        own = runs[at] if at >= 0 and backup.wal_start <= runs[at].last else None
        if own is None:
            return msgspec.structs.replace(backup, gap=backup.wal_start)
        missing = following(own.last, self.segment_mb)
        if own.last < backup.wal_stop:
            return msgspec.structs.replace(backup, gap=missing, last_wal=own.last)
        after = runs[at + 1] if at + 1 < len(runs) else None
        gap = missing if after is not None and after.first[:8] == own.last[:8] else ""
        return msgspec.structs.replace(backup, until=own.archived, last_wal=own.last, gap=gap)

    def timelines(self, archive: str) -> tuple[int, ...]:
        """Return the timelines that the archive has WAL of, in order."""
        return tuple(sorted({int(run.first[:8], 16) for run in self.runs.get(archive, ())}))


def read_archive(text: bytes, segment_mb: int) -> Archive:
    """Return the archive that the answer lists. Raises StoreError if the answer is not understood, or has segments that
    cannot be of this size."""
    per_log = _LOG_BYTES // (segment_mb << 20)
    try:
        files = msgspec.json.decode(text, type=dict[str, _Entry])
        found: dict[str, dict[str, float]] = {}
        for path, entry in files.items():
            if (named := _ARCHIVED.fullmatch(path)) is not None:
                found.setdefault(named[1], {})[named[2]] = entry.time
        for names in found.values():
            _refuse_size(names, per_log, segment_mb)
        runs = {archive: tuple(_runs(names, per_log)) for archive, names in found.items()}
        return Archive(runs, segment_mb)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, OSError, ValueError) as error:
        raise StoreError(
            tr("the answer of pgbackrest repo-ls is not understood: {why}", why=str(error)[:120])
        ) from None


class _Entry(Struct, frozen=True):
    type: str
    time: float = 0


def _refuse_size(names: Mapping[str, float], per_log: int, segment_mb: int) -> None:
    largest = max((int(name[16:], 16) for name in names), default=0)
    if largest >= per_log:
        raise StoreError(
            tr("the archive has WAL segments that are smaller than {size} MiB", size=segment_mb),
            tr("set wal_segment_mb of the plan to what this shows: SHOW wal_segment_size"),
        )


def _runs(names: Mapping[str, float], per_log: int) -> Iterator[WalRun]:
    ordered: Sequence[tuple[int, int, str]] = sorted((*_place(name, per_log), name) for name in names)
    for _key, group in groupby(enumerate(ordered), lambda each: (each[1][0], each[1][1] - each[0])):
        run = [name for _at, (_timeline, _number, name) in group]
        yield WalRun(run[0], run[-1], datetime.fromtimestamp(names[run[-1]], UTC))


def _place(name: str, per_log: int) -> tuple[int, int]:
    """The timeline of a segment, and its number on it."""
    return int(name[:8], 16), int(name[8:16], 16) * per_log + int(name[16:], 16)


def following(name: str, segment_mb: int) -> str:
    """Return the name of the segment after ``name``."""
    per_log = _LOG_BYTES // (segment_mb << 20)
    timeline, number = _place(name, per_log)
    return f"{timeline:08X}{(number + 1) // per_log:08X}{(number + 1) % per_log:08X}"


# ``pgbackrest verify --output=text --verbose``, which exits with 0 whatever it finds: only these lines tell.


class Verified(Struct, frozen=True):
    """What pgbackrest verify found of one backup. ``trouble`` is empty only if it reports every file of the backup, and
    every WAL segment that it read, as valid."""

    trouble: str
    files: int = 0
    segments: int = 0


_BACKUP_LINE = re.compile(
    r"^\s*backup: (?P<label>\S+), status: (?P<status>[^,]+), total files checked: (?P<files>\d+), "
    r"total valid files: (?P<valid>\d+)$"
)
_WAL_LINE = re.compile(r"^\s*archiveId: \S+, total WAL checked: (?P<files>\d+), total valid WAL: (?P<valid>\d+)$")
_FOUND_LINE = re.compile(r"^\s*(?:(?:missing|checksum invalid|size invalid|other): \d+(?:, )?)+$")


def read_verify(text: str, label: str) -> Verified:
    """Return what the output says of the backup. What is not understood counts as trouble."""
    lines = text.splitlines()
    of_backup = [found for line in lines if (found := _BACKUP_LINE.match(line)) and found["label"] == label]
    of_wal = [found for line in lines if (found := _WAL_LINE.match(line))]
    said = "; ".join(_complaints(lines))
    if len(of_backup) != 1 or "status: ok" not in (line.strip() for line in lines):
        return Verified(said or "no result for it")
    found = of_backup[0]
    whole = found["status"] == "valid" and found["files"] == found["valid"]
    if not whole or any(each["files"] != each["valid"] for each in of_wal):
        return Verified(said or found[0].strip())
    return Verified("", int(found["files"]), sum(int(each["files"]) for each in of_wal))


def _complaints(lines: Sequence[str]) -> Iterator[str]:
    """The lines about what is not valid, each with what was found of it."""
    for line, after in pairwise([*lines, ""]):
        found = _BACKUP_LINE.match(line) or _WAL_LINE.match(line)
        if found is not None and found["files"] != found["valid"]:
            yield f"{line.strip()}: {after.strip()}" if _FOUND_LINE.match(after) else line.strip()
