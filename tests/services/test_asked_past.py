"""What was before LilFox began, asked of a real Prometheus that has two days of a host and a service."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.model import ApiConfig, HostConfig, ServiceConfig
from lilfox_tui.core.aio import Pending, Ready
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import AVERAGE, CLIENT_ERRORS, REQUESTS, SERVER_ERRORS, latency_series
from lilfox_tui.monitor.model import HostView, Overview, ServiceView
from lilfox_tui.monitor.remote_history import FarChart, RemoteHistory
from lilfox_tui.promql.remote import RemoteEngine
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.services.two_days import fill
from tests.services.victoria_server import victoria

NODE = 'instance="web-1:9100"'
SHOP = 'job="shop"'
CHARTS = {
    "cpu_usage_percent": f"""100 - 100 * sum(rate(node_cpu_seconds_total{{{NODE}, mode=~"idle|iowait"}}[10m]))
        / sum(rate(node_cpu_seconds_total{{{NODE}}}[10m]))""",
    "memory_usage_percent": "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
    "all_disks_read_bytes_per_second": 'rate(node_disk_read_bytes_total{device="sda"}[10m])',
    "all_disks_written_bytes_per_second": 'rate(node_disk_written_bytes_total{device="sda"}[10m])',
    "all_interfaces_receive_bytes_per_second": 'rate(node_network_receive_bytes_total{device="eth0"}[10m])',
    "all_interfaces_transmit_bytes_per_second": 'rate(node_network_transmit_bytes_total{device="eth0"}[10m])',
    "load1": "node_load1",
}
BUCKETS = f"sum by (le) (rate(http_request_duration_seconds_bucket{{{SHOP}}}[10m]))"
TOTAL = f"sum(rate(http_requests_total{{{SHOP}}}[10m]))"
TRAFFIC_CHARTS = {
    REQUESTS: TOTAL,
    SERVER_ERRORS: f'100 * sum(rate(http_requests_total{{{SHOP}, status=~"5.."}}[10m])) / {TOTAL}',
    CLIENT_ERRORS: f'100 * sum(rate(http_requests_total{{{SHOP}, status=~"4.."}}[10m])) / {TOTAL}',
    latency_series(0.5): f"histogram_quantile(0.5, {BUCKETS})",
    latency_series(0.95): f"histogram_quantile(0.95, {BUCKETS})",
    latency_series(0.99): f"histogram_quantile(0.99, {BUCKETS})",
}
STEP_S = 600
URL = "http://10.0.0.7:8000"


def host(name: str = "web-1", **config: object) -> HostView:
    return HostView(name, HostConfig(**config), Level.UNKNOWN, datetime.now(UTC))  # type: ignore[arg-type]


def service(name: str = "shop", **config: object) -> ServiceView:
    given = ServiceConfig(url=URL, **config)  # type: ignore[arg-type]
    return ServiceView(name, given, Level.UNKNOWN, datetime.now(UTC))


@contextmanager
def filled(folder: Path, end: datetime) -> Iterator[PrometheusServer]:
    with prometheus(folder) as server:
        fill(server, end)
        yield server


@asynccontextmanager
async def asked_of(server: PrometheusServer) -> AsyncIterator[RemoteHistory]:
    remote = RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{server.port}"))
    try:
        yield RemoteHistory(lambda: remote)
    finally:
        await remote.close()


def told(server: PrometheusServer, query: str, start: datetime, end: datetime) -> list[tuple[int, float]]:
    """What Prometheus answers to a question of our own making, at the same times."""
    first = math.ceil(start.timestamp() / STEP_S) * STEP_S * 1000
    last = (math.ceil(end.timestamp() / STEP_S) - 1) * STEP_S * 1000
    (line,) = server.over(query, first, last, STEP_S * 1000)["result"]
    return [(round(at), float(value)) for at, value in line["values"]]


async def test_charts_are_what_prometheus_answers(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(hours=24)
    with filled(tmp_path, end) as server:
        async with asked_of(server) as past:
            subjects = [(host(), Series(name), query) for name, query in CHARTS.items()]
            subjects += [(service(), series, query) for series, query in TRAFFIC_CHARTS.items()]  # type: ignore[misc]
            for view, series, query in subjects:
                found = await past.chart(view, series, start, end, STEP_S)
                assert found is not None, series
                points = [(round(point.at.timestamp()), point.mean) for point in found.points]
                expected = told(server, query, start, end)
                assert len(points) > 140
                assert [at for at, _value in points] == [at for at, _value in expected], series
                assert [value for _at, value in points] == pytest.approx([value for _at, value in expected]), series
                assert found.taken == (
                    '{instance="web-1:9100", job="node"}' if view.name == "web-1" else '{job="shop"}'
                )
            assert await past.chart(host(), Series("nothing_of_it"), start, end, STEP_S) is None
            assert await past.chart(service(), AVERAGE, start, end, STEP_S) is None, "it has quantiles"
            before = await past.chart(host(), Series("load1"), end - timedelta(days=7), end, 6 * 3600)
            assert before is not None
            assert 6 <= len(before.points) <= 9, "of five of the seven days nothing is known, and nothing is shown"


async def test_rewound_to_yesterday(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    at = end - timedelta(hours=24)
    with filled(tmp_path, end) as server:
        async with asked_of(server) as past:
            empty = Overview(at, {"web-1": host(), "db": host("db")}, {"shop": service(), "other": service("other")})
            found = await past.overview(empty, ["web-1", "db"], ["shop", "other"])

            def value(query: str) -> float:
                (one,) = server.instant(query, round(at.timestamp() * 1000))["result"]
                return float(one["value"][1])

            summary = found.hosts["web-1"].summary
            assert summary is not None
            assert summary.cpu_percent == pytest.approx(value(CHARTS["cpu_usage_percent"].replace("10m", "5m")))
            assert summary.memory_percent == pytest.approx(37.5)
            assert summary.swap_percent == pytest.approx(25)
            assert summary.load is not None
            assert summary.load[0] == pytest.approx(value("node_load1"))
            assert summary.disk_read_s == pytest.approx(value('rate(node_disk_read_bytes_total{device="sda"}[5m])'))
            network = "sum(rate(node_network_receive_bytes_total{device=~'eth0|docker0'}[5m]))"
            assert summary.network_in_s == pytest.approx(value(network))
            assert summary.fullest is not None
            assert (summary.fullest.mountpoint, summary.fullest.used_bytes) == ("/", 60e9)
            assert summary.uptime_s == pytest.approx(at.timestamp() - 1_700_000_000, abs=0.01)
            assert found.hosts["web-1"].level is Level.GOOD

            assert found.hosts["db"].summary is None
            assert str(found.hosts["db"].reasons[0]) == "nothing recorded at that time"
            traffic = found.services["shop"].traffic
            assert isinstance(traffic, Ready)
            assert traffic.value.requests_s == pytest.approx(value(TOTAL.replace("10m", "5m")))
            assert traffic.value.server_errors == pytest.approx(2.5)
            assert traffic.value.p95 is not None
            assert traffic.value.p95.seconds == pytest.approx(
                value(TRAFFIC_CHARTS[latency_series(0.95)].replace("10m", "5m"))
            )
            assert traffic.value.in_flight == 3
            by_address = found.services["other"].traffic
            assert isinstance(by_address, Ready), "no job is named so; its address is the instance"

            long_ago = Overview(at - timedelta(days=30), {"web-1": host()}, {"shop": service()})
            found = await past.overview(long_ago, ["web-1"], ["shop"])
            assert found.hosts["web-1"].summary is None
            assert isinstance(found.services["shop"].traffic, Pending), "not a zero"


async def test_victoriametrics_is_asked_the_same(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    at = end - timedelta(hours=24)
    with victoria(tmp_path, "{}") as url:
        port = int(url.rpartition(":")[2])
        server = PrometheusServer(port, 0)
        fill(server, end)
        async with asked_of(server) as past:
            charts: list[FarChart] = []

            async def told() -> bool:
                try:
                    found = await past.chart(host(), Series("cpu_usage_percent"), at, end, STEP_S)
                except LilFoxError:
                    return False
                charts[:] = [] if found is None else [found]
                return len(charts[0].points) > 140

            await until_told(told)
            assert charts[0].taken == '{instance="web-1:9100", job="node"}'
            empty = Overview(at, {"web-1": host()}, {"shop": service()})
            found = await past.overview(empty, ["web-1"], ["shop"])
            summary, traffic = found.hosts["web-1"].summary, found.services["shop"].traffic
            assert summary is not None
            assert summary.cpu_percent == pytest.approx(42, rel=0.02)
            assert summary.memory_percent == pytest.approx(37.5)
            assert isinstance(traffic, Ready)
            assert traffic.value.server_errors == pytest.approx(2.5, rel=0.02)
        server.close()


async def until_told(told: Callable[[], Awaitable[bool]]) -> None:
    """What is written to VictoriaMetrics is found a second later."""
    async with asyncio.timeout(60):
        while not await told():
            await asyncio.to_thread(threading.Event().wait, 0.1)


async def test_the_config_says_which_series_are_meant(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(hours=6)
    with filled(tmp_path, end) as server:
        async with asked_of(server) as past:
            with pytest.raises(LilFoxError, match="the server has no series for") as refused:
                await past.chart(host("db"), Series("load1"), start, end, STEP_S)
            assert "series:" in str(refused.value.hint)
            named = host("db", series={"instance": "web-1:9100"})
            found = await past.chart(named, Series("load1"), start, end, STEP_S)
            assert found is not None
            assert found.points
            by_address = await past.chart(host("db", address="web-1"), Series("load1"), start, end, STEP_S)
            assert by_address is not None
            assert by_address.points == found.points
            rewound = await past.overview(Overview(start, {"db": named}, {}), ["db"], [])
            assert rewound.hosts["db"].summary is not None

            elsewhere = service("checkout", series={"job": "nobody"})
            with pytest.raises(LilFoxError, match=r'the server has no request series for .*job="nobody"'):
                await past.chart(elsewhere, REQUESTS, start, end, STEP_S)
            meant = service("checkout", series={"job": "shop", "instance": "10.0.0.7:8000"})
            assert await past.chart(meant, REQUESTS, start, end, STEP_S) is not None


async def test_two_exporters_of_one_name_are_not_added_up(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(hours=6)
    with prometheus(tmp_path) as server:
        fill(server, end, "web-1:9100", "web-1:9200")
        async with asked_of(server) as past:
            with pytest.raises(LilFoxError, match=r"2 exporters match web-1: .*web-1:9100.*web-1:9200"):
                await past.chart(host(), Series("load1"), start, end, STEP_S)
            found = await past.overview(Overview(start, {"web-1": host()}, {}), ["web-1"], [])
            assert found.hosts["web-1"].summary is None
            assert "2 exporters" in str(found.hosts["web-1"].reasons[0])


async def test_an_outage_is_said(tmp_path: Path) -> None:
    end = datetime.now(UTC)
    with filled(tmp_path, end) as server:
        pass
    async with asked_of(server) as past:
        with pytest.raises(LilFoxError, match=r"127\.0\.0\.1"):
            await past.chart(host(), Series("load1"), end - timedelta(hours=6), end, STEP_S)
        with pytest.raises(LilFoxError, match=r"127\.0\.0\.1"):
            await past.overview(Overview(end, {"web-1": host()}, {}), ["web-1"], [])
