"""The names that queries use: loaded for completion, why a query that names them has no series, a better query for
counters, how new the samples are that a query counts, and whether they fill its ranges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from msgspec.structs import replace

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.promql.completion import KnownNames, NameIndex, near_names
from lilfox_tui.promql.lexer import tokens
from lilfox_tui.promql.operators import COMPARISONS
from lilfox_tui.promql.query import Query, QueryEngine, cached_parse
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Node,
    Selector,
    Shift,
    children,
)
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, Matcher, matches, selector_text

NAMES_OF: Final = timedelta(hours=1)
"""Names are those of the series that had samples in this time."""
AGAIN_S: Final = 1.0
"""Before names are asked for again where there were none: the console may have just started."""


class QuerySource(Protocol):
    """What answers queries: ``Queries`` of the monitor."""

    def engine(self) -> QueryEngine | None:
        """Return the engine, or None while there is nothing to query."""
        ...

    @property
    def has_nothing(self) -> bool:
        """Whether there is nothing to query, and will be nothing with this configuration."""
        ...

    async def families(self) -> Mapping[str, Family]:
        """Return type and help of metrics by name. Raises LilFoxError."""
        ...


class NameLoader:
    """Loads names until ``at`` (aware UTC; None: now), and passes all that are known to ``learned`` whenever there are
    more. What cannot be loaded is not offered: the query itself says why."""

    def __init__(self, source: QuerySource, at: datetime | None, learned: Callable[[KnownNames], None]) -> None:
        self._source, self._at, self._learned = source, at, learned
        self._known = KnownNames()
        self._asked: set[tuple[str, str]] = set()

    async def load_metrics(self) -> None:
        """Loads the names of metrics, then their types and help; repeats until there are some."""
        while not self._known.metrics:
            engine, (start, end) = self._source.engine(), self._times()
            if engine is not None:
                with suppress(LilFoxError):
                    names = await engine.label_values("", NAME, start, end)
                    self._learn(metrics=await asyncio.to_thread(NameIndex, names))
                    self._learn(families=await self._source.families())
            if not self._known.metrics:
                await asyncio.sleep(AGAIN_S)

    def is_new(self, wanted: tuple[str, str]) -> bool:
        """Whether these names were not asked for before; from now on they are."""
        is_new = wanted not in self._asked
        self._asked.add(wanted)
        return is_new

    async def load_labels(self, metric: str, label: str) -> None:
        """Loads the values of a label of a metric; the labels of the metric if ``label`` is empty."""
        engine, (start, end) = self._source.engine(), self._times()
        if engine is None:
            return
        with suppress(LilFoxError):
            if label:
                index = NameIndex(await engine.label_values(metric, label, start, end))
                self._learn(values={**self._known.values, (metric, label): index})
            else:
                index = NameIndex(await engine.label_names(metric, start, end))
                self._learn(labels={**self._known.labels, metric: index})

    def _times(self) -> tuple[datetime, datetime]:
        end = self._at or datetime.now(UTC)
        return end - NAMES_OF, end

    def _learn(self, **more: Any) -> None:
        self._known = replace(self._known, **more)
        self._learned(self._known)


# Why a query has no series: a metric, a label or a value that does not exist, or a comparison that no value passes.


_SELECTORS: Final = 3
"""Of a query that are looked at."""
_SHOWN: Final = 5


async def why_empty(
    engine: QueryEngine, text: str, metrics: NameIndex, start: datetime, end: datetime
) -> Sequence[Message]:
    """Return why the query ``text`` has no series at ``end`` (aware), in sentences; empty if that is not known.
    ``metrics`` are the names of all metrics since ``start``. Costs some small queries."""
    with suppress(LilFoxError):
        query = cached_parse(text)
        found = []
        for matchers in list(dict.fromkeys(query.selectors))[:_SELECTORS]:
            found += await _why_no_series(engine, matchers, metrics, start, end)
        return found or _why_none_is_left(query)
    return ()


async def _why_no_series(
    engine: QueryEngine, matchers: tuple[Matcher, ...], metrics: NameIndex, start: datetime, end: datetime
) -> list[Message]:
    """Why a selector selects nothing; empty if it does."""
    metric = next((each.value for each in matchers if each.name == NAME and each.op == "="), "")
    if metric and metrics and metric not in metrics:
        near = await asyncio.to_thread(near_names, metric, metrics)
        if near:
            return [tr("no metric is named {name}; similar names: {names}", name=metric, names=listed(near))]
        return [tr("no metric is named {name}", name=metric)]
    count = await engine.instant(f"count({selector_text(matchers)})", end)
    if isinstance(count, Vector) and len(count.values):
        return []
    for each in matchers:
        if each.name != NAME and (why := await _why_not(engine, metric, each, start, end)) is not None:
            return [why]
    return [tr("no series matches {selector}", selector=selector_text(matchers))]


async def _why_not(
    engine: QueryEngine, metric: str, matcher: Matcher, start: datetime, end: datetime
) -> Message | None:
    """Why no series of the metric passes one condition; None if one does."""
    values = await engine.label_values(metric, matcher.name, start, end)
    if any(matches(matcher, value) for value in values) or matches(matcher, ""):
        return None
    condition = selector_text((matcher,))
    if not values:
        labels = await engine.label_names(metric, start, end)
        near = [name for name in labels if name != NAME][:_SHOWN]
        return tr("no series has the label {label}; labels: {names}", label=matcher.name, names=listed(near) or "-")
    near = await asyncio.to_thread(near_names, matcher.value, values) or values[:_SHOWN]
    return tr("no series matches {condition}; values: {values}", condition=condition, values=listed(near))


def _why_none_is_left(query: Query) -> list[Message]:
    """Where all selectors select series."""
    tree = query.tree
    if isinstance(tree, BinaryOperation) and tree.op in COMPARISONS and not tree.as_bool:
        return [tr("no value passes the comparison {op}; query its left side alone to see the values", op=tree.op)]
    if isinstance(tree, BinaryOperation):
        return [tr("the two sides of {op} have no series with the same labels; see on() and ignoring()", op=tree.op)]
    return [tr("the selected series exist; a range may hold fewer than the two samples that a rate needs")]


# A better query where one gives what was counted since a program started.


_WINDOW: Final = "1m"
_WINDOW_OF_REMOTE: Final = "5m"
"""Over which a rate is made: of what is scraped every few seconds here, and by a Prometheus at most every minute or
so."""


_OF_RATES: Final = frozenset(("avg", "bottomk", "max", "min", "quantile", "sum", "topk"))
"""Aggregations that tell something of rates."""


class BetterQuery(NamedTuple):
    """A query that tells more than the values of a counter: their rate, or a ``quantile`` of a histogram."""

    text: str
    quantile: bool = False


def better_query(text: str, known: KnownNames, *, remote: bool) -> BetterQuery | None:
    """Return what to ask instead of a counter, or of an aggregation of one; None where ``text`` asks for something
    else."""
    with suppress(LilFoxError):
        tree = cached_parse(text).tree
        selector = tree.inner if isinstance(tree, Aggregation) and tree.op in _OF_RATES else tree
        if not isinstance(selector, Selector) or selector.range_ms is not None or selector.shift != Shift(0, None):
            return None
        name = next((each.value for each in selector.matchers if each.name == NAME and each.op == "="), "")
        found = _text_of_selector(text, name)
        if found is None or not is_counter(name, known):
            return None
        start, end = found
        rate = f"rate({text[start:end]}[{_WINDOW_OF_REMOTE if remote else _WINDOW}])"
        quantile = name.endswith("_bucket") and isinstance(tree, Selector)
        rate = f"histogram_quantile(0.95, sum by (job, le) ({rate}))" if quantile else rate
        asked = text[:start] + rate + text[end:]
        cached_parse(asked)
        return BetterQuery(asked, quantile)
    return None


def is_counter(name: str, known: KnownNames) -> bool:
    """Return whether a metric only grows, as far as its type tells; without one its name does."""
    family = known.family(name)
    kind = "unknown" if family is None else family.type
    if kind in ("histogram", "summary"):
        return name.endswith(("_bucket", "_count", "_sum"))
    return kind == "counter" or (kind == "unknown" and name.endswith(("_total", "_bucket")))


def _text_of_selector(text: str, name: str) -> tuple[int, int] | None:
    """Where the only selector of that metric stands; None if that cannot be told."""
    found = list(tokens(text))
    places = [place for place, each in enumerate(found) if each.text == name]
    if len(places) != 1 or "#" in text:
        return None
    first = found[places[0]]
    rest = found[places[0] + 1 :]
    if not rest or rest[0].text != "{":
        return first.position, first.position + len(name)
    close = next((each for each in rest if each.text == "}"), None)
    return None if close is None else (first.position, close.position + 1)


# How new the samples are that a query counts, and whether they fill its ranges.


_COUNTING: Final = frozenset(("delta", "deriv", "idelta", "increase", "irate", "rate"))


async def newest_counted(engine: QueryEngine, text: str, at: datetime) -> datetime | None:
    """Return when the newest sample before ``at`` (aware UTC) was taken of those that the query makes rates of; None if
    it makes none, or that is not known. Costs some small queries."""
    newest: list[datetime] = []
    with suppress(LilFoxError):
        for matchers, _range_ms in list(dict.fromkeys(_counted(cached_parse(text).tree, _COUNTING)))[:_SELECTORS]:
            found = await engine.instant(f"max(timestamp({selector_text(matchers)}))", at)
            if isinstance(found, Vector) and len(found.values):
                newest.append(datetime.fromtimestamp(float(found.values[0]), UTC))
    return max(newest, default=None)


_SUMMING: Final = frozenset(("count_over_time", "delta", "increase", "rate", "sum_over_time"))
"""What these give of a range that samples do not fill is less than what they give of one that is full."""
_STEPS: Final = 240
"""Of the question when samples begin."""


class FilledRange(NamedTuple):
    """When the range of a query first has samples over all of its length (aware UTC), and that length."""

    at: datetime
    length: timedelta


async def filled_range(engine: QueryEngine, text: str, start: datetime, end: datetime) -> FilledRange | None:
    """Return when the ranges of a query are full, by the first sample, if samples begin so late that those of its
    values from ``start`` to ``end`` (aware) are not; None if they are, or that is not known. Costs some small
    queries."""
    found: list[FilledRange] = []
    with suppress(LilFoxError):
        for matchers, range_ms in list(dict.fromkeys(_counted(cached_parse(text).tree, _SUMMING)))[:_SELECTORS]:
            length = timedelta(milliseconds=range_ms)
            begin = start - length
            step_s = max(1.0, (end - begin).total_seconds() / _STEPS)
            samples = f"count({selector_text(matchers)})"
            first = await _first(engine, samples, begin, end, step_s)
            if first is None or first <= begin + timedelta(seconds=step_s):
                continue
            if step_s > 1.0:
                before = first - timedelta(seconds=step_s)
                first = await _first(engine, samples, before, first, max(1.0, step_s / _STEPS)) or first
            stamp = await engine.instant(f"min(timestamp({selector_text(matchers)}))", first)
            if isinstance(stamp, Vector) and len(stamp.values):  # not by a step, which moves with the present
                first = datetime.fromtimestamp(float(stamp.values[0]), UTC)
            if first + length > start:
                found.append(FilledRange(first + length, length))
    return max(found, default=None)


async def _first(engine: QueryEngine, text: str, start: datetime, end: datetime, step_s: float) -> datetime | None:
    """The time of the first value of a query, to ``step_s``."""
    lines = await engine.range(text, start, end, step_s)
    first = min((float(line.times[0]) / 1000 for line in lines if len(line.times)), default=None)
    return None if first is None else datetime.fromtimestamp(first, UTC)


def _counted(node: Node, functions: frozenset[str]) -> Iterator[tuple[tuple[Matcher, ...], int]]:
    """The selectors of ranges, up to the present, that one of the functions is applied to, and their ranges."""
    if isinstance(node, FunctionApplication) and node.function.name in functions:
        for each in node.arguments:
            if isinstance(each, Selector) and each.range_ms and not each.shift.offset_ms and each.shift.at is None:
                yield each.matchers, each.range_ms
    for child in children(node):
        yield from _counted(child, functions)
