"""The child process that counts records: ranges of files in, tallies out."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from io import BufferedIOBase
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from lilfox_tui.crash import write_crash
from lilfox_tui.logs.count_json import JsonCount
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.format import Format, load_format, split_records
from lilfox_tui.logs.record import RAW_LIMIT, LogRecord
from lilfox_tui.logs.statistics import Statistics, Tally, statistics_of

# A range of a file as blocks of whole records, for counting: each record is in the range that it begins in.


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


# The process that counts: it is given ranges of files, and asked for what it has counted.
#
# Messages are pickled objects, each after its length, on its standard streams; both ends are this program. It ends when
# its input does.


LENGTH = struct.Struct("!Q")
_JSON = "json_lines"
_TOLD_BYTES = 4 * 1024 * 1024


class CountRange(Struct, frozen=True):
    """Count the records that begin there and match: ``path`` from byte ``start`` to before ``end``, of the format of
    that name. Unless ``slices`` nothing is counted by time. Answered by CountProgress now and then, at
    last by CountDone."""

    path: str
    source: str
    format: str
    zone: tzinfo
    where: Filter
    start: int
    end: int
    slices: bool = True
    latest: datetime | None = None
    """Times without a year are not later; None: than now."""


class SortCounts(Struct, frozen=True):
    """Sort what was counted so far, while the other processes do so too. Answered by CountDone."""


class GetTally(Struct, frozen=True):
    """Answered by the Tally of everything so far."""


class GetStatistics(Struct, frozen=True):
    """Answered by the Statistics of everything so far."""


CountQuestion: TypeAlias = CountRange | SortCounts | GetTally | GetStatistics | Tally
"""A Tally is joined to what is counted; no answer."""


class CountProgress(Struct, frozen=True):
    """So many bytes more are behind."""

    size_bytes: int


class CountDone(Struct, frozen=True):
    """The range is counted; ``refused`` says why not to its end, in the system's words."""

    refused: str = ""


CountAnswer: TypeAlias = CountProgress | CountDone | Tally | Statistics


def message(content: CountQuestion | CountAnswer) -> bytes:
    """``content`` as it goes over a pipe."""
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(packed)) + packed


def main() -> None:
    """Answers questions until there are no more."""
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
    json_counts: dict[tuple[str, tzinfo], JsonCount] = {}
    while header := questions.read(LENGTH.size):
        question: CountQuestion = pickle.loads(questions.read(LENGTH.unpack(header)[0]))  # noqa: S301
        match question:
            case CountRange():
                for answer in _count(question, tally, json_counts):
                    _send(answers, answer)
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


def _count(asked: CountRange, tally: Tally, json_counts: dict[tuple[str, tzinfo], JsonCount]) -> Iterator[CountAnswer]:
    format_ = load_format(asked.format)
    is_fast = asked.format == _JSON and asked.where == EVERYTHING
    key = asked.source, asked.zone
    if is_fast and key not in json_counts:
        json_counts[key] = JsonCount(tally, *key, timed=asked.slices)
    untold = 0
    try:
        with open(asked.path, "rb") as file:  # noqa: PTH123  also of a descriptor
            for block in whole_records(file, asked.start, asked.end, format_.begins):
                if is_fast:
                    json_counts[key].count(block)
                else:
                    _count_records(block, asked, format_, tally)
                untold += len(block)
                if untold >= _TOLD_BYTES:
                    yield CountProgress(untold)
                    untold = 0
        yield CountProgress(untold)
        if is_fast:
            json_counts[key].hand_on()
        if not asked.slices:
            tally.by_slice.clear()
    except OSError as error:
        yield CountDone(error.strerror or str(error))
    else:
        yield CountDone()


def _count_records(block: bytes, asked: CountRange, format_: Format, tally: Tally) -> None:
    where, everything = asked.where, asked.where == EVERYTHING
    wanted = None if everything else needles(where, format_.LEVEL_WORDS)
    if wanted is not None and not _holds(block, wanted):
        return
    plain = load_format("plain")
    for _, whole in split_records(block, format_):
        raw = whole[:RAW_LIMIT]
        if wanted is not None and not _holds(raw, wanted):
            continue
        entry = format_.parse(raw, asked.zone, asked.latest)
        if not everything:
            shown = entry or plain.parse(raw, asked.zone, asked.latest)
            assert shown is not None
            record = LogRecord(source=asked.source, place="", entry=shown, raw=raw, size_bytes=len(whole))
            if not where.matches(record):
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
