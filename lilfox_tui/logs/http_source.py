"""A log source on an HTTP server that is queried by time: bounded requests, paging, and polling for new records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.values import Seconds, SecretRef, TextOrSecret
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.hosts.http import (
    VALUES_AT_MOST,
    HttpFault,
    HttpTransport,
    HungUp,
    Tls,
    TooMuch,
    authorization,
    decoded_json,
    revealed,
)
from lilfox_tui.logs.filter.model import EVERYTHING, Filter, span
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, LogRecord, Severity, load_format
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    RecordPage,
    SourceNotice,
    SourceSettings,
    SourceStatus,
    Start,
)
from lilfox_tui.logs.structured import severity_of
from lilfox_tui.redact import redact, redacted_start

# Paging and following through a store that is asked by time and gives a number of entries (Loki, Elasticsearch).
#
# Such stores cut an answer anywhere, also in the middle of one timestamp. Here a timestamp is taken whole or not at
# all, so that going on at the next loses and doubles nothing, whatever was stored meanwhile. A place is a timestamp in
# nanoseconds and a word for the entry within it; without the word it is the edge before that timestamp.


SEARCH_S = 2.0
"""A page that finds little comes back after so long, to be shown and gone on with."""
_BATCH = 1000
_POLLED = 5000
_SKEW_NS = 60 * 10**9
"""A clock that stamps entries may be so much behind this one's."""
_FEWEST = 100
"""Entries asked for at least: small questions cost as much as these."""


class StampedRecord(Struct, frozen=True):
    """An entry of the store as a record, with its time in the store in nanoseconds since 1970."""

    stamp: int
    record: LogRecord


class StampedRange(Struct, frozen=True):
    """The entries of a query, oldest first, with all entries of each timestamp. ``edge`` is the timestamp at which to
    continue: nothing between it and the start of the query is missing, but more entries may follow (going newer, at it
    or later; going older, before it). None if there are no more."""

    entries: Sequence[StampedRecord]
    edge: int | None


class TimeStore(Protocol):
    """The query that each kind of store implements; paging and polling are built on it."""

    async def stretch(
        self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter
    ) -> StampedRange:
        """Return about ``size`` entries with low ≤ time < high (ns) that may match: the newest ones if ``older``, else
        the oldest.

        More than ``size`` where they share a timestamp. Raises LilFoxError."""
        ...


