"""A remote Prometheus, queried through its HTTP API v1, which VictoriaMetrics, Thanos and Mimir also offer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import numpy as np
from msgspec import Meta, Struct

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import whole
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import (
    VALUES_AT_MOST,
    HttpFault,
    HttpTransport,
    Tls,
    TooMuch,
    authorization,
    decoded_json,
    revealed,
)
from lilfox_tui.metrics.health import reason_of
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import MOST_NAMES, MOST_STEPS, QueryEngine
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.redact import redacted_start
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, LabelList, LabelSet, Matcher, selector_text

# Questions to an HTTP API of Prometheus' kind: bounded in time and bytes, never led to another address.
#
# What a server answers in its own words (a query that is wrong, a silence that is refused) is given to the caller;
# everything else that is not an answer is an error here.


BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, past which it is given up."""
RETRY_S = (0.5, 1.0)
"""Waits before a question is asked again that a gateway or an overloaded server did not take."""
_PASSING = frozenset({429, 502, 504})
_LONGEST_PATH = 2000
"""A longer question is sent in the body: servers and the gateways before them limit the first line."""
_FORM = "application/x-www-form-urlencoded"
_REASON_CHARS = 300

Moment = Annotated[datetime, Meta(tz=True)]
"""A time in an answer; one without a zone is refused."""
Pairs = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """A response of the API: ``status`` is 2xx, or 4xx or 5xx with an error message of the API itself (JSON)."""

    status: int
    body: bytes


class NotAnswered(LilFoxError):
    """The server could not be reached, or does not offer this API."""


class HttpApi:
    """One server. Several tasks may use it at once; ``host`` sends the requests, None for this machine."""

    def __init__(self, config: ApiConfig, host: Host | None) -> None:
        self._config = config
        self._prefix = urlsplit(config.url).path.rstrip("/")
        tls = Tls(verify=config.verify_tls, ca_file=config.ca_file)
        self._transport = HttpTransport(config.url, host, timeout_s=config.timeout, tls=tls)

    @property
    def where(self) -> str:
        """The server's address for error messages, without secrets."""
        return f"{urlsplit(self._config.url).scheme}://{self._transport.netloc}{self._prefix}"

    async def get(self, path: str, params: Pairs = ()) -> Reply:
        """Return the response to a read-only request; a long one is POSTed. Raises LilFoxError."""
        query = urlencode(params)
        if len(path) + len(query) <= _LONGEST_PATH:
            return await self._patient("GET", f"{path}?{query}" if query else path, None)
        return await self._patient("POST", path, query.encode(), _FORM)

    async def send(self, method: str, path: str, document: object = None) -> Reply:
        """Send a change once, without retries, with ``document`` as JSON; return the response. Raises LilFoxError."""
        body = None if document is None else msgspec.json.encode(document)
        return await self._answered(method, path, body, "application/json")

    async def close(self) -> None:
        """Close the connections and the forwarded port; the next request opens them again."""
        await self._transport.close()

    async def _patient(self, method: str, path: str, body: bytes | None, kind: str = "") -> Reply:
        for wait_s in RETRY_S:
            reply = await self._answered(method, path, body, kind, again=True)
            if reply.status not in _PASSING:
                return reply
            await asyncio.sleep(wait_s)
        return await self._answered(method, path, body, kind)

    async def _answered(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool = False) -> Reply:
        where = self.where
        try:
            return await self._asked(method, path, body, kind, again=again)
        except TimeoutError:
            raise NotAnswered(
                tr("{where} did not answer within {seconds:g} s", where=where, seconds=self._config.timeout),
                tr("Query a shorter time range or fewer series, or raise timeout."),
            ) from None
        except HostError as error:
            await self.close()
            raise NotAnswered(
                tr("cannot send the request from {host}: {reason}", host=error.host, reason=error.message)
            ) from None
        except TooMuch as error:
            hint = tr("Query a shorter time range or fewer series, or use a longer step.")
            raise NotAnswered(error.message, hint) from None
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            raise NotAnswered(
                reason_of(error, self._transport.where),
                tr("Is it running, and is the address right? If from: is set, the request comes from that host."),
            ) from None

    async def _asked(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool) -> Reply:
        headers = await self._headers(kind if body is not None else "")
        changes_nothing = method == "GET" or kind == _FORM
        async with self._transport.stream(
            method, self._prefix + path, headers=headers, content=body or b"", repeatable=changes_nothing
        ) as got:
            reply = Reply(got.status, await got.body(BODY_LIMIT, values=VALUES_AT_MOST))
            if not (again and reply.status in _PASSING):
                self._judge(reply, got.headers.get("location", ""))
            return reply

    async def _headers(self, kind: str) -> dict[str, str]:
        config = self._config
        headers = {"Accept": "application/json", **await revealed(config.headers)}
        if kind:
            headers["Content-Type"] = kind
        return {**headers, **await authorization(config.user, config.password or "", config.bearer or "")}

    def _judge(self, reply: Reply, location: str) -> None:
        """Raise NotAnswered unless the status and the form of the reply are those of the API."""
        status = reply.status
        if 300 <= status < 400:
            parts = urlsplit(location)
            target = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
            raise NotAnswered(
                tr("{where} redirects to {target}; the redirect is not followed, to avoid sending secrets there",
                   where=self.where, target=target),
                tr("Set url to the actual address."),
            )  # fmt: skip
        if status < 300 or (status not in (401, 403, 404) and reply.body.lstrip()[:1] in (b"{", b'"')):
            return
        hint: Message | str = ""
        if status in (401, 403):
            hint = tr("Check user, password, bearer and headers of this server.")
        elif status == 404:
            hint = tr(
                "Is the path right? Mimir serves its API under /prometheus, a VictoriaMetrics cluster under /select/…."
            )
        reason = redacted_start(reply.body, _REASON_CHARS)
        raise NotAnswered(
            tr("{where} returns {status}: {reason}", where=self.where, status=status, reason=reason), hint
        )


