"""``python -m tests.bench.scrape_cost SERIES``: a large page parsed again and again, and what an hour of it takes.

Prints one JSON object: ``parse_ms`` against ``client_ms`` of prometheus_client's parser on the same pages in turn;
``sample_bytes``, the growth of this process' resident memory while the store took 240 rows, a sample; and ``first_s``,
``too_many_s`` and ``no_room_s``, the CPU time of a scrape over HTTP of 100,000 series, the most that are taken: the
first, the next of twice as many, and the next where the store has no room for their labels; ``too_many_relabelled_s``
and ``no_room_relabelled_s`` of a target with ``metric_relabel``, where only parsing tells the first time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.scrape.exposition import Exposition
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore, series_bytes
from lilfox_tui.scrape.target import SAMPLE_LIMIT, RelabelRule, ScrapeTarget
from tests.bench.metric_pages import MetricPage, metric_targets
from tests.bench.programs import median_ratio

ROUNDS = 11
REFUSALS = 6
PERIOD_S = 15
ROWS = 240
BEGAN_MS = 1_700_000_000_000
RULES = (RelabelRule("drop", source_labels=("__name__",), regex="go_.*"),)


def hour(page: MetricPage, series: int) -> float:
    """Bytes a sample of an hour, labels and what the parser remembers among them."""
    bodies = [page.at(1_000_000.0 + row * PERIOD_S) for row in range(ROWS)]
    before = _resident_bytes()
    exposition, store = Exposition(LabelSet.of), SeriesStore(keep_s=7200, limit_bytes=1 << 30)
    target = store.target("page")
    for row, body in enumerate(bodies):
        read = exposition.read(body, openmetrics=False)
        assert target.append(BEGAN_MS + row * PERIOD_S * 1000, read.labels, read.values)
    taken = _resident_bytes() - before
    assert store.sample_count == series * ROWS
    return taken / store.sample_count


def parse(page: MetricPage, series: int) -> tuple[list[float], list[float]]:
    """CPU seconds of each reading, ours and prometheus_client's."""
    exposition = Exposition(LabelSet.of)
    exposition.read(page.at(1_000_000.0), openmetrics=False)
    ours, theirs = [], []
    for number in range(ROUNDS):
        body = page.at(1_000_001.0 + number)
        began = time.thread_time()
        read = exposition.read(body, openmetrics=False)
        ours.append(time.thread_time() - began)
        text = body.decode()
        began = time.thread_time()
        samples = sum(len(family.samples) for family in text_string_to_metric_families(text))
        theirs.append(time.thread_time() - began)
        assert samples == read.samples == series
    return ours, theirs


async def scrapes(
    port: int, *, limit_bytes: int, refused: bool, rules: tuple[RelabelRule, ...] = ()
) -> tuple[float, float]:
    """CPU seconds of the first scrape of a target and the median of the later ones."""
    target = ScrapeTarget(f"http://127.0.0.1:{port}/metrics", (("job", "page"),), timeout_s=60, metric_relabel=rules)
    scraper = Scraper(target, SeriesStore(keep_s=3600, limit_bytes=limit_bytes), None)
    took = []
    for _turn in range(REFUSALS):
        began = time.process_time()
        await scraper.scrape_once()
        took.append(time.process_time() - began)
        assert isinstance(scraper.feed.state, Unavailable) == refused
    await scraper.close()
    return took[0], median(took[1:])


def refusals() -> dict[str, float]:
    """CPU seconds of scrapes of as many series as are taken, and of pages that are refused."""
    with metric_targets(1, SAMPLE_LIMIT) as (port,):
        first_s, _later_s = asyncio.run(scrapes(port, limit_bytes=1 << 30, refused=False))
        little = series_bytes(SAMPLE_LIMIT, SAMPLE_LIMIT)  # for labels of one letter
        _first_s, no_room_s = asyncio.run(scrapes(port, limit_bytes=little, refused=True))
        _first_s, no_room_relabelled_s = asyncio.run(scrapes(port, limit_bytes=little, refused=True, rules=RULES))
    with metric_targets(1, 2 * SAMPLE_LIMIT) as (port,):
        _first_s, too_many_s = asyncio.run(scrapes(port, limit_bytes=1 << 30, refused=True))
        _first_s, too_many_relabelled_s = asyncio.run(scrapes(port, limit_bytes=1 << 30, refused=True, rules=RULES))
    return {
        "first_s": first_s,
        "too_many_s": too_many_s,
        "no_room_s": no_room_s,
        "too_many_relabelled_s": too_many_relabelled_s,
        "no_room_relabelled_s": no_room_relabelled_s,
    }


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _measured(series: int) -> dict[str, float]:
    page = MetricPage(series)
    sample_bytes = hour(page, series)
    ours, theirs = parse(page, series)
    return {
        "sample_bytes": sample_bytes,
        "parse_ms": median(ours) * 1000,
        "client_ms": median(theirs) * 1000,
        "parse_ratio": median_ratio(ours, theirs),
        **refusals(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measured(int(sys.argv[1]))))
