"""Counts records of local log files in separate processes."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from io import BufferedIOBase
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from lilfox_tui.core.crash import write_crash
from lilfox_tui.logs.field_statistics import FieldQuestion, FieldTally
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.json_count import JsonCount
from lilfox_tui.logs.record import RAW_LIMIT, Format, LogRecord, every_line, load_sent_format, split_records
from lilfox_tui.logs.statistics import MINUTE_US, Statistics, Tally, statistics_of

# A range of a file as blocks of whole records, for counting: each record is in the range that it begins in.


BLOCK = 64 * 1024
"""What fits into a CPU's own cache is copied and split in a quarter of the time."""
Begins = Callable[[bytes], bool]
"""A format's ``begins``."""


def whole_records(file: BufferedIOBase, start: int, end: int | None, begins: Begins) -> Iterator[bytes]:
    """Yield the records that begin at ``start`` or later and before ``end`` (None: the file's end), several per block.

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
        read_to += len(block)
        lines_end = block.rfind(b"\n") + 1 if begins is every_line and (end is None or read_to < end) else 0
        if lines_end:
            yield held + memoryview(block)[:lines_end]  # copied once
            held = block[lines_end:]
            continue
        held += block
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
    """Return where the first record begins at ``at`` or later; None without one."""
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
    """Return where the last complete line that begins a record starts; 0 if only the first does."""
    line_end = held.rfind(b"\n")
    while line_end > 0:
        line_start = held.rfind(b"\n", 0, line_end) + 1
        if begins(held[line_start:line_end]):
            return line_start
        line_end = line_start - 1
    return 0


def _beginning_in(held: bytes, at: int, begins: Begins) -> int | None:
    """Return where, at ``at`` or later, the first complete line that begins a record starts."""
    line_start = held.find(b"\n", at - 1) + 1
    while line_start and (line_end := held.find(b"\n", line_start)) >= 0:
        if begins(held[line_start:line_end]):
            return line_start
        line_start = line_end + 1
    return None


def _shortened(held: bytes) -> bytes:
    """Remove the middle of ``held``, which begins with an unfinished record: the middle is not used, and it may be as
    long as the file."""
    if len(held) <= 2 * RAW_LIMIT:
        return held
    last_line = held.rfind(b"\n") + 1
    return held[:RAW_LIMIT] + held[last_line - 1 :] if last_line > RAW_LIMIT else held[:RAW_LIMIT]


# The process that counts: it is given ranges of files, and asked for what it has counted.
#
# Messages are pickled objects, each after its length, on its standard streams; both ends are this program. It ends when
# its input does.

LENGTH = struct.Struct("!Q")
_JSON = "json_lines"
_TOLD_BYTES = 4 * 1024 * 1024


class CountRange(Struct, frozen=True):
    """Request to count the matching records of ``path`` from byte ``start`` to before ``end``, in the named format, by
    slices of ``slice_us`` at first, unless ``slices`` is false. Answered by CountProgress, and at the end CountDone."""

    path: str
    source: str
    format: str
    zone: tzinfo
    where: Filter
    start: int
    end: int
    slices: bool = True
    slice_us: int = MINUTE_US
    latest: datetime | None = None
    """Times without a year are not later; None: than now."""
    own: Mapping[str, Format] = {}  # those of this name that the process cannot load by it
    fields: FieldQuestion | None = None
    """Count by these fields instead, into a FieldTally."""


class SortCounts(Struct, frozen=True):
    """Request to sort the counts so far, in parallel with the other processes. Answered by CountDone."""


class GetTally(Struct, frozen=True):
    """Request for the Tally of everything so far."""


class GetFieldTally(Struct, frozen=True):
    """Request for the FieldTally of everything so far; None if no range was counted by fields."""


class GetStatistics(Struct, frozen=True):
    """Request for the Statistics of everything so far."""


CountQuestion: TypeAlias = CountRange | SortCounts | GetTally | GetFieldTally | GetStatistics | Tally
"""A Tally is joined to what is counted; no answer."""


class CountProgress(Struct, frozen=True):
    """The number of bytes processed since the last report."""

    size_bytes: int


class CountDone(Struct, frozen=True):
    """A range is counted, or the counts are sorted. ``refused``: why the range was not read to its end."""

    refused: str = ""


CountAnswer: TypeAlias = CountProgress | CountDone | Tally | FieldTally | Statistics


def message(content: CountQuestion | CountAnswer) -> bytes:
    """Encode ``content`` for a pipe."""
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(packed)) + packed


def main() -> None:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks has the keyboard, and ends this
    gc.set_threshold(100_000)  # records make no circles: to look for some costs a twentieth of the time
    try:
        _answer(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        write_crash(error)
        sys.exit(1)


def _answer(questions: BinaryIO, answers: BinaryIO) -> None:
    tally = Tally()
    by_fields = FieldTally(FieldQuestion())
    json_counts: dict[tuple[str, tzinfo], JsonCount] = {}
    while header := questions.read(LENGTH.size):
        question: CountQuestion = pickle.loads(questions.read(LENGTH.unpack(header)[0]))  # noqa: S301
        match question:
            case CountRange():
                if question.fields not in (None, by_fields.question):
                    by_fields = FieldTally(question.fields)
                for answer in _count(question, tally, json_counts, by_fields):
                    _send(answers, answer)
            case GetFieldTally():
                _send(answers, by_fields)
            case Tally():
                tally.join(question)
            case SortCounts():
                tally.put_in_order()
                _send(answers, CountDone())
            case GetTally():
                _send(answers, tally)
            case GetStatistics():
                _send(answers, statistics_of(tally))


def _send(answers: BinaryIO, answer: CountAnswer) -> None:
    answers.write(message(answer))
    answers.flush()


def _count(
    asked: CountRange,
    tally: Tally,
    json_counts: dict[tuple[str, tzinfo], JsonCount],
    by_fields: FieldTally | None = None,
) -> Iterator[CountAnswer]:
    is_fast = (
        asked.format == _JSON and asked.where == EVERYTHING and asked.slice_us % MINUTE_US == 0 and asked.fields is None
    )
    key = asked.source, asked.zone
    format_ = load_sent_format(asked.format, asked.own)
    fast = json_counts.setdefault(key, JsonCount(tally, *key, timed=asked.slices)) if is_fast else None
    tally.begin(asked.slice_us)
    untold = 0
    try:
        with open(asked.path, "rb") as file:  # noqa: PTH123  also of a descriptor
            for block in whole_records(file, asked.start, asked.end, format_.begins):
                if fast is not None:
                    fast.count(block)
                else:
                    _count_records(block, asked, format_, tally, by_fields)
                untold += len(block)
                if untold >= _TOLD_BYTES:
                    yield CountProgress(untold)
                    untold = 0
        yield CountProgress(untold)
        if fast is not None:
            fast.hand_on()
        if not asked.slices:
            tally.by_slice.clear()
    except OSError as error:
        yield CountDone(error.strerror or str(error))
    else:
        yield CountDone()


def _count_records(
    block: bytes, asked: CountRange, format_: Format, tally: Tally, by_fields: FieldTally | None
) -> None:
    where, everything = asked.where, asked.where == EVERYTHING
    wanted = None if everything else needles(where, format_.LEVEL_WORDS)
    if wanted is not None and not _holds(block, wanted):
        return
    plain = load_sent_format("plain", {})
    for _, whole in split_records(block, format_):
        raw = whole[:RAW_LIMIT]
        if wanted is not None and not _holds(raw, wanted):
            continue
        entry = format_.parse(raw, asked.zone, asked.latest)
        if not everything or asked.fields is not None:
            shown = entry or plain.parse(raw, asked.zone, asked.latest)
            assert shown is not None
            record = LogRecord(source=asked.source, place="", entry=shown, raw=raw, size_bytes=len(whole))
            if not where.matches(record):
                continue
            if by_fields is not None and asked.fields is not None:
                by_fields.add(record)
                continue
        if entry is None:
            tally.unread += 1
        else:
            tally.add(asked.source, entry)


def _holds(raw: bytes, wanted: Needles) -> bool:
    if wanted.ignore_case:
        raw = raw.lower()
        return any(needle.lower() in raw for needle in wanted.any_of)
    return any(needle in raw for needle in wanted.any_of)
