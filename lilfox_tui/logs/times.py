"""Times as logs write them, as microseconds since 1970 in UTC.

Every function gives None for what is no time, or none that a log can mean (before 1970 but for its last days, after
the year 9998). A time without an offset is of ``zone``; of an hour that a clock has twice it is the first.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  what naive times are subtracted from, never a moment
_DAY_US = 86_400_000_000
_LEAST_US = -2 * _DAY_US
_MOST_US = 253_370_764_800_000_000
_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
           "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}  # fmt: skip
_ABBREVIATIONS = {"z": 0, "utc": 0, "gmt": 0, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9,
                  "est": -5, "edt": -4, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}  # fmt: skip
"""Hours east of those that mean one thing."""

_NAMED_ZONES = "|".join([*map(str.upper, _ABBREVIATIONS), "CST", "IST", "BST", "HKT", "SGT"])
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_OFFSET = rf"(?: ?(?:[+-]\d\d:?\d\d(?!\d)|(?:{_NAMED_ZONES})\b))?"
_SLASHES = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_PLACE = r"[A-Z][A-Za-z_]{1,30}(?:/[A-Za-z_+-]{1,30}){1,2}"
"""A zone of the IANA's, as PHP writes it."""
_CLF = rf"\d\d[/-][A-Z][a-z]{{2}}[/-]\d{{4}}[: ]\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?: [+-]\d{{4}}| UTC| {_PLACE})?"
_SYSLOG = (
    r"(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?: (?:19|20)\d\d(?= |$|\]))?"
)
_LEADING = re.compile(rf"[\[(]?({_ISO}{_OFFSET}|{_SLASHES}|{_CLF}|{_SYSLOG})[\])]?")
_NAMED_MONTH = re.compile(
    r"(?:[A-Za-z]{3},? )?"
    r"(?:(?P<month>[A-Za-z]{3}) +(?P<day>\d{1,2})(?: (?P<before>\d{4}))?|"
    r"(?P<d>\d{1,2})[ /-](?P<m>[A-Za-z]{3})[ /-](?P<y>\d{4}))"
    r"[ :](?P<clock>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: (?P<year>\d{4}))?(?: ?(?P<offset>[+-]\d\d:?\d\d|[A-Z]{1,4}))?"
)
_KLOG = re.compile(r"[IWEF][01]\d[0-3]\d \d\d:\d\d:\d\d\.\d")
_FOUR_DIGITS = re.compile(r"(?<![\d.,])\d{4}(?!\d)")
_PLACED = re.compile(rf"(.+) ({_PLACE})")
_ZONED = re.compile(r"(.{19,29}?) ?([+-]\d\d:?\d\d|[A-Za-z]{1,5})")


