"""Operators between vectors and scalars, and which elements belong together."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.operators import label_hash, xxhash64
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics, duplicate, joined, nameless, recent, taken
from lilfox_tui.scrape.labels import LabelList, LabelSet
from tests.unit.promql.written import Written, at

SOURCE = Written(
    {
        'errors{route="a",code="500"}': "2", 'errors{route="a",code="404"}': "4", 'errors{route="b",code="500"}': "6",
        'hits{route="a"}': "100", 'hits{route="b"}': "200", 'hits{route="c"}': "300",
        'owner{route="a",team="red"}': "1", 'owner{route="b",team="blue"}': "1", 'bad{route="a"}': "NaN",
    }
)  # fmt: skip


def given(text: str) -> dict[str, float]:
    return at(SOURCE, text, 1)


def test_arithmetic_drops_the_name_and_a_comparison_keeps_it() -> None:
    assert given("hits * 2") == {'{route="a"}': 200.0, '{route="b"}': 400.0, '{route="c"}': 600.0}
    assert given("hits > 100") == {'hits{route="b"}': 200.0, 'hits{route="c"}': 300.0}
    assert given("250 > hits") == {'hits{route="a"}': 100.0, 'hits{route="b"}': 200.0}
    assert given("hits > bool hits") == {'{route="a"}': 0.0, '{route="b"}': 0.0, '{route="c"}': 0.0}
    assert given("hits > bool 100") == {'{route="a"}': 0.0, '{route="b"}': 1.0, '{route="c"}': 1.0}
    assert given("-hits") == {'{route="a"}': -100.0, '{route="b"}': -200.0, '{route="c"}': -300.0}


def test_nothing_is_equal_to_nan() -> None:
    assert given("bad == bad") == {}
    assert list(given("bad != bad")) == ['bad{route="a"}']
    assert given("bad > bool 1") == {'{route="a"}': 0.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 + 2 * 3", 7.0), ("2 ^ 3 ^ 2", 512.0), ("-2 ^ 2", -4.0), ("7 % -3", 1.0), ("-7 % 3", -1.0),
     ("1 / 0", float("inf")), ("1 == bool 1", 1.0), ("NaN == bool NaN", 0.0), ("1 atan2 1", 0.7853981633974483),
     ("5m", 300.0)],
)  # fmt: skip
def test_numbers_are_calculated_as_go_does(text: str, value: float) -> None:
    assert parse(text).at(SOURCE, 0) == value


def test_one_to_one_by_equal_labels_or_by_those_named() -> None:
    assert given('errors{code="500"} / ignoring (code) hits') == {'{route="a"}': 0.02, '{route="b"}': 0.03}
    assert given('errors{code="500"} / on (route) hits') == {'{route="a"}': 0.02, '{route="b"}': 0.03}
    assert given("errors / hits") == {}
    assert given('errors{code="500"} < on (route) hits') == {'{route="a"}': 2.0, '{route="b"}': 6.0}


def test_many_to_one_takes_labels_of_the_one() -> None:
    assert given("errors * on (route) group_left (team) owner") == {
        '{code="500", route="a", team="red"}': 2.0,
        '{code="404", route="a", team="red"}': 4.0,
        '{code="500", route="b", team="blue"}': 6.0,
    }
    assert given("hits / on (route) group_right errors") == {
        '{code="500", route="a"}': 50.0,
        '{code="404", route="a"}': 25.0,
        '{code="500", route="b"}': pytest.approx(200 / 6),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hits + on (route) errors", "many-to-many matching not allowed"),
        ("errors + on (route) hits", "many-to-one matching must be explicit"),
        ("errors > on (route) hits", "many-to-one matching must be explicit"),
        ("hits * on (route) group_left errors", r'match group {route="a"} on the right hand-side'),
        ("errors * on (route) group_left (code) hits", "grouping labels must ensure unique matches"),
        ('-{__name__=~"hits|bad"}', "same labelset"),
    ],
)
def test_several_partners_are_an_error_each_time(text: str, reason: str) -> None:
    query = parse(text)
    for _ in range(2):  # what failed is not kept
        with pytest.raises(QueryError, match=reason):
            query.at(SOURCE, 1000)


def test_fill_stands_for_who_is_missing() -> None:
    assert given("bad * 0 + fill(7) hits")['{route="c"}'] == 307.0
    assert given("hits - on (route) fill_right(1) bad")['{route="b"}'] == 199.0
    assert list(given("hits - on (route) fill_left(1) bad")) == ['{route="a"}']
    assert given('hits{route!="a"} * on (route) group_right fill_left(2) errors{route="a"}') == {
        '{route="b"}': 400.0, '{route="c"}': 600.0,
    }  # fmt: skip
    assert given("nothing + fill(0) hits") == {'{route="a"}': 100.0, '{route="b"}': 200.0, '{route="c"}': 300.0}


def test_set_operators_take_whole_elements() -> None:
    assert given('hits and on (route) errors{code="404"}') == {'hits{route="a"}': 100.0}
    assert given("hits unless on (route) errors") == {'hits{route="c"}': 300.0}
    assert list(given("bad or hits")) == ['bad{route="a"}', 'hits{route="b"}', 'hits{route="c"}']
    assert list(given("owner or on (route) hits"))[2:] == ['hits{route="c"}']
    assert given("nothing or hits > 200") == {'hits{route="c"}': 300.0}
    assert given("hits and nothing") == {}


def test_a_plan_of_pairs_is_made_once_for_two_lists_and_forgotten_among_many() -> None:
    query = parse("hits / on (route) owner")
    first, second = query.at(SOURCE, 1000), query.at(SOURCE, 2000)
    assert first[0] is second[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "side"),
    [("hits / on(route) errors", "right"), ("errors / on(route) group_right hits", "left")],
)
def test_it_is_said_on_which_side_several_have_the_same_labels(text: str, side: str) -> None:
    with pytest.raises(QueryError, match=f"on the {side} hand-side"):
        given(text)


# Aggregations: groups, NaN and infinity, exact sums, and those that pick elements.


AGGREGATED = Written(
    {
        'x{a="1",b="1"}': "3", 'x{a="1",b="2"}': "5", 'x{a="2",b="1"}': "NaN", 'x{a="2",b="2"}': "7",
        'exact{i="1"}': "1", 'exact{i="2"}': "1e100", 'exact{i="3"}': "1", 'exact{i="4"}': "-1e100",
        'big{i="1"}': "1e308", 'big{i="2"}': "1e308", 'big{i="3"}': "-1e308",
        'ends{i="1"}': "Inf", 'ends{i="2"}': "-Inf",
        'same{i="1"}': "1.33", 'same{i="2"}': "1.33", 'same{i="3"}': "1.33",
    }
)  # fmt: skip


def aggregated(text: str) -> dict[str, float]:
    return at(AGGREGATED, text, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum by (b) (x)", {'{b="1"}': math.nan, '{b="2"}': 12.0}),
        ("sum without (b) (x)", {'{a="1"}': 8.0, '{a="2"}': math.nan}),
        ("count(x)", {"{}": 4.0}),
        ("group by (a) (x)", {'{a="1"}': 1.0, '{a="2"}': 1.0}),
        ("min(x)", {"{}": 3.0}),
        ("max by (a) (x)", {'{a="1"}': 5.0, '{a="2"}': 7.0}),
        ("max(x{b=\"1\",a=\"2\"})", {"{}": math.nan}),
        ("avg by (b) (x)", {'{b="1"}': math.nan, '{b="2"}': 6.0}),
        ("sum by (nothing) (x{a=\"1\"})", {"{}": 8.0}),
        ("sum by (__name__) (x{a=\"1\"})", {"x": 8.0}),
        ("quantile(0.5, x)", {"{}": 4.0}),
        ("quantile(0, x)", {"{}": math.nan}),
        ("quantile(-1, x)", {"{}": -math.inf}),
        ("quantile(2, x)", {"{}": math.inf}),
        ("stddev(x{a=\"1\"})", {"{}": 1.0}),
        ("stdvar(same)", {"{}": 0.0}),
        ("sum(nothing)", {}),
    ],
)  # fmt: skip
def test_one_value_a_group(text: str, found: dict[str, float]) -> None:
    assert aggregated(text) == pytest.approx(found, nan_ok=True)


def test_sums_lose_nothing_to_rounding() -> None:
    assert aggregated("sum(exact)") == {"{}": 2.0}
    assert aggregated("avg(exact)") == {"{}": 0.5}
    assert at(AGGREGATED, "sum(exact)", 1, PROMETHEUS_2) == {"{}": 0.0}


def test_sums_that_run_over() -> None:
    assert aggregated("sum(big)") == {"{}": math.inf}
    assert aggregated("avg(big)") == {"{}": pytest.approx(1e308 / 3)}
    assert math.isnan(aggregated("sum(ends)")["{}"])
    assert math.isnan(aggregated("avg(ends)")["{}"])


@pytest.mark.parametrize(("semantics", "value"), [(PROMETHEUS_2, 0.0), (PROMETHEUS_3, math.nan)])
def test_the_spread_of_one_infinity(semantics: Semantics, value: float) -> None:
    found = at(AGGREGATED, 'stddev(ends{i="1"})', 1, semantics)
    assert found == pytest.approx({"{}": value}, nan_ok=True)


def test_the_largest_and_smallest_come_in_their_order_and_nan_last() -> None:
    assert list(aggregated("topk(2, x)").values()) == [7.0, 5.0]
    assert list(aggregated("bottomk(2, x)").values()) == [3.0, 5.0]
    assert math.isnan(list(aggregated("topk(9, x)").values())[-1])
    assert math.isnan(list(aggregated("bottomk(9, x)").values())[-1])
    assert aggregated("topk by (a) (1, x)") == {'x{a="1", b="2"}': 5.0, 'x{a="2", b="2"}': 7.0}
    assert aggregated("topk(0, x)") == aggregated("topk(-3, x)") == {}


@pytest.mark.parametrize("text", ["topk(NaN, x)", "topk(NaN, nothing)", "bottomk(1e30, x)", "limit_ratio(NaN, x)"])
def test_a_number_of_elements_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        aggregated(text)


def test_values_are_counted_by_how_they_are_written() -> None:
    source = Written({'v{i="1"}': "6", 'v{i="2"}': "6", 'v{i="3"}': "1e21", 'v{i="4"}': "0.1", 'v{i="5"}': "-Inf"})
    assert at(source, 'count_values("n", v)', 1) == {
        '{n="6"}': 2.0, '{n="1000000000000000000000"}': 1.0, '{n="0.1"}': 1.0, '{n="-Inf"}': 1.0,
    }  # fmt: skip
    assert at(source, 'count_values without (i) ("n", v)', 1)['{n="6"}'] == 2.0
    assert at(source, 'count_values without (i) ("i", v)', 1) == {"{}": 5.0}
    with pytest.raises(QueryError, match="invalid label name"):
        at(source, 'count_values("a b", v)', 1, PROMETHEUS_2)


def test_limits_take_a_part_and_always_the_same() -> None:
    every = Written({f'y{{i="{number}"}}': str(number) for number in range(100)})
    assert len(at(every, "limitk(7, y)", 1)) == 7
    some, rest = at(every, "limit_ratio(0.3, y)", 1), at(every, "limit_ratio(-0.7, y)", 1)
    assert 15 < len(some) < 45
    assert not some.keys() & rest.keys()
    assert len(some) + len(rest) == 100
    assert len(at(every, "limit_ratio(5, y)", 1)) == 100
    assert at(every, "limit_ratio(0, y)", 1) == {}


def test_a_query_is_kept_whole_between_evaluations() -> None:
    query = parse("sum by (a) (x)")
    assert query.at(AGGREGATED, 1000)[0] is query.at(AGGREGATED, 2000)[0]  # type: ignore[index]


# Lists of labels made from others, and what is kept of them.


NAMED = LabelList([LabelSet.of({"__name__": "x", "a": str(number)}) for number in range(4)])


def test_the_same_question_gives_the_same_object() -> None:
    assert nameless(NAMED) is nameless(NAMED)
    assert nameless(nameless(NAMED)) is nameless(NAMED)
    mask = np.array([True, False, True, False])
    assert taken(NAMED, mask) is taken(NAMED, mask.copy())
    assert [str(one) for one in taken(NAMED, mask)] == ['x{a="0"}', 'x{a="2"}']
    assert taken(NAMED, np.ones(4, np.bool_)) is NAMED
    other = LabelList([LabelSet.of({"b": "1"})])
    assert joined((NAMED, other)) is joined((NAMED, other))
    assert len(joined((NAMED, other))) == 5
    assert joined((NAMED, LabelList(()))) is NAMED


def test_finds_what_is_there_twice() -> None:
    assert duplicate(NAMED) is None
    assert duplicate(joined((NAMED, NAMED))) == NAMED[0]


def test_forgets_what_was_not_asked_for_lately() -> None:
    made = []
    for number in (*range(100), 99, 0):
        recent(NAMED, "test", number, lambda number=number: made.append(number))  # type: ignore[misc]
    assert made == [*range(100), 0]


def test_several_threads_may_ask() -> None:
    def ask(seed: int) -> bool:
        numbers = [(seed * 7 + step * step) % 40 for step in range(3000)]
        return all(recent(NAMED, "threads", number, lambda number=number: number) == number for number in numbers)  # type: ignore[misc]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(4)))


def test_hashes_as_xxh64_does() -> None:
    # Values of the reference implementation.
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxhash64(b"abc") == 0x44BC2CF5AD770999
    assert xxhash64(b"Call me Ishmael. Some years ago--never mind how long precisely-") == 0x02A2E85470D6FD96


def test_the_hash_of_labels_tells_where_one_text_ends() -> None:
    assert label_hash(LabelSet.of({"a": "bc"})) != label_hash(LabelSet.of({"ab": "c"}))
    assert label_hash(LabelSet.of({"a": "x" * 300})) == xxhash64(b"\x01a\xff\x2c\x01\x00" + b"x" * 300)


# Prometheus' hash of labels: how lengths are written before the texts.


@pytest.mark.parametrize(
    ("length", "written"),
    [(1, b"\x01"), (254, b"\xfe"), (255, b"\xff\xff\x00\x00"), (256, b"\xff\x00\x01\x00")],
)
def test_a_length_is_one_byte_or_four(length: int, written: bytes) -> None:
    assert label_hash(LabelSet.of({"a": "x" * length})) == xxhash64(b"\x01a" + written + b"x" * length)


def test_the_hash_is_that_of_the_specification() -> None:
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"a") == 0xD24EC4F1A98C6E5B
