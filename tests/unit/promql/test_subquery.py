"""Subqueries: aligned steps, nested ones, offsets and @."""

from __future__ import annotations

import msgspec
import pytest

from lilfox_tui.promql import evaluation
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Matrix, Semantics
from tests.unit.promql.written import Written, at, lines

RISING = Written({"x": " ".join(str(number) for number in range(200))})


def samples(text: str, at_s: float, semantics: Semantics = PROMETHEUS_3) -> list[tuple[float, float]]:
    value = parse(text, semantics).at(RISING, round(at_s * 1000))
    assert isinstance(value, Matrix)
    return lines(value.lines)["x"]


def test_steps_are_multiples_of_the_step() -> None:
    assert samples("x[30s:10s]", 57) == [(30, 3), (40, 4), (50, 5)]
    assert samples("x[30s:7s]", 57) == [(28, 2), (35, 3), (42, 4), (49, 4), (56, 5)]
    assert samples("x[20s:10s] offset 7s", 57) == [(40, 4), (50, 5)]
    assert samples("x[20s:10s] @ 100", 57) == [(90, 9), (100, 10)]


def test_the_left_end_is_open_in_prometheus_3() -> None:
    assert [second for second, _ in samples("x[20s:10s]", 50)] == [40, 50]
    assert [second for second, _ in samples("x[20s:10s]", 50, PROMETHEUS_2)] == [30, 40, 50]


def test_the_step_that_is_left_out_is_the_evaluation_interval() -> None:
    every = msgspec.structs.replace(PROMETHEUS_3, subquery_step_ms=15_000)
    assert [second for second, _ in samples("x[40s:]", 60, every)] == [30, 45, 60]
    assert [second for second, _ in samples("x[3m:]", 300)] == [180, 240, 300]


def test_nested_ones_take_their_own_times() -> None:
    inner = "sum_over_time(x[30s:10s])"
    assert at(RISING, f"rate({inner}[50s:10s])", 1000) == {"{}": pytest.approx(0.3)}
    assert at(RISING, f"max_over_time(({inner} @ 100)[30s:10s])".replace(" @ 100", ""), 100) == {"{}": 27.0}
    assert at(RISING, "sum_over_time(sum_over_time(x[100s] @ 100)[100s:25s] @ 50)", 100) == {"{}": 220.0}


def test_series_that_come_and_go_keep_their_own_steps() -> None:
    source = Written({'x{a="1"}': "1 2 stale _ 5", 'x{a="2"}': "_ _ 30 40 50"})
    value = parse("x[50s:10s]").at(source, 40_000)
    assert isinstance(value, Matrix)
    assert lines(value.lines) == {
        'x{a="1"}': [(0, 1), (10, 2), (40, 5)],
        'x{a="2"}': [(20, 30), (30, 40), (40, 50)],
    }


def test_more_values_than_memory_should_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_MOST_VALUES", 50)
    assert parse("max_over_time(x[40s:1s])").at(RISING, 50_000)
    with pytest.raises(QueryError, match="more than 50 values at once"):
        parse("max_over_time(x[51s:1s])").at(RISING, 100_000)
    with pytest.raises(QueryError, match="more than 50 values at once"):
        parse("x").over(RISING, 0, 60_000, 1000)


def test_so_many_steps_are_refused() -> None:
    with pytest.raises(QueryError, match="more than 100000 steps"):
        parse("max_over_time(x[1y:1ms])").at(RISING, 50_000)
