"""Go's time.Time (in UTC) and time.Duration in templates, as ``toTime`` and ``toDuration`` return them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

_NANO = 1_000_000_000
_MILLI = 1_000_000
_INT64 = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = -62_135_596_800 * _NANO
"""1 January of year 1: the zero of Go's times."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_LAYOUT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|-07:00:00|-070000|-07:00|-0700|-07|Z07:00:00|Z070000|Z07:00|"
    r"Z0700|Z07|002|01|02|03|04|05|06|__2|_2006|_2|15|PM|pm|[.,]0+(?![0-9])|[.,]9+(?![0-9])|1|2|3|4|5"
)
"""What stands for a part of a time in a layout (time/format.go)."""


class GoDuration(Struct, frozen=True, order=True):
    """A time.Duration."""

    nanoseconds: int

    def __str__(self) -> str:
        """Format like Go: ``1h30m0s``, ``1.5s``, ``2ms``."""
        left = abs(self.nanoseconds)
        sign = "-" if self.nanoseconds < 0 else ""
        if left < _NANO:
            if not left:
                return "0s"
            unit, size = next(each for each in (("ms", _MILLI), ("µs", 1000), ("ns", 1)) if left >= each[1])
            return f"{sign}{_decimal(left, size)}{unit}"
        minutes, seconds = divmod(left, 60 * _NANO)
        hours, minutes = divmod(minutes, 60)
        text = f"{_decimal(seconds, _NANO)}s"
        if hours or minutes:
            text = f"{minutes}m{text}"
        return f"{sign}{hours}h{text}" if hours else sign + text


