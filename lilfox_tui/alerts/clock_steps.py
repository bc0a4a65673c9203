"""Notices that the clock was set, or that the machine slept: the clock then goes on by another time than passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from lilfox_tui.alerts.model import Trouble
from lilfox_tui.i18n import tr
from lilfox_tui.text import human_duration

STEP_S = 5.0
"""A difference counts as a step from here on; slewing stays far below it."""


class ClockSteps:
    """Compares ``now`` (the clock, aware UTC) with ``passed`` (seconds that really pass while the machine runs)."""

    def __init__(self, now: Callable[[], datetime], passed: Callable[[], float] = time.monotonic) -> None:
        self._now, self._passed = now, passed
        self._last = (now(), passed())
        self._newest: tuple[datetime, float] | None = None

    def step_s(self) -> float:
        """By how much the clock was set forward since the last call; negative for back, 0 for not at all."""
        now, passed = self._now(), self._passed()
        step = (now - self._last[0]).total_seconds() - (passed - self._last[1])
        self._last = (now, passed)
        if abs(step) < STEP_S:
            return 0.0
        self._newest = (now, step)
        return step

    def troubles(self) -> tuple[Trouble, ...]:
        """The newest step."""
        if self._newest is None:
            return ()
        at, step = self._newest
        values = {"at": at, "step": human_duration(abs(step))}
        if step > 0:
            text = tr("{step} were missing at {at:%H:%M:%S} UTC: the clock was set or the machine slept", **values)
        else:
            text = tr("the clock was set back by {step} at {at:%H:%M:%S} UTC; timers go on", **values)
        return (Trouble(f"clock {at.timestamp()}", text),)
