"""From numbers and links to levels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lilfox_tui.config.model import Thresholds
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import AuthRefused, HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Link
from lilfox_tui.metrics.model import Health, HealthCheck, HostSummary, Level, ServiceState
from lilfox_tui.monitor.levels import Judgement, judge, judge_service, judge_values, streaks
from tests.unit.monitor.summaries import AT, busy, mount, summary

UP: State[Link] = Ready(Link(AT, "SSH"), AT)


def at_once(found: HostSummary) -> Judgement:
    limits = Thresholds()
    return judge_values(found, limits, streaks(found, limits, {}), hold=1)


def texts(judgement: Judgement) -> list[str]:
    return [str(reason) for reason in judgement.reasons]


def test_a_good_host_has_no_reasons() -> None:
    assert at_once(summary()) == Judgement(Level.GOOD)


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"cpu": busy(93)}, Level.DEGRADED, "cpu 93% > 80%"),
        ({"cpu": busy(80.2)}, Level.DEGRADED, "cpu 80.2% > 80%"),
        ({"memory_percent": 85.0004}, Level.DEGRADED, "memory 85.0004% > 85%"),
        ({"cpu": busy(99)}, Level.FAILING, "cpu 99% > 95%"),
        ({"filesystems": (mount("/var", 97),)}, Level.FAILING, "disk /var 97% > 95%"),
        ({"filesystems": (mount("/v", 1, inode_percent=99.0),)}, Level.FAILING, "inodes of /v 99% > 95%"),
        ({"memory_percent": 90.0}, Level.DEGRADED, "memory 90% > 85%"),
        ({"load": (5.0, 1.0, 1.0)}, Level.DEGRADED, "load per core 2.5 > 2"),
        ({"failed_units": ("a.service", "b.service")}, Level.DEGRADED, "failed units: 2 (a.service, b.service)"),
        ({"clock_offset_s": -40.0}, Level.FAILING, "clock off by 40.0 s > 30 s"),
    ],
)
def test_each_value_above_its_limit_is_a_reason(changes: dict[str, Any], level: Level, text: str) -> None:
    judgement = at_once(summary(**changes))
    assert judgement.level is level
    assert texts(judgement) == [text]


def test_what_only_degrades_is_told_behind_what_fails() -> None:
    found = at_once(summary(cpu=busy(99), memory_percent=90.0))
    assert (found.level, found.lesser) == (Level.FAILING, 1)
    assert texts(found) == ["cpu 99% > 95%", "memory 90% > 85%"]
    limits, late = Thresholds(), AT + timedelta(seconds=30)
    seen = summary(cpu=busy(99), memory_percent=90.0)
    old = judge(seen, UP, limits, streaks(seen, limits, {}), now=late, period_s=1, hold=1)
    assert (old.level, old.lesser) == (Level.FAILING, 2)
    assert [text.split(" ")[0] for text in texts(old)] == ["cpu", "no", "memory"]
    assert at_once(summary(memory_percent=90.0)).lesser == 0


@pytest.mark.parametrize(
    ("login_s", "old", "level", "text"),
    [
        (0.4, False, Level.UNKNOWN, "no sample yet"),
        (8.2, False, Level.UNKNOWN, "logging in for 8 s: the login shell's start-up files have not finished"),
        (8.2, True, Level.DEGRADED,
         "no sample for 1 min: logging in for 8 s: the login shell's start-up files have not finished"),
    ],
)  # fmt: skip
def test_a_login_that_takes_long_is_why_there_is_no_sample(login_s: float, old: bool, level: Level, text: str) -> None:
    now = AT + timedelta(minutes=1)
    link: State[Link] = Ready(Link(AT, "SSH", login_since=now - timedelta(seconds=login_s)), AT)
    judgement = judge(summary() if old else None, link, Thresholds(), {}, now=now, period_s=1, why="not this")
    assert judgement.level is level
    assert texts(judgement) == [text]


def test_what_is_unknown_and_what_is_read_only_does_not_count() -> None:
    unknown = summary(cpu=None, memory_percent=None, swap_percent=None, load=None, failed_units=None)
    assert at_once(unknown).level is Level.GOOD
    assert at_once(summary(filesystems=(mount("/snap", 100, read_only=True),))).level is Level.GOOD


def test_a_host_whose_numbers_cannot_be_read_is_not_good() -> None:
    problems = {kind: tr("{kind} is gone", kind=kind) for kind in ("cpu", "memory", "filesystems", "pressure")}
    blind = summary(cpu=None, memory_percent=None, filesystems=(), problems=problems)
    assert at_once(blind).level is Level.DEGRADED
    assert texts(at_once(blind)) == ["cpu is gone", "memory is gone", "filesystems is gone"]
    assert at_once(summary(problems=problems)).level is Level.GOOD, "a bad line beside good ones hides nothing"


def test_a_clock_within_the_error_of_its_measurement_is_right() -> None:
    assert at_once(summary(clock_offset_s=1.4, clock_error_s=0.5)).level is Level.GOOD
    assert at_once(summary(clock_offset_s=1.6, clock_error_s=0.5)).level is Level.DEGRADED


def test_a_limit_counts_after_so_many_samples_in_a_row() -> None:
    limits, high = Thresholds(hold=3), summary(cpu=busy(99))
    held: dict[str, tuple[int, int]] = {}
    levels = []
    for found in (high, high, summary(), high, high, high, summary(cpu=busy(85)), summary()):
        held = streaks(found, limits, held)
        levels.append(judge_values(found, limits, held).level)
    good, degraded, failing = Level.GOOD, Level.DEGRADED, Level.FAILING
    assert levels == [good, good, good, good, good, failing, degraded, good]


def test_a_value_above_the_worse_limit_says_that_it_does_not_count_yet() -> None:
    limits = Thresholds(hold=3)
    held: dict[str, tuple[int, int]] = {}
    told = []
    for found in (*[summary(cpu=busy(85))] * 3, *[summary(cpu=busy(97))] * 3, summary(cpu=busy(85))):
        held = streaks(found, limits, held)
        judgement = judge_values(found, limits, held)
        told.append((judgement.level, texts(judgement)))
    assert told[2:] == [
        (Level.DEGRADED, ["cpu 85% > 80%"]),
        (Level.DEGRADED, ["cpu 97% > 95% in 1 of 3 samples"]),
        (Level.DEGRADED, ["cpu 97% > 95% in 2 of 3 samples"]),
        (Level.FAILING, ["cpu 97% > 95%"]),
        (Level.DEGRADED, ["cpu 85% > 80%"]),
    ]


def test_a_level_that_is_not_in_force_gives_no_reason() -> None:
    limits, found = Thresholds(), summary(cpu=busy(98))
    held = streaks(found, limits, {})
    assert texts(judge_values(found, limits, held, hold=1)) == ["cpu 98% > 95%"]
    told = judge_values(found, limits, held, hold=1, at_most=Level.DEGRADED)
    assert (told.level, texts(told)) == (Level.DEGRADED, ["cpu 98% > 80%"])


def test_the_worst_reason_is_first() -> None:
    found = at_once(summary(memory_percent=90.0, cpu=busy(99), filesystems=(mount("/a", 90), mount("/b", 96))))
    assert found.level is Level.FAILING
    assert texts(found) == ["disk /b 96% > 95%", "cpu 99% > 95%", "disk /a 90% > 85%", "memory 90% > 85%"]


def test_a_host_that_was_never_seen_is_unknown() -> None:
    judgement = judge(None, Pending(), Thresholds(), {}, now=AT, period_s=2)
    assert (judgement.level, texts(judgement)) == (Level.UNKNOWN, ["not connected yet"])


def test_a_lost_link_degrades_then_fails_with_the_age_and_the_reason() -> None:
    link = Unavailable(HostUnreachable("web-1", tr("connection lost"), tr("look at it")), AT)
    soon = judge(summary(), link, Thresholds(), {}, now=AT + timedelta(seconds=4), period_s=2)
    assert (soon.level, texts(soon)) == (Level.DEGRADED, ["lost for 4 s: connection lost", "look at it"])
    late = judge(summary(), link, Thresholds(), {}, now=AT + timedelta(seconds=14), period_s=2)
    assert (late.level, texts(late)) == (Level.FAILING, ["no sample for 14 s: connection lost", "look at it"])


def test_a_host_that_refuses_us_from_the_start_is_failing_with_what_to_do() -> None:
    link = Unavailable(AuthRefused("web-1", tr("refused all keys"), tr("add one")), AT)
    judgement = judge(None, link, Thresholds(), {}, now=AT, period_s=2)
    assert (judgement.level, texts(judgement)) == (Level.FAILING, ["refused all keys", "add one"])


def test_a_connected_host_without_new_samples_is_stale() -> None:
    judgement = judge(summary(), UP, Thresholds(), {}, now=AT + timedelta(seconds=7), period_s=2)
    assert (judgement.level, texts(judgement)) == (Level.DEGRADED, ["no sample for 7 s"])
    told = judge(summary(), UP, Thresholds(), {}, now=AT + timedelta(seconds=7), period_s=2, why=tr("too slow"))
    assert texts(told) == ["no sample for 7 s: too slow"]


def test_a_service_says_its_last_answer() -> None:
    assert judge_service(None).level is Level.UNKNOWN
    check = HealthCheck(AT, Health.UNHEALTHY, 503, 0.01)
    bad = judge_service(ServiceState("backend", "http://h:1", Level.FAILING, AT, check, 3))
    assert (bad.level, texts(bad)) == (Level.FAILING, ["http://h:1 returns 503"])
    good = HealthCheck(AT, Health.HEALTHY, 200, 0.01)
    assert judge_service(ServiceState("backend", "http://h:1", Level.GOOD, AT, good, 0)) == Judgement(Level.GOOD)
    back = judge_service(ServiceState("backend", "http://h:1", Level.DEGRADED, AT, good, 0))
    assert (back.level, texts(back)) == (Level.DEGRADED, ["responding again, but not yet stable"])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1.5, "slow: response time 1.5 s, limit 1 s"), (1.0, "was slow, responds in 1 s again, but is not yet stable"),
     (0.398, "was slow, responds in 398 ms again, but is not yet stable")],
)  # fmt: skip
def test_a_service_is_called_slow_only_beside_a_response_time_above_the_limit(seconds: float, told: str) -> None:
    """It stays degraded until several answers in a row were fast."""
    last = HealthCheck(AT, Health.HEALTHY, 200, seconds)
    judged = judge_service(ServiceState("backend", "http://h:1", Level.DEGRADED, AT, last, 0, 1.0))
    assert (judged.level, texts(judged)) == (Level.DEGRADED, [told])
