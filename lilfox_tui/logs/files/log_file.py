"""A log file on disk: its identity, its blocks, and where its lines begin."""

from __future__ import annotations

import asyncio
import stat
import zlib
from array import array
from bisect import bisect_left
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, tzinfo
from typing import Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from lilfox_tui.core.errors import FileMoved, FileRefused, LilFoxError, PlaceGone
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT, Format, LogRecord, every_line, format_of, load_format, split_records

# The files of a log as a host shows them: one contract for local and remote files, and why one cannot be read.


# Why a log file cannot be read, and what to do.


def file_moved(host: str, path: str) -> FileMoved:
    """Return the error for a file that was renamed or removed."""
    return FileMoved(host, tr("{path} on {host} has been renamed or removed", path=path, host=host))


def nothing_there(host: str, path: str) -> FileRefused:
    """Return the error for a name or pattern without any file."""
    return FileRefused(
        host,
        tr("{path} on {host}: no such file", path=path, host=host),
        tr("Check the name, and whether the program that writes the file has started."),
    )


def not_regular(host: str, path: str, mode: int) -> FileRefused | None:
    """Return why something with that mode (``st_mode``) is not a log file; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return FileRefused(
            host,
            tr("{path} on {host} is a directory", path=path, host=host),
            tr("Specify a file in it, or a pattern: {path}/*.log", path=path.rstrip("/")),
        )
    return FileRefused(
        host,
        tr("{path} on {host} is a pipe, a socket or a device, not a file", path=path, host=host),
        tr("To read a program's output: PROGRAM | lilfox logs -"),
    )


def no_right(host: str, path: str, *, unless_root: bool = False) -> FileRefused:
    """Return the error for a file that the account may not read; ``unless_root``: it could be read with sudo, which is
    not enabled."""
    hint = (
        tr(
            "Set sudo: true for this host in the configuration, or request read permission: usually membership "
            "in a group such as adm, or an ACL (setfacl -m u:NAME:r FILE)."
        )
        if unless_root
        else tr(
            "Request read permission: usually membership in a group such as adm, or an ACL (setfacl -m u:NAME:r FILE)."
        )
    )
    reason = tr("{path} on {host} is not readable by this account", path=path, host=host)
    return FileRefused(host, reason, hint, no_right=True)


def place_gone(source: str) -> PlaceGone:
    """Return the error for a record whose file is no longer among those of the source."""
    return PlaceGone(
        source,
        tr("The log file that contained this record no longer belongs to {source}", source=source),
        tr("It was rotated out. Continue from the beginning, the end or a given time."),
    )


# What the files of a log are read through: one contract, kept by ``local.py`` and, for SSH hosts, ``remote.py``.


class FileStat(Struct, frozen=True):
    """A regular file as its folder lists it. ``modified_s`` is seconds since 1970 by its host's clock, ``age_s`` the
    time since then by the same clock."""

    path: str
    device: int
    inode: int
    size_bytes: int
    modified_s: float
    age_s: float

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode: they identify the file under any name."""
        return self.device, self.inode


Text: TypeAlias = tuple[int, bytes]
"""Where in the file a line begins, and the bytes from there on, as far as they are known: whole lines but the last."""


class SearchHits(Struct, frozen=True):
    """Offsets of search hits, ascending. ``texts`` maps offsets to text that the search returned with them: the line of
    the hit and what follows it."""

    offsets: Sequence[int]
    texts: Mapping[int, Text]


