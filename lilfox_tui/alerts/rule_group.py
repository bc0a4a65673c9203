"""Evaluates the rules of a group in order; each sees the results of the earlier ones at the same evaluation time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from time import perf_counter
from typing import Protocol

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from lilfox_tui.alerts.lifecycle import (
    AlertChange,
    AlertSample,
    EvaluationGap,
    LastData,
    LiveAlert,
    RuleAlerts,
    alert_view,
    optional_time,
)
from lilfox_tui.alerts.model import Alert, AlertState, RuleHealth, RuleView
from lilfox_tui.alerts.rules import Rule, RuleGroup
from lilfox_tui.alerts.template import Scope, compiled
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import encodable
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.evaluation import instant
from lilfox_tui.promql.query import Query, cached_parse, parse, window_ms
from lilfox_tui.promql.value import BARE, EMPTY, PROMETHEUS_3, Semantics, Value, Vector, duplicate
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, Floats, SelectedSeries, SeriesSource, SeriesStore

# Where rules put their results, so that later rules and queries find them as series.


ALERTS = "ALERTS"
FOR_STATE = "ALERTS_FOR_STATE"
"""The series that alerts make of themselves, as in Prometheus."""


class ResultSink(Protocol):
    """Stores the series of rules. ``rule`` is the rule's identity (:attr:`RuleEvaluator.identity`)."""

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """Write all results of a rule at ``at_ms``; its series that are no longer among ``labels`` end at that time.
        Returns a message if some of them could not be stored."""
        ...

    def end(self, rule: str, at_ms: int) -> None:
        """End the series of a rule that no longer exists."""
        ...