def from_iso(text: str, zone: tzinfo) -> int | None:
    """Parse a time of ISO 8601 or RFC 3339, also with a space or a comma in it; digits beyond 1 µs are cut."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _from_odd_iso(text, zone)
    return _us(at, zone)


def from_number(value: float) -> int | None:
    """Return a time since 1970, given in seconds, milliseconds, microseconds or nanoseconds; the magnitude determines
    which."""
    try:
        size = abs(value)
        if size < 1e11:
            us = value * 1_000_000
        elif size < 1e14:
            us = value * 1000
        elif size < 1e17:
            us = value
        else:
            us = value // 1000
        return _within(round(us))
    except (OverflowError, ValueError):
        return None


def from_value(value: object, zone: tzinfo) -> int | None:
    """Return the time in a field: a number, or text in any of the known forms."""
    if type(value) is str:
        return from_text(value, zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_number(value)
    return None


def from_text(text: str, zone: tzinfo, latest: datetime | None = None) -> int | None:
    """Parse a text that is only a time, in any form: ISO, an epoch, ``1/Jan/2026:…``, ``Jan 1 …``, RFC 2822. A time
    without a year is in the latest year in which it is not more than a day after ``latest`` (aware; None: now)."""
    found = from_iso(text, zone)
    if found is not None or len(text) > 64:
        return found
    if text[:1].isdigit() and text.isascii():
        if (number := _number(text)) is not None:
            return from_number(number)
        if text[4:5] == "/" == text[7:8]:
            return from_iso(text.replace("/", "-", 2), zone)
    match = _NAMED_MONTH.fullmatch(text)
    return _from_named_month(match, zone, latest) if match else None


def leading(text: str, zone: tzinfo, latest: datetime | None = None) -> tuple[int | None, int]:
    """Return the time at the start of ``text``, possibly in brackets, and the offset of what follows it (0 without
    one)."""
    match = _LEADING.match(text)
    if match is None:
        return None, 0
    text = match[1]
    if text[-1].isalpha() and (placed := _PLACED.fullmatch(text)):
        text, zone = placed[1], _zone_at(placed[2]) or zone
    us = from_text(text, zone, latest)
    return us, match.end() if us is not None else 0


def lacks_year(line: str) -> bool:
    """Return whether a line begins with a time without a year, possibly after a priority."""
    if _KLOG.match(line):
        return True
    match = _LEADING.match(line, line.find(">") + 1 if line.startswith("<") else 0)
    return match is not None and not _FOUR_DIGITS.search(match[1])


def _us(at: datetime, zone: tzinfo) -> int | None:
    if at.tzinfo is not None:
        passed = at.replace(tzinfo=None) - _NAIVE_EPOCH - (at.utcoffset() or timedelta())
    elif zone is UTC:
        passed = at - _NAIVE_EPOCH
    else:
        passed = at - _NAIVE_EPOCH - _offset(at.replace(second=0, microsecond=0), zone)
    return _within(passed.days * _DAY_US + passed.seconds * 1_000_000 + passed.microseconds)


@lru_cache(maxsize=4096)
def _offset(minute: datetime, zone: tzinfo) -> timedelta:
    """Return the zone's UTC offset at a naive minute; cached, because neighbouring records share it."""
    return zone.utcoffset(minute) or timedelta()


def _within(us: int) -> int | None:
    return us if _LEAST_US <= us <= _MOST_US else None


def _number(text: str) -> float | None:
    if "_" in text:
        return None
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _from_odd_iso(text: str, zone: tzinfo) -> int | None:
    """Parse what ``datetime`` does not accept: the offset after a space, a zone's abbreviation, a leap second."""
    if len(text) > 40 or text[4:5] != "-" or "_" in text:
        return None
    if text[16:19] == ":60":
        before = from_iso(f"{text[:16]}:59{text[19:]}", zone)
        return None if before is None else before + 1_000_000
    match = _ZONED.fullmatch(text)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    of = _zone_of(match[2], at, zone)
    return _us(at, of) if of is not None and at.tzinfo is None else None


def _zone_of(word: str, at: datetime, zone: tzinfo) -> tzinfo | None:
    """Return the zone of an offset or an abbreviation; ``zone`` if an abbreviation is ambiguous."""
    if word[0] in "+-":
        hours, minutes = int(word[1:3]), int(word[-2:])
        if hours > 23 or minutes > 59:
            return None
        offset = timedelta(hours=hours, minutes=minutes)
        return timezone(-offset if word[0] == "-" else offset)
    if word == zone.tzname(at):
        return zone
    hours_east = _ABBREVIATIONS.get(word.lower())
    return zone if hours_east is None else timezone(timedelta(hours=hours_east))


@lru_cache(maxsize=64)
def _zone_at(place: str) -> tzinfo | None:
    try:
        return ZoneInfo(place)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _from_named_month(match: re.Match[str], zone: tzinfo, latest: datetime | None) -> int | None:
    month = _MONTHS.get((match["month"] or match["m"]).lower())
    if month is None:
        return None
    day, clock, offset = int(match["day"] or match["d"]), match["clock"], match["offset"] or ""
    year = match["y"] or match["before"] or match["year"]
    if year is not None:
        return from_iso(f"{year}-{month:02}-{day:02} {clock}{offset and ' ' + offset}", zone)
    limit = (datetime.now(UTC) if latest is None else latest) + timedelta(days=1)
    for nearest in range(limit.year, limit.year - 9, -1):  # 29 February is up to eight years ago
        us = from_iso(f"{nearest}-{month:02}-{day:02} {clock}", zone)
        if us is not None and us <= limit.timestamp() * 1_000_000:
            return us
    return None
