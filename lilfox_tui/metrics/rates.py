"""Rises per second of counters, right over resets, wraps, suspends and clock steps."""

from __future__ import annotations

from collections.abc import Mapping

from lilfox_tui.metrics.model import Series

_WRAP = 2.0**32
_NEAR = _WRAP / 4
_IO_TIME = "disk_io_time_seconds_total"
_IO_TIME_WRAP = _WRAP / 1000
"""The kernel counts these milliseconds in 32 bits, on every machine (block/genhd.c)."""
_UNSTEADY_MODES = ("iowait", "idle")


class Rates:
    """Keeps the last reading of one host and tells the rises since.

    The host's own uptime divides them, which no clock step touches; where it is not given, our monotonic clock.
    """

    def __init__(self) -> None:
        self._counters: Mapping[Series, float] = {}
        self._uptime: float | None = None
        self._now: float | None = None

    def forget(self) -> None:
        """The next reading is a first one."""
        self._counters, self._uptime, self._now = {}, None, None

    def update(
        self, counters: Mapping[Series, float], uptime_s: float | None, now_s: float, max_gap_s: float, *, narrow: bool
    ) -> tuple[float | None, dict[Series, float]]:
        """Seconds since the last reading and each counter's rise per second.

        ``now_s`` is our monotonic clock. No interval and no rates at the first reading, after a reboot (the uptime
        fell) and when more than ``max_gap_s`` passed by either clock. ``narrow``: the kernel may count network bytes
        in 32 bits, so that a fall from near 2^32 is a wrap.
        """
        before = self._counters
        elapsed, longest = self._elapsed(uptime_s, now_s)
        self._counters, self._uptime, self._now = counters, uptime_s, now_s
        if elapsed is None or longest > max_gap_s:
            return None, {}
        rates: dict[Series, float] = {}
        for series, value in counters.items():
            old = before.get(series)
            if old is None:
                continue
            rise: float | None = value - old
            if value < old:
                rise = _rise_after_fall(series, old, value, elapsed, narrow=narrow)
            if rise is not None:
                rates[series] = rise / elapsed
        return elapsed, rates

    def _elapsed(self, uptime_s: float | None, now_s: float) -> tuple[float | None, float]:
        """What to divide by, None when nothing can be said; and the longer of both clocks' times."""
        if self._now is None:
            return None, 0.0
        ours = now_s - self._now
        if uptime_s is None or self._uptime is None:
            return (ours if ours > 0 else None), ours
        theirs = uptime_s - self._uptime
        return (theirs if theirs > 0 else None), max(ours, theirs)


def _rise_after_fall(series: Series, old: float, value: float, elapsed: float, *, narrow: bool) -> float | None:
    """The rise of a counter that shows less than before; None when it was reset."""
    if series.name == "cpu_seconds_total":
        # the kernel's own accounting steps back a little here (proc_stat(5) on iowait); a reset falls much further
        return 0.0 if series.label("mode") in _UNSTEADY_MODES and old - value < elapsed else None
    if series.name == _IO_TIME:
        rise = value + _IO_TIME_WRAP - old
        return rise if 0 <= rise <= 1.5 * elapsed else None
    if narrow and series.name.startswith("network_") and _WRAP - _NEAR <= old < _WRAP and value < _NEAR:
        return value + _WRAP - old
    return None
