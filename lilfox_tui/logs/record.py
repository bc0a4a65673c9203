"""A log record: its severity, its parsed entry, its place, and the lines and text of its raw bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from msgspec import Struct

# One record of a log, whatever wrote it.
#
# Times are microseconds since 1970 in UTC (``time_us``): they are compared and merged by the million. Text is raw as it
# was read, untrusted, and cleaned where it is shown.


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RAW_LIMIT = 256 * 1024
"""Bytes of one record that are kept and read; of a longer one the rest is counted (``size_bytes``)."""


class Severity(IntEnum):
    """How grave a record is; the numbers of Python's logging. UNKNOWN: the record does not say."""

    UNKNOWN = 0
    TRACE = 5
    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


class LoggedException(Struct, frozen=True):
    """The exception that a record tells of: its class as written (``OperationalError``), and all its text."""

    type: str
    text: str = ""


class LogEntry(Struct, frozen=True, kw_only=True):
    """What one record says, as its format reads it. ``fields`` are all its fields by their own names, nested as they
    were; the others are those that every format has in common. ``time_us`` is None where the record tells no time."""

    message: str
    time_us: int | None = None
    severity: Severity = Severity.UNKNOWN
    logger: str = ""
    """Who says it within the source: a logger, a program, a unit."""
    module: str = ""
    """What errors are counted by: the code's module; of an access log the route."""
    fault: LoggedException | None = None
    response_time_s: float | None = None
    fields: Mapping[str, object] = {}


class LogRecord(Struct, frozen=True, kw_only=True):
    """An entry and where it stands. ``place`` is its source's own word for that: the same record has the same place,
    also after a restart; nobody else reads it."""

    source: str
    place: str
    entry: LogEntry
    raw: bytes
    """The bytes as they were, all lines of it, without the last newline; at most RAW_LIMIT."""
    size_bytes: int
    log: str = ""
    """Which of its source's logs it stands in, where the source is several: the path of the file that is written."""

    @property
    def at(self) -> datetime | None:
        """The time, aware UTC."""
        return None if self.entry.time_us is None else EPOCH + timedelta(microseconds=self.entry.time_us)


def microseconds(at: datetime) -> int:
    """``at`` (aware) as ``time_us`` has it, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


# Lines and text of raw records, for every format.


def every_line(line: bytes) -> bool:  # noqa: ARG001  the contract's ``begins``
    """``begins`` of formats in which each line is a record; ``split_records`` asks these nothing per line."""
    return True


def text_of(raw: bytes) -> str:
    """A record as text, its lines ended by newlines alone; what is no UTF-8 becomes U+FFFD."""
    text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").rstrip("\r\n") if "\r" in text or text.endswith("\n") else text
