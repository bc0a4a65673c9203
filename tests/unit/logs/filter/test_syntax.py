from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core.errors import UsageError
from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    RegexMatch,
    TextMatch,
    Within,
)
from lilfox_tui.logs.filter.syntax import FilterError, narrowed, parse_filter, to_text
from lilfox_tui.logs.record import Severity, microseconds
from tests.unit.logs.filter.records import FILTERS, TEXTS, thorough

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 25, 12, 30, tzinfo=SHANGHAI)


def parse(text: str) -> Filter:
    return parse_filter(text, now=NOW, zone=SHANGHAI)


def us(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, rest_us: int = 0) -> int:
    return microseconds(datetime(year, month, day, hour, minute, second, rest_us, tzinfo=SHANGHAI))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", EVERYTHING),
        ("   ", EVERYTHING),
        ("()", EVERYTHING),
        ("timeout", TextMatch("timeout")),
        ('"connection refused"', TextMatch("connection refused")),
        (r'"say \"x\" \\ \n"', TextMatch('say "x" \\ \\n')),
        ("/api/v1/users", TextMatch("/api/v1/users")),
        ("connect(x) a-b", And((TextMatch("connect(x)"), TextMatch("a-b")))),
        ("../etc", TextMatch("../etc")),
        ("/time(d )?out/", RegexMatch("time(d )?out")),
        ("/refused/i", RegexMatch("(?i)refused")),
        (r"/a\/b/", RegexMatch("a/b")),
        ('~"a/b"', RegexMatch("a/b")),
        ("level>=WARNING", AtLeast(Severity.WARNING)),
        ("timeout >=error", And((TextMatch("timeout"), AtLeast(Severity.ERROR)))),
        ('timeout ~"a b"', And((TextMatch("timeout"), RegexMatch("a b")))),
        ("level >=warn", AtLeast(Severity.WARNING)),
        ("level ≥ warn", AtLeast(Severity.WARNING)),
        (">=fatal", AtLeast(Severity.CRITICAL)),
        ("level=err", FieldMatch("level", "=", "ERROR")),
        ("status>=500", FieldMatch("status", ">=", "500")),
        ("status >= 500", FieldMatch("status", ">=", "500")),
        ('user="A B"', FieldMatch("user", "=", "A B")),
        ("path~^/api/(a|b)$", FieldMatch("path", "~", "^/api/(a|b)$")),
        ("path!~/^(a b)$/", FieldMatch("path", "!~", "^(a b)$")),
        ("exception.type!=KeyError", FieldMatch("exception.type", "!=", "KeyError")),
        ('"odd name"=1', FieldMatch("odd name", "=", "1")),
        ('"since"=1', FieldMatch("since", "=", "1")),
        ("a b or c", Or((And((TextMatch("a"), TextMatch("b"))), TextMatch("c")))),
        ("a AND not b OR c", Or((And((TextMatch("a"), Not(TextMatch("b")))), TextMatch("c")))),
        ("a (b or c)", And((TextMatch("a"), Or((TextMatch("b"), TextMatch("c")))))),
        ("-debug -(a b)", And((Not(TextMatch("debug")), Not(And((TextMatch("a"), TextMatch("b"))))))),
        ("not not a", Not(Not(TextMatch("a")))),
        ('"and" "10m"', And((TextMatch("and"), TextMatch("10m")))),
        ("a -> b", And((TextMatch("a"), TextMatch("->"), TextMatch("b")))),
        ("--flag", TextMatch("--flag")),
    ],
)
def test_the_language(text: str, where: Filter) -> None:
    assert parse(text) == where


