"""Circuit breakers: how often they tripped, what their line says first, and what the libraries' metrics mean."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.backends.http_probe import HttpBody, MetricsPage
from lilfox_tui.backends.kinds.breakers import Opossum, _of_resilience4j
from lilfox_tui.backends.model import BackendError
from lilfox_tui.backends.tables import TRIPS_FOR_S, Breaker, BreakerState, TripCounter, breaker_headline
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level, Sample, Series


def trips_of(trips: TripCounter, state: BreakerState | None) -> float:
    reading = trips.reading([Breaker("b", state)])
    return reading.values[Series("breaker_trips", (("breaker", "b"),))]


def test_one_that_is_found_open_has_not_tripped_while_watched() -> None:
    trips = TripCounter()
    assert [trips_of(trips, state) for state in (BreakerState.OPEN, BreakerState.OPEN, BreakerState.CLOSED)] == [
        0,
        0,
        0,
    ]
    assert [trips_of(trips, state) for state in (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.OPEN)] == [
        1,
        1,
        2,
    ]
    assert [trips_of(trips, state) for state in (None, BreakerState.OPEN)] == [2, 2], "what is not known is no trip"


def test_trips_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    trips, now = TripCounter(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert [trips_of(trips, state) for state in (BreakerState.CLOSED, BreakerState.OPEN)] == [0, 1]
    now += TRIPS_FOR_S + 1
    assert trips_of(trips, BreakerState.OPEN) == 0


def test_the_line_tells_the_worst_first_and_how_many_more() -> None:
    def line(**states: BreakerState) -> list[str]:
        values = {Series("breaker_state", (("breaker", name),)): float(state) for name, state in states.items()}
        return [str(figure.text) for figure in breaker_headline(values)]

    assert line(a=BreakerState.HALF_OPEN, b=BreakerState.OPEN, c=BreakerState.CLOSED, d=BreakerState.DISABLED) == [
        "b open", "a half-open", "1 closed"
    ]  # fmt: skip
    assert line(**{f"b{number}": BreakerState.OPEN for number in range(6)})[4:] == ["2 more", "0 closed"]
    half = {Series("breaker_state", (("breaker", f"b{number}"),)): 1.0 for number in range(6)}
    assert [each.level for each in breaker_headline(half)[4:]] == [Level.DEGRADED, Level.GOOD], "no worse than they are"
    assert line() == []


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([{"success": 1}], BreakerState.CLOSED),
        ([{"open": 1}], None),
        ([{"open": 0}, {"open": 1}], BreakerState.OPEN),
        ([{"open": 0}, {"open": 1}, {"open": 1, "halfOpen": 1}], BreakerState.HALF_OPEN),
        ([{"open": 0}, {"open": 1}, {"open": 1, "halfOpen": 1, "close": 1}], BreakerState.CLOSED),
        ([{"open": 0}, {"open": 1}, {"open": 2, "halfOpen": 1, "close": 1}], None),
        ([{"open": 0}, {"open": 1, "halfOpen": 1}], BreakerState.HALF_OPEN),
    ],
)
def test_what_opossum_does_follows_from_what_rose(looks: list[dict[str, float]], state: BreakerState | None) -> None:
    opossum = Opossum()
    for events in looks:
        (found,) = opossum.take([
            Sample("circuit", count, (("event", event), ("name", "b"))) for event, count in events.items()
        ])  # fmt: skip
    assert found.state is state


def test_resilience4j_has_no_rate_of_failures_before_enough_calls() -> None:
    def of(rate: float) -> list[Breaker]:
        state = (("name", "b"), ("state", "half_open"))
        return _of_resilience4j([
            Sample("resilience4j_circuitbreaker_state", 1, state),
            Sample("resilience4j_circuitbreaker_failure_rate", rate, (("name", "b"),)),
        ])  # fmt: skip

    assert of(-1) == [Breaker("b", BreakerState.HALF_OPEN)]
    assert of(12.5) == [Breaker("b", BreakerState.HALF_OPEN, tr("failure rate {percent:g}%", percent=12.5))]


def test_a_page_for_people_is_none_of_metrics() -> None:
    page = MetricsPage("b:1", lambda _name: True)
    with pytest.raises(BackendError, match="an HTML page, not metrics"):
        page.samples(HttpBody(b"a 1\n", "text/html; charset=utf-8"))
    assert [one.value for one in page.samples(HttpBody(b"a 1\n", "text/plain"))] == [1]
