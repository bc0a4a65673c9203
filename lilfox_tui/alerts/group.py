"""A group of rules as it runs: one after the other, each seeing what those before it gave at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from lilfox_tui.alerts.group_rule import RunningRule, Surroundings
from lilfox_tui.alerts.lifecycle import Change, LiveAlert, Outage
from lilfox_tui.alerts.model import Alert, RuleHealth, RuleView
from lilfox_tui.alerts.rule import Group, Rule
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.reach import window_ms
from lilfox_tui.scrape.instants import time_of
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.series import SeriesSource

LONGEST_BLIND_MS = 3_600_000


class GroupState:
    """A group and the state of its rules. It belongs to one thread at a time.

    ``file`` is what keys call its file by. The group's own ``query_offset`` goes before ``query_offset_s``. Raises
    ConfigError where an expression is none under the semantics of ``around``.
    """

    def __init__(self, file: str, group: Group, around: Surroundings, *, query_offset_s: float = 0.0) -> None:
        self.file, self.group = file, group
        self._around = around
        offset_s = query_offset_s if group.query_offset_s is None else group.query_offset_s
        self._offset_ms = round(offset_s * 1000)
        self.rules = tuple(self._running(group, around))

    @property
    def key(self) -> str:
        """``FILE;GROUP``, as Prometheus has it."""
        return f"{self.file};{self.group.name}"

    def evaluate(self, source: SeriesSource, at_ms: int) -> list[tuple[RunningRule, Change]]:
        """Evaluates every rule once, at ``at_ms``; gives what changed with alerts. ``source`` must hold what the rules
        write to ``around.results`` too. A rule that fails keeps its error, and the others go on."""
        changes: list[tuple[RunningRule, Change]] = []
        recorded: set[str] = set()
        for rule in self.rules:
            changes += [(rule, change) for change in rule.evaluate(source, at_ms, self._offset_ms, recorded)]
            if rule.rule.kind == "record" and rule.health is RuleHealth.GOOD:
                recorded.add(rule.rule.name)
        return changes

    def continue_from(self, before: GroupState, at_ms: int) -> None:
        """Takes over from the group that this one replaces (its file was read again): rules of the same name and labels
        go on, the series of rules that are no more end."""
        old = {rule.identity: rule for rule in before.rules}
        for rule in self.rules:
            if rule.identity in old:
                rule.continue_from(old.pop(rule.identity))
        for gone in old.values():
            self._around.results.end(gone.identity, at_ms)

    def end(self, at_ms: int) -> None:
        """The group is no more: the series of its rules end."""
        for rule in self.rules:
            self._around.results.end(rule.identity, at_ms)

    def dump(self) -> dict[str, tuple[LiveAlert, ...]]:
        """The alerts of each rule that has any, by the rule's identity: what :meth:`restore` wants after a restart."""
        return {rule.identity: rule.state.alerts for rule in self.rules if rule.state.alerts}

    def restore(self, saved: Mapping[str, tuple[LiveAlert, ...]], outage: Outage) -> None:
        """Brings over alerts from before a restart; those of rules that are no more are passed over. None is taken for
        gone before the rules see as far back as they look, up to LONGEST_BLIND_MS: an ``increase`` over an hour is
        small after a minute."""
        longest_ms = max((window_ms(rule.rule.query.tree) for rule in self.rules), default=0)
        outage = replace(outage, blind_ms=min(max(outage.blind_ms, longest_ms), LONGEST_BLIND_MS))
        self._recognise(saved)
        for rule in self.rules:
            rule.state.restore(saved.get(rule.identity, ()), outage)

    def _recognise(self, saved: Mapping[str, tuple[LiveAlert, ...]]) -> None:
        """A rule that cannot be used is taken for the one of its name that was there, whatever can be read of its
        labels: so its alerts stay as they were."""
        unclaimed = [identity for identity in saved if identity not in {rule.identity for rule in self.rules}]
        for rule in self.rules:
            if rule.rule.problem and rule.identity not in saved:
                named = f"{self.key};{rule.rule.kind};{rule.rule.name}{{"
                found = next((each for each in unclaimed if each.startswith(named)), None)
                if found is not None:
                    rule.identity = found
                    unclaimed.remove(found)

    def alerts(self) -> list[Alert]:
        """All alerts, those that resolved within the last 15 minutes too."""
        return [alert_view(rule.key, alert) for rule in self.rules for alert in rule.state.alerts]

    def views(self) -> tuple[RuleView, ...]:
        """Each rule with its last evaluation."""
        return tuple(self._view(rule) for rule in self.rules)

    def _running(self, group: Group, around: Surroundings) -> list[RunningRule]:
        seen: Counter[str] = Counter()
        running = []
        for index, rule in enumerate(group.rules):
            same = f"{self.key};{_kind_name_labels(rule)}"
            seen[same] += 1
            identity = f"{same};{seen[same]}"
            try:
                running.append(RunningRule(f"{self.key};{index}", identity, rule, group.limit, around))
            except QueryError as error:
                what = f"{self.file}:{rule.place.expression}: {group.name}/{rule.name}: expr: {error}"
                raise ConfigError(tr("the rules cannot be used"), (what,)) from None
        return running

    def _view(self, running: RunningRule) -> RuleView:
        rule = running.rule
        return RuleView(
            key=running.key,
            kind=rule.kind,
            name=rule.name,
            group=self.group.name,
            expression=rule.expression,
            for_s=rule.for_s,
            health=running.health,
            error=running.error,
            failing_since=_time(running.failing_since_ms),
            evaluated_at=_time(running.evaluated_at_ms),
            took_s=running.took_s,
            labels=rule.labels,
            annotations=rule.annotations,
        )


def alert_view(rule_key: str, alert: LiveAlert) -> Alert:
    """An alert as everybody sees it; who acknowledged it and what silences it is not known here."""
    return Alert(
        labels=alert.labels,
        annotations=alert.annotations,
        state=alert.state,
        active_at=time_of(alert.active_at_ms),
        value=alert.value,
        fired_at=_time(alert.fired_at_ms),
        resolved_at=_time(alert.resolved_at_ms),
        keep_firing_since=_time(alert.keep_firing_since_ms),
        rule=rule_key,
    )


def _kind_name_labels(rule: Rule) -> str:
    return f"{rule.kind};{rule.name}{LabelSet.of(rule.labels)}"


def _time(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else time_of(time_ms)
