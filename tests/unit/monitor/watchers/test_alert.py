"""Alerts of a time that is past."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, RuleHealth, RuleView
from lilfox_tui.app.panes.metrics.alert_page import with_time
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, Threshold
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.watchers.alert import (
    ALERTS_KEPT,
    KEPT,
    AlertWatch,
    PastAlerts,
    with_rules_of_prometheus,
    with_time_of_values,
)
from tests.unit.alerts.made import alert, at


def state(seconds: float, *alerts: Alert) -> Alerts:
    return Alerts(at(seconds), (), alerts)


def test_the_state_of_then_is_the_last_one_before() -> None:
    past = PastAlerts()
    past.keep(state(0))
    past.keep(state(10, alert(state=AlertState.PENDING)))
    past.keep(state(20, alert()))
    assert past.at(at(-1)) is None, "not known is not none"
    assert past.at(at(0)) == state(0)
    assert past.at(at(19.9)) == state(10, alert(state=AlertState.PENDING))
    assert past.at(at(999)) == state(20, alert())


def test_values_alone_are_no_new_state() -> None:
    past = PastAlerts()
    past.keep(state(0, alert(value=1.0)))
    past.keep(state(10, alert(value=2.0)))
    assert past.at(at(10)) == state(0, alert(value=1.0))
    past.keep(state(20, replace(alert(), silenced_by=("x",))))
    found = past.at(at(20))
    assert found is not None
    assert found.alerts[0].silenced_by == ("x",)


def test_values_that_are_older_than_the_time_shown_have_their_own_time() -> None:
    """Only the first moment of a state is kept: "CPU usage is 98%" is not of the moment at which it is 100 %."""
    then = state(10, alert(value=98.0), replace(alert("Over"), state=AlertState.RESOLVED, resolved_at=at(9)))
    assert with_time_of_values(then, at(12)) is then
    firing, over = with_time_of_values(then, at(25)).alerts
    assert (firing.as_of, over.as_of) == (at(10), None)
    assert with_time("CPU usage is 98%", firing) == f"CPU usage is 98% (at {at(10):%H:%M:%S})"
    assert with_time("CPU usage is 98%", over) == "CPU usage is 98%"


def test_it_is_bounded_and_a_clock_that_is_set_back_forgets_what_is_later() -> None:
    past = PastAlerts()
    for second in range(KEPT + 50):
        past.keep(state(second, *([alert()] if second % 2 else [])))
    assert past.at(at(49)) is None
    assert past.at(at(50)) is not None
    past.keep(state(100, alert("Other")))
    found = past.at(at(KEPT))
    assert found is not None
    assert [one.name for one in found.alerts] == ["Other"]


def test_many_alerts_leave_room_for_fewer_states() -> None:
    past = PastAlerts()
    many = [alert(f"Slow{number}") for number in range(ALERTS_KEPT // 4)]
    for second in range(10):
        past.keep(state(second, *many[second:]))
    assert past.at(at(4)) is None
    assert past.at(at(9)) is not None
    past.keep(state(10, *many, *many, *many, *many, *many))
    assert past.at(at(10)) is not None, "the newest is there, however large"


async def test_the_limits_of_the_rules_are_read_when_these_change_and_not_with_each_evaluation(tmp_path: Path) -> None:
    def rules(limit: int, second: int, error: Message | None = None) -> Alerts:
        text = f"cpu_usage_percent > {limit}"
        view = RuleView("k", "alert", "Busy", "g", text, 0.0, RuleHealth.GOOD, error, evaluated_at=at(second))
        return Alerts(at(second), (view,), ())

    config, told = Config(), []
    watch = AlertWatch(config, tmp_path / "c.yaml", Feed(), lambda _name: None, lambda: None)
    watch.limit = lambda found: told.append(found.of_host("web-1", "", config.thresholds).cpu_percent)
    for second in range(5):
        await watch._limit(rules(90, second))
    assert told == [Threshold(fail=90)]
    await watch._limit(rules(70, 5))
    await watch._limit(rules(70, 6, tr("it cannot be evaluated")))
    assert told[1:] == [Threshold(fail=70), config.thresholds.cpu_percent], "then it is not in force"


# The rules and settings of a prometheus.yml, as if they stood in the configuration.


PROMETHEUS = """\
global: {evaluation_interval: 7s, external_labels: {site: eu, of: prometheus}}
rule_files: [rules/*.yml, /elsewhere/x.yml]
"""


def config_of(folder: Path, text: str, prometheus: str = PROMETHEUS) -> Config:
    """As the configuration's file in ``folder`` is read, the prometheus.yml in a folder beside it."""
    (folder / "prometheus").mkdir(exist_ok=True)
    (folder / "prometheus" / "prometheus.yml").write_text(prometheus)
    path = folder / "config.yaml"
    path.write_text(text)
    return with_rules_of_prometheus(load(path).config)


def test_a_relative_path_is_beside_the_configuration_and_its_rules_beside_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\nrules: [own.yml]\n")
    assert config.rules == (f"{tmp_path}/own.yml", f"{tmp_path}/prometheus/rules/*.yml", "/elsewhere/x.yml")
    assert dict(config.alerts.external_labels) == {"site": "eu", "of": "prometheus"}
    assert config.alerts.every_s == 7


def test_what_the_configuration_says_itself_goes_before(tmp_path: Path) -> None:
    own = "alerts: {every: 3s, external_labels: {site: us}}\n"
    config = config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\n" + own)
    assert dict(config.alerts.external_labels) == {"site": "us", "of": "prometheus"}
    assert config.alerts.every_s == 3


def test_a_prometheus_evaluates_each_minute_where_it_is_not_told_and_lilfox_each_15_s(tmp_path: Path) -> None:
    assert config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\n", "global: {}\n").alerts.every_s == 60
    assert config_of(tmp_path, "rules: [own.yml]\n").alerts.every_s == 15
