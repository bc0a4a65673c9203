"""Human-readable lines with a time, a level and a logger: the ops manual's console format and similar ones.

Read are the usual layouts of Python's logging (also ``basicConfig``'s), gunicorn, uvicorn, Celery, loguru, log4j,
logback, Spring Boot, Monolog, Rust's tracing and env_logger, zap, Ruby's Logger, Elasticsearch, MySQL and OpenStack. An
exception in the lines that follow is the record's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.structured import level_words, severity_of

_LETTERS: Mapping[str, Severity] = {
    "T": Severity.TRACE, "V": Severity.TRACE, "D": Severity.DEBUG, "I": Severity.INFO, "N": Severity.NOTICE,
    "W": Severity.WARNING, "E": Severity.ERROR, "C": Severity.CRITICAL, "F": Severity.CRITICAL,
}  # fmt: skip
"""Levels of one letter, as tornado, Jupyter and Qt have them; only in brackets."""
LEVEL_WORDS = {
    severity: (*words, *(f"[{letter}".encode() for letter, of in _LETTERS.items() if of is severity))
    for severity, words in level_words(b"%b").items()
}

_LEVEL = (
    r"(?P<level>TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|SEVERE|CRITICAL|CRIT|FATAL|ALERT|EMERGENCY|EMERG|PANIC|"
    r"DPANIC|SUCCESS|VERBOSE|TRC|DBG|INF|WRN|ERR|FTL|"
    r"(?<=[\[\t])(?:[Tt]race|[Dd]ebug|[Ii]nfo|[Nn]otice|[Ww]arn(?:ing)?|[Ee]rror|[Cc]ritical|[Ff]atal|panic)(?=[\]\t]))\b"
)
_NAME = r"(?P<logger>[^\s\[\]|]{1,200}?)"
_NAME_IF_SURE = (
    r"(?:(?=[^\s:]{0,200}?(?:[._]|::))(?P<logger>[^\s\[\]|]{1,200}?)(?::| -) +|(?=(?P<word>[\w-]{1,40}): ))?"
)
"""A single word before a colon may be a logger's name and the start of what is said: it stays in the message."""
_CLASS = r"(?=\S{0,200}?\.)(?P<logger>[^\s:]{1,200})"
_THREAD = r"\[(?P<thread>[^\]\n]{1,200})\]"
_PID = r"(?P<pid>\d{1,10})"
_SMALL = (
    r"(?P<level>[Tt]race|[Dd]ebug|[Vv]erbose|[Ii]nfo|[Nn]otice|[Ww]arn(?:ing)?|[Ee]rr(?:or)?|[Cc]rit(?:ical)?|[Ff]atal|"
    r"[Pp]anic)"
)
"""In small letters only right behind the time: elsewhere these are words of a sentence."""
_AFTER_TIME = [
    re.compile(layout + r"(?P<message>.*+)", re.DOTALL)
    for layout in (
        rf" - (?P<logger>\S{{1,200}}) - {_LEVEL} - ",  # the manual's
        rf" - {_LEVEL} - (?P<logger>\S{{1,200}}) - ",
        rf" \| {_LEVEL} *\| (?P<logger>[^:\s]{{1,200}}):(?P<function>[^:\n]{{1,200}}):(?P<line>\d{{1,9}}) - ",  # loguru
        rf" +{_LEVEL} +{_PID} --- (?:\[[^\]\n]{{0,200}}\] )?{_THREAD} +(?P<logger>\S{{1,200}}) +: ",  # Spring Boot
        rf" +{_THREAD} +\[?{_LEVEL}\]? +(?P<logger>[^\s:]{{1,200}})(?::| -) +",  # log4j, logback
        rf" +\[?{_LEVEL}\]? +{_THREAD} +(?:\[[^\]\n]{{0,200}}\] +)?{_CLASS}(?::| -) +",
        rf": {_LEVEL}/(?P<logger>[^\]\n]{{1,200}})\] ",  # Celery
        rf" \| {_LEVEL} *\| {_NAME} *\| ",
        rf" \| {_NAME} *\| {_LEVEL} *\| ",
        rf" {_LEVEL} in {_NAME}: ",  # Flask
        rf" \[{_PID}\] \[{_LEVEL}\] ",  # gunicorn
        rf" - {_LEVEL} +\[(?P<thread>[^\n]{{1,200}}?)\] - ",  # ZooKeeper
        rf"\[{_LEVEL} *\]\[(?P<logger>[^\]\s]{{1,200}}) *\] *",  # Elasticsearch
        rf" +{_LEVEL} +(?P<logger>[^\[\]\s]{{1,200}})\] ",  # Rust's env_logger
        rf" +{_PID} +{_LEVEL} +(?P<logger>[^\s:]{{1,200}}): ",  # log4j in HDFS
        rf" +{_PID} +{_LEVEL} +(?=\S{{0,200}}?\.)(?P<logger>\S{{1,200}}) ",  # OpenStack
        rf" +\[?{_PID}\]? +\[?{_LEVEL}\]?:? +",  # MySQL
        rf" #{_PID}\] +{_LEVEL} -- (?P<logger>[^:\n]{{0,200}}): ",  # Ruby
        rf" (?P<logger>[\w.-]{{1,200}})\.{_LEVEL}: ",  # Monolog
        rf"\t{_LEVEL}\t(?:(?P<logger>\S{{1,200}})\t)?",  # zap
        rf", {_SMALL} {{2,40}}(?P<logger>\S{{1,60}}) {{2,40}}",  # Windows CBS
        rf" {_SMALL} (?P<logger>[\w.-]{{1,60}})\[{_PID}\] ",  # VMware
        rf":{_LEVEL}:",
        rf" +{_SMALL}: +",  # winston
        rf" +\[(?P<level>[TVDINWECF])\]:? +{_NAME_IF_SURE}",
        rf" +\[?{_LEVEL}\]?(?: +-)? +\[{_NAME}\]:? +(?:- )?",
        rf" +\[?{_LEVEL}\]?:? +{_NAME_IF_SURE}",
        rf" +\[?{_NAME}\]? +\[?{_LEVEL}\]?:? +(?:- )?",
        rf" (?:\[[^\]\n]{{1,200}}\] ){{1,4}}?\[?{_LEVEL}\]?:? +{_NAME_IF_SURE}",
    )
]
_AFTER_LEVEL_AND_TIME = re.compile(r" *(?P<message>.*+)", re.DOTALL)
_LONGEST_TIME = 64
_WITHOUT_TIME = [
    re.compile(layout, re.DOTALL)
    for layout in (
        rf"{_LEVEL}:(?P<logger>[^\s:]{{1,200}}):(?P<message>.*+)",
        rf"{_LEVEL}: +(?P<message>.*+)",
        rf"\[{_LEVEL}\] +(?P<message>.*+)",
    )
]
_BEGINS = re.compile(
    rb"(?:[A-Z], )?[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\[?\d\d[/-][A-Z][a-z]{2}[/-]\d{4}[: ]\d\d:|"
    rb"\[?(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL)(?::\S|: |\] | \d{4}-)|\d\d:\d\d:\d\d[.,]\d|"
    rb"\[?(?:\d\d/\d\d/\d\d \d\d:\d\d:\d\d|\d{6} [ \d]?\d{5} |\d{6} [ \d]\d:\d\d:\d\d|"
    rb"(?:19|20)\d{6}[ T.-]\d\d:?\d\d:?\d\d|"
    rb"(?:19|20)\d\d\.\d\d\.\d\d \d\d:\d\d:\d\d|(?:19|20)\d\d-\d{3}T\d\d:\d\d:\d\d)|"
    rb"\[[TVDINWECF] \d{4,8}[ -]"
)
_BEFORE_TIME = re.compile(
    r"[A-Z], (?=\[)|\[?(?P<level>[A-Z]{4,8})\]? +(?=\[?\d{4}-)|\[(?P<letter>[TVDINWECF]) (?=\d{4,8}[ -])"
)
"""Ruby's Logger has a letter there, tornado's and Jupyter's another, Django's verbose layout the level."""
_AFTER_LETTER_AND_TIME = re.compile(
    r" ?(?P<logger>[^\]\n:]{0,100})(?::(?P<line>\d{1,9}))?\] *(?P<message>.*+)", re.DOTALL
)
_CLOCK = re.compile(r"\d\d:\d\d:\d\d[.,]\d{1,9}")
"""All that logback's own layout tells of the time: the day stays unknown."""


