"""How far a part is, how fast, and how long it will take."""

from __future__ import annotations

from collections import deque

from lilfox_tui.jobs.model import Progress

_WINDOW_S = 5.0
_SAMPLES_S = 0.25
SHORTEST_S = 0.25
_LINES = 2000
"""The longer a part takes, the less often it is told of: about so many lines, and as many again each time its
duration grows by a factor of e. Ten hours: 18 s apart, 2 MB."""


class Moving:
    """One part that moves. ``now`` is seconds of a monotonic clock."""

    def __init__(self, part: str, now: float) -> None:
        self._part = part
        self._began = now
        self._samples: deque[tuple[float, int]] = deque()
        self._done = 0
        self._total: int | None = None
        self._told_at: float | None = None
        self._told_done = -1

    def moved(self, now: float, done: int, total: int | None) -> bool:
        """Takes a step in; whether it is time to tell of it."""
        self._done, self._total = done, total
        if not self._samples or now - self._samples[-1][0] >= _SAMPLES_S:
            self._samples.append((now, done))
            while now - self._samples[0][0] > _WINDOW_S and len(self._samples) > 2:
                self._samples.popleft()
        if self._told_at is None or (done == total and done != self._told_done):
            return True
        return now - self._told_at >= max(SHORTEST_S, (now - self._began) / _LINES)

    def tell(self, now: float) -> Progress:
        """How far it is now."""
        self._told_at, self._told_done = now, self._done
        rate = self._rate(now)
        left = None if self._total is None else self._total - self._done
        remaining = left / rate if rate and left is not None and left >= 0 else None
        return Progress(self._part, self._done, self._total, rate, remaining)

    def _rate(self, now: float) -> float | None:
        if not self._samples or now - self._samples[0][0] < _SAMPLES_S:
            return None
        at, done = self._samples[0]
        return max(0.0, (self._done - done) / (now - at))
