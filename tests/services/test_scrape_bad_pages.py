"""A target that misbehaves: each case is a real server on loopback, and ends in a sentence and ``up 0``."""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.hosts.http import Tls
from lilfox_tui.scrape.exposition import ScrapedPage, read_series
from lilfox_tui.scrape.labels import Matcher
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SeriesStore
from lilfox_tui.scrape.target import PlainSecret, RelabelRule, ScrapeAccess, ScrapeLimits, ScrapeTarget
from tests.services.http_servers import Flood, Talk, never, own_certificate, page, says, serving
from tests.waiting import until

TEXT = "Content-Type: text/plain; version=0.0.4\r\n"
OPENMETRICS = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"


def store() -> SeriesStore:
    return SeriesStore(keep_s=3600, limit_bytes=1 << 30)


def newest(kept: SeriesStore) -> dict[str, float | str]:
    """Series and their last value; those that ended are "stale", those without a sample are left out."""
    found: dict[str, float | str] = {}
    for one in kept.select((Matcher("__name__", "=~", ".+"),), 0, 1 << 60):
        last = np.ascontiguousarray(one.values[-1])
        for labels, bits, value in zip(one.labels, last.view(np.int64), last, strict=True):
            if bits != ABSENT_BITS:
                found[str(labels.without(("instance", "job")))] = "stale" if bits == STALE_BITS else float(value)
    return found


@asynccontextmanager
async def scraping(port: int, kept: SeriesStore, *, path: str = "/metrics", **keys: Any) -> AsyncIterator[Scraper]:
    url = f"{keys.pop('scheme', 'http')}://127.0.0.1:{port}{path}"
    labels = (("instance", f"127.0.0.1:{port}"), ("job", "test"))
    scraper = Scraper(ScrapeTarget(url, labels, **keys), kept, None)
    try:
        yield scraper
    finally:
        await scraper._request.close()


async def once(talk: Talk, **keys: Any) -> tuple[Scraper, SeriesStore]:
    kept = store()
    async with serving(talk) as port, scraping(port, kept, **keys) as scraper:
        await scraper.scrape_once()
        return scraper, kept


def reason(scraper: Scraper) -> str:
    state = scraper.feed.state
    assert isinstance(state, Unavailable), state
    assert state.next_try is not None
    return str(state.error)


async def test_a_good_page_is_kept_with_what_is_known_of_the_scrape() -> None:
    scraper, kept = await once(page(b'a{x="1"} 5\nb NaN\n', head=TEXT))
    shown = newest(kept)
    duration = shown.pop("scrape_duration_seconds")
    assert isinstance(duration, float)
    assert 0 < duration < 10
    assert str(shown.pop("b")) == "nan"
    assert shown == {
        'a{x="1"}': 5, "up": 1, "scrape_samples_scraped": 2, "scrape_samples_post_metric_relabeling": 2,
        "scrape_series_added": 2,
    }  # fmt: skip
    assert isinstance(scraper.feed.state, Ready)


@pytest.mark.parametrize(
    ("talk", "keys", "said"),
    [
        (page(b"<!DOCTYPE html><html>", head="Content-Type: text/html\r\n"), {}, "an HTML page, not metrics"),
        (page(b"<html>", head=TEXT), {}, "an HTML page, not metrics"),
        (page(b"{}", head="Content-Type: application/json\r\n"), {}, "returns application/json"),
        (page(b"a 1\nb", head=TEXT), {}, "error on line 2"),
        (page(b"a 1\nb nope\n", head=TEXT), {}, "value is not a number"),
        (page(b"a 1\n", head=OPENMETRICS), {}, "it was truncated"),
        (page(b"a 1\nb 2\nc 3\n", head=TEXT), {"limits": ScrapeLimits(samples=2)}, "more than 2 samples"),
        (page(b'a{x="yyyy"} 1\n', head=TEXT), {"limits": ScrapeLimits(label_value_length=3)}, "longer than"),
        (page(b"down", status="503 Service Unavailable"), {}, "returns 503"),
        (page(b"", status="401 Unauthorized"), {}, "returns 401"),
        (page(b"", status="302 Found", head="Location: http://elsewhere.invalid/metrics\r\n"), {}, "not followed"),
        (page(b"", status="302 Found", head="Location: /metrics\r\n"), {}, "redirects too many times"),
        (says(b"SSH-2.0-OpenSSH_10.0\r\n\r\n"), {}, "does not speak HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n"), {}, "closed the connection"),
        (never, {"timeout_s": 0.2}, "within 0.2 s"),
        (page(b"a 1\n", head=TEXT + "Content-Encoding: br\r\n"), {}, "not requested"),
        (page(b"no gzip", head=TEXT + "Content-Encoding: gzip\r\n"), {}, "corrupt or truncated"),
        (page(gzip.compress(b"a 1\n" * 99)[:-12], head=TEXT + "Content-Encoding: gzip\r\n"), {}, "truncated"),
    ],
)  # fmt: skip
async def test_a_bad_page_is_refused_with_a_sentence(talk: Talk, keys: dict[str, Any], said: str) -> None:
    scraper, kept = await once(talk, **keys)
    assert re.search(said, reason(scraper))
    shown = newest(kept)
    assert (shown["up"], shown["scrape_series_added"]) == (0, 0)
    assert len(shown) == 5


