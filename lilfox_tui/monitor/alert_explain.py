"""Explains why an alert fires: the left-hand side of its expression, now and over time, beside the value it is compared
with; and the limits that rules set for 5xx responses.

Imports numpy and the parser of PromQL."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import promql_parser
from msgspec import Struct

from lilfox_tui.core.units import ValueUnit
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.operators import COMPARISONS
from lilfox_tui.promql.query import QueryEngine, cached_parse
from lilfox_tui.promql.units import unit_of
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import NAME

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
    sides = compared(expression)
    unit = sides.unit
    if sides.op not in (">", ">=") or sides.limit is None or unit not in ("ratio", "percent"):
        return None
    matchers = [each for selector in cached_parse(sides.left).selectors for each in selector if each.name != NAME]
    if not any(
        each.op in ("=", "=~") and each.name not in _SERVICE_LABELS and each.value.startswith(_SERVER_ERROR_WORDS)
        for each in matchers
    ):
        return None
    for each in matchers:
        if each.name in _SERVICE_LABELS and (service in each.value.split("|")) is not (each.op in ("=", "=~")):
            return None
    return sides.limit * 100 if unit == "ratio" else sides.limit


@lru_cache(maxsize=512)
def series_above(expression: str) -> frozenset[str]:
    """Return the names of the series of which ``expression`` says that they are above something; none if it says
    another thing."""
    sides = compared(expression)
    selectors = cached_parse(sides.left).selectors if sides.op in (">", ">=") else ()
    return frozenset(each.value for selector in selectors for each in selector if each.name == NAME and each.op == "=")
