"""Explains why an alert fires: the left-hand side of its expression, now and over time, beside the value it is compared
with; and the limits that alert rules set for the measured values of hosts and services.

Imports numpy and the parser of PromQL."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import promql_parser
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import RuleView, urgency_of
from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.units import ValueUnit
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.levels import series_told
from lilfox_tui.monitor.model import HostView, LatencyLimit, ServiceLimits, ServiceView, View
from lilfox_tui.promql.operators import COMPARISONS
from lilfox_tui.promql.query import Query, QueryEngine, cached_parse
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Grouping,
    Node,
    NumberLiteral,
    Selector,
    children,
)
from lilfox_tui.promql.units import unit_of
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import NAME, Matcher, matches

_QUOTED_OR_EMPTY = re.compile(r'("(?:[^"\\]|\\.)*+"?)|\{\}')
MOST_SERIES = 200
_SERVICE_LABELS = frozenset(("job", "service"))
_SERVER_ERROR_WORDS = ("5", "SERVER_ERROR")


class Compared(NamedTuple):
    """The two sides of an expression, as PromQL; ``op`` and ``right`` are empty without a comparison, and ``limit`` is
    None unless the right side is a number."""

    left: str
    op: str = ""
    right: str = ""
    limit: float | None = None

    @property
    def is_estimate(self) -> bool:
        """Whether the left side is interpolated in the buckets of a histogram."""
        return "histogram_quantile(" in self.left

    @property
    def histogram(self) -> str:
        """The name of the histogram of whose times the left side is a quantile; empty if it is none, or more than
        that."""
        return _histogram(self.left)

    @property
    def window_s(self) -> float | None:
        """The seconds over which the left side is measured; None if it is not of one such time."""
        return _window_s(self.left)

    @property
    def unit(self) -> ValueUnit:
        """The unit of both sides."""
        return unit_of(f"{self.left} {self.op} {self.right}" if self.op else self.left)


class ComparisonSide(Struct, frozen=True):
    """One series of the left-hand side: its current value (None if it has none), the value it is compared with, its
    values in the requested columns, and whether the whole expression holds for it now."""

    labels: Labels
    value: float | None
    limit: float | None
    holds: bool
    values: tuple[float | None, ...]


class Explanation(Struct, frozen=True):
    """Both sides of an expression and each series of the left one; those for which it holds come first."""

    compared: Compared
    sides: tuple[ComparisonSide, ...]
    more: int = 0
    """Series beyond MOST_SERIES that are left out."""
    end: datetime | None = None
    """The moment of the values, and of the last column (aware UTC)."""


@lru_cache(maxsize=512)
def compared(expression: str) -> Compared:
    """Return the comparison that decides ``expression``; for ``a > 1 and b``, the first one."""
    try:
        found = _comparison_of(promql_parser.parse(expression))
    except ValueError:
        found = None
    if found is None:
        return Compared(expression)
    return Compared(_written(found.lhs), str(found.op), _written(found.rhs), _number_of(found.rhs))


@lru_cache(maxsize=512)
def _histogram(expression: str) -> str:
    try:
        query = cached_parse(expression)
    except LilFoxError:
        return ""
    tree, selectors = query.tree, query.selectors
    if not isinstance(tree, FunctionApplication) or tree.function.name != "histogram_quantile" or len(selectors) != 1:
        return ""
    return _name_of(selectors[0]).removesuffix("_bucket")


@lru_cache(maxsize=512)
def _window_s(expression: str) -> float | None:
    try:
        tree = cached_parse(expression).tree
    except LilFoxError:
        return None
    ranges = {each.range_ms for each in _selectors(tree)}
    return None if len(ranges) != 1 or not any(ranges) else (ranges.pop() or 0) / 1000


def _selectors(node: Node) -> Iterator[Selector]:
    if isinstance(node, Selector):
        yield node
    for child in children(node):
        yield from _selectors(child)


async def explain(queries: QueryEngine, expression: str, start: datetime, end: datetime, columns: int) -> Explanation:
    """Return the left-hand side of ``expression`` at ``end``, and in ``columns`` steps since ``start`` (aware). Raises
    LilFoxError."""
    parts = compared(expression)
    holds = await _by_labels(queries, expression, end)
    limits: dict[Labels, float] = {}
    if parts.right and parts.limit is None:
        limits = {
            _without_name(labels): value for labels, value in (await _by_labels(queries, parts.right, end)).items()
        }
    now = await _by_labels(queries, parts.left, end)
    lines: dict[Labels, list[float | None]] = {labels: [None] * columns for labels in now}
    step_s = max(1, (end - start) // timedelta(milliseconds=columns)) / 1000
    first = end - timedelta(seconds=(columns - 1) * step_s)
    first_ms = first.timestamp() * 1000
    for line in await queries.range(parts.left, first, end, step_s):
        values = lines.setdefault(line.labels.pairs, [None] * columns)
        for at_ms, value in zip(line.times.tolist(), line.values.tolist(), strict=True):
            place = min(max(0, round((at_ms - first_ms) / (step_s * 1000))), columns - 1)
            values[place] = value if math.isfinite(value) else None
    sides = [
        ComparisonSide(
            labels,
            now.get(labels),
            parts.limit if parts.limit is not None else _limit(labels, limits),
            labels in holds,
            tuple(values),
        )
        for labels, values in lines.items()
    ]
    sides.sort(key=lambda side: (not side.holds, side.value is None, side.labels))
    return Explanation(parts, tuple(sides[:MOST_SERIES]), max(0, len(sides) - MOST_SERIES), end)


def _written(node: object) -> str:
    """Return a part of an expression as people write it, without the empty braces that the parser adds to each name."""
    return _QUOTED_OR_EMPTY.sub(lambda found: found[1] or "", str(node))


async def _by_labels(queries: QueryEngine, text: str, at: datetime) -> dict[Labels, float]:
    value = await queries.instant(text, at)
    if isinstance(value, Vector):
        return {labels.pairs: number for labels, number in zip(value.labels, value.values.tolist(), strict=True)}
    return {(): value} if isinstance(value, float) else {}


def _limit(labels: Labels, limits: dict[Labels, float]) -> float | None:
    """Return the value that one series is compared with: a single number for all, or the series with the same
    labels."""
    return limits.get(_without_name(labels), limits.get(()))


def _without_name(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != NAME)


def _comparison_of(node: object) -> promql_parser.BinaryExpr | None:
    """The first comparison in a parsed expression; None without one."""
    if isinstance(node, promql_parser.ParenExpr):
        return _comparison_of(node.expr)
    if not isinstance(node, promql_parser.BinaryExpr):
        return None
    if str(node.op) in COMPARISONS:
        return node
    return _comparison_of(node.lhs) or _comparison_of(node.rhs)


def _number_of(node: object) -> float | None:
    """The value of a parsed number, with its sign; None for anything else."""
    if isinstance(node, promql_parser.ParenExpr):
        return _number_of(node.expr)
    if isinstance(node, promql_parser.UnaryExpr):
        inner = _number_of(node.expr)
        return None if inner is None else -inner
    return float(node.val) if isinstance(node, promql_parser.NumberLiteral) else None


@lru_cache(maxsize=2048)
def server_error_limit(expression: str, service: str) -> float | None:
    """Return the percentage of 5xx responses of ``service`` above which ``expression`` holds; None if it is about
    something else."""
    found = _server_errors(expression)
    return found.limit if found is not None and _is_of_service(found.matchers, service) else None


@lru_cache(maxsize=512)
def series_above(expression: str) -> frozenset[str]:
    """Return the names of the series of which ``expression`` says that they are above something; none if it says
    another thing."""
    sides = compared(expression)
    selectors = cached_parse(sides.left).selectors if sides.op in (">", ">=") else ()
    return frozenset(each.value for selector in selectors for each in selector if each.name == NAME and each.op == "=")


def level_given(view: HostView | ServiceView, place: int) -> Level:
    """The level that the reason at that place gives."""
    return view.level if place < len(view.reasons) - view.lesser else min(view.level, Level.DEGRADED)


def reasons_telling(view: View, expression: str) -> list[int]:
    """The places of the reasons that tell what an alert with that expression says: the 5xx responses of a service, or
    high values of a host."""
    if isinstance(view, HostView):
        above, series = series_above(expression), [series_told(each) for each in view.reasons]
        return [place for place, each in enumerate(series) if each in above] if above <= {*series} else []
    if not isinstance(view, ServiceView) or server_error_limit(expression, view.name) is None:
        return []
    return [place for place, each in enumerate(view.reasons) if each.text.startswith("5xx ")]


# ---- the limits in force: those of alert rules where there are some, else the configured thresholds ----------------


class _RuleLimit(NamedTuple):
    """The number that a value must exceed, and the matchers that say whose value; of a series, its name in ``metric``,
    of a histogram also the ``quantile``."""

    limit: float
    matchers: tuple[Matcher, ...]
    metric: str = ""
    quantile: float | None = None
    alert: str = ""
    urgency: int = 0


_HOST_VALUES: tuple[tuple[str, str, dict[str, str], float], ...] = (
    ("cpu_percent", "cpu_usage_percent", {}, 1.0),
    ("memory_percent", "memory_usage_percent", {}, 1.0),
    ("iowait_percent", "lilfox_host_cpu_ratio", {"mode": "iowait"}, 100.0),
    ("steal_percent", "lilfox_host_cpu_ratio", {"mode": "steal"}, 100.0),
)
"""Fields of Thresholds with the series that has their value: its name, its labels, and what its 1 is in percent."""
_HOST_METRICS = frozenset(metric for _field, metric, _labels, _percent in _HOST_VALUES)


class RuleLimits:
    """What the alert rules among ``rules`` compare with a number, as far as it is a value that LilFox judges or draws
    itself. Rules that cannot be evaluated, or that only inform, set no limit. Each rule is read once, here."""

    def __init__(self, rules: Sequence[RuleView]) -> None:
        self._of_hosts: list[_RuleLimit] = []
        self._of_errors: list[_RuleLimit] = []
        self._of_latency: list[_RuleLimit] = []
        for rule in rules:
            urgency = urgency_of(rule.labels.get("severity", ""))
            if rule.kind != "alert" or rule.error is not None or not urgency:
                continue
            for kept, read in (
                (self._of_hosts, _host_value),
                (self._of_errors, _server_errors),
                (self._of_latency, _latency),
            ):
                if (found := read(rule.expression)) is not None:
                    kept.append(found._replace(alert=rule.name, urgency=urgency))

    def of_host(self, name: str, address: str, thresholds: Thresholds) -> Thresholds:
        """Return ``thresholds`` with the limits of rules that compare just that value of the host."""
        changed = {}
        for field, metric, labels, percent in _HOST_VALUES if self._of_hosts else ():
            known = {"host": name, "instance": address or name, NAME: metric, **labels}
            found = [
                each._replace(limit=each.limit * percent)
                for each in self._of_hosts
                if each.metric == metric and all(matches(one, known.get(one.name, "")) for one in each.matchers)
            ]
            if found:
                changed[field] = _threshold(found)[0]
        return replace(thresholds, **changed) if changed else thresholds

    def of_service(self, name: str, thresholds: Threshold) -> ServiceLimits:
        """Return the limits of a service; ``thresholds`` are those of its 5xx responses where no rule sets any."""
        errors = [each for each in self._of_errors if _is_of_service(each.matchers, name)]
        latency = [
            LatencyLimit(each.metric, each.quantile, each.limit, each.alert, fails=each.urgency > 1)
            for each in sorted(self._of_latency)
            if _is_of_service(each.matchers, name)
        ]
        return ServiceLimits(*(_threshold(errors) if errors else (thresholds, "")), tuple(latency))


def _threshold(found: Iterable[_RuleLimit]) -> tuple[Threshold, str]:
    """The lowest limits of each urgency as a threshold, and the alert of the lowest of all; a warning that does not
    come first says nothing."""
    ordered = sorted(found)
    fail = next((each.limit for each in ordered if each.urgency > 1), None)
    warn = next((each.limit for each in ordered if each.urgency == 1), None)
    warn = warn if warn is None or fail is None or warn < fail else None
    return Threshold(warn=warn, fail=fail), next(each.alert for each in ordered if each.limit in (warn, fail))


def _server_errors(expression: str) -> _RuleLimit | None:
    """The percentage of 5xx responses with which an expression compares them."""
    sides = compared(expression)
    unit = sides.unit
    if sides.op not in (">", ">=") or sides.limit is None or unit not in ("ratio", "percent"):
        return None
    query = cached_parse(sides.left)
    matchers = tuple(each for one in query.selectors for each in one if each.name != NAME)
    status = {
        each.name
        for each in matchers
        if each.op in ("=", "=~") and each.name not in _SERVICE_LABELS and each.value.startswith(_SERVER_ERROR_WORDS)
    }
    if not status or not _is_of_whole_services(query, status):
        return None
    return _RuleLimit(sides.limit * 100 if unit == "ratio" else sides.limit, matchers)


def _is_of_service(matchers: Iterable[Matcher], service: str) -> bool:
    """Whether none of the matchers leaves the service out."""
    named = (each for each in matchers if each.name in _SERVICE_LABELS)
    return all((service in each.value.split("|")) is (each.op in ("=", "=~")) for each in named)


def _is_of_whole_services(query: Query, others: set[str]) -> bool:
    """Whether a query selects and groups by labels of services and the ``others`` alone; with more labels, such as that
    of a route, its values are those of parts of a service."""
    groupings = list(_groupings(query.tree))
    names = {each.name for one in query.selectors for each in one if each.name != NAME}
    names.update(name for each in groupings for name in each.names)
    return not any(each.without for each in groupings) and names <= _SERVICE_LABELS | others


def _groupings(node: Node) -> Iterator[Grouping]:
    if isinstance(node, Aggregation):
        yield node.grouping
    for child in children(node):
        yield from _groupings(child)


def _above(expression: str) -> tuple[Node, float] | None:
    """What the whole of ``expression`` compares with a number that it must exceed, and that number."""
    try:
        tree = cached_parse(expression).tree
    except LilFoxError:
        return None
    if not isinstance(tree, BinaryOperation) or tree.op not in (">", ">=") or tree.as_bool:
        return None
    return (tree.left, tree.right.value) if isinstance(tree.right, NumberLiteral) else None


def _name_of(matchers: Iterable[Matcher]) -> str:
    return next((each.value for each in matchers if each.name == NAME and each.op == "="), "")


def _host_value(expression: str) -> _RuleLimit | None:
    """The number with which an expression compares the newest value of a series of hosts."""
    sides = _above(expression)
    if sides is None or not isinstance(sides[0], Selector) or sides[0].shift != (0, None):
        return None
    metric = _name_of(sides[0].matchers)
    return _RuleLimit(sides[1], sides[0].matchers, metric) if metric in _HOST_METRICS else None


def _latency(expression: str) -> _RuleLimit | None:
    """The seconds with which an expression compares a quantile of the latencies of whole services."""
    sides = _above(expression)
    if sides is None or unit_of(expression) != "seconds":
        return None
    call = sides[0]
    if not isinstance(call, FunctionApplication) or call.function.name != "histogram_quantile":
        return None
    quantile, inner = call.arguments
    query = cached_parse(expression)
    if not isinstance(quantile, NumberLiteral) or not isinstance(inner, Aggregation) or len(query.selectors) != 1:
        return None
    matchers = query.selectors[0]
    if not _is_of_whole_services(query, {"le"}):
        return None
    return _RuleLimit(sides[1], matchers, _name_of(matchers).removesuffix("_bucket"), quantile.value)
