"""Kafka's logs: ``[2026-12-01 12:00:00,123] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)``. The class in
the brackets at the end is the logger; a stack trace in the lines that follow is the record's."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import level_words, severity_of

LEVEL_WORDS = level_words(b"%b")
_SHAPE = r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) {1,2}"
_HEAD, _BEGINS = re.compile(_SHAPE), re.compile(_SHAPE.encode())
_LOGGER = re.compile(r" \((?P<logger>[a-zA-Z_$][\w$-]{0,60}(?:\.[\w$-]{1,80}){0,12})(?::\d{1,9})?\)\Z")
_CONTEXT = re.compile(r"\[(?P<context>[^\]\n]{1,300})\]:? ")
_LONGEST_LOGGER = 1200


def begins(line: bytes) -> bool:
    """Whether the line has a time and a level in Kafka's layout."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message; None for one without a class at the end of a line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    found = None
    end = head.end()
    for line in text[end:].split("\n", 50)[:50]:  # a message may have several lines
        start = max(0, len(line) - _LONGEST_LOGGER)
        found = _LOGGER.search(line, start)
        if found is not None:
            break
        end += len(line) + 1
    if found is None:
        return None
    message = text[head.end() : end + found.start()] + text[end + found.end() :]
    context = _CONTEXT.match(message)
    fields: dict[str, object] = {"level": head["level"]}
    if context is not None:
        fields["context"] = context["context"]
    return LogEntry(
        message=message or found["logger"],
        time_us=times.from_text(head["time"], zone),
        severity=severity_of(head["level"]),
        logger=found["logger"],
        module=found["logger"],
        fault=structured.in_text(message),
        fields=fields,
    )
