"""Any text: a time at the start and a level's word near it are read where there are."""

from __future__ import annotations

import re
from datetime import tzinfo

from lilfox_tui.logs import faults, times
from lilfox_tui.logs.levels import level_words, spoken
from lilfox_tui.logs.lines import text_of
from lilfox_tui.logs.record import Entry

LEVEL_WORDS = level_words(b"%b")
_CONTINUES = re.compile(
    rb"[\s)}\]]|$|\.\.\.|Caused by:|Suppressed:|Traceback \(|During handling of the above|The above exception was|"
    rb"  \+|(?:DETAIL|HINT|STATEMENT|CONTEXT): "
)
_CLASS_ON_LINE = re.compile(rb"[A-Za-z_][\w$.]*+(?:: |:?\r?$)")


def begins(line: bytes) -> bool:
    """A line that is neither indented nor part of a traceback, stack trace or statement."""
    if _CONTINUES.match(line):
        return False
    return not (_CLASS_ON_LINE.match(line) and faults.names_exception(line[:400].decode("utf-8", "replace")))


def parse(raw: bytes, zone: tzinfo) -> Entry:
    """Always something; the message is what follows the time."""
    text = text_of(raw)
    us, start = times.leading(text, zone)
    message = text[start:].lstrip(" \t:-|,") if start else text
    return Entry(message=message or text, time_us=us, severity=spoken(message), fault=faults.in_text(text))
