"""Endpoints that tell the time of each sample, so that whoever scrapes them has exactly the same series."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.pages import served

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
        self.addresses: list[str] = []
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

    def answer(self, target: int) -> tuple[int, bytes]:
        """The page, as what is served."""
        return 200, self.page(target).encode()

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


@contextmanager
def stamped_targets() -> Iterator[StampedTargets]:
    """Targets that serve until the end of the block."""
    targets = StampedTargets()
    with served([partial(targets.answer, target) for target in range(2)]) as targets.addresses:
        yield targets


def _tick() -> int:
    return time.time_ns() // 1_000_000 // TICK_MS * TICK_MS
