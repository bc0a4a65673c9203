"""The linter's model: known series, remarks and warnings, and parts of expressions as text for its hints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.core.i18n import Message
from lilfox_tui.promql.tree import Aggregation, Node, NumberLiteral, Selector, children
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.labels import NAME, LabelSet, Matcher, duration_text, quoted, shortest
from lilfox_tui.scrape.store import SeriesSource


class Remark(NamedTuple):
    """One remark on a rule: its line, its code, the problem, and what to write instead (often an expression)."""

    line: int
    code: str
    what: Message
    hint: Message | str


class RuleWarning(Struct, frozen=True):
    """A remark with its file, group and rule. ``rule`` is the name of the alert or of the recorded series; names are
    untrusted text."""

    file: str
    line: int
    group: str
    rule: str
    code: str
    what: Message
    hint: Message | str


MADE_BY_SCRAPES = frozenset({
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
})  # fmt: skip
MADE_BY_ALERTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
OF_HOSTS = frozenset({"cpu_usage_percent", "memory_usage_percent"})
"""Gauges that LilFox gives of each host by itself; nothing else exports them."""
_OF_HOSTS_TOO = "lilfox_"


class KnownSeries(Struct, frozen=True):
    """The series of ``source`` at ``at_ms``. ``types`` are the known metric types, ``recorded`` the names that rules
    record. ``scraped``: whether ``source`` also holds the series that scrapes generate, such as ``up``."""

    source: SeriesSource
    at_ms: int
    types: Mapping[str, str] = {}
    recorded: Collection[str] = ()
    scraped: bool = False

    def type_of(self, name: str) -> str:
        """Return the type of a metric, empty if unknown. Also finds a counter under its OpenMetrics name, without
        ``_total``."""
        return self.types.get(name) or self.types.get(name.removesuffix("_total"), "")

    def has(self, matchers: tuple[Matcher, ...]) -> bool:
        """Return whether a selector selects a series, or names one that LilFox or a rule generates."""
        name = name_of(matchers)
        made = MADE_BY_ALERTS | OF_HOSTS if self.scraped else MADE_BY_ALERTS | OF_HOSTS | MADE_BY_SCRAPES
        if name in made or name in self.recorded or name.startswith(_OF_HOSTS_TOO):
            return True
        return any(True for _labels in self.series(matchers))

    def series(self, matchers: tuple[Matcher, ...]) -> Iterator[LabelSet]:
        """Yield the series that a selector selects."""
        begin = self.at_ms - PROMETHEUS_3.lookback_ms
        for found in self.source.select(matchers, begin, self.at_ms):
            yield from found.labels


def name_of(matchers: tuple[Matcher, ...]) -> str:
    """Return the metric name in the matchers of a selector, empty if there is none."""
    return next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), "")


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all its descendants."""
    yield node
    for child in children(node):
        yield from walk(child)


def selector_text(selector: Selector, *, leave_out: str = "") -> str:
    """Return the selector as text, ``name{label="value"}[5m]``, without the matchers of the label ``leave_out`` and
    without offset."""
    name = next((matcher.value for matcher in selector.matchers if _is_name(matcher)), "")
    rest = ", ".join(
        matcher_text(matcher) for matcher in selector.matchers if not _is_name(matcher) and matcher.name != leave_out
    )
    span = "" if selector.range_ms is None else f"[{duration_text(selector.range_ms)}]"
    return f"{name}{{{rest}}}{span}" if rest or not name else name + span


def matcher_text(matcher: Matcher) -> str:
    """Return the matcher as a selector would write it."""
    return f"{matcher.name}{matcher.op}{quoted(matcher.value)}"


def _is_name(matcher: Matcher) -> bool:
    return matcher.name == NAME and matcher.op == "="


def grouping_text(node: Aggregation) -> str:
    """Return the head of an aggregation as text, such as ``sum by (job)``, with a trailing space."""
    names = ", ".join(node.grouping.names)
    if not names and not node.grouping.without:
        return f"{node.op}"
    return f"{node.op} {'without' if node.grouping.without else 'by'} ({names}) "


def number_text(node: NumberLiteral) -> str:
    """Return the number as an expression would write it."""
    return shortest(node.value)
