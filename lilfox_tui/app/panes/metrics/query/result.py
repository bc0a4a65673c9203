"""The result of a PromQL query: its series with their values, their order, their unit, and why there are none. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct

from lilfox_tui.app.rendering.chart import Values
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message
from lilfox_tui.core.text import human_bytes, human_count, human_duration, time_at
from lilfox_tui.promql.operators import COMPARISONS
from lilfox_tui.promql.query import cached_parse
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    Subquery,
)
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelSet

Order: TypeAlias = Literal["highest", "lowest", "labels"]
MOST_SERIES: Final = 500
"""Series that are shown and copied; of more only the number is told."""
_WHOLE_BELOW: Final = 1e15
ORDERS: Final[tuple[Order, ...]] = ("highest", "lowest", "labels")


class QueryAnswer(Struct, frozen=True):
    """The result of a query ``text`` at ``at`` (aware UTC): the ``value``, and ``lines`` over the preceding window in
    steps of ``step_s``; or an ``error``. ``notes`` are the warnings of the server; ``reasons`` say why there is no
    series."""

    text: str
    at: datetime
    window: timedelta
    step_s: float
    value: Value | None = None
    lines: Sequence[Line] = ()
    error: LilFoxError | None = None
    notes: Sequence[str] = ()
    reasons: Sequence[Message] = ()

    @property
    def columns(self) -> int:
        """The number of steps in the window; the last one is the present."""
        return round(self.window.total_seconds() / self.step_s)

    def time_of(self, column: int) -> datetime:
        """The time of a column."""
        return self.at - timedelta(seconds=(self.columns - 1 - column) * self.step_s)


class ResultSeries(Struct, frozen=True):
    """A series of a result: its current value, None if it has none now, and its values by column."""

    labels: LabelSet
    value: float | None
    values: Values

    def at(self, column: int | None) -> float | None:
        """The value in a column, or the current one."""
        return self.value if column is None else self.values[column]


def series_of(answer: QueryAnswer | None, order: Order = "labels") -> list[ResultSeries]:
    """The first MOST_SERIES series of an answer in that order; those without a current value come last, and of values
    that are equal the one with the first labels."""
    if answer is None:
        return []
    past, now = _lines_and_values(answer)
    values: dict[LabelSet, float | None] = {**dict.fromkeys(past), **now}
    first = sorted(values, key=lambda labels: (*_rank(values[labels], order), labels.pairs))[:MOST_SERIES]
    unknown: Values = [None] * answer.columns
    return [
        ResultSeries(labels, values[labels], _in_columns(past[labels], answer) if labels in past else unknown)
        for labels in first
    ]


def count_series(answer: QueryAnswer | None) -> int:
    """The number of series in an answer."""
    if answer is None:
        return 0
    past, now = _lines_and_values(answer)
    return len(past.keys() | now.keys())


def _lines_and_values(answer: QueryAnswer) -> tuple[dict[LabelSet, Line], dict[LabelSet, float]]:
    past = {line.labels: line for line in answer.lines}
    match answer.value:
        case Vector():
            return past, dict(zip(answer.value.labels, answer.value.values.tolist(), strict=True))
        case Matrix():
            lines = answer.value.lines
            now = {line.labels: float(line.values[-1]) for line in lines if len(line.values)}
            return {line.labels: line for line in lines}, now
        case float():
            return past, {LabelSet(()): answer.value}
    return past, {}


def _rank(value: float | None, order: Order) -> tuple[int, float]:
    if value is None or math.isnan(value):
        return (2 if value is None else 1), 0.0
    return 0, 0.0 if order == "labels" else value if order == "lowest" else -value


def _in_columns(line: Line, answer: QueryAnswer) -> Values:
    """The values of a line by column; None where there is no finite one."""
    columns, end_ms = answer.columns, answer.at.timestamp() * 1000
    places = columns - 1 - np.rint((end_ms - line.times) / (answer.step_s * 1000)).astype(np.int64)
    fits = (places >= 0) & (places < columns) & np.isfinite(line.values)
    values = np.full(columns, np.nan)
    values[places[fits]] = line.values[fits]
    return [None if math.isnan(value) else value for value in values.tolist()]


def first_column(series: Sequence[ResultSeries]) -> int:
    """The column from which a chart of the series begins: that of the oldest value if the data is younger than half of
    the window, else 0."""
    known = [
        next((place for place, value in enumerate(each.values) if value is not None), len(each.values))
        for each in series
    ]
    oldest, columns = min(known, default=0), len(series[0].values) if series else 0
    return oldest if columns / 2 < oldest < columns - 1 else 0


def split_labels(series: Sequence[ResultSeries]) -> tuple[LabelSet, list[str]]:
    """The labels that all series have in common (of a single series none), and the names of the others: the metric
    first, then as they are sorted."""
    if not series:
        return LabelSet(()), []
    common = dict(series[0].labels.pairs) if len(series) > 1 else {}
    names: dict[str, None] = {}
    for each in series:
        own = dict(each.labels.pairs)
        common = {name: value for name, value in common.items() if own.get(name) == value}
        names.update(dict.fromkeys(own))
    others = [name for name in names if name not in common]
    return LabelSet.of(common), sorted(others, key=lambda name: (name != NAME, name))


def as_text(series: Sequence[ResultSeries], column: int | None) -> str:
    """The series and their values as lines of text in Prometheus notation."""
    return "\n".join(f"{each.labels} {_exact(each.at(column))}" for each in series)


def _exact(value: float | None) -> str:
    if value is None:
        return "-"
    if not math.isfinite(value):
        return _not_finite(value)
    return f"{value:.0f}" if value == round(value) and abs(value) < _WHOLE_BELOW else repr(value)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


# ---- units ---------------------------------------------------------------------------------------------------------


Unit: TypeAlias = Literal["", "bytes", "seconds", "ratio", "time", "per second", "bytes per second"]
_SUFFIXES: Final[dict[str, Unit]] = {
    "_timestamp_seconds": "time", "_time_seconds": "time", "_bytes": "bytes", "_seconds": "seconds", "_ratio": "ratio",
}  # fmt: skip
_COUNTED: Final = ("_total", "_sum", "_bucket")
_RATES: Final = ("rate", "irate")
_COUNTS: Final = ("count", "group", "count_values", "stdvar")
_SAME: Final = frozenset(
    ("increase", "delta", "idelta", "abs", "ceil", "floor", "round", "clamp", "clamp_max", "clamp_min", "sort",
     "sort_desc", "sort_by_label", "sort_by_label_desc", "label_replace", "label_join", "avg_over_time",
     "min_over_time", "max_over_time", "sum_over_time", "last_over_time", "quantile_over_time")
)  # fmt: skip


@lru_cache(maxsize=64)
def unit_of(text: str) -> Unit:
    """The unit of a query's values, as the names of its metrics and its functions tell; empty if they do not."""
    try:
        return _unit(cached_parse(text).tree)
    except LilFoxError:
        return ""