# Answers of Prometheus' HTTP API v1 as values (https://prometheus.io/docs/prometheus/latest/querying/api/).


Sample = tuple[float, str]
"""Unix seconds and a number as text: ``NaN``, ``+Inf``, ``1.5``."""


class Envelope(Struct, frozen=True, rename={"error_type": "errorType"}):
    """The envelope of every response."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    error_type: str = ""
    warnings: tuple[str, ...] | None = None
    infos: tuple[str, ...] | None = None


class NotSupported(LilFoxError):
    """The answer contains something that cannot be shown as numbers."""


class _Result(Struct, frozen=True, rename={"result_type": "resultType"}):
    result_type: str
    result: msgspec.Raw


class _Instant(Struct, frozen=True):
    metric: dict[str, str]
    value: Sample | None = None
    histogram: Any = None


class _ResultSeries(Struct, frozen=True):
    metric: dict[str, str]
    values: list[Sample] | None = None
    histograms: Any = None


def value_of(data: msgspec.Raw) -> Value:
    """Parse ``data`` of a query or a range query. Raises NotSupported for native histograms, and msgspec.DecodeError or
    ValueError for anything else."""
    found = msgspec.json.decode(data, type=_Result)
    if found.result_type == "vector":
        return _vector(decoded_json(found.result, list[_Instant]))
    if found.result_type == "matrix":
        return Matrix(_lines(decoded_json(found.result, list[_ResultSeries])))
    sample: Sample = msgspec.json.decode(found.result, type=Sample)
    text = sample[1]
    if found.result_type == "scalar":
        return float(text)
    if found.result_type == "string":
        return text
    raise ValueError(found.result_type)


def _vector(samples: Sequence[_Instant]) -> Vector:
    values = [float(sample.value[1]) for sample in samples if sample.value is not None]
    if len(values) < len(samples):
        raise _native()
    return Vector(LabelList([LabelSet.of(sample.metric) for sample in samples]), np.array(values, np.float64))


def _lines(series: Sequence[_ResultSeries]) -> list[Line]:
    if any(one.histograms for one in series):
        raise _native()
    return [
        Line(
            LabelSet.of(one.metric),
            np.array([round(at * 1000) for at, _text in one.values or ()], np.int64),
            np.array([float(text) for _at, text in one.values or ()], np.float64),
        )
        for one in series
    ]


def _native() -> NotSupported:
    return NotSupported(
        tr("the response contains native histograms, which cannot be shown"),
        tr("query a number derived from them, such as histogram_quantile(0.95, …) or histogram_count(…)"),
    )


T = TypeVar("T")
_ABOUT_THE_QUERY = frozenset({"bad_data", "execution", "400", "422"})
"""Kinds of errors; VictoriaMetrics has the status there."""
_PLACE = re.compile(r"(?:invalid parameter \"query\": )?(\d+):(\d+): (?:parse error: )?(.+)", re.DOTALL)
"""How Prometheus says where in a query it stopped: line and column, from 1 on."""
_REMOTE_REASON_CHARS = 1000


class RemoteAlert(Struct, frozen=True, rename={"active_at": "activeAt", "keep_firing_since": "keepFiringSince"}):
    """A pending or firing alert of the API; ``value`` is a number as text."""

    labels: dict[str, str]
    state: str
    active_at: Moment
    value: str = "NaN"
    annotations: dict[str, str] = {}
    keep_firing_since: Moment | None = None


class RemoteRule(
    Struct,
    frozen=True,
    rename={"last_error": "lastError", "evaluated_at": "lastEvaluation", "took_s": "evaluationTime",
            "for_s": "duration"},
):  # fmt: skip
    """A rule of the API: ``type`` is ``alerting`` or ``recording``."""

    type: str
    name: str
    query: str
    health: str = "unknown"
    last_error: str = ""
    for_s: float = 0.0
    took_s: float | None = None
    evaluated_at: Moment | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    alerts: tuple[RemoteAlert, ...] | None = None


class RemoteGroup(Struct, frozen=True):
    """A group of rules; ``interval`` is in seconds."""

    name: str
    file: str = ""
    interval: float = 0.0
    rules: tuple[RemoteRule, ...] = ()


class _Groups(Struct, frozen=True):
    groups: tuple[RemoteGroup, ...] = ()


class RemoteEngine(QueryEngine):
    """The engine at ``config.url``; ``host`` sends the requests, None for this machine.

    ``warn`` gets sentences that come with an answer: what is missing in it, or probably not meant.
    """

    def __init__(self, config: ApiConfig, host: Host | None = None, warn: Callable[[str], None] | None = None) -> None:
        self._api, self._timeout_s = HttpApi(config, host), float(config.timeout)
        self._warn = warn

    @property
    def where(self) -> str:
        """The server's address as it appears in errors."""
        return self._api.where

    async def instant(self, text: str, at: datetime | None = None) -> Value:
        """See :meth:`QueryEngine.instant`."""
        params = [("query", text), ("time", _seconds(at or datetime.now(UTC))), ("timeout", f"{self._timeout_s:g}s")]
        return await self._value("/api/v1/query", params, text)

    async def range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[Line]:
        """See :meth:`QueryEngine.range`."""
        if step_s <= 0 or (end - start).total_seconds() / step_s >= MOST_STEPS:
            raise QueryError(
                tr("the step must be longer than 0 and yield at most {count} points per series", count=MOST_STEPS)
            )
        params = [
            ("query", text), ("start", _seconds(start)), ("end", _seconds(end)), ("step", f"{step_s:.3f}"),
            ("timeout", f"{self._timeout_s:g}s"),
        ]  # fmt: skip
        value = await self._value("/api/v1/query_range", params, text)
        if not isinstance(value, Matrix):
            raise self._odd()
        return value.lines

    async def series(self, matchers: tuple[Matcher, ...], start: datetime, end: datetime) -> list[LabelSet]:
        """See :meth:`QueryEngine.series`."""
        params = [("match[]", selector_text(matchers)), ("start", _seconds(start)), ("end", _seconds(end))]
        found = await self._data("/api/v1/series", params, list[dict[str, str]])
        return [LabelSet.of(one) for one in found]

    async def label_names(self, metric: str, start: datetime, end: datetime) -> list[str]:
        """See :meth:`QueryEngine.label_names`."""
        return sorted(await self._data("/api/v1/labels", _within(metric, start, end), list[str]))[:MOST_NAMES]

    async def label_values(self, metric: str, label: str, start: datetime, end: datetime) -> list[str]:
        """See :meth:`QueryEngine.label_values`."""
        path = f"/api/v1/label/{_in_path(label)}/values"
        return sorted(await self._data(path, _within(metric, start, end), list[str]))[:MOST_NAMES]

    async def rules(self) -> tuple[RemoteGroup, ...]:
        """Return the server's groups of rules, with their alerts."""
        return (await self._data("/api/v1/rules", (), _Groups)).groups

    async def families(self) -> dict[str, Family]:
        """Return type and help of metrics by name, as their targets report them; the type is unknown where they report
        several."""
        return {name: _common(told) for name, told in (await self._metadata()).items() if told}

    async def types(self) -> dict[str, str]:
        """Return the types of metrics by name, as their targets report them; a metric with several types is left
        out."""
        kinds = {name: {each.type for each in told} for name, told in (await self._metadata()).items()}
        return {name: each.pop() for name, each in kinds.items() if len(each) == 1}

    async def _metadata(self) -> dict[str, list[Family]]:
        return await self._data("/api/v1/metadata", (), dict[str, list[Family]])

    def warning(self, warn: Callable[[str], None]) -> RemoteEngine:
        """Return an engine that uses the connections of this one and calls ``warn``."""
        other = copy(self)
        other._warn = warn
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _value(self, path: str, params: Pairs, text: str) -> Value:
        raw = await self._asked(path, params, text)
        try:
            return await asyncio.to_thread(value_of, raw)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            raise self._odd() from None

    async def _data(self, path: str, params: Pairs, kind: type[T]) -> T:
        raw = await self._asked(path, params, "")
        try:
            data: T = await asyncio.to_thread(decoded_json, raw, kind)
        except (msgspec.DecodeError, RecursionError):
            raise self._odd() from None
        return data

    async def _asked(self, path: str, params: Pairs, text: str) -> msgspec.Raw:
        reply = await self._api.get(path, params)
        try:
            envelope = await asyncio.to_thread(msgspec.json.decode, reply.body, type=Envelope)
        except (msgspec.DecodeError, RecursionError):
            raise self._odd(reply) from None
        if envelope.status != "success":
            raise self._refused(envelope, text)
        for sentence in (*(envelope.warnings or ()), *(envelope.infos or ())):
            if self._warn is not None:
                self._warn(redacted_start(sentence, _REMOTE_REASON_CHARS))
        return envelope.data

    def _refused(self, envelope: Envelope, text: str) -> LilFoxError:
        said = redacted_start(envelope.error, _REMOTE_REASON_CHARS)
        if text and envelope.error_type in _ABOUT_THE_QUERY:
            found = _PLACE.fullmatch(said)
            if found is not None:
                position = _position(text, whole(found[1]), whole(found[2]))
                return QueryError(found[3], text=text, position=position)
            return QueryError(said, text=text)
        hint: Message | str = ""
        if envelope.error_type == "timeout":
            hint = tr("Query a shorter time range or fewer series, or raise timeout.")
        kind = envelope.error_type or tr("error")
        return LilFoxError(tr("{where} returns {kind}: {reason}", where=self.where, kind=kind, reason=said), hint)

    def _odd(self, reply: Reply | None = None) -> NotAnswered:
        hint = tr("Check the address.")
        start = "" if reply is None else redacted_start(reply.body, 100)
        if not start:
            return NotAnswered(tr("{where} did not send a Prometheus API response", where=self.where), hint)
        what = tr("{where} did not send a Prometheus API response: {start}", where=self.where, start=start)
        return NotAnswered(what, hint)


