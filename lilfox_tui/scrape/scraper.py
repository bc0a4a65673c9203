"""Scrapes targets periodically: one scraper per target, samples to the store, the outcome to a feed."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np
from msgspec import Struct

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import Message, _, ntr, tr
from lilfox_tui.core.text import clean, human_bytes
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import HttpFault, HttpTransport, TooMuch, authorization, revealed
from lilfox_tui.metrics.health import reason_of
from lilfox_tui.scrape.discovery import DiscoveredTargets, Discovery
from lilfox_tui.scrape.exposition import BadPage, Exposition, ScrapedPage, TimedSample
from lilfox_tui.scrape.labels import LabelList, LabelSet, time_of
from lilfox_tui.scrape.store import ABSENT_BITS, SeriesStore, needed_bytes, series_bytes
from lilfox_tui.scrape.target import NoRoom, RefusedPage, ScrapeTarget

# A target's page, asked over HTTP: bounded in time and bytes, judged by status and type.


_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""As Prometheus asks."""
_REDIRECTS = 5
_TEXT_TYPES = frozenset({"", "text/plain", "application/octet-stream"})
"""Prometheus 3 takes text/plain only; the other two say nothing against it."""


class Body(NamedTuple):
    """A page as received, decompressed."""

    content: bytes
    openmetrics: bool


class NoPage(LilFoxError):
    """There is no page: no response, another status, too large, or not a metrics endpoint."""


class NotSent(NoPage):
    """The host that is to ask cannot be reached, so the target was not asked."""


class NotMetrics(NoPage):
    """A server responds, but not with a metrics endpoint: a 4xx status, or another content type."""


class PageRequest:
    """Requests one target. ``fetch`` may be called again after any error."""

    def __init__(self, target: ScrapeTarget, host: Host | None) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._transport = HttpTransport(target.url, host, timeout_s=target.timeout_s, tls=target.access.tls)

    async def close(self) -> None:
        """Close the connection and the forwarded port."""
        await self._transport.close()

    async def fetch(self) -> Body:
        """Fetch the page. Raises NoPage, or the LilFoxError of a secret that cannot be read."""
        where = self._transport.where
        try:
            await self._transport.connect()
            async with asyncio.timeout(self._target.timeout_s):
                return await self._followed(await self._headers())
        except TimeoutError:
            await self.close()
            raise NoPage(
                tr(
                    "no complete response from {where} within {seconds:g} s",
                    where=where,
                    seconds=self._target.timeout_s,
                ),
                tr("Is the exporter hung, or the network broken? A slow exporter needs a longer timeout."),
            ) from None
        except HostError as error:
            await self.close()
            raise NotSent(
                tr("cannot send the request from {host}: {reason}", host=error.host, reason=error.message)
            ) from None
        except TooMuch as error:
            raise NoPage(error.message, tr("Raise body_limit if the response is meant to be that large.")) from None
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            raise NoPage(reason_of(error, where)) from None

    async def _headers(self) -> dict[str, str]:
        access = self._target.access
        return {
            "Accept": _ACCEPT,
            "X-Prometheus-Scrape-Timeout-Seconds": f"{self._target.timeout_s:g}",
            **await revealed(access.headers),
            **await authorization(access.user, access.password, access.bearer, access.bearer_type),
        }

    async def _followed(self, headers: dict[str, str]) -> Body:
        path = self._path
        for _hop in range(_REDIRECTS):
            async with self._transport.stream("GET", path, headers=headers) as got:
                target = got.headers.get("location", "") if got.status in (301, 302, 303, 307, 308) else ""
                if not target:
                    self._judge_status(got.status)
                    content = await got.body(self._target.limits.body_bytes or None)
                    return Body(content, self._is_openmetrics(got.headers.get("content-type", ""), content))
                path = self._same_place(path, target)
        raise NoPage(tr("{where} redirects too many times", where=self._transport.where))

    def _same_place(self, path: str, target: str) -> str:
        """Return the path that a redirect leads to. A redirect to another address is not followed: it would receive
        secrets."""
        base = f"{urlsplit(self._target.url).scheme}://{self._transport.netloc}"
        try:
            parts = urlsplit(urljoin(base + path, target))
        except ValueError:
            raise NoPage(
                tr(
                    "{where} redirects to {target}, which is not a valid URL",
                    where=self._transport.where,
                    target=target[:100],
                )
            ) from None
        if f"{parts.scheme}://{parts.netloc}" != base:
            raise NoPage(
                tr("{where} redirects to {target}; the redirect is not followed, to avoid sending secrets there",
                   where=self._transport.where, target=f"{parts.scheme}://{parts.hostname}{parts.path}"),
                tr("Use the actual address as the target."),
            )  # fmt: skip
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _judge_status(self, status: int) -> None:
        if status == 200:
            return
        hint: Message | str = tr("See the service's log.")
        if status in (401, 403):
            hint = tr("Check user, password and headers of this target.")
        elif status == 404:
            hint = tr("Is the path right? Many programs serve metrics at /metrics, Spring at /actuator/prometheus.")
        kind = NotMetrics if 400 <= status < 500 else NoPage
        raise kind(tr("{where} returns {status}", where=self._transport.where, status=status), hint)

    def _is_openmetrics(self, content_type: str, content: bytes) -> bool:
        kind = content_type.partition(";")[0].strip().lower()
        if "html" in kind or content[:15].lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise NotMetrics(
                tr("{where} returns an HTML page, not metrics", where=self._transport.where),
                tr("Is the path right? Does it require a login?"),
            )
        if kind == "application/openmetrics-text":
            return True
        if kind in _TEXT_TYPES:
            return False
        raise NotMetrics(
            tr("{where} returns {type}, not metrics", where=self._transport.where, type=kind[:60]),
            tr("Supported formats: text (text/plain) and OpenMetrics."),
        )


