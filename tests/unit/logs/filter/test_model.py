from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core.errors import UsageError
from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    NOTHING,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    RegexMatch,
    Span,
    TextMatch,
    Within,
    of_source,
    span,
)
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.record import LoggedException, LogRecord, Severity
from tests.unit.logs.filter.records import DAY_US, FILTERS, record, thorough
from tests.unit.logs.memory_source import record as source_record

REQUEST = record(
    "GET /api/Users 502",
    raw=b'{"message":"GET /api/Users 502","status":502,"note":"hit \\u00e9t\\u00e9"}',
    time_us=1_000_000,
    severity=Severity.ERROR,
    logger="gateway",
    module="/api/Users",
    fault=LoggedException("UpstreamError", "UpstreamError: Connection refused\n  by backend"),
    response_time_s=0.25,
    fields={
        "status": 502,
        "user": "Ann",
        "took": "300ms",
        "cached": False,
        "nothing": None,
        "empty": "",
        "tags": ["prod", "eu"],
        "exception": {"type": "ConnectError", "deep": {"er": 7}},
        "log.level": "warn",
        "big": 10**30,
        "text_number": "0042",
    },
)
BARE = record("plain", raw=b"plain")


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        (EVERYTHING, True),
        (Or(()), False),
        (TextMatch(""), True),
        (TextMatch("users"), True),
        (TextMatch("Users"), True),
        (TextMatch("uSers"), False),
        (TextMatch("connection refused"), True),
        (TextMatch('"status":502'), True),
        (TextMatch("\\u00e9"), True),
        (TextMatch("a.i/Users"), False),
        (RegexMatch("Users 50[0-9]"), True),
        (RegexMatch("users"), False),
        (RegexMatch("(?i)users"), True),
        (RegexMatch("^  by backend$"), True),
        (RegexMatch("refused.*backend"), False),
        (AtLeast(Severity.WARNING), True),
        (AtLeast(Severity.CRITICAL), False),
        (Within(1_000_000, 1_000_001), True),
        (Within(None, 1_000_000), False),
        (Within(1_000_001, None), False),
        (Within(None, None), True),
        (Not(TextMatch("users")), False),
        (And((TextMatch("users"), AtLeast(Severity.ERROR))), True),
        (And((TextMatch("users"), TextMatch("zzz"))), False),
        (Or((TextMatch("zzz"), TextMatch("users"))), True),
    ],
)
def test_what_matches(where: Filter, matches: bool) -> None:
    assert where.matches(REQUEST) is matches


@pytest.mark.parametrize(
    ("name", "op", "value", "matches"),
    [
        ("status", "=", "502", True),
        ("status", "=", "502.0", True),
        ("status", "!=", "502", False),
        ("status", "!=", "200", True),
        ("status", ">=", "500", True),
        ("status", "<", "500", False),
        ("status", ">", "5e2", True),
        ("status", ">", "x", False),
        ("status", "~", "^5", True),
        ("status", "!~", "^5", False),
        ("user", "=", "Ann", True),
        ("user", "=", "ann", False),
        ("user", ">", "1", False),
        ("user", "~", "(?i)^ann$", True),
        ("took", ">", "250ms", True),
        ("took", "<", "0.5s", True),
        ("took", ">", "250", False),
        ("response_time", ">", "200ms", True),
        ("response_time", ">", "0.2", True),
        ("response_time", "=", "250ms", True),
        ("response_time", "<", "200ms", False),
        ("cached", "=", "false", True),
        ("cached", ">=", "0", False),
        ("tags", "=", "eu", True),
        ("tags", "=", "us", False),
        ("exception.type", "=", "ConnectError", True),
        ("exception.deep.er", "=", "7", True),
        ("exception", "~", "ConnectError", True),
        ("log.level", "=", "warn", True),
        ("type", "=", "UpstreamError", True),
        ("level", "=", "ERROR", True),
        ("level", "=", "err", True),
        ("level", "!=", "ERROR", False),
        ("level", "<=", "ERROR", True),
        ("level", ">", "ERROR", False),
        ("level", "~", "ERR", True),
        ("level", "=", "none such", False),
        ("source", "=", "app", True),
        ("logger", "~", "^gate", True),
        ("module", "=", "/api/Users", True),
        ("message", "~", "502$", True),
        ("big", ">", "9", True),
        ("big", "=", "1000000000000000000000000000000", True),
        ("text_number", "=", "42", False),
        ("text_number", ">", "41", True),
        ("status", "=", "9" * 5000, False),
    ],
)
def test_fields(name: str, op: str, value: str, matches: bool) -> None:
    assert FieldMatch(name, op, value).matches(REQUEST) is matches


@pytest.mark.parametrize(
    "name", ["nothing", "missing", "exception.type.deeper", "status", "type", "logger", "response_time"]
)
@pytest.mark.parametrize("op", ["=", "!=", "~", "!~", ">", "<="])
def test_a_record_without_the_field_never_matches(name: str, op: str) -> None:
    one = REQUEST if name in ("nothing", "missing", "exception.type.deeper") else BARE
    assert not FieldMatch(name, op, "1").matches(one)
    assert Not(FieldMatch(name, op, "1")).matches(one)


def test_a_record_that_tells_no_level_or_time() -> None:
    assert AtLeast(Severity.UNKNOWN).matches(BARE)
    assert not AtLeast(Severity.TRACE).matches(BARE)
    assert FieldMatch("level", "=", "UNKNOWN").matches(BARE)
    assert FieldMatch("level", "!=", "INFO").matches(BARE)
    assert not FieldMatch("level", "<", "ERROR").matches(BARE)
    assert not Within(None, None).matches(BARE)


