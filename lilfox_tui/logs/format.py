"""Log formats: the contract of ``formats/``, detection by content, and blocks of bytes split into records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Protocol, cast

from lilfox_tui import plugins
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, Severity, every_line

# What a format of log lines is. ``formats/`` holds one file a kind; ``recognise`` chooses one by content.


FORMATS = "lilfox_tui.logs.formats"


class Format(Protocol):
    """What each module in ``formats/`` has. Pure; never raises, whatever the bytes are."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None
    """How a severity stands in the raw bytes, letter case aside: a record of that severity holds one of its words. What
    a native search for a severity looks for; None where raw bytes do not tell."""

    def begins(self, line: bytes) -> bool:
        """Whether a new record begins with this line (without newline); other lines belong to the record before."""
        ...

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
        """The record as it reads (all its lines, no final newline; cut at RAW_LIMIT perhaps); times without an offset
        are of ``zone``, and those without a year not later than ``latest`` (aware; None: now). None where it is not of
        this format."""
        ...


def load_format(kind: str) -> Format:
    """The format of that name. Raises UsageError that names those there are."""
    return cast("Format", plugins.load(FORMATS, kind))


# A block of whole lines as records.


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


# Which format a log is of, by what it holds.


PLAIN = "plain"
_SAMPLE_BYTES = 64 * 1024
_SAMPLE_LINES = 200
_LEAST_SHARE = 0.3
_CERTAIN_SHARE = 0.95
_NARROW_FIRST = (
    "journald", "postgresql_json", "json_lines", "postgresql_csv", "access", "nginx_error", "postgresql", "klog",
    "syslog", "logfmt", "console",
)  # fmt: skip
"""What reads less than another comes before it; kinds that are not named here come last."""


@lru_cache(maxsize=4)  # who follows a log opens it once more, and begins with the same bytes
def recognise(sample: bytes) -> str:
    """The kind of format that reads the largest share of the first complete lines of ``sample``, of which 64 KiB are
    looked at; "plain" where none reads a good part of them, and for what holds NUL."""
    sample = sample[:_SAMPLE_BYTES]
    lines = sample.split(b"\n")
    whole = lines[:-1] or lines
    if b"\0" in sample:
        return PLAIN
    block = b"".join(line + b"\n" for line in whole[:_SAMPLE_LINES])
    if len(sample) == _SAMPLE_BYTES and len(lines) == 1:
        block = sample.ljust(RAW_LIMIT)  # formats read a record that was cut there
    best, most = PLAIN, _LEAST_SHARE
    plain = load_format(PLAIN)
    starts = sum(plain.begins(line) for line in block.splitlines())
    for kind in _by_narrowness():
        share = _read(block, load_format(kind)) / max(starts, 1)
        if share > most:
            best, most = kind, share
        if share >= _CERTAIN_SHARE:
            break
    return best


def _by_narrowness() -> Iterator[str]:
    known = plugins.kinds(FORMATS)
    yield from (kind for kind in _NARROW_FIRST if kind in known)
    yield from (kind for kind in known if kind not in _NARROW_FIRST and kind != PLAIN)


def _read(block: bytes, format: Format) -> int:  # noqa: A002
    """How many records of ``block`` are of ``format``."""
    return sum(
        format.begins(raw.partition(b"\n")[0]) and format.parse(raw, UTC) is not None
        for _, raw in split_records(block, format)
    )