async def test_a_page_that_has_an_up_of_its_own_keeps_it() -> None:
    kept = store()
    async with serving(page(b"up 7\n", head=TEXT)) as port, scraping(port, kept) as scraper:
        await scraper.scrape_once()
    shown = newest(kept)
    assert (shown["up"], shown["scrape_samples_scraped"]) == (7.0, 1.0)


async def test_two_scrapes_within_a_millisecond_are_both_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.scrape.scraper.time.time_ns", lambda: 1_700_000_000_000_000_000)
    kept = store()
    async with serving(page(b"a 1\n", head=TEXT)) as port, scraping(port, kept) as scraper:
        for _time in range(2):
            await scraper.scrape_once()
            assert isinstance(scraper.feed.state, Ready)


@pytest.mark.fault("S32")
async def test_gigabytes_are_not_read() -> None:
    flood = Flood()
    scraper, _kept = await once(flood, limits=ScrapeLimits(body_bytes=1 << 20))
    assert "more than 1.0M" in reason(scraper)
    assert flood.sent < 64 << 20


@pytest.mark.fault("S32")
async def test_a_gzip_bomb_ends_block_by_block() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"a" * (1 << 20)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 1 << 20
    kept = store()
    async with (
        serving(page(bomb, head=TEXT + "Content-Encoding: gzip\r\n")) as port,
        scraping(port, kept, limits=ScrapeLimits(body_bytes=4 << 20)) as scraper,
    ):
        await scraper._request._transport.connect()
        tracemalloc.start()
        try:
            await scraper.scrape_once()
            _now, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert "more than 4.0M" in reason(scraper)
    assert most < 16 << 20


async def test_a_packed_page_is_read() -> None:
    packed = gzip.compress(b"".join(b'a{i="%d"} 1\n' % i for i in range(20_000)))
    _scraper, kept = await once(page(packed, head=TEXT + "Content-Encoding: gzip\r\n"))
    assert newest(kept)["scrape_samples_scraped"] == 20_000


@pytest.mark.fault("S32")
async def test_a_million_series_are_refused_and_hold_up_nobody() -> None:
    many = b"".join(b'a{i="%d"} 1\n' % i for i in range(1_000_000))
    kept = store()
    longest = 0.0
    async with serving(page(many, head=TEXT)) as port, scraping(port, kept, timeout_s=60) as scraper:
        scrape = asyncio.create_task(scraper.scrape_once())
        before = time.process_time()  # what others do on this machine is not counted
        while not scrape.done():
            await asyncio.wait({scrape}, timeout=0.005)
            longest, before = max(longest, time.process_time() - before), time.process_time()
    assert "more than 100000 samples" in reason(scraper)
    assert kept.series_count == 5
    assert longest < 1.0


async def test_a_million_series_of_many_targets_stop_where_the_store_is_full() -> None:
    kept = SeriesStore(keep_s=3600, limit_bytes=4 << 20)
    body = b"".join(b'a{i="%d"} 1\n' % i for i in range(4000))
    refused = []
    async with serving(page(body, head=TEXT)) as port:
        for number in range(6):
            async with scraping(port, kept, path=f"/{number}") as scraper:
                await scraper.scrape_once()
                refused += [reason(scraper)] if isinstance(scraper.feed.state, Unavailable) else []
    assert kept.size_bytes < 5 << 20
    assert kept.series_count > 8000
    assert refused
    assert all(one.startswith("no memory left for 4000 series: all targets together may use 4.0M") for one in refused)


async def test_pages_that_are_refused_leave_nothing_in_memory() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        new = random.randbytes(4).hex().encode()
        body = b"".join(b'a{user="%b-%d"} 1\n' % (new, i) for i in range(10_001))
        await page(body, head=TEXT)(reader, writer)

    async with serving(talk) as port, scraping(port, store(), limits=ScrapeLimits(samples=10_000)) as scraper:
        await scraper.scrape_once()
        tracemalloc.start()
        try:
            await scraper.scrape_once()
            left, _most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert "more than 10000 samples" in reason(scraper)
    assert left < 1 << 20


