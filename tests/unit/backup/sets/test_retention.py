"""Properties of retention, and its calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.sets.model import BackupSet, Status
from lilfox_tui.backup.sets.retention import CLOCKS_APART, judge
from lilfox_tui.config.model import KeepConfig
from lilfox_tui.core.errors import UsageError
from tests.unit.backup.made_sets import NOON, a_set

BERLIN = ZoneInfo("Europe/Berlin")
COUNTS = st.none() | st.integers(1, 40)
STATUSES = list(Status)


@st.composite
def some_sets(draw: st.DrawFn) -> list[BackupSet]:
    hours = draw(st.lists(st.integers(-24 * 400, 24 * 30), max_size=60))
    return [
        a_set(NOON + timedelta(hours=hour), draw(st.sampled_from(STATUSES)), name=f"s{draw(st.integers(0, 999))}-{at}")
        for at, hour in enumerate(hours)
    ]


POLICIES = st.builds(KeepConfig, last=COUNTS, daily=COUNTS, weekly=COUNTS, monthly=COUNTS, days=COUNTS).filter(
    lambda keep: any(msgspec.structs.astuple(keep))
)


def going(sets: list[BackupSet], keep: KeepConfig, now: datetime = NOON) -> set[str]:
    return {verdict.set.id for verdict in judge(sets, keep, now=now, zone=BERLIN) if verdict.goes}


@given(some_sets(), POLICIES)
def test_the_newest_good_set_always_stays(sets: list[BackupSet], keep: KeepConfig) -> None:
    gone = going(sets, keep)
    good = [found for found in sets if found.good and found.created <= NOON + CLOCKS_APART]
    if good:
        newest = max(found.created for found in good)
        assert any(found.id not in gone for found in good if found.created == newest)
    else:
        assert not gone


@given(some_sets(), POLICIES)
def test_each_has_one_verdict_newest_first_with_a_reason(sets: list[BackupSet], keep: KeepConfig) -> None:
    verdicts = judge(sets, keep, now=NOON, zone=BERLIN)
    assert sorted(verdict.set.id for verdict in verdicts) == sorted(found.id for found in sets)
    times = [verdict.set.created for verdict in verdicts]
    assert times == sorted(times, reverse=True)
    assert all(str(verdict.why) for verdict in verdicts)


@given(some_sets(), POLICIES)
def test_what_is_not_good_changes_nothing_for_good_ones(sets: list[BackupSet], keep: KeepConfig) -> None:
    good = [found for found in sets if found.good]
    assert going(sets, keep) & {found.id for found in good} == going(good, keep)


@given(some_sets(), POLICIES)
def test_sets_of_the_future_stay_and_change_nothing(sets: list[BackupSet], keep: KeepConfig) -> None:
    future = {found.id for found in sets if found.created > NOON + CLOCKS_APART}
    present = [found for found in sets if found.id not in future]
    assert going(sets, keep) == going(present, keep)


@given(some_sets(), st.integers(1, 30))
def test_as_many_of_the_last_stay_as_are_asked_for(sets: list[BackupSet], last: int) -> None:
    counted = [found for found in sets if found.good and found.created <= NOON + CLOCKS_APART]
    gone = going(sets, KeepConfig(last=last))
    assert len([found for found in counted if found.id not in gone]) == min(last, len(counted))


@given(some_sets(), POLICIES)
def test_what_stays_would_stay_again(sets: list[BackupSet], keep: KeepConfig) -> None:
    gone = going(sets, keep)
    assert not going([found for found in sets if found.id not in gone], keep)


@given(some_sets(), POLICIES)
def test_names_do_not_matter(sets: list[BackupSet], keep: KeepConfig) -> None:
    distinct = list({found.created: found for found in sets}.values())
    renamed = [msgspec.structs.replace(found, id=f"z{99 - at:02d}") for at, found in enumerate(distinct)]
    before, after = (going(each, keep) for each in (distinct, renamed))
    assert [found.id in before for found in distinct] == [found.id in after for found in renamed]


@pytest.mark.parametrize("keep", [KeepConfig(), KeepConfig(last=0), KeepConfig(last=3, daily=0), KeepConfig(days=-1)])
def test_a_policy_that_keeps_nothing_is_refused(keep: KeepConfig) -> None:
    with pytest.raises(UsageError, match="the retention policy is invalid"):
        judge([a_set(NOON)], keep, now=NOON, zone=BERLIN)


def test_without_a_policy_all_stay() -> None:
    sets = [a_set(NOON - timedelta(days=days)) for days in range(400)]
    assert not [verdict for verdict in judge(sets, None, now=NOON, zone=BERLIN) if verdict.goes]


def test_days_end_at_local_midnight() -> None:
    before = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)  # 23:30 in Berlin
    after = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)  # 00:30 on the next day
    sets = [a_set(before - timedelta(hours=1)), a_set(before), a_set(after)]
    assert going(sets, KeepConfig(daily=2), after) == {sets[0].id}


def test_both_sets_of_an_hour_that_comes_twice_are_of_one_day() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    sets = [a_set(first, name="lilfox_20261025_023000"), a_set(second, name="lilfox_20261025_023000-2")]
    now = second + timedelta(hours=1)
    assert going(sets, KeepConfig(daily=5), now) == {"lilfox_20261025_023000"}
    assert going(sets, KeepConfig(last=1), now) == {"lilfox_20261025_023000"}


def test_weeks_are_those_of_iso_8601() -> None:
    sunday, monday = datetime(2027, 1, 3, 12, tzinfo=UTC), datetime(2027, 1, 4, 12, tzinfo=UTC)
    december = datetime(2026, 12, 31, 12, tzinfo=UTC)  # of the same week as that Sunday: 2026-W53
    sets = [a_set(december), a_set(sunday), a_set(monday)]
    assert going(sets, KeepConfig(weekly=9), monday) == {sets[0].id}
    assert going(sets, KeepConfig(monthly=9), monday) == {sets[1].id}


def test_a_year_of_nights_under_the_usual_policy() -> None:
    sets = [a_set(NOON - timedelta(days=days)) for days in range(400)]
    stay = [
        verdict
        for verdict in judge(sets, KeepConfig(last=3, daily=7, weekly=4, monthly=12), now=NOON, zone=BERLIN)
        if not verdict.goes
    ]
    assert len(stay) == 7 + 2 + 11  # the newest of two weeks and of this month are among the seven days
    assert str(stay[0].why) == "the newest good set"
    assert {str(verdict.why).rpartition(" ")[2] for verdict in stay[-11:]} == {
        "2025-12", *(f"2026-{month:02d}" for month in range(1, 11))
    }  # fmt: skip


def test_a_set_that_is_not_whole_is_not_counted() -> None:
    whole = a_set(NOON - timedelta(days=40))
    assert not going([a_set(NOON, "partial"), whole], KeepConfig(last=1))


def test_what_is_not_good_goes_once_all_good_ones_are_newer() -> None:
    bad = a_set(NOON - timedelta(days=9), "broken")
    between = a_set(NOON - timedelta(days=2), "unverified")
    good = [a_set(NOON - timedelta(days=days)) for days in (1, 3, 5)]
    assert going([bad, between, *good], KeepConfig(last=2)) == {bad.id, good[2].id}


def test_what_is_tagged_stays_and_changes_nothing_for_others() -> None:
    nights = [a_set(NOON - timedelta(days=days)) for days in range(30)]
    tagged = [a_set(NOON - timedelta(days=days, hours=1), tag=f"v{days}") for days in (3, 100, 200)]
    again = a_set(NOON - timedelta(days=4, hours=1), tag="v3")  # another one has that tag now
    unread = a_set(NOON - timedelta(days=40), "unverified")  # older than all good ones that are counted
    every = [*nights, *tagged, again, unread]
    keep = KeepConfig(last=2)
    assert going(every, keep) == {found.id for found in (*nights[2:], again, unread)}
    assert going(every, KeepConfig(last=2, tagged=2)) == going(every, keep) | {tagged[2].id}
    assert {str(verdict.why) for verdict in judge(tagged, keep, now=NOON, zone=UTC)} == {
        "tagged v3", "tagged v100", "tagged v200",
    }  # fmt: skip


def test_a_tagged_set_that_nobody_verified_stays_and_a_broken_one_does_not() -> None:
    nights = [a_set(NOON - timedelta(days=days)) for days in range(3)]
    unverified = a_set(NOON - timedelta(days=90), "unverified", tag="a")
    broken = a_set(NOON - timedelta(days=80), "broken", tag="b")
    assert going([*nights, unverified, broken], KeepConfig(last=3)) == {broken.id}


@pytest.mark.fault("4.36")
def test_a_partial_set_takes_no_place_of_a_whole_one() -> None:
    whole = [a_set(NOON - timedelta(days=10 + days)) for days in range(3)]
    partial = [a_set(NOON - timedelta(days=days), "partial") for days in range(9)]
    assert not going([*partial, *whole], KeepConfig(last=3))
    assert not going([*partial, *whole], KeepConfig(daily=3))
    tagged = [a_set(NOON, "partial", tag="1.4.0"), a_set(NOON - timedelta(days=40), tag="1.4.0")]
    assert not going([*tagged, *whole], KeepConfig(last=3)), "the tag means the whole one"


@pytest.mark.fault("S14")
def test_what_is_not_trusted_stays_for_somebody_to_look_at() -> None:
    strange = [a_set(NOON - timedelta(days=400), "untrusted"), a_set(NOON - timedelta(days=1), "untrusted")]
    assert not going([*strange, a_set(NOON)], KeepConfig(last=1))
