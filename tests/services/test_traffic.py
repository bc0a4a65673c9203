"""Services' requests as the monitor and the screen tell them, against a count of the same pages by other means."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.columns import quantile_text
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.model import Config, HostConfig, ScrapeConfig, ServiceConfig
from lilfox_tui.config.themes import load_theme
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.demo.http import ask
from lilfox_tui.demo.stack import Stack
from lilfox_tui.metrics.model import Level
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from tests.app.still import screen_text
from tests.services.http_servers import serving
from tests.services.sshd import SshdLab, sshd_lab
from tests.services.test_monitor import LIMITS, seen, watching
from tests.waiting import until

HERE = {"here": HostConfig(local=True)}
NOBODY = 1e-9
"""Requests a second of the stack's own users: the test alone asks."""
CHATS, MISSING = 40, 10


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(port_base=0, rate=NOBODY) as running:
        yield running


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def watched(service: ServiceConfig, **changes: object) -> ServiceConfig:
    """Scraped each half second; asked for its health seldom, which would count as requests."""
    quick = {"every": Seconds(86_400), "metrics_every": Seconds(0.5), **changes}
    return msgspec.structs.replace(service, **quick)


def config_of(**services: ServiceConfig) -> Config:
    return Config(refresh=Seconds(0.5), hosts=HERE, services=services, thresholds=LIMITS)


def traffic(monitor: Monitor, name: str) -> Traffic | None:
    overview = monitor.overview.value
    state = None if overview is None else overview.services[name].traffic
    return state.value if isinstance(state, Ready) else None


def why(monitor: Monitor, name: str) -> str:
    state = seen(monitor).services[name].traffic
    return str(state.error.message) if isinstance(state, Unavailable) else ""


async def scraped_twice(monitor: Monitor, name: str) -> None:
    await until(
        lambda: (found := traffic(monitor, name)) is not None and found.requests_s is not None,
        what=f"a rate of {name}",
    )


# ---- the count by other means -------------------------------------------------------------------------------------

_LINE = re.compile(r'(http_\w+)\{method="\w+",route="([^"]*)",(?:status|le)="([^"]*)"\} (\d+)')
Counts = Counter[tuple[str, str, str]]


async def counted(port: int) -> Counts:
    page = (await ask(port, "GET", "/metrics")).body.decode()
    return Counter({(name, route, last): int(count) for name, route, last, count in _LINE.findall(page)})


def by_hand(counts: Counts, quantile: float, route: str | None = None) -> float:
    """The quantile of the buckets, interpolated as the Prometheus documentation says."""
    buckets: dict[float, int] = defaultdict(int)
    for (name, of, le), count in counts.items():
        if name.endswith("_bucket") and route in (None, of):
            buckets[float(le)] += count
    wanted = quantile * buckets[float("inf")]
    lower, below = 0.0, 0
    for bound in sorted(buckets):
        if buckets[bound] >= wanted:
            return float(lower + (bound - lower) * (wanted - below) / (buckets[bound] - below))
        lower, below = bound, buckets[bound]
    raise AssertionError("no buckets")


def share(counts: Counts, first: str) -> float:
    statuses = {status: 0 for name, _route, status in counts if name == "http_requests_total"}
    for (name, _route, status), count in counts.items():
        if name == "http_requests_total":
            statuses[status] += count
    return 100 * sum(count for status, count in statuses.items() if status[0] == first) / sum(statuses.values())


async def ask_it(port: int) -> None:
    for path, times in (("/api/chat", CHATS), ("/missing", MISSING)):
        for _each in range(times):
            await ask(port, "GET", path)


