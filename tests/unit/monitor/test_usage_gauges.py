"""The gauges that widespread rules expect, on our own page of metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.core.aio import Ready
from lilfox_tui.monitor.export import prometheus
from tests.app.overviews import mixed


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
