"""Backup plans for other programs, and among what changed."""

from __future__ import annotations

import ast
import json
import math
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, RuleHealth, RuleView
from lilfox_tui.backends.kinds import postgresql
from lilfox_tui.backends.model import BackendReading
from lilfox_tui.cli.commands.check import plan_rows
from lilfox_tui.cli.schemas import schema
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import ConfigError, LilFoxError, NotEvaluated
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import HostSnapshot, Level, Series
from lilfox_tui.metrics.traffic import Quantile, Traffic
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.export import _HELP, Failures, failures, prometheus, report, worst
from lilfox_tui.monitor.export_sections import alerts_document, alerts_level, backups_level
from lilfox_tui.monitor.model import BackendView, Backups, Overview
from lilfox_tui.scrape.exposition import read_series
from tests.app.backups_made import NOW, broken, healthy, nights, plan
from tests.app.overviews import mixed
from tests.app.traffic_overviews import busy
from tests.unit.alerts.made import T0, alert


def over(backups: Backups | None) -> Overview:
    return Overview(NOW, {}, {}, backups=backups)


def test_the_worst_plan_is_the_level() -> None:
    assert worst(over(replace(healthy()))) is Level.GOOD
    assert worst(over(broken())) is Level.FAILING
    assert backups_level(None) is Level.GOOD
    alone = plan("/backup", nights(2), config=None, level=Level.FAILING)
    assert backups_level(Backups({alone.key: alone})) is Level.GOOD, "nobody planned it"


def test_the_document_fits_its_schema() -> None:
    whole = schema("check")
    for backups in (None, healthy(), broken()):
        document = json.loads(json.dumps(report(over(backups))))
        jsonschema.validate(document["backups"], {**whole["properties"]["backups"], "$defs": whole["$defs"]})
    first = report(over(broken()))["backups"][0]
    assert (first["plan"], first["level"], first["late"]) == ("lilfox", "failing", True)
    assert first["newest_status"] == "broken"
    assert first["newest_good_at"] < first["due"]


def test_gauges_tell_age_and_lateness() -> None:
    text = prometheus(over(healthy()), {})
    assert 'lilfox_backup_level{plan="lilfox",store="disk"} 0.0' in text
    assert 'lilfox_backup_late{plan="lilfox",store="disk"} 0.0' in text
    assert 'lilfox_backup_age_seconds{plan="lilfox",store="disk"} 4364.0' in text
    assert 'lilfox_backup_restore_seconds{plan="lilfox",store="disk"} 41.0' in text
    ill = prometheus(over(broken()), {})
    assert 'lilfox_backup_late{plan="lilfox",store="disk"} 1.0' in ill
    assert 'lilfox_backup_late{plan="copies",store="nas"}' not in ill, "a store that was never read says nothing"


def test_rows_of_check_say_why() -> None:
    rows = [cell.text for _level, lines in plan_rows(over(broken())) for line in lines for cell in line]
    text = "\n".join(rows)
    assert "late: due 25 h ago" in text
    assert "there is no backup yet" in text
    assert "its store cannot be read" in text
    assert [level for level, _lines in plan_rows(over(healthy()))] == [Level.GOOD] * 3


def test_a_plan_that_becomes_late_is_a_change() -> None:
    log = ChangeLog()
    well = plan("lilfox", nights(3))
    log.observe(over(Backups({well.key: well})))
    late = next(iter(broken().plans.values()))
    changes = log.observe(replace(over(Backups({late.key: late})), at=NOW + timedelta(minutes=1)))
    assert [(each.subject, each.level) for each in changes] == [("plan/lilfox", Level.FAILING)]
    assert "late" in str(changes[0].what)


# Alerts for other programs.


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


# Services' requests in the reports and in LilFox's own metrics.


SCHEMA = json.loads(files("lilfox_tui.cli.schemas").joinpath("check.json").read_text())


def with_backend(state: State[Traffic]) -> Overview:
    overview = busy()
    services = {**overview.services, "backend": msgspec.structs.replace(overview.services["backend"], traffic=state)}
    return msgspec.structs.replace(overview, services=services)


def traffic_of(overview: Overview, name: str) -> Any:
    document = json.loads(json.dumps(report(overview)))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document["services"][name]["traffic"]


