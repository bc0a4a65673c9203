from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs import times
from lilfox_tui.logs.record import EPOCH, microseconds

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
LEAST, MOST = (datetime(year, 1, 3, tzinfo=UTC).replace(tzinfo=None) for year in (1970, 2200))
NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-01T12:00:00", UTC, NOON_US),
        ("2026-01-01T20:00:00", SHANGHAI, NOON_US),
        ("2026-01-01T12:00:00Z", SHANGHAI, NOON_US),
        ("2026-01-01T12:00:00.123456", UTC, NOON_US + 123456),
        ("2026-01-01 12:00:00,123", UTC, NOON_US + 123000),
        ("2026-01-01T12:00:00.123456789Z", UTC, NOON_US + 123456),
        ("2026-01-01T20:00:00.5+08:00", UTC, NOON_US + 500000),
        ("2026-01-01T20:00:00+0800", UTC, NOON_US),
        ("2026-01-01 07:00:00 -0500", UTC, NOON_US),
        ("2026-01-01 12:00:00 UTC", SHANGHAI, NOON_US),
        ("2026-01-01 12:00:00.250 GMT", SHANGHAI, NOON_US + 250000),
        ("2026-01-01 13:00:00 CET", SHANGHAI, NOON_US),
        ("2026-01-01 20:00:00 CST", SHANGHAI, NOON_US),  # China's there, Chicago's elsewhere
        ("2026-01-01 18:00:00 XYZ", BERLIN, NOON_US + 5 * 3_600_000_000),
        ("2026-01-01T11:59:60Z", UTC, NOON_US),
        ("2026/01/01 12:00:00", UTC, NOON_US),
        ("01/Jan/2026:20:00:00 +0800", UTC, NOON_US),
        ("1 Jan 2026 12:00:00 GMT", SHANGHAI, NOON_US),
        ("Thu, 01 Jan 2026 12:00:00 GMT", SHANGHAI, NOON_US),
        ("Thu Jan  1 12:00:00.25 2026", UTC, NOON_US + 250000),
        ("1767268800", SHANGHAI, NOON_US),
        ("1767268800.25", SHANGHAI, NOON_US + 250000),
        ("2026-01-01", UTC, NOON_US - 12 * 3_600_000_000),
    ],
)
def test_a_time_in_any_form(text: str, zone: tzinfo, expected: int) -> None:
    assert times.from_text(text, zone) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "99999-01-01T00:00:00", "2026-13-01T00:00:00", "2026-02-30 00:00:00", "2026-01-01T25:00:00", "nan", "inf",
     "1_0", "9" * 500, "1" + "0" * 400 + ".0", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "1960-01-01T00:00:00",
     "0001-01-01T00:00:00+14:00", "32/Jan/2026:00:00:00 +0000", "01/Xyz/2026:00:00:00 +0000", "Feb 30 12:00:00",
     "2026-01-01 12:00:00 +99:99", "-", "2026-01-01T11:59:61Z", "²"],
)  # fmt: skip
def test_what_is_no_time_has_none(text: str) -> None:
    for zone in (UTC, SHANGHAI, timezone(timedelta(hours=-14))):
        assert times.from_text(text, zone) is None


@pytest.mark.parametrize(
    "value", [1767268800, 1767268800.0, 1767268800_000, 1767268800_000_000, 1767268800_000_000_000]
)
def test_the_unit_of_an_epoch_follows_from_its_size(value: float) -> None:
    assert times.from_number(value) == NOON_US
    assert times.from_value(value, SHANGHAI) == NOON_US


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e300, 10**400, -(10**12), None, True, [], {}]
)
def test_a_number_that_is_no_time_has_none(value: object) -> None:
    assert times.from_value(value, UTC) is None


@given(
    at=st.datetimes(min_value=LEAST, max_value=MOST),
    zone=st.sampled_from([UTC, SHANGHAI, BERLIN]),
)
def test_iso_is_exact(at: datetime, zone: tzinfo) -> None:
    aware = at.replace(tzinfo=zone)
    assert times.from_iso(at.isoformat(), zone) == microseconds(aware)
    assert times.from_iso(aware.isoformat(), UTC) == microseconds(aware)
    assert times.from_iso(at.isoformat(" ").replace(".", ","), zone) == microseconds(aware)


def test_an_hour_that_comes_twice_is_the_first() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert times.from_iso("2026-10-25T02:30:00", BERLIN) == microseconds(first)


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("Jan  1 12:00:00", datetime(2026, 1, 1, 13, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("Dec 31 23:59:59", datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC), datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Jan  1 00:00:01", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("Feb 29 12:00:00.5", datetime(2026, 6, 1, tzinfo=UTC), datetime(2024, 2, 29, 12, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_year_is_of_the_latest_that_has_been(text: str, now: datetime, expected: datetime) -> None:
    us = times.from_text(text, UTC, now)
    assert us is not None
    assert EPOCH + timedelta(microseconds=us) == expected


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("2026-01-01 12:00:00 INFO started", " INFO started"),
        ("[2026-01-01T12:00:00Z] started", " started"),
        ("[01/Jan/2026:12:00:00 +0000] started", " started"),
        ("2026/01/01 12:00:00 started", " started"),
        ("2026-01-01 12:00:00 UTC started", " started"),
        ("Thu Jan  1 12:00:00 2026 started", " started"),
    ],
)
def test_the_time_that_a_line_begins_with(text: str, rest: str) -> None:
    us, end = times.leading(text, UTC)
    assert us == NOON_US
    assert text[end:] == rest


