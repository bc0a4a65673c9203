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

from lilfox_tui.core.text import LatePattern

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
_OF_DATE = rf"[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} \d\d:\d\d:\d\d (?:{_NAMED_ZONES}) \d{{4}}(?!\d)"
"""As the command ``date`` prints it: the zone stands before the year."""
_WEEKDAY_ISO = rf"[A-Z][a-z]{{2}} (?={_ISO})"
"""What stands before the time in the journal's ``short-full``."""
_LEADING = re.compile(
    rf"(?:{_WEEKDAY_ISO})?[\[(]?({_ISO}{_OFFSET}|{_SLASHES}(?! [AP]M\b)|{_CLF}|{_OF_DATE}|{_SYSLOG})[\])]?"
)
_NAMED_MONTH = re.compile(
    r"(?:[A-Za-z]{3},? )?"
    r"(?:(?P<month>[A-Za-z]{3}) +(?P<day>\d{1,2})(?: (?P<before>\d{4}))?|"
    r"(?P<d>\d{1,2})[ /-](?P<m>[A-Za-z]{3})[ /-](?P<y>\d{4}))"
    r"[ :](?P<clock>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: (?P<year>\d{4}))?(?: ?(?P<offset>[+-]\d\d:?\d\d|[A-Z]{1,4}))?"
)
_KLOG = re.compile(r"[IWEF][01]\d[0-3]\d \d\d:\d\d:\d\d\.\d")
_OTHER_FORMS = LatePattern(
    r"[\[(\"]?(?:"
    r"(?P<short_year>\d\d/[01]\d/[0-3]\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?=[\s\]),:|]|$)|"  # log4j in Hadoop, Spark
    r"(?P<digits>\d{6} [ \d]?\d{5})(?= )|"  # log4j in HDFS
    r"(?P<short_date>\d{6} [ \d]\d:\d\d:\d\d)(?=[\s\]),:|]|$)|"  # MySQL before 5.7
    r"(?P<compact>(?:19|20)\d{6}[ T.-]\d{1,2}:?\d{1,2}:?\d{1,2}(?:[.,:]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)(?=[\s\]),:|]|$)|"
    r"(?P<quoted>(?:19|20)\d\d-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?=\")|"
    r"(?P<dots>(?:19|20)\d\d-\d\d-\d\d-\d\d\.\d\d\.\d\d(?:\.\d{1,9})?)(?=[\s\]),:|]|$)|"  # DB2
    r"(?P<dotted>(?:19|20)\d\d\.\d\d\.\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?=[\s\]),:|]|$)|"
    r"(?P<day_of_year>(?:19|20)\d\d-\d{3}[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)(?=[\s\]),:|]|$)|"
    r"(?P<month_day>[01]\d[.-][0-3]\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?=[\s\]),:|]|$)|"  # Android
    r"(?P<half_day>[A-Z][a-z]{2} \d{1,2}, (?:19|20)\d\d,? \d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})? ?[AP]M|"  # Java's own
    r"(?:19|20)\d\d[/-]\d\d[/-]\d\d \d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})? [AP]M)(?=\W|$)|"
    r"(?P<mail>[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} (?:19|20)\d\d \d\d:\d\d:\d\d(?: (?:[+-]\d{4}|[A-Z]{1,4}\b))?)|"
    r"(?P<tai>@[0-9a-f]{16}(?:[0-9a-f]{8})?)(?=\s|$)|"  # TAI64N, of daemontools and runit
    r"#?\+?(?P<epoch>1\d{9}(?:[.,]\d{1,9})?|1\d{12}|1\d{15}|1\d{18})(?=[\s\]),:|]|$)"
    r")[\])\"]?"
)
"""Times that fewer programs write; looked at where a line begins with none of the usual ones."""
_HALF_DAY = LatePattern(
    r"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}), (?P<year>\d{4}),?|(?P<date>\d{4}[/-]\d\d[/-]\d\d)) "
    r"(?P<hour>\d{1,2})(?P<rest>:\d\d:\d\d(?:[.,]\d{1,9})?) ?(?P<half>[AP])M"
)
_COMPACT_CLOCK = LatePattern(r"(\d{1,2}):?(\d{1,2}):?(\d{1,2})(?:([.,:])(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")
_ENDS_IN_ZONE_AND_YEAR = re.compile(rf"[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d? [\d:]{{8}} (?:{_NAMED_ZONES}) \d{{4}}")
_MAY_BEGIN = re.compile(r"[\[(\"]?[\d@#+]|[A-Z][a-z]{2},? \d")
_TAI_OFFSET = 10
_TAI_EPOCH = 1 << 62
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
    if _ENDS_IN_ZONE_AND_YEAR.fullmatch(text):
        text = (
            f"{text[:-9]} {text[-4:]} {text[-8:-5]}" if text[-9] == " " else f"{text[:-10]} {text[-4:]} {text[-9:-5]}"
        )
    match = _NAMED_MONTH.fullmatch(text)
    return _from_named_month(match, zone, latest) if match else None


