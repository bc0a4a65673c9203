"""Lines for people, with a time, a level and a logger: the manual's console format and its relatives.

Read are the usual layouts of Python's logging (also ``basicConfig``'s), gunicorn, uvicorn, Celery, loguru, log4j,
logback, Spring Boot, Monolog, Rust's tracing, zap and Ruby's Logger. An exception in the lines that follow is the
record's.
"""

from __future__ import annotations

import re
from datetime import tzinfo

from lilfox_tui.logs import faults, times
from lilfox_tui.logs.levels import level_words, severity_of
from lilfox_tui.logs.lines import text_of
from lilfox_tui.logs.record import Entry

LEVEL_WORDS = level_words(b"%b")

_LEVEL = (
    r"(?P<level>TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|SEVERE|CRITICAL|CRIT|FATAL|ALERT|EMERGENCY|EMERG|PANIC|"
    r"DPANIC|SUCCESS|VERBOSE|trace|debug|info|notice|warning|warn|error|critical|fatal|panic)\b"
)
_NAME = r"(?P<logger>[^\s\[\]|]{1,200}?)"
_CLASS = r"(?=\S{0,200}?\.)(?P<logger>[^\s:]{1,200})"
_THREAD = r"\[(?P<thread>[^\]\n]{1,200})\]"
_PID = r"(?P<pid>\d{1,10})"
_AFTER_TIME = [
    re.compile(layout + r"(?P<message>.*+)", re.DOTALL)
    for layout in (
        rf" - (?P<logger>\S{{1,200}}) - {_LEVEL} - ",  # the manual's
        rf" - {_LEVEL} - (?P<logger>\S{{1,200}}) - ",
        rf" \| {_LEVEL} *\| (?P<logger>[^:\s]{{1,200}}):(?P<function>[^:\n]{{1,200}}):(?P<line>\d{{1,9}}) - ",  # loguru
        rf" +{_LEVEL} +{_PID} --- (?:\[[^\]\n]{{0,200}}\] )?{_THREAD} +(?P<logger>\S{{1,200}}) +: ",  # Spring Boot
        rf" +{_THREAD} +\[?{_LEVEL}\]? +(?P<logger>[^\s:]{{1,200}})(?::| -) +",  # log4j, logback
        rf" +\[?{_LEVEL}\]? +{_THREAD} +{_CLASS}(?::| -) +",
        rf": {_LEVEL}/(?P<logger>[^\]\n]{{1,200}})\] ",  # Celery
        rf" \| {_LEVEL} *\| {_NAME} *\| ",
        rf" \| {_NAME} *\| {_LEVEL} *\| ",
        rf" {_LEVEL} in {_NAME}: ",  # Flask
        rf" \[{_PID}\] \[{_LEVEL}\] ",  # gunicorn
        rf" #{_PID}\] +{_LEVEL} -- (?P<logger>[^:\n]{{0,200}}): ",  # Ruby
        rf" (?P<logger>[\w.-]{{1,200}})\.{_LEVEL}: ",  # Monolog
        rf"\t{_LEVEL}\t(?:(?P<logger>\S{{1,200}})\t)?",  # zap
        rf" +\[?{_LEVEL}\]?(?: +-)? +\[{_NAME}\]:? +(?:- )?",
        rf" +\[?{_LEVEL}\]?:? +(?:{_NAME}(?::| -) +)?",
        rf" +\[?{_NAME}\]? +\[?{_LEVEL}\]?:? +(?:- )?",
        rf" (?:\[[^\]\n]{{1,200}}\] ){{1,4}}?\[?{_LEVEL}\]?:? +(?:{_NAME}(?::| -) +)?",
    )
]
_WITHOUT_TIME = [
    re.compile(layout, re.DOTALL)
    for layout in (
        rf"{_LEVEL}:(?P<logger>[^\s:]{{1,200}}):(?P<message>.*+)",
        rf"{_LEVEL}: +(?P<message>.*+)",
        rf"\[{_LEVEL}\] +(?P<message>.*+)",
    )
]
_BEGINS = re.compile(
    rb"(?:[A-Z], )?[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\[?\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:|"
    rb"\[?(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL)(?::\S|: |\] )"
)
_RUBY = re.compile(r"[A-Z], \[")


def begins(line: bytes) -> bool:
    """A line that starts with a time, or with a level as ``basicConfig`` and uvicorn write it."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo) -> Entry | None:
    """A record in one of the layouts; None for a text in which no level stands at its place."""
    text = text_of(raw)
    ruby = _RUBY.match(text)
    us, start = times.leading(text[ruby.end() :] if ruby else text, zone)
    start += ruby.end() if ruby and start else 0
    for layout in _AFTER_TIME if start else _WITHOUT_TIME:
        if match := layout.match(text, start):
            break
    else:
        return None
    fields: dict[str, object] = {name: value for name, value in match.groupdict().items() if value is not None}
    message = str(fields.pop("message"))
    logger = str(fields.get("logger", ""))
    return Entry(
        message=message,
        time_us=us,
        severity=severity_of(match["level"]),
        logger=logger,
        module=logger,
        fault=faults.in_text(text),
        fields=fields,
    )
