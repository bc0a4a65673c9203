"""A block of whole lines as records."""

from __future__ import annotations

from lilfox_tui.logs.format import Format
from lilfox_tui.logs.lines import every_line


def split_records(block: bytes, format: Format) -> list[tuple[int, bytes]]:  # noqa: A002  the term of this package
    """Where each record begins in ``block``, and its bytes without the last line's end (``\\r\\n`` is one too).

    A block that starts in the middle of a record has the rest of that as its first piece: ``begins`` tells. Where every
    line is a record, an empty one is none.
    """
    if format.begins is every_line:
        return _lines(block)
    begins = format.begins
    starts: list[int] = []
    place = 0
    for line in block.split(b"\n"):
        if place == 0 or begins(line):
            starts.append(place)
        place += len(line) + 1
    ends = [*starts[1:], len(block)]
    pieces = zip(starts, ends, strict=True)
    return [(start, _without_end(block[start:end])) for start, end in pieces if start < end]


def _lines(block: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    place = 0
    for line in block.split(b"\n"):
        length = len(line)
        if length and line != b"\r":
            found.append((place, line[:-1] if line[-1] == 13 else line))
        place += length + 1
    return found


def _without_end(raw: bytes) -> bytes:
    raw = raw[:-1] if raw.endswith(b"\n") else raw
    return raw[:-1] if raw.endswith(b"\r") else raw
