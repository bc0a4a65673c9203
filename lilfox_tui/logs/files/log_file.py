"""One open file of a log: its bytes, its format, and how its records are named."""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, tzinfo

from lilfox_tui.logs.files.blocks import Piece
from lilfox_tui.logs.files.disk import ByteFile, Seen, Text
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.format import load_format
from lilfox_tui.logs.recognise import recognise
from lilfox_tui.logs.record import Record

HEAD_BYTES = 1024
SAMPLE_BYTES = 64 * 1024


class LogFile:
    """``key`` is device and inode, ``head`` a checksum of the first line: together they are the file, whatever it is
    called; the head alone finds a copy (copytruncate, packed). Records' places are made of both and the offset."""

    def __init__(self, source: str, seen: Seen, file: ByteFile, sample: bytes, format_name: str, zone: tzinfo) -> None:
        self.source = source
        self.path = seen.path
        self.key = seen.key
        self.file = file
        self.start = sample[:HEAD_BYTES]
        self.head = head_of(sample)
        self.format_name = format_name or recognise(sample)
        self.format = load_format(self.format_name)
        self.is_packed = False
        self.size_bytes = seen.size_bytes
        self.modified_s = seen.modified_s
        self.sampled_bytes = len(sample)
        self.searched: Searched | None = None
        self.times: dict[int, int] = {}
        """Offsets of the first record of a time or later, as far as they were looked for."""
        self.latest: datetime | None = None
        """Times without a year are not later; None: than now."""
        self.years: list[tuple[int, datetime]] = []
        """Where parts of the file end, and than what such times in them are not later (``years.py``)."""
        self._plain = load_format("plain")
        self.zone = zone
        self.named = seen.key
        """The key that the places have: what the file was before it was copied or packed."""
        self.log = ""
        """Which of its source's logs it is of."""

    def place(self, offset: int) -> str:
        """The place of the record at ``offset``."""
        return place_word(self.named, self.head, offset, self.log)

    def record(self, piece: Piece) -> Record:
        """The record as its format reads it, else as plain text."""
        offset, raw, size = piece
        latest = self.latest_at(offset) if self.years else self.latest
        entry = self.format.parse(raw, self.zone, latest) or self._plain.parse(raw, self.zone, latest)
        assert entry is not None
        return Record(source=self.source, place=self.place(offset), entry=entry, raw=raw, size_bytes=size, log=self.log)

    def latest_at(self, offset: int) -> datetime | None:
        """Than what a time without a year is not later in the record that begins there."""
        return next((latest for end, latest in self.years if offset < end), self.latest)

    def time_us(self, piece: Piece) -> int | None:
        """The record's time."""
        entry = self.format.parse(piece[1], self.zone, self.latest_at(piece[0]))
        return None if entry is None else entry.time_us


class Searched:
    """What the last search of a file has found in ``start`` to ``end``; see :class:`Found`."""

    def __init__(self, wanted: Needles, start: int, end: int) -> None:
        self.wanted = wanted
        self.start = start
        self.end = end
        self.offsets = array("q")
        self.texts: dict[int, Text] = {}

    def between(self, start: int, end: int) -> Sequence[int]:
        """The hits in that part."""
        return self.offsets[bisect_left(self.offsets, start) : bisect_left(self.offsets, end)]

    def covers(self, wanted: Needles, start: int, end: int, *, older: bool) -> bool:
        """Whether it tells of the end where going through that part begins."""
        if self.wanted != wanted:
            return False
        return self.start < end <= self.end if older else self.start <= start < self.end


class Place:
    """A record's place, read back."""

    def __init__(self, words: str) -> None:
        own, _, self.log = words.partition("@")
        name, _, offset = own.rpartition(":")
        device, inode, head = name.split(".")
        self.key = int(device, 16), int(inode, 16)
        self.head = int(head, 16)
        self.offset = int(offset)

    def at(self, offset: int) -> str:
        """The place of another byte of the same file."""
        return place_word(self.key, self.head, offset, self.log)


def place_word(key: tuple[int, int], head: int, offset: int, log: str) -> str:
    """The place of that byte of the file, and which of its source's logs that is of."""
    word = f"{key[0]:x}.{key[1]:x}.{head:x}:{offset}"
    return f"{word}@{log}" if log else word


def head_of(sample: bytes) -> int:
    """The checksum of a file's first line, and of the comments (``#``) before it, which are alike in all files of some
    formats: it stays while the file only grows."""
    end = 0
    while end < HEAD_BYTES:
        start, end = end, sample.find(b"\n", end, HEAD_BYTES) + 1 or HEAD_BYTES
        if not sample.startswith(b"#", start):
            break
    return zlib.crc32(sample[:end])
