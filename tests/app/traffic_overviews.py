"""Services whose requests are known, for screens that must look the same every time."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from lilfox_tui.core.aio import Ready, State, Unavailable
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.metrics.traffic import Quantile, Traffic, TrafficPart
from lilfox_tui.monitor.model import Overview, ServiceView, StoreUsage, TargetView
from lilfox_tui.scrape.scraper import NoPage, Scrape
from tests.app.overviews import NOW, host, service, summary

TAKEN = {
    "requests": "http_requests_total",
    "status": "status",
    "latency": "http_request_duration_seconds",
    "in_flight": "http_requests_in_progress",
}
GATEWAY = Traffic(
    at=NOW, window_s=30.0, requests_s=412.4, p50=Quantile(0.018), p95=Quantile(0.092), p99=Quantile(0.21),
    average_s=0.02, client_errors=0.42, server_errors=0.01, in_flight=31.0, taken=TAKEN,
)  # fmt: skip
BACKEND = Traffic(
    at=NOW, window_s=30.0, requests_s=120.0, p50=Quantile(0.31), p95=Quantile(7.5, "<="), p99=Quantile(10.0, ">"),
    average_s=0.9, client_errors=0.2, server_errors=31.04, in_flight=118.0, taken=TAKEN,
)  # fmt: skip
PROXY = Traffic(
    at=NOW, window_s=30.0, requests_s=1234.5, in_flight=3.0,
    taken={"requests": "nginx_http_requests_total", "in_flight": "nginx_connections_active"},
    missing={
        "status": tr("{metric} has no status label", metric="nginx_http_requests_total"),
        "latency": tr("no histogram of response times was found"),
    },
)  # fmt: skip
ROUTES = [
    TrafficPart("/api/messages", 100.0, 83.3, Quantile(0.3), Quantile(7.5, "<="), Quantile(10.0, ">"), 0.9, 0.2, 37.2),
    TrafficPart("/health", 20.0, 16.7, Quantile(0.0005), Quantile(0.002), Quantile(0.0034), 0.0006, 0.0, 0.0),
]
STATUSES = [
    TrafficPart("200", 82.5, 68.76), TrafficPart("404", 0.24, 0.2), TrafficPart("500", 37.25, 31.04),
]  # fmt: skip
TARGET = TargetView("http://127.0.0.1:8000/metrics", 5.0, Ready(Scrape(NOW, 0.0034, 61, 61), NOW), 66)
KEPT = StoreUsage(1204, 3_400_000, 64 << 20, 9.4, NOW - timedelta(hours=2))


def having(view: ServiceView, traffic: State[Traffic]) -> ServiceView:
    return msgspec.structs.replace(view, traffic=traffic)


def busy() -> Overview:
    """Services that are well, ill, without a status, and one whose page of metrics does not come."""
    gone = NoPage(tr("{where} returns {status}", where="127.0.0.1:8001", status=404), tr("See the service's log."))
    services = [
        having(service("gateway", Level.GOOD, 200, 0.012), Ready(GATEWAY, NOW)),
        having(
            service("backend", Level.FAILING, 503, 0.004, tr("answers 503, expected {codes}", codes="200")),
            Ready(BACKEND, NOW),
        ),
        having(service("proxy", Level.GOOD, 200, 0.001), Ready(PROXY, NOW)),
        having(
            service("model", Level.GOOD, 200, 0.04),
            Unavailable(gone, NOW - timedelta(minutes=2), NOW + timedelta(seconds=40), NOW - timedelta(seconds=125)),
        ),
    ]
    hosts = [host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))]
    return Overview(NOW, {view.name: view for view in hosts}, {view.name: view for view in services})
