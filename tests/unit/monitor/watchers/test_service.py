"""A service whose health answers well and whose requests fail is not good: on the screen, in JSON, in history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import ServiceConfig, Threshold, Thresholds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.metrics.health import Hysteresis
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import Health, HealthCheck, Level, ServiceState
from lilfox_tui.metrics.traffic import Traffic, series_of_traffic
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.model import Overview, ServiceLimits
from lilfox_tui.monitor.watchers.host import LEVEL, past_service
from lilfox_tui.monitor.watchers.service import ServiceWatch, series_of

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMITS = Thresholds()


def healthy() -> ServiceState:
    return ServiceState("api", "http://h", Level.GOOD, T0, HealthCheck(T0, Health.HEALTHY, 200, 0.01), 0)


def watch(config: ServiceConfig | None = None, state: ServiceState | None = None) -> ServiceWatch:
    made = ServiceWatch("api", config or ServiceConfig(url="http://h"), LIMITS)
    made.take(state or healthy())
    return made


def look(watched: ServiceWatch, percent: float | None, *, requests_s: float = 10.0, times: int = 1) -> Level:
    for turn in range(times):
        at = T0 + timedelta(seconds=5 * turn)
        watched.take_traffic(Traffic(at, 30.0, requests_s=requests_s, server_errors=percent), at)
    assert watched.view().level is watched.level
    return watched.level


@pytest.mark.fault("4.73")
@pytest.mark.parametrize(
    ("percent", "level"),
    [(None, Level.GOOD), (0.0, Level.GOOD), (5.0, Level.GOOD), (5.1, Level.DEGRADED), (20.0, Level.DEGRADED),
     (20.1, Level.FAILING), (94.0, Level.FAILING), (100.0, Level.FAILING)],
)  # fmt: skip
def test_the_share_of_failed_requests_is_judged(percent: float | None, level: Level) -> None:
    watched = watch()
    meanwhile = Level.DEGRADED if level is Level.FAILING else Level.GOOD
    assert look(watched, percent, times=LIMITS.hold - 1) is meanwhile, "one bad moment turns nothing red"
    assert look(watched, percent) is level
    if level is not Level.GOOD:
        (reason,) = watched.view().reasons
        assert f"5xx {'100' if percent == 100 else f'{percent:.1f}'}% >" in str(reason)
    assert look(watched, 0.0) is Level.GOOD, "and it is good again at once"


@pytest.mark.fault("4.73")
def test_what_does_not_count_yet_is_told_beside_its_figure() -> None:
    """A service that has 95.8% errors in its row is not green there."""
    watched = watch()
    assert look(watched, 95.8) is Level.DEGRADED
    assert [str(each) for each in watched.view().reasons] == ["5xx 95.8% > 20% over 30 s in 1 of 3 samples"]
    assert look(watched, 12.0) is Level.GOOD, "it was one moment"


@pytest.mark.fault("4.73")
def test_the_level_of_the_past_agrees_with_the_figures_beside_it() -> None:
    """Its level was recorded with the last answer to its probe, a moment before these requests."""
    watched, history = watch(), History(1, 8)
    history.add("service/api", T0, series_of(healthy()) | {LEVEL: float(Level.GOOD)}, holds_s=10)
    bad = Traffic(T0, 30.0, requests_s=10.0, server_errors=94.0)
    history.add("traffic/api", T0, series_of_traffic(bad), holds_s=10)
    then = past_service("api", watched.config, watched.limits, history, T0)
    assert (then.level, len(then.reasons)) == (Level.DEGRADED, 1)


@pytest.mark.fault("4.73")
def test_one_failed_request_of_one_is_no_share() -> None:
    assert look(watch(), 100.0, requests_s=1 / 30, times=9) is Level.GOOD
    assert look(watch(), 100.0, requests_s=2 / 30, times=9) is Level.FAILING


@pytest.mark.fault("4.73")
def test_the_worse_of_probe_and_requests_counts_with_both_reasons() -> None:
    answer = HealthCheck(T0, Health.UNHEALTHY, 503, 0.01)
    down = watch(state=ServiceState("api", "http://h", Level.FAILING, T0, answer, 3))
    assert look(down, 10.0, times=9) is Level.FAILING
    first, second = down.view().reasons
    assert down.view().lesser == 1
    assert "503" in str(first)
    assert "5xx 10.0%" in str(second)


@pytest.mark.fault("4.73")
def test_since_when_is_since_its_requests_fail() -> None:
    watched = watch()
    look(watched, 94.0, times=9)
    assert watched.view().since == T0 + timedelta(seconds=5 * (LIMITS.hold - 1))


def test_it_is_good_since_its_requests_no_longer_fail() -> None:
    watched = watch()
    look(watched, 94.0, times=9)
    at = T0 + timedelta(minutes=3)
    watched.take_traffic(Traffic(at, 30.0, requests_s=10.0, server_errors=0.0), at)
    assert (watched.view().level, watched.view().since) == (Level.GOOD, at)
    watched.take(healthy())
    assert watched.view().since == at, "its health was good all the time"


def test_a_level_began_with_the_answer_that_decided_it() -> None:
    """It is degraded from the first failure, and not failing before the last of the row."""
    watched, probe = watch(), Hysteresis("api", "http://h", down_after=3, up_after=2)
    found = []
    for at, health in enumerate("+---++"):
        answer = Health.HEALTHY if health == "+" else Health.ERROR
        watched.take(probe.take(HealthCheck(T0 + timedelta(seconds=at), answer, None, 0.01)))
        view = watched.view()
        found.append((view.level, (view.since - T0).total_seconds()))
    good, degraded, failing = Level.GOOD, Level.DEGRADED, Level.FAILING
    assert found == [(good, 0), (degraded, 1), (degraded, 1), (failing, 3), (degraded, 4), (good, 5)]


def test_a_level_for_another_reason_goes_on() -> None:
    watched = watch()
    look(watched, 94.0, times=9)
    began, later = watched.view().since, T0 + timedelta(minutes=3)
    answer = HealthCheck(later, Health.UNHEALTHY, 503, 0.01)
    watched.take(ServiceState("api", "http://h", Level.FAILING, later, answer, 3))
    watched.take_traffic(Traffic(later, 30.0, requests_s=10.0, server_errors=0.0), later)
    assert (watched.view().level, watched.view().since) == (Level.FAILING, began)


@pytest.mark.fault("4.73")
def test_without_a_page_what_failed_is_not_good_and_what_was_good_stays_so() -> None:
    watched = watch()
    look(watched, 94.0, times=9)
    watched.traffic.fail(LilFoxError("no page"), since=T0 + timedelta(seconds=5))
    [reason] = watched.view().reasons
    assert watched.level is Level.DEGRADED
    assert (
        str(reason) == f"5xx 94.0% > 20% over 30 s when its metrics were lost at {T0 + timedelta(seconds=5):%H:%M:%S}"
    )
    assert look(watched, 0.0, times=9) is Level.GOOD
    watched.traffic.fail(LilFoxError("no page"))
    assert watched.view().level is Level.GOOD


@pytest.mark.fault("4.73")
def test_limits_are_those_of_the_service_then_of_all() -> None:
    own = watch(ServiceConfig(url="http://h", server_errors_percent=Threshold(warn=50)))
    assert look(own, 49.0, times=9) is Level.GOOD
    assert look(own, 94.0, times=9) is Level.DEGRADED
    text = "thresholds: {server_errors_percent: {warn: null, fail: 99}}\nservices: {a: {url: 'http://h'}}\n"
    config = from_text(text, "c.yaml")
    lax = ServiceWatch("a", config.services["a"], config.thresholds)
    assert look(lax, 94.0, times=9) is Level.UNKNOWN  # it was not asked for its health yet
    assert look(lax, 99.5, times=9) is Level.FAILING


def test_the_limit_of_an_alert_rule_is_judged_by_and_told() -> None:
    """Its sign, its reason and its chart say the same number."""
    watched = watch()
    assert look(watched, 10.0, times=9) is Level.DEGRADED
    rule = ServiceLimits(Threshold(fail=5), "HighErrorRate")
    watched.take_limits(rule)
    assert watched.level is Level.DEGRADED, "it counts anew against a limit that is another one"
    assert look(watched, 10.0, times=2) is Level.FAILING
    assert (watched.view().limits, [str(each) for each in watched.view().reasons]) == (
        rule,
        ["5xx 10.0% > 5% over 30 s"],
    )
    watched.take_limits(ServiceLimits(watched.configured))
    assert look(watched, 10.0, times=3) is Level.DEGRADED
    assert watched.view().limits.errors == LIMITS.server_errors_percent


@pytest.mark.fault("4.73")
def test_reports_and_series_have_the_same_level() -> None:
    watched = watch()
    look(watched, 94.0, times=9)
    overview = Overview(T0, {}, {"api": watched.view()})
    document = report(overview)
    assert (document["level"], document["services"]["api"]["level"]) == ("failing", "failing")
    assert document["services"]["api"]["reasons"] == ["5xx 94.0% > 20% over 30 s"]
    assert 'lilfox_service_level{service="api"} 3.0\n' in prometheus(overview, {})


@pytest.mark.fault("4.73")
def test_the_past_says_the_same() -> None:
    watched, history = watch(), History(1, 8)
    look(watched, 94.0, times=9)
    at = T0 + timedelta(seconds=40)
    history.add("service/api", at, series_of(healthy()) | {LEVEL: float(watched.level)}, holds_s=10)
    bad = Traffic(at, 30.0, requests_s=10.0, server_errors=94.0)
    history.add("traffic/api", at, series_of_traffic(bad), holds_s=10)
    then = past_service("api", watched.config, watched.limits, history, at)
    told = ["5xx 94.0% > 20% over 30 s"]
    assert (then.level, [str(each) for each in then.reasons]) == (Level.FAILING, told)
