"""Circuit breakers: how often they tripped, what their line says first, and what the libraries' metrics mean."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.backends.backend import BackendError
from lilfox_tui.backends.breakers import TRIPS_FOR_S, Breaker, State, Trips, headline
from lilfox_tui.backends.http_look import HttpBody
from lilfox_tui.backends.kinds.breakers import Opossum, _of_resilience4j
from lilfox_tui.backends.metrics_page import MetricsPage
from lilfox_tui.metrics.model import Sample, Series


def trips_of(trips: Trips, state: State | None) -> float:
    reading = trips.reading([Breaker("b", state)])
    return reading.values[Series("breaker_trips", (("breaker", "b"),))]


def test_one_that_is_found_open_has_not_tripped_while_watched() -> None:
    trips = Trips()
    assert [trips_of(trips, state) for state in (State.OPEN, State.OPEN, State.CLOSED)] == [0, 0, 0]
    assert [trips_of(trips, state) for state in (State.OPEN, State.HALF_OPEN, State.OPEN)] == [1, 1, 2]
    assert [trips_of(trips, state) for state in (None, State.OPEN)] == [2, 2], "what is not known is no trip"


def test_trips_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    trips, now = Trips(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert [trips_of(trips, state) for state in (State.CLOSED, State.OPEN)] == [0, 1]
    now += TRIPS_FOR_S + 1
    assert trips_of(trips, State.OPEN) == 0


def test_the_line_tells_the_worst_first_and_how_many_more() -> None:
    def line(**states: State) -> list[str]:
        values = {Series("breaker_state", (("breaker", name),)): float(state) for name, state in states.items()}
        return [str(figure.text) for figure in headline(values)]

    assert line(a=State.HALF_OPEN, b=State.OPEN, c=State.CLOSED, d=State.DISABLED) == [
        "b open", "a half-open", "1 closed"
    ]  # fmt: skip
    assert line(**{f"b{number}": State.OPEN for number in range(6)})[4:] == ["2 more", "0 closed"]
    assert line() == []


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([{"success": 1}], State.CLOSED),
        ([{"open": 1}], None),
        ([{"open": 0}, {"open": 1}], State.OPEN),
        ([{"open": 0}, {"open": 1}, {"open": 1, "halfOpen": 1}], State.HALF_OPEN),
        ([{"open": 0}, {"open": 1}, {"open": 1, "halfOpen": 1, "close": 1}], State.CLOSED),
        ([{"open": 0}, {"open": 1}, {"open": 2, "halfOpen": 1, "close": 1}], None),
        ([{"open": 0}, {"open": 1, "halfOpen": 1}], State.HALF_OPEN),
    ],
)
def test_what_opossum_does_follows_from_what_rose(looks: list[dict[str, float]], state: State | None) -> None:
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

    assert of(-1) == [Breaker("b", State.HALF_OPEN)]
    assert of(12.5) == [Breaker("b", State.HALF_OPEN, "failure rate 12.5%")]


def test_a_page_for_people_is_none_of_metrics() -> None:
    page = MetricsPage("b:1", lambda _name: True)
    with pytest.raises(BackendError, match="page for people"):
        page.samples(HttpBody(b"a 1\n", "text/html; charset=utf-8"))
    assert [one.value for one in page.samples(HttpBody(b"a 1\n", "text/plain"))] == [1]
