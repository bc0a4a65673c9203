"""Numbers and times as others tell them: of any length, beyond every calendar. None of them is an exception here."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_MOST_DIGITS = 18
LARGEST = 10**_MOST_DIGITS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""A year from the ends of the calendar, so that every zone has them too."""


def whole(text: str | bytes) -> int:
    """The number of decimal digits, with or without a sign; the largest there is here where it is larger. Python reads
    none of more than 4,300 digits. Raises ValueError where ``text`` is no such number."""
    word = (text.decode("ascii", "replace") if isinstance(text, bytes) else text).strip()
    sign = -1 if word[:1] == "-" else 1
    digits = word[1:] if word[:1] in ("-", "+") else word
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("no number")
    digits = digits.lstrip("0") or "0"
    return sign * (int(digits) if len(digits) <= _MOST_DIGITS else LARGEST)


def time_at(seconds: float) -> datetime:
    """The time so many seconds after 1970, or the nearest that there is."""
    return later(_EPOCH, seconds)


def later(at: datetime, seconds: float) -> datetime:
    """``at`` (aware) and so many seconds, or the nearest that there is; what is no number changes nothing."""
    if math.isnan(seconds):
        return at
    first, last = (EARLIEST - at).total_seconds(), (LATEST - at).total_seconds()
    return min(max(at + timedelta(seconds=min(max(seconds, first), last)), EARLIEST), LATEST)
