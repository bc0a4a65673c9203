"""Health checks of services: discovery on this machine, the probe, its hysteresis, and why there was no answer."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import HttpFault, HttpTransport, Tls, revealed
from lilfox_tui.metrics.model import CertificateTimes, Health, HealthCheck, Level, ServiceState
from lilfox_tui.redact import redacted_start

# Why a service gave no answer, in words: the exceptions of ssl and the socket as messages without secrets.


def reason_of(error: BaseException, where: str) -> Message:
    """Return what ``error`` means for ``where`` (``host:port``), and what to check."""
    if isinstance(error, HttpFault):
        return error.message
    for cause in _causes(error):
        message = _of_cause(cause, where)
        if message is not None:
            return message
    return tr("the request to {where} failed ({kind}): check the url", where=where, kind=type(error).__name__)


def _of_cause(cause: BaseException, where: str) -> Message | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message
        return tr("the certificate of {where} is not trusted: {reason}", where=where, reason=reason)
    if isinstance(cause, ssl.SSLError):
        return tr("TLS with {where} failed ({reason}): is it http?", where=where, reason=cause.reason or "TLS")
    if isinstance(cause, socket.gaierror):
        return tr("cannot resolve the host name in {where}: check the url and DNS", where=where)
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        return tr(
            "{where} refuses the connection: nothing is listening on that port; is the service running?", where=where
        )
    if isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE):
        return tr("{where} closed the connection before the response was complete: see the service's log", where=where)
    if isinstance(cause, OSError) and cause.errno:
        return tr("{where} cannot be reached: {reason}", where=where, reason=os.strerror(cause.errno))
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and all its causes, including the members of exception groups."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
        todo += [one.__cause__, one.__context__]


# When a service counts as down, and when as up again. Pure.


class Hysteresis:
    """Turns single answers into a level that does not flap.

    The first good answer counts at once. A failure is DEGRADED until ``down_after`` in a row make it FAILING; from
    there good answers are DEGRADED until ``up_after`` in a row make it GOOD. ``down_after`` good answers in a row that
    take longer than ``slow_s`` make it DEGRADED too, until ``up_after`` in a row do not.
    """

    def __init__(self, name: str, url: str, *, down_after: int, up_after: int, slow_s: float | None = None) -> None:
        self._name, self._url = name, url
        self._down_after, self._up_after, self._slow_s = down_after, up_after, slow_s
        self._up: bool | None = None
        self._slow = False
        self._row = _Row()
        self._slow_row = _Row()
        self._level: Level | None = None
        self._level_since: datetime | None = None

    def take(self, check: HealthCheck) -> ServiceState:
        """Return the state after ``check``; ``since`` is the time of the first of the consecutive answers that led to
        the level."""
        good = check.health is Health.HEALTHY
        row_since = self._row.take(good, check.at)
        level = self._level_after(good)
        slow_since = self._slow_since(check) if good else None
        if level is Level.GOOD and slow_since is not None:
            level, row_since = Level.DEGRADED, slow_since
        if level is not self._level or self._level_since is None:
            self._level, self._level_since = level, row_since
        failures = 0 if good else self._row.length
        slower_than_s = self._slow_s if good and slow_since is not None else None
        return ServiceState(self._name, self._url, level, self._level_since, check, failures, slower_than_s)

    def _level_after(self, good: bool) -> Level:
        if good:
            if self._up is None or self._row.length >= self._up_after:
                self._up = True
            return Level.GOOD if self._up else Level.DEGRADED
        if self._row.length >= self._down_after:
            self._up = False
        return Level.FAILING if self._up is False else Level.DEGRADED

    def _slow_since(self, check: HealthCheck) -> datetime | None:
        """Return the time since which successful answers have been slow; None while they are not."""
        if self._slow_s is None or check.response_time_s is None:
            return None
        slow = check.response_time_s > self._slow_s
        since = self._slow_row.take(slow, check.at)
        if self._slow_row.length >= (self._down_after if slow else self._up_after):
            self._slow = slow
        return since if self._slow else None


class _Row:
    """Consecutive answers of one kind."""

    def __init__(self) -> None:
        self.length = 0
        self._kind: bool | None = None
        self._since: datetime | None = None

    def take(self, kind: bool, at: datetime) -> datetime:
        """Count an answer; return the time of the first of the consecutive answers of this kind."""
        if kind is not self._kind or self._since is None:
            self._kind, self.length, self._since = kind, 0, at
        self.length += 1
        return self._since


# A service's health address, asked over and over: healthy, unhealthy or error, as the manual's monitor.py says.
#
# Healthy is an expected status, unhealthy another one, error no answer at all. A redirect is an answer and is not
# followed. The response time is the time to the end of the answer's head, as ``requests`` measures ``elapsed``.


BODY_LIMIT = 64 * 1024
SHOWN_AGAIN_S = 3600.0
"""A connection that is kept so long shows no certificate that was renewed meanwhile."""
_DETAIL_CHARS = 200
_OK_WORDS = frozenset({"ok", "up", "healthy", "pass", "good", "alive", "ready", "success", "green", "running"})


class _HealthResponse(Struct, frozen=True):
    status: int
    elapsed_s: float
    location: str
    content_type: str
    body: bytes
    cut: bool


class ServiceProbe:
    """Probes one service; its state is in ``feed``. ``place`` is its address for people. Each kind says in ``_check``
    how it asks."""

    def __init__(self, name: str, config: ServiceConfig, place: str, *, period_s: float) -> None:
        self.name, self.config = name, config
        self.feed: Feed[ServiceState] = Feed()
        self._period_s = period_s
        self._hysteresis = Hysteresis(
            name, place, down_after=config.down_after, up_after=config.up_after, slow_s=config.slow
        )
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Probe at once, then once per period, until cancelled. Each service has its own offset in the period."""
        loop = asyncio.get_running_loop()
        phase = zlib.crc32(self.name.encode()) / 2**32 * self._period_s
        try:
            while True:
                await self.check_once()
                now = loop.time()
                turns = int((now - phase) // self._period_s) + 1
                await asyncio.sleep(phase + turns * self._period_s - now)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close what is open."""

    async def check_once(self) -> HealthCheck:
        """Probe once and publish the result on ``feed``. Never raises an error caused by the service or its host."""
        async with self._one_at_a_time:
            check = await self._check()
        self.feed.publish(self._completed(self._hysteresis.take(check)), check.at)
        return check

    def _completed(self, state: ServiceState) -> ServiceState:
        """The state with what else the last answer told."""
        return state

    async def _check(self) -> HealthCheck:
        raise NotImplementedError


class HealthProbe(ServiceProbe):
    """Probes one HTTP service. ``host`` is the host that probes, None for this machine."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float) -> None:
        parts = urlsplit(config.url)
        self._path = parts.path.rstrip("/") + "/" + config.health.lstrip("/")
        tls = Tls(verify=config.verify_tls)
        self._transport = HttpTransport(
            config.url, host, timeout_s=config.timeout, tls=tls, keep_idle_s=period_s * 2 + 5
        )
        self._where = self._transport.where
        self._shown = b""
        self._times: CertificateTimes | None = None
        super().__init__(name, config, f"{parts.scheme}://{self._transport.netloc}", period_s=period_s)

    async def close(self) -> None:
        """Close the connection and the forwarded port."""
        await self._transport.close()

    def _completed(self, state: ServiceState) -> ServiceState:
        return replace(state, certificate=self._certificate())

    def _certificate(self) -> CertificateTimes | None:
        """The times of the certificate that the service showed last."""
        shown = self._transport.certificate
        if shown is not None and shown[1] != self._shown:
            times = validity(shown[1])
            self._shown, self._times = shown[1], None if times is None else CertificateTimes(*times)
        return self._times

    async def _check(self) -> HealthCheck:
        at = datetime.now(UTC)
        try:
            shown = self._transport.certificate
            if shown is not None and asyncio.get_running_loop().time() - shown[0] > SHOWN_AGAIN_S:
                await self.close()  # a new handshake shows whether the certificate was renewed
                self._transport.certificate = asyncio.get_running_loop().time(), shown[1]
            await self._transport.connect()
            async with asyncio.timeout(self.config.timeout):
                answer = await self._ask()
        except TimeoutError:
            await self.close()
            reason = tr(
                "no complete response from {where} within {seconds} s: the service hangs or the connection is broken",
                where=self._where,
                seconds=f"{self.config.timeout:g}",
            )
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except HostError as error:
            await self.close()
            reason = tr("cannot send the request from {host}: {reason}", host=error.host, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            return HealthCheck(at, Health.ERROR, None, None, reason_of(error, self._where))
        except LilFoxError as error:
            reason = tr("cannot check {where}: {reason}", where=self._where, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        return self._judge(at, answer)

    async def _ask(self) -> _HealthResponse:
        headers = {"Accept-Encoding": "identity", **await revealed(self.config.headers)}
        started = time.perf_counter()
        async with self._transport.stream("GET", self._path, headers=headers) as got:
            elapsed_s = time.perf_counter() - started
            body, cut = await got.start(BODY_LIMIT)
            location, content_type = got.headers.get("location", ""), got.headers.get("content-type", "")
            return _HealthResponse(got.status, elapsed_s, location, content_type, body, cut)

    def _judge(self, at: datetime, answer: _HealthResponse) -> HealthCheck:
        if answer.status in self.config.expect:
            return HealthCheck(at, Health.HEALTHY, answer.status, answer.elapsed_s, None, _remark(answer))
        if answer.location and 300 <= answer.status < 400:
            reason = tr(
                "{where} returns {status} and redirects to {target}, which is not followed: is that the right "
                "address?",
                where=self._where, status=answer.status, target=_without_secrets(answer.location),
            )  # fmt: skip
        else:
            reason = tr(
                "{where} returns {status}, expected {expected}",
                where=self._where, status=answer.status, expected=" ".join(map(str, self.config.expect)),
            )  # fmt: skip
        return HealthCheck(at, Health.UNHEALTHY, answer.status, answer.elapsed_s, reason, _start(answer.body))


def _without_secrets(location: str) -> str:
    """Return host and path of a redirect's target, without query and user part, which may hold tokens."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "?"
    return (parts.netloc.rpartition("@")[2] + parts.path)[:_DETAIL_CHARS]


def _start(body: bytes) -> str:
    return redacted_start(body, _DETAIL_CHARS)


def _remark(answer: _HealthResponse) -> str:
    """Return what is unusual about an answer that counts as healthy, or nothing."""
    if answer.cut:
        return _("the response is larger than {limit} KiB; the rest was not read", limit=BODY_LIMIT // 1024)
    text = _start(answer.body)
    if "html" in answer.content_type.lower() or text[:15].lower().startswith(("<!doctype html", "<html")):
        return _("the response is an HTML page, possibly not from the health endpoint: {start}", start=text)
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    status = document.get("status") if isinstance(document, dict) else None
    if isinstance(status, str) and status.lower() not in _OK_WORDS:
        return text
    return ""


_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0
_BEFORE_VALIDITY = 3
"""The serial number, the algorithm of the signature, and the issuer."""


def validity(der: bytes) -> tuple[datetime, datetime] | None:
    """The first and the last moment of a certificate (RFC 5280 4.1.2.5), aware UTC; None if it has none."""
    try:
        ((_tag, whole),) = _elements(der)
        _tag, signed = next(_elements(whole))
        parts = list(_elements(signed))
        at = _BEFORE_VALIDITY + (parts[0][0] == _VERSION)
        first, last = (_time(*each) for each in _elements(parts[at][1]))
    except (IndexError, ValueError, StopIteration, OverflowError):
        return None
    return first, last


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count]), at + count
        if at + length > len(der):
            raise ValueError(length)
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(tag)
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
