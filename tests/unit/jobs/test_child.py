from __future__ import annotations

import pytest

from lilfox_tui.jobs.child import SHORTEST_S, ProgressMeter


def test_rate_and_remaining_time_are_of_the_last_seconds() -> None:
    moving = ProgressMeter("one", 0.0)
    for tenth in range(100):  # 10 s at 100 bytes a second
        moving.moved(tenth / 10, tenth * 10, 4000)
    for tenth in range(100, 200):  # then 10 s at 1,000
        moving.moved(tenth / 10, 1000 + (tenth - 100) * 100, 11_000)
    told = moving.tell(19.9)
    assert told.done_bytes == 10_900
    assert told.rate == pytest.approx(1000, rel=0.02)
    assert told.remaining_s == pytest.approx(0.1, rel=0.05)


def test_what_is_not_known_is_none() -> None:
    moving = ProgressMeter("one", 0.0)
    moving.moved(0.0, 0, None)
    told = moving.tell(0.0)
    assert (told.total_bytes, told.rate, told.remaining_s) == (None, None, None)
    moving.moved(1.0, 0, 100)
    assert moving.tell(1.0).remaining_s is None  # nothing moves: no time can be told
    moving.moved(2.0, 200, 100)
    assert moving.tell(2.0).remaining_s is None  # more than was thought


def test_it_is_told_a_few_times_a_second_and_seldom_in_a_long_run() -> None:
    def told_in(seconds: int, per_second: int = 20) -> int:
        moving, count = ProgressMeter("one", 0.0), 0
        for step in range(seconds * per_second):
            if moving.moved(step / per_second, step, None):
                moving.tell(step / per_second)
                count += 1
        return count

    assert told_in(10) <= 10 / SHORTEST_S + 1
    assert 8_000 < told_in(36_000) < 14_000


def test_its_end_is_told_once() -> None:
    moving = ProgressMeter("one", 0.0)
    assert moving.moved(0.0, 0, 10)
    moving.tell(0.0)
    assert moving.moved(0.01, 10, 10)
    moving.tell(0.01)
    assert not moving.moved(0.02, 10, 10)
