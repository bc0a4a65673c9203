"""The words and numbers by which logs say how grave a record is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilfox_tui.logs.record import Severity

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

NUMBERS: Mapping[int, Severity] = {
    **dict(enumerate(SYSLOG)),
    10: Severity.TRACE,
    20: Severity.DEBUG,
    30: Severity.INFO,
    40: Severity.WARNING,
    50: Severity.ERROR,
    60: Severity.CRITICAL,
}
"""Of a numeric ``level`` in JSON: syslog's, and those of pino and bunyan."""

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