def begins(line: bytes) -> bool:
    """Whether the line starts with a time, or with a level as ``basicConfig`` and uvicorn write it."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse a record in one of the layouts; None if it has no level where one is expected."""
    text = text_of(raw)
    us, start, level = _head(text, zone, latest)
    match = _laid_out(text, start, level)
    if match is None:
        return None
    fields: dict[str, object] = {name: value for name, value in match.groupdict().items() if value is not None}
    message, word = str(fields.pop("message")), fields.pop("word", "")
    logger = str(fields.get("logger", word))
    if level:
        fields["level"] = level
    return LogEntry(
        message=message,
        time_us=us,
        severity=_severity(level or match["level"]),
        logger=logger,
        module=logger,
        fault=structured.in_text(text),
        fields=fields,
    )


def _severity(level: str) -> Severity:
    return severity_of(level) or _LETTERS.get(level, Severity.UNKNOWN)


def _head(text: str, zone: tzinfo, latest: datetime | None) -> tuple[int | None, int, str]:
    """Return the time, the offset of the text after it (0 without one), and a level before it."""
    before = _BEFORE_TIME.match(text)
    if before is None:
        us, start = times.leading(text, zone, latest)
        if not start and (clock := _CLOCK.match(text)):
            start = clock.end()
        return us, start, ""
    us, start = times.leading(text[before.end() : before.end() + _LONGEST_TIME], zone, latest)
    if start and before["letter"]:
        return us, start + before.end(), before["letter"]
    level = before["level"] if start and severity_of(before["level"] or "") else None
    return us, start and start + before.end(), level or ""


def _laid_out(text: str, start: int, level: str) -> re.Match[str] | None:
    if level:
        return (_AFTER_LETTER_AND_TIME if len(level) == 1 else _AFTER_LEVEL_AND_TIME).match(text, start)
    layouts = _AFTER_TIME if start else _WITHOUT_TIME
    return next((match for layout in layouts if (match := layout.match(text, start))), None)