def _position(text: str, line: int, column: int) -> int | None:
    """Return the offset of a position that Go counts in bytes per line."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return None
    before = sum(len(one) + 1 for one in lines[: line - 1])
    return before + len(lines[line - 1].encode()[: max(column - 1, 0)].decode("utf-8", "ignore"))


def _common(told: Sequence[Family]) -> Family:
    first = told[0]
    return first if all(each.type == first.type for each in told) else Family(help=first.help)


def _within(metric: str, start: datetime, end: datetime) -> Pairs:
    """The parameters for names of one metric, or of all, in a time range; servers that know no limit ignore it."""
    of = [("match[]", selector_text((Matcher(NAME, "=", metric),)))] if metric else []
    return [*of, ("start", _seconds(start)), ("end", _seconds(end)), ("limit", str(MOST_NAMES))]


def _in_path(label: str) -> str:
    """A label in a path; names that are not identifiers are escaped as in Prometheus 3 (``U__`` and code points)."""
    if LABEL_NAME.fullmatch(label):
        return label
    plain = (
        char if char.isascii() and char.isalnum() else "__" if char == "_" else f"_{ord(char):x}_" for char in label
    )
    return "U__" + "".join(plain)


def _seconds(at: datetime) -> str:
    return f"{at.timestamp():.3f}"
