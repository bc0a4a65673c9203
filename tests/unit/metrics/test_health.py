from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.metrics.health import Hysteresis
from lilfox_tui.metrics.model import Health, HealthCheck, Level, ServiceState

START = datetime(2026, 1, 1, tzinfo=UTC)


def _states(answers: str, down_after: int = 2, up_after: int = 2) -> list[ServiceState]:
    """One answer a second: ``+`` healthy, ``-`` unhealthy, ``!`` error."""
    hysteresis = Hysteresis("backend", "http://b", down_after=down_after, up_after=up_after)
    health = {"+": Health.HEALTHY, "-": Health.UNHEALTHY, "!": Health.ERROR}
    return [
        hysteresis.take(HealthCheck(START + timedelta(seconds=second), health[answer], None, None))
        for second, answer in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("answers", "down_after", "up_after", "levels"),
    [
        ("+", 2, 2, "G"),
        ("-", 2, 2, "D"),
        ("-", 1, 2, "F"),
        ("++--+++", 2, 2, "GGDFDGG"),
        ("+-+-+-", 2, 2, "GDGDGD"),
        ("--+-+", 2, 2, "DFDFD"),
        ("-!-++", 3, 1, "DDFGG"),
    ],
)
def test_levels_follow_rows_of_answers(answers: str, down_after: int, up_after: int, levels: str) -> None:
    states = _states(answers, down_after, up_after)
    assert "".join(state.level.name[0] for state in states) == levels


def test_since_is_the_first_answer_of_the_row() -> None:
    states = _states("++---++")
    seconds = [(state.since - START).total_seconds() for state in states]
    assert seconds == [0, 0, 2, 2, 2, 5, 5]


def test_failures_count_in_a_row() -> None:
    assert [state.failures for state in _states("-!+-")] == [1, 2, 0, 1]


def test_good_answers_that_are_slow_in_a_row_are_degraded_until_they_are_fast_again() -> None:
    probe = Hysteresis("backend", "http://127.0.0.1", down_after=2, up_after=2, slow_s=1.0)
    states = [
        probe.take(HealthCheck(START + timedelta(seconds=at), Health.HEALTHY, 200, seconds))
        for at, seconds in enumerate((0.1, 1.5, 0.1, 1.5, 1.6, 0.1, 0.1))
    ]
    good, degraded = Level.GOOD, Level.DEGRADED
    assert [state.level for state in states] == [good, good, good, good, degraded, degraded, good]
    assert states[4].since == START + timedelta(seconds=3)
    assert states[4].slower_than_s == 1.0
    assert states[6].slower_than_s is None


def test_a_slow_service_that_dies_is_failing() -> None:
    probe = Hysteresis("backend", "http://127.0.0.1", down_after=1, up_after=1, slow_s=1.0)
    assert probe.take(HealthCheck(START, Health.HEALTHY, 200, 2.0)).level is Level.DEGRADED
    dead = probe.take(HealthCheck(START, Health.ERROR, None, None))
    assert (dead.level, dead.slower_than_s) == (Level.FAILING, None)
