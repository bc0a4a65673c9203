"""Recurring time intervals in the syntax of Alertmanager's ``time_intervals``, and whether a time lies in one.

https://prometheus.io/docs/alerting/latest/configuration/#time_interval"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from lilfox_tui.core.i18n import _

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = tuple(name.lower() for name in (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
))  # fmt: skip
_DAY_MINUTES = 24 * 60
_DAYS = 31
_LONGEST = 40
Range = tuple[int, int]


class TimePeriod(Struct, frozen=True):
    """Times that lie in a range of each kind that is not empty. Minutes of the day: the end is not included; of all
    others it is. Days of the month may be negative: -1 is the last one."""

    times: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days_of_month: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def contains(self, at: datetime) -> bool:
        """Return whether an aware time lies in the period."""
        local = at.astimezone(UTC if self.location == "UTC" else _zone(self.location))
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(start <= minute < end for start, end in self.times))
            and _within(self.weekdays, local.isoweekday() % 7)
            and (not self.days_of_month or any(_has_day(each, local) for each in self.days_of_month))
            and _within(self.months, local.month)
            and _within(self.years, local.year)
        )


def _within(ranges: tuple[Range, ...], value: int) -> bool:
    return not ranges or any(start <= value <= end for start, end in ranges)


def _has_day(days: Range, local: datetime) -> bool:
    length = calendar.monthrange(local.year, local.month)[1]
    start, end = (day if day > 0 else length + day + 1 for day in days)
    return start <= length and start <= local.day <= min(end, length)


def time_period(
    *,
    times: Iterable[tuple[str, str]] = (),
    weekdays: Iterable[str] = (),
    days_of_month: Iterable[str] = (),
    months: Iterable[str] = (),
    years: Iterable[str] = (),
    location: str = "",
) -> TimePeriod:
    """Parse what is written. Raises ValueError with a sentence for people."""
    if location == "Local":
        raise ValueError(_("location: name the time zone, such as Europe/Berlin"))
    if location not in ("", "UTC"):
        _zone(location)
    return TimePeriod(
        tuple(_times(start, end) for start, end in times),
        tuple(_range("weekdays", each, _weekday, "monday:friday") for each in weekdays),
        tuple(_days_of_month(each) for each in days_of_month),
        tuple(_range("months", each, _month, "january:march") for each in months),
        tuple(_range("years", each, _number, "2026:2027") for each in years),
        location or "UTC",
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            _("location: no time zone named {value}; write one such as Europe/Berlin", value=name[:_LONGEST])
        ) from None


def _invalid(key: str, value: str, example: str) -> ValueError:
    return ValueError(
        _("{key}: {value} is not valid; write {example}", key=key, value=repr(value[:_LONGEST]), example=example)
    )


def _times(start: str, end: str) -> Range:
    found = _minutes(start), _minutes(end)
    if found[0] >= found[1]:
        raise ValueError(
            _("times: {start} is not before {end}; write two ranges around midnight", start=start, end=end)
        )
    return found


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    found = _DAY_MINUTES + 1
    digits = hours + minutes
    if colon and len(hours) in (1, 2) and len(minutes) == 2 and digits.isascii() and digits.isdigit():
        found = int(hours) * 60 + int(minutes) if minutes < "60" else found
    if found > _DAY_MINUTES:
        raise _invalid("times", text, "09:00")
    return found


def _range(key: str, text: str, value: Callable[[str], int | None], example: str) -> Range:
    first, colon, last = text.strip().lower().partition(":")
    start = value(first)
    end = value(last) if colon else start
    if start is None or end is None or start > end:
        raise _invalid(key, text, example)
    return start, end


def _days_of_month(text: str) -> Range:
    first, colon, last = text.strip().partition(":")
    start = _number(first)
    end = _number(last) if colon else start
    if start is None or end is None or 0 in (start, end) or max(abs(start), abs(end)) > _DAYS:
        raise _invalid("days_of_month", text, "1:5, -3:-1")
    crosses = start < 0 < end
    if crosses or (start if start > 0 else _DAYS + start + 1) > (end if end > 0 else _DAYS + end + 1):
        raise _invalid("days_of_month", text, "1:5, -3:-1")
    return start, end


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else None


def _weekday(text: str) -> int | None:
    return _WEEKDAYS.index(text) if text in _WEEKDAYS else None


def _month(text: str) -> int | None:
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    number = _number(text)
    return number if number is not None and 1 <= number <= len(_MONTHS) else None
