"""Any text; a time at the start and a level near it are recognised."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import level_words, spoken

LEVEL_WORDS = level_words(b"%b")
_CONTINUES = re.compile(
    rb"[\s)}\]]|$|\.\.\.|Caused by:|Suppressed:|Traceback \(|During handling of the above|The above exception was|"
    rb"  \+|(?:DETAIL|HINT|STATEMENT|CONTEXT): |"
    rb"#\d{1,4} |Stack trace:|\[(?:stacktrace|previous exception)\]|\"\}|"  # PHP, Laravel
    rb"\[[^\]\n]{20,60}\] PHP (?:Stack trace:| {1,9}\d{1,4}\. )|PHP (?:Stack trace:| {1,9}\d{1,4}\. )|"
    rb"goroutine \d{1,9} \[|created by |[\w./*()-]{1,200}\.[\w.]{1,100}\((?:0x[0-9a-f]|\.\.\.|\)$)"  # Go
)
_CLASS_ON_LINE = re.compile(rb"[A-Za-z_][\w$.]*+(?:: |:?\r?$)")


def begins(line: bytes) -> bool:
    """Whether the line is neither indented nor part of a traceback, stack trace or statement."""
    if _CONTINUES.match(line):
        return False
    return not (_CLASS_ON_LINE.match(line) and structured.names_exception(line[:400].decode("utf-8", "replace")))


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry:
    """Parse any text; the message is what follows the time."""
    text = text_of(raw)
    us, start = times.leading(text, zone, latest)
    message = text[start:].lstrip(" \t:-|,") if start else text
    return LogEntry(message=message or text, time_us=us, severity=spoken(message), fault=structured.in_text(text))
