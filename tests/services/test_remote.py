"""A real Prometheus and a real VictoriaMetrics asked over HTTP, against our own evaluator on the same targets."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import EmbeddedEngine, QueryEngine
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.promql.value import PROMETHEUS_2, Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelSet, Matcher
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from tests.services.prometheus_server import prometheus
from tests.services.stamped_targets import TICK_MS, StampedTargets, stamped_targets
from tests.services.victoria_server import victoria
from tests.waiting import pause, until

PLAIN = [
    "level",
    'level{name="a"}',
    'requests_total{status=~"5.."}',
    "level > 1",
    "level > bool 1",
    "sum(level)",
    "avg by (job) (level)",
    "count without (instance) (requests_total)",
    "max(wave) - min(wave)",
    "topk(1, level)",
    "sum(requests_total) by (status) / ignoring(status) group_left sum(requests_total)",
    "level * on (instance) group_left wave",
    "level unless on (name) level > 1",
    "absent(nothing)",
    "sum_over_time(wave[2s])",
    "quantile(0.5, level)",
    "histogram_quantile(0.9, sum by (le) (latency_seconds_bucket))",
    'label_replace(level, "short", "$1", "instance", "(.*):.*")',
    "wave offset 1s",
    "vector(3)",
    "-level ^ 2",
]
"""What Prometheus and VictoriaMetrics mean the same by."""
RATES = [
    "rate(requests_total[2s])",
    "sum by (status) (increase(requests_total[3s]))",
    'sum(rate(requests_total{status=~"5.."}[3s])) / sum(rate(requests_total[3s]))',
    "histogram_quantile(0.95, sum by (le) (rate(latency_seconds_bucket[3s])))",
    "deriv(wave[3s])",
    "max_over_time(wave[2s])",
    "avg_over_time(rate(requests_total[1s])[3s:500ms])",
    "predict_linear(wave[3s], 10)",
    "wave[1s]",
    "1 + 1",
    '"text"',
]
"""What VictoriaMetrics calculates in its own way, so that only Prometheus is asked."""
Plain = dict[LabelSet, list[tuple[int, float]]] | float | str


@asynccontextmanager
async def scraped(targets: StampedTargets) -> AsyncIterator[SeriesStore]:
    """A store that we scrape both targets into."""
    store = SeriesStore(keep_s=3600, limit_bytes=10_000_000)
    tasks = [
        asyncio.create_task(
            Scraper(
                ScrapeTarget(
                    url=f"http://{address}/metrics", labels=(("instance", address), ("job", "app")),
                    interval_s=0.15, timeout_s=0.15,
                ),
                store, None,
            ).run()
        )
        for address in targets.addresses
    ]  # fmt: skip
    try:
        yield store
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def plain(engine: QueryEngine, text: str, at: datetime) -> Plain:
    """An answer as built-in types."""
    return _plain(await engine.instant(text, at))


def _plain(value: Value) -> Plain:
    match value:
        case Vector():
            return {one: [(0, number)] for one, number in zip(value.labels, value.values.tolist(), strict=True)}
        case Matrix():
            return _lines(value.lines)
    return value


def _lines(lines: list[Line]) -> dict[LabelSet, list[tuple[int, float]]]:
    return {one.labels: list(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in lines}


def same(one: Plain, other: Plain) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            [at for at, _ in one[key]] == [at for at, _ in other[key]]
            and all(math.isclose(a, b, rel_tol=1e-9) for (_, a), (_, b) in zip(one[key], other[key], strict=True))
            for key in one
        )
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other


class Servers:
    """The three that have scraped the same targets; ``at`` are instants that all have whole."""

    def __init__(
        self, here: EmbeddedEngine, prometheus: RemoteEngine, victoria: RemoteEngine, at: list[datetime]
    ) -> None:
        self.here, self.prometheus, self.victoria, self.at = here, prometheus, victoria, at


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        targets = stack.enter_context(stamped_targets())
        server = stack.enter_context(prometheus(folder, settings=targets.settings))
        other = stack.enter_context(victoria(folder / "victoria", targets.settings))
        store = await stack.enter_async_context(scraped(targets))
        there = [RemoteEngine(ApiConfig(url=url)) for url in (f"http://127.0.0.1:{server.port}", other)]
        for engine in there:
            stack.push_async_callback(engine.close)
        here = EmbeddedEngine(store, PROMETHEUS_2)
        for engine in there:
            await _scrapes(engine)
        began, needed = datetime.now(UTC), timedelta(milliseconds=TICK_MS * 14)
        await until(lambda: datetime.now(UTC) > began + needed, what="samples")
        await _is_whole([here, *there], began + needed)
        at = [began + needed, began + needed - timedelta(milliseconds=777)]
        yield Servers(here, there[0], there[1], at)


async def _scrapes(engine: RemoteEngine) -> None:
    """Waits until it has begun to scrape, which in Prometheus takes some 5 s."""
    async with asyncio.timeout(60):
        while await plain(engine, "count(level) == 2", datetime.now(UTC)) == {}:
            await pause(0.1)


async def _is_whole(engines: Sequence[QueryEngine], at: datetime) -> None:
    """Waits until all have as many samples: what VictoriaMetrics has just taken is found some seconds later."""
    async with asyncio.timeout(60):
        while True:
            first, *others = [await plain(engine, "count_over_time(wave[4s])", at) for engine in engines]
            if all(one == first for one in others):
                return
            await pause(0.1)


async def test_the_same_answers_from_prometheus_and_victoriametrics_as_here(tmp_path: Path) -> None:
    async with servers(tmp_path) as found:
        wrong = []
        for text in PLAIN + RATES:
            for at in found.at:
                here = await plain(found.here, text, at)
                there = {"Prometheus": await plain(found.prometheus, text, at)}
                if text in PLAIN:
                    there["VictoriaMetrics"] = await plain(found.victoria, text, at)
                wrong += [(text, name, here, answer) for name, answer in there.items() if not same(here, answer)]
        assert not wrong
        start, end = found.at[1] - timedelta(seconds=2), found.at[0]
        for text in ("level", "sum(rate(requests_total[2s]))", "level > 1", "3"):
            here_lines = _lines(await found.here.range(text, start, end, 0.5))
            assert here_lines
            assert same(here_lines, _lines(await found.prometheus.range(text, start, end, 0.5))), text
        selector = (Matcher("__name__", "=~", "level|wave"), Matcher("instance", "!=", ""))
        for engine in (found.prometheus, found.victoria):
            assert set(await engine.series(selector, start, end)) == set(await found.here.series(selector, start, end))
            names = set(await engine.label_values("", NAME, start, end))
            assert names >= {"level", "wave", "requests_total", "latency_seconds_bucket", "up"}
            assert set(await found.here.label_values("", NAME, start, end)) - names <= {"scrape_series_added"}
            for metric in ("level", "requests_total"):
                labels = await engine.label_names(metric, start, end)
                assert labels == await found.here.label_names(metric, start, end)
                for label in labels:
                    ours = await found.here.label_values(metric, label, start, end)
                    assert await engine.label_values(metric, label, start, end) == ours
        await _refused_in_their_own_words(found)


async def _refused_in_their_own_words(found: Servers) -> None:
    with pytest.raises(QueryError) as caught:
        await found.prometheus.instant("sum(level\n  + rate(level))")
    assert str(caught.value).splitlines()[1:] == ["    + rate(level))", "           ^"]
    assert "expected type range vector" in str(caught.value)
    with pytest.raises(QueryError, match="many-to-many"):
        await found.prometheus.instant("level + on (job) wave")
    with pytest.raises(QueryError, match="unsupported function"):
        await found.victoria.instant("nothing_of(level)")
    with pytest.raises(QueryError, match="at most 11000 points per series"):
        await found.prometheus.range("level", found.at[0] - timedelta(days=1), found.at[0], 1)
