"""What a rewound screen draws comes from history, and what was not recorded is blank."""

from __future__ import annotations

from datetime import timedelta

from lilfox_tui.config.model import Config, HostConfig, Threshold, Thresholds
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import HostSnapshot, Level, Series
from lilfox_tui.metrics.summary import series_of
from lilfox_tui.metrics.traffic import REQUESTS
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers.host import CPU_PERCENT, LEVEL, MEMORY_PERCENT, HostWatch, past_host, recent_before
from tests.unit.monitor.summaries import AT, busy, summary

STEP = timedelta(seconds=2)


def test_the_values_up_to_a_moment_and_none_after_it() -> None:
    history = History()
    for tick in range(60):
        history.add("host/web-1", AT + STEP * tick, {CPU_PERCENT: tick, MEMORY_PERCENT: 100 - tick})
        history.add("traffic/api", AT + STEP * tick, {REQUESTS: tick / 100})
    recent = recent_before(history, ["web-1"], ["api"], AT + STEP * 30, step=STEP, count=4)
    assert recent["web-1/cpu"] == [27, 28, 29, 30]
    assert recent["web-1/memory"] == [73, 72, 71, 70]
    assert [round(value or 0, 2) for value in recent["traffic/api"]] == [0.27, 0.28, 0.29, 0.30]


def test_a_gap_is_blank_also_for_a_host_that_was_never_seen() -> None:
    history = History()
    for tick in (*range(10), *range(40, 50)):
        history.add("host/web-1", AT + STEP * tick, {CPU_PERCENT: 50})
    recent = recent_before(history, ["web-1", "new-1"], [], AT + STEP * 41, step=STEP, count=8)
    assert recent["web-1/cpu"] == [None] * 6 + [50, 50]
    assert recent["web-1/memory"] == recent["new-1/cpu"] == [None] * 8


def test_what_is_asked_twice_a_minute_is_known_in_between() -> None:
    monitor = Monitor(Config(refresh=Seconds(30), hosts={"here": HostConfig(local=True)}))
    monitor.prime()
    first = monitor.overview.value
    assert first is not None
    assert monitor.overview_at(first.at + timedelta(seconds=29)).hosts["here"].summary is not None
    assert monitor.overview_at(first.at + timedelta(seconds=90)).hosts["here"].summary is None


# One watched host: what is said of it while its samples fail.


def test_a_host_that_is_asked_again_by_itself_says_when() -> None:
    watch = HostWatch("slow", HostConfig(), Thresholds(), period_s=1)
    again = AT + timedelta(seconds=1)
    watch.fail(HostUnreachable("slow", tr("no answer")), AT, again)
    link = watch.view(AT).link
    assert isinstance(link, Unavailable)
    assert link.next_try == again


def test_a_host_is_judged_by_the_limit_of_an_alert_rule_and_says_it() -> None:
    loads = {Series(name): 40.0 for name in ("load1", "load5", "load15")}
    memory = {Series("memory_total_bytes"): 100.0, Series("memory_available_bytes"): 10.0}
    gauges = {**memory, **loads, Series("cpu_count"): 4.0}
    watch, lax = HostWatch("web-1", HostConfig(), Thresholds(hold=2), period_s=1), Threshold(fail=95)
    for _turn in range(2):
        watch.take(HostSnapshot(host="web-1", at=AT, interval_s=1.0, gauges=gauges, rates={}))
    watch.judge(AT)
    said = [str(each) for each in watch.view(AT).reasons]
    assert ("memory 90% > 85%" in said, "load per core 10.0 > 5" in said) == (True, True)
    thresholds = Thresholds(hold=2, memory_percent=lax)
    watch.take_thresholds(thresholds)
    said = [str(each) for each in watch.view(AT).reasons]
    assert not any("memory" in each for each in said)
    assert "load per core 10.0 > 5" in said, "what has the same limit as before is still held"
    assert watch.view(AT).thresholds == thresholds
    watch.take_thresholds(Thresholds(hold=2, memory_percent=Threshold(fail=70)))
    assert not any("memory" in str(each) for each in watch.view(AT).reasons), "it counts anew"
    watch.take(HostSnapshot(host="web-1", at=AT, interval_s=1.0, gauges=gauges, rates={}))
    assert "memory 90% > 70%" in [str(each) for each in watch.view(AT).reasons]


def test_the_reasons_of_a_past_level_are_those_of_its_limit() -> None:
    values = dict(series_of(summary(cpu=busy(98))))
    view = past_host("web-1", HostConfig(), Thresholds(), {**values, LEVEL: float(Level.DEGRADED)}, AT)
    assert (view.level, [str(each) for each in view.reasons]) == (Level.DEGRADED, ["cpu 98% > 80%"])
    view = past_host("web-1", HostConfig(), Thresholds(), values, AT)
    assert (view.level, [str(each) for each in view.reasons]) == (Level.FAILING, ["cpu 98% > 95%"])
