"""How fast this machine is now, for bounds of CPU time: what else runs on a core slows down what is measured there."""

from __future__ import annotations

import re
import statistics
import time

_MEASURED_S = 0.03
"""What the work below took on the quiet machine where the bounds were measured."""


def slowness() -> float:
    """How many times longer a fixed piece of work takes now than where bounds of CPU time were measured; 1 at least."""
    return max(1.0, statistics.median(_work_s() for _turn in range(5)) / _MEASURED_S)


def _work_s() -> float:
    began = time.thread_time()
    words = [f"name_{number}=value {number}" for number in range(20_000)]
    found = dict(re.findall(r"(\w+)=(\w+)", "\n".join(words)))
    sorted(found, key=lambda key: found[key])
    return time.thread_time() - began