async def test_duplicates_and_odd_times_are_dropped_counted_and_told() -> None:
    body = b"a 1\na 2\nold 1 1000\nahead 1 99999999999999\n"
    scraper, kept = await once(page(body, head=TEXT))
    assert newest(kept)["a"] == 1
    value = scraper.feed.value
    assert value is not None
    assert [str(one).partition(":")[0] for one in value.remarks] == ["1 sample dropped"] * 3
    assert (value.samples, value.kept) == (4, 4)


async def test_series_end_when_a_scrape_fails_and_come_back() -> None:
    answers = [b"a 1\nb 1\n", b"<html>", b"a 2\n"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await page(answers.pop(0), head=TEXT)(reader, writer)

    kept = store()
    shown = []
    async with serving(talk) as port, scraping(port, kept) as scraper:
        for _time in range(3):
            await scraper.scrape_once()
            shown.append({name: value for name, value in newest(kept).items() if not name.startswith("scrape")})
    assert shown == [{"a": 1, "b": 1, "up": 1}, {"a": "stale", "b": "stale", "up": 0}, {"a": 2, "up": 1}]


@pytest.mark.fault("S31")
async def test_a_redirect_at_the_same_address_is_followed_with_the_secret() -> None:
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head)
            here = head.split(b" ", 2)[1]
            if here == b"/metrics?a=b":
                writer.write(b"HTTP/1.1 301 Moved\r\nLocation: /metrics/?a=b\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n")
            await writer.drain()

    scraper, kept = await once(talk, path="/metrics?a=b", access=ScrapeAccess(user="u", password=PlainSecret("pw")))
    assert newest(kept)["a"] == 1
    assert [head.split(b" ", 2)[1] for head in asked] == [b"/metrics?a=b", b"/metrics/?a=b"]
    assert all(b"Authorization: Basic dTpwdw==" in head for head in asked)
    assert "pw" not in repr(scraper.target)


@pytest.mark.fault("S31")
async def test_a_certificate_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    tls = own_certificate(tmp_path)
    good = Tls(ca_file=str(tmp_path / "certificate.pem"), server_name="localhost")
    for wanted, up in ((good, 1), (Tls(verify=False), 1), (Tls(), 0), (Tls(ca_file=str(tmp_path / "none.pem")), 0)):
        kept = store()
        async with (
            serving(page(b"a 1\n"), tls) as port,
            scraping(port, kept, scheme="https", access=ScrapeAccess(tls=wanted)) as scraper,
        ):
            await scraper.scrape_once()
        assert newest(kept)["up"] == up, wanted
        assert up or "certificate" in reason(scraper) or "TLS" in reason(scraper)


async def test_a_clock_that_goes_back_is_told_and_nothing_is_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [2_000_000_000_000]
    monkeypatch.setattr("lilfox_tui.scrape.scraper._now_ms", lambda: clock[0])
    kept = store()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await page(b"a %d\n" % (clock[0] % 1000), head=TEXT)(reader, writer)

    async with serving(talk) as port, scraping(port, kept) as scraper:
        await scraper.scrape_once()
        clock[0] -= 60_500
        await scraper.scrape_once()
        assert "clock went back by 60.5 s" in reason(scraper)
        assert newest(kept)["a"] == 0
        clock[0] += 60_507
        await scraper.scrape_once()
        assert newest(kept)["a"] == 7
        assert isinstance(scraper.feed.state, Ready)


