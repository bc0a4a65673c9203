"""When cron begins a plan; DST as cron(8) of Debian has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.backup.plan import BackupRequest, LatePlan, last_due, late, next_due, request_of, undo_command
from lilfox_tui.config.cron import read_cron
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.paths import config_file
from tests.unit.backup.made_sets import NOON, a_set

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("0 2 * * *", "2026-11-25T01:59:59", "2026-11-25T02:00"),
        ("0 2 * * *", "2026-11-25T02:00", "2026-11-26T02:00"),
        ("@daily", "2026-11-25T02:00", "2026-11-26T00:00"),
        ("@hourly", "2026-11-25T02:00", "2026-11-25T03:00"),
        ("@weekly", "2026-11-25T02:00", "2026-11-29T00:00"),
        ("@monthly", "2026-11-25T02:00", "2026-12-01T00:00"),
        ("@yearly", "2026-11-25T02:00", "2027-01-01T00:00"),
        ("*/15 8-18 * * mon-fri", "2026-11-27T18:45", "2026-11-30T08:00"),
        ("5,35 */6 * * *", "2026-11-25T06:05", "2026-11-25T06:35"),
        ("0 3 13 * fri", "2026-11-25T00:00", "2026-11-27T03:00"),  # one of the two days is enough
        ("0 3 13 * */5", "2026-11-25T00:00", "2026-12-13T03:00"),  # begins with *: both; a Sunday or a Friday
        ("0 3 */2 * fri", "2026-11-25T00:00", "2026-11-27T03:00"),
        ("0 3 * * 7", "2026-11-25T00:00", "2026-11-29T03:00"),
        ("0 0 29 2 *", "2026-11-25T00:00", "2028-02-29T00:00"),
        ("0 0 29 FEB *", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("0 0 1-7/3 jan,Jul *", "2026-11-25T00:00", "2027-01-01T00:00"),
    ],
)
def test_the_next_time(schedule: str, after: str, due: str) -> None:
    assert next_due(schedule, at(after), BERLIN) == at(due)


def test_a_fixed_time_that_a_clock_is_put_forward_over_comes_right_after() -> None:
    before = at("2026-03-28T12:00")
    assert next_due("30 2 * * *", before, BERLIN) == at("2026-03-29T03:00")
    assert next_due("15,45 2 * * *", before, BERLIN) == at("2026-03-29T03:00")
    assert next_due("15,45 2 * * *", at("2026-03-29T03:00"), BERLIN) == at("2026-03-30T02:15")
    assert last_due("30 2 * * *", at("2026-03-29T03:00"), BERLIN) == at("2026-03-29T03:00")
    assert next_due("0 12 30 12 *", at("2011-12-29T13:00", APIA), APIA) == at("2011-12-31T00:00", APIA)


def test_a_fixed_time_that_comes_twice_is_run_once() -> None:
    first, second = (at("2026-10-25T02:30", fold=fold) for fold in (0, 1))
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    assert next_due("30 2 * * *", at("2026-10-24T12:00"), BERLIN) == first.astimezone(UTC)
    assert next_due("30 2 * * *", first, BERLIN) == at("2026-10-26T02:30")
    assert last_due("30 2 * * *", second, BERLIN) == first.astimezone(UTC)


def test_other_times_follow_the_hands() -> None:
    due = at("2026-10-25T01:30").astimezone(UTC)
    seen = []
    for _ in range(4):
        due = next_due("30 * * * *", due, BERLIN)
        seen.append(due.astimezone(BERLIN).strftime("%H:%M%z"))
    assert seen == ["02:30+0200", "02:30+0100", "03:30+0100", "04:30+0100"]
    assert next_due("30 * * * *", at("2026-03-29T01:30"), BERLIN) == at("2026-03-29T03:30")
    assert next_due("*/30 2 * * *", at("2026-03-28T12:00"), BERLIN) == at("2026-03-30T02:00")


@pytest.mark.parametrize(
    ("schedule", "says", "hint"),
    [
        ("", "0 fields, but cron needs five", "write minute, hour, "),
        ("0 2 * *", "4 fields", ""),
        ("0 2 * * * root", "6 fields", ""),
        (
            "60 2 * * *",
            "“60” is not a valid minute",
            "use a value from 0 to 59, a range, a comma-separated list, * or",
        ),
        ("0 24 * * *", "“24” is not a valid hour", ""),
        ("0 0 0 * *", "“0” is not a valid day of the month", ""),
        (
            "0 0 * 13 *",
            "“13” is not a valid month",
            "use a value from 1 to 12 (jan-dec), a range, a comma-separated list",
        ),
        ("0 0 * * 8", "“8” is not a valid day of the week", ""),
        ("0 0 * * monday", "“monday” is not a valid day of the week", ""),
        ("0 0 * foo *", "“foo” is not a valid month", ""),
        ("0 0 L * *", "“L” is not a valid day of the month", ""),
        ("0 0 ? * 1", "“?” is not a valid day of the month", ""),
        ("-5 0 * * *", "“-5” is not a valid minute", ""),
        ("1, 0 * * *", "“” is not a valid minute", ""),
        ("1.5 0 * * *", "“1.5” is not a valid minute", ""),
        ("٣ 0 * * *", "“٣” is not a valid minute", ""),
        ("30-10 0 * * *", "“30-10” ends before it begins", "write 30-59,0-10"),
        ("0 0 * * sat-sun", "“sat-sun” ends before it begins", ""),
        ("*/0 * * * *", "invalid step 0 in “*/0”", "use a step from 1 to 59"),
        ("*/x * * * *", "“*/x” is not a valid minute", ""),
        ("5/10 * * * *", "cron reads “5/10” as 5 only", "write 5-59/10"),
        ("0 0 31 2,4 *", "this date never occurs", "none of these months has 31 days"),
        ("@reboot", "@reboot does not specify a time", "write five fields"),
        ("@Daily", "unknown cron keyword @Daily", "one of: @annually"),
        ("1" * 600 + " * * * *", "the schedule has 608 characters; at most 500", "write ranges and steps"),
    ],
)
def test_what_cron_refuses_is_refused(schedule: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        next_due(schedule, NOON, BERLIN)
    assert str(caught.value.message).startswith(says)
    assert str(caught.value.hint).startswith(hint)


NUMBERS = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 7)]


@st.composite
def schedules(draw: st.DrawFn) -> str:
    fields = []
    for low, high in NUMBERS:
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        fields.append(
            draw(st.sampled_from(["*", f"*/{max(1, first)}", f"{first}", f"{first}-{last}", f"{first},{last}"]))
        )
    return " ".join(fields)


@settings(deadline=None)
@given(schedules(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001  as hypothesis wants
def test_next_and_last_meet(schedule: str, moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    coming = next_due(schedule, now, BERLIN)
    assert coming > now
    assert last_due(schedule, coming, BERLIN) == coming
    assert last_due(schedule, coming - timedelta(seconds=1), BERLIN) <= now
    gone = last_due(schedule, now, BERLIN)
    assert gone <= now
    assert next_due(schedule, gone, BERLIN) == coming


@settings(deadline=None)
@given(schedules(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001  as hypothesis wants
def test_in_utc_it_is_the_first_minute_that_fits(schedule: str, moment: datetime) -> None:
    cron, minute = read_cron(schedule), moment.replace(tzinfo=UTC, second=0, microsecond=0)
    end = minute + timedelta(days=3)
    while (minute := minute + timedelta(minutes=1)) < end:
        if minute.minute in cron.minutes and minute.hour in cron.hours and cron.on(minute.date()):
            assert next_due(schedule, moment.replace(tzinfo=UTC), ZoneInfo("UTC")) == minute
            return
    assert next_due(schedule, moment.replace(tzinfo=UTC), ZoneInfo("UTC")) >= end


PLAN = PlanConfig(sources={}, store="s", schedule="0 2 * * *")


def test_a_plan_is_late_an_hour_after_it_was_due() -> None:
    yesterday = a_set(at("2026-11-24T02:00:01").astimezone(UTC))
    due = at("2026-11-25T02:00")
    assert late(PLAN, [yesterday], due + timedelta(minutes=59), BERLIN) is None
    assert late(PLAN, [yesterday], due + timedelta(minutes=60), BERLIN) == LatePlan(due, yesterday.created)
    assert late(PLAN, [yesterday, a_set(due)], due + timedelta(minutes=60), BERLIN) is None
    assert late(PLAN, [yesterday, a_set(due - timedelta(seconds=20))], due + timedelta(hours=2), BERLIN) is None
    assert late(PLAN, [], due + timedelta(hours=2), BERLIN) == LatePlan(due, None)


def test_what_is_not_good_or_of_the_future_does_not_help() -> None:
    due = at("2026-11-25T02:00")
    now = due + timedelta(hours=2)
    for other in (a_set(due, "broken"), a_set(due, "unverified"), a_set(datetime(2099, 1, 1, tzinfo=UTC))):
        assert late(PLAN, [other], now, BERLIN) == LatePlan(due, None)


def test_a_plan_may_say_when_it_is_late_and_has_no_due_time_without_a_schedule() -> None:
    plan = PlanConfig(sources={}, store="s", schedule="0 2 * * *", late_after=Seconds(6 * 3600))
    assert late(plan, [], at("2026-11-25T07:59"), BERLIN) == LatePlan(at("2026-11-24T02:00"), None)
    assert late(PlanConfig(sources={}, store="s"), [], NOON, BERLIN) is None


def test_the_command_that_undoes_a_restore_names_a_configuration_that_is_not_the_usual_one() -> None:
    assert undo_command("lilfox_1", None) == "lilfox restore --undo lilfox_1"
    assert undo_command("lilfox_1", str(config_file())) == "lilfox restore --undo lilfox_1"
    assert undo_command("lilfox_1", "/tmp/a b.yaml") == "lilfox --config '/tmp/a b.yaml' restore --undo lilfox_1"


@pytest.mark.parametrize(
    ("request_", "title"),
    [
        (BackupRequest(set="shop_1"), "finish the interrupted restore or undo: shop_1"),
        (BackupRequest(set="shop_1", finish=False), "revert the interrupted restore or undo: shop_1"),
        (BackupRequest(set="shop_1", aside=True), "set aside the interrupted restore or undo: shop_1"),
        (BackupRequest(), "finish the interrupted restore or undo: the only one"),
    ],
)
def test_the_title_of_settling_is_true_of_an_undo_too(request_: BackupRequest, title: str) -> None:
    assert request_of("settle", request_).title == title


@pytest.mark.parametrize(
    ("name", "title"),
    [("shop_1", "undo the restore of shop_1"), ("latest", "undo the last restore"), ("", "undo the last restore")],
)
def test_an_undo_without_a_set_is_of_the_last_restore_and_not_of_the_newest_set(name: str, title: str) -> None:
    assert request_of("undo", BackupRequest(set=name)).title == title
