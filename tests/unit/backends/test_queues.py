"""The trend of a queue, and what its line says of it."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.backends.model import CounterDeltas, above, share_percent
from lilfox_tui.backends.tables import LENGTH, TREND_S, Backlog, Queue, queue_headline, slope_of
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level, Series

SLOPE = Series("queue_growth_per_second")


def test_slope_is_messages_a_second() -> None:
    assert slope_of([]) is None
    assert slope_of([(5.0, 10)]) is None
    assert slope_of([(5.0, 10), (5.0, 12)]) is None
    assert slope_of([(0.0, 100), (10.0, 80), (20.0, 60)]) == pytest.approx(-2.0)
    assert slope_of([(0.0, 0), (1.0, 5), (2.0, 4), (3.0, 9)]) == pytest.approx(2.6)


def test_the_line_tells_when_it_is_empty_or_that_it_grows() -> None:
    def line(**values: float) -> str:
        series = {LENGTH: values["length"], SLOPE: values["slope"]}
        return "  ".join(str(figure.text) for figure in queue_headline(series))

    assert line(length=1204, slope=3.2) == "1.2k queued  growing 3.2/s"
    assert line(length=120, slope=-0.5) == "120 queued  empty in 4 min"
    assert line(length=0, slope=-0.5) == "0 queued"
    assert line(length=7, slope=0.0) == "7 queued"
    assert queue_headline({}) == ()


def test_the_rise_of_a_counter_that_was_reset_is_not_known() -> None:
    rises = CounterDeltas()
    assert rises.take({"a": 5, "b": 7}) == {}
    assert rises.take({"a": 8, "b": 3, "c": 1}) == {"a": 3}
    assert rises.take({"a": 8, "b": 4}) == {"a": 0, "b": 1}


def test_a_share_of_nothing_is_not_known() -> None:
    assert share_percent(0, 0) is None
    assert share_percent(None, 4) is None
    assert share_percent(3, 1) == 75


def test_limits() -> None:
    limit = Threshold(warn=10, fail=20)
    text = tr("{value} > {limit:g}", value=1)
    assert [each.level for each in above(21, limit, text)] == [Level.FAILING]
    assert [str(each.text) for each in above(20, limit, text)] == ["1 > 10"]
    assert list(above(10, limit, text)) == list(above(None, limit, text)) == []


def test_of_many_queues_the_longest_have_series_and_all_count_in_the_sum() -> None:
    values = Backlog(Threshold()).reading([Queue(f"q{number}", number) for number in range(200)]).values
    named = {series.label("queue") for series in values if series.name == "queue_length"}
    assert named == {f"q{number}" for number in range(150, 200)}
    assert values[LENGTH] == 199 * 200 / 2


def test_the_trend_is_of_the_last_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog, now = Backlog(Threshold()), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backlog.reading([Queue("q", 1_000_000)])
    now += TREND_S + 1
    backlog.reading([Queue("q", 10)])
    now += 10
    assert backlog.reading([Queue("q", 30)]).values[SLOPE] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        (Queue("q", 5, consumers=0), ["queue q: 5 queued and no consumers"]),
        (Queue("q", 5, consumers=1), []),
        (Queue("q", 5), []),
        (Queue("q", 0, consumers=0), []),
        (Queue("q", 11, consumers=1), ["queue q: 11 queued"]),
    ],
)
def test_what_is_told_of_a_queue(queue: Queue, said: list[str]) -> None:
    reading = Backlog(Threshold(warn=10)).reading([queue])
    assert [str(one.text) for one in reading.findings] == said
    assert [str(each) for each in reading.checked] == ["length of queues", "consumers"]
