"""One open file of a log: its bytes, its format, and how its records are named."""

from __future__ import annotations

import zlib
from datetime import tzinfo

from lilfox_tui.logs.files.blocks import Piece
from lilfox_tui.logs.files.disk import ByteFile, Hit, Seen
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.format import load_format
from lilfox_tui.logs.recognise import recognise
from lilfox_tui.logs.record import Record

HEAD_BYTES = 256
SAMPLE_BYTES = 64 * 1024


class LogFile:
    """``key`` is device and inode, ``head`` a checksum of the first line: together they are the file, whatever it is
    called; the head alone finds a copy (copytruncate, packed). Records' places are made of both and the offset."""

    def __init__(self, source: str, seen: Seen, file: ByteFile, sample: bytes, format_name: str, zone: tzinfo) -> None:
        self.source = source
        self.path = seen.path
        self.key = seen.key
        self.file = file
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
        self._plain = load_format("plain")
        self._zone = zone
        self._prefix = f"{seen.device:x}.{seen.inode:x}.{self.head:x}:"

    def place(self, offset: int) -> str:
        """The place of the record at ``offset``."""
        return self._prefix + str(offset)

    def record(self, piece: Piece) -> Record:
        """The record as its format reads it, else as plain text."""
        offset, raw, size = piece
        entry = self.format.parse(raw, self._zone) or self._plain.parse(raw, self._zone)
        assert entry is not None
        return Record(source=self.source, place=self.place(offset), entry=entry, raw=raw, size_bytes=size)

    def time_us(self, piece: Piece) -> int | None:
        """The record's time."""
        entry = self.format.parse(piece[1], self._zone)
        return None if entry is None else entry.time_us


class Searched:
    """What the last search of a file has found in ``start`` to ``end``."""

    def __init__(self, wanted: Needles, start: int, end: int, hits: list[Hit]) -> None:
        self.wanted = wanted
        self.start = start
        self.end = end
        self.hits = hits


class Place:
    """A record's place, read back."""

    def __init__(self, words: str) -> None:
        name, _, offset = words.rpartition(":")
        device, inode, head = name.split(".")
        self.key = int(device, 16), int(inode, 16)
        self.head = int(head, 16)
        self.offset = int(offset)


def head_of(sample: bytes) -> int:
    """The checksum of a file's first line: it stays while the file only grows."""
    line = sample[:HEAD_BYTES].partition(b"\n")
    return zlib.crc32(line[0] + line[1])
