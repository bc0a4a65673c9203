"""What suppresses alerts by the configuration: recurring mute windows, inhibition by other alerts, and hosts that are
down.

A suppressed alert is silenced: ``silenced_by`` names the window, the alert that inhibits it, or the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from lilfox_tui.alerts.dependencies import HostDependencies, source_text
from lilfox_tui.alerts.model import INHIBITED, MUTED, Alert, AlertState, RuleView, SilenceMatcher
from lilfox_tui.alerts.routing import RouteTree
from lilfox_tui.alerts.silences import matches_all, parse_matchers
from lilfox_tui.config.checks import period_of
from lilfox_tui.config.model import AlertsConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.time_intervals import TimePeriod
from lilfox_tui.metrics.model import Labels


class MuteWindow(Struct, frozen=True):
    """A recurring mute window. ``intervals`` has the periods of each of its intervals by name."""

    only: tuple[SilenceMatcher, ...]
    intervals: Mapping[str, tuple[TimePeriod, ...]]

    def open_interval(self, now: datetime) -> str | None:
        """Return the name of an interval that ``now`` lies in, None if there is none."""
        return next(
            (name for name, periods in self.intervals.items() if any(one.contains(now) for one in periods)), None
        )


class InhibitionRule(Struct, frozen=True):
    """An inhibition rule, as in Alertmanager. A label that is missing is empty."""

    source: tuple[SilenceMatcher, ...]
    target: tuple[SilenceMatcher, ...]
    equal: tuple[str, ...]

    def key(self, labels: Labels) -> tuple[str, ...]:
        """Return the values that source and target must share."""
        known = dict(labels)
        return tuple(known.get(name, "") for name in self.equal)


class SuppressionRules(Struct, frozen=True):
    """All that may suppress alerts."""

    mutes: tuple[MuteWindow, ...] = ()
    inhibitions: tuple[InhibitionRule, ...] = ()
    tree: RouteTree | None = None
    """Routes that may be muted at times."""
    hosts: HostDependencies = HostDependencies()

    @property
    def is_timed(self) -> bool:
        """Whether the time of the day matters."""
        return bool(self.mutes) or (self.tree is not None and self.tree.is_timed)

    def suppressed(
        self, alerts: Sequence[Alert], now: datetime, rules: Iterable[RuleView] = ()
    ) -> dict[Labels, tuple[str, ...]]:
        """Return by what each suppressed alert is suppressed at ``now`` (aware); resolved ones are not. ``rules`` are
        those of the alerts."""
        alerts = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
        found: dict[Labels, dict[str, None]] = {}
        for mute in self.mutes:
            if (name := mute.open_interval(now)) is not None:
                for alert in alerts:
                    if matches_all(mute.only, alert.labels):
                        found.setdefault(alert.labels, {})[MUTED + name] = None
        tree = self.tree
        if tree is not None and tree.is_timed:
            for alert in alerts:
                if by := tree.muted(alert.labels, now):
                    found.setdefault(alert.labels, {}).update(dict.fromkeys(by))
        for rule in self.inhibitions:
            for labels, source in _inhibited(rule, alerts, _same if tree is None else tree.seen):
                found.setdefault(labels, {})[INHIBITED + source_text(source)] = None
        for labels, causes in self.hosts.suppressed(alerts, rules, found.keys()).items():
            found.setdefault(labels, {}).update(dict.fromkeys(causes))
        return {labels: tuple(by) for labels, by in found.items()}


NOTHING = SuppressionRules()


def _same(labels: Labels) -> Labels:
    return labels


def _inhibited(
    rule: InhibitionRule, alerts: Iterable[Alert], seen: Callable[[Labels], Labels]
) -> Iterable[tuple[Labels, Labels]]:
    """Yield the labels of the alerts that the rule inhibits, each with those of the alert that inhibits it. An alert
    that is source and target itself is not inhibited by another such one, as in Alertmanager."""
    everyone = [(alert, seen(alert.labels)) for alert in alerts]
    plain: dict[tuple[str, ...], Labels] = {}
    both: dict[tuple[str, ...], Labels] = {}
    for alert, labels in everyone:
        if alert.state is AlertState.FIRING and matches_all(rule.source, labels):
            kept = both if matches_all(rule.target, labels) else plain
            kept.setdefault(rule.key(labels), alert.labels)
    if not plain and not both:
        return
    for alert, labels in everyone:
        if matches_all(rule.target, labels):
            source = plain.get(rule.key(labels))
            if source is None and not matches_all(rule.source, labels):
                source = both.get(rule.key(labels))
            if source is not None:
                yield alert.labels, source


def suppression_rules(config: AlertsConfig) -> SuppressionRules:
    """Return what the configuration says. Raises UsageError if matchers are invalid."""
    intervals = {each.name: tuple(map(period_of, each.time_intervals)) for each in config.time_intervals}
    return SuppressionRules(
        tuple(
            MuteWindow(
                _matchers(one.only, f"alerts.mute.{number}.only"), {name: intervals[name] for name in one.intervals}
            )
            for number, one in enumerate(config.mute, 1)
        ),
        tuple(
            InhibitionRule(
                _matchers(one.source, f"alerts.inhibit.{number}.source"),
                _matchers(one.target, f"alerts.inhibit.{number}.target"),
                one.equal,
            )
            for number, one in enumerate(config.inhibit, 1)
        ),
    )


def _matchers(texts: Iterable[str], place: str) -> tuple[SilenceMatcher, ...]:
    try:
        return tuple(one for text in texts for one in parse_matchers(text))
    except UsageError as error:
        raise UsageError(tr("{place}: {reason}", place=place, reason=error.message), error.hint) from None
