"""What a rule file is warned of, and what it is not."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from lilfox_tui.alerts.lint import KnownSeries, RuleWarning, lint
from lilfox_tui.alerts.rules import from_text
from lilfox_tui.core import i18n
from lilfox_tui.promql.query import parse
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.unit.alerts.manual_rules import MANUAL


def warnings(
    expression: str, known: KnownSeries | None = None, more: dict[str, object] | None = None
) -> list[RuleWarning]:
    """Of one alert that has everything an alert should have, with ``more`` in their places."""
    rule: dict[str, object] = {
        "alert": "A",
        "expr": expression,
        "for": "5m",
        "labels": {"severity": "page"},
        "annotations": {"summary": "it is bad"},
    }
    rule = {name: value for name, value in (rule | (more or {})).items() if value is not None}
    return lint([from_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}), "x.yml")], known)


def codes(found: Sequence[RuleWarning]) -> list[str]:
    return [warning.code for warning in found]


def hint(found: Sequence[RuleWarning], code: str) -> str:
    return next(str(warning.hint) for warning in found if warning.code == code)


def known(*series: str, **types: str) -> KnownSeries:
    """Series written as in PromQL."""
    sets = [LabelSet.of((each.name, each.value) for each in parse(text).selectors[0]) for text in series]
    store = SeriesStore(keep_s=60, limit_bytes=1_000_000)
    store.target("t").append(0, LabelList(sets), np.ones(len(sets)))
    return KnownSeries(store, 0, types)


def test_the_rules_of_the_manual_are_told_what_would_be_right() -> None:
    found = lint([from_text(MANUAL, "manual.yml")])
    said = {(warning.rule, warning.code): (warning.line, str(warning.hint)) for warning in found}
    assert {code for _rule, code in said} == {"no-severity", "not-a-ratio", "percentile-of-each", "only-here"}
    line, ratio = said["HighErrorRate", "not-a-ratio"]
    assert line == 5
    assert ratio.removeprefix("use instead: ") == (
        'sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.05'
    )
    line, percentile = said["HighLatency", "percentile-of-each"]
    assert line == 11
    summed = "sum by (le) (rate(http_request_duration_seconds_bucket[5m]))"
    assert percentile.removeprefix("use instead: ") == f"histogram_quantile(0.95, {summed}) > 1"
    assert said["HighCPUUsage", "only-here"][0] == 17
    assert "node_memory_MemAvailable_bytes" in said["HighMemoryUsage", "only-here"][1]


@pytest.mark.parametrize("rule", ["HighErrorRate", "HighLatency", "HighCPUUsage", "HighMemoryUsage"])
def test_what_is_hinted_for_the_manual_is_right(rule: str) -> None:
    texts = [
        str(each.hint) for each in lint([from_text(MANUAL, "m")]) if each.rule == rule and each.code != "no-severity"
    ]
    assert len(texts) == 1
    assert codes(warnings(texts[0].partition(": ")[2])) == []


@pytest.mark.fault("4.72")
@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ('sum by (job) (rate(errors_total{code=~"5.."}[5m])) > 0.01', "not-a-ratio"),
        ('0.05 < rate(http_requests_total{status="500"}[5m])', "not-a-ratio"),
        ('rate(x_total{le="1"}[5m]) > 1', "bound-as-text"),
        ('rate(x_bucket{le=~"0.5|1|10"}[5m]) > 1', "bound-as-text"),
        ('x{quantile="1"} > 1', "bound-as-text"),
        ("rate(node_memory_MemFree_bytes[5m]) > 1", "rate-of-a-gauge"),
        ("increase(kube_pod_status_ready[5m]) > 1", "rate-of-a-gauge"),
        ("backup_failed_total > 0 and up == 1", "no-rate"),
        ("sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))", "no-comparison"),
        ('sum by (pod) (endpoint_state{state="invalid"})', "no-comparison"),
        ("histogram_quantile(0.9, rate(http_server_requests_seconds_bucket[5m])) > 1", "percentile-of-each"),
        ("errors_total > 100", "no-rate"),
        ("sum(errors_total) / sum(requests_total) > 0.1", "no-rate"),
        ("up", "no-comparison"),
        ("up == bool 0", "bool"),
        ('node_cpu{mode="idle"} / node_cpu{mode="user"} > 1', "cannot-match"),
        ("sum(x) / y > 1", "cannot-match"),
        ("sum by (job) (x) > y", "cannot-match"),
        ('x{mode="a"} > 1 and on (mode) sum by (mode) (y{mode="b"})', "cannot-match"),
        ("x unless sum(y) > 1", "cannot-match"),
        ("sum(locks) / (most_locks * most_connections) > 0.2", "cannot-match"),
        ("(count(a) > 1) * on(instance) group_left(nodename) node_uname_info", "cannot-match"),
        (
            'a_count{job="api"} > 0 and histogram_quantile(0.01, sum by (job, le) (rate(a_bucket[5m]))) < 60',
            "cannot-match",
        ),
    ],
)
def test_it_is_warned_of(expression: str, code: str) -> None:
    assert code in codes(warnings(expression))


@pytest.mark.fault("4.72")
@pytest.mark.parametrize(
    "expression",
    [
        'sum(rate(r_total{status=~"5.."}[5m])) / sum(rate(r_total[5m])) > 0.05',
        'rate(r_total{status=~"5.."}[5m]) > 5',
        'rate(r_total{status="200"}[5m]) < 0.5',
        'rate(r_total{le="1.0"}[5m]) > 1 or rate(r_bucket{le="+Inf"}[5m]) > 1',
        "histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m]))) > 1",
        "increase(errors_total[1h]) > 100",
        "absent(up)",
        "absent_over_time(up[5m])",
        "changes(errors_total[5m]) > 1",
        "count(errors_total) > 1",
        # of public rules, where these hints were wrong before
        "100 * gluster_brick_capacity_used_bytes / gluster_brick_capacity_bytes_total > 90",
        "envoy_cluster_membership_healthy / envoy_cluster_membership_total * 100 < 75",
        "sum by (job) (django_migrations_unapplied_total) > 0",
        "minio_cluster_nodes_offline_total > 0",
        "apache_uptime_seconds_total / 60 < 1",
        "pve_not_backed_up_total > 0",
        "rate(junos_interface_transmit_bytes[1m]) * 8 > 9e8",
        "rate(ceph_rbd_mirror_journal_replay_bytes[30m]) > 0.8",
        "rate(pg_txid_current[1m]) < 5",
        "histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket[5m])) > 0.5",
        "histogram_quantile(0.99, rate(etcd_network_peer_round_trip_time_seconds_bucket[5m])) > 0.15",
        'ceph_nvmeof_subsystem_metadata{allow_any_host="yes"}',
        'sum by (pod) (kube_pod_info{node=""})',
        'pg_index_size{indexrelname=~".*ccnew.*"}',
        'sum by (pod) (rate(cilium_bpf_map_ops_total{outcome="fail"}[5m])) > 0.05',
        "node_a / node_b > 1",
        'node_cpu{mode="idle"} / ignoring(mode) node_cpu{mode="user"} > 1',
        "x / on(job) group_left sum by (job) (y) > 1",
        "x > on() group_left sum(y)",
        "job:x:sum / sum by (job) (y) > 1",
        "sum by (job, instance) (x) / y > 1",
        "topk(3, x) > y",
        "max_over_time(rate(x_total[5m])[1h:]) > 3",
        'ALERTS{alertname="X"}',
        "time() - x_timestamp_seconds > 3600",
        'label_replace(sum by (a) (x), "instance", "b", "", "") > y',
        "x > 1 and hour() > 8",
        "vector(1)",
        "up == 0 unless on(job) (sum by (job) (up) == 0)",
        "(sum by (instance) (rate(x_total[2m])) / 1024 > 100) * on(instance) group_left(nodename) node_uname_info",
        'x{quantile="0.9"} / on(interval, instance, job) x{quantile="0.5"} > 1.05',
        (
            "(rate(a_total[15m]) / count without(mode, cpu) (b_total))"
            " / (rate(a_total[1d]) / count without(mode) (b_total)) > 2"
        ),
        "(sum by (job, instance) (up) unless on(job) maintenance) / on(instance) y > 1",
        "(x - x offset 10m >= 1) and ignoring(reason) min_over_time(y{reason='OOMKilled'}[10m]) == 1",
        'count(count_values("hash", config_hash)) > 1',
        "kube_replicas != kube_replicas_ready > 0",
        '(a_bytes * 100) / b_bytes < 10 and on(instance, device) predict_linear(a_bytes{fs!~"tmp"}[1h], 86400) < 0',
        "sum by (job, server) (x) > min by (job, server) (y * 0.8)",
        "sum by (a) (x) / sum by (b) (y) > 1",  # no label is surely there
        'absent(x) and y{instance="a"}',
    ],
)
def test_nothing_is_said_of(expression: str) -> None:
    assert codes(warnings(expression)) == []


def test_how_the_sides_are_brought_together_is_hinted() -> None:
    assert hint(warnings("sum by (job) (x) > y"), "cannot-match") == "write > on(job) group_right"
    assert hint(warnings("x / sum(y) > 1"), "cannot-match") == "write / on() group_left"
    said = hint(warnings('node_cpu{mode="a"} / node_cpu{mode="b"} > 1'), "cannot-match")
    assert said == "write / ignoring(mode)"


@pytest.mark.parametrize(
    ("expression", "said", "chinese"),
    [
        ("x / sum(y) > 1", "the right side lacks label", "右侧没有标签"),
        ("sum by (job) (x) > y", "the left side lacks label", "左侧没有标签"),
    ],
)
def test_the_side_that_lacks_a_label_is_named(expression: str, said: str, chinese: str) -> None:
    [what] = [remark.what for remark in warnings(expression) if remark.code == "cannot-match"]
    assert said in str(what)
    i18n.set_language("zh_CN")
    assert chinese in str(what)


@pytest.mark.parametrize(
    ("matcher", "stored", "both"),
    [
        ('le="1"', "1.0", 'le=~"1|1.0"'),
        ('le=~"0.5|1"', "1.0", 'le=~"0.5|1|1.0"'),
        ('le=~"1|10|1"', "1.0, 10.0", 'le=~"1|10|1|1.0|10.0"'),
        ('le="1000000"', "1e+06", r'le=~"1000000|1e\\+06"'),
    ],
)
def test_the_bounds_that_fit_all_versions_are_hinted(matcher: str, stored: str, both: str) -> None:
    """Prometheus 2 stores a bound as it was exposed."""
    [remark] = warnings(f"rate(x_bucket{{{matcher}}}[5m]) > 1")
    what = f"whole numbers in {matcher} match nothing: they are stored as {stored} (as in Prometheus 3)"
    assert (remark.code, str(remark.what)) == ("bound-as-text", what)
    assert str(remark.hint) == f"to match the stored values: {both}"
    assert warnings(f"rate(x_bucket{{{both}}}[5m]) > 1") == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"for": None}, "no-for"),
        ({"labels": None}, "no-severity"),
        ({"annotations": {"runbook_url": "https://x.example"}}, "no-summary"),
        ({"labels": {"severity": "{{ if gt $value 90.0 }}critical{{ else }}page{{ end }}"}}, "value-in-label"),
        ({"labels": {"severity": "page", "level": "{{ .Value }}"}}, "value-in-label"),
    ],
)
def test_what_an_alert_lacks(changed: dict[str, object], code: str) -> None:
    assert codes(warnings("up == 0", more=changed)) == [code]


def test_labels_that_do_not_follow_the_value_are_fine() -> None:
    labels = {"severity": "page", "of": "{{ $labels.job }}", "query": '{{ range query "x" }}{{ .Labels.a }}{{ end }}'}
    assert codes(warnings("up == 0", more={"labels": labels})) == []


def test_recording_rules_need_nothing_of_an_alert() -> None:
    text = "groups: [{name: g, rules: [{record: 'job:up:sum', expr: sum by (job) (up)}]}]"
    assert lint([from_text(text, "x")]) == []


def test_a_selector_that_selects_nothing_is_named() -> None:
    series = known('up{job="web"}', "load", 'level{tank="a"}')
    assert codes(warnings("loud > 1", series)) == ["no-series"]
    assert codes(warnings("load > 1 and loud == 3", series)) == ["no-series"]
    (found,) = warnings('level{tank="b",of="x"} == 0', series)
    assert (found.code, str(found.hint)) == ("no-series", "series with this name exist, but with other labels")
    assert 'level{tank="b", of="x"}' in str(found.what)


@pytest.mark.parametrize(
    "expression", ["load > 1", "absent(loud)", "up == 0", "cpu_usage_percent > 80", 'ALERTS{alertname="X"} > 0']
)
def test_series_that_are_there_or_made_here_are_found(expression: str) -> None:
    assert "no-series" not in codes(warnings(expression, known("load")))


def test_series_that_rules_record_are_there_for_the_rules_of_all_files() -> None:
    records = from_text("groups: [{name: r, rules: [{record: 'job:load:sum', expr: sum by (job) (load)}]}]", "r.yml")
    alert = "{alert: A, expr: 'job:load:sum > 1', for: 1m, labels: {severity: a}, annotations: {summary: s}}"
    alerts = from_text(f"groups: [{{name: a, rules: [{alert}]}}]", "a.yml")
    assert codes(lint([alerts], known("load"))) == ["no-series"]
    assert codes(lint([alerts, records], known("load"))) == []


def test_types_of_metrics_count_more_than_their_names() -> None:
    series = known("jobs_active", "seen", "load_total")
    of_types = KnownSeries(series.source, 0, {"jobs_active": "counter", "seen": "gauge", "load": "gauge"})
    assert codes(warnings("rate(jobs_active[5m]) > 1", of_types)) == []
    assert codes(warnings("rate(seen[5m]) > 1", of_types)) == ["rate-of-a-gauge"]
    assert codes(warnings("load_total > 1", of_types)) == []
    assert codes(warnings("jobs_active > 1", of_types)) == ["no-rate"]


@pytest.mark.fault("4.72")
def test_what_the_targets_have_decides_whether_a_percentile_is_of_each_series() -> None:
    expression = "histogram_quantile(0.9, rate(x_seconds_bucket[5m])) > 1"
    alone = known('x_seconds_bucket{instance="a",le="1.0"}', 'x_seconds_bucket{instance="b",le="1.0"}')
    routes = known(
        'x_seconds_bucket{instance="a",le="1.0",path="/"}', 'x_seconds_bucket{instance="a",le="1.0",path="/b"}'
    )
    assert codes(warnings(expression, alone)) == []
    assert codes(warnings(expression, routes)) == ["percentile-of-each"]
    of_requests = expression.replace("x_seconds", "http_request_duration_seconds")
    assert "percentile-of-each" not in codes(warnings(of_requests, alone)), "it is known that there are none"


@pytest.mark.fault("4.72")
@pytest.mark.parametrize("expression", ["up == 0", "probe_success != 1", "mysql_up < 1 and on () hour() > 8"])
def test_one_look_that_fails_wants_a_for(expression: str) -> None:
    assert "no-for" in codes(warnings(expression, more={"for": None}))
    assert "no-for" not in codes(warnings(expression, more={"for": "0s"})), "somebody has thought of it"


@pytest.mark.fault("4.72")
@pytest.mark.parametrize(
    "expression",
    ["increase(errors_total[1h]) > 1", "ttl_seconds < 86400", "avg_over_time(up[5m]) < 0.5", "count(up == 0) > 3"],
)
def test_where_more_than_one_look_decides_no_for_is_wanted(expression: str) -> None:
    assert "no-for" not in codes(warnings(expression, more={"for": None}))


@pytest.mark.fault("4.72")
@pytest.mark.parametrize("name", ["summary", "message", "description"])
def test_any_annotation_that_says_what_it_is_will_do(name: str) -> None:
    assert codes(warnings("load > 1", more={"annotations": {name: "it is bad"}})) == []


def test_an_alert_with_labels_of_its_own_needs_no_severity() -> None:
    assert codes(warnings("load > 1", more={"labels": {"inhibit": "yes"}})) == []


def test_warnings_stand_in_the_order_of_the_lines() -> None:
    lines = [warning.line for warning in lint([from_text(MANUAL, "m")])]
    assert lines == sorted(lines)
