"""PostgreSQL's log to stderr, with any ``log_line_prefix`` that begins with its time (``%m`` or ``%t``).

DETAIL, HINT, CONTEXT, QUERY, LOCATION and STATEMENT lines, with a prefix of their own, belong to the record before, as
do the further lines of a statement. The zone after the time is used where it is certain; else it is the source's.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import POSTGRESQL_LEVELS, postgresql_duration_s, postgresql_words

LEVEL_WORDS = {
    severity: tuple(word + b":" for word in postgresql_words(severity))
    for severity in dict.fromkeys(POSTGRESQL_LEVELS.values())
}
_FURTHER = {
    "DETAIL": "detail", "HINT": "hint", "CONTEXT": "context", "QUERY": "query", "LOCATION": "location",
    "STATEMENT": "statement", "BACKTRACE": "backtrace",
    "详情": "detail", "详细信息": "detail", "提示": "hint", "上下文": "context", "背景": "context", "查询": "query",
    "位置": "location", "语句": "statement", "回溯": "backtrace",
}  # fmt: skip
_HEAD = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: (?:[A-Z]{2,5}|[+-]\d\d(?::?\d\d)?)\b)?)"
    rf"(?P<prefix>[^\n]{{0,300}}?)(?<!\w)(?P<word>{'|'.join((*POSTGRESQL_LEVELS, *_FURTHER))}):  "
)
_TIME_BYTES = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_WORD_BYTES = re.compile(
    rb"(?<![A-Za-z0-9_\x80-\xff])(?:("
    + "|".join(POSTGRESQL_LEVELS).encode()
    + rb")|"
    + "|".join(_FURTHER).encode()
    + rb"):  "
)
_HEAD_BYTES = 400
_PID = re.compile(r"\[(\d{1,10})(?:-\d{1,10})?\]")
_NAMED = re.compile(r"\b(user|db|database|app|application|client|host)=([^\s,]{1,128})")
_AT = re.compile(r"(?<![^\s:])([^\s@:,=\[\]]{1,63})@([^\s@:,=\[\]]{1,63})")
_NAMES = {"database": "db", "application": "app", "host": "client"}


def begins(line: bytes) -> bool:
    """Whether the line has a time, and its first keyword is a level."""
    if not _TIME_BYTES.match(line):
        return False
    word = _WORD_BYTES.search(line, 19, _HEAD_BYTES)
    return word is not None and word[1] is not None


def continues(line: bytes) -> bool:
    """Whether the line has a time, and tells more of the record before."""
    word = _WORD_BYTES.search(line, 19, _HEAD_BYTES) if _TIME_BYTES.match(line) else None
    return word is not None and word[1] is None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message with its DETAIL, STATEMENT and so on as fields; None for any other text."""
    first, *rest = text_of(raw).split("\n")
    head = _HEAD.match(first)
    if head is None or head["word"] not in POSTGRESQL_LEVELS:
        return None
    parts: dict[str, list[str]] = {"message": [first[head.end() :]]}
    part = parts["message"]
    for line in rest:
        further = _HEAD.match(line) if line[:1].isdigit() else None
        if further is None or further["word"] not in _FURTHER:
            part.append(line.removeprefix("\t"))  # the server indents further lines
        else:
            part = parts.setdefault(_FURTHER[further["word"]], [])
            part.append(line[further.end() :])
    session = _session(head["prefix"])
    fields: dict[str, object] = {"level": head["word"], **session}
    fields.update((name, "\n".join(lines)) for name, lines in parts.items() if name != "message")
    message = "\n".join(parts["message"])
    return LogEntry(
        message=message,
        time_us=times.from_text(head["time"], zone),
        severity=POSTGRESQL_LEVELS[head["word"]],
        logger=str(session.get("db", "")),
        response_time_s=postgresql_duration_s(message),
        fields=fields,
    )


def _session(prefix: str) -> dict[str, object]:
    """Return the session's fields in the prefix: ``[%p]``, ``user=%u,db=%d``, ``%u@%d``."""
    found: dict[str, object] = {}
    if pid := _PID.search(prefix):
        found["pid"] = int(pid[1])
    if who := _AT.search(prefix):
        found["user"], found["db"] = who.groups()
    found.update((_NAMES.get(name, name), value) for name, value in _NAMED.findall(prefix))
    return found
