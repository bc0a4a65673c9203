from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.metrics.history import _COARSE_STEP_S, History
from lilfox_tui.metrics.model import Series

START = datetime(2025, 6, 1, tzinfo=UTC)
CPU, LOAD = Series("cpu_usage_percent"), Series("load1")
HOST = "host/web-1"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def filled(seconds: int, every: int = 2, **limits: float) -> History:
    """``cpu_usage_percent`` is the second within its minute."""
    history = History(**limits)
    for second in range(0, seconds, every):
        history.add(HOST, after(second), {CPU: second % 60})
    return history


def test_the_newest_value_at_or_before() -> None:
    history = filled(120)
    assert history.values_at(HOST, after(61)) == {CPU: 0.0}
    assert history.values_at(HOST, after(-1)) == {}
    assert history.values_at("host/other", after(1)) == {}


def test_what_is_seldom_asked_holds_until_the_next_answer() -> None:
    history, end = History(), 18 * 3600
    for second in range(0, end + 1, 30):
        history.add(HOST, after(second), {CPU: 1}, holds_s=60)
    for hours_back in (0, 4, 12):  # raw, means of 10 s, means of 2 min
        assert history.values_at(HOST, after(end - hours_back * 3600 + 29)) == {CPU: 1.0}
    assert history.values_at(HOST, after(end + 61)) == {}


def test_nothing_is_told_of_the_time_before_the_first_sample() -> None:
    history = History()
    for second in range(44, 400, 2):
        history.add(HOST, after(second), {CPU: 1})
    assert next(iter(history.window(HOST, CPU, START, after(400), 100))).at >= after(44)
    assert history.values_at(HOST, after(43)) == {}


def test_a_gap_gives_nothing() -> None:
    history = filled(60)
    history.add(HOST, after(600), {CPU: 5})
    assert history.values_at(HOST, after(300)) == {}
    assert history.values_at(HOST, after(600)) == {CPU: 5.0}
    times = [point.at for point in history.window(HOST, CPU, START, after(660), 66)]
    assert not [at for at in times if after(60) <= at < after(600)]


def test_coarser_tiers_have_the_past_with_mean_and_high() -> None:
    history = filled(6 * 3600)
    assert history.values_at(HOST, after(3 * 3600))[CPU] == pytest.approx(29, abs=0.01)  # two minutes of 0, 2, … 58
    assert history.values_at(HOST, after(5 * 3600 + 5))[CPU] == pytest.approx(4, abs=0.01)  # ten seconds
    points = history.window(HOST, CPU, START, after(6 * 3600), 36)
    assert len(points) == 36
    assert all(point.mean == pytest.approx(29, abs=1) and point.high == 58 for point in points[:20])
    assert history.span(HOST) == (START, after(6 * 3600 - 2))


def test_an_unknown_value_stays_unknown_and_a_late_series_has_no_past() -> None:
    history = filled(60)
    history.add(HOST, after(60), {LOAD: 1})
    assert history.values_at(HOST, after(60)) == {LOAD: 1.0}
    assert history.values_at(HOST, after(30)) == {CPU: 30.0}
    assert set(history.series(HOST)) == {CPU, LOAD}


def test_a_clock_that_steps_back_takes_off_what_it_wrote_too_early() -> None:
    history = filled(3600)
    history.add(HOST, after(1800), {CPU: 7})
    history.add(HOST, after(1802), {CPU: 8})
    assert history.dropped > 0
    assert history.span(HOST) == (START, after(1802))
    assert history.values_at(HOST, after(3000)) == {}
    points = history.window(HOST, CPU, START, after(3600), 360)
    assert [point.at for point in points] == sorted(point.at for point in points)


def test_memory_is_bounded_and_the_oldest_coarse_goes_first() -> None:
    history = History(hours=24, memory_mb=0.05)
    for second in range(0, 8 * 3600, 20):
        history.add(HOST, after(second), {Series(f"s{number}"): number for number in range(20)})
    assert history.size_bytes <= 0.05 * 1024 * 1024 * 1.1
    assert history.dropped > 0
    assert history.values_at(HOST, after(8 * 3600 - 20))[Series("s7")] == 7


def test_the_default_holds_a_day_of_a_hundred_hosts() -> None:
    history = History()
    for host in range(100):
        history.add(f"host/{host}", START, {Series(f"s{number}"): 1.0 for number in range(60)})
    assert history._capacities[2] * _COARSE_STEP_S == 24 * 3600


def test_series_that_nobody_tells_of_are_forgotten() -> None:
    history = History(hours=1)
    history.add(HOST, START, {CPU: 1, LOAD: 1})
    for second in range(60, 3 * 3600, 60):
        history.add(HOST, after(second), {CPU: 1})
    assert history.series(HOST) == (CPU,)


def test_a_series_that_comes_with_the_first_row_of_a_coarse_step_is_kept() -> None:
    history = filled(118)
    history.add(HOST, after(120), {CPU: 1, LOAD: 2})
    assert history.values_at(HOST, after(120)) == {CPU: 1.0, LOAD: 2.0}


def test_a_series_that_comes_back_after_longer_than_is_kept_is_kept() -> None:
    history = filled(118, hours=1)
    history.add(HOST, after(7200), {CPU: 1})
    assert history.values_at(HOST, after(7200)) == {CPU: 1.0}
