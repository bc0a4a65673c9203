"""Services that nobody configured and that were found on this machine: shown, and never in what rules select."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.core.aio import Ready
from lilfox_tui.monitor import model
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.scrape_once import scrape_once
from lilfox_tui.scrape.labels import Matcher
from lilfox_tui.scrape.store import SeriesSource
from tests.pages import served
from tests.waiting import until

PAGE = b'# TYPE http_requests_total counter\nhttp_requests_total{status="200"} 5\nmine 1\n'


@pytest.fixture
def found_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where a program listens that nobody configured, on a port that the manual names."""
    with served([lambda: (200, PAGE)]) as (address,):
        port = int(address.rpartition(":")[2])
        monkeypatch.setattr(model, "_SERVICES", {"gateway": port})
        yield port


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_accepts_connections_is_found(family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        assert not model.accepts(port)
        server.listen()
        assert model.accepts(port)
    assert not model.accepts(port)


def jobs_of(source: SeriesSource) -> set[str]:
    """The jobs whose ``up`` a rule would select."""
    found = source.select((Matcher("__name__", "=", "up"),), 0, 2**62)
    return {labels.get("job") for one in found for labels in one.labels}


def config_of(folder: Path, prometheus_yml: str = "scrape_configs: []\n", more: str = "") -> Config:
    (folder / "prometheus.yml").write_text(prometheus_yml)
    (folder / "config.yaml").write_text(f"prometheus_config: prometheus.yml\nrefresh: 1s\n{more}")
    return load(folder / "config.yaml").config


@asynccontextmanager
async def watching(config: Config, folder: Path) -> AsyncIterator[Monitor]:
    monitor = Monitor(config, alert_state=folder / "state")
    running = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def traffic_known(monitor: Monitor) -> Callable[[], bool]:
    def known() -> bool:
        overview = monitor.overview.value
        return overview is not None and isinstance(overview.services["gateway"].traffic, Ready)

    return known


@pytest.mark.fault("4.57")
async def test_what_listens_here_is_shown_and_no_rule_selects_it(found_port: int, tmp_path: Path) -> None:
    async with watching(config_of(tmp_path), tmp_path) as monitor:
        await until(traffic_known(monitor), what="the found service's page")
        assert monitor.scraping.store.value is not None
        assert jobs_of(monitor.scraping.store.value) == set()
        assert monitor.overview.value is not None
        assert report(monitor.overview.value)["services"]["gateway"]["found"] is True
        text = prometheus(monitor.overview.value, {})
        assert "lilfox_host_up" in text
        assert "gateway" not in text  # a rule elsewhere would fire for it as well
        assert str(found_port) not in text


@pytest.mark.fault("4.57")
async def test_a_target_that_is_named_stays_one_where_a_service_is_found_at_its_address(
    found_port: int, tmp_path: Path
) -> None:
    yml = f"scrape_configs: [{{job_name: gateway, static_configs: [{{targets: ['localhost:{found_port}']}}]}}]\n"
    async with watching(config_of(tmp_path, yml), tmp_path) as monitor:
        store = monitor.scraping.store
        await until(lambda: store.value is not None and jobs_of(store.value) == {"gateway"}, what="the named target")
        assert monitor.scraping.problems == ()


@pytest.mark.fault("4.57")
async def test_a_section_of_scrape_with_a_found_services_name_is_named(found_port: int, tmp_path: Path) -> None:
    more = f"scrape: {{gateway: {{targets: ['localhost:{found_port}'], every: 1s, timeout: 1s}}}}\n"
    async with watching(config_of(tmp_path, more=more), tmp_path) as monitor:
        store = monitor.scraping.store
        await until(lambda: store.value is not None and jobs_of(store.value) == {"gateway"}, what="the named section")


@pytest.mark.fault("4.57")
async def test_a_look_for_lint_and_queries_is_at_what_is_named(found_port: int, tmp_path: Path) -> None:
    async with scrape_once(config_of(tmp_path), None, for_s=0, every_s=1, hosts=False) as seen:
        assert jobs_of(seen.store) == set()
    async with scrape_once(Config(), None, for_s=0, every_s=1, hosts=False) as seen:
        assert jobs_of(seen.store) == {"gateway"}  # nothing is named: what is found is all there is


async def test_a_service_that_is_configured_enters_rules(found_port: int, tmp_path: Path) -> None:
    named = Config(services={"own": ServiceConfig(url=f"http://localhost:{found_port}")})
    async with watching(named, tmp_path) as monitor:
        store = monitor.scraping.store
        await until(lambda: store.value is not None and jobs_of(store.value) == {"own"}, what="the named service")