def test_the_report_has_the_numbers_their_bounds_and_the_metrics_they_are_from() -> None:
    found = traffic_of(busy(), "backend")
    assert found["requests_s"] == 120
    assert found["latency_s"] == {"p50": 0.31, "p95": 7.5, "p99": 10.0, "average": 0.9, "maximum": None}
    assert found["latency_bounds"] == {"p95": "<=", "p99": ">"}
    assert found["latency_at_most_s"] == {}
    assert (found["client_errors_percent"], found["server_errors_percent"]) == (0.2, 31.04)
    assert found["metrics"]["requests"] == "http_requests_total"
    assert found["window_s"] == 30
    guessed = Traffic(NOW, 30.0, p95=Quantile(9.7, at_most_s=10.0))
    found = traffic_of(with_backend(Ready(guessed, NOW)), "backend")
    assert (found["latency_s"]["p95"], found["latency_at_most_s"]) == (9.7, {"p95": 10.0})


def test_what_is_not_known_is_null_and_told() -> None:
    proxy = traffic_of(busy(), "proxy")
    assert proxy["server_errors_percent"] is None
    assert proxy["latency_s"]["p95"] is None
    assert "nginx_http_requests_total" in proxy["unknown"]["status"]
    assert traffic_of(busy(), "model") == {"unknown": {"page": "127.0.0.1:8001 returns 404"}}
    assert traffic_of(with_backend(Pending()), "backend") is None


def test_own_metrics_have_what_is_known_and_nothing_else() -> None:
    text = prometheus(busy(), {})
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    backend, proxy = ("service", "backend"), ("service", "proxy")
    assert samples["lilfox_service_requests_per_second", backend] == 120
    assert samples["lilfox_service_latency_seconds", ("quantile", "0.99"), backend] == 10
    assert samples["lilfox_service_errors_ratio", ("class", "5xx"), backend] == pytest.approx(0.3104)
    assert samples["lilfox_service_requests_in_flight", backend] == 118
    assert samples["lilfox_service_requests_per_second", proxy] == 1234.5
    assert ("lilfox_service_errors_ratio", ("class", "5xx"), proxy) not in samples
    assert not [key for key in samples if ("service", "model") in key and "requests" in key[0]]


# The gauges that widespread rules expect, on our own page of metrics.


def test_each_host_that_is_reached_has_them_and_no_other() -> None:
    overview = mixed()
    families = {each.name: each for each in text_string_to_metric_families(prometheus(overview, {}))}
    reached = {name: view.summary for name, view in overview.hosts.items() if isinstance(view.link, Ready)}
    assert 0 < len(reached) < len(overview.hosts)
    for metric, field in {"cpu_usage_percent": "cpu_percent", "memory_usage_percent": "memory_percent"}.items():
        found = {sample.labels["host"]: sample.value for sample in families[metric].samples}
        known = {name: getattr(summary, field) for name, summary in reached.items() if summary is not None}
        assert found == {name: value for name, value in known.items() if value is not None}
        assert found


def test_the_help_of_the_cpu_says_what_it_is_of() -> None:
    found = {family.name: family.documentation for family in text_string_to_metric_families(prometheus(mixed(), {}))}
    assert "waiting for I/O" in found["cpu_usage_percent"]
    assert "CPU limit" in found["cpu_usage_percent"]


# The help of our own series: what is measured, in which unit.


_NAME = re.compile(r"[a-z]+(?:_[a-z0-9]+)+|load1?5?1?")


def texts_in(package: str) -> set[str]:
    """All words of the package's code that could be the name of a series."""
    found: set[str] = set()
    for module in Path(str(files("lilfox_tui").joinpath(package))).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
                found.add(node.value)
    return found


def given_in(package: str) -> set[str]:
    """The names that are given to a sample or a series as a constant."""
    found: set[str] = set()
    for module in Path(str(files("lilfox_tui").joinpath(package))).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            name = node.args[0]
            if node.func.id in ("Sample", "Series") and isinstance(name, ast.Constant) and isinstance(name.value, str):
                found.add(name.value)
    return found


