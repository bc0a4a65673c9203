"""The stand-in services' numbers in the Prometheus text format 0.0.4."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram in seconds: the defaults of Prometheus' client libraries."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RequestCount:
    """Requests by method, route and status, their latency by method and route, and those under way.

    Label values are routes of our own and never text of a client, so they need no escapes.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._sums: defaultdict[tuple[str, str], float] = defaultdict(float)

    def took(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        self._requests[method, route, status] += 1
        buckets = self._buckets[method, route]
        buckets[next((index for index, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += 1
        self._sums[method, route] += seconds

    def text(self) -> str:
        """Everything, as a scrape reads it."""
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
    """This process's resident memory (proc_pid_statm(5)), None where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