# Samples that tell their own time, such as those of cAdvisor: rows of the store, though each may have another time.
#
# Series that change together share a matrix. They never end with STALE, as in Prometheus: their time tells their age.


_OLDEST_MS = 3_600_000
_NEWEST_MS = 600_000
"""Prometheus takes nothing that is more than 10 minutes ahead, and nothing that is older than its newest block."""
_MOST_GROUPS = 500
"""Series past these share the last group, where a sample may come too late for it."""
_SERIES_SPARE = 1000
"""When so many more are remembered than a page has, most of them are gone: it is begun anew."""


class RejectedSamples(Struct):
    """The numbers of dropped samples: those too old or not after the last one of their series, and those too far in the
    future."""

    old: int = 0
    future: int = 0


class _TimedGroup:
    def __init__(self) -> None:
        self.places: dict[LabelSet, int] = {}
        self.labels = LabelList(())


class TimedSeries:
    """The timestamped series of one target; ``key`` is the target's key in the store."""

    def __init__(self, store: SeriesStore, key: str) -> None:
        self._store, self._key = store, key
        self._groups: list[_TimedGroup] = []
        self._group_of: dict[LabelSet, int] = {}
        self._newest: dict[LabelSet, int] = {}

    def append(self, samples: Sequence[TimedSample], now_ms: int) -> RejectedSamples:
        """Store ``samples``; a sample that was already in the last scrape does not count as rejected."""
        refused = RejectedSamples()
        rows: dict[int, dict[int, list[TimedSample]]] = {}
        group_at: dict[int, int] = {}
        for sample in sorted(samples, key=lambda one: one.at_ms):
            if self._is_new(sample, now_ms, refused):
                number = self._number(sample, group_at)
                group_at.setdefault(sample.at_ms, number)
                rows.setdefault(number, {}).setdefault(sample.at_ms, []).append(sample)
        for number, times in rows.items():
            group = self._groups[number]
            if len(group.labels) < len(group.places):
                group.labels = LabelList(tuple(group.places))
            for at_ms, row in times.items():
                self._write(number, at_ms, row, refused)
        if len(self._newest) > 2 * len(samples) + _SERIES_SPARE:
            self._groups, self._group_of, self._newest = [], {}, {}
        return refused

    def _is_new(self, sample: TimedSample, now_ms: int, refused: RejectedSamples) -> bool:
        newest = self._newest.get(sample.labels)
        if sample.at_ms > now_ms + _NEWEST_MS:
            refused.future += 1
            return False
        if sample.at_ms < now_ms - _OLDEST_MS or (newest is not None and sample.at_ms < newest):
            refused.old += 1
            return False
        self._newest[sample.labels] = sample.at_ms
        return sample.at_ms != newest

    def _number(self, sample: TimedSample, group_at: dict[int, int]) -> int:
        number = self._group_of.get(sample.labels)
        if number is None:
            number = group_at.get(sample.at_ms)
            if number is None:
                number = min(len(self._groups), _MOST_GROUPS - 1)
                if number == len(self._groups):
                    self._groups.append(_TimedGroup())
            self._group_of[sample.labels] = number
            places = self._groups[number].places
            places[sample.labels] = len(places)
        return number

    def _write(self, number: int, at_ms: int, row: Sequence[TimedSample], refused: RejectedSamples) -> None:
        group = self._groups[number]
        values = np.empty(len(group.labels))
        values.view(np.int64).fill(ABSENT_BITS)
        values[[group.places[one.labels] for one in row]] = [one.value for one in row]
        if not self._store.target(f"{self._key}#{number}").append(at_ms, group.labels, values):
            refused.old += len(row)


