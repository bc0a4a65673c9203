"""Recorded values in bounded memory: every sample for ten minutes, means of 10 s for two hours, of 2 min for a day.

A row of numbers is kept for each time, in one array of 32-bit floats a tier. Capacities follow from the memory that
is allowed and the number of series there are: when it does not suffice, the coarsest tier forgets its oldest first.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from lilfox_tui.core.text import time_at
from lilfox_tui.metrics.model import Series

_RAW_ROWS, _RAW_STEP_S = 300, 10.0
_FINE_STEP_S, _FINE_HOURS = 10.0, 2.0
_COARSE_STEP_S = 120.0
_FLOAT_BYTES = 4
_SLACK = 16
"""A sixteenth more rows than the capacity are kept before the oldest are taken off together."""
_NAN = math.nan


class Point(NamedTuple):
    """The values of a time span that starts at ``at_s`` (Unix time). For spans older than ten minutes, ``low`` is the
    lowest mean. ``newest`` is the last value of the newest span, which goes on; None for the others."""

    at_s: float
    mean: float
    low: float
    high: float
    newest: float | None = None

    @property
    def at(self) -> datetime:
        """Aware UTC."""
        return time_at(self.at_s)


class _Tier:
    """Rows of one subject, oldest first, NaN for unknown; each row is valid for ``step_s``."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.times = array("d")
        self.rows = array("f")

    def append(self, at: float, row: array[float], capacity: int) -> int:
        """Add a row; return how many old ones were dropped."""
        self.times.append(at)
        self.rows.extend(row)
        excess = len(self.times) - capacity
        if excess <= capacity // _SLACK:
            return 0
        del self.times[:excess]
        del self.rows[: excess * len(row)]
        return excess

    def cut_after(self, at: float, width: int) -> int:
        """Drop rows that are not before ``at``; return how many."""
        keep = bisect_left(self.times, at)
        cut = len(self.times) - keep
        del self.times[keep:]
        del self.rows[keep * width :]
        return cut

    def reshape(self, width: int, places: list[int | None]) -> None:
        """Rearrange the columns: ``places`` are the old column numbers (None: new, unknown until now)."""
        columns = [None if place is None else self.rows[place::width] for place in places]
        blank = array("f", [_NAN]) * len(self.times)
        self.rows = array("f", bytes(_FLOAT_BYTES * len(self.times) * len(places)))
        for place, column in enumerate(columns):
            self.rows[place :: len(places)] = blank if column is None else column

    def mean_and_high(self, width: int, start: float, end: float) -> tuple[array[float], array[float]] | None:
        """Return the mean and maximum of each column from ``start`` to before ``end``; None if there is no row."""
        first, last = bisect_left(self.times, start), bisect_left(self.times, end)
        if first == last:
            return None
        means, highs = array("f"), array("f")
        block = self.rows[first * width : last * width]
        for place in range(width):
            known = [value for value in block[place::width] if value == value]
            means.append(math.fsum(known) / len(known) if known else _NAN)
            highs.append(max(known) if known else _NAN)
        return means, highs


class _Past:
    """Everything recorded about one subject."""

    def __init__(self) -> None:
        self.places: dict[Series, int] = {}
        self.last_seen: list[float] = []
        self.raw = _Tier(_RAW_STEP_S)
        self.fine = _Tier(_FINE_STEP_S)
        self.coarse = _Tier(_COARSE_STEP_S)
        self.coarse_high = _Tier(_COARSE_STEP_S)

    @property
    def tiers(self) -> tuple[_Tier, ...]:
        return self.raw, self.fine, self.coarse, self.coarse_high

    def hold(self, seconds: float) -> None:
        """Make each row valid for at least that long: rows of a rarely sampled subject are further apart than the
        steps."""
        for tier, step_s in zip(self.tiers, (_RAW_STEP_S, _FINE_STEP_S, _COARSE_STEP_S, _COARSE_STEP_S), strict=True):
            tier.step_s = max(step_s, seconds)

    def columns(self, series: list[Series]) -> None:
        """Make exactly ``series`` the columns, keeping their recorded values."""
        width = len(self.places)
        places = [self.places.get(one) for one in series]
        for tier in self.tiers:
            tier.reshape(width, places) if width else None
        self.last_seen = [0.0 if place is None else self.last_seen[place] for place in places]
        self.places = {one: place for place, one in enumerate(series)}


