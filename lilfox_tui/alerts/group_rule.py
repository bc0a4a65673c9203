"""One rule as it runs: evaluated again and again, it knows how that went last time."""

from __future__ import annotations

from collections.abc import Mapping, Set
from time import perf_counter

import numpy as np
from msgspec import Struct

from lilfox_tui.alerts.group_results import ALERTS, FOR_STATE, Results
from lilfox_tui.alerts.lifecycle import Change, Found, RuleState
from lilfox_tui.alerts.model import AlertState, RuleHealth
from lilfox_tui.alerts.rule import Rule
from lilfox_tui.alerts.template import Scope, compiled
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.promql.labelling import BARE, EMPTY, duplicate
from lilfox_tui.promql.query import Query, parse, remembered
from lilfox_tui.promql.selecting import instant
from lilfox_tui.promql.semantics import PROMETHEUS_3, Semantics
from lilfox_tui.promql.value import Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import SeriesSource
from lilfox_tui.text import encodable

ALERT_NAME = "alertname"
ALERT_STATE = "alertstate"
MOST_ALERTS = 20_000
"""Of one rule: more of them are a mistake in the rule, and filling in their texts would take seconds each time."""
_OF_ALERTS = frozenset({ALERTS, FOR_STATE})


class Surroundings(Struct, frozen=True):
    """What all rules have in common: where results go, and what templates and queries are told."""

    results: Results
    semantics: Semantics = PROMETHEUS_3
    external_labels: Mapping[str, str] = {}
    external_url: str | None = None
    knows_own_url: bool = True
    """As in :class:`.template.Scope`."""


class RuleFailed(LilFoxError):
    """The rule's expression has a value that the rule cannot use."""


class RunningRule:
    """A rule and its last evaluation: ``health``, ``error``, ``failing_since_ms``, ``evaluated_at_ms``, ``took_s``.

    ``key`` is its place (``FILE;GROUP;INDEX``). ``identity`` is what makes it the same rule when the file is read
    again: its group, kind, name and labels, and which one of that it is. Raises QueryError where its expression is
    none under the semantics of ``around``.
    """

    def __init__(self, key: str, identity: str, rule: Rule, limit: int, around: Surroundings) -> None:
        self.key, self.identity, self.rule = key, identity, rule
        self.state = RuleState(round(rule.for_s * 1000), round(rule.keep_firing_for_s * 1000))
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

    def evaluate(self, source: SeriesSource, at_ms: int, offset_ms: int, recorded: Set[str]) -> list[Change]:
        """Evaluates once. Its queries look at ``at_ms - offset_ms``, where its results are written too. An error is
        kept in ``error``, and changes nothing else. ``recorded`` are names of series that are known to be made well,
        even where there are none now."""
        start = perf_counter()
        error: Message | None
        changes: list[Change] = []
        try:
            changes, no_data, error = self._evaluated(source, at_ms, offset_ms, recorded)
            self.health = RuleHealth.NO_DATA if no_data else RuleHealth.GOOD
        except LilFoxError as raised:
            error = raised.message if isinstance(raised.message, Message) else Message(str(raised))
        if error is not None:
            self.health = RuleHealth.FAILED
        self.failing_since_ms = None if error is None else self.failing_since_ms or at_ms
        self.error = error
        self.evaluated_at_ms = at_ms
        self.took_s = perf_counter() - start
        return changes

    def continue_from(self, before: RunningRule) -> None:
        """Takes over the alerts and the last evaluation of the rule that this one replaces."""
        self.state.continue_from(before.state)
        if self._problem is not None:
            return
        self.health, self.error, self.failing_since_ms = before.health, before.error, before.failing_since_ms
        self.evaluated_at_ms, self.took_s = before.evaluated_at_ms, before.took_s

    def _evaluated(
        self, source: SeriesSource, at_ms: int, offset_ms: int, recorded: Set[str]
    ) -> tuple[list[Change], bool, Message | None]:
        if self._problem is not None:
            raise RuleFailed(self._problem)
        result = _vector(self._query.at(source, at_ms - offset_ms))
        no_data = not len(result.labels) and self._has_no_data(source, at_ms - offset_ms, recorded)
        if self.rule.kind == "record":
            return [], no_data, self._record(result, at_ms - offset_ms)
        found = self._found(result, source, at_ms)
        self._check_limit(self.state.count_after(found, at_ms), tr("alerts"))
        changes = self.state.take(found, at_ms, no_data=no_data)
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

    def _found(self, result: Vector, source: SeriesSource, at_ms: int) -> dict[LabelSet, Found]:
        """The alerts that the result makes. Texts ask their own queries at ``at_ms``, whatever the offset is."""

        def ask(text: str) -> Vector:
            return _vector(remembered(text, self._around.semantics).at(source, at_ms))

        if len(result.labels) > MOST_ALERTS:
            raise RuleFailed(tr("more than {limit} alerts of one rule; make it select less", limit=MOST_ALERTS))
        found: dict[LabelSet, Found] = {}
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
            found[identity] = Found(value, tuple(sorted(annotations.items())))
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
        """``ALERTS`` and ``ALERTS_FOR_STATE`` of one alert. As in Prometheus, a label whose template came out empty
        has its template's text here."""
        full = {**self.rule.labels, **dict(labels.pairs)}
        return (
            LabelSet.of({**full, NAME: ALERTS, ALERT_STATE: state.name.lower()}),
            LabelSet.of({**full, NAME: FOR_STATE}),
        )

    def _has_no_data(self, source: SeriesSource, at_ms: int, recorded: Set[str]) -> bool:
        """Whether none of the selectors finds a series now. Series of alerts, and those that rules record, are allowed
        to be none."""
        selectors = self._query.selectors
        names = {matcher.value for one in selectors for matcher in one if matcher.name == NAME and matcher.op == "="}
        if not selectors or names & (_OF_ALERTS | recorded):
            return False
        semantics = self._around.semantics
        start_ms = at_ms - semantics.lookback_ms
        return not any(
            instant(rows, start_ms, at_ms, left_open=semantics.left_open)
            for one in selectors
            for rows in source.select(one, start_ms, at_ms)
        )


def _vector(value: Value) -> Vector:
    if isinstance(value, Vector):
        return value
    if isinstance(value, float):
        return Vector(BARE, np.array([value]))
    raise RuleFailed(tr("rule result is not a vector or scalar"))