def test_the_type_falls_back_to_a_field_of_that_name_and_the_other_way_round() -> None:
    assert FieldMatch("type", "=", "request").matches(record("x", fields={"type": "request"}))
    assert FieldMatch("exception.type", "=", "KeyError").matches(
        record("x", fault=LoggedException("KeyError"), fields={"exception": "KeyError: 'x'"})
    )


@pytest.mark.parametrize("name", ["status_code", "http.status_code"])
def test_a_status_by_other_names(name: str) -> None:
    assert FieldMatch("status", "=", "404").matches(record("x", fields={name: 404}))
    assert FieldMatch("status", "=", "404").matches(record("x", fields={"http": {"response": {"status_code": "404"}}}))


@pytest.mark.parametrize(
    ("text", "held", "matches"),
    [
        ("ключ", "Ключ", True),
        ("Ключ", "ключ", False),
        ("k", "\u212a", False),
        ("k", "é K", True),
        ("超时", "连接超时", True),
        ("straße", "STRAßE", True),
    ],
)
def test_smart_case(text: str, held: str, matches: bool) -> None:
    assert TextMatch(text).matches(record(held)) is matches
    assert TextMatch(text).matches(record(held, raw=b"")) is matches


def test_what_an_escape_hides_in_the_raw_record_is_found_in_the_message() -> None:
    one = record("été", raw=b'{"message":"\\u00e9t\\u00e9"}')
    assert TextMatch("été").matches(one)
    assert RegexMatch("^été$").matches(one)
    assert TextMatch("x\ud800").matches(record("x\ud800", raw=b""))


@pytest.mark.fault("S33")
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){25}$", "(x+x+)+y"])
def test_no_pattern_hangs(pattern: str) -> None:
    line = b"a" * 1_000_000 + b"!"
    one = record("", raw=line)
    began = time.process_time()
    assert not RegexMatch(pattern).matches(one)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(a)\\1", "[z-a]", "a{99999}", "((a{100}){100}){100}", "\ud800"])
def test_a_pattern_that_is_not_taken(pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        RegexMatch(pattern).matches(BARE)
    assert "regular expression" in str(caught.value)


def test_equal_trees_are_equal_and_can_be_keys() -> None:
    one: LogRecord = record("x")
    assert And((TextMatch("a"), Not(FieldMatch("b", "=", "c")))) == And(
        (TextMatch("a"), Not(FieldMatch("b", "=", "c")))
    )
    assert {TextMatch("x"): 1}[TextMatch("x")] == 1
    assert Or((TextMatch("X"), TextMatch("x"))).matches(one)


# A filter narrowed to one source matches the same records of it, and tells when it matches none or all.


leaves = st.one_of(
    st.builds(FieldMatch, st.just("source"), st.sampled_from(("=", "!=", "~", "!~")), st.sampled_from(("a", "b"))),
    st.sampled_from((TextMatch("x"), TextMatch("y"))),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@given(where=trees, message=st.sampled_from(("x", "y", "x y", "z")), name=st.sampled_from(("a", "b", "ab")))
def test_it_matches_the_same(where: Filter, message: str, name: str) -> None:
    one = source_record(name, 1, 0, message)
    assert of_source(where, name).matches(one) == where.matches(one)


@pytest.mark.parametrize(
    ("text", "for_a", "for_b"),
    [
        ("source=a", EVERYTHING, NOTHING),
        ("source!=a", NOTHING, EVERYTHING),
        ("source~^a", EVERYTHING, NOTHING),
        ("source=a x", TextMatch("x"), NOTHING),
        ("source=a or x", EVERYTHING, TextMatch("x")),
        ("not (source=b x)", EVERYTHING, Not(TextMatch("x"))),
        ("", EVERYTHING, EVERYTHING),
    ],
)
def test_what_is_asked_of_the_source_is_answered(text: str, for_a: Filter, for_b: Filter) -> None:
    where = parse_filter(text, now=datetime.now(UTC), zone=UTC)
    assert of_source(where, "a") == for_a
    assert of_source(where, "b") == for_b


@pytest.mark.parametrize(
    ("where", "bounds"),
    [
        (EVERYTHING, (None, None)),
        (TextMatch("a"), (None, None)),
        (Within(1, 5), (1, 5)),
        (And((Within(1, None), TextMatch("a"), Within(3, 9))), (3, 9)),
        (Or((Within(1, 2), Within(8, 9))), (1, 9)),
        (Or((Within(1, 2), TextMatch("a"))), (None, None)),
        (Or((Within(1, None), Within(None, 9))), (None, None)),
        (Not(Within(1, 2)), (None, None)),
        (Or((Within(1, 2), And((Within(5, None), Within(None, 4))))), (1, 2)),
        (Or(()), (0, 0)),
    ],
)
def test_bounds(where: Filter, bounds: Span) -> None:
    assert span(where) == bounds


@thorough
@given(FILTERS, st.none() | st.integers(0, 20_000 * DAY_US))
def test_every_match_lies_within_the_bounds(where: Filter, time_us: int | None) -> None:
    if where.matches(record("a db Error", time_us=time_us)):
        since, until = span(where)
        if time_us is None:
            assert (since, until) == (None, None)
        else:
            assert since is None or time_us >= since
            assert until is None or time_us < until