def _unit(node: Node) -> Unit:
    match node:
        case Selector():
            name = next((each.value for each in node.matchers if each.name == NAME and each.op == "="), "")
            return _of_name(name)
        case Negation() | Subquery():
            return _unit(node.inner)
        case Aggregation():
            return "" if node.op in _COUNTS else _unit(node.inner)
        case FunctionApplication():
            return _of_function(node)
        case BinaryOperation():
            return _of_operation(node)
    return ""


def _of_name(name: str) -> Unit:
    for suffix in _COUNTED:
        name = name.removesuffix(suffix)
    return next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), "")


def _of_function(node: FunctionApplication) -> Unit:
    inner: Unit = next((_unit(each) for each in node.arguments if not isinstance(each, NumberLiteral)), "")
    name = node.function.name
    if name in _RATES:
        rates: dict[Unit, Unit] = {"": "per second", "bytes": "bytes per second"}
        return rates.get(inner, "")
    if name == "histogram_quantile":
        bucket = _bucket(node.arguments[-1])
        return "" if bucket is None else _of_name(bucket)
    return inner if name in _SAME else ""


def _bucket(node: Node) -> str | None:
    """The name of the histogram below a quantile."""
    match node:
        case Selector():
            return next((each.value for each in node.matchers if each.name == NAME and each.op == "="), None)
        case Aggregation() | Negation() | Subquery():
            return _bucket(node.inner)
        case FunctionApplication() if node.arguments:
            return _bucket(node.arguments[-1])
    return None


def _of_operation(node: BinaryOperation) -> Unit:
    if node.as_bool:
        return ""
    left, right = _unit(node.left), _unit(node.right)
    if node.op in COMPARISONS or node.op in ("and", "unless"):
        return left
    return left if node.op in ("+", "-", "or") and left == right else ""


_PLAIN_BELOW: Final = 1e7
_EXACT_BELOW: Final = 1000
_SHORT_BELOW: Final = 999.5
_LEAST_SHORT: Final = 0.01


def quantity(value: float | None, unit: Unit) -> str:
    """A value with its unit: ``60``, ``8 ms``, ``1.2 MB/s``, ``94 %``; ``-`` if it is unknown."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return _not_finite(value)
    match unit:
        case "bytes" | "bytes per second":
            return _bytes(value) + ("/s" if unit != "bytes" else "")
        case "seconds":
            return human_duration(value) if abs(value) >= 0.0095 or not value else f"{value * 1000:.3g} ms"
        case "ratio":
            return f"{value * 100:.3g} %"
        case "time":
            return time_at(value).strftime("%Y-%m-%d %H:%M:%S")
        case "per second":
            return f"{_number(value)}/s"
    return _number(value)


def _number(value: float) -> str:
    if abs(value) < _EXACT_BELOW:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) < _PLAIN_BELOW else human_count(value)


def _bytes(value: float) -> str:
    text = human_bytes(value)
    number, letter = text[:-1], text[-1]
    return f"{number} B" if letter == "B" else f"{number} {'k' if letter == 'K' else letter}B"


def axis_label(value: float, unit: Unit) -> str:
    """A value in about 6 cells, for an axis."""
    match unit:
        case "bytes" | "bytes per second":
            return human_bytes(value)
        case "seconds":
            size = abs(value)
            scale, letters = (1e6, "us") if 0 < size < 0.001 else (1000, "ms") if size < 1 else (1, "s")
            return _short(value * scale) + letters
        case "ratio":
            return _short(value * 100) + "%"
    return _short(value)


def _short(value: float) -> str:
    if value and abs(value) < _LEAST_SHORT:
        return f"{value:.0e}"
    if abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:.3g}" if abs(value) < _SHORT_BELOW else human_count(value)