class ByteFile(Protocol):
    """An open file. It stays the same file when it is renamed; calls may run concurrently.

    ``COUNT_BYTES``: so much is counted at once. ``NEAR_BYTES``: so much is read record by record before ``find`` is
    used, which costs a process: where there is much to find that is all it takes. ``STEP_BYTES``: the first part that
    is searched; further ones are larger.
    """

    COUNT_BYTES: int
    NEAR_BYTES: int
    STEP_BYTES: int
    WHOLE_SHARE: int

    async def size(self) -> int:
        """Return its current size in bytes. Raises LilFoxError."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``, fewer only at the end. Raises LilFoxError."""
        ...

    def find(self, wanted: Needles, start: int, end: int, *, following: bool) -> AsyncGenerator[SearchHits, None]:
        """Yield the offsets between ``start`` and ``end`` where a needle is found, ascending; several hits in a line
        may be one. With ``following``, texts include the lines after a hit. Does not block the event loop; closing it
        ends the search. Use inside ``contextlib.aclosing``. Raises LilFoxError."""
        ...

    async def count_lines(self, start: int, length: int) -> int | None:
        """Count the newlines in ``length`` bytes from ``start``; None if counting would use too much of the host's
        resources."""
        ...

    async def close(self) -> None:
        """Close the file."""
        ...


class Disk(Protocol):
    """The files of one host."""

    @property
    def host(self) -> Host:
        """The host of the files."""
        ...

    async def look(self, patterns: Sequence[str]) -> list[FileStat]:
        """Return the regular files that the patterns (``*``, ``?``, ``[…]`` of a shell) match, each once; missing ones
        are left out. Raises LilFoxError if the host cannot be queried."""
        ...

    async def why_not(self, path: str) -> LilFoxError:
        """Return the error that explains why ``look`` does not list ``path`` or ``open`` does not open it."""
        ...

    async def open(self, seen: FileStat) -> ByteFile:
        """Open the file, if it is still the same. Raises LilFoxError, ``FileMoved`` if the name belongs to another file
        now."""
        ...

    async def close(self) -> None:
        """End everything that was started to read the files."""
        ...


# A file cut into whole records, from any place in both directions, without ever holding more than a few blocks.
#
# A piece is a record's offset, its raw bytes (cut at RAW_LIMIT, no last newline) and its true size.


Piece: TypeAlias = tuple[int, bytes, int]
BLOCK = 256 * 1024
LITTLE = 32 * 1024
"""So much is cut and parsed at once, in some 2 ms; more is given to a thread, which costs a tenth of that by itself."""
_FIRST_READ = 8 * 1024
"""Looking for one place begins with so much, for most records are short, and doubles it up to BLOCK."""
_LINE_READ = 64 * 1024
"""So much of a line is looked at to tell whether a record begins there."""


async def newer(file: ByteFile, format_: Format, start: int, end: int) -> AsyncGenerator[list[Piece], None]:
    """Yield the records from ``start``, where one begins, to ``end``, in batches, oldest first. A batch may be empty:
    it shows progress while one long record is skipped."""
    at, open_ = start, b""
    while at < end:
        block = await file.read(at, min(BLOCK, end - at))
        if not block:
            break
        begins_at = at - len(open_)
        at += len(block)
        pieces, open_ = await asyncio.to_thread(cut_whole, open_ + block, begins_at, format_, ended=at >= end)
        yield pieces
        if len(open_) > RAW_LIMIT:
            begins_at = at - len(open_)
            at = await beginning_after(file, format_, begins_at, end)
            yield [long_piece(begins_at, open_, at)]
            open_ = b""
    if open_:
        yield [long_piece(at - len(open_), open_, at)]


async def older(file: ByteFile, format_: Format, start: int, end: int) -> AsyncGenerator[list[Piece], None]:
    """Yield the records that begin at ``start`` or later and end at ``end``, where one ends, in batches: the newest
    batch first, each oldest first."""
    length = BLOCK
    while end > start:
        base = max(0, end - length - 1)  # a byte more tells whether a line begins where the part does
        block = await file.read(base, end - base)
        first = await asyncio.to_thread(_first_beginning, block, format_, last=True) if base else (0, 0)
        if first[0] is None and length < 4 * RAW_LIMIT:
            length *= 2
            continue
        if first[0] is None:
            begins_at = await beginning_before(file, format_, base + 1)
            pieces = [await read_piece(file, begins_at, end)]
        else:
            begins_at = base + first[0]
            pieces, _ = await asyncio.to_thread(cut_whole, block[first[0] :], begins_at, format_, ended=True)
        length, end = BLOCK, begins_at
        yield [piece for piece in pieces if piece[0] >= start]