class GoTime(Struct, frozen=True, order=True):
    """A time.Time in UTC, in nanoseconds since 1970."""

    nanoseconds: int

    def __str__(self) -> str:
        return formatted(self, "2006-01-02 15:04:05.999999999 -0700 MST")

    @property
    def date(self) -> datetime:
        """The date and time, to the microsecond. Raises ValueError outside the years 1 to 9999."""
        try:
            return _EPOCH + timedelta(microseconds=self.nanoseconds // 1000)
        except OverflowError:
            raise ValueError("time out of range") from None


class GoNamedInt(int):
    """A time.Month or time.Weekday: a number that prints as its name."""

    words: tuple[str, ...] = _MONTHS

    def __str__(self) -> str:
        return self.words[int(self) - 1]


class Weekday(GoNamedInt):
    """0 is Sunday."""

    words = (*_DAYS[1:], _DAYS[0])


def to_moment(seconds: float) -> GoTime:
    """Return the time that many seconds after 1970, to the millisecond as in Prometheus. Raises ValueError."""
    return GoTime(_cut(_within_int64(seconds), _MILLI))


def to_span(seconds: float) -> GoDuration:
    """Return a duration of that many seconds. Raises ValueError if Go has no such duration."""
    return GoDuration(_within_int64(seconds))


def _within_int64(seconds: float) -> int:
    nanoseconds = seconds * 1e9
    if not -_INT64 <= nanoseconds < _INT64:
        raise ValueError(f"{seconds:g} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return int(nanoseconds)


def formatted(at: GoTime, layout: str) -> str:
    """Format like time.Format. Raises ValueError outside the years 1 to 9999."""
    date = at.date
    return _LAYOUT.sub(lambda found: _part(found[0], date, at.nanoseconds % _NANO), layout)


def _part(std: str, at: datetime, nanoseconds: int) -> str:
    if std[0] in ".,":
        digits = f"{nanoseconds:09d}"[: len(std) - 1]
        if std[1] == "9":
            digits = digits.rstrip("0")
        return std[0] + digits if digits else ""
    if std[0] == "Z":
        return "Z"
    if std.startswith("-07"):
        return std.replace("07", "00").replace("-", "+")
    if std == "_2006":
        return f"_{at.year:04d}"
    parts: dict[str, Callable[[], str]] = {
        "2006": lambda: f"{at.year:04d}", "06": lambda: f"{at.year % 100:02d}",
        "January": lambda: _MONTHS[at.month - 1], "Jan": lambda: _MONTHS[at.month - 1][:3],
        "01": lambda: f"{at.month:02d}", "1": lambda: str(at.month),
        "Monday": lambda: str(_weekday(at)), "Mon": lambda: str(_weekday(at))[:3],
        "02": lambda: f"{at.day:02d}", "2": lambda: str(at.day), "_2": lambda: f"{at.day:2d}",
        "002": lambda: f"{_yearday(at):03d}", "__2": lambda: f"{_yearday(at):3d}",
        "15": lambda: f"{at.hour:02d}", "03": lambda: f"{at.hour % 12 or 12:02d}", "3": lambda: str(at.hour % 12 or 12),
        "04": lambda: f"{at.minute:02d}", "4": lambda: str(at.minute),
        "05": lambda: f"{at.second:02d}", "5": lambda: str(at.second),
        "PM": lambda: "PM" if at.hour >= 12 else "AM", "pm": lambda: "pm" if at.hour >= 12 else "am",
        "MST": lambda: "UTC",
    }  # fmt: skip
    return parts[std]()


def _weekday(at: datetime) -> Weekday:
    return Weekday(at.isoweekday() % 7)


def _yearday(at: datetime) -> int:
    return at.timetuple().tm_yday


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    fraction = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


def _cut(value: int, to: int) -> int:
    """Truncate towards zero to a multiple of ``to``."""
    return value if to <= 0 else value - (abs(value) % to) * (1 if value >= 0 else -1)


def _rounded(value: int, to: int) -> int:
    """Round to the nearest multiple of ``to``, halves away from zero."""
    if to <= 0:
        return value
    rest = abs(value) % to
    size = abs(value) - rest + (to if rest * 2 >= to else 0)
    return size if value >= 0 else -size


def _since_zero(at: GoTime, to: GoDuration, change: Callable[[int, int], int]) -> GoTime:
    """Truncate or round a time, counted from the year 1 as in Go."""
    return GoTime(change(at.nanoseconds - _ZERO, to.nanoseconds) + _ZERO)


def _with_date(at: GoTime, years: int, months: int, days: int) -> GoTime:
    date = at.date
    year, month = divmod(date.year * 12 + date.month - 1 + years * 12 + months, 12)
    try:
        whole = date.replace(year=year, month=month + 1, day=1) + timedelta(days=date.day - 1 + days) - _EPOCH
    except (OverflowError, ValueError):
        raise ValueError("time out of range") from None
    return GoTime((whole // timedelta(microseconds=1)) * 1000 + at.nanoseconds % 1000)


Method = tuple[Callable[..., object], tuple[type, ...]]
"""What it does with its value and its arguments, and their types."""
MOMENT_METHODS: dict[str, Method] = {
    "String": (str, ()),
    "Format": (formatted, (str,)),
    "GoString": (str, ()),
    "Unix": (lambda at: at.nanoseconds // _NANO, ()),
    "UnixMilli": (lambda at: at.nanoseconds // _MILLI, ()),
    "UnixMicro": (lambda at: at.nanoseconds // 1000, ()),
    "UnixNano": (lambda at: at.nanoseconds, ()),
    "Year": (lambda at: at.date.year, ()),
    "Month": (lambda at: GoNamedInt(at.date.month), ()),
    "Day": (lambda at: at.date.day, ()),
    "Weekday": (lambda at: _weekday(at.date), ()),
    "YearDay": (lambda at: _yearday(at.date), ()),
    "Hour": (lambda at: at.date.hour, ()),
    "Minute": (lambda at: at.date.minute, ()),
    "Second": (lambda at: at.date.second, ()),
    "Nanosecond": (lambda at: at.nanoseconds % _NANO, ()),
    "UTC": (lambda at: at, ()),
    "Local": (lambda at: at, ()),
    "IsZero": (lambda at: at.nanoseconds == _ZERO, ()),
    "IsDST": (lambda _at: False, ()),
    "Add": (lambda at, span: GoTime(at.nanoseconds + span.nanoseconds), (GoDuration,)),
    "AddDate": (_with_date, (int, int, int)),
    "Sub": (lambda at, other: GoDuration(at.nanoseconds - other.nanoseconds), (GoTime,)),
    "Before": (lambda at, other: at < other, (GoTime,)),
    "After": (lambda at, other: at > other, (GoTime,)),
    "Equal": (lambda at, other: at == other, (GoTime,)),
    "Compare": (lambda at, other: (at > other) - (at < other), (GoTime,)),
    "Truncate": (lambda at, to: _since_zero(at, to, _cut), (GoDuration,)),
    "Round": (lambda at, to: _since_zero(at, to, _rounded), (GoDuration,)),
}
SPAN_METHODS: dict[str, Method] = {
    "String": (str, ()),
    "Hours": (lambda span: span.nanoseconds / (3600 * _NANO), ()),
    "Minutes": (lambda span: span.nanoseconds / (60 * _NANO), ()),
    "Seconds": (lambda span: span.nanoseconds / _NANO, ()),
    "Milliseconds": (lambda span: _cut(span.nanoseconds, _MILLI) // _MILLI, ()),
    "Microseconds": (lambda span: _cut(span.nanoseconds, 1000) // 1000, ()),
    "Nanoseconds": (lambda span: span.nanoseconds, ()),
    "Abs": (lambda span: GoDuration(abs(span.nanoseconds)), ()),
    "Truncate": (lambda span, to: GoDuration(_cut(span.nanoseconds, to.nanoseconds)), (GoDuration,)),
    "Round": (lambda span, to: GoDuration(_rounded(span.nanoseconds, to.nanoseconds)), (GoDuration,)),
}


def methods_of(value: object) -> Mapping[str, Method]:
    """Return the methods of a value by name; none if it has none."""
    if isinstance(value, GoTime):
        return MOMENT_METHODS
    return SPAN_METHODS if isinstance(value, GoDuration) else getattr(value, "METHODS", {})
