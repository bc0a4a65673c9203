"""The words and numbers by which logs state a severity, PostgreSQL's levels among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lilfox_tui.logs.record import Severity

# The words and numbers by which logs say how grave a record is.


_SPELLINGS: Mapping[Severity, tuple[str, ...]] = {
    Severity.TRACE: ("trace", "verbose", "finest", "finer", "trc"),
    Severity.DEBUG: ("debug", "dbg", "fine"),
    Severity.INFO: ("info", "information", "informational", "success", "log", "inf"),
    Severity.NOTICE: ("notice",),
    Severity.WARNING: ("warning", "warn", "wrn"),
    Severity.ERROR: ("error", "err", "severe"),
    Severity.CRITICAL: ("critical", "crit", "fatal", "panic", "dpanic", "alert", "emerg", "emergency", "ftl"),
}
WORDS: Mapping[str, Severity] = {word: severity for severity, words in _SPELLINGS.items() for word in words}
"""Every spelling in small letters."""

SYSLOG = (
    Severity.CRITICAL, Severity.CRITICAL, Severity.CRITICAL, Severity.ERROR,
    Severity.WARNING, Severity.NOTICE, Severity.INFO, Severity.DEBUG,
)  # fmt: skip
"""By syslog's number (RFC 5424, table 2)."""

_SYSLOG_NUMBERS: Mapping[int, Severity] = dict(enumerate(SYSLOG))
_BUNYAN: Mapping[int, Severity] = {
    10: Severity.TRACE,
    20: Severity.DEBUG,
    30: Severity.INFO,
    40: Severity.WARNING,
    50: Severity.ERROR,
    60: Severity.CRITICAL,
}
"""Also pino's."""
_PYTHON: Mapping[int, Severity] = {
    10: Severity.DEBUG,
    20: Severity.INFO,
    30: Severity.WARNING,
    40: Severity.ERROR,
    50: Severity.CRITICAL,
}
_OPEN_TELEMETRY: Mapping[int, Severity] = {
    number: severity
    for first, severity in ((1, Severity.TRACE), (5, Severity.DEBUG), (9, Severity.INFO), (13, Severity.WARNING),
                            (17, Severity.ERROR), (21, Severity.CRITICAL))
    for number in range(first, first + 4)
}  # fmt: skip
"""SeverityNumber (OpenTelemetry, Logs Data Model)."""
_OF_SYSLOG = frozenset(("short_message", "facility", "syslog_identifier", "procid", "msgid", "appname", "app-name"))
_OF_PYTHON = frozenset(("funcname", "lineno", "msecs", "relativecreated", "threadname", "processname", "levelno"))
_NUMBERED: Mapping[str, tuple[Mapping[int, Severity], ...]] = {
    "el": (_SYSLOG_NUMBERS, _BUNYAN, _PYTHON),  # level, loglevel
    "lno": (_PYTHON,),  # levelno
    "rity": (_SYSLOG_NUMBERS,),  # priority, severity
    "mber": (_OPEN_TELEMETRY,),  # severityNumber
}
"""How the names of fields end that hold a level's number, and which numbers these may be."""


def numbers_of(name: str, keys: Collection[str]) -> Mapping[int, Severity]:
    """What the numbers of the field ``name`` mean in a record with these ``keys``, all in small letters. Of 0 to 7
    (syslog's from the gravest down, zerolog's and .NET's up) the other fields must tell it: else they mean nothing."""
    if name in ("severitynumber", "severity_number"):
        return _OPEN_TELEMETRY
    if name == "levelno":
        return _PYTHON
    syslog = _SYSLOG_NUMBERS if not _OF_SYSLOG.isdisjoint(keys) else {}
    if name.endswith("level"):
        return {**syslog, **(_BUNYAN if _OF_PYTHON.isdisjoint(keys) else _PYTHON)}
    return syslog if name in ("priority", "severity") else {}


def possible_numbers(ending: str, severity: Severity) -> list[int]:
    """The numbers that may mean the severity in a field whose name ends so."""
    return sorted({number for known in _NUMBERED[ending] for number, of in known.items() if of is severity})


ENDINGS = tuple(_NUMBERED)

_SPOKEN = r"trace|debug|info|notice|warning|warn|error|err|severe|critical|crit|fatal|panic|alert|emerg"
_NEAR_START = 120
_IN_TEXT = re.compile(
    rf"\b(?:({_SPOKEN.upper()})\b|(?<=[\[<:])({_SPOKEN})(?=[\]>])|({_SPOKEN})(?=: )|"
    rf"({'|'.join(word.capitalize() for word in _SPOKEN.split('|'))})(?=[:\]]))"
)


def severity_of(word: str) -> Severity:
    """Of a level's word in any letter case; UNKNOWN where it is none."""
    return WORDS.get(word.lower(), Severity.UNKNOWN)


def spoken(text: str) -> Severity:
    """What a text without a field for it says near its start: ``ERROR``, ``[error]``, ``error: ``."""
    match = _IN_TEXT.search(text, 0, _NEAR_START)
    return severity_of(match[match.lastindex or 0]) if match else Severity.UNKNOWN


def level_words(*shapes: bytes) -> dict[Severity, tuple[bytes, ...]]:
    """A format's ``LEVEL_WORDS``: each spelling in each shape, in which ``%b`` stands for it."""
    return {
        severity: tuple(shape % word.encode() for shape in shapes for word in _shortest(words))
        for severity, words in _SPELLINGS.items()
    }


def _shortest(words: tuple[str, ...]) -> list[str]:
    """Those of which no other is the beginning: who finds ``err`` has found ``error``."""
    return [word for word in words if not any(word != other and word.startswith(other) for other in words)]


# PostgreSQL's levels, and what its three formats of logs have in common.


POSTGRESQL_LEVELS: Mapping[str, Severity] = {
    "DEBUG": Severity.DEBUG,
    **{f"DEBUG{number}": Severity.DEBUG for number in range(1, 6)},
    "LOG": Severity.INFO,
    "INFO": Severity.INFO,
    "NOTICE": Severity.NOTICE,
    "WARNING": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "FATAL": Severity.CRITICAL,
    "PANIC": Severity.CRITICAL,
    # as a server says them whose lc_messages is zh_CN, in its translation of version 15 and before
    "调试": Severity.DEBUG,
    "日志": Severity.INFO,
    "信息": Severity.INFO,
    "注意": Severity.NOTICE,
    "警告": Severity.WARNING,
    "错误": Severity.ERROR,
    "致命错误": Severity.CRITICAL,
    "灾难性错误": Severity.CRITICAL,
    "比致命错误还过分的错误": Severity.CRITICAL,
}
"""PostgreSQL's documentation, table 19.2: FATAL ends a session, PANIC all of them."""

_POSTGRESQL_DURATION = re.compile(r"duration: (\d{1,12}(?:\.\d{1,6})?) ms")


def postgresql_words(severity: Severity) -> tuple[bytes, ...]:
    """The words of a severity as they stand in the log, without those of which another is a part."""
    spelt = [word for word, of in POSTGRESQL_LEVELS.items() if of is severity]
    return tuple(w.encode() for w in spelt if not any(other != w and other in w for other in spelt))


def postgresql_duration_s(message: str) -> float | None:
    """How long the statement took of which ``log_min_duration_statement`` tells."""
    match = _POSTGRESQL_DURATION.match(message)
    return float(match[1]) / 1000 if match else None