async def beginning_after(file: ByteFile, format_: Format, offset: int, end: int) -> int:
    """Return the start of the first record that begins after ``offset``; ``end`` without one."""
    at, length = offset, _FIRST_READ
    while at < end:
        block = await file.read(at, min(length, end - at))
        if not block:
            break
        found, passed = await asyncio.to_thread(_first_beginning, block, format_, last=at + len(block) >= end)
        if found is not None:
            return at + found
        at, length = at + passed, min(2 * length, BLOCK)
    return end


async def beginning_before(file: ByteFile, format_: Format, offset: int) -> int:
    """Return the start of the last record that begins before ``offset``; a file always begins with one."""
    high, length = offset, _FIRST_READ
    while high > 0:
        low = max(0, high - length)
        base = max(0, low - 1)
        block = await file.read(base, high - base + min(length, _LINE_READ))
        found = await asyncio.to_thread(_last_beginning, block, high - base, format_)
        if found is not None:
            return base + found
        high, length = low, min(2 * length, BLOCK)
    return 0


async def last_line_end(file: ByteFile, end: int) -> int:
    """Return the offset just after the last newline before ``end``; 0 without one."""
    length = _FIRST_READ
    while end > 0:
        low = max(0, end - length)
        newline = (await file.read(low, end - low)).rfind(b"\n")
        if newline >= 0:
            return low + newline + 1
        end, length = low, min(2 * length, BLOCK)
    return 0


def _first_beginning(block: bytes, format_: Format, *, last: bool) -> tuple[int | None, int]:
    """Return the start of the first record that begins after a newline of the block, or None; and the offset up to
    which the block certainly has none. If the end of the block cuts off a line, the part in the block decides if it is
    long, or if the block is the file's ``last``."""
    newline = block.find(b"\n")
    while newline >= 0:
        start = newline + 1
        line_end = block.find(b"\n", start)
        if line_end < 0 and not last and len(block) - start < _LINE_READ:
            return None, newline
        line = block[start:] if line_end < 0 else block[start:line_end]
        if start < len(block) and format_.begins(line[:_LINE_READ]):
            return start, start
        newline = line_end
    return None, len(block)


def _last_beginning(block: bytes, high: int, format_: Format) -> int | None:
    """Return the last position before ``high`` where a record begins after a newline of the block."""
    newline = block.rfind(b"\n", 0, high - 1)
    while newline >= 0:
        line_end = block.find(b"\n", newline + 1, newline + 1 + _LINE_READ)
        line = block[newline + 1 : line_end if line_end >= 0 else newline + 1 + _LINE_READ]
        if format_.begins(line):
            return newline + 1
        newline = block.rfind(b"\n", 0, newline)
    return None


def cut_whole(block: bytes, base: int, format_: Format, *, ended: bool) -> tuple[list[Piece], bytes]:
    """Return the complete records of a block that begins with one, and the rest: the last may continue unless the block
    is the file's last."""
    text, rest = block, b""
    if not ended:
        cut = block.rfind(b"\n") + 1
        text, rest = block[:cut], block[cut:]
    found = split_records(text, format_) if text else []
    if not ended and found and format_.begins is not every_line:
        last = found.pop()[0]
        rest = text[last:] + rest
    return [(base + at, raw[:RAW_LIMIT], len(raw)) for at, raw in found], rest


