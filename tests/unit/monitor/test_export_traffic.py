"""Services' requests in the reports and in LilFox's own metrics."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.core.aio import Pending, State
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.model import Overview
from tests.app.traffic_overviews import busy

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
    assert (found["client_errors_percent"], found["server_errors_percent"]) == (0.2, 31.04)
    assert found["metrics"]["requests"] == "http_requests_total"
    assert found["window_s"] == 30


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
