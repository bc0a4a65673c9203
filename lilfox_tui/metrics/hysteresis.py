"""When a service counts as down, and when as up again. Pure."""

from __future__ import annotations

from datetime import datetime

from lilfox_tui.metrics.model import Health, HealthCheck, Level, ServiceState


class Hysteresis:
    """Turns single answers into a level that does not flap.

    The first good answer counts at once. A failure is DEGRADED until ``down_after`` in a row make it FAILING; from
    there good answers are DEGRADED until ``up_after`` in a row make it GOOD.
    """

    def __init__(self, name: str, url: str, *, down_after: int, up_after: int) -> None:
        self._name, self._url = name, url
        self._down_after, self._up_after = down_after, up_after
        self._up: bool | None = None
        self._row_good: bool | None = None
        self._row_length = 0
        self._row_since: datetime | None = None
        self._level: Level | None = None
        self._level_since: datetime | None = None

    def take(self, check: HealthCheck) -> ServiceState:
        """The state after ``check``; ``since`` is the time of the first answer of the row that led to the level."""
        good = check.health is Health.HEALTHY
        if good is not self._row_good or self._row_since is None:
            self._row_good, self._row_length, self._row_since = good, 0, check.at
        self._row_length += 1
        level = self._level_after(good)
        if level is not self._level or self._level_since is None:
            self._level, self._level_since = level, self._row_since
        failures = 0 if good else self._row_length
        return ServiceState(self._name, self._url, level, self._level_since, check, failures)

    def _level_after(self, good: bool) -> Level:
        if good:
            if self._up is None or self._row_length >= self._up_after:
                self._up = True
            return Level.GOOD if self._up else Level.DEGRADED
        if self._row_length >= self._down_after:
            self._up = False
        return Level.FAILING if self._up is False else Level.DEGRADED