# One target, asked over and over: its samples go to the store, and how it went to a feed.


REPORTED = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
"""What is known of each scrape, as series with the target's labels; named as Prometheus names them."""
_APART = 0.5
"""Of a period, at least so much lies between the first scrape, which is at once, and the second."""
_READ_IN_THREAD = 64 * 1024
_KNOWN_IN_THREAD = 2 * 1024 * 1024
"""A larger page is read in a thread, so that it holds up nobody; one that looks like the last one is read quickly."""


class Scrape(Struct, frozen=True):
    """A successful scrape: how many samples the page had and how many were stored; ``remarks`` say what was not."""

    at: datetime
    duration_s: float
    samples: int
    kept: int
    remarks: tuple[Message, ...] = ()


class Scraper:
    """Scrapes ``target`` into ``store``. ``host`` sends the requests, None for this machine.

    ``feed`` tells how the last scrape went: Unavailable with the reason, since when and when the next try is, while the
    target is down. ``exposition.families`` holds what the page says of its metrics.
    """

    def __init__(self, target: ScrapeTarget, store: SeriesStore, host: Host | None) -> None:
        self.target = target
        self.feed: Feed[Scrape] = Feed()
        self.exposition = Exposition(
            target.series,
            honor_timestamps=target.honor_timestamps,
            limit=target.limits.samples,
            counted=None if target.metric_relabel else self._check_room,
        )
        self._store = store
        self._series = store.target(target.key)
        self._timed = TimedSeries(store, target.key)
        self._request = PageRequest(target, host)
        self._reported = tuple(target.own(name) for name in REPORTED)
        self._failed = LabelList(self._reported)
        self._page_labels = LabelList(())
        self._whole = self._failed
        self._own_places = list(range(len(REPORTED)))
        self._known: frozenset[LabelSet] = frozenset()
        self._refused: RefusedPage | None = None

    async def run(self) -> None:
        """Scrape at once, then once per period until cancelled, each target at its own offset in the period. Its series
        then end."""
        loop = asyncio.get_running_loop()
        period = self.target.interval_s
        phase = zlib.crc32(self.target.key.encode()) / 2**32 * period
        try:
            await self.scrape_once()
            turn = math.ceil((loop.time() - phase) / period + _APART)
            while True:
                await asyncio.sleep(phase + turn * period - loop.time())
                await self.scrape_once()
                turn = max(turn, math.floor((loop.time() - phase) / period)) + 1
        finally:
            await self.close()

    async def close(self) -> None:
        """End the target's series; close the connection and the forwarded port."""
        self._series.end(_now_ms())
        await self._request.close()

    async def scrape_once(self) -> None:
        """Scrape once. Never raises an error caused by the target or its host."""
        at_ms = _now_ms()
        if at_ms == self._series.newest_ms:
            at_ms += 1  # its predecessor has just ended, or it was asked for twice
        started = time.perf_counter()
        try:
            body = await self._request.fetch()
            scrape = await self._take(body, at_ms, started)
        except BadPage as error:
            if not error.known_next_time:
                self.exposition.forget()
            self._fail(error, at_ms, time.perf_counter() - started, error.samples, error.kept)
        except LilFoxError as error:
            self._fail(error, at_ms, time.perf_counter() - started, 0, 0)
        else:
            if scrape is None:
                self._tell_clock(at_ms)
            else:
                self.feed.publish(scrape, scrape.at)

    async def _take(self, body: Body, at_ms: int, started: float) -> Scrape | None:
        """Read a page like :meth:`_keep`; in a thread if it may take long."""
        most = _KNOWN_IN_THREAD if self.exposition.knows_last else _READ_IN_THREAD
        if len(body.content) > most or self._store.makes_room(self._series, at_ms):
            keeping = asyncio.ensure_future(asyncio.to_thread(self._keep, body, at_ms, started))
            try:
                return await asyncio.shield(keeping)
            except asyncio.CancelledError:
                await asyncio.gather(keeping, return_exceptions=True)  # no row comes after the end of its series
                raise
        return self._keep(body, at_ms, started)

    def _keep(self, body: Body, at_ms: int, started: float) -> Scrape | None:
        """Read a page and store its samples; None if ``at_ms`` is not after the last scrape. Raises BadPage."""
        if self._refused is not None:
            self._refused.check(body.content, self._store.room_for(self._series), openmetrics=body.openmetrics)
        try:
            return self._store_page(body, at_ms, started)
        except BadPage as error:
            self._refused = RefusedPage.of(self.target, body.content, error, openmetrics=body.openmetrics)
            raise

    def _store_page(self, body: Body, at_ms: int, started: float) -> Scrape | None:
        """Do the work of :meth:`_keep`."""
        until_s = started + self.target.timeout_s
        page = self.exposition.read(body.content, openmetrics=body.openmetrics, until_s=until_s)
        duration_s = time.perf_counter() - started
        changed = page.labels is not self._page_labels
        if changed:
            self._take_labels(page)
        added = self._count_added(page) if changed or page.timed else 0
        own = (1.0, duration_s, page.samples, page.kept, added)
        values = np.empty(len(self._whole))
        values[: len(page.values)] = page.values
        values[len(page.values) :] = [own[place] for place in self._own_places]
        refused = self._timed.append(page.timed, at_ms) if page.timed else RejectedSamples()
        if not self._series.append(at_ms, self._whole, values):
            return None
        return Scrape(time_of(at_ms), duration_s, page.samples, page.kept, tuple(_remarks(page, refused)))

    def _fail(self, error: LilFoxError, at_ms: int, duration_s: float, samples: int, kept: int) -> None:
        """Set ``up`` to 0 and end every other series."""
        error.__traceback__ = error.__context__ = None  # they hold the whole page for as long as the error is shown
        if not self._series.append(at_ms, self._failed, np.array((0.0, duration_s, samples, kept, 0.0))):
            self._tell_clock(at_ms)
            return
        self.feed.fail(error, next_try=self._next_try(at_ms))

    def _count_added(self, page: ScrapedPage) -> int:
        known = frozenset((*page.labels, *(one.labels for one in page.timed)))
        added = len(known - self._known)
        self._known = known
        return added

    def _take_labels(self, page: ScrapedPage) -> None:
        """Make the series of a page the live ones. A series with the name and labels of one of the scrape's own (such
        as ``up``) replaces it, as in Prometheus. Raises BadPage if the store has no room for the series."""
        labels = page.labels
        needed = needed_bytes(labels)
        if needed > self._store.room_for(self._series):
            raise self._no_room(len(labels), page.samples, needed)
        there = set(labels)
        self._own_places = [place for place, one in enumerate(self._reported) if one not in there]
        self._page_labels = labels
        self._whole = LabelList((*labels.sets, *(self._reported[place] for place in self._own_places)))

    def _check_room(self, count: int, lines: Sequence[bytes]) -> None:
        """Raise BadPage if the store cannot hold the series of a page; called before they are parsed, which would take
        seconds at each scrape."""
        room = self._store.room_for(self._series)
        needed, least = 0, series_bytes(count, 0)  # by their number it is told at once, and need not be remembered
        if least <= room < least + sum(map(len, lines)):  # it depends on their labels
            needed = least = series_bytes(*self.target.least_text(lines))
        if least > room:
            raise self._no_room(count, count, needed)

    def _no_room(self, count: int, samples: int, needed: int) -> NoRoom:
        return NoRoom(
            tr("no memory left for {count} series: all targets together may use {limit}",
               count=count, limit=human_bytes(self._store.limit_bytes)),
            tr("Raise history.memory_mb, or scrape fewer targets or series."),
            samples=samples, kept=count, needed_bytes=needed,
        )  # fmt: skip

    def _tell_clock(self, at_ms: int) -> None:
        newest = self._series.newest_ms or at_ms
        error = LilFoxError(
            tr("this machine's clock went back by {seconds:g} s; nothing is stored until it has caught up",
               seconds=(newest - at_ms) / 1000),
            tr("Is the clock of this machine synchronised?"),
        )  # fmt: skip
        self.feed.fail(error, next_try=self._next_try(at_ms))

    def _next_try(self, at_ms: int) -> datetime:
        return time_of(at_ms) + timedelta(seconds=self.target.interval_s)