def test_every_series_of_our_own_says_what_is_measured() -> None:
    kinds = r"(?:network|memory|swap|disk|filesystem|boot|processes|postgresql|redis|queue|breaker)_\w+"
    units = r"_(?:total|bytes|seconds|percent|clients|replicas|ratio|second|save|messages|state|trips)"
    tabled = {
        name
        for name in texts_in("metrics/collectors") | texts_in("backends/kinds")
        if re.fullmatch(kinds, name) and re.search(units + "$", name)
    }
    named = given_in("metrics/collectors") | given_in("backends") | tabled
    exported = {"cpus" if name == "cpu_count" else name for name in named if not name.startswith("container")}
    assert len(exported) > 80, "those of containers have cAdvisor's names"
    assert exported - set(_HELP) == set()
    for name, text in _HELP.items():
        assert re.fullmatch(r"[A-Za-z][^\n]{14,}\.", text), name
        for suffix, unit in {"_bytes": "bytes", "_seconds": "seconds", "_percent": "percent"}.items():
            assert not name.removesuffix("_total").endswith(suffix) or unit in text.lower(), name


def test_the_help_of_a_host_and_of_a_backend_is_a_sentence() -> None:
    boot, used = Series("boot_time_seconds"), Series("postgresql_connections_used")
    snapshot = HostSnapshot("web-1", NOW, None, {boot: 1.7e9, Series("cpu_count"): 4.0})
    reading = BackendReading(NOW, {used: 5.0})
    view = BackendView("db", postgresql.Options(), Level.GOOD, NOW, (), (), reading)
    overview = msgspec.structs.replace(busy(), backends={"db": view})
    text = prometheus(overview, {"web-1": snapshot})
    assert "# HELP lilfox_boot_time_seconds Boot time of the host, as a Unix timestamp in seconds.\n" in text
    assert "# HELP lilfox_cpus Number of online CPUs.\n" in text
    assert "# HELP lilfox_postgresql_connections_used Number of client sessions in all states" in text
    assert "as read from" not in text


def test_what_fails_is_what_the_document_tells_to_fail() -> None:
    for seen in (mixed(), over(healthy()), over(broken()), busy()):
        document = report(seen)
        kinds = ("services", "hosts", "backends")
        failing = {name for kind in kinds for name, each in document[kind].items() if each["level"] == "failing"}
        failing |= {each["plan"] for each in document["backups"] if each["level"] == "failing"}
        unknown = [each for kind in kinds for each in document[kind].values() if each["level"] == "unknown"]
        unknown += [each for each in document["backups"] if each["level"] == "unknown"]
        found = failures(seen)
        assert {each.name for each in found.failing} == failing
        assert len(found.unknown) == len(unknown)
        assert found.at == seen.at


def test_an_alert_fails_while_it_fires_and_also_when_it_is_silenced() -> None:
    firing = Alert((("alertname", "Slow"),), (), AlertState.FIRING, T0, 1.0, fired_at=T0, silenced_by=("1",))
    pending = Alert((("alertname", "Near"),), (), AlertState.PENDING, T0, 1.0)
    gone = Alert((("alertname", "Gone"),), (), AlertState.RESOLVED, T0, 1.0, T0, T0, no_data_since=T0)
    rule = RuleView("1", "alert", "Slow", "g", "x", 0, RuleHealth.GOOD, evaluated_at=T0)
    seen = replace(over(None), alerts=Ready(Alerts(NOW, (rule,), (firing, pending, gone)), NOW))
    found = failures(seen)
    assert [(each.name, each.text, each.since) for each in found.failing] == [("Slow", "silenced", T0)]
    assert found.evaluated == T0
    assert found.unknown == ("the alert Gone: it ended without data, since 2026-01-02 03:04:05 UTC",)


def test_that_nothing_fails_needs_everything_to_be_known() -> None:
    assert failures(None) == Failures(unknown=("nothing has been checked yet",))
    assert failures(over(None), has_plans=True).unknown == ("the backup plans: their stores have not been read yet",)
    states: list[State[Alerts]] = [Pending(), Unavailable(NotEvaluated(tr("nobody evaluates them")), NOW)]
    for state in states:
        assert failures(replace(over(None), alerts=state)).unknown
    broken_rule = RuleView("1", "alert", "Slow", "g", "x", 0, RuleHealth.GOOD, error=tr("no such function"))
    seen = replace(over(None), alerts=Ready(Alerts(NOW, (broken_rule,), ()), NOW))
    assert failures(seen).unknown == ("the alert Slow: no such function",)
    assert failures(over(healthy())) == Failures(NOW)
