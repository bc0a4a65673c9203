"""A log with its rotated files, oldest first."""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import PurePath

from msgspec import Struct

from lilfox_tui.core.errors import FileMoved
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.logs.files import local
from lilfox_tui.logs.files.log_file import (
    SAMPLE_BYTES,
    ByteFile,
    Disk,
    FileStat,
    LogFile,
    RecordPosition,
    beginning_after,
    place_gone,
)
from lilfox_tui.logs.record import every_line, split_records
from lilfox_tui.logs.times import lacks_year

# The names that rotation gives to the files of one log, and their order by age.
#
# ``app.log.1``, ``app.log.2.gz`` (logrotate, RotatingFileHandler), ``app.log-20261124`` (logrotate's dateext),
# ``app.log.2026-11-24`` (TimedRotatingFileHandler), ``app-2026-11-24.log`` (written so from the start).


PACKED_ENDS = (".gz", ".zst", ".xz", ".bz2")
_DATE = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?|[-_T]\d\d)?|\d{10}"
_ENDED = re.compile(rf"(?P<base>.+?)(?:[-.](?P<date>{_DATE}))?(?:\.(?P<number>\d{{1,6}}))?", re.DOTALL)
_INSERTED = re.compile(rf"(?P<stem>.+?)[-._](?:(?P<date>{_DATE})|\d{{1,6}})\.(?P<suffix>[^.]*[^.\d][^.]*)", re.DOTALL)
_MAGIC = re.compile(r"[*?\[]")


def is_pattern(path: str) -> bool:
    """Whether the path is a pattern."""
    return _MAGIC.search(path) is not None


def patterns(path: str, *, rotated: bool) -> list[str]:
    """Return the patterns that find the files of the log at ``path``, which is not a pattern itself."""
    if not rotated:
        return [literal(path)]
    folder, name = _split(path)
    folder, name = literal(folder), literal(name)
    stem, dot, suffix = name.rpartition(".")
    named = [folder + name, f"{folder}{name}[.-]*"]
    return [*named, f"{folder}{stem}[-._]*.{suffix}*"] if dot and stem else named


def chain(path: str, seen: Iterable[FileStat], *, rotated: bool, numbered: bool = True) -> list[FileStat]:
    """Return the files of the log at ``path``, oldest first. Leaves out a compressed file beside its uncompressed
    original, because compression is still running. Unless ``numbered``, ``app-2.log`` does not belong to ``app.log``:
    it may be that of a second worker."""
    name = PurePath(path).name
    aged = [(age, one) for one in seen if (age := _age(name, PurePath(one.path).name, numbered)) is not None]
    if not rotated:
        aged = [(age, one) for age, one in aged if one.path == path]
    names = {one.path for _, one in aged}
    aged = [(age, one) for age, one in aged if _unpacked(one.path) == one.path or _unpacked(one.path) not in names]
    return [one for _, one in sorted(aged, key=lambda pair: (pair[0], pair[1].modified_s))]


