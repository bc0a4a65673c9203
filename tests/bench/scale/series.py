"""Series: scraped over HTTP, kept in memory, and queried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.exposition import Exposition
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from tests.bench.metric_pages import SERIES_OF_A_ROUTE, MetricPage, metric_targets
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch

OF_A_TARGET = 1000
PERIOD_MS = 15_000
_BEGAN_MS = 1_700_000_000_000
_ROWS = 40
"""Ten minutes."""
_ROUTES = OF_A_TARGET // SERIES_OF_A_ROUTE
_PORTS = "ports.json"
_LIMIT_BYTES = 8 << 30
"""More than is needed: the history is not to be shortened here."""
_ALL = "sum by (route) (rate(http_requests_total[1m]))"
_ONE = 'sum(rate(http_requests_total{route="/api/v1/resource-7",status="200"}[1m]))'
_SCREEN = Limits(wall_s=0.5)


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """Targets of 1,000 series each, in a process of their own."""
    with metric_targets(size // OF_A_TARGET, OF_A_TARGET) as ports:
        (folder / _PORTS).write_text(json.dumps(ports))
        yield


def _scraped(size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_scrapes(size, json.loads((folder / _PORTS).read_text()), watch))


async def _scrapes(size: int, ports: list[int], watch: Stopwatch) -> None:
    """The first scrape of each, which reads every label, is not measured: the later ones are most of a day's."""
    store = _store()
    targets = [ScrapeTarget(f"http://127.0.0.1:{port}/metrics", (("instance", f"{port}"),)) for port in ports]
    scrapers = [Scraper(target, store, None) for target in targets]

    async def once() -> None:
        for scraper in scrapers:
            await scraper.scrape_once()

    try:
        await once()
        for _ in watch.rounds():
            with watch.turn():
                await once()
        assert store.series_count >= size
    finally:
        for scraper in scrapers:
            await scraper.close()


def _store() -> SeriesStore:
    return SeriesStore(keep_s=7200, limit_bytes=_LIMIT_BYTES)


def _fill(store: SeriesStore, size: int) -> None:
    """All targets have the same page, each with its own ``instance``: ten minutes of it."""
    page = MetricPage(OF_A_TARGET)
    bodies = [page.at(row * PERIOD_MS / 1000) for row in range(_ROWS)]
    names = [f"web-{number}:9100" for number in range(size // OF_A_TARGET)]
    readers = [Exposition(ScrapeTarget(f"http://{name}/metrics", (("instance", name),)).series) for name in names]
    for row, body in enumerate(bodies):
        for name, reader in zip(names, readers, strict=True):
            read = reader.read(body, openmetrics=False)
            assert store.target(name).append(_BEGAN_MS + row * PERIOD_MS, read.labels, read.values)


def _held(size: int, _folder: Path, watch: Stopwatch) -> None:
    with watch.turn():
        store = _store()
        _fill(store, size)
    assert store.sample_count == size * _ROWS


def _asked(size: int, _folder: Path, watch: Stopwatch) -> None:
    store, query = _store(), parse(_ALL)
    _fill(store, size)
    for _ in watch.rounds():
        with watch.turn():
            found = query.at(store, _BEGAN_MS + (_ROWS - 1) * PERIOD_MS)
        assert isinstance(found, Vector)
        assert len(found.labels) == _ROUTES


def _drawn(size: int, _folder: Path, watch: Stopwatch) -> None:
    store, query = _store(), parse(_ONE)
    _fill(store, size)
    for _ in watch.rounds():
        with watch.turn():
            lines = query.over(store, _BEGAN_MS + 4 * PERIOD_MS, _BEGAN_MS + (_ROWS - 1) * PERIOD_MS, PERIOD_MS)
        assert len(lines) == 1


AXIS = Axis(
    name="series",
    title="Series",
    unit="series",
    about=f"Targets of {OF_A_TARGET:,} series each: counters and histograms of a web service, nearly each value "
    "another at each scrape.",
    sizes=(1000, 3000, 10_000, 30_000, 100_000, 300_000),
    prepare=prepare,
    operations=(
        Operation(name="scrape", title="each target scraped once more", run=_scraped, limits=Limits(cpu_s=1.5)),
        Operation(name="hold", title="ten minutes at 15 s, read and held", run=_held,
                  limits=Limits(peak_bytes=500_000_000)),
        Operation(name="query", title=f"`{_ALL}`", run=_asked, limits=_SCREEN),
        Operation(name="chart", title="a chart of one series of each target, 36 points", run=_drawn, limits=_SCREEN),
    ),
)  # fmt: skip
