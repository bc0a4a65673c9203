"""Recurring time intervals as Alertmanager has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.core.time_intervals import time_period


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        ({}, ["2026-01-01T00:00"], []),
        (
            {"times": [("09:00", "17:00")]},
            ["2026-01-01T09:00", "2026-01-01T16:59:59"],
            ["2026-01-01T08:59", "2026-01-01T17:00"],
        ),
        (
            {"times": [("22:00", "24:00"), ("00:00", "6:00")]},
            ["2026-01-01T23:59", "2026-01-01T05:59"],
            ["2026-01-01T06:00"],
        ),
        ({"weekdays": ["monday:friday"]}, ["2026-01-02T12:00"], ["2026-01-03T12:00", "2026-01-04T12:00"]),
        ({"weekdays": ["Sunday"]}, ["2026-01-04T12:00"], ["2026-01-05T00:00"]),
        ({"weekdays": ["sunday:tuesday"]}, ["2026-01-04T12:00", "2026-01-06T12:00"], ["2026-01-07T00:00"]),
        ({"days_of_month": ["1:5"]}, ["2026-01-05T23:59"], ["2026-01-06T00:00"]),
        ({"days_of_month": ["-1"]}, ["2026-02-28T01:00", "2024-02-29T01:00"], ["2024-02-28T01:00", "2026-03-01T00:00"]),
        ({"days_of_month": ["-3:-1"]}, ["2026-02-26T01:00"], ["2026-02-25T01:00"]),
        ({"days_of_month": ["10:-5"]}, ["2026-02-24T01:00"], ["2026-02-25T01:00", "2026-02-09T01:00"]),
        ({"days_of_month": ["30:31"]}, ["2026-01-31T01:00"], ["2026-02-28T01:00"]),
        ({"months": ["january:march", "12"]}, ["2026-03-31T23:59", "2026-12-01T00:00"], ["2026-04-01T00:00"]),
        ({"years": ["2026:2027"]}, ["2027-12-31T23:59"], ["2025-12-31T23:59", "2028-01-01T00:00"]),
        (
            {"times": [("00:00", "01:00")], "location": "Europe/Berlin"},
            ["2026-01-01T23:30", "2026-07-01T22:30"],
            ["2026-01-01T22:30", "2026-07-01T23:30"],
        ),
        ({"weekdays": ["monday"], "location": "Asia/Shanghai"}, ["2026-01-04T16:00"], ["2026-01-05T16:00"]),
        ({"weekdays": ["monday"], "months": ["2"]}, ["2026-02-02T00:00"], ["2026-02-03T00:00", "2026-01-05T00:00"]),
    ],
)
def test_a_time_is_in_a_period_or_not(given: dict[str, Any], inside: list[str], outside: list[str]) -> None:
    period = time_period(**given)
    assert [text for text in inside if not period.contains(at(text))] == []
    assert [text for text in outside if period.contains(at(text))] == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"times": [("22:00", "06:00")]}, "times: 22:00 is not before 06:00; write two ranges around midnight"),
        ({"times": [("9", "10:00")]}, "times: '9' is not valid; write 09:00"),
        ({"times": [("24:01", "25:00")]}, "times: '24:01'"),
        ({"times": [("-1:00", "25:00")]}, "times: '-1:00'"),
        ({"weekdays": ["mon"]}, "weekdays: 'mon' is not valid; write monday:friday"),
        ({"weekdays": ["friday:monday"]}, "weekdays: 'friday:monday'"),
        ({"months": ["13"]}, "months: '13'"),
        ({"months": ["may:january"]}, "months: 'may:january'"),
        ({"days_of_month": ["0"]}, "days_of_month: '0'"),
        ({"days_of_month": ["32"]}, "days_of_month: '32'"),
        ({"days_of_month": ["-1:5"]}, "days_of_month: '-1:5'"),
        ({"days_of_month": ["5:1"]}, "days_of_month: '5:1'"),
        ({"years": ["2027:2026"]}, "years: '2027:2026'"),
        ({"years": ["99999"]}, "years: '99999'"),
        ({"location": "Mars/Olympus"}, "location: no time zone named Mars/Olympus"),
        ({"location": "../../etc/passwd"}, "location: no time zone"),
        ({"location": "Local"}, "location: name the time zone"),
    ],
)
def test_what_is_no_period_is_said(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        time_period(**given)
    assert str(caught.value).startswith(says)


def test_every_minute_is_in_exactly_one_of_two_halves_of_the_day() -> None:
    halves = [time_period(times=[("00:00", "12:30")]), time_period(times=[("12:30", "24:00")])]
    first = at("2026-03-29T00:00")
    for minute in range(0, 24 * 60, 7):
        assert sum(half.contains(first + timedelta(minutes=minute)) for half in halves) == 1
