"""JSON lines, one object per record, as written by the ops manual's JSONFormatter and other loggers
(``logs/structured.py``)."""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.logs.record import LogEntry, Severity
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import ENDINGS, entry_of, level_words, object_in, possible_numbers

__all__ = ["LEVEL_WORDS", "begins", "parse"]


def _number_words(severity: Severity) -> tuple[bytes, ...]:
    """Return the search words for levels that are numbers, such as the end of ``"level":50``. A single digit includes
    the character after it, because ``"level":5`` begins other numbers; ``"severityNumber":17`` is searched with its
    first digit only. The words are short and few, because ripgrep searches up to 64 short ones several times as fast as
    more."""
    numbers = [
        (ending, f"{number}"[:1] if ending == "mber" else f"{number}")
        for ending in ENDINGS
        for number in possible_numbers(ending, severity)
    ]
    return tuple(
        f'{ending}"{colon}{number}{end}'.encode()
        for ending, number in dict.fromkeys(numbers)
        for colon in (":", ": ")
        for end in (",} " if ending == "el" and len(number) == 1 else ("",))
    )


_SPACED = (b'" :', b'"  ', b'":  ', b"\t")
"""Where other space stands around a colon, a number may be a level's."""
LEVEL_WORDS = {
    severity: (*words, *numbers, *(_SPACED if numbers else ()))
    for severity, words in level_words(b'"%b').items()
    for numbers in (_number_words(severity),)
}


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse the object's fields; None for a line that is not an object."""
    fields = object_in(raw)
    return entry_of(fields, raw, zone) if fields is not None else None