class TimePager:
    """Builds pages and polls from the time-range queries of a store."""

    def __init__(self, store: TimeStore) -> None:
        self._store = store

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`."""
        if isinstance(start, AtBeginning if older else AtEnd):
            return RecordPage((), None)
        low, high, left_out = await self.bounds(start, older=older, where=where)
        found: list[StampedRecord] = []
        deadline = time.monotonic() + SEARCH_S
        while True:
            size = max(limit + 1, _FEWEST)
            stretch = await self._store.stretch(low, high, older=older, size=size, where=where)
            for entry in reversed(stretch.entries) if older else stretch.entries:
                if entry.record.place in left_out or not where.matches(entry.record):
                    continue
                if len(found) == limit:
                    return _page(found, older, AtPlace(found[-1].record.place))
                found.append(entry)
            edge = stretch.edge
            if (
                edge is None
                or (older and low is not None and edge <= low)
                or (not older and high is not None and edge >= high)
            ):
                return _page(found, older, None)
            if len(found) == limit or time.monotonic() > deadline:
                return _page(found, older, AtPlace(place_of(edge)))
            low, high = (low, edge) if older else (edge, high)

    def poll(self, start: Start, where: Filter, *, late_ns: int) -> StorePoll:
        """Return a poll for matches from ``start`` on."""
        return StorePoll(self, start, where, late_ns)

    async def newer(self, low: int | None, where: Filter) -> AsyncGenerator[StampedRecord, None]:
        """Yield all possible matches from ``low`` on, oldest first."""
        edge: int | None = low
        while True:
            stretch = await self._store.stretch(edge, None, older=False, size=_POLLED, where=where)
            for entry in stretch.entries:
                yield entry
            if stretch.edge is None:
                return
            edge = stretch.edge

    async def bounds(
        self, start: Start, *, older: bool, where: Filter
    ) -> tuple[int | None, int | None, frozenset[str]]:
        """Return the query's bounds, low and high (ns), and the places at ``start`` to leave out because they lie on
        the other side of it."""
        first, last = span(where)
        low = None if first is None else first * 1000
        high = None if last is None else last * 1000
        if isinstance(start, AtBeginning | AtEnd):
            return low, high, frozenset()
        left_out: frozenset[str] = frozenset()
        if isinstance(start, AtTime):
            edge = start.time_us * 1000
        else:
            edge, word = stamp_of(start.place)
            if word:
                left_out = await self._other_side(edge, start.place, older=older)
                edge += older
        if older:
            return low, edge if high is None else min(edge, high), left_out
        return edge if low is None else max(edge, low), high, left_out

    async def _other_side(self, stamp: int, place: str, *, older: bool) -> frozenset[str]:
        """Return the places with that timestamp up to ``place`` (going newer) or from it on (going older), ``place``
        included. Queries without a filter, because the record at ``place`` may not match the current one."""
        stretch = await self._store.stretch(stamp, stamp + 1, older=older, size=_FEWEST, where=EVERYTHING)
        places = [entry.record.place for entry in stretch.entries]
        if place not in places:
            return frozenset({place})
        at = places.index(place)
        return frozenset(places[at:] if older else places[: at + 1])


class StorePoll:
    """A poll of a store; remembers which records it has returned, so that an outage neither loses nor repeats any.

    Each time it looks ``late_ns`` back behind the newest it has seen, for entries that arrive late.
    """

    def __init__(self, by_time: TimePager, start: Start, where: Filter, late_ns: int) -> None:
        self._by_time, self._start, self._where, self._late_ns = by_time, start, where, late_ns
        self._seen: dict[str, int] = {}
        self._floor: int | None = None
        self._low: int | None = None
        self._begun = False

    async def new(self) -> AsyncGenerator[list[LogRecord], None]:
        """Yield the records that have arrived since the last call, in batches. Raises LilFoxError; batches already
        yielded count as returned."""
        if not self._begun:
            await self._begin()
        asked_at = time.time_ns()
        taken: list[StampedRecord] = []
        async with aclosing(self._by_time.newer(self._low, self._where)) as entries:
            async for entry in entries:
                if entry.record.place not in self._seen:
                    taken.append(entry)
                if len(taken) >= _BATCH:
                    yield self._hand_on(taken)
                    taken = []
        yield self._hand_on(taken)
        self._look_from(asked_at - _SKEW_NS)
        self._seen = {place: stamp for place, stamp in self._seen.items() if stamp >= (self._low or 0)}

    def _hand_on(self, taken: list[StampedRecord]) -> list[LogRecord]:
        self._seen.update((entry.record.place, entry.stamp) for entry in taken)
        if taken:
            self._look_from(min(taken[-1].stamp, time.time_ns()))
        return [entry.record for entry in taken if self._where.matches(entry.record)]

    def _look_from(self, known_ns: int) -> None:
        """Stop looking for records that are more than ``late_ns`` behind ``known_ns``."""
        self._low = max(known_ns - self._late_ns, self._low or 0, self._floor or 0)

    async def _begin(self) -> None:
        if isinstance(self._start, AtEnd):
            now = time.time_ns()
            self._low = self._floor = now - self._late_ns
            async with aclosing(self._by_time.newer(self._floor, self._where)) as entries:
                self._seen = {entry.record.place: entry.stamp async for entry in entries}
        else:
            self._floor, _high, left_out = await self._by_time.bounds(self._start, older=False, where=EVERYTHING)
            self._seen = dict.fromkeys(left_out, self._floor or 0)
            self._low = self._floor
        self._begun = True


def place_of(stamp: int, word: str = "") -> str:
    """Return the place of the entry ``word`` at ``stamp``; without ``word``, the position before all entries of
    ``stamp``."""
    return f"{stamp}:{word}"


def stamp_of(place: str) -> tuple[int, str]:
    """Split a place into its timestamp and its word."""
    stamp, _colon, word = place.partition(":")
    return int(stamp), word


def whole_stamps(entries: list[StampedRecord], *, older: bool) -> tuple[list[StampedRecord], int] | None:
    """Drop the timestamp at which a truncated answer was cut; return the other entries (oldest first) and the edge to
    continue at, or None if all entries have one timestamp."""
    cut = entries[0].stamp if older else entries[-1].stamp
    kept = [entry for entry in entries if entry.stamp != cut]
    return (kept, cut + 1 if older else cut) if kept else None


WINDOW_NS = 86_400 * 10**9
"""Time asked for at once: far below what servers limit a query to, and a sparse search shows progress."""
AHEAD_NS = 600 * 10**9
"""Servers take entries from so far in the future."""
LEVEL_FIELDS = ("level", "detected_level", "severity", "lvl", "log.level")
"""Names under which a store keeps the level of a line beside it."""


class TimeWindow(NamedTuple):
    """A query from ``low`` to before ``high``, and the part of it that one request asks for (ns)."""

    low: int
    high: int
    start: int
    end: int


def window_of(low: int | None, high: int | None, *, older: bool, since_s: float) -> TimeWindow | None:
    """Return the window of a query; by default it begins ``since_s`` ago and has no end. None if it is empty."""
    now = time.time_ns()
    low = now - int(since_s * 1e9) if low is None else low
    high = now + AHEAD_NS if high is None else high
    if low >= high:
        return None
    start, end = (max(low, high - WINDOW_NS), high) if older else (low, min(high, low + WINDOW_NS))
    return TimeWindow(low, high, start, end)


def range_of(window: TimeWindow, entries: list[StampedRecord], *, is_cut: bool, older: bool) -> StampedRange | None:
    """Return the range that an answer gives. ``is_cut``: it has as many entries as were asked for, so that more may
    follow; None if all of these have one timestamp."""
    if is_cut:
        whole = whole_stamps(entries, older=older)
        return None if whole is None else StampedRange(*whole)
    edge = window.start if older else window.end
    return StampedRange(entries, edge if window.low < edge < window.high else None)


def line_record(
    setting: SourceSettings, source: str, format_name: str, stamp: int, word: str, line: bytes, about: Mapping[str, Any]
) -> LogRecord:
    """Return the record of a line that is stored at ``stamp`` with the fields ``about``, in that format; ``word`` tells
    it from others at that time. The line's own fields go before."""
    raw = line[:RAW_LIMIT]
    entry = load_format(format_name).parse(raw, setting.zone) or LogEntry(message=raw.decode("utf-8", "replace"))
    told = next((severity_of(str(about[name])) for name in LEVEL_FIELDS if name in about), Severity.UNKNOWN)
    entry = msgspec.structs.replace(
        entry, time_us=stamp // 1000, severity=entry.severity or told, fields={**about, **entry.fields}
    )
    return LogRecord(source=source, place=place_of(stamp, word), entry=entry, raw=raw, size_bytes=len(line))


def _page(found: list[StampedRecord], older: bool, more: Start | None) -> RecordPage:
    records = [entry.record for entry in found]
    return RecordPage(tuple(reversed(records)) if older else tuple(records), more)


# Questions to a server of logs over HTTP: bounded, with back-off, never led to another address with a secret.


BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, past which it is given up."""
RETRY_S = (0.5, 1.0, 2.0)
"""Waits before a question is asked again that met 429, a 5xx or a broken connection."""
_LONGEST_WAIT_S = 30.0
_REASON_CHARS = 300


class HttpSourceOptions(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options common to every HTTP source. The source's ``host`` sends the requests and must reach the address."""

    url: str
    headers: dict[str, TextOrSecret] = msgspec.field(default_factory=dict)
    user: str | None = None
    password: SecretRef | None = None
    timeout: Seconds = Seconds(20)
    verify_tls: bool = True


class ServerError(LilFoxError):
    """The server could not be reached or refused the request. ``status`` is None without a response; ``passing``: the
    same request may succeed later; ``wait_s``: the time that the server asks to wait."""

    def __init__(
        self, message: Message, hint: Message | str = "", *, status: int | None, passing: bool, wait_s: float = 0.0
    ) -> None:
        super().__init__(message, hint)
        self.status, self.passing, self.wait_s = status, passing, wait_s


class _HttpResponse(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class LogServer:
    """A log server. ``ask`` may be called concurrently; the first request opens the connection."""

    def __init__(self, options: HttpSourceOptions, host: Host) -> None:
        parts = urlsplit(options.url)
        self._options, self._scheme, self._path = options, parts.scheme, parts.path.rstrip("/")
        self._transport = HttpTransport(
            options.url, host, timeout_s=options.timeout, tls=Tls(verify=options.verify_tls)
        )

    @property
    def where(self) -> str:
        """The server's scheme and address, for errors and the status; without path and secrets."""
        return f"{self._scheme}://{self._transport.netloc}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        lines: bool = False,
    ) -> Any:
        """Return the JSON response to ``path`` under the configured address; with ``lines``, the list of those on each
        line. Raises LilFoxError."""
        for pause_s in RETRY_S:
            try:
                return await self._answered(method, path, params or {}, body, lines=lines)
            except ServerError as error:
                if not error.passing:
                    raise
                await asyncio.sleep(max(pause_s, error.wait_s))
        return await self._answered(method, path, params or {}, body, lines=lines)

    async def close(self) -> None:
        """Close the connections and the forwarded port."""
        await self._transport.close()

    async def _answered(self, method: str, path: str, params: Mapping[str, str], body: object, *, lines: bool) -> Any:
        answer = await self._once(method, path, params, body)
        if answer.status >= 300:
            raise self._refused(answer)
        return await asyncio.to_thread(self._decoded, answer, lines)

    async def _once(self, method: str, path: str, params: Mapping[str, str], body: object) -> _HttpResponse:
        headers = await self._headers()
        query = f"?{urlencode(params)}" if params else ""
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(self._options.timeout):
                await self._transport.connect()
                async with self._transport.stream(
                    method, self._path + path + query, headers=headers, content=content
                ) as got:
                    return _HttpResponse(got.status, got.headers, await got.body(BODY_LIMIT, values=VALUES_AT_MOST))
        except TooMuch as error:
            raise ServerError(
                error.message, tr("Narrow the time range or the filter."), status=None, passing=False
            ) from None
        except TimeoutError:
            raise ServerError(
                tr("{where} did not answer within {seconds:g} s", where=self.where, seconds=self._options.timeout),
                tr("Narrow the time range or the filter, or set a longer timeout for the source."),
                status=None, passing=False,
            ) from None  # fmt: skip
        except (HttpFault, OSError, UnicodeError) as error:
            if isinstance(error, OSError):
                await self.close()  # a port that a host has forwarded is gone with the link
            reason = str(error) or type(error).__name__
            raise ServerError(
                tr("the request to {where} failed: {reason}", where=self.where, reason=redact(reason)),
                tr("Check that it is running and that the address is right. If `host:` is set, that host sends "
                   "the request."),
                status=None, passing=isinstance(error, HungUp | OSError),
            ) from None  # fmt: skip
        except HostError:
            await self.close()
            raise

    async def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        options = self._options
        headers |= await authorization(options.user, options.password or "")
        return headers | await revealed(options.headers)

    def _decoded(self, answer: _HttpResponse, lines: bool) -> Any:
        try:
            if lines:
                return [decoded_json(line) for line in answer.body.splitlines() if line]
            return decoded_json(answer.body) if answer.body else None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ServerError(
                tr("{where} does not return JSON: {start}", where=self.where, start=_start(answer.body)),
                tr("Check the address."), status=answer.status, passing=False,
            ) from None  # fmt: skip

    def _refused(self, answer: _HttpResponse) -> ServerError:
        status = answer.status
        hint: Message | str = ""
        if 300 <= status < 400:
            target = urlsplit(answer.headers.get("location", ""))
            what = tr("{where} redirects to {target}; the redirect is not followed, to avoid sending secrets "
                      "there",
                      where=self.where, target=f"{target.scheme}://{target.hostname}{target.path}")  # fmt: skip
            hint = tr("Set url to the actual address.")
        else:
            what = tr("{where} returns {status}: {reason}",
                      where=self.where, status=status, reason=_reason(answer.body))  # fmt: skip
        if status in (401, 403):
            hint = tr("Check headers, user and password of this source.")
        elif status == 404:
            hint = tr("Check the address, and that the requested resource exists on the server.")
        wait_s = _asked_to_wait(answer)
        return ServerError(what, hint, status=status, passing=_passing_status(status), wait_s=wait_s)


def _passing_status(status: int) -> bool:
    return status == 429 or status >= 500


def _asked_to_wait(answer: _HttpResponse) -> float:
    """Return Retry-After in seconds (RFC 9110 10.2.3), bounded; its date form is ignored."""
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else 0.0


def _reason(body: bytes) -> str:
    """Return the server's error message: Elasticsearch's ``error``, Loki's JSON ``message`` or its plain text."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _start(body)
    said = document.get("error", document.get("message")) if isinstance(document, dict) else None
    if isinstance(said, dict):
        causes = said.get("root_cause") or [said]
        first = causes[0] if isinstance(causes, list) and isinstance(causes[0], dict) else said
        said = f"{first.get('type', '')}: {first.get('reason', '')}"
    return redacted_start(str(said), _REASON_CHARS) if said else _start(body)


def _start(body: bytes) -> str:
    return redacted_start(body, _REASON_CHARS)


# A source that is a server asked by time: pages, and for what is new the same question again and again.


AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before the next try while the server or the way to it is down."""


class FormattedStore(TimeStore, Protocol):
    """A store that knows the format of its lines ("" if unknown)."""

    format_name: str


class PolledSource:
    """See :class:`LogSource`."""

    def __init__(
        self,
        name: str,
        description: str,
        store: FormattedStore,
        server: LogServer,
        setting: SourceSettings,
        *,
        every_s: float,
        late_s: float,
    ) -> None:
        self.name = name
        self._description, self._store, self._server, self._setting = description, store, server, setting
        self._every_s, self._late_ns = every_s, int(late_s * 1e9)
        self._by_time = TimePager(store)
        self._status: Feed[SourceStatus] = Feed()

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`."""
        return self._status

    @property
    def host(self) -> Host:
        """The host that sends the requests."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """See :meth:`LogSource.page`."""
        try:
            page = await self._by_time.page(start, older=older, limit=limit, where=where)
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._good()
        return page

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """See :meth:`LogSource.follow`. While the server is down it is retried at growing intervals."""
        poll = self._by_time.poll(start, where, late_ns=self._late_ns)
        tries = 0
        while True:
            try:
                async with aclosing(poll.new()) as batches:
                    async for batch in batches:
                        self._good()
                        if batch:
                            yield list(batch)
            except LilFoxError as error:
                if not _may_pass(error):
                    self._status.fail(error)
                    raise
                pause_s = AGAIN_S[min(tries, len(AGAIN_S) - 1)]
                self._status.fail(error, next_try=datetime.fromtimestamp(time.time() + pause_s, UTC))
                tries += 1
                await wait_until_reconnected(self.host, pause_s)
            else:
                self._good()
                tries = 0
                await asyncio.sleep(self._every_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    def _good(self) -> None:
        """Publish the status if it has changed."""
        status = SourceStatus(
            description=self._description, format=self._store.format_name, zone=str(self._setting.zone)
        )
        if status != self._status.value:
            self._status.publish(status)


def _may_pass(error: LilFoxError) -> bool:
    if isinstance(error, ServerError):
        return error.passing or error.status is None
    return isinstance(error, HostUnreachable)