async def test_the_screen_shows_what_the_service_counted(stack: Stack) -> None:
    service = stack.services["gateway"]
    port = int(service.url.rpartition(":")[2])
    config = config_of(gateway=watched(service))
    app = LilFoxApp(Monitor(config), config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=(300, 28)) as pilot:
        monitor = app.monitor
        await scraped_twice(monitor, "gateway")
        before = await counted(port)
        await ask_it(port)
        await stack.fault("backend", "5xx")
        await ask_it(port)
        counts = await counted(port) - before
        assert sum(count for (name, *_), count in counts.items() if name == "http_requests_total") == 2 * 50
        await until(lambda: _requests(monitor) == 2 * 50, what="all of them scraped")
        found = traffic(monitor, "gateway")
        assert found is not None
        assert found.client_errors == pytest.approx(share(counts, "4"))
        assert found.server_errors == pytest.approx(share(counts, "5"))
        assert (await monitor.queries.families())["http_requests_total"].type == "counter"
        for quantile, value in found.quantiles():
            assert value is not None
            assert value.seconds == pytest.approx(by_hand(counts, quantile))
        routes = {part.name: part for part in monitor.scraping.by_route("gateway", found.at)}
        assert routes["/api/chat"].p95 is not None
        assert routes["/api/chat"].p95.seconds == pytest.approx(by_hand(counts, 0.95, "/api/chat"))
        assert routes["other routes"].client_errors == pytest.approx(100)
        rates = monitor.scraping.route_rates("gateway", found.at - timedelta(seconds=40), found.at, 4)
        assert {name: values[-1] for name, values in rates.items()} == pytest.approx(
            {name: part.requests_s for name, part in routes.items()}
        )
        assert monitor.scraping.route_rates("nobody", found.at - timedelta(seconds=40), found.at, 4) == {}
        statuses = {part.name: part.share for part in monitor.scraping.by_status("gateway", found.at)}
        assert statuses == pytest.approx({"200": 40, "404": 20, "502": 40})
        await pilot.pause()
        await until(lambda: "20.0%" in screen_text(pilot), what="drawn")
        row = next(each for each in screen_text(pilot).splitlines() if re.search(r"[✖◐●] gateway +\d{3} ", each))
        for text in (
            "20.0%",
            "40.0%",
            *(quantile_text(value) for _quantile, value in found.quantiles() if value is not None),
        ):
            assert text in row, row


def _selects(value_of: Callable[[str], Vector], rule: str) -> bool:
    return len(value_of(rule).labels) > 0


def _requests(monitor: Monitor, name: str = "gateway") -> int:
    """All requests of the window, from the rate that is shown: none but the test's were made."""
    found = traffic(monitor, name)
    assert found is not None
    return round((found.requests_s or 0) * found.window_s)


async def test_what_was_is_shown_again_when_the_screen_is_turned_back(stack: Stack) -> None:
    service = stack.services["model"]
    monitor = Monitor(config_of(model=watched(service)))
    async with watching(monitor):
        await scraped_twice(monitor, "model")
        await until(lambda: (found := traffic(monitor, "model")) is not None and found.in_flight, what="one under way")
        now = datetime.now(UTC)
        then = monitor.overview_at(now).services["model"].traffic
        assert isinstance(then, Ready)
        assert then.value.in_flight == 1, "the scrape itself"
        long_ago = monitor.overview_at(now - timedelta(hours=1)).services["model"].traffic
        assert isinstance(long_ago, Unavailable)
        assert str(long_ago.error.message) == "nothing recorded at that time"


@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        ("404 Not Found", "text/plain", b"", "returns 404"),
        ("200 OK", "text/html", b"<!doctype html><p>hello", "an HTML page, not metrics"),
        ("200 OK", "application/json", b"{}", "not metrics"),
        ("200 OK", "text/plain", b"ok \x1b[31m[bold]", "error on line 1"),
    ],
)
async def test_a_service_without_a_page_of_metrics_is_well_and_no_target_that_is_down(
    status: str, kind: str, body: bytes, told: str
) -> None:
    async def only_health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_health = (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /health ")
        head = "200 OK" if is_health else f"{status}\r\nContent-Type: {kind}"
        answer = b"" if is_health else body
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer)
        await writer.drain()

    async with serving(only_health) as port:
        service = ServiceConfig(url=f"http://127.0.0.1:{port}", metrics_every=Seconds(0.5))
        off = ServiceConfig(url=f"http://127.0.0.1:{port}", metrics=None)
        monitor = Monitor(config_of(plain=service, off=off))
        async with watching(monitor):
            await until(lambda: monitor.overview.value and told in why(monitor, "plain"), what="why there is nothing")
            await until(lambda: seen(monitor).services["plain"].level is Level.GOOD, what="well")
            store = monitor.scraping.store.value
            assert store is not None
            up = parse("up").at(store, round(datetime.now(UTC).timestamp() * 1000))
            assert isinstance(up, Vector)
            assert not up.labels.sets
            assert traffic(monitor, "off") is None


