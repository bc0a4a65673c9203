"""Operators between vectors and scalars, and which elements belong together."""

from __future__ import annotations

import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
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
