"""The part of a filter that journalctl can search by itself: priorities and exact fields (journalctl(1)).

Never loses a match: a record's level is its PRIORITY, but what a program prints comes as 6 whatever it says, and its
words tell the level (``formats/journald.py``), so 6 is always asked for; a record without is no match where a level is.
``FIELD=value`` is exact, byte by byte, as our ``=`` is for text. A text or a pattern is not pushed: ``--grep`` looks
into MESSAGE alone, we look into the whole record; ``narrowed.py`` drops what cannot match. Time is
asked for by what ``span.py`` gives.
"""

from __future__ import annotations

import re

from lilfox_tui.logs.filter.fields import number
from lilfox_tui.logs.filter.model import And, Field, Filter
from lilfox_tui.logs.filter.severities import severities
from lilfox_tui.logs.levels import SYSLOG
from lilfox_tui.logs.record import Severity

PRINTED = 6
"""The priority of what a service writes to its stdout and stderr (systemd.exec(5), SyslogLevel=)."""
_FIELD = re.compile(r"_?[A-Z][A-Z0-9_]{0,63}")
"""systemd.journal-fields(7). Those that begin with two underscores cannot be asked for."""
_NOT_EXACT = re.compile("[\0\n\ufffd\ud800-\udfff]")


def to_matches(where: Filter) -> list[str]:
    """Arguments of journalctl that keep every match of ``where``, for instance ``--priority=0..6``, ``_PID=x``."""
    return [*_priorities(where), *dict.fromkeys(_fields(where))]


def _priorities(where: Filter) -> list[str]:
    wanted = severities(where)
    if Severity.UNKNOWN in wanted or not wanted:
        return []
    numbers = sorted({PRINTED, *(priority for priority, severity in enumerate(SYSLOG) if severity in wanted)})
    return [f"--priority={numbers[0]}..{numbers[-1]}"]


def _fields(where: Filter) -> list[str]:
    """journalctl wants one of several values of a field, and all of several fields: as much, or more."""
    match where:
        case And(parts):
            return [argument for part in parts for argument in _fields(part)]
        case Field("module", "=", value) if _is_exact(value):
            return [f"_SYSTEMD_UNIT={value}"]
        case Field(name, "=", value) if _FIELD.fullmatch(name) and _is_exact(value):
            return [f"{name}={value}"]
    return []


def _is_exact(value: str) -> bool:
    """Not a number, which may be a byte of a field that is no text; nor what stands for something else."""
    return bool(value) and number(value) is None and not _NOT_EXACT.search(value)
