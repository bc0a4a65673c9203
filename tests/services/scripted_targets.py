"""Endpoints that serve scripted numbers: counters that reset, gaps, series that come and go, targets that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.pages import served

ROUTES: Final = ("/", "/cart", "/pay")
_BOUNDS: Final = ("0.005", "0.05", "0.5", "+Inf")


def _counters(target: int, round_: int) -> list[str]:
    """Of each route and status: steps of another size each, and a fall to near 0 every 17th, 23rd or 29th round."""
    lines = []
    for place, route in enumerate(ROUTES):
        for status, share in (("200", 7), ("404", 2), ("500", 1)):
            since = round_ % (17 + 6 * place) if target else round_
            value = since * share * (place + 1) + (round_ * 7919 % 5) * 0.125
            lines.append(f'requests_total{{route="{route}",status="{status}"}} {value}')
    return lines


def _gauges(target: int, round_: int) -> list[str]:
    wave = (round_ * 37 + target * 11) % 101 + 3
    lines = [f'load{{cpu="{cpu}"}} {wave * (cpu + 1) / 8}' for cpu in range(3)]
    lines.append(f'odd{{kind="nan"}} {"NaN" if round_ % 4 else round_}')
    lines.append(f'odd{{kind="inf"}} {"+Inf" if round_ % 3 else -round_}')
    lines.append(f'odd{{kind="minus"}} {"-Inf" if round_ % 5 == 4 else 0.1 * round_}')
    lines.append(f'odd{{kind="huge"}} {1e300 * (1 if round_ % 2 else -1)}')
    if target == 0:  # of one target: means of the smallest numbers depend on their order, which is not told
        lines.append(f'odd{{kind="tiny"}} {5e-324 * (round_ % 7)}')
    lines.append(f'build_info{{version="1.{target}.{round_ // 40}",commit="c{target}"}} 1')
    lines.append(f"state {{}} {round_ // 9 % 3}")
    return lines


def _histogram(target: int, round_: int) -> list[str]:
    lines = []
    for place, route in enumerate(ROUTES[:2]):
        counts = [round_ * (place + 1), round_ * 3 + target, round_ * 5 + 2 * target, round_ * 6 + 2 * target]
        for bound, count in zip(_BOUNDS, counts, strict=True):
            lines.append(f'latency_seconds_bucket{{route="{route}",le="{bound}"}} {count}')
        lines.append(f'latency_seconds_sum{{route="{route}"}} {round_ * 0.37 + place}')
        lines.append(f'latency_seconds_count{{route="{route}"}} {counts[-1]}')
    return lines


def _passing(target: int, round_: int) -> list[str]:
    """Series that are there in some rounds only."""
    return [
        f'passing{{worker="{worker}"}} {round_ * (worker + 1)}'
        for worker in range(6)
        if (round_ // (3 + worker) + target) % 2 == 0
    ]


def page(target: int, round_: int) -> str | None:
    """What a target shows at its ``round_``-th scrape; None where it fails."""
    if target == 1 and 20 <= round_ % 50 < 26:
        return None
    lines = _counters(target, round_) + _gauges(target, round_) + _histogram(target, round_) + _passing(target, round_)
    if target == 0 and round_ % 5 == 0:  # with times of their own: no stale marker follows them
        lines.append(f'stamped{{n="1"}} {round_} {round(time.time() * 1000) - 40}')
        lines.append(f'stamped{{n="2"}} {-round_} {round(time.time() * 1000) - 90}')
    return "\n".join(lines) + "\n"


class ScriptedTargets:
    """``count`` targets; each counts its own scrapes in ``rounds``."""

    def __init__(self, count: int) -> None:
        self.rounds = [0] * count
        self.addresses: list[str] = []

    def answer(self, target: int) -> tuple[int, bytes]:
        """What a target answers to its next scrape."""
        self.rounds[target] += 1
        text = page(target, self.rounds[target])
        return (200, text.encode()) if text is not None else (500, b"broken on purpose\n")


@contextmanager
def scripted_targets(count: int) -> Iterator[ScriptedTargets]:
    """Targets that serve until the end of the block."""
    targets = ScriptedTargets(count)
    with served([partial(targets.answer, target) for target in range(count)]) as targets.addresses:
        yield targets
