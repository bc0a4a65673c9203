"""When a service counts as down, and when as up again. Pure."""

from __future__ import annotations

from datetime import datetime

from lilfox_tui.metrics.model import Health, HealthCheck, Level, ServiceState


class Hysteresis:
    """Turns single answers into a level that does not flap.

    The first good answer counts at once. A failure is DEGRADED until ``down_after`` in a row make it FAILING; from
    there good answers are DEGRADED until ``up_after`` in a row make it GOOD. ``down_after`` good answers in a row that
    take longer than ``slow_s`` make it DEGRADED too, until ``up_after`` in a row do not.
    """

    def __init__(self, name: str, url: str, *, down_after: int, up_after: int, slow_s: float | None = None) -> None:
        self._name, self._url = name, url
        self._down_after, self._up_after, self._slow_s = down_after, up_after, slow_s
        self._up: bool | None = None
        self._slow = False
        self._row = _Row()
        self._slow_row = _Row()
        self._level: Level | None = None
        self._level_since: datetime | None = None

    def take(self, check: HealthCheck) -> ServiceState:
        """The state after ``check``; ``since`` is the time of the first answer of the row that led to the level."""
        good = check.health is Health.HEALTHY
        row_since = self._row.take(good, check.at)
        level = self._level_after(good)
        slow_since = self._slow_since(check) if good else None
        if level is Level.GOOD and slow_since is not None:
            level, row_since = Level.DEGRADED, slow_since
        if level is not self._level or self._level_since is None:
            self._level, self._level_since = level, row_since
        failures = 0 if good else self._row.length
        slower_than_s = self._slow_s if good and slow_since is not None else None
        return ServiceState(self._name, self._url, level, self._level_since, check, failures, slower_than_s)

    def _level_after(self, good: bool) -> Level:
        if good:
            if self._up is None or self._row.length >= self._up_after:
                self._up = True
            return Level.GOOD if self._up else Level.DEGRADED
        if self._row.length >= self._down_after:
            self._up = False
        return Level.FAILING if self._up is False else Level.DEGRADED

    def _slow_since(self, check: HealthCheck) -> datetime | None:
        """Since when good answers are slow; None while they are not."""
        if self._slow_s is None or check.response_time_s is None:
            return None
        slow = check.response_time_s > self._slow_s
        since = self._slow_row.take(slow, check.at)
        if self._slow_row.length >= (self._down_after if slow else self._up_after):
            self._slow = slow
        return since if self._slow else None


class _Row:
    """Answers of one kind in a row."""

    def __init__(self) -> None:
        self.length = 0
        self._kind: bool | None = None
        self._since: datetime | None = None

    def take(self, kind: bool, at: datetime) -> datetime:
        """Counts an answer; returns when the first of its row came."""
        if kind is not self._kind or self._since is None:
            self._kind, self.length, self._since = kind, 0, at
        self.length += 1
        return self._since