class History:
    """The history of any number of subjects (``host/NAME``). ``hours`` are kept as far as ``memory_mb`` allows.

    Not for several threads. Times are aware UTC. A wall clock that steps back takes off what was written after it.
    """

    def __init__(self, hours: float = 24, memory_mb: float = 64) -> None:
        self._hours = hours
        self._budget = int(memory_mb * 1024 * 1024)
        self._pasts: dict[str, _Past] = {}
        self._width = 0
        self._capacities = (0, 0, 0)
        self._set_capacities()
        self.dropped = 0
        """Rows lost before their time: memory was short, or the clock stepped back."""

    @property
    def size_bytes(self) -> int:
        """The size of all recorded numbers in bytes."""
        return sum(
            len(tier.rows) * _FLOAT_BYTES + len(tier.times) * 8 for past in self._pasts.values() for tier in past.tiers
        )

    def add(self, subject: str, at: datetime, values: Mapping[Series, float], *, holds_s: float = 0) -> None:
        """Record the values of ``subject`` at ``at``, valid for ``holds_s`` (at least 10 s) unless newer ones
        arrive."""
        past = self._pasts.get(subject)
        if past is None:
            past = self._pasts[subject] = _Past()
        if new := [series for series in values if series not in past.places]:
            self._width += len(new)
            past.columns([*past.places, *new])
            self._set_capacities()
        past.hold(holds_s)
        now = at.timestamp()
        for series in values:
            past.last_seen[past.places[series]] = now  # before what is gone is forgotten: these are not gone
        last = past.raw.times[-1] if past.raw.times else None
        if last is not None and now <= last:
            self.dropped += sum(tier.cut_after(now, len(past.places)) for tier in past.tiers[:3])
            past.coarse_high.cut_after(now, len(past.places))
        elif last is not None:
            self._settle(past, last, now)
        row = array("f", [_NAN]) * len(past.places)
        for series, value in values.items():
            row[past.places[series]] = value
        past.raw.append(now, row, self._capacities[0])

    def _settle(self, past: _Past, last: float, now: float) -> None:
        """Write the means of the steps that ended between ``last`` and ``now``."""
        width = len(past.places)
        start = last // _FINE_STEP_S * _FINE_STEP_S
        if start + _FINE_STEP_S <= now and (settled := past.raw.mean_and_high(width, start, start + _FINE_STEP_S)):
            past.fine.append(_begin(past.fine, past, start), settled[0], self._capacities[1])
        start = last // _COARSE_STEP_S * _COARSE_STEP_S
        if start + _COARSE_STEP_S <= now and (settled := past.raw.mean_and_high(width, start, start + _COARSE_STEP_S)):
            begin = _begin(past.coarse, past, start)
            lost = past.coarse.append(begin, settled[0], self._capacities[2])
            past.coarse_high.append(begin, settled[1], self._capacities[2])
            if self._capacities[2] * _COARSE_STEP_S < self._hours * 3600:
                self.dropped += lost
            self._forget_gone(past, now)

    def _forget_gone(self, past: _Past, now: float) -> None:
        """Drop series that have had no value for as long as history is kept."""
        oldest = now - self._hours * 3600
        kept = [series for series, place in past.places.items() if past.last_seen[place] >= oldest]
        if len(kept) < len(past.places):
            self._width -= len(past.places) - len(kept)
            past.columns(kept)
            self._set_capacities()

    def _set_capacities(self) -> None:
        """Compute how many rows of each tier fit into memory: the raw tier whole, then the fine one, then the rest for
        the coarse one."""
        wanted = (_RAW_ROWS, int(_FINE_HOURS * 3600 / _FINE_STEP_S), int(self._hours * 3600 / _COARSE_STEP_S))
        slack = 1 + 1 / _SLACK
        left = self._budget / slack / _FLOAT_BYTES / max(1, self._width)
        capacities = []
        for rows, floats_a_row in zip(wanted, (1, 1, 2), strict=True):
            fits = max(1, min(rows, int(left / floats_a_row)))
            capacities.append(fits)
            left -= fits * floats_a_row
        self._capacities = (capacities[0], capacities[1], capacities[2])

    def values_at(self, subject: str, at: datetime) -> dict[Series, float]:
        """Return the values known at ``at``: the nearest row at or before it that was still valid; empty in a gap."""
        past, moment = self._pasts.get(subject), at.timestamp()
        if past is None:
            return {}
        width = len(past.places)
        for tier in past.tiers[:3]:
            place = bisect_right(tier.times, moment) - 1
            if place >= 0 and moment - tier.times[place] < tier.step_s:
                row = tier.rows[place * width : (place + 1) * width]
                return {series: row[at] for series, at in past.places.items() if row[at] == row[at]}
        return {}

    def window(self, subject: str, series: Series, start: datetime, end: datetime, points: int) -> list[Point]:
        """Return the values from ``start`` to before ``end`` in at most ``points`` + 1 stretches of equal length.

        Stretches lie on a fixed grid, so that a chart that moves on does not flicker; those without a value are
        absent, and a chart shows the gap.
        """
        past = self._pasts.get(subject)
        first, last = start.timestamp(), end.timestamp()
        if past is None or series not in past.places or points < 1 or last <= first:
            return []
        step = (last - first) / points
        found: dict[int, list[float]] = {}
        for moment, mean, high in _rows(past, past.places[series], first, last):
            stretch = found.get(int(moment // step))
            if stretch is None:
                found[int(moment // step)] = [mean, 1.0, mean, high]
                continue
            stretch[0] += mean
            stretch[1] += 1
            stretch[2] = min(stretch[2], mean)
            stretch[3] = max(stretch[3], high)
        stretches = [
            Point(index * step, total / count, low, high) for index, (total, count, low, high) in sorted(found.items())
        ]
        if stretches:
            stretches[-1] = stretches[-1]._replace(newest=mean)
        return stretches

    def series(self, subject: str) -> tuple[Series, ...]:
        """Return the recorded series of ``subject``."""
        past = self._pasts.get(subject)
        return () if past is None else tuple(past.places)

    def span(self, subject: str) -> tuple[datetime, datetime] | None:
        """Return the first and last recorded time."""
        past = self._pasts.get(subject)
        if past is None or not past.raw.times:
            return None
        first = min(tier.times[0] for tier in past.tiers if tier.times)
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(past.raw.times[-1], UTC)


def _begin(tier: _Tier, past: _Past, start: float) -> float:
    """Return the start of a step's row; a tier's first row does not start before the first recorded value."""
    return start if tier.times else max(start, past.raw.times[0])


def _rows(past: _Past, place: int, start: float, end: float) -> Iterator[tuple[float, float, float]]:
    """Yield time, mean and maximum, each span from the finest tier that covers it."""
    width = len(past.places)
    raw_from = past.raw.times[0] if past.raw.times else math.inf
    fine_from = min(raw_from, past.fine.times[0]) if past.fine.times else raw_from
    plan = (
        (past.coarse, past.coarse_high, start, min(end, fine_from)),
        (past.fine, past.fine, max(start, fine_from), min(end, raw_from)),
        (past.raw, past.raw, max(start, raw_from), end),
    )
    for tier, high_tier, begin, stop in plan:
        first, last = bisect_left(tier.times, begin), bisect_left(tier.times, stop)
        means = tier.rows[first * width + place : last * width : width]
        highs = means if high_tier is tier else high_tier.rows[first * width + place : last * width : width]
        for moment, mean, high in zip(tier.times[first:last], means, highs, strict=True):
            if mean == mean:
                yield moment, mean, high
