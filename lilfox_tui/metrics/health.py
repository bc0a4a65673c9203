"""A service's health address, asked over and over: healthy, unhealthy or error, as the manual's monitor.py says.

Healthy is an expected status, unhealthy another one, error no answer at all. A redirect is an answer and is not
followed. The response time is the time to the end of the answer's head, as ``requests`` measures ``elapsed``.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec import Struct

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.errors import HostError, LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http_answer import HttpFault
from lilfox_tui.hosts.http_way import HttpWay, Tls, revealed
from lilfox_tui.i18n import _, tr
from lilfox_tui.metrics.health_reason import reason_of
from lilfox_tui.metrics.hysteresis import Hysteresis
from lilfox_tui.metrics.model import Health, HealthCheck, ServiceState
from lilfox_tui.redact import redacted_start

BODY_LIMIT = 64 * 1024
_DETAIL_CHARS = 200
_OK_WORDS = frozenset({"ok", "up", "healthy", "pass", "good", "alive", "ready", "success", "green", "running"})


class _Answer(Struct, frozen=True):
    status: int
    elapsed_s: float
    location: str
    content_type: str
    body: bytes
    cut: bool


class HealthProbe:
    """Asks one service; its state is in ``feed``. ``host`` is the one that asks, None for this machine."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float) -> None:
        self.name, self.config = name, config
        self.feed: Feed[ServiceState] = Feed()
        self._period_s = period_s
        parts = urlsplit(config.url)
        self._path = parts.path.rstrip("/") + "/" + config.health.lstrip("/")
        tls = Tls(verify=config.verify_tls)
        self._way = HttpWay(config.url, host, timeout_s=config.timeout, tls=tls, keep_idle_s=period_s * 2 + 5)
        self._where = self._way.where
        self._hysteresis = Hysteresis(
            name,
            f"{parts.scheme}://{self._way.netloc}",
            down_after=config.down_after,
            up_after=config.up_after,
            slow_s=config.slow,
        )
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Asks at once, then once a period, until cancelled. Each service has its own place in the period."""
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
        """Ends the connection and the forwarded port."""
        await self._way.close()

    async def check_once(self) -> HealthCheck:
        """One question, also published on ``feed``. Raises nothing that the service or its host can cause."""
        async with self._one_at_a_time:
            check = await self._check()
        self.feed.publish(self._hysteresis.take(check), check.at)
        return check

    async def _check(self) -> HealthCheck:
        at = datetime.now(UTC)
        try:
            await self._way.connect()
            async with asyncio.timeout(self.config.timeout):
                answer = await self._ask()
        except TimeoutError:
            await self.close()
            reason = tr(
                "no whole answer from {where} within {seconds} s: the service hangs or the way to it is cut",
                where=self._where,
                seconds=f"{self.config.timeout:g}",
            )
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except HostError as error:
            await self.close()
            reason = tr("cannot ask from {host}: {reason}", host=error.host, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            return HealthCheck(at, Health.ERROR, None, None, reason_of(error, self._where))
        except LilFoxError as error:
            reason = tr("cannot ask {where}: {reason}", where=self._where, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        return self._judge(at, answer)

    async def _ask(self) -> _Answer:
        headers = {"Accept-Encoding": "identity", **await revealed(self.config.headers)}
        started = time.perf_counter()
        async with self._way.stream("GET", self._path, headers=headers) as got:
            elapsed_s = time.perf_counter() - started
            body, cut = await got.start(BODY_LIMIT)
            location, content_type = got.headers.get("location", ""), got.headers.get("content-type", "")
            return _Answer(got.status, elapsed_s, location, content_type, body, cut)

    def _judge(self, at: datetime, answer: _Answer) -> HealthCheck:
        if answer.status in self.config.expect:
            return HealthCheck(at, Health.HEALTHY, answer.status, answer.elapsed_s, None, _remark(answer))
        if answer.location and 300 <= answer.status < 400:
            reason = tr(
                "{where} answers {status} and points to {target}, which is not followed: is that the right address?",
                where=self._where, status=answer.status, target=_without_secrets(answer.location),
            )  # fmt: skip
        else:
            reason = tr(
                "{where} answers {status}, expected is {expected}: see the service's log",
                where=self._where, status=answer.status, expected=" ".join(map(str, self.config.expect)),
            )  # fmt: skip
        return HealthCheck(at, Health.UNHEALTHY, answer.status, answer.elapsed_s, reason, _start(answer.body))


def _without_secrets(location: str) -> str:
    """Host and path of a redirect's target: its query and user part may hold tokens."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "?"
    return (parts.netloc.rpartition("@")[2] + parts.path)[:_DETAIL_CHARS]


def _start(body: bytes) -> str:
    return redacted_start(body, _DETAIL_CHARS)


def _remark(answer: _Answer) -> str:
    """What is odd about an answer that counts as healthy, or nothing."""
    if answer.cut:
        return _("the answer is longer than {limit} KiB; the rest was not read", limit=BODY_LIMIT // 1024)
    text = _start(answer.body)
    if "html" in answer.content_type.lower() or text[:15].lower().startswith(("<!doctype html", "<html")):
        return _("an HTML page, perhaps not the health address: {start}", start=text)
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    status = document.get("status") if isinstance(document, dict) else None
    if isinstance(status, str) and status.lower() not in _OK_WORDS:
        return text
    return ""
