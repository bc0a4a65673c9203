"""Why an alert fires: the two sides of its expression, now and over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lilfox_tui.monitor.alert_explain import Compared, compared, explain
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import EmbeddedEngine
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore

END = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
STEP_S = 10


@pytest.mark.parametrize(
    ("expression", "sides"),
    [
        ("up == 0", Compared("up", "==", "0", 0.0)),
        ("a / b > 0.05", Compared("a / b", ">", "0.05", 0.05)),
        ("(a > -3)", Compared("a", ">", "-3", -3.0)),
        ("a > 2 and on () b == 1", Compared("a", ">", "2", 2.0)),
        ("a and b > 3", Compared("b", ">", "3", 3.0)),
        ("a > b", Compared("a", ">", "b")),
        ("absent(up)", Compared("absent(up)")),
        ('a{x="{}"} > 1', Compared('a{x="{}"}', ">", "1", 1.0)),
        ("no expression at all (", Compared("no expression at all (")),
    ],
)
def test_the_comparison_that_decides(expression: str, sides: Compared) -> None:
    assert compared(expression) == sides


def store() -> SeriesStore:
    """``a`` of two jobs for ten minutes: one rises above 5, one stays; ``limit`` of each."""
    made = SeriesStore(keep_s=3600, limit_bytes=10_000_000)
    names = [("a", "x"), ("a", "y"), ("limit", "x"), ("limit", "y")]
    labels = LabelList([LabelSet.of({"__name__": name, "job": job}) for name, job in names])
    for place in range(61):
        at = END - timedelta(seconds=(60 - place) * STEP_S)
        values = np.array([place / 6, 1.0, 5.0, 7.0])
        made.target("t").append(round(at.timestamp() * 1000), labels, values)
    return made


async def test_each_series_now_and_over_time_with_what_holds_first() -> None:
    why = await explain(EmbeddedEngine(store()), "a > 5", END - timedelta(minutes=10), END, 10)
    first, second = why.sides
    assert (first.labels, first.value, first.limit, first.holds) == ((("__name__", "a"), ("job", "x")), 10.0, 5.0, True)
    assert (second.value, second.holds) == (1.0, False)
    assert first.values == tuple(float(minute) for minute in range(1, 11)), "one a minute, the newest is now"


async def test_a_threshold_that_is_a_series() -> None:
    why = await explain(EmbeddedEngine(store()), "a > limit", END - timedelta(minutes=10), END, 5)
    assert {dict(side.labels)["job"]: side.limit for side in why.sides} == {"x": 5.0, "y": 7.0}
    assert [side.holds for side in why.sides] == [True, False]


async def test_before_the_first_sample_nothing_is_known() -> None:
    why = await explain(EmbeddedEngine(store()), "a > 5", END - timedelta(hours=1), END, 6)
    assert why.sides[0].values[:4] == (None,) * 4
    assert why.sides[0].values[5] == 10.0


async def test_series_that_are_gone_are_shown_without_a_value() -> None:
    late = END + timedelta(minutes=6)
    why = await explain(EmbeddedEngine(store()), "a > 5", late - timedelta(minutes=10), late, 10)
    assert [side.value for side in why.sides] == [None, None]


async def test_what_is_no_query_says_so() -> None:
    with pytest.raises(QueryError):
        await explain(EmbeddedEngine(store()), "a >", END - timedelta(minutes=10), END, 10)
