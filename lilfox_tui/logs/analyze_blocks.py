"""A range of a file as blocks of whole records, for counting: each record is in the range that it begins in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedIOBase

from lilfox_tui.logs.record import RAW_LIMIT

BLOCK = 64 * 1024
"""What fits into a CPU's own cache is copied and split in a quarter of the time."""
Begins = Callable[[bytes], bool]
"""A format's ``begins``."""


def whole_records(file: BufferedIOBase, start: int, end: int | None, begins: Begins) -> Iterator[bytes]:
    """The records that begin at ``start`` or later and before ``end`` (None: to the file's end), some in each block.

    What stands at the very beginning of the file is a record too, whether it begins as one or not. Of a record longer
    than RAW_LIMIT what is past that may be left out. The file need not be one that can seek where ``start`` is 0.
    """
    if start:
        at = _next_beginning(file, start, begins)
        if at is None or (end is not None and at >= end):
            return
        file.seek(at)
    held, read_to = b"", file.tell() if start else 0
    while block := file.read(BLOCK):
        held += block
        read_to += len(block)
        if end is not None and read_to > end:
            cut = _beginning_in(held, max(1, end - (read_to - len(held))), begins)
            if cut is not None:
                yield held[:cut]
                return
        if cut := _last_beginning(held, begins):
            yield held[:cut]
            held = held[cut:]
        held = _shortened(held)
    if end is not None and read_to > end:  # a last line without a newline is complete now
        held = held[: _beginning_in(held + b"\n", max(1, end - (read_to - len(held))), begins)]
    if held:
        yield held


def _next_beginning(file: BufferedIOBase, at: int, begins: Begins) -> int | None:
    """Where the first record begins that begins at ``at`` or later; None: none does."""
    file.seek(at - 1)
    position = at - 1
    is_start = False
    while line := file.readline(RAW_LIMIT):
        if is_start and begins(line.rstrip(b"\n")):
            return position
        position += len(line)
        is_start = line.endswith(b"\n")
    return None


def _last_beginning(held: bytes, begins: Begins) -> int:
    """Where the last complete line stands with which a record begins; 0 when there is none but the first."""
    line_end = held.rfind(b"\n")
    while line_end > 0:
        line_start = held.rfind(b"\n", 0, line_end) + 1
        if begins(held[line_start:line_end]):
            return line_start
        line_end = line_start - 1
    return 0


def _beginning_in(held: bytes, at: int, begins: Begins) -> int | None:
    """Where, at ``at`` or later, the first complete line stands with which a record begins."""
    line_start = held.find(b"\n", at - 1) + 1
    while line_start and (line_end := held.find(b"\n", line_start)) >= 0:
        if begins(held[line_start:line_end]):
            return line_start
        line_start = line_end + 1
    return None


def _shortened(held: bytes) -> bytes:
    """``held``, which begins with a record that has not ended, without the middle of that: nobody reads it, and it may
    be as long as the file."""
    if len(held) <= 2 * RAW_LIMIT:
        return held
    last_line = held.rfind(b"\n") + 1
    return held[:RAW_LIMIT] + held[last_line - 1 :] if last_line > RAW_LIMIT else held[:RAW_LIMIT]
