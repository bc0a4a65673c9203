"""Exporters among the services: nginx' requests are shown as its exporter counts them, and what tells of no requests
shows none, with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.model import Config, HostConfig, ScrapeConfig, ServiceConfig
from lilfox_tui.config.themes import load_theme
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import human_count
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import ms_of
from tests.app.still import screen_text
from tests.services.exporters import exporter, of_nginx, of_postgres, of_redis
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.services.rabbitmq_server import RabbitMqServer
from tests.services.redis_server import RedisServer
from tests.services.test_monitor import LIMITS
from tests.waiting import until

SELDOM, OFTEN = Seconds(86_400), Seconds(0.5)
WHY = {
    "requests": "no request counter was found",
    "latency": "no histogram of response times was found",
    "in_flight": "no gauge of in-flight requests was found",
}


def config_of(services: dict[str, ServiceConfig], **scrape: ScrapeConfig) -> Config:
    here = {"here": HostConfig(local=True)}
    return Config(refresh=OFTEN, hosts=here, thresholds=LIMITS, services=services, scrape=scrape)


def app_of(config: Config) -> LilFoxApp:
    return LilFoxApp(Monitor(config), config, theme=load_theme("fox-dark"), glyphs=UNICODE)


def traffic(monitor: Monitor, name: str) -> Traffic | None:
    overview = monitor.overview.value
    state = None if overview is None else overview.services[name].traffic
    return state.value if isinstance(state, Ready) else None


def row(pilot: Pilot[None], name: str) -> str:
    cells = (cell for line in screen_text(pilot).splitlines() for cell in line.split("│"))
    return next((cell.strip() for cell in cells if re.match(rf" ● {name} ", cell)), "")


async def test_what_tells_of_no_requests_shows_none_and_says_why() -> None:
    """Also node_exporter, which counts requests to disks, and Redis', which counts those of its own that failed."""
    with (
        Postgres() as postgres, RedisServer() as redis, RabbitMqServer() as rabbitmq,
        of_postgres(postgres) as of_database, of_redis(redis) as of_cache,
        exporter("prometheus-node-exporter") as of_host,
    ):  # fmt: skip
        pages = {
            "postgresql": of_database,
            "redis": of_cache,
            "rabbitmq": f"127.0.0.1:{rabbitmq.prometheus}",
            "host": of_host,
        }
        services = {
            name: ServiceConfig(url=f"http://{address}", health="/metrics", every=SELDOM, metrics_every=OFTEN)
            for name, address in pages.items()
        }
        app = app_of(config_of(services))
        async with app.run_test(size=(300, 28)) as pilot:
            for name in services:
                await until(lambda name=name: traffic(app.monitor, name), what=f"{name} is scraped")  # type: ignore[misc]
                found = traffic(app.monitor, name)
                assert found is not None
                assert (found.taken, {what: str(why) for what, why in found.missing.items()}) == ({}, WHY)
                only_health = re.compile(rf"● {name} +200 +[\d.]+ms +\d+s +{re.escape(services[name].url[7:])}/metrics")
                await until(lambda r=only_health, name=name: r.fullmatch(row(pilot, name)), what=f"{name} is drawn")  # type: ignore[misc]


async def test_requests_of_nginx_are_those_of_its_log(tmp_path: Path) -> None:
    """The scrapes themselves are among them: the exporter asks nginx at each."""
    with Nginx(tmp_path / "nginx") as web, of_nginx(web) as address:
        services = {"web": ServiceConfig(url=web.url, health="/", every=SELDOM)}
        app = app_of(config_of(services, web=ScrapeConfig(targets=(address,), every=OFTEN)))
        async with app.run_test(size=(300, 28)) as pilot:
            monitor = app.monitor
            await until(lambda: (found := traffic(monitor, "web")) and found.requests_s, what="a rate")
            for _each in range(40):
                web.get("/")
            least = web.requests_logged()
            await until(lambda: asked(monitor, "nginx_http_requests_total") >= least, what="they are scraped")
            assert asked(monitor, "nginx_http_requests_total") <= web.requests_logged()
            await until(lambda: shown_is_asked(monitor), what="the rate is that of the query")
            found = traffic(monitor, "web")
            assert found is not None
            assert dict(found.taken) == {
                "requests": "nginx_http_requests_total", "in_flight": "nginx_connections_active",
            }  # fmt: skip
            assert (found.client_errors, found.server_errors, found.p95) == (None, None, None)
            assert set(found.missing) == {"status", "latency"}
            await until(lambda: drawn(pilot, traffic(monitor, "web")), what="rate and connections are drawn")


def asked(monitor: Monitor, query: str, at_ms: int | None = None) -> float:
    store, found = monitor.scraping.store.value, traffic(monitor, "web")
    assert store is not None
    assert found is not None
    value = parse(query).at(store, ms_of(found.at) if at_ms is None else at_ms)
    assert isinstance(value, Vector)
    return float(value.values[0])


def shown_is_asked(monitor: Monitor) -> bool:
    """More than a scrape a second and as our own PromQL has it."""
    found = traffic(monitor, "web")
    assert found is not None
    assert found.requests_s is not None
    rate = asked(monitor, f"rate(nginx_http_requests_total[{round(found.window_s * 1000)}ms])")
    return found.requests_s > 3 and found.requests_s == pytest.approx(rate)


def drawn(pilot: Pilot[None], found: Traffic | None) -> bool:
    assert found is not None
    assert found.in_flight is not None
    words = row(pilot, "web").split()
    return human_count(found.requests_s) in words and f"{found.in_flight:.0f}" in words
