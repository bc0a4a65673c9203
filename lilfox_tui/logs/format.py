"""What a format of log lines is. ``formats/`` holds one file a kind; ``recognise.py`` chooses one by content."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Protocol, cast

from lilfox_tui import plugins
from lilfox_tui.logs.record import Entry, Severity

FORMATS = "lilfox_tui.logs.formats"


class Format(Protocol):
    """What each module in ``formats/`` has. Pure; never raises, whatever the bytes are."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None
    """How a severity stands in the raw bytes, letter case aside: a record of that severity holds one of its words. What
    a native search for a severity looks for; None where raw bytes do not tell."""

    def begins(self, line: bytes) -> bool:
        """Whether a new record begins with this line (without newline); other lines belong to the record before."""
        ...

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> Entry | None:
        """The record as it reads (all its lines, no final newline; cut at RAW_LIMIT perhaps); times without an offset
        are of ``zone``, and those without a year not later than ``latest`` (aware; None: now). None where it is not of
        this format."""
        ...


def load_format(kind: str) -> Format:
    """The format of that name. Raises UsageError that names those there are."""
    return cast("Format", plugins.load(FORMATS, kind))
