"""Endpoints that tell the time of each sample, so that whoever scrapes them has exactly the same series."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TICK_MS = 400
"""From one sample to the next; whoever scrapes more often misses none."""
SCRAPE_CONFIG = """
scrape_configs:
  - job_name: app
    honor_timestamps: true
    scrape_interval: 150ms
    scrape_timeout: 150ms
    static_configs: [{{targets: [{targets}]}}]
"""


class StampedTargets:
    """Two targets, ``a`` and ``b``. While ``faulty``, ``level`` of b is 9 and its requests fail."""

    def __init__(self) -> None:
        self.faulty = False
        self.began_ms = _tick()
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), self._handler(place)) for place in range(2)]
        self.addresses = [f"127.0.0.1:{server.server_address[1]}" for server in self._servers]
        self._said: dict[tuple[int, int], str] = {}
        self._lock = threading.Lock()

    @property
    def settings(self) -> str:
        """Of a Prometheus that scrapes both."""
        return SCRAPE_CONFIG.format(targets=", ".join(self.addresses))

    def page(self, target: int) -> str:
        """What a target shows now; of one moment it says the same to everybody."""
        at_ms = _tick()
        with self._lock:
            return self._said.setdefault((target, at_ms), self._page(target, at_ms))

    def _page(self, target: int, at_ms: int) -> str:
        count = (at_ms - self.began_ms) // TICK_MS + 1
        failing = self.faulty and target == 1
        samples = {
            f'level{{name="{"ab"[target]}"}}': 9 if failing else target + 0.5,
            'requests_total{status="200"}': count * (7 + target),
            'requests_total{status="500"}': count // 3,
            'latency_seconds_bucket{le="0.1"}': count * 5,
            'latency_seconds_bucket{le="0.5"}': count * 6,
            'latency_seconds_bucket{le="+Inf"}': count * 7,
            "wave": count * 37 % 11,
        }
        return "".join(f"{series} {value} {at_ms}\n" for series, value in samples.items())

    def _handler(self, target: int) -> type[BaseHTTPRequestHandler]:
        targets = self

        class Scrape(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # the name is http.server's
                body = targets.page(target).encode()
                with suppress(ConnectionError):  # the scraper is ended in the middle of it
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
                pass

        return Scrape

    def start(self) -> None:
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextmanager
def stamped_targets() -> Iterator[StampedTargets]:
    """Targets that serve until the end of the block."""
    targets = StampedTargets()
    targets.start()
    try:
        yield targets
    finally:
        targets.stop()


def _tick() -> int:
    return time.time_ns() // 1_000_000 // TICK_MS * TICK_MS