class StoreSink:
    """Stores results in the store of scraped series, one target per rule.

    A series belongs to the rule that writes it first, until that rule gives it no more; another rule that gives it too
    is told so, and its value is dropped (Prometheus would mix both in one series). Only one thread may write.
    """

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._given: dict[str, LabelList] = {}
        self._kept: dict[str, tuple[LabelList, list[int]]] = {}
        self._owner: dict[LabelSet, str] = {}

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """See :class:`ResultSink`."""
        if self._given.get(rule) is not labels or self._kept[rule][0] is not labels:
            self._given[rule] = labels
            self._kept[rule] = self._own(rule, labels)
        kept, places = self._kept[rule]
        self._append(rule, at_ms, kept, values if kept is labels else values[places])
        lost = () if kept is labels else set(labels) - set(kept)
        other = next((one for one in lost if one.get(NAME) not in (ALERTS, FOR_STATE)), None)
        if other is None:
            return None
        return tr("another rule also records {series}; rename one of them or add a label", series=other)

    def end(self, rule: str, at_ms: int) -> None:
        """See :class:`ResultSink`."""
        self._own(rule, LabelList(()))
        self._given.pop(rule, None)
        if self._kept.pop(rule, None) is not None:
            self._store.target(rule).end(at_ms)

    def _own(self, rule: str, labels: LabelList) -> tuple[LabelList, list[int]]:
        """Return those of ``labels`` that belong to this rule, and their positions."""
        for one in self._kept[rule][0] if rule in self._kept else ():
            del self._owner[one]
        places = [place for place, one in enumerate(labels) if self._owner.setdefault(one, rule) == rule]
        return (labels if len(places) == len(labels) else LabelList([labels[place] for place in places])), places

    def _append(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> None:
        target = self._store.target(rule)
        if at_ms < (target.newest_ms or 0):
            # the clock was set back: rows would be refused until it is where it was
            self._store.drop(rule)
            target = self._store.target(rule)
        if len(labels) or target.series_count:
            target.append(at_ms, labels, np.ascontiguousarray(values))


# One rule as it runs: evaluated again and again, it knows how that went last time.


ALERT_NAME = "alertname"
ALERT_STATE = "alertstate"
MOST_ALERTS = 20_000
"""Of one rule: more of them are a mistake in the rule, and filling in their texts would take seconds each time."""
MOST_ENDS_EXPLAINED = 100
"""Alerts of one evaluation of which it is looked whether they end for lack of data."""
_OF_ALERTS = frozenset({ALERTS, FOR_STATE})


class EvaluationContext(Struct, frozen=True):
    """What all rules share: the sink for results, and the data for queries and templates."""

    results: ResultSink
    semantics: Semantics = PROMETHEUS_3
    external_labels: Mapping[str, str] = {}
    external_url: str | None = None
    knows_own_url: bool = True
    """As in :class:`.template.Scope`."""
    recorded: set[str] = field(default_factory=set)
    """The names of the series that rules record, of whatever group."""


class RuleFailed(LilFoxError):
    """Raised when a rule cannot use the result of its expression."""


class RuleEvaluator:
    """A rule and its last evaluation: ``health``, ``error``, ``failing_since_ms``, ``evaluated_at_ms``, ``took_s``.

    ``key`` is its place (``FILE;GROUP;INDEX``). ``identity`` is what makes it the same rule when the file is read
    again: its group, kind, name and labels, and which one of that it is. Raises QueryError where its expression is
    none under the semantics of ``around``.
    """

    def __init__(self, key: str, identity: str, rule: Rule, limit: int, around: EvaluationContext) -> None:
        self.key, self.identity, self.rule = key, identity, rule
        self.state = RuleAlerts(round(rule.for_s * 1000), round(rule.keep_firing_for_s * 1000))
        """The alerts; none of a recording rule."""
        self._problem = Message("{problem}", {"problem": rule.problem}) if rule.problem else None
        self.health = RuleHealth.FAILED if rule.problem else RuleHealth.UNKNOWN
        self.error: Message | None = self._problem
        self.failing_since_ms: int | None = None
        self.evaluated_at_ms: int | None = None
        self.took_s: float | None = None
        self._limit, self._around = limit, around
        self._query: Query = (
            rule.query if around.semantics == PROMETHEUS_3 else parse(rule.expression, around.semantics)
        )
        self._series: tuple[tuple[tuple[LabelSet, AlertState], ...], LabelList] = ((), EMPTY)

    def evaluate(self, source: SeriesSource, at_ms: int, offset_ms: int, recorded: Set[str]) -> list[AlertChange]:
        """Evaluate once. Queries and results are at ``at_ms - offset_ms``. An error is kept in ``error`` and changes no
        alert. ``recorded`` are the names of recorded series, which may have no samples now."""
        start = perf_counter()
        error: Message | None
        changes: list[AlertChange] = []
        try:
            changes, no_data, error = self._evaluated(source, at_ms, offset_ms, recorded)
            self.health = RuleHealth.NO_DATA if no_data else RuleHealth.GOOD
        except LilFoxError as raised:
            error = raised.message
        if error is not None:
            self.health = RuleHealth.FAILED
        self.failing_since_ms = None if error is None else self.failing_since_ms or at_ms
        self.error = error
        self.evaluated_at_ms = at_ms
        self.took_s = perf_counter() - start
        return changes

    def continue_from(self, before: RuleEvaluator) -> None:
        """Take over the alerts and the last evaluation of ``before``, the same rule before its file was reloaded."""
        self.state.continue_from(before.state)
        if self._problem is not None:
            return
        self.health, self.error, self.failing_since_ms = before.health, before.error, before.failing_since_ms
        self.evaluated_at_ms, self.took_s = before.evaluated_at_ms, before.took_s

    def _evaluated(
        self, source: SeriesSource, at_ms: int, offset_ms: int, recorded: Set[str]
    ) -> tuple[list[AlertChange], bool, Message | None]:
        if self._problem is not None:
            raise RuleFailed(self._problem)
        result = _vector(self._query.at(source, at_ms - offset_ms))
        no_data = not len(result.labels) and self._has_no_data(source, at_ms - offset_ms, recorded)
        if self.rule.kind == "record":
            return [], no_data, self._record(result, at_ms - offset_ms)
        found = self._found(result, source, at_ms)
        self._check_limit(self.state.count_after(found, at_ms), tr("alerts"))
        ended = self._last_data(source, at_ms - offset_ms)
        changes = self.state.take(found, at_ms, no_data=no_data, last_data=ended)
        return changes, no_data, self._write_alerts(at_ms - offset_ms)

    def _record(self, result: Vector, at_ms: int) -> Message | None:
        labels = result.labels.derived(("recorded", self.identity), self._renamed)
        if duplicate(labels) is not None:
            raise RuleFailed(tr("vector contains metrics with the same labelset after applying rule labels"))
        self._check_limit(len(labels), tr("series"))
        return self._around.results.write(self.identity, at_ms, labels, result.values)

    def _renamed(self, labels: LabelList) -> LabelList:
        own = {**self.rule.labels, NAME: self.rule.name}
        return LabelList([one.replaced(own) for one in labels])

    def _found(self, result: Vector, source: SeriesSource, at_ms: int) -> dict[LabelSet, AlertSample]:
        """Return the alerts in a result. Queries in templates run at ``at_ms``, without the offset."""

        def ask(text: str) -> Vector:
            return _vector(cached_parse(text, self._around.semantics).at(source, at_ms))

        if len(result.labels) > MOST_ALERTS:
            raise RuleFailed(
                tr("one rule produces more than {limit} alerts; make it select fewer series", limit=MOST_ALERTS)
            )
        found: dict[LabelSet, AlertSample] = {}
        around = self._around
        for labels, value in zip(result.labels, result.values.tolist(), strict=True):
            scope = Scope(
                dict(labels.pairs), value, ask, around.external_labels, around.external_url, at_ms / 1000,
                around.knows_own_url,
            )  # fmt: skip
            own = self._expanded(self.rule.labels, scope)
            identity = labels.without((NAME,)).replaced({**own, ALERT_NAME: self.rule.name})
            if identity in found:
                raise RuleFailed(tr("vector contains metrics with the same labelset after applying alert labels"))
            annotations = self._expanded(self.rule.annotations, scope)
            found[identity] = AlertSample(value, tuple(sorted(annotations.items())))
        return found

    def _expanded(self, texts: Mapping[str, str], scope: Scope) -> dict[str, str]:
        return {name: encodable(compiled(text, self.rule.name).expand(scope)) for name, text in texts.items()}

    def _check_limit(self, count: int, what: Message) -> None:
        if 0 < self._limit < count:
            raise RuleFailed(
                tr("exceeded limit of {limit} with {count} {what}", limit=self._limit, count=count, what=what)
            )

    def _write_alerts(self, at_ms: int) -> Message | None:
        active = self.state.active
        shape = tuple((labels, alert.state) for labels, alert in active)
        if self._series[0] != shape:
            self._series = (shape, LabelList([series for pair in shape for series in self._series_of(*pair)]))
        values = np.array([value for _, alert in active for value in (1.0, alert.active_at_ms // 1000)], np.float64)
        return self._around.results.write(self.identity, at_ms, self._series[1], values)

    def _series_of(self, labels: LabelSet, state: AlertState) -> tuple[LabelSet, LabelSet]:
        """Return the labels of an alert's ``ALERTS`` and ``ALERTS_FOR_STATE`` series. As in Prometheus, a label whose
        template expands to nothing keeps the template's text here."""
        full = {**self.rule.labels, **dict(labels.pairs)}
        return (
            LabelSet.of({**full, NAME: ALERTS, ALERT_STATE: state.name.lower()}),
            LabelSet.of({**full, NAME: FOR_STATE}),
        )

    def _last_data(self, source: SeriesSource, at_ms: int) -> LastData:
        """Return what tells of an alert that it ends for lack of data: none of the selectors finds a series now that
        could be the alert's. At most MOST_ENDS_EXPLAINED alerts are looked at."""
        left = MOST_ENDS_EXPLAINED if self._may_lack_data(self._around.recorded) else 0
        lookback_ms = self._around.semantics.lookback_ms
        start_ms = at_ms - lookback_ms - window_ms(self._query.tree)

        def last_data(alert: LabelSet) -> int | None:
            nonlocal left
            if not left:
                return None
            left -= 1
            own = {name: value for name, value in alert.pairs if name != ALERT_NAME and name not in self.rule.labels}
            newest_ms = start_ms
            for one in self._query.selectors:
                for rows in source.select(one, start_ms, at_ms):
                    last_ms, is_live = _last_sample(rows, own, at_ms - lookback_ms)
                    if is_live:
                        return None
                    newest_ms = max(newest_ms, last_ms)
            return newest_ms

        return last_data

    def _may_lack_data(self, recorded: Set[str]) -> bool:
        """Return whether series that are missing are missed: not where the expression uses series of alerts or of
        rules, as these may be absent."""
        selectors = self._query.selectors
        names = {matcher.value for one in selectors for matcher in one if matcher.name == NAME and matcher.op == "="}
        return bool(selectors) and not names & (_OF_ALERTS | recorded)

    def _has_no_data(self, source: SeriesSource, at_ms: int, recorded: Set[str]) -> bool:
        """Return whether none of the selectors finds a series now, though there should be some."""
        if not self._may_lack_data(recorded):
            return False
        semantics = self._around.semantics
        start_ms = at_ms - semantics.lookback_ms
        return not any(
            instant(rows, start_ms, at_ms, left_open=semantics.left_open)
            for one in self._query.selectors
            for rows in source.select(one, start_ms, at_ms)
        )


def _last_sample(rows: SelectedSeries, own: Mapping[str, str], live_from_ms: int) -> tuple[int, bool]:
    """Return the time of the last sample among the series that have no other label values than ``own``, 0 without one,
    and whether one of these series is live: its last sample is of ``live_from_ms`` or later, and it has not ended."""
    places = [
        place
        for place, labels in enumerate(rows.labels)
        if all(own.get(name, value) == value for name, value in labels.pairs if name != NAME)
    ]
    newest_ms, is_live = 0, False
    bits = rows.values[:, places].view(np.int64) if places and len(rows.times) else np.empty((0, 0), np.int64)
    for column in bits.T:
        known = np.flatnonzero(column != ABSENT_BITS)
        sampled = known[column[known] != STALE_BITS]
        if len(sampled):
            last_ms = int(rows.times[sampled[-1]])
            newest_ms = max(newest_ms, last_ms)
            is_live = is_live or (sampled[-1] == known[-1] and last_ms >= live_from_ms)
    return newest_ms, is_live


def _vector(value: Value) -> Vector:
    if isinstance(value, Vector):
        return value
    if isinstance(value, float):
        return Vector(BARE, np.array([value]))
    raise RuleFailed(tr("rule result is not a vector or scalar"))


LONGEST_BLIND_MS = 3_600_000


class GroupEvaluator:
    """A group and the state of its rules. It belongs to one thread at a time.

    ``file`` is what keys call its file by. The group's own ``query_offset`` goes before ``query_offset_s``. Raises
    ConfigError where an expression is none under the semantics of ``around``.
    """

    def __init__(self, file: str, group: RuleGroup, around: EvaluationContext, *, query_offset_s: float = 0.0) -> None:
        self.file, self.group = file, group
        self.every_s: float | None = None
        """Between two evaluations, once it is scheduled."""
        self._around = around
        around.recorded.update(rule.name for rule in group.rules if rule.kind == "record")
        offset_s = query_offset_s if group.query_offset_s is None else group.query_offset_s
        self._offset_ms = round(offset_s * 1000)
        self.rules = tuple(self._running(group, around))

    @property
    def key(self) -> str:
        """``FILE;GROUP``, as in Prometheus."""
        return f"{self.file};{self.group.name}"

    def evaluate(self, source: SeriesSource, at_ms: int) -> list[tuple[RuleEvaluator, AlertChange]]:
        """Evaluate every rule once, at ``at_ms``; return the changes of alerts. ``source`` must include the series that
        the rules write to ``around.results``. The error of a failed rule is kept in the rule, and the others are still
        evaluated."""
        changes: list[tuple[RuleEvaluator, AlertChange]] = []
        recorded: set[str] = set()
        for rule in self.rules:
            changes += [(rule, change) for change in rule.evaluate(source, at_ms, self._offset_ms, recorded)]
            if rule.rule.kind == "record" and rule.health is RuleHealth.GOOD:
                recorded.add(rule.rule.name)
        return changes

    def continue_from(self, before: GroupEvaluator, at_ms: int) -> None:
        """Take over from ``before``, the same group before its file was reloaded: rules with the same name and labels
        continue, and the series of removed rules end."""
        old = {rule.identity: rule for rule in before.rules}
        for rule in self.rules:
            if rule.identity in old:
                rule.continue_from(old.pop(rule.identity))
        for gone in old.values():
            self._around.results.end(gone.identity, at_ms)

    def end(self, at_ms: int) -> None:
        """End the series of a removed group's rules."""
        for rule in self.rules:
            self._around.results.end(rule.identity, at_ms)

    def dump(self) -> dict[str, tuple[LiveAlert, ...]]:
        """Return the alerts of each rule that has any, by the rule's identity: the input of :meth:`restore` after a
        restart."""
        return {rule.identity: rule.state.alerts for rule in self.rules if rule.state.alerts}

    def restore(self, saved: Mapping[str, tuple[LiveAlert, ...]], outage: EvaluationGap) -> None:
        """Restore alerts from before a restart; those of removed rules are ignored. No alert ends until the data covers
        the windows of the rules (for at most LONGEST_BLIND_MS): one minute of data makes an ``increase`` over an hour
        too small."""
        longest_ms = max((window_ms(rule.rule.query.tree) for rule in self.rules), default=0)
        outage = replace(outage, blind_ms=min(max(outage.blind_ms, longest_ms), LONGEST_BLIND_MS))
        self._recognise(saved)
        for rule in self.rules:
            rule.state.restore(saved.get(rule.identity, ()), outage)

    def _recognise(self, saved: Mapping[str, tuple[LiveAlert, ...]]) -> None:
        """Match each unusable rule to the saved one of the same name, even if its labels cannot be read, so that its
        alerts are kept."""
        unclaimed = [identity for identity in saved if identity not in {rule.identity for rule in self.rules}]
        for rule in self.rules:
            if rule.rule.problem and rule.identity not in saved:
                named = f"{self.key};{rule.rule.kind};{rule.rule.name}{{"
                found = next((each for each in unclaimed if each.startswith(named)), None)
                if found is not None:
                    rule.identity = found
                    unclaimed.remove(found)

    def alerts(self) -> list[Alert]:
        """Return all alerts, including those resolved within the last 15 minutes."""
        return [alert_view(rule.key, alert) for rule in self.rules for alert in rule.state.alerts]

    def views(self) -> tuple[RuleView, ...]:
        """Each rule with its last evaluation."""
        return tuple(self._view(rule) for rule in self.rules)

    def _running(self, group: RuleGroup, around: EvaluationContext) -> list[RuleEvaluator]:
        seen: Counter[str] = Counter()
        running = []
        for index, rule in enumerate(group.rules):
            same = f"{self.key};{_kind_name_labels(rule)}"
            seen[same] += 1
            identity = f"{same};{seen[same]}"
            try:
                running.append(RuleEvaluator(f"{self.key};{index}", identity, rule, group.limit, around))
            except QueryError as error:
                what = f"{self.file}:{rule.place.expression}: {group.name}/{rule.name}: expr: {error}"
                raise ConfigError(tr("the rules cannot be used"), (what,)) from None
        return running

    def _view(self, running: RuleEvaluator) -> RuleView:
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
            failing_since=optional_time(running.failing_since_ms),
            evaluated_at=optional_time(running.evaluated_at_ms),
            took_s=running.took_s,
            labels=rule.labels,
            annotations=rule.annotations,
            every_s=self.every_s,
        )


def _kind_name_labels(rule: Rule) -> str:
    return f"{rule.kind};{rule.name}{LabelSet.of(rule.labels)}"