async def test_a_service_that_is_gone_is_a_target_that_is_down_and_its_numbers_are_unknown(stack: Stack) -> None:
    monitor = Monitor(config_of(model=watched(stack.services["model"])))
    async with watching(monitor):
        await scraped_twice(monitor, "model")
        await stack.fault("model", "crash")
        await until(lambda: "refuses the connection" in why(monitor, "model"), what="why")
        store = monitor.scraping.store.value
        assert store is not None
        up = parse('up{job="model"}').at(store, round(datetime.now(UTC).timestamp() * 1000))
        assert isinstance(up, Vector)
        assert up.values.tolist() == [0]
        assert traffic(monitor, "model") is None
        await stack.heal("model")
        await until(lambda: traffic(monitor, "model"), what="its page again")
        await ask(int(stack.services["model"].url.rpartition(":")[2]), "GET", "/health")
        await scraped_twice(monitor, "model")


async def test_a_section_of_a_services_name_tells_where_its_pages_are(stack: Stack) -> None:
    """Two replicas whose pages are not at the service's own address."""
    places = [stack.services[name].url.removeprefix("http://") for name in ("backend", "model")]
    scrape = ScrapeConfig(targets=tuple(places), every=Seconds(0.5), inflight="nosuch_gauge")
    config = msgspec.structs.replace(
        config_of(api=watched(stack.services["gateway"], metrics=None)), scrape={"api": scrape}
    )
    monitor = Monitor(config)
    async with watching(monitor):
        for place in places:
            await ask(int(place.rpartition(":")[2]), "GET", "/health")
        await scraped_twice(monitor, "api")
        for place in places:
            for _each in range(10):
                await ask(int(place.rpartition(":")[2]), "GET", "/missing")
        await until(lambda: 19 <= _requests(monitor, "api") <= 21, what="those of both")
        found = traffic(monitor, "api")
        assert found is not None
        assert found.client_errors == pytest.approx(100)
        assert "nosuch_gauge" in str(found.missing["in_flight"])
        assert [each.url for each in monitor.scraping.targets("api")] == [f"http://{each}/metrics" for each in places]


async def test_a_services_page_comes_through_the_host_that_asks_it(stack: Stack, lab: SshdLab) -> None:
    server = lab.sshd()
    service = watched(stack.services["backend"], from_="web")
    config = msgspec.structs.replace(config_of(backend=service), hosts={**HERE, "web": lab.host(server)}, ssh=lab.ssh())
    monitor = Monitor(config)
    async with watching(monitor):
        await until(lambda: monitor.overview.value and traffic(monitor, "backend"), what="over SSH")
        await scraped_twice(monitor, "backend")
        server.kill()
        await until(lambda: "cannot send the request from web" in why(monitor, "backend"), what="why")
        server.start()
        await until(lambda: traffic(monitor, "backend"), what="again")


async def test_the_gauges_that_the_manuals_rules_name_are_there_for_each_host(stack: Stack) -> None:
    monitor = Monitor(config_of(model=watched(stack.services["model"])))
    async with watching(monitor):
        await until(lambda: monitor.scraping.store.value, what="the store")
        store = monitor.scraping.store.value
        assert store is not None

        def value_of(text: str) -> Vector:
            found = parse(text).at(store, round(datetime.now(UTC).timestamp() * 1000))
            assert isinstance(found, Vector)
            return found

        for rule in ("cpu_usage_percent >= 0", "memory_usage_percent > 0", "lilfox_host_up == 1", "lilfox_cpus > 0"):
            await until(partial(_selects, value_of, rule), what=rule)
        assert (
            str(value_of("memory_usage_percent > 0").labels[0]) == 'memory_usage_percent{host="here", instance="here"}'
        )
        for name in ("lilfox_cpus", "cpu_usage_percent"):
            assert monitor.scraping.families()[name].type == "gauge"
            assert monitor.scraping.families()[name].help
        summary = seen(monitor).hosts["here"].summary
        assert summary is not None
        assert summary.memory_percent is not None
        assert value_of("memory_usage_percent").values[0] == pytest.approx(summary.memory_percent, abs=5)
