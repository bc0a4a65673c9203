"""Range queries: the value at each step, as lines."""

from __future__ import annotations

import numpy as np
import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from tests.unit.promql.written import Written, at, lines

SOURCE = Written({'x{a="2"}': "1 2 3 4 5 6", 'x{a="1"}': "10 _ stale 40 50 60", 'y{a="1"}': "1 1 1 1 1 1"})


def over(text: str, start_s: int, end_s: int, step_s: int) -> dict[str, list[tuple[float, float]]]:
    return lines(parse(text).over(SOURCE, start_s * 1000, end_s * 1000, step_s * 1000))


def test_lines_have_their_own_times_and_are_sorted() -> None:
    found = over("x", 0, 50, 10)
    assert list(found) == ['x{a="1"}', 'x{a="2"}']
    assert found['x{a="1"}'] == [(0, 10), (10, 10), (30, 40), (40, 50), (50, 60)]
    assert len(found['x{a="2"}']) == 6


def test_each_step_is_as_an_instant() -> None:
    for text in (
        "sum(x)",
        "x > 3",
        "rate(x[30s])",
        "x and y",
        "max_over_time(x[30s:10s])",
        "topk(1, x)",
        "absent(x > 9)",
    ):
        steps: dict[str, list[tuple[float, float]]] = {}
        for at_s in range(0, 60, 7):
            for one, number in at(SOURCE, text, at_s).items():
                steps.setdefault(one, []).append((at_s, number))
        assert over(text, 0, 59, 7) == steps, text


def test_start_and_end_are_those_of_the_whole_query() -> None:
    assert over('x{a="2"} @ end() - x{a="2"} @ start()', 10, 50, 20) == {'{a="2"}': [(10, 4), (30, 4), (50, 4)]}


def test_a_number_is_one_line_without_labels() -> None:
    assert over("time() * 2", 0, 20, 10) == {"{}": [(0, 0), (10, 20), (20, 40)]}


def test_nothing_is_no_line() -> None:
    assert over("nothing", 0, 50, 10) == {}


@pytest.mark.parametrize(
    ("text", "end_ms", "step_ms"), [("x[5m]", 10, 1), ('"text"', 10, 1), ("x", 10, 0), ("x", 11_000_000, 1)]
)
def test_what_gives_no_lines_is_refused(text: str, end_ms: int, step_ms: int) -> None:
    with pytest.raises(QueryError):
        parse(text).over(SOURCE, 0, end_ms, step_ms)


def test_two_metrics_never_become_one_line() -> None:
    source = Written({'a{i="1"}': "1 2 3 stale _ _ _ _", 'b{i="1"}': "_ _ _ _ _ 6 7 8"})
    for text in ('rate({i="1"}[20s])', '-{i="1"}'):
        with pytest.raises(QueryError, match="same labelset"):
            parse(text).over(source, 0, 70_000, 10_000)
    assert len(parse('last_over_time({i="1"}[20s])').over(source, 0, 70_000, 10_000)) == 2
    within = parse('max_over_time((-{i="1"})[80s:10s])').over(source, 70_000, 80_000, 10_000)  # one sample each step
    assert [line.values.tolist() for line in within] == [[-1, -2]]


def test_as_many_steps_as_prometheus_takes() -> None:
    query = parse("vector(1)")
    assert len(query.over(SOURCE, 0, 10_999, 1)[0].times) == 11_000
    with pytest.raises(QueryError, match="11000 values"):
        query.over(SOURCE, 0, 11_000, 1)


def test_rows_are_taken_of_the_source_once() -> None:
    asked = []

    class Counted(Written):
        def select(self, *arguments):  # type: ignore[no-untyped-def]
            asked.append(arguments[1:])
            return super().select(*arguments)

    source = Counted({"x": "1 2 3 4 5 6"})
    found = parse("x + rate(x[20s]) + max_over_time(x[20s:5s])").over(source, 0, 50_000, 1000)
    assert len(found) == 1
    assert len(asked) == 3
    assert np.isfinite(found[0].values).all()
