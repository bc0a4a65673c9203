"""The process that counts: it is given ranges of files, and asked for what it has counted.

Messages are pickled objects, each after its length, on its standard streams; both ends are this program. It ends when
its input does.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from lilfox_tui.crash import write_crash
from lilfox_tui.logs.analyze_blocks import whole_records
from lilfox_tui.logs.analyze_json import JsonCount
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.format import Format, load_format
from lilfox_tui.logs.record import RAW_LIMIT, Record
from lilfox_tui.logs.split import split_records
from lilfox_tui.logs.statistics import Statistics, statistics_of
from lilfox_tui.logs.tally import Tally

LENGTH = struct.Struct("!Q")
_JSON = "json_lines"
_TOLD_BYTES = 4 * 1024 * 1024


class Range(Struct, frozen=True):
    """Count the records that begin there and match: ``path`` from byte ``start`` to before ``end``, of the format of
    that name. Unless ``slices`` nothing is counted by time. Answered by Counted now and then, at last by Done."""

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


class PutInOrder(Struct, frozen=True):
    """Sort what was counted so far, while the other processes do so too. Answered by Done."""


class Give(Struct, frozen=True):
    """Answered by the Tally of everything so far."""


class Finish(Struct, frozen=True):
    """Answered by the Statistics of everything so far."""


Question: TypeAlias = Range | PutInOrder | Give | Finish | Tally
"""A Tally is joined to what is counted; no answer."""


class Counted(Struct, frozen=True):
    """So many bytes more are behind."""

    size_bytes: int


class Done(Struct, frozen=True):
    """The range is counted; ``refused`` says why not to its end, in the system's words."""

    refused: str = ""


Answer: TypeAlias = Counted | Done | Tally | Statistics


def message(content: Question | Answer) -> bytes:
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
        question: Question = pickle.loads(questions.read(LENGTH.unpack(header)[0]))  # noqa: S301
        match question:
            case Range():
                for answer in _count(question, tally, json_counts):
                    _send(answers, answer)
            case Tally():
                tally.join(question)
            case PutInOrder():
                tally.put_in_order()
                _send(answers, Done())
            case Give():
                _send(answers, tally)
            case Finish():
                _send(answers, statistics_of(tally))


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(message(answer))
    answers.flush()


def _count(asked: Range, tally: Tally, json_counts: dict[tuple[str, tzinfo], JsonCount]) -> Iterator[Answer]:
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
                    yield Counted(untold)
                    untold = 0
        yield Counted(untold)
        if is_fast:
            json_counts[key].hand_on()
        if not asked.slices:
            tally.by_slice.clear()
    except OSError as error:
        yield Done(error.strerror or str(error))
    else:
        yield Done()


def _count_records(block: bytes, asked: Range, format_: Format, tally: Tally) -> None:
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
            record = Record(source=asked.source, place="", entry=shown, raw=raw, size_bytes=len(whole))
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