def test_a_line_without_a_time() -> None:
    for text in ("", "started", "2026-13-01 12:00:00 x", "Thu 5"):
        assert times.leading(text, UTC) == (None, 0)


def moment(text: str) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "at", "rest"),
    [
        ("26/01/01 12:00:00 INFO it", "2026-01-01T12:00:00", " INFO it"),  # Hadoop's and Spark's log4j
        ("260101 120000 148 INFO it", "2026-01-01T12:00:00", " 148 INFO it"),
        ("260101  30000 148 INFO it", "2026-01-01T03:00:00", " 148 INFO it"),
        ("991231  3:59:59 it", "1999-12-31T03:59:59", " it"),
        ("20260101-12:00:00:250|it", "2026-01-01T12:00:00.250", "|it"),
        ("20260101-0:0:7:8|it", "2026-01-01T00:00:07.008", "|it"),
        ("20260101.120000,250:DEBUG:it", "2026-01-01T12:00:00.250", ":DEBUG:it"),
        ("20260101T120000Z it", "2026-01-01T12:00:00", " it"),
        ("20260101 12:00:00.5 it", "2026-01-01T12:00:00.500", " it"),
        ("2026-01-01-12.00.00.250000 it", "2026-01-01T12:00:00.250", " it"),
        ("2026.01.01 12:00:00.25 [ 7 ] it", "2026-01-01T12:00:00.250", " [ 7 ] it"),
        ("2026-032T12:00:00,250:it", "2026-02-01T12:00:00.250", ":it"),
        ("Jan 1, 2026 12:00:00 PM org.acme.Main run", "2026-01-01T12:00:00", " org.acme.Main run"),
        ("Jan 1, 2026, 12:30:00 AM it", "2026-01-01T00:30:00", " it"),
        ("2026/01/01 1:02:03 PM it", "2026-01-01T13:02:03", " it"),
        ("Thu, 1 Jan 2026 13:00:00 +0100 it", "2026-01-01T12:00:00", " it"),
        ("Thu Jan  1 07:00:00 EST 2026 it", "2026-01-01T12:00:00", " it"),
        ("Thu Jan 15 12:00:00 UTC 2026 it", "2026-01-15T12:00:00", " it"),
        ("Thu 2026-01-01 12:00:00 UTC web1 it", "2026-01-01T12:00:00", " web1 it"),
        ('"2026-01-01 12:00:00"\t"it"', "2026-01-01T12:00:00", '\t"it"'),
        ("1767268800 it", "2026-01-01T12:00:00", " it"),
        ("1767268800.25\tit", "2026-01-01T12:00:00.250", "\tit"),
        ("[1767268800250] it", "2026-01-01T12:00:00.250", " it"),
        ("1767268800250000 it", "2026-01-01T12:00:00.250", " it"),
        ("#+1767268800", "2026-01-01T12:00:00", ""),
        ("@40000000695661ca0ee6b280 it", "2026-01-01T12:00:00.250", " it"),  # TAI64N
    ],
)
def test_a_line_begins_with_a_time_in_any_form(line: str, at: str, rest: str) -> None:
    us, end = times.leading(line, UTC)
    assert (us, line[end:]) == (moment(at), rest)
    assert not times.lacks_year(line)


@pytest.mark.parametrize(
    "line",
    ["1767268800-1 it", "17672688001 it", "10.30 it", "260101 it", "@40000000 it", "2026-400T12:00:00 it",
     "26/13/01 12:00:00 it", "20261301 12:00:00 it", "Foo 1, 2026 12:00:00 PM it", "99-99 12:00:00 it"],
)  # fmt: skip
def test_numbers_at_the_start_of_a_line_are_not_all_times(line: str) -> None:
    assert times.leading(line, UTC) == (None, 0)


@pytest.mark.parametrize("line", ["01-02 03:04:05.678  1702  2395 D it", "[01.02 03:04:05] it"])
def test_a_month_and_a_day_are_of_the_latest_year_possible(line: str) -> None:
    for latest, year in ((datetime(2025, 1, 2, tzinfo=UTC), "2025"), (datetime(2024, 12, 31, tzinfo=UTC), "2024")):
        us, _end = times.leading(line, UTC, latest)
        assert us is not None
        assert us // 1_000_000 == moment(f"{year}-01-02T03:04:05") // 1_000_000
    assert times.lacks_year(line)
