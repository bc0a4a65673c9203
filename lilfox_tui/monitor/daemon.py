"""Implements ``lilfox monitor``: the monitor without a screen, its reports, its own metrics, its heartbeat."""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from lilfox_tui.config.model import Config, MonitorConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Feed, Pending, Ready, State
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.hosts.http import HttpTransport
from lilfox_tui.metrics.model import HostSnapshot, Level
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.export_sections import recovery_families
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts
    from lilfox_tui.monitor.audit_run import Exports
    from lilfox_tui.monitor.deadlines import PingReceiver
    from lilfox_tui.scrape.series_file import SeriesJournal
    from lilfox_tui.scrape.store import SeriesStore


# What does not go as it should with alerts, told once when it begins and once when it is over: for a log.


class AlertLog:
    """Reports problems with alerts, such as failing rules, when they appear and clear; ``tell`` gets each sentence."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._told: dict[str, Message] = {}

    async def follow(self, feed: Feed[Alerts]) -> None:
        """Report the changes on ``feed``, until cancelled."""
        async with aclosing(feed.watch()) as states:
            async for state in states:
                self.take(state)

    def take(self, state: State[Alerts]) -> None:
        """Report which problems in ``state`` are new, and which earlier ones are over."""
        if isinstance(state, Pending):
            return
        now = dict(_alert_troubles(state))
        for key, text in now.items():
            if key not in self._told:
                self._tell(tr("alerts: {trouble}", trouble=text))
        for key, text in self._told.items():
            if key not in now:
                self._tell(tr("alerts: the problem has cleared: {trouble}", trouble=text))
        self._told = {key: self._told.get(key, text) for key, text in now.items()}


def _alert_troubles(state: State[Alerts]) -> Iterator[tuple[str, Message]]:
    """Yield the problems, keyed by a value that stays the same while the problem lasts."""
    if isinstance(state, Ready):
        for rule in state.value.rules:
            if rule.error is not None:
                text = tr("rule {name} ({group}) fails: {error}", name=rule.name, group=rule.group, error=rule.error)
                yield f"rule {rule.key}", text
        for trouble in state.value.troubles:
            yield trouble.key, trouble.text
    elif not isinstance(state, Pending):
        yield "unknown", tr("{error}", error=state.error)


# A call to an address of somebody who notices when it stops coming (a dead man's switch).


_TIMEOUT_S = 10.0


class Heartbeat:
    """Requests ``url`` with GET every ``every_s`` seconds. ``failures`` counts consecutive failed calls.

    The address is a secret (whoever has it can call it): only its host is ever said.
    """

    def __init__(
        self, url: str, every_s: float, warn: Callable[[Message], None], *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._warn, self._timeout_s = warn, timeout_s
        self.failures = 0

    async def run(self) -> None:
        """Call until cancelled; ``warn`` gets the first of consecutive failures and the recovery."""
        parts = urlsplit(self._url)
        where, path = parts.hostname or "?", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        transport = HttpTransport(self._url, None, timeout_s=self._timeout_s)
        try:
            while True:
                why = await self._call(transport, path)
                if why:
                    self.failures += 1
                    if self.failures == 1:
                        self._warn(tr("the heartbeat to {where} failed: {why}", where=where, why=why))
                elif self.failures:
                    count, self.failures = self.failures, 0
                    self._warn(
                        ntr(
                            "the heartbeat to {where} works again after {count} failure",
                            "the heartbeat to {where} works again after {count} failures",
                            count,
                            where=where,
                        )
                    )
                await asyncio.sleep(self._every_s)
        finally:
            await transport.close()

    async def _call(self, transport: HttpTransport, path: str) -> str:
        """Return "" if the call succeeded, otherwise the HTTP status or the error's type, not its text, which may
        contain the address."""
        try:
            async with transport.stream("GET", path, headers={}) as answer:
                return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except (LilFoxError, OSError, UnicodeError) as error:
            return type(error).__name__


# ``/metrics`` and ``/health`` of LilFox itself: GET over HTTP/1.1 (RFC 9112), one answer a connection.


METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEAD_LIMIT_BYTES = 8192
_BODY_LIMIT_BYTES = 1024 * 1024
_PATIENCE_S = 5.0


@asynccontextmanager
async def serve_metrics(
    listen: str, metrics: Callable[[], str], pings: PingReceiver | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve ``metrics`` at ``listen`` (``ADDRESS:PORT``, port 0: any) for the duration of the context, and take
    ``pings``; yields the address and the port.

    Raises UsageError when the address makes no sense or cannot be had.
    """
    address, port = _listen_address(listen)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST "):
                    await _skip_body(reader, head)
                writer.write(_ping_response(head, pings) or _response(head, metrics))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, slow or does not speak HTTP
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, address, port, limit=_HEAD_LIMIT_BYTES)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            tr("cannot listen on {listen}: {why}", listen=listen, why=why), tr("choose another --listen ADDRESS:PORT")
        ) from error
    async with server:
        name = server.sockets[0].getsockname()
        yield str(name[0]), int(name[1])