def _remarks(page: ScrapedPage, refused: RejectedSamples) -> list[Message]:
    remarks = []
    if page.duplicates:
        remarks.append(
            ntr(
                "{count} sample dropped: duplicate series in the response",
                "{count} samples dropped: duplicate series in the response",
                page.duplicates,
            )
        )
    if refused.old:
        remarks.append(
            ntr(
                "{count} sample dropped: its timestamp is too old",
                "{count} samples dropped: their timestamps are too old",
                refused.old,
            )
        )
    if refused.future:
        remarks.append(
            ntr(
                "{count} sample dropped: its timestamp is more than 10 minutes ahead",
                "{count} samples dropped: their timestamps are more than 10 minutes ahead",
                refused.future,
            )
        )
    return remarks


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# One scraper for each target that there should be, while targets come and go.


LOOK_AGAIN_S = 5.0
"""How often files of targets are looked at; only those that have changed are read."""
_AFTER_FAULT_S = 5.0


class ScraperPool:
    """Scrapes into ``store``. ``host_of`` returns the host that a target names, None for this machine. ``elsewhere``
    are targets that others scrape into the same store.

    ``scrapers`` are those of now, by their target's key; each new mapping is published. ``problems`` are sentences
    about targets that cannot be.
    """

    def __init__(
        self, store: SeriesStore, host_of: Callable[[str | None], Host | None], elsewhere: Iterable[ScrapeTarget] = ()
    ) -> None:
        self.scrapers: Feed[Mapping[str, Scraper]] = Feed()
        self.problems: tuple[str, ...] = ()
        self._store, self._host_of, self._elsewhere = store, host_of, tuple(elsewhere)
        self._running: dict[str, tuple[Scraper, asyncio.Task[None]]] = {}

    async def run(self, fixed: Iterable[ScrapeTarget], discovery: Discovery | None = None) -> None:
        """Scrape ``fixed`` targets, and those that ``discovery`` finds, until cancelled."""
        always = tuple(fixed)
        try:
            await self._keep(self._told_apart(always, ()))
            while discovery is not None:
                found = await asyncio.to_thread(discovery.targets)
                await self._keep(self._told_apart((*always, *found.targets), found.problems))
                await asyncio.sleep(LOOK_AGAIN_S)
            await asyncio.Event().wait()
        finally:
            await self._keep({})

    async def look_once(self, fixed: Iterable[ScrapeTarget], discovery: Discovery | None = None) -> None:
        """Scrape each target once; ``scrapers`` hold the results."""
        found = DiscoveredTargets(()) if discovery is None else await asyncio.to_thread(discovery.targets)
        wanted = self._told_apart((*fixed, *found.targets), found.problems)
        scrapers = {key: Scraper(each, self._store, self._host_of(each.host)) for key, each in wanted.items()}
        self.scrapers.publish(scrapers)
        try:
            await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers.values()))
        finally:
            for scraper in scrapers.values():
                await scraper.close()

    def _told_apart(self, targets: Iterable[ScrapeTarget], problems: tuple[str, ...]) -> dict[str, ScrapeTarget]:
        """Return targets by key; of several with the same labels only the first is returned, because their series could
        not be told apart."""
        first = {target.labels: target for target in self._elsewhere}
        wanted: dict[str, ScrapeTarget] = {}
        clashes = []
        for target in targets:
            other = first.setdefault(target.labels, target)
            if other is target:
                wanted[target.key] = target
            elif other.key != target.key:
                what = _(
                    "{url} is not scraped: {other} has the same labels; give the job of one of them another name",
                    url=clean(target.url), other=clean(other.url),
                )  # fmt: skip
                clashes.append(what)
        self.problems = (*problems, *clashes)
        return wanted

    async def _keep(self, wanted: Mapping[str, ScrapeTarget]) -> None:
        running = self._running
        gone = [key for key, (scraper, _task) in running.items() if wanted.get(key) != scraper.target]
        ended = [running.pop(key)[1] for key in gone]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        new = [target for key, target in wanted.items() if key not in running]
        for target in new:
            scraper = Scraper(target, self._store, self._host_of(target.host))
            running[target.key] = scraper, asyncio.create_task(_kept_up(scraper))
        if gone or new:
            self.scrapers.publish({key: scraper for key, (scraper, _task) in running.items()})


async def _kept_up(scraper: Scraper) -> None:
    """Scrape until cancelled. An internal error affects only that target."""
    while True:
        try:
            await scraper.run()
        except Exception as error:
            scraper.feed.fail(LilFoxError(fault_of(error)))
            await asyncio.sleep(_AFTER_FAULT_S)
