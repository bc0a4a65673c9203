"""Pages of metrics as a web service has them, of any size; nearly every value changes from one second to the next.

``python -m tests.bench.metric_pages COUNT SERIES`` serves COUNT targets of so many series, each on a port of its own,
until its stdin ends. The first line that it prints is the list of ports (JSON). ``/counts`` tells how many pages were
given to each program.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.bench.programs import TREE

SERIES_OF_A_ROUTE = 20
STATUSES = {"200": 0.9199, "201": 0.02, "301": 0.01, "404": 0.05, "500": 0.0001}
FAILING_STATUSES = {"200": 0.72, "201": 0.02, "301": 0.01, "404": 0.05, "500": 0.20}
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
SHARES = (0.05, 0.12, 0.31, 0.52, 0.71, 0.86, 0.93, 0.965, 0.985, 0.995, 0.999, 1.0)
FAILING_SHARES = (0.01, 0.02, 0.05, 0.09, 0.15, 0.30, 0.45, 0.60, 0.85, 0.95, 0.999, 1.0)
FAILING_ROUTES = 5
"""Of the target that fails: many errors, and the 95th percentile is above a second."""
LEAST_RATE = 200
"""Requests a second of a route."""


class MetricPage:
    """The page of one target with ``series`` (a multiple of 20) of them; some routes of one that is ``failing`` do."""

    def __init__(self, series: int, *, failing: bool = False) -> None:
        self._parts: list[bytes] = []
        self._values: list[tuple[float, float]] = []
        self._failing = FAILING_ROUTES if failing else 0
        routes = [f"/api/v1/resource-{number}" for number in range(series // SERIES_OF_A_ROUTE)]
        self._counters(routes)
        self._histograms(routes)
        self._family("http_requests_in_progress", "gauge")
        for number, route in enumerate(routes[:-2]):
            self._line(f'http_requests_in_progress{{route="{route}"}}', level=1 + number)
        for name, value in (("cpu_usage_percent", 40), ("memory_usage_percent", 55)):
            self._family(name, "gauge")
            self._line(name, level=value)

    def at(self, seconds: float) -> bytes:
        """The page after so many seconds of work: counters at their rates, gauges around their levels."""
        wave = seconds % 7
        values = [b"%d" % (rate * seconds) if rate else b"%.5f" % (level + wave) for rate, level in self._values]
        return b"".join(piece for pair in zip(self._parts, values, strict=True) for piece in pair) + b"\n"

    def _counters(self, routes: Sequence[str]) -> None:
        self._family("http_requests_total", "counter")
        for number, route in enumerate(routes):
            for status, share in (FAILING_STATUSES if number < self._failing else STATUSES).items():
                line = f'http_requests_total{{method="GET",route="{route}",status="{status}"}}'
                self._line(line, (LEAST_RATE + number) * share)

    def _histograms(self, routes: Sequence[str]) -> None:
        name = "http_request_duration_seconds"
        self._family(name, "histogram")
        for number, route in enumerate(routes):
            rate = LEAST_RATE + number
            shares = FAILING_SHARES if number < self._failing else SHARES
            for bound, share in zip(BOUNDS, shares, strict=True):
                self._line(f'{name}_bucket{{route="{route}",le="{bound}"}}', rate * share)
            self._line(f'{name}_sum{{route="{route}"}}', rate * 0.17)
            self._line(f'{name}_count{{route="{route}"}}', rate)

    def _family(self, name: str, kind: str) -> None:
        self._pending = f"# HELP {name} What it says.\n# TYPE {name} {kind}\n"

    def _line(self, series: str, rate: float = 0.0, *, level: float = 0.0) -> None:
        start = "\n" if self._parts else ""
        self._parts.append(f"{start}{self._pending}{series} ".encode())
        self._values.append((rate, level))
        self._pending = ""


@contextmanager
def metric_targets(count: int, series: int) -> Iterator[tuple[int, ...]]:
    """Targets in a process of their own until the end of the block; gives their ports."""
    argv = [sys.executable, "-m", "tests.bench.metric_pages", str(count), str(series)]
    with subprocess.Popen(argv, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield tuple(json.loads(process.stdout.readline()))
        finally:
            process.kill()


async def _serve(count: int, series: int) -> None:
    given: Counter[str] = Counter()
    pages = [MetricPage(series, failing=number == 1) for number in range(count)]
    servers = [await asyncio.start_server(partial(_answer, page, given), "127.0.0.1", 0) for page in pages]
    sys.stdout.write(json.dumps([server.sockets[0].getsockname()[1] for server in servers]) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


async def _answer(
    page: MetricPage, given: Counter[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    began = 1_000_000.0
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        if head.startswith(b"GET /counts"):
            kind, body = b"application/json", json.dumps(given).encode()
        else:
            given["prometheus" if b"User-Agent: Prometheus" in head else "lilfox"] += 1
            kind, body = b"text/plain; version=0.0.4; charset=utf-8", page.at(began + time.time() % 1_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