@pytest.mark.fault("4.89")
@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("10m", us(2026, 11, 25, 12, 20), None),
        ("1.5h", us(2026, 11, 25, 11), None),
        ("03:00..03:15", us(2026, 11, 25, 3), us(2026, 11, 25, 3, 15)),
        ("23:50..00:10", us(2026, 11, 24, 23, 50), us(2026, 11, 25, 0, 10)),
        ("12:20..12:50", us(2026, 11, 25, 12, 20), us(2026, 11, 25, 12, 50)),
        ("3:00..", us(2026, 11, 25, 3), None),
        ("..03:15:07.5", None, us(2026, 11, 25, 3, 15, 7, 500_000)),
        ("2026-11-25T03:00..", us(2026, 11, 25, 3), None),
        ("2026-11-24T19:00Z..2026-11-25T03:15:00+08:00", us(2026, 11, 25, 3), us(2026, 11, 25, 3, 15)),
        ("2026-11-20..2026-11-21", us(2026, 11, 20), us(2026, 11, 22)),
        ("03:15..03:15", us(2026, 11, 25, 3, 15), us(2026, 11, 25, 3, 16)),
        ("3:15:07..3:15:07", us(2026, 11, 25, 3, 15, 7), us(2026, 11, 25, 3, 15, 8)),
        ("2026-11-20T03:15..2026-11-20T03:15", us(2026, 11, 20, 3, 15), us(2026, 11, 20, 3, 16)),
        (
            "2026-11-20T03:15:07.5Z..2026-11-20T03:15:07.5Z",
            us(2026, 11, 20, 11, 15, 7, 500_000),
            us(2026, 11, 20, 11, 15, 7, 500_001),
        ),
        ("yesterday..yesterday", us(2026, 11, 24), us(2026, 11, 25)),
        ("today..", us(2026, 11, 25), None),
        ("2h..30m", us(2026, 11, 25, 10, 30), us(2026, 11, 25, 12)),
        ("since=03:00", us(2026, 11, 25, 3), None),
        ("until=now", None, us(2026, 11, 25, 12, 30)),
        ('since="2026-11-25 03:00"', us(2026, 11, 25, 3), None),
        ("..", None, None),
    ],
)
def test_times(text: str, since: int | None, until: int | None) -> None:
    assert parse(text) == Within(since, until)


def test_a_span_over_the_hour_that_comes_twice_has_its_length() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    where = parse_filter("01:30..03:30", now=datetime(2026, 10, 25, 12, tzinfo=berlin), zone=berlin)
    assert isinstance(where, Within)
    assert where.since_us is not None
    assert where.until_us is not None
    assert where.until_us - where.since_us == timedelta(hours=3) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("a (b", 2, "not closed"),
        ("a b)", 3, "unmatched closing parenthesis"),
        ('x "open', 2, "quotation mark"),
        ("level>=WARNNG", 7, "WARNNG"),
        ("level >= WARNNG", 9, "WARNNG"),
        ("a or", 4, "missing"),
        ("and b", 0, "missing"),
        ("status>=", 8, "value is missing"),
        ("/a(b/", 0, "missing )"),
        ("x=1 path~(", 9, "missing )"),
        (r"~(a)\1", 0, "escape"),
        ("25:00..", 0, "25:00"),
        ("since=noon", 6, "noon"),
        ("until>now", 0, "="),
        ("since=2026-02-30", 6, "2026-02-30"),
        ("999999999w", 0, "999999999w"),
        ("9999-12-31..", 0, "9999-12-31"),
        ("2026-11-25T05:00..2026-11-25T04:00", 0, "ends before"),
        ("(" * 60, 50, "50"),
        ("not " * 60 + "a", 200, "50"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, column: int, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.column == column
    assert says in str(caught.value)
    assert isinstance(caught.value, UsageError)


@thorough
@given(FILTERS)
def test_a_filter_reads_back_as_it_is_written(where: Filter) -> None:
    assert parse(to_text(where)) == where


@thorough
@given(TEXTS | st.text())
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    where: Filter = EVERYTHING
    column = 0
    try:
        where = parse(text)
    except FilterError as error:
        column = error.column
    assert 0 <= column <= len(text)
    assert parse(to_text(where)) == where


def test_writing_is_short() -> None:
    assert to_text(And((AtLeast(Severity.ERROR), TextMatch("timeout"), FieldMatch("status", ">=", "500")))) == (
        "level>=ERROR timeout status>=500"
    )
    assert to_text(Or((TextMatch("a b"), Not(And((TextMatch("c"), TextMatch("d"))))))) == '"a b" or not (c d)'
    assert to_text(Within(0, None)) == "1970-01-01T00:00:00Z.."


def test_narrowing_and_widening() -> None:
    a, b = TextMatch("a"), FieldMatch("module", "=", "auth")
    assert narrowed(EVERYTHING, a) == a
    assert narrowed(a, b) == And((a, b))
    assert narrowed(And((a, b)), b) == And((a, b))
