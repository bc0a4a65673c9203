"""Alerts for other programs."""

from __future__ import annotations

import json
import math

import jsonschema
import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, RuleHealth, RuleView
from lilfox_tui.cli.schemas import schema
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import ConfigError, LilFoxError, NotEvaluated
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import prometheus, report, worst
from lilfox_tui.monitor.export_sections import alerts_document, alerts_level
from lilfox_tui.monitor.model import Overview
from lilfox_tui.scrape.exposition import read_series
from tests.unit.alerts.made import T0, alert

FAILED = RuleView(
    "r.yml;g;1", "alert", "Broken", "g", "a * b > 1", 0.0, RuleHealth.FAILED, error=tr("several belong together")
)


def ready(*alerts: Alert, rules: tuple[RuleView, ...] = ()) -> Ready[Alerts]:
    return Ready(Alerts(T0, rules, alerts), T0)


@pytest.mark.fault("4.58", "4.77")
@pytest.mark.parametrize(
    ("state", "level"),
    [
        (None, Level.GOOD),
        (Pending(), Level.UNKNOWN),
        (Unavailable(NotEvaluated(tr("no")), T0), Level.UNKNOWN),
        (Unavailable(LilFoxError(tr("no answer")), T0), Level.FAILING),
        (Unavailable(ConfigError(tr("broken"), ("p.yml:1: broken",)), T0), Level.FAILING),
        (ready(), Level.GOOD),
        (ready(alert()), Level.FAILING),
        (ready(alert(state=AlertState.PENDING)), Level.DEGRADED),
        (ready(alert(state=AlertState.RESOLVED)), Level.GOOD),
        (ready(replace(alert(), silenced_by=("1",))), Level.GOOD),
        (ready(rules=(FAILED,)), Level.FAILING),
    ],
)
def test_how_bad_alerts_are(state: State[Alerts] | None, level: Level) -> None:
    assert alerts_level(state) is level
    assert worst(Overview(T0, {}, {}, alerts=state)) is level
    jsonschema.validate(report(Overview(T0, {}, {}, alerts=state)), schema("check"))


def test_the_document_has_no_value_that_json_lacks() -> None:
    document = alerts_document(ready(alert(value=math.nan), rules=(FAILED,)))
    assert document is not None
    assert document["alerts"][0]["value"] is None
    assert document["failing_rules"] == [{"name": "Broken", "group": "g", "error": "several belong together"}]
    json.dumps(document, allow_nan=False)


def test_series_are_those_of_prometheus_with_names_that_the_format_can_hold() -> None:
    odd = replace(alert("Slow"), labels=(("a.b", 'say "hi"\n'), ("alertname", "Slow")))
    text = prometheus(Overview(T0, {}, {}, alerts=ready(odd, alert("Gone", AlertState.RESOLVED))), {})
    assert 'ALERTS{a_b="say \\"hi\\"\\n",alertname="Slow",alertstate="firing"} 1.0\n' in text
    assert "ALERTS_FOR_STATE" in text
    assert "Gone" not in text
    assert "lilfox_alerts_known 1.0\n" in text


@pytest.mark.fault("4.78")
def test_names_that_become_the_same_stay_apart() -> None:
    names = ("1st", "a-b", "a.b", "a_b", "alertstate", "é")
    odd = replace(alert("Slow"), labels=tuple((name, name) for name in names))
    text = prometheus(Overview(T0, {}, {}, alerts=ready(odd)), {})
    (line,) = [line for line in text.splitlines() if line.startswith("ALERTS{")]
    labels = read_series(line.rpartition(" ")[0].encode())  # which takes no name twice
    assert labels.pop("alertstate") == "firing"
    assert sorted(value for name, value in labels.items() if name != "__name__") == sorted(names)
    assert labels["a_b"] == "a_b"


def test_without_rules_there_is_nothing_of_alerts() -> None:
    assert "ALERTS" not in prometheus(Overview(T0, {}, {}), {})
    assert report(Overview(T0, {}, {}))["alerts"] is None
