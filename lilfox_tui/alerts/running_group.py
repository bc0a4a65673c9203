"""A group of rules in the engine: when it is due, how long it takes, and what of it is on the disk."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from time import perf_counter

from lilfox_tui.alerts.group import GroupState
from lilfox_tui.alerts.group_rule import RunningRule
from lilfox_tui.alerts.lifecycle import Change, ChangeKind, LiveAlert, Outage
from lilfox_tui.alerts.model import AlertState, Event, RuleHealth, Trouble
from lilfox_tui.alerts.saved import Saved, SavedGroup
from lilfox_tui.i18n import _, ntr, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.instants import time_of
from lilfox_tui.scrape.series import SeriesSource

VALUES_KEPT_EACH_MS = 10_000
"""Where nothing but values changed, they go to the disk so often."""
NOTHING_KEPT_EACH_MS = 60_000
"""Where there are no alerts, it goes to the disk so often that they were looked for."""


class RunningGroup:
    """One group. ``missed`` counts evaluations that were not made; ``took_s`` is the last one's time."""

    def __init__(self, state: GroupState, interval_ms: int) -> None:
        self.state, self.interval_ms = state, interval_ms
        self.last_ms: int | None = None
        self.missed = 0
        self.took_s = 0.0
        self._kept: dict[tuple[str, Labels], LiveAlert] = {}
        self._kept_rules: list[tuple[RuleHealth, str]] = []
        self._kept_ms = 0
        self._events: list[Event] = []
        self._ended: list[Labels] = []
        self._phase_ms = zlib.crc32(state.key.encode("utf-8", "surrogatepass")) % interval_ms

    @property
    def name(self) -> str:
        """``FILE;GROUP``."""
        return self.state.key

    def slot_ms(self, now_ms: int) -> int:
        """The last time up to ``now_ms`` at which it is to be evaluated: groups have phases of their own, so that
        they do not all come at once, and the same ones after each start."""
        return now_ms - (now_ms - self._phase_ms) % self.interval_ms

    def next_ms(self, now_ms: int) -> int:
        """When it is due next; a time that is past where it is due now."""
        slot = self.slot_ms(now_ms)
        if self.last_ms is None or slot > self.last_ms or self.last_ms - now_ms > self.interval_ms:
            return slot  # the last case: the clock was set back
        return self.last_ms + self.interval_ms

    def evaluate(self, source: SeriesSource, at_ms: int) -> None:
        """Evaluates it at ``at_ms``. Blocks."""
        if self.last_ms is not None and at_ms > self.last_ms:
            self.missed += (at_ms - self.last_ms) // self.interval_ms - 1
        begun = perf_counter()
        changes = self.state.evaluate(source, at_ms)
        self.took_s = perf_counter() - begun
        self.last_ms = at_ms
        self._events += [event for rule, change in changes if (event := _event(rule, change)) is not None]
        self._ended += [each.alert.labels for _, each in changes if each.kind is not ChangeKind.FIRED]  # or begins anew

    def keep(self, saved: Saved) -> None:
        """Puts what is new since the last time on the disk; where that fails, it is new again the next time. Blocks.
        Raises LilFoxError."""
        assert self.last_ms is not None
        now, rules = self.alerts(), [(rule.health, str(rule.error)) for rule in self.state.rules]
        gone = [(rule, alert) for (rule, labels), alert in self._kept.items() if (rule, labels) not in now]
        age_ms = abs(self.last_ms - self._kept_ms)
        same = not (self._events or self._ended or gone) and rules == self._kept_rules
        if same and age_ms < (VALUES_KEPT_EACH_MS if now else NOTHING_KEPT_EACH_MS):
            if any(alert.state is AlertState.PENDING for alert in now.values()):
                saved.evaluated(self.name, self.last_ms)  # so much of its time counts after a crash
            return
        changed = [(rule, alert) for (rule, labels), alert in now.items() if self._kept.get((rule, labels)) != alert]
        away = [taken_away(rule, alert, self.last_ms) for rule, alert in gone if alert.state is AlertState.FIRING]
        saved.keep(self.as_saved(), changed, gone, [*self._events, *away], self._ended)
        self._kept, self._kept_ms, self._kept_rules = now, self.last_ms, rules
        self._events.clear()
        self._ended.clear()

    def restore(self, saved: Mapping[str, tuple[LiveAlert, ...]], outage: Outage) -> None:
        """Brings over what is on the disk from before a restart."""
        self._kept = {(rule, one.labels): one for rule, alerts in saved.items() for one in alerts}
        self.state.restore(saved, outage)

    def go_on(self, state: GroupState, outage: Outage) -> None:
        """Goes on with ``state``, which is new, after an outage of this process."""
        state.restore(self.state.dump(), outage)
        self.state = state

    def alerts(self) -> dict[tuple[str, Labels], LiveAlert]:
        """All alerts, by their rule's identity and their labels."""
        return {(rule, one.labels): one for rule, alerts in self.state.dump().items() for one in alerts}

    def as_saved(self) -> SavedGroup:
        """As it goes to the disk beside its alerts."""
        keys = {rule.identity: rule.key for rule in self.state.rules}
        return SavedGroup(self.name, self.last_ms or 0, self.state.views(), keys)

    def continue_from(self, before: RunningGroup, at_ms: int) -> None:
        """Takes over from the group that this one replaces."""
        self.state.continue_from(before.state, at_ms)
        self.last_ms, self.missed, self.took_s = before.last_ms, before.missed, before.took_s
        self._kept, self._kept_ms = before._kept, before._kept_ms
        self._events, self._ended = before._events, before._ended

    def troubles(self) -> list[Trouble]:
        """What does not go as it should."""
        found = []
        interval_s = self.interval_ms / 1000
        if self.took_s > interval_s:
            slow = tr(
                "group {group}: an evaluation takes {took:.1f} s, and one is due each {interval:g} s",
                group=self.state.group.name, took=self.took_s, interval=interval_s,
            )  # fmt: skip
            found.append(Trouble(f"slow {self.name}", slow))
        if self.missed:
            missed = ntr(
                "group {group}: {count} evaluation was missed",
                "group {group}: {count} evaluations were missed",
                self.missed,
                group=self.state.group.name,
            )
            found.append(Trouble(f"missed {self.name}", missed))
        return found


def taken_away(rule: str, alert: LiveAlert, at_ms: int) -> Event:
    """The end of an alert whose rule is no more; ``rule`` is the rule's identity."""
    lasted_s = (at_ms - (alert.fired_at_ms or at_ms)) / 1000
    return Event(
        time_of(at_ms), "resolved", alert.labels, rule, alert.value, lasted_s, note=_("its rule was taken away")
    )


def _event(rule: RunningRule, change: Change) -> Event | None:
    alert = change.alert
    if change.kind is ChangeKind.FIRED:
        return Event(time_of(alert.fired_at_ms or 0), "fired", alert.labels, rule.key, alert.value)
    if change.kind is ChangeKind.RESOLVED:
        ended_ms = alert.resolved_at_ms or 0
        lasted_s = (ended_ms - (alert.fired_at_ms or ended_ms)) / 1000
        return Event(time_of(ended_ms), "resolved", alert.labels, rule.key, alert.value, lasted_s)
    return None
