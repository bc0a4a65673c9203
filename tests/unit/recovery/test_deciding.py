"""When a unit is restarted: never before it was seen ill often enough, never above the limit, later each time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.config.model import RecoveryConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.recovery.history import UnitRecord, UnitState
from lilfox_tui.recovery.watch import next_at, next_step, observe

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
CONFIG = RecoveryConfig(host="web", unit="backend.service", failures=3, limit=3, within=Seconds(3600))


def walked(states: Sequence[UnitState], config: RecoveryConfig, each_s: float) -> list[tuple[datetime, UnitRecord]]:
    """What is remembered after each look, restarts made as soon as they are due and always in vain."""
    record: UnitRecord | None = None
    found = []
    for turn, state in enumerate(states):
        now = NOW + timedelta(seconds=turn * each_s)
        record = observe(record, state, "", now, config)
        todo = next_step(record, now, config)
        if todo == "restart":
            record = replace(record, state="waiting", restarts=(*record.restarts, now))
        elif todo == "give up":
            record = replace(record, state="given up")
        found.append((now, record))
    return found


def test_it_is_restarted_at_the_third_unhealthy_look_and_not_before() -> None:
    looks = walked(["unhealthy", "unhealthy", "well", "unhealthy", "unhealthy", "unhealthy"], CONFIG, 10)
    assert [len(record.restarts) for _now, record in looks] == [0, 0, 0, 0, 0, 1]


def test_each_restart_waits_twice_as_long_as_the_one_before_and_the_limit_is_the_last() -> None:
    looks = walked(["unhealthy"] * 60, CONFIG, 5)
    restarts = looks[-1][1].restarts
    assert [(later - sooner).total_seconds() for sooner, later in pairwise(restarts)] == [30, 60]
    assert looks[-1][1].state == "given up"


def test_what_was_given_up_stays_so_until_it_is_well() -> None:
    ill: UnitState = "unhealthy"
    looks = walked([*[ill] * 5000, "well", ill, ill, ill], CONFIG, 5)
    assert len(looks[4999][1].restarts) == 0  # forgotten after an hour; it is left alone all the same
    assert looks[4999][1].state == "given up"
    assert looks[5000][1].state == "well"
    assert len(looks[-1][1].restarts) == 1


def test_one_that_is_stopped_on_purpose_begins_to_count_anew() -> None:
    looks = walked(["unhealthy", "unhealthy", "left alone", "unhealthy"], CONFIG, 10)
    assert looks[-1][1].unhealthy_looks == 1


def test_since_when_is_kept_while_nothing_changes_and_what_was_told_is_told_anew_after_it_was_well() -> None:
    gave_up = UnitRecord(state="given up", since=NOW, looked=NOW, told=True, unhealthy_looks=9)
    later, then = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    ill = observe(gave_up, "unhealthy", "why", later, CONFIG)
    assert (ill.state, ill.since, ill.looked, ill.why, ill.told) == ("given up", NOW, later, "why", True)
    well = observe(ill, "well", "", later, CONFIG)
    assert (well.state, well.since, well.told) == ("well", later, False)
    assert observe(well, "well", "", then, CONFIG).since == later
    assert observe(well, "unhealthy", "", then, CONFIG).since == then


@pytest.mark.parametrize("state", ["waiting", "restarting"])
def test_one_that_is_being_restarted_is_not_simply_unhealthy_again(state: UnitState) -> None:
    record = UnitRecord(state=state, since=NOW, looked=NOW)
    assert observe(record, "unhealthy", "", NOW + timedelta(seconds=9), CONFIG).state == state


def test_back_off_ends_where_restarts_are_forgotten() -> None:
    config = replace(CONFIG, back_off=Seconds(3000), limit=9)
    record = UnitRecord(state="waiting", since=NOW, looked=NOW, restarts=(NOW, NOW))
    assert next_at(record, config) == NOW + timedelta(seconds=config.within)


@pytest.mark.fault("2.22")
@given(
    st.lists(st.sampled_from(["well", "unhealthy", "left alone"]), max_size=300),
    st.integers(1, 5), st.integers(1, 4), st.sampled_from([1.0, 10.0, 700.0]),
)  # fmt: skip
def test_never_more_than_the_limit_within_its_time(
    states: list[UnitState], failures: int, limit: int, each_s: float
) -> None:
    config = replace(CONFIG, failures=failures, limit=limit)
    restarts: list[datetime] = []
    for now, record in walked(states, config, each_s):
        if record.restarts and record.restarts[-1] == now:
            restarts.append(now)
    for at in restarts:
        recent = [each for each in restarts if timedelta(0) <= at - each < timedelta(seconds=config.within)]
        assert len(recent) <= limit


def test_before_it_was_restarted_nothing_is_waited_for() -> None:
    assert next_at(UnitRecord(state="unhealthy", since=NOW, looked=NOW), CONFIG) is None


def test_a_clock_that_is_put_back_an_hour_keeps_no_unit_down_for_it_and_lifts_no_limit() -> None:
    looks = walked(["unhealthy"] * 3, CONFIG, 10)
    now, record = looks[-1][0] - timedelta(hours=1), looks[-1][1]
    waited = 0.0
    while len(record.restarts) < CONFIG.limit:
        record = observe(record, "unhealthy", "", now, CONFIG)
        if next_step(record, now, CONFIG) == "restart":
            record = replace(record, restarts=(*record.restarts, now))
        now, waited = now + timedelta(seconds=10), waited + 10
        assert waited < 300, "the unit is left down"
    record = observe(record, "unhealthy", "", now, CONFIG)
    assert next_step(record, now, CONFIG) == "give up"