def long_piece(begins_at: int, start: bytes, ends_at: int) -> Piece:
    """Build a record from its offsets and its first bytes, of which it keeps RAW_LIMIT at most."""
    whole = len(start) >= ends_at - begins_at
    raw = start[: ends_at - begins_at]
    if whole:
        raw = raw[:-1] if raw.endswith(b"\n") else raw
        return begins_at, raw[:RAW_LIMIT], len(raw)
    return begins_at, raw[:RAW_LIMIT], ends_at - begins_at - 1


async def read_piece(file: ByteFile, begins_at: int, ends_at: int) -> Piece:
    """Read the record between these offsets."""
    start = await file.read(begins_at, min(RAW_LIMIT + 1, ends_at - begins_at))
    return long_piece(begins_at, start, ends_at)


# One open file of a log: its bytes, its format, and how its records are named.


HEAD_BYTES = 1024
SAMPLE_BYTES = 64 * 1024


class LogFile:
    """A file of a log. ``key`` is device and inode, ``head`` a checksum of the first line: together they identify the
    file under any name; the head alone identifies a copy (copytruncate, compressed). The place of a record consists of
    both and the offset."""

    def __init__(
        self, source: str, seen: FileStat, file: ByteFile, sample: bytes, format_name: str, zone: tzinfo
    ) -> None:
        self.source = source
        self.path = seen.path
        self.key = seen.key
        self.file = file
        self.start = sample[:HEAD_BYTES]
        self.head = head_of(sample)
        self.format_name = format_of(format_name, sample)
        self.format = load_format(self.format_name, sample)
        self.is_packed = False
        self.size_bytes = seen.size_bytes
        self.modified_s = seen.modified_s
        self.sampled_bytes = len(sample)
        self.searched: LastSearch | None = None
        self.times: dict[int, int] = {}
        """Offsets of the first record of a time or later, as far as they were looked for."""
        self.latest: datetime | None = None
        """Times without a year are not later; None: than now."""
        self.years: list[tuple[int, datetime]] = []
        """Where parts of the file end, and than what such times in them are not later (``log_file_set.py``)."""
        self._plain = load_format("plain")
        self.zone = zone
        self.named = seen.key
        """The key that the places have: what the file was before it was copied or packed."""
        self.log = ""
        """Which of its source's logs it is of."""

    def place(self, offset: int) -> str:
        """The place of the record at ``offset``."""
        return place_word(self.named, self.head, offset, self.log)

    def record(self, piece: Piece) -> LogRecord:
        """Parse the record in the file's format, else as plain text."""
        offset, raw, size = piece
        latest = self.latest_at(offset) if self.years else self.latest
        entry = self.format.parse(raw, self.zone, latest) or self._plain.parse(raw, self.zone, latest)
        assert entry is not None
        return LogRecord(
            source=self.source, place=self.place(offset), entry=entry, raw=raw, size_bytes=size, log=self.log
        )

    def latest_at(self, offset: int) -> datetime | None:
        """Return the latest possible time of a record at ``offset`` whose time has no year."""
        return next((latest for end, latest in self.years if offset < end), self.latest)

    def time_us(self, piece: Piece) -> int | None:
        """The record's time in microseconds since 1970; None if it has none."""
        entry = self.format.parse(piece[1], self.zone, self.latest_at(piece[0]))
        return None if entry is None else entry.time_us


class LastSearch:
    """The result of the last search of a file from ``start`` to ``end``; see :class:`SearchHits`."""

    def __init__(self, wanted: Needles, start: int, end: int) -> None:
        self.wanted = wanted
        self.start = start
        self.end = end
        self.offsets = array("q")
        self.texts: dict[int, Text] = {}

    def between(self, start: int, end: int) -> Sequence[int]:
        """The hits from ``start`` to before ``end``."""
        return self.offsets[bisect_left(self.offsets, start) : bisect_left(self.offsets, end)]

    def covers(self, wanted: Needles, start: int, end: int, *, older: bool) -> bool:
        """Whether the search covers the end of the range ``start`` to ``end`` at which reading begins."""
        if self.wanted != wanted:
            return False
        return self.start < end <= self.end if older else self.start <= start < self.end


