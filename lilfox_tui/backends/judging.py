"""Values against their limits, and counters against what they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lilfox_tui.backends.model import Finding
from lilfox_tui.config.model import Threshold
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import Level


def above(value: float | None, limit: Threshold, text: Message) -> Iterator[Finding]:
    """``text`` with the field ``limit`` filled in, where ``value`` is above a limit."""
    for level, most in ((Level.FAILING, limit.fail), (Level.DEGRADED, limit.warn)):
        if value is not None and most is not None and value > most:
            yield Finding(level, Message(text.text, {**text.values, "limit": most}))
            return


def worst_first(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """The findings in the order in which they are told."""
    return tuple(sorted(findings, key=lambda each: -each.level))


class Rises:
    """How much counters rose between two looks."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def take(self, counters: Mapping[str, float]) -> dict[str, float]:
        """The rises since the last look; absent for what is new and for what was reset (it fell)."""
        before, self._before = self._before, dict(counters)
        return {name: value - before[name] for name, value in counters.items() if value >= before.get(name, value + 1)}


def share_percent(part: float | None, rest: float | None) -> float | None:
    """``part`` of ``part + rest`` in percent; None where nothing happened."""
    if part is None or rest is None or part + rest <= 0:
        return None
    return 100.0 * part / (part + rest)
