"""The manual's two scripts, ``analyze_errors`` and ``analyze_performance``, mended: what they print is also returned.

Mended are: an exception that is text (as the manual's own formatter writes it), levels above ERROR, lines that are no
object, response times that are none, and the percentiles' index, which was one too high.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any


def analyze_errors(log_file: str) -> dict[str, Any]:
    """Errors by type and by module."""
    errors = [log for log in _records(log_file) if log.get("level") in ("ERROR", "CRITICAL")]
    error_types = Counter(_type_of(error.get("exception")) for error in errors)
    modules = Counter(error.get("module", "unknown") for error in errors)
    return {"total": len(errors), "by_type": dict(error_types), "by_module": dict(modules)}


def analyze_performance(log_file: str) -> dict[str, Any] | None:
    """Response times in seconds; None where there are none."""
    response_times = [log["response_time"] for log in _records(log_file) if _is_time(log.get("response_time"))]
    if not response_times:
        return None
    response_times.sort()
    n = len(response_times)
    return {
        "count": n,
        "mean": sum(response_times) / n,
        "p50": response_times[math.ceil(n * 0.5) - 1],
        "p95": response_times[math.ceil(n * 0.95) - 1],
        "p99": response_times[math.ceil(n * 0.99) - 1],
    }


def _records(log_file: str) -> Iterator[dict[str, Any]]:
    with open(log_file, encoding="utf-8") as f:
        for line in f:
            try:
                log = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(log, dict):
                yield log


def _type_of(exception: object) -> str:
    if isinstance(exception, dict):
        return str(exception.get("type", "Unknown"))
    if isinstance(exception, str) and exception.strip():
        return exception.strip().splitlines()[-1].partition(":")[0]
    return "Unknown"


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps({"errors": analyze_errors(sys.argv[1]), "response_time": analyze_performance(sys.argv[1])})
    )