class RecordPosition:
    """The parsed place of a record."""

    def __init__(self, words: str) -> None:
        own, _, self.log = words.partition("@")
        name, _, offset = own.rpartition(":")
        device, inode, head = name.split(".")
        self.key = int(device, 16), int(inode, 16)
        self.head = int(head, 16)
        self.offset = int(offset)

    def at(self, offset: int) -> str:
        """The place of the byte at ``offset`` of the same file."""
        return place_word(self.key, self.head, offset, self.log)


def place_word(key: tuple[int, int], head: int, offset: int, log: str) -> str:
    """Return the place of the byte at ``offset`` of a file, including the log of its source."""
    word = f"{key[0]:x}.{key[1]:x}.{head:x}:{offset}"
    return f"{word}@{log}" if log else word


def head_of(sample: bytes) -> int:
    """The checksum of a file's first line and of the comments (``#``) before it, which in some formats are the same in
    all files. It does not change while the file only grows."""
    end = 0
    while end < HEAD_BYTES:
        start, end = end, sample.find(b"\n", end, HEAD_BYTES) + 1 or HEAD_BYTES
        if not sample.startswith(b"#", start):
            break
    return zlib.crc32(sample[:end])


# Where in a file a time is: by halving it, for records are about in the order of time.


SLACK_BYTES = 64 * 1024
"""Records of several threads stand a little out of order: so far around a time they are looked at one by one."""
_PROBE_BYTES = 64 * 1024
_KNOWN_TIMES = 16


async def time_offset(log: LogFile, time_us: int, end: int) -> int:
    """Return the start of the first record at ``time_us`` or later; ``end`` without one. Records without a time are
    skipped."""
    if (known := log.times.get(time_us)) is not None:
        return known
    low, high = 0, end
    while high - low > 2 * SLACK_BYTES:
        middle = (low + high) // 2
        later = await _later(log, middle, high, time_us)
        if later is None or later[1]:
            high = middle
        else:
            low = max(low + 1, later[0])
    start = low and await beginning_after(log.file, log.format, max(0, low - SLACK_BYTES), end)
    async with aclosing(newer(log.file, log.format, start, end)) as batches:
        async for pieces in batches:
            found = await asyncio.to_thread(_first_since, log, pieces, time_us)
            if found is not None:
                log.times = {**log.times, time_us: found} if len(log.times) < _KNOWN_TIMES else {time_us: found}
                return found
    return end


async def _later(log: LogFile, start: int, end: int, time_us: int) -> tuple[int, bool] | None:
    """Return the first record after ``start`` that has a time: its start, and whether the time is ``time_us`` or
    later."""
    begins_at = await beginning_after(log.file, log.format, start, end)
    stop = min(end, begins_at + 64 * BLOCK)
    while begins_at < stop:
        block = await log.file.read(begins_at, min(_PROBE_BYTES, end - begins_at))
        found = await asyncio.to_thread(_first_timed, log, begins_at, block)
        if found is not None:
            return found[0], found[1] >= time_us
        begins_at = await beginning_after(log.file, log.format, begins_at + len(block) - 1, end)
    return None


def _first_timed(log: LogFile, base: int, block: bytes) -> tuple[int, int] | None:
    for at, raw in split_records(block, log.format):
        time_us = log.time_us((base + at, raw, len(raw)))
        if time_us is not None:
            return base + at, time_us
    return None


def _first_since(log: LogFile, pieces: list[Piece], time_us: int) -> int | None:
    for piece in pieces:
        at = log.time_us(piece)
        if at is not None and at >= time_us:
            return piece[0]
    return None


@runtime_checkable
class HasLocalFiles(Protocol):
    """A source whose records are in files of this machine."""

    name: str

    async def local_files(self) -> Sequence[LogFile] | None:
        """Return the files, open until the source is closed; None if they are remote. Raises LilFoxError."""
        ...