def named_files(paths: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return a name for each path: the file name without ``.log``, or the path if that name is taken. Leaves out a file
    that is read as a rotation of another one of the paths, so that no record is read twice."""
    files = dict.fromkeys(paths)
    names: dict[str, str] = {}
    for path in files:
        if not any(_is_rotation(path, log) for log in files if log != path):
            name = PurePath(path).name.removesuffix(".log") or path
            names[path if name in names or name in taken else name] = path
    return names


def _is_rotation(path: str, log: str) -> bool:
    (folder, name), (log_folder, log_name) = _split(path), _split(log)
    return folder == log_folder and _age(log_name, name, numbered=True) is not None


class LogNames:
    """Assigns many files to their logs. A log is named by the path of the file being written, even if rotation leaves
    no file of that name (``app.log`` for ``app-2026-11-24.log``).

    A number may also tell parallel logs apart (``worker-1.log``, ``10.0.0.1``): before the ending, or after a digit, it
    is rotation's only where the log itself was seen. What was once told apart stays so.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, paths: Iterable[str]) -> list[str]:
        """The logs of these files, sorted."""
        logs = []
        for path in sorted(paths, key=lambda each: (len(each), each)):  # a log before those that it was rotated to
            logs.append(self.log_of(path))
            self._known.add(logs[-1])
        return sorted(set(logs))

    def log_of(self, path: str) -> str:
        """The log of that file."""
        if path in self._known:
            return path
        path = _unpacked(path)
        folder, name = _split(path)
        if (match := _ENDED.fullmatch(name)) and (match["date"] or match["number"]):
            log = folder + match["base"]
            if match["date"] or not log[-1].isdigit() or log in self._known:
                return log
        if match := _INSERTED.fullmatch(name):
            log = f"{folder}{match['stem']}.{match['suffix']}"
            if match["date"] or log in self._known:
                return log
        return path


class PatternFiles(Struct, frozen=True):
    """A pattern, and the assignment of its files to logs."""

    pattern: str
    names: LogNames


def _age(base: str, name: str, numbered: bool) -> tuple[int, str, int] | None:
    """Return the sort key by age, oldest first; None for a file of another log."""
    if name == base:
        return 1, "", 0
    name = _unpacked(name)
    stem, _, suffix = base.rpartition(".")
    shapes = [rf"{re.escape(base)}(?:[-.](?P<date>{_DATE}))?(?:\.(?P<number>\d{{1,6}}))?"]
    if stem:
        number = r"(?P<number>\d{1,6})" if numbered else r"(?P<number>(?!))"
        shapes.append(rf"{re.escape(stem)}[-._](?:(?P<date>{_DATE})|{number})\.{re.escape(suffix)}")
    for shape in shapes:
        if (match := re.fullmatch(shape, name)) and (match["date"] or match["number"] or name == base):
            digits = re.sub(r"\D", "", match["date"] or "")
            return 0, digits, -int(match["number"] or 0)
    return None


def _unpacked(name: str) -> str:
    return next((name.removesuffix(end) for end in PACKED_ENDS if name.endswith(end)), name)


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return folder + slash, name


def literal(text: str) -> str:
    """Return a pattern that matches only ``text`` itself."""
    return re.sub(r"([*?\[])", r"[\1]", text)


# The years of a file whose times tell none: by when the file was last written to, and by the order of its lines.
#
# Each time is read as the latest that is not after its part of the file. Where a later line has an earlier time, a year
# has passed before it: parts end there, and the times of the part before are a year older.


_OUT_OF_ORDER_US = 2 * 86_400_000_000
"""Lines of several threads, and of clocks that were set, stand so far out of order, and no more."""
_SAMPLED_LINES = 20
_WHOLE_BYTES = 1024 * 1024
"""A file here that is no larger is read record by record."""
_PROBES, _REMOTE_PROBES = 64, 8
_PROBE_BYTES = 16 * 1024
_ROTATED_ON = re.compile(r"[-.]((?:19|20)\d\d)-?(\d\d)-?(\d\d)(?:\.[a-z]\w{1,3})?$")
_DAY_S = 86400.0


async def note_years(log: LogFile, sample: bytes) -> None:
    """Determine the years of the file's times if these have none; ``sample`` is its beginning. Raises LilFoxError."""
    lines = sample[:_PROBE_BYTES].decode("utf-8", "replace").split("\n")[:_SAMPLED_LINES]
    inside = getattr(log.format, "inside", str)
    if not any(lacks_year(inside(line)) for line in lines):
        return
    size = await log.file.size()
    local = log.file.NEAR_BYTES > 0
    if local and size <= _WHOLE_BYTES:
        times = await asyncio.to_thread(_times_in, log, 0, await log.file.read(0, size))
    else:
        count = _PROBES if local else _REMOTE_PROBES
        probed = [await _first_time(log, size * at // count, size) for at in range(count)]
        last = await log.file.read(max(0, size - _PROBE_BYTES), _PROBE_BYTES)
        probed += (await asyncio.to_thread(_times_in, log, max(0, size - _PROBE_BYTES), last))[-1:]
        times = [each for each in probed if each is not None]
    turns = [(before, after) for before, after in pairwise(times) if _is_turn(before[1], after[1])]
    ends = [await _end_of_year(log, before, after) for before, after in turns]
    latest = log.latest or datetime.now(UTC)
    log.years = [(end, _years_before(latest, len(ends) - number)) for number, end in enumerate(ends)]
    log.times.clear()


def last_written(path: str, modified_s: float) -> datetime | None:
    """Return a time by which the last lines of a file had been written; None if it may still be written. Derived from
    its modification time and from the date that rotation appended to its name, because a copy has a new time."""
    now_s = datetime.now(UTC).timestamp()
    known_s = [modified_s] if 0 < modified_s < now_s - _DAY_S else []
    if match := _ROTATED_ON.search(path):
        with suppress(ValueError):
            rotated = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
            known_s += [rotated.timestamp() + 2 * _DAY_S]
    earliest_s = min(known_s, default=now_s)
    return datetime.fromtimestamp(earliest_s, UTC) if earliest_s < now_s else None


def _is_turn(before_us: int, after_us: int) -> bool:
    return after_us < before_us - _OUT_OF_ORDER_US


def _is_leap_day(time_us: int) -> bool:
    at = datetime.fromtimestamp(time_us / 1_000_000, UTC)
    return (at.month, at.day) == (2, 29)


def _years_before(at: datetime, years: int) -> datetime:
    """Return the same day that many years before; for 29 February the day before."""
    try:
        return at.replace(year=at.year - years)
    except ValueError:
        return at.replace(year=at.year - years, day=28)


def _times_in(log: LogFile, base: int, block: bytes) -> list[tuple[int, int]]:
    """Return the starts and times of the records in the block. Leaves out 29 February: while the year is unknown, that
    day is read in another year than the days around it."""
    found = [(base + at, log.time_us((base + at, raw, len(raw)))) for at, raw in split_records(block, log.format)]
    return [(at, time_us) for at, time_us in found if time_us is not None and not _is_leap_day(time_us)]


async def _first_time(log: LogFile, start: int, end: int) -> tuple[int, int] | None:
    """Return the first record after ``start`` that has a time, if it is near."""
    begins_at = await beginning_after(log.file, log.format, start - 1, end) if start else 0
    block = await log.file.read(begins_at, min(_PROBE_BYTES, end - begins_at))
    return next(iter(await asyncio.to_thread(_times_in, log, begins_at, block)), None)


async def _end_of_year(log: LogFile, before: tuple[int, int], after: tuple[int, int]) -> int:
    """Return the start of the first record in the year after that of ``before``; it lies after ``before``, and at
    ``after`` at the latest."""
    low, high, found_at = before[0], after[0], after[0]
    while high - low > _PROBE_BYTES:
        middle = (low + high) // 2
        found = await _first_time(log, middle, high)
        if found is None or found[0] >= high:
            high = middle
        elif _is_turn(before[1], found[1]):
            high, found_at = middle, found[0]
        else:
            low = found[0]
    block = await log.file.read(low, high - low)
    times = await asyncio.to_thread(_times_in, log, low, block)
    return next((at for at, time_us in times if _is_turn(before[1], time_us)), found_at)


# The files of one log: which there are, by age, and those of them that are open.


_COPY_BYTES = 4096
_COPYING_S = 60.0


class ReadSettings(Struct, frozen=True):
    """How to read files: the name of the source and of the host, the format ("" to detect it) and the zone. ``former``
    maps the head of a truncated or compressed file to its key, so that records of its copy keep their places. ``log``
    is the log named in their places, "" if the source is one log."""

    source: str
    host: str
    format: str
    zone: tzinfo
    former: dict[int, tuple[int, int]]
    log: str = ""


class LogFileSet:
    """The files of the log at ``path``; ``among`` tells which of a pattern's files belong to it. Files are opened on
    demand, and closed when they no longer belong to the log (``keep`` holds them longer)."""

    def __init__(
        self, disk: Disk, path: str, reading: ReadSettings, *, rotated: bool, among: PatternFiles | None = None
    ) -> None:
        self.disk = disk
        self.path = path
        self.keep: set[tuple[int, int]] = set()
        self.notes: dict[tuple[int, int], Message] = {}
        """What of a file cannot be read, and why."""
        self._reading = reading
        self._rotated = rotated
        self._among = among
        self._open: dict[tuple[int, int], LogFile] = {}
        self._opening = asyncio.Lock()

    async def look(self) -> list[FileStat]:
        """Return the log's files, oldest first. Raises LilFoxError, also if there is none."""
        seen = await self.look_again()
        if not seen:
            raise await self.disk.why_not(self.path)
        return seen

    async def look_again(self) -> list[FileStat]:
        """Return the log's files, oldest first; none while they are missing."""
        return await self._noted(await self._look(rotated=self._rotated))

    async def look_around(self) -> list[FileStat]:
        """Return the log's files including all rotated ones, regardless of the configuration: unread data of a followed
        file may be in one of those."""
        return await self._noted(await self._look(rotated=True))

    async def _noted(self, seen: list[FileStat]) -> list[FileStat]:
        """Close files that no longer exist, and update the known facts of the others."""
        present = {one.key for one in seen} | self.keep
        for key in [key for key in self._open if key not in present]:
            gone = self._open.pop(key)
            self.notes.pop(key, None)
            self._reading.former[gone.head] = gone.named
            await gone.file.close()
        async with self._opening:
            for one in seen:
                with suppress(FileMoved):
                    await self._refresh(one)
        return seen

    async def _look(self, *, rotated: bool) -> list[FileStat]:
        among = self._among
        if among is None:
            found = await self.disk.look(patterns(self.path, rotated=rotated))
            return chain(self.path, found, rotated=rotated, numbered=self._rotated)
        wanted = patterns(self.path, rotated=True) if rotated else [among.pattern]
        own = [one for one in await self.disk.look(wanted) if among.names.log_of(one.path) == self.path]
        return chain(self.path, own, rotated=True)

    async def open(self, seen: FileStat) -> LogFile:
        """Return the open file, opening it if needed. Raises LilFoxError; FileMoved if it has another name now."""
        async with self._opening:
            await self._refresh(seen)
            if seen.key not in self._open:
                self._open[seen.key] = await self._open_first(seen)
            log = self._open[seen.key]
            log.path = seen.path
            return log

    async def open_anew(self, log: LogFile) -> LogFile:
        """Return the current state of an open file that has no name any more and begins differently. Raises
        LilFoxError."""
        now = FileStat(log.path, *log.key, await log.file.size(), log.modified_s, 0.0)
        self._open[log.key] = self._log_file(now, log.file, await log.file.read(0, SAMPLE_BYTES))
        return self._open[log.key]

    async def _refresh(self, seen: FileStat) -> None:
        """Update the known facts of an open file: it was truncated, or is now long enough to be identified."""
        known = self._open.get(seen.key)
        if known is None or known.is_packed:
            return
        if (seen.size_bytes, seen.modified_s) == (known.size_bytes, known.modified_s):
            return
        shorter = seen.size_bytes < known.size_bytes
        known.size_bytes, known.modified_s = seen.size_bytes, seen.modified_s
        known.latest = last_written(seen.path, seen.modified_s)
        if shorter or await known.file.read(0, len(known.start)) != known.start:
            self._reading.former[known.head] = known.named
            years = []
        elif known.sampled_bytes >= _COPY_BYTES:
            return
        else:
            years = known.years
        now = self._open[seen.key] = self._log_file(seen, known.file, await known.file.read(0, SAMPLE_BYTES))
        now.years = years

    async def _open_first(self, seen: FileStat) -> LogFile:
        file = await self.disk.open(seen)
        try:
            sample = await file.read(0, SAMPLE_BYTES)
            kind = local.kind_of(sample)
            if kind:
                unpacked = await local.unpack(file, kind, seen.path)
                await file.close()
                file, sample = unpacked.file, await unpacked.file.read(0, SAMPLE_BYTES)
                if unpacked.note is not None:
                    self.notes[seen.key] = unpacked.note
            log = self._log_file(seen, file, sample)
            log.is_packed = bool(kind)
            await note_years(log, sample)
        except BaseException:
            await file.close()
            raise
        return log

    def _log_file(self, seen: FileStat, file: ByteFile, sample: bytes) -> LogFile:
        reading = self._reading
        log = LogFile(reading.source, seen, file, sample, reading.format, reading.zone)
        if b"\0" in sample:
            self.notes[seen.key] = tr(
                "{path} contains binary data (NUL bytes); it is read as plain text", path=seen.path
            )
        log.log = reading.log
        log.latest = last_written(seen.path, seen.modified_s)
        former = reading.former.get(log.head)
        taken = {(other.named, other.head) for other in self._open.values()}
        if former is not None and sample and (former, log.head) not in taken:
            log.named = former
        return log

    async def find(self, place: RecordPosition, seen: list[FileStat]) -> tuple[int, LogFile]:
        """Return the file of a record, even if it was renamed, copied or compressed since, and its index in ``seen``.
        Raises PlaceGone if it no longer exists, FileMoved if a file was renamed since that look: it may be that."""
        moved: FileMoved | None = None
        same = [(index, one) for index, one in enumerate(seen) if one.key == place.key]
        others = [(index, one) for index, one in enumerate(seen) if one.key != place.key]
        for index, one in [*same, *reversed(others)]:
            try:
                log = await self.open(one)
            except FileMoved as error:
                moved = moved or error
                continue
            if log.head == place.head:
                return index, log
        raise moved or place_gone(self._reading.source)

    async def is_copy(self, older: LogFile, newer: LogFile) -> bool:
        """Whether ``newer`` is just being copied to ``older`` to be truncated (copytruncate): both were written
        recently, and the contents of the older one are in the newer one, as far as its first and last bytes show."""
        if older.head != newer.head or abs(older.modified_s - newer.modified_s) > _COPYING_S:
            return False
        size = await older.file.size()
        if not 0 < size <= await newer.file.size():
            return False
        ends = (0, max(0, size - _COPY_BYTES))
        length = min(size, _COPY_BYTES)
        return all([await older.file.read(at, length) == await newer.file.read(at, length) for at in ends])

    async def close(self) -> None:
        """Close all files."""
        for log in self._open.values():
            await log.file.close()
        self._open.clear()
        await self.disk.close()


# Line numbers of a file of any size: newlines counted by the block, in the background; little memory a GiB.


_AT_ONCE = 16
"""Blocks that are counted between two words to the reader."""
_READ_BYTES = 256 * 1024
"""A line is looked for by halving until so much is left to be read."""


class LineIndex:
    """The number of newlines in each block of ``file``; ``indexed_bytes`` is how far it was counted, ``lines`` their
    total. ``given_up``: further counting would use too much of the host's resources."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self.indexed_bytes = 0
        self.lines = 0
        self.given_up = False
        self._block = file.COUNT_BYTES
        self._counts = array("I")

    async def build(self, told: Callable[[], None]) -> None:
        """Count up to the file's current end; call ``told`` on the way. Raises LilFoxError."""
        size = await self.file.size()
        while self.indexed_bytes < size and not self.given_up:
            for length in self._next_lengths(size):
                found = await self.file.count_lines(self.indexed_bytes, length)
                if found is None:
                    self.given_up = True
                    break
                if self.indexed_bytes % self._block:
                    self._counts[-1] += found
                else:
                    self._counts.append(found)
                self.lines += found
                self.indexed_bytes += length
            told()

    def _next_lengths(self, size: int) -> list[int]:
        """Return the lengths of the next parts: to the end of the started block, then whole ones."""
        start, block = self.indexed_bytes, self._block
        ends = range(start - start % block + block, size + block, block)[:_AT_ONCE]
        return [min(end, size) - begin for begin, end in zip((start, *ends), ends, strict=False)]

    async def line_at(self, offset: int) -> int | None:
        """Return the number (from 1) of the line that holds the byte at ``offset``; None if it is not indexed. Raises
        LilFoxError."""
        if offset >= self.indexed_bytes:
            return None
        block, within = divmod(offset, self._block)
        before = await self.file.count_lines(block * self._block, within) if within else 0
        return None if before is None else sum(self._counts[:block]) + before + 1

    async def offset_of(self, line: int) -> int | None:
        """Return the start of the line with that number (from 1); None if it is not indexed. Raises LilFoxError."""
        if line <= 1:
            return 0
        newline = line - 1
        for block, count in enumerate(self._counts):
            if newline <= count:
                return await self._behind(newline, block * self._block)
            newline -= count
        return None

    async def _behind(self, newline: int, start: int) -> int | None:
        """Return the offset just after the newline with this number (from 1) in the block that begins at ``start``."""
        length = min(self._block, self.indexed_bytes - start)
        while length > _READ_BYTES:
            found = await self.file.count_lines(start, length // 2)
            if found is None:
                return None
            if newline <= found:
                length //= 2
            else:
                newline, start, length = newline - found, start + length // 2, length - length // 2
        text, at = await self.file.read(start, length), -1
        for _ in range(newline):
            at = text.find(b"\n", at + 1)
        return start + at + 1


# How many records the files of one log hold: lines counted in the background, of the older files once.


class RecordCounter:
    """Counts the records of a log. ``newest`` is the index of the file being written. ``records`` is None until all
    were counted once, or if a record may have several lines; ``more``: there are other records, in compressed files or
    written later."""

    def __init__(self, file_set: LogFileSet) -> None:
        self.newest: LineIndex | None = None
        self.records: int | None = None
        self.more = False
        self._file_set = file_set
        self._older: dict[tuple[int, int], LineIndex] = {}

    def take_newest(self, log: LogFile, size: int) -> None:
        """Set which file is the newest. Starts a new index if it is another file, or if its ``size`` is smaller than
        the indexed part."""
        if self.newest is None or self.newest.file is not log.file or size < self.newest.indexed_bytes:
            self.newest = LineIndex(log.file)

    async def count(self, told: Callable[[], None]) -> None:
        """Count up to the current end of all files; call ``told`` on the way. Raises LilFoxError."""
        seen = await self._file_set.look()
        log = await self._file_set.open(seen[-1])
        self.take_newest(log, await log.file.size())
        assert self.newest is not None
        await self.newest.build(told)
        lines, packed = 0, False
        for one in seen[:-1]:
            if one.path.endswith(PACKED_ENDS):
                packed = True
                continue
            found = await self._lines_of(one)
            if found is None:
                self.records = None
                return
            lines += found
        known = log.format.begins is every_line and not self.newest.given_up
        self.records = lines + self.newest.lines if known else None
        self.more = packed
        told()

    async def _lines_of(self, one: FileStat) -> int | None:
        log = await self._file_set.open(one)
        if log.format.begins is not every_line or log.is_packed:
            return None
        index = self._older.get(one.key)
        if index is None or index.file is not log.file or index.indexed_bytes > one.size_bytes:
            index = self._older[one.key] = LineIndex(log.file)
        if index.indexed_bytes < one.size_bytes:
            await index.build(lambda: None)
        return None if index.given_up else index.lines
