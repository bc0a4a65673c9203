"""One stand-in service: ``python -m lilfox_tui.demo.service NAME --port P --log-dir D``.

It answers ``/health``, ``/metrics`` and its own route; the gateway asks the backend, the backend the model. Faults come
by ``POST /fault {"kind": …}`` on a UNIX socket that only its starter can reach, ``POST /setup {"careless": …}`` changes
how it answers strangers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import logging.handlers
import os
import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.demo.control_socket import FAULTS, HEALED, SERVICES
from lilfox_tui.demo.http import (
    DemoRequest,
    DemoResponse,
    SharedFolder,
    ask,
    die_with_parent,
    serve_connection,
    until_told_to_end,
)

# What an application answers that is set up carelessly; ``lilfox audit`` finds each of these.


_FORGOTTEN = b"APP_ENV=production\nDATABASE_URL=postgresql://lilfox@localhost/lilfox\nSECRET_KEY=of-the-demo-only\n"
_DEBUG_PAGE = b"<!doctype html>\n<title>404 Not Found // Werkzeug Debugger</title>\n<h1>Not Found</h1>\n"


def careless(request: DemoRequest, response: DemoResponse) -> DemoResponse:
    """The response of a service that trusts every site, gives a cookie that scripts can read to every cache, shows a
    debug page for what is missing, and serves the ``.env`` file of its folder."""
    origin = request.headers.get("origin", "*")
    headers = (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Set-Cookie", f"session={os.urandom(8).hex()}; Path=/"),
        ("Cache-Control", "public, max-age=300"),
    )
    if request.path == "/.env":
        return DemoResponse(200, _FORGOTTEN, "text/plain", response.request_id, headers)
    if response.status == 404:
        return DemoResponse(404, _DEBUG_PAGE, "text/html; charset=utf-8", response.request_id, headers)
    return msgspec.structs.replace(response, headers=headers)


# The stand-in services' numbers in the Prometheus text format 0.0.4.


BOUNDS = (
    0.0001, 0.0002, 0.0003, 0.0004, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02,
    0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.09, 0.11, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0,
    1.25, 1.5, 1.51, 1.52, 1.535, 1.55, 1.57, 1.6, 1.65, 1.7, 1.8, 2.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the latency histogram in seconds: finer than the responses differ, slow ones too, so that no quantile
is the bound of a bucket that holds nearly all of them."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RequestCount:
    """Requests by method, route and status, their latency by method and route, and those in flight.

    Label values are routes of our own and never text of a client, so they need no escapes.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._sums: defaultdict[tuple[str, str], float] = defaultdict(float)

    def took(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[method, route, status] += 1
        buckets = self._buckets[method, route]
        buckets[next((index for index, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += 1
        self._sums[method, route] += seconds

    def text(self) -> str:
        """Return all metrics in the text format for a scrape."""
        lines = ["# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]
        lines += [
            f'http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        lines += [
            "# HELP http_request_duration_seconds Time from a request to its answer.",
            "# TYPE http_request_duration_seconds histogram",
        ]
        for (method, route), buckets in sorted(self._buckets.items()):
            lines += self._histogram(f'method="{method}",route="{route}"', buckets, self._sums[method, route])
        lines += [
            "# HELP http_requests_in_progress Requests under way.",
            "# TYPE http_requests_in_progress gauge",
            f"http_requests_in_progress {self.in_progress}",
            "# HELP process_resident_memory_bytes Resident memory.",
            "# TYPE process_resident_memory_bytes gauge",
        ]
        resident = resident_bytes()
        if resident is not None:
            lines.append(f"process_resident_memory_bytes {resident}")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _histogram(labels: str, buckets: list[int], total_s: float) -> list[str]:
        lines, below = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
            below += count
            lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {below}')
        lines.append(f"http_request_duration_seconds_sum{{{labels}}} {total_s:.6f}")
        lines.append(f"http_request_duration_seconds_count{{{labels}}} {below}")
        return lines


def resident_bytes() -> int | None:
    """Return this process's resident memory (proc_pid_statm(5)), None without /proc."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


# The stand-in services' logs: the manual's JSON lines, with its rotation by size and by day.


_EXTRAS = ("request_id", "user_id", "response_time")


class JSONFormatter(logging.Formatter):
    """Formats a record as one JSON object, with the keys of the ops manual's formatter, and ``response_time`` in
    seconds.

    ``timestamp`` is UTC without an offset, as the manual's ``utcnow().isoformat()`` gives it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, Any] = {
            "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        fields.update((name, getattr(record, name)) for name in _EXTRAS if hasattr(record, name))
        return json.dumps(fields)


def setup_logging(
    app_name: str, log_dir: Path, *, max_bytes: int = 100 * 1024 * 1024, backup_count: int = 10
) -> logging.Logger:
    """Return a logger that writes ``APP.log`` (rotated by size) and ``APP-daily.log`` (rotated at midnight) in
    ``log_dir``."""
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    by_size = logging.handlers.RotatingFileHandler(
        log_dir / f"{app_name}.log", maxBytes=max_bytes, backupCount=backup_count, encoding="utf-8"
    )
    by_day = logging.handlers.TimedRotatingFileHandler(
        log_dir / f"{app_name}-daily.log", when="midnight", backupCount=30, encoding="utf-8"
    )
    logger = logging.getLogger(app_name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for writer in (by_size, by_day):
        writer.setFormatter(JSONFormatter())
        logger.addHandler(writer)
    return logger


ROUTES = {"gateway": "/api/chat", "backend": "/api/messages", "model": "/v1/completions"}
CRASH_STATUS = 70
_SLOW_S = 1.5
_PATH_MOST = 100
"""Characters of a path in the log."""
_SLOW_FROM_S = 1.0
"""A request that takes so long is logged as a warning."""
_LEAK_BLOCK = 1024 * 1024
_LEAK_BLOCKS = 256
_WORK_S = {"gateway": 0.002, "backend": 0.008, "model": 0.04}


class Service:
    """One service's responses, metrics, log and fault. ``next_port`` is the port of the service it calls, None for the
    last; ``database`` is the control socket of the database that stores its messages, once it exists."""

    def __init__(
        self, name: str, log_dir: Path, next_port: int | None, max_bytes: int, *, database: Path | None = None
    ) -> None:
        self.name = name
        self.fault = HEALED
        self.careless = False
        self._next_port, self._database = next_port, database
        self._started = time.monotonic()
        self._log = setup_logging(f"lilfox-{name}", log_dir, max_bytes=max_bytes)
        self._count = RequestCount()
        self._healed = asyncio.Event()
        self._leaked: list[bytearray] = []
        self._trouble: asyncio.Task[None] | None = None

    async def answer(self, request: DemoRequest) -> DemoResponse:
        """Answer on the public port: count, log and apply the fault."""
        route = request.path if request.path in ("/health", "/metrics", ROUTES[self.name]) else "other routes"
        request_id = request.headers.get("x-request-id") or os.urandom(8).hex()
        started = time.perf_counter()
        self._count.in_progress += 1
        try:
            response = await self._respond(request, route, request_id)
        finally:
            self._count.in_progress -= 1
        if self.careless:
            response = careless(request, response)
        seconds = time.perf_counter() - started
        if route != "/metrics":
            method = request.method if request.method in ("GET", "POST", "HEAD") else "other"
            self._count.took(method, route, response.status, seconds)
        if route not in ("/health", "/metrics"):
            extra = {"request_id": request_id, "user_id": f"u{random.randrange(50):02}", "response_time": seconds}  # noqa: S311 -- a made-up user, no secret
            asked = request.method, request.path.partition("?")[0][:_PATH_MOST], response.status
            if seconds >= _SLOW_FROM_S:
                self._log.warning("slow, %.3f s: %s %s %d", seconds, *asked, extra=extra)
            else:
                self._log.info("%s %s %d in %.3f s", *asked, seconds, extra=extra)
        return response

    async def _respond(self, request: DemoRequest, route: str, request_id: str) -> DemoResponse:
        if self.fault == "hang":
            await self._healed.wait()
        if self.fault == "slow":
            await asyncio.sleep(_SLOW_S)
        if route == "/metrics":
            return DemoResponse(200, self._count.text().encode(), CONTENT_TYPE)
        if self.fault == "5xx":
            return self._broken(request_id)
        if route == "/health":
            return self._health()
        if route == "other routes":
            return DemoResponse(404, b'{"error": "not found"}', request_id=request_id)
        return await self._work(request.method, request_id)

    def _broken(self, request_id: str) -> DemoResponse:
        try:
            raise ConnectionError("connection to the database refused: 127.0.0.1:5432")
        except ConnectionError:
            self._log.exception("request failed", extra={"request_id": request_id})
        return DemoResponse(500, b'{"error": "internal error"}', request_id=request_id)

    def _health(self) -> DemoResponse:
        bad = self.fault == "unhealthy"
        status = "unhealthy" if bad else "degraded" if self.fault in ("leak", "errors") else "ok"
        document = {"status": status, "service": self.name, "uptime": round(time.monotonic() - self._started, 1)}
        return DemoResponse(503 if bad else 200, json.dumps(document).encode())

    async def _work(self, method: str, request_id: str) -> DemoResponse:
        await asyncio.sleep(random.expovariate(1 / _WORK_S[self.name]))
        if self._next_port is None:
            return DemoResponse(200, b'{"text": "hello"}', request_id=request_id)
        path = ROUTES["backend" if self.name == "gateway" else "model"]
        try:
            below = await ask(self._next_port, method, path, request_id=request_id)
        except (OSError, TimeoutError, ValueError):
            self._log.exception("upstream request failed", extra={"request_id": request_id})
            return DemoResponse(502, b'{"error": "bad gateway"}', request_id=request_id)
        if self._database is not None and not await self._keep_message(self._database, request_id):
            return DemoResponse(500, b'{"error": "internal error"}', request_id=request_id)
        return DemoResponse(200 if below.status == 200 else 502, below.body, request_id=request_id)

    async def _keep_message(self, database: Path, request_id: str) -> bool:
        """Have the database store the message; return False if that fails. Without a database, or before it is ready,
        the message is dropped and True returned."""
        try:
            kept = await ask(str(database), "POST", "/message")
            if kept.status == 500:
                raise ConnectionError(json.loads(kept.body)["error"])
        except FileNotFoundError:
            return True
        except (OSError, TimeoutError, ValueError, KeyError):
            self._log.exception("message not saved", extra={"request_id": request_id})
            return False
        return True

    async def control(self, request: DemoRequest) -> DemoResponse:
        """Answer on the private socket: ``POST /fault`` changes the fault, ``GET /fault`` returns it, ``POST /setup``
        makes the service careless or careful."""
        if (request.method, request.path) == ("POST", "/setup"):
            self.careless = json.loads(request.body)["careless"]
            return DemoResponse(200, b"{}")
        if request.path != "/fault":
            return DemoResponse(404)
        if request.method == "POST":
            try:
                kind = json.loads(request.body)["kind"]
            except (ValueError, KeyError, TypeError):
                return DemoResponse(400, b'{"error": "the body is {\\"kind\\": KIND}"}')
            if kind != HEALED and kind not in FAULTS:
                return DemoResponse(400, b'{"error": "no such kind"}')
            self.become(kind)
        return DemoResponse(200, json.dumps({"kind": self.fault}).encode())

    def become(self, kind: str) -> None:
        """Switch to a fault, or to none."""
        if kind == "crash":
            self._log.critical("out of memory: going down")
            os._exit(CRASH_STATUS)
        self._healed.set()
        self._healed = asyncio.Event()
        if self._trouble is not None:
            self._trouble.cancel()
            self._trouble = None
        self._leaked.clear()
        self.fault = kind
        if kind == "leak":
            self._trouble = asyncio.create_task(self._leak())
        elif kind == "errors":
            self._trouble = asyncio.create_task(self._fill_log())

    async def _leak(self) -> None:
        while len(self._leaked) < _LEAK_BLOCKS:
            self._leaked.append(bytearray(b"\x01") * _LEAK_BLOCK)
            await asyncio.sleep(0.25)

    async def _fill_log(self) -> None:
        while True:
            self._broken(os.urandom(8).hex())
            await asyncio.sleep(0.1)


async def serve(service: Service, port: int, control: Path) -> None:
    """Serve requests until the process is told to end or its parent has ended."""
    public = await asyncio.start_server(
        lambda reader, writer: serve_connection(reader, writer, service.answer), "127.0.0.1", port
    )
    private = await asyncio.start_unix_server(
        lambda reader, writer: serve_connection(reader, writer, service.control), control
    )
    await until_told_to_end()
    public.close()
    private.close()


def main() -> None:
    """Run one service until the parent process ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", choices=tuple(SERVICES))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--next-port", type=int)
    parser.add_argument("--log-dir", type=Path, required=True)
    parser.add_argument("--log-bytes", type=int, default=100 * 1024 * 1024)
    parser.add_argument("--control", type=Path, help="UNIX socket (default: NAME.sock in the log folder)")
    parser.add_argument("--database", type=Path, help="UNIX socket on which the database takes messages")
    parser.add_argument("--fault", choices=(*FAULTS, HEALED), default=HEALED)
    parser.add_argument("--careless", action="store_true")
    parser.add_argument("--shared-folder", type=Path, help="removed when the last process in it ends")
    options = parser.parse_args()
    die_with_parent()
    shared = SharedFolder(options.shared_folder) if options.shared_folder else None
    try:
        asyncio.run(_run(options))
    finally:
        if shared is not None:
            shared.leave()


async def _run(options: argparse.Namespace) -> None:
    service = Service(options.name, options.log_dir, options.next_port, options.log_bytes, database=options.database)
    control = options.control or options.log_dir / f"{options.name}.sock"
    service.become(options.fault)
    service.careless = options.careless
    with contextlib.suppress(FileNotFoundError):
        control.unlink()  # of a process before this one that died
    await serve(service, options.port, control)


if __name__ == "__main__":
    main()
