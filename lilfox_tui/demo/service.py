"""One stand-in service: ``python -m lilfox_tui.demo.service NAME --port P --log-dir D``.

It answers ``/health``, ``/metrics`` and its own route; the gateway asks the backend, the backend the model. Faults come
by ``POST /fault {"kind": …}`` on a UNIX socket that only its starter can reach.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import time
from pathlib import Path

from lilfox_tui.demo.exposition import CONTENT_TYPE, RequestCount
from lilfox_tui.demo.faults import FAULTS, HEALED, SERVICES
from lilfox_tui.demo.lifetime import SharedFolder, die_with_parent, until_told_to_end
from lilfox_tui.demo.records import setup_logging
from lilfox_tui.demo.wire import Request, Response, ask, serve_connection

ROUTES = {"gateway": "/api/chat", "backend": "/api/messages", "model": "/v1/completions"}
CRASH_STATUS = 70
_SLOW_S = 1.5
_LEAK_BLOCK = 1024 * 1024
_LEAK_BLOCKS = 256
_WORK_S = {"gateway": 0.002, "backend": 0.008, "model": 0.04}


class Service:
    """One service's answers, numbers, log and fault. ``next_port`` is the service that it asks, None for the last;
    ``database`` the control socket of the database that keeps its messages, once that is there."""

    def __init__(
        self, name: str, log_dir: Path, next_port: int | None, max_bytes: int, *, database: Path | None = None
    ) -> None:
        self.name = name
        self.fault = HEALED
        self._next_port, self._database = next_port, database
        self._started = time.monotonic()
        self._log = setup_logging(f"lilfox-{name}", log_dir, max_bytes=max_bytes)
        self._count = RequestCount()
        self._healed = asyncio.Event()
        self._leaked: list[bytearray] = []
        self._trouble: asyncio.Task[None] | None = None

    async def answer(self, request: Request) -> Response:
        """The public port: counts, logs and applies the fault."""
        route = request.path if request.path in ("/health", "/metrics", ROUTES[self.name]) else "other"
        request_id = request.headers.get("x-request-id") or os.urandom(8).hex()
        started = time.perf_counter()
        self._count.in_progress += 1
        try:
            response = await self._respond(request, route, request_id)
        finally:
            self._count.in_progress -= 1
        seconds = time.perf_counter() - started
        if route != "/metrics":
            method = request.method if request.method in ("GET", "POST", "HEAD") else "other"
            self._count.took(method, route, response.status, seconds)
        if route not in ("/health", "/metrics"):
            extra = {"request_id": request_id, "user_id": f"u{random.randrange(50):02}", "response_time": seconds}  # noqa: S311 -- a made-up user, no secret
            self._log.info("%s %s %d", request.method, route, response.status, extra=extra)
        return response

    async def _respond(self, request: Request, route: str, request_id: str) -> Response:
        if self.fault == "hang":
            await self._healed.wait()
        if self.fault == "slow":
            await asyncio.sleep(_SLOW_S)
        if route == "/metrics":
            return Response(200, self._count.text().encode(), CONTENT_TYPE)
        if self.fault == "5xx":
            return self._broken(request_id)
        if route == "/health":
            return self._health()
        if route == "other":
            return Response(404, b'{"error": "not found"}', request_id=request_id)
        return await self._work(request.method, request_id)

    def _broken(self, request_id: str) -> Response:
        try:
            raise ConnectionError("connection to the database refused: 127.0.0.1:5432")
        except ConnectionError:
            self._log.exception("request failed", extra={"request_id": request_id})
        return Response(500, b'{"error": "internal error"}', request_id=request_id)

    def _health(self) -> Response:
        bad = self.fault == "unhealthy"
        status = "unhealthy" if bad else "degraded" if self.fault in ("leak", "errors") else "ok"
        document = {"status": status, "service": self.name, "uptime": round(time.monotonic() - self._started, 1)}
        return Response(503 if bad else 200, json.dumps(document).encode())

    async def _work(self, method: str, request_id: str) -> Response:
        await asyncio.sleep(random.expovariate(1 / _WORK_S[self.name]))
        if self._next_port is None:
            return Response(200, b'{"text": "hello"}', request_id=request_id)
        path = ROUTES["backend" if self.name == "gateway" else "model"]
        try:
            below = await ask(self._next_port, method, path, request_id=request_id)
        except (OSError, TimeoutError, ValueError):
            self._log.exception("the service below gave no answer", extra={"request_id": request_id})
            return Response(502, b'{"error": "bad gateway"}', request_id=request_id)
        if self._database is not None and not await self._keep_message(self._database, request_id):
            return Response(500, b'{"error": "internal error"}', request_id=request_id)
        return Response(200 if below.status == 200 else 502, below.body, request_id=request_id)

    async def _keep_message(self, database: Path, request_id: str) -> bool:
        """Whether it is kept; where there is no database, or none yet, nothing is."""
        try:
            kept = await ask(str(database), "POST", "/message")
            if kept.status == 500:
                raise ConnectionError(json.loads(kept.body)["error"])
        except FileNotFoundError:
            return True
        except (OSError, TimeoutError, ValueError, KeyError):
            self._log.exception("the message was not kept", extra={"request_id": request_id})
            return False
        return True

    async def control(self, request: Request) -> Response:
        """The private socket: ``POST /fault`` changes the fault, ``GET /fault`` tells it."""
        if request.path != "/fault":
            return Response(404)
        if request.method == "POST":
            try:
                kind = json.loads(request.body)["kind"]
            except (ValueError, KeyError, TypeError):
                return Response(400, b'{"error": "the body is {\\"kind\\": KIND}"}')
            if kind != HEALED and kind not in FAULTS:
                return Response(400, b'{"error": "no such kind"}')
            self.become(kind)
        return Response(200, json.dumps({"kind": self.fault}).encode())

    def become(self, kind: str) -> None:
        """Takes on a fault, or none."""
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
    """Listens until told to end or the parent is gone."""
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
    """Runs one service until its parent is gone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", choices=tuple(SERVICES))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--next-port", type=int)
    parser.add_argument("--log-dir", type=Path, required=True)
    parser.add_argument("--log-bytes", type=int, default=100 * 1024 * 1024)
    parser.add_argument("--control", type=Path, help="UNIX socket (default: NAME.sock in the log folder)")
    parser.add_argument("--database", type=Path, help="UNIX socket on which the database takes messages")
    parser.add_argument("--fault", choices=(*FAULTS, HEALED), default=HEALED)
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
    with contextlib.suppress(FileNotFoundError):
        control.unlink()  # of a process before this one that died
    await serve(service, options.port, control)


if __name__ == "__main__":
    main()