async def test_runs_until_it_is_ended_and_ends_its_series() -> None:
    kept = store()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await page(b"a 1\n", head=TEXT)(reader, writer)

    async with serving(talk) as port, scraping(port, kept, interval_s=0.05) as scraper:
        running = asyncio.create_task(scraper.run())
        await until(lambda: len(kept.select((Matcher("__name__", "=", "a"),), 0, 1 << 60)) == 1)
        await until(lambda: len(kept.select((Matcher("__name__", "=", "a"),), 0, 1 << 60)[0].times) > 3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert set(newest(kept).values()) == {"stale"}


@pytest.mark.parametrize(
    "limits",
    [pytest.param(ScrapeLimits(), id="for want of memory"), pytest.param(ScrapeLimits(samples=999), id="limit")],
)
async def test_a_page_that_relabelling_left_too_large_is_not_parsed_again(
    limits: ScrapeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, value = 4000, 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"".join(b'a{i="%d"} %d\n' % (i, value) for i in range(given))
        await page(body, head=TEXT)(reader, writer)

    rules = (RelabelRule("drop", source_labels=("i",), regex="1..."),)
    kept = SeriesStore(keep_s=3600, limit_bytes=1 << 19)
    reads: list[int] = []
    async with serving(talk) as port, scraping(port, kept, limits=limits, metric_relabel=rules) as scraper:
        read = scraper.exposition.read

        def counted(*args: Any, **keys: Any) -> ScrapedPage:
            reads.append(given)
            return read(*args, **keys)

        monkeypatch.setattr(scraper.exposition, "read", counted)
        told = set()
        for turn in range(3):
            value = turn
            await scraper.scrape_once()
            samples = newest(kept)["scrape_samples_scraped"], newest(kept)["scrape_samples_post_metric_relabeling"]
            told.add((reason(scraper), samples))
        assert len(told) == 1, "the same as when it was parsed"
        assert ("more than 999 samples" if limits.samples == 999 else "no memory left for 3000 series") in told.pop()[0]
        assert reads == [4000]
        given = 3999
        await scraper.scrape_once()
        assert reads == [4000, 3999], "another page is parsed"
        given = 900
        await scraper.scrape_once()
        assert isinstance(scraper.feed.state, Ready), "a page that has become smaller is taken"


async def test_a_page_that_did_not_fit_is_taken_when_there_is_room() -> None:
    body = b"".join(b'a{i="%d"} 1\n' % i for i in range(1000))
    rules = (RelabelRule("drop", source_labels=("i",), regex="none"),)
    kept = SeriesStore(keep_s=3600, limit_bytes=100_000)
    async with serving(page(body, head=TEXT)) as port, scraping(port, kept, metric_relabel=rules) as scraper:
        for _turn in range(2):
            await scraper.scrape_once()
            assert "no memory left for 1000 series" in reason(scraper)
        kept.limit_bytes = 1 << 20  # as where another target is gone
        await scraper.scrape_once()
        assert isinstance(scraper.feed.state, Ready)


@pytest.mark.fault("4.75")
@pytest.mark.parametrize(
    ("series", "label", "limits"),
    [
        pytest.param(200_000, "", ScrapeLimits(samples=0), id="by their number"),
        pytest.param(20_000, "v" * 300, ScrapeLimits(), id="by the text of their labels"),
        pytest.param(20_000, "", ScrapeLimits(samples=19_999), id="by the limit of samples"),
    ],
)
async def test_a_page_that_is_too_large_is_refused_before_it_is_parsed(
    series: int, label: str, limits: ScrapeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    given = series

    def counted(text: bytes) -> dict[str, str]:
        parsed.append(text)
        return read_series(text)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"".join(b'a{i="%d",l="%b"} 1\n' % (i, label.encode()) for i in range(given))
        await page(body, head=TEXT)(reader, writer)

    monkeypatch.setattr("lilfox_tui.scrape.exposition.read_series", counted)
    kept = SeriesStore(keep_s=3600, limit_bytes=8 << 20)
    async with serving(talk) as port, scraping(port, kept, limits=limits) as scraper:
        for _turn in range(2):
            await scraper.scrape_once()
            said = f"more than {limits.samples} samples" if series == limits.samples + 1 else (
                f"no memory left for {series} series"
            )  # fmt: skip
            assert said in reason(scraper)
            assert newest(kept)["scrape_samples_scraped"] == series
        assert not parsed
        given = series // 20
        await scraper.scrape_once()
        assert isinstance(scraper.feed.state, Ready), "a page that has become smaller is taken"
        assert len(parsed) == given


@pytest.mark.fault("4.75")
async def test_the_timeout_is_of_asking_and_reading_together(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store()
    body = b"".join(b'a{i="%d"} 1\n' % i for i in range(20_000))
    async with serving(page(body, head=TEXT)) as port, scraping(port, kept, timeout_s=30.0) as scraper:
        read = scraper.exposition.read

        def late(body: bytes, *, openmetrics: bool, until_s: float) -> ScrapedPage:
            assert 0 < until_s - time.perf_counter() <= 30.0
            return read(body, openmetrics=openmetrics, until_s=until_s - 30.0)  # as if the time had passed

        monkeypatch.setattr(scraper.exposition, "read", late)
        await scraper.scrape_once()
        assert isinstance(scraper.feed.state, Unavailable)
        assert "took too long to parse: 512 of 20000 lines" in str(scraper.feed.state.error)
    assert {name: value for name, value in newest(kept).items() if name == "up"} == {"up": 0}


async def test_a_page_that_is_being_read_when_it_is_ended_begins_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, reading, go_on = store(), threading.Event(), threading.Event()
    body = b"".join(b'a{i="%d"} 1\n' % i for i in range(10_000))
    async with serving(page(body, head=TEXT)) as port, scraping(port, kept) as scraper:
        read = scraper.exposition.read

        def slowly(body: bytes, *, openmetrics: bool, until_s: float) -> ScrapedPage:
            reading.set()
            assert go_on.wait(60)
            return read(body, openmetrics=openmetrics, until_s=until_s)

        monkeypatch.setattr(scraper.exposition, "read", slowly)
        running = asyncio.create_task(scraper.run())
        await until(reading.is_set)
        running.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.gather(running, return_exceptions=True)
        await until(go_on.is_set)
    assert kept.series_count == 0
    assert set(newest(kept).values()) == {"stale"}