def _listen_address(listen: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise UsageError(tr("--listen {listen}: expected ADDRESS:PORT", listen=listen), tr("such as 127.0.0.1:9464"))
    return host, port


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read what is posted, which is of no use: who posts may not read the answer before."""
    for line in head.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            left = min(int(value), _BODY_LIMIT_BYTES)
            while left > 0 and (block := await reader.read(min(left, 65536))):
                left -= len(block)


def _ping_response(head: bytes, pings: PingReceiver | None) -> bytes | None:
    """The answer to a ping; None for another path, or where no job is waited for."""
    method, _space, rest = head.partition(b"\r\n")[0].partition(b" ")
    path, _mark, query = rest.partition(b" ")[0].partition(b"?")
    if pings is None or not path.startswith(b"/ping/") or method not in (b"GET", b"HEAD", b"POST"):
        return None
    status, text = pings.answer(path.decode("ascii", "replace"), query.decode("ascii", "replace"), datetime.now(UTC))
    return _message(status, "text/plain; charset=utf-8", text, with_body=method != b"HEAD")


def _response(head: bytes, metrics: Callable[[], str]) -> bytes:
    method, _space, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _message("405 Method Not Allowed", "text/plain", "GET only\n", allow="Allow: GET, HEAD\r\n")
    if path == b"/metrics":
        status, kind, text = "200 OK", METRICS_TYPE, metrics()
    elif path == b"/health":
        status, kind, text = "200 OK", "application/json", '{"status": "ok"}\n'
    else:
        status, kind, text = "404 Not Found", "text/plain", "/metrics or /health\n"
    return _message(status, kind, text, with_body=method == b"GET")


def _message(status: str, kind: str, text: str, *, allow: str = "", with_body: bool = True) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{allow}Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


# The file of JSON lines that ``lilfox monitor`` appends to, also across log rotation and a full disk.


class ReportFile:
    """Appends whole lines to ``path``; creates its folder, and the file with mode 0640.

    A file that was moved away (logrotate) is made anew. ``warn`` is told once when writing fails and once when it
    works again; each line tries again.
    """

    def __init__(self, path: Path, warn: Callable[[Message], None]) -> None:
        self._path = path
        self._warn = warn
        self._failing = False

    def append(self, line: str) -> None:
        """Append ``line`` (without a newline) and a newline."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(line.encode() + b"\n")
        except OSError as error:
            if not self._failing:
                why = error.strerror or str(error)
                self._warn(tr("cannot write {path}: {why}; trying again with each report", path=self._path, why=why))
            self._failing = True
            return
        if self._failing:
            self._warn(tr("{path} is writable again", path=self._path))
        self._failing = False

    def _write(self, block: bytes) -> None:
        """Append ``block``. The file is opened each time: once a minute this costs nothing, and a rotated file is never
        written to again."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            start = os.fstat(handle).st_size
            written = os.write(handle, block)
            if written != len(block):
                os.ftruncate(handle, start)  # half a line would spoil the next one too
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)


_WRITTEN_EVERY_S = 5.0
"""How often series are written: so much of them is lost by kill -9."""
FIRST_REPORT_S = 10.0
"""The first report waits at most so long for the first numbers of every host and service."""


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


class Daemon:
    """Monitors without a screen until :meth:`run` is cancelled. ``publish`` gets each report, ``warn`` each problem.
    ``config_file`` is the file of ``config``, None for the usual place; ``exports`` are those of the audit."""

    def __init__(
        self,
        config: Config,
        options: MonitorConfig,
        *,
        publish: Callable[[dict[str, Any]], None],
        warn: Callable[[Message], None],
        config_file: Path | None = None,
        exports: Exports | None = None,
    ) -> None:
        self._options = options
        self._publish = publish
        self._warn = warn
        self._file = ReportFile(Path(options.output), warn)
        period = Seconds(min(config.refresh, options.interval))
        self._monitor = Monitor(msgspec.structs.replace(config, refresh=period), config_file=config_file, acts=True)
        self._monitor.audit.exports = exports
        self._config_file = config_file
        self._journal: SeriesJournal | None = None

    async def run(self) -> None:
        """Monitor, and report every ``interval``. Raises UsageError if ``listen`` cannot be opened."""
        async with AsyncExitStack() as opened:
            pings = await self._pings()
            if self._options.listen is not None:
                serving = serve_metrics(self._options.listen, self._metrics, pings)
                address, port = await opened.enter_async_context(serving)
                self._warn(tr("metrics at http://{address}:{port}/metrics", address=address, port=port))
                if pings is not None:
                    self._warn(tr("pings at http://{address}:{port}/ping/NAME", address=address, port=port))
            elif pings is not None:
                self._warn(tr("jobs with a deadline cannot ping: set monitor.listen, or --listen"))
            await self._answer_queries(opened)
            if self._options.series_mb:
                self._monitor.scraping.prepare = self._restore_series
                opened.push_async_callback(self._close_series)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._monitor.run())
                group.create_task(self._report())
                group.create_task(self._write_series())
                group.create_task(AlertLog(self._warn).follow(self._monitor.alerting.feed))
                if self._options.heartbeat_url is not None:
                    beat = Heartbeat(self._options.heartbeat_url, self._options.heartbeat_every, self._warn)
                    group.create_task(beat.run())

    async def _pings(self) -> PingReceiver | None:
        """Who takes the pings of jobs; None where none has a deadline. Raises LilFoxError."""
        services = self._monitor.config.services
        if all(each.deadline is None for each in services.values()):
            return None
        module = await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.deadlines")
        return cast("PingReceiver | None", await module.PingReceiver.of(services, self._options.ping_key))

    async def _answer_queries(self, opened: AsyncExitStack) -> None:
        """Answer queries of ``lilfox query`` until ``opened`` ends, where that is possible."""
        module = await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.query_socket")
        folder = await asyncio.to_thread(module.socket_folder, self._config_file)
        if folder is None:
            return
        try:
            serving = module.QueryServer(self._monitor.queries.engine, self._oldest_ms).serving(folder)
            if not await opened.enter_async_context(serving):
                self._warn(tr("another lilfox monitor answers the queries of lilfox query"))
        except OSError as error:
            why = error.strerror or str(error)
            self._warn(tr("lilfox query cannot ask this monitor: {why}", why=why))

    def _restore_series(self, store: SeriesStore) -> None:
        """Put the series of the last start into ``store``, and store those that follow."""
        files = importlib.import_module("lilfox_tui.scrape.series_file")
        rules = importlib.import_module("lilfox_tui.alerts.rule_manager")
        folders = importlib.import_module("lilfox_tui.alerts.state_folder")
        folder = folders.state_folder(self._config_file)
        if folder is None:
            return
        results = rules.result_store()
        journal = files.SeriesJournal(
            folder / files.FOLDER, {"scraped": store, "recorded": results},
            limit_bytes=self._options.series_mb * 1024 * 1024, warn=self._warn,
        )  # fmt: skip
        try:
            if journal.begin(_now_ms(), self._monitor.config.history.hours * 3_600_000):
                self._journal, self._monitor.alerting.results = journal, results
            else:
                self._warn(tr("another lilfox monitor stores the series"))
        except OSError as error:
            why = error.strerror or str(error)
            self._warn(tr("series cannot be stored in {path}: {reason}", path=folder / files.FOLDER, reason=why))

    async def _write_series(self) -> None:
        while True:
            await asyncio.sleep(_WRITTEN_EVERY_S)
            if self._journal is not None:
                await asyncio.to_thread(self._journal.flush, _now_ms())

    async def _close_series(self) -> None:
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close, _now_ms())

    def _oldest_ms(self) -> int | None:
        store = self._monitor.scraping.store.value
        return None if store is None else store.oldest_ms

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        await self._first_numbers(FIRST_REPORT_S)
        due = loop.time()
        while True:
            document = report(self._overview(), self._local())
            self._publish(document)
            await asyncio.to_thread(self._file.append, json.dumps(document))
            due = max(due + self._options.interval, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _first_numbers(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                async with aclosing(self._monitor.overview.watch()) as states:
                    async for _state in states:
                        if self._all_known():
                            return
        except TimeoutError:
            return

    def _all_known(self) -> bool:
        overview = self._overview()
        known = [
            view.level is Level.FAILING or (view.summary is not None and view.summary.cpu is not None)
            for view in overview.hosts.values()
        ]
        known += [view.state is not None for view in overview.services.values()]
        known += [view.reading is not None or view.outage is not None for view in overview.backends.values()]
        return all(known)

    def _overview(self) -> Overview:
        overview = self._monitor.overview.value
        if overview is None:
            self._monitor.prime()
            overview = self._monitor.overview.value
        assert overview is not None
        return overview

    def _local(self) -> HostSnapshot | None:
        here = [name for name, view in self._overview().hosts.items() if view.config.local]
        return self._monitor.snapshot(here[0]).value if here else None

    def _metrics(self) -> str:
        snapshots = {name: self._monitor.snapshot(name).value for name in self._monitor.hosts}
        return prometheus(
            self._overview(),
            {name: each for name, each in snapshots.items() if each is not None},
            tuple(recovery_families(self._monitor.config.recovery, self._monitor.recovery.feed.value or {})),
        )
