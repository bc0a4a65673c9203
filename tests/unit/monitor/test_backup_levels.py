"""How well a plan is, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.backup_levels import backups_at, plan_view
from lilfox_tui.monitor.model import Backups, EarlierSet, PlanView
from tests.app.backups_made import NOW, PLAN, job, made_set, old_set, plan

HOURS = timedelta(hours=1)
GONE = Unavailable(HostUnreachable("nas-1", "no route"), NOW - timedelta(seconds=70), NOW)


def judged(*sets: BackupSet, **changes: Any) -> PlanView:
    """The plan ``lilfox``, whose run is due at 02:00 and whose store holds ``sets``; NOW is 03:12:44."""
    known: dict[str, Any] = {
        "where": "/backup",
        "config": PLAN,
        "copy": False,
        "sets": sets,
        "read_at": NOW,
        "outage": None,
        "failures": 0,
        "made": (),
        "jobs": (),
        "now": NOW,
        "zone": UTC,
        "known_since": NOW - HOURS,
    }
    return plan_view("lilfox", "disk", **{**known, **changes})


@pytest.mark.parametrize("status", ["intact", "restored"])
def test_a_good_set_of_this_night_is_well(status: Any) -> None:
    view = judged(made_set(HOURS, status, took_s=41.0))
    assert (view.level, view.reasons, view.late) == (Level.GOOD, (), None)
    assert view.rto_s == 41.0
    assert view.next_run == NOW.replace(hour=2, minute=0, second=0) + timedelta(days=1)


def test_a_night_without_a_good_set_is_late() -> None:
    view = judged(made_set(26 * HOURS, "intact"))
    assert view.level is Level.FAILING
    assert view.late is not None
    assert view.since == view.late.due == NOW.replace(hour=2, minute=0, second=0)
    assert "late" in str(view.reasons[0])


def test_within_its_grace_a_plan_is_not_late() -> None:
    patient = PlanConfig(sources={}, store="disk", schedule="0 2 * * *", late_after=7200.0)  # type: ignore[arg-type]
    assert judged(made_set(25 * HOURS, "intact"), config=patient).level is Level.GOOD


def test_the_newest_set_is_broken() -> None:
    unscheduled = PlanConfig(sources={}, store="disk")
    view = judged(made_set(HOURS, "broken", reason="cut"), made_set(25 * HOURS, "restored"), config=unscheduled)
    assert view.level is Level.FAILING
    assert "cut" in str(view.reasons[0])


@pytest.mark.parametrize(("schedule", "level"), [("0 2 * * *", Level.DEGRADED), (None, Level.UNKNOWN)])
def test_a_plan_that_never_ran(schedule: str | None, level: Level) -> None:
    view = judged(old_set(HOURS), config=PlanConfig(sources={}, store="disk", schedule=schedule))
    assert view.level is level
    assert view.sets is not None
    assert len(view.sets) == 1, "sets of the manual's scripts are shown, but are none of the plan's"


def test_a_plan_without_a_set_is_late_once_a_run_was_due_since_it_is_known() -> None:
    due = NOW.replace(hour=2, minute=0, second=0)
    view = judged(known_since=due - timedelta(minutes=1))
    assert view.level is Level.FAILING
    assert view.late is not None
    assert (view.late.due, view.late.newest) == (due, None)
    assert [str(reason) for reason in view.reasons] == ["late: due 1 h 12 min ago, and there is no good set"]
    for known_since in (due + timedelta(minutes=1), None):
        assert (judged(known_since=known_since).level, judged(known_since=known_since).late) == (Level.DEGRADED, None)
    assert judged(known_since=due - 24 * HOURS, copy=True).late is None


def test_a_set_without_one_of_its_sources() -> None:
    unscheduled = PlanConfig(sources={}, store="disk")
    view = judged(made_set(HOURS, "intact", missing={"uploads": "no such folder"}), config=unscheduled)
    assert view.level is Level.DEGRADED
    assert "uploads" in str(view.reasons[0])


def test_nobody_verified_it() -> None:
    view = judged(made_set(HOURS, "unverified"), config=PlanConfig(sources={}, store="disk"))
    assert view.level is Level.DEGRADED


def test_a_run_that_failed_since() -> None:
    unscheduled = PlanConfig(sources={}, store="disk")
    failed = job(state="failed", message="disk full", ended=NOW)
    view = judged(made_set(HOURS, "intact"), config=unscheduled, jobs=(failed,))
    assert view.level is Level.DEGRADED
    assert view.last == failed
    before = job(state="failed", message="disk full", started=NOW - 2 * HOURS, ended=NOW)
    assert judged(made_set(HOURS, "intact"), config=unscheduled, jobs=(before,)).level is Level.GOOD
    other = job(state="failed", message="disk full", key="backup other", ended=NOW)
    assert judged(made_set(HOURS, "intact"), config=unscheduled, jobs=(other,)).last is None


def test_what_a_run_left_is_not_missed_before_it_was_read() -> None:
    """Between the end of a run and the next look nobody knows that there is no set: the run has just written one."""
    ended = job(state="ok", message="written and verified", started=NOW - HOURS, ended=NOW)
    before, after = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    due = NOW.replace(hour=2, minute=0, second=0)
    behind = judged(jobs=(ended,), read_at=before)
    assert (behind.behind, behind.level) == (True, Level.DEGRADED)
    assert [str(why) for why in behind.reasons] == ["the sets are being read again"]
    late = judged(made_set(26 * HOURS, "intact"), jobs=(ended,), read_at=before, known_since=due - HOURS)
    assert (late.level, [str(why) for why in late.reasons]) == (
        Level.FAILING,
        ["it was late; the sets are being read again"],
    )
    read = judged(jobs=(ended,), read_at=after)
    assert (read.behind, [str(why) for why in read.reasons]) == (False, ["there is no backup yet"])
    assert not judged(jobs=(ended,), read_at=before, outage=GONE, failures=1).behind, "the outage is told"
    assert not judged(jobs=(job(),), read_at=before).behind, "it runs"
    newer = made_set(timedelta(minutes=30), "intact")
    older = made_set(26 * HOURS, "intact")
    for read_at, level in ((before, Level.GOOD), (after, Level.DEGRADED)):
        copy = judged(older, copy=True, made=[newer, older], jobs=(ended,), read_at=read_at)
        assert copy.level is level, "the newest set may have been copied since"


def test_a_store_that_is_gone() -> None:
    once = judged(made_set(HOURS, "intact"), outage=GONE, failures=1)
    assert once.level is Level.DEGRADED, "it was read a moment ago"
    assert judged(made_set(HOURS, "intact"), outage=GONE, failures=2).level is Level.FAILING
    never = judged(sets=None, outage=GONE, failures=1)
    assert never.level is Level.FAILING
    assert never.since == GONE.since, "not since it was judged anew"
    assert "no route" in str(never.reasons[0])
    empty = judged(outage=GONE, failures=1, known_since=NOW)
    assert [str(why) for why in empty.reasons] == ["its store cannot be read: no route"], "there may be a backup"


def test_nothing_is_known_before_the_first_look() -> None:
    view = judged(sets=None)
    assert (view.level, view.sets, view.late) == (Level.UNKNOWN, None, None)


def test_a_copy_is_held_against_what_was_made() -> None:
    tonight, before = made_set(HOURS, "intact"), made_set(25 * HOURS, "intact")
    assert judged(tonight, before, copy=True, made=(tonight, before)).level is Level.GOOD
    behind = judged(before, copy=True, made=(tonight, before))
    assert behind.level is Level.DEGRADED
    assert tonight.id in str(behind.reasons[0])
    assert (behind.late, behind.next_run) == (None, None)


def test_a_store_without_a_plan_shows_all_and_judges_nothing() -> None:
    view = judged(made_set(HOURS, "broken", reason="cut"), old_set(HOURS), config=None)
    assert view.level is Level.GOOD
    assert view.sets is not None
    assert len(view.sets) == 2


# ---- as it was -------------------------------------------------------------------------------------------------------


def sets_at(backups: Backups, at: datetime) -> list[tuple[str, str]]:
    shown = backups_at(backups, at, UTC).plans["lilfox", "disk"].sets
    return [(found.id[-15:-7], found.status) for found in shown or ()]


def test_the_sets_of_an_earlier_time_are_those_that_were_finished_then() -> None:
    hour = timedelta(hours=1, minutes=12, seconds=44)
    sets = (made_set(hour, "restored", took_s=41.0), made_set(hour + timedelta(days=1), "intact"))
    backups = Backups({("lilfox", "disk"): plan("lilfox", sets)}, jobs=(job(state="ok", ended=NOW), job()))
    begun = sets[0].created
    assert sets_at(backups, NOW) == [("20260329", "restored"), ("20260328", "intact")]
    assert sets_at(backups, begun + timedelta(seconds=93)) == [("20260328", "intact")], "it was being made"
    assert sets_at(backups, begun + timedelta(seconds=100))[0] == ("20260329", "unverified"), "not proven yet"
    assert backups_at(backups, NOW, UTC).running == ()
    assert len(backups_at(backups, NOW, UTC).jobs or ()) == 1
    assert backups_at(backups, NOW - timedelta(seconds=1), UTC).jobs == ()


def test_a_set_that_was_removed_or_proven_since_is_what_it_was() -> None:
    day = timedelta(days=1)
    now, then = made_set(1 * day, "restored", took_s=41.0), made_set(1 * day, "intact")
    gone = made_set(3 * day, "intact")
    earlier = (
        EarlierSet("disk", then, NOW - timedelta(hours=2)),
        EarlierSet("disk", gone, NOW - timedelta(hours=1)),
        EarlierSet("nas", made_set(5 * day, "intact"), NOW),
        EarlierSet("disk", made_set(5 * day, "intact", plan="archive"), NOW),
    )
    backups = Backups({("lilfox", "disk"): plan("lilfox", (now,))}, jobs=(), earlier=earlier)
    assert sets_at(backups, NOW) == [("20260328", "restored")]
    assert [status for _id, status in sets_at(backups, NOW - timedelta(hours=1, minutes=30))] == ["restored", "intact"]
    assert [status for _id, status in sets_at(backups, NOW - timedelta(hours=3))] == ["intact", "intact"]


def test_a_restore_that_was_begun_later_was_not_interrupted_then() -> None:
    half = InterruptedRestore(restored=Restored(run="r", set="s", at=NOW, stage="swapping", swaps=()), sides=())
    backups = Backups({}, interrupted_restores=(half,))
    for at, count in ((NOW, 1), (NOW - timedelta(seconds=1), 0)):
        assert len(backups_at(backups, at, UTC).interrupted_restores) == count


def test_a_plan_was_as_well_as_its_sets_were() -> None:
    at = NOW - timedelta(hours=20)
    late = plan("lilfox", (made_set(timedelta(days=3), "intact"),))
    view = backups_at(Backups({late.key: late}, jobs=()), at, UTC).plans[late.key]
    assert view.level is Level.FAILING
    assert view.late is not None
    assert backups_at(Backups({late.key: late}, jobs=()), at - timedelta(days=5), UTC).count(Level.FAILING) == 0
    never_read = plan("lilfox", None)
    assert backups_at(Backups({never_read.key: never_read}), at, UTC).plans[never_read.key].sets is None