def leading(text: str, zone: tzinfo, latest: datetime | None = None) -> tuple[int | None, int]:
    """Return the time at the start of ``text``, possibly in brackets, and the offset of what follows it (0 without
    one)."""
    match = _LEADING.match(text)
    if match is None:
        return _leading_other(text, zone, latest) if _MAY_BEGIN.match(text) else (None, 0)
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
    if match is None:
        return (other := _OTHER_FORMS.match(line)) is not None and other["month_day"] is not None
    return not _FOUR_DIGITS.search(match[1])


def _leading_other(text: str, zone: tzinfo, latest: datetime | None) -> tuple[int | None, int]:
    match = _OTHER_FORMS.match(text)
    if match is None or match.lastgroup is None:
        return None, 0
    us = _from_other(match.lastgroup, match[match.lastgroup], zone, latest)
    return us, match.end() if us is not None else 0


def _from_other(form: str, text: str, zone: tzinfo, latest: datetime | None) -> int | None:
    """Return the time that one of the less usual forms tells."""
    match form:
        case "short_year":
            return from_iso(_century(f"{text[:2]}-{text[3:5]}-{text[6:]}"), zone)
        case "digits" | "short_date":
            date, clock = text[:6], text[7:].strip().replace(":", "").rjust(6, "0")
            return from_iso(_century(f"{date[:2]}-{date[2:4]}-{date[4:]} {_clock(clock)}"), zone)
        case "compact":
            return _from_compact(text, zone)
        case "dots":
            return from_iso(f"{text[:10]} {text[11:19].replace('.', ':')}{text[19:]}", zone)
        case "dotted":
            return from_iso(text.replace(".", "-", 2), zone)
        case "day_of_year":
            return _from_day_of_year(text, zone)
        case "month_day":
            return _in_latest_year(int(text[:2]), int(text[3:5]), text[6:], zone, latest)
        case "half_day":
            return _from_half_day(text, zone)
        case "mail":
            return from_text(text.replace(",", "", 1), zone, latest)
        case "tai":
            seconds = int(text[1:17], 16) - _TAI_EPOCH - _TAI_OFFSET
            return _within(seconds * 1_000_000 + int(text[17:] or "0", 16) // 1000) if seconds > -_DAY_US else None
        case "epoch":
            number = _number(text.replace(",", "."))
            return None if number is None else from_number(number)
    return from_iso(text, zone)


def _century(date: str) -> str:
    """Put the century before a year of two digits: 70 to 99 are of the last one."""
    return ("19" if date[:2] >= "70" else "20") + date


def _clock(digits: str) -> str:
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}"


def _from_compact(text: str, zone: tzinfo) -> int | None:
    match = _COMPACT_CLOCK.fullmatch(text[9:])
    if match is None:
        return None
    hour, minute, second, mark, part, offset = match.groups("")
    clock = f"{hour:0>2}:{minute:0>2}:{second:0>2}"
    if part:  # a count of milliseconds stands after a colon
        clock += f".{part:0>3}" if mark == ":" else f".{part}"
    return from_iso(f"{text[:4]}-{text[4:6]}-{text[6:8]} {clock}{offset}", zone)


def _from_day_of_year(text: str, zone: tzinfo) -> int | None:
    number = int(text[5:8])
    first = from_iso(f"{text[:4]}-01-01 {text[9:].replace(',', '.')}", zone)
    return None if first is None or not 1 <= number <= 366 else _within(first + (number - 1) * _DAY_US)


def _from_half_day(text: str, zone: tzinfo) -> int | None:
    match = _HALF_DAY.fullmatch(text)
    if match is None:
        return None
    date = (match["date"] or "").replace("/", "-")
    if not date:
        month = _MONTHS.get(match["month"].lower())
        if month is None:
            return None
        date = f"{match['year']}-{month:02}-{int(match['day']):02}"
    hour = int(match["hour"]) % 12 + (12 if match["half"] == "P" else 0)
    return from_iso(f"{date} {hour:02}{match['rest']}", zone)


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
    return _in_latest_year(month, int(day), clock, zone, latest)


def _in_latest_year(month: int, day: int, clock: str, zone: tzinfo, latest: datetime | None) -> int | None:
    limit = (datetime.now(UTC) if latest is None else latest) + timedelta(days=1)
    for nearest in range(limit.year, limit.year - 9, -1):  # 29 February is up to eight years ago
        us = from_iso(f"{nearest}-{month:02}-{day:02} {clock}", zone)
        if us is not None and us <= limit.timestamp() * 1_000_000:
            return us
    return None
