"""Checks that find rules and expressions that are valid but do not mean what they seem to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from lilfox_tui.alerts.lint.model import (
    OF_HOSTS,
    KnownSeries,
    Remark,
    grouping_text,
    matcher_text,
    name_of,
    number_text,
    selector_text,
    walk,
)
from lilfox_tui.alerts.model import SAYING
from lilfox_tui.alerts.rules import Rule
from lilfox_tui.alerts.template.values import parse_float
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.promql.operators import COMPARISONS, SETS
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    Subquery,
    value_kind,
)
from lilfox_tui.scrape.labels import NAME, LabelSet, Matcher, matches, openmetrics_number

# The types of metrics: what their targets or a Prometheus say, else what is sure of well-known exporters and of names.
#
# A name alone tells little: of 42 comparisons of a ``…_total`` in public rules 24 were of gauges.


MetricType = Literal["counter", "gauge", ""]
_GAUGES = re.compile(
    r"""node_memory_\w+_bytes | node_load(?:1|5|15) | node_filesystem_(?:avail|free|size)_bytes
    | node_filesystem_files(?:_free)? | node_hwmon_temp_celsius | node_boot_time_seconds | node_procs_running
    | process_(?:resident|virtual)_memory_bytes | process_(?:open|max)_fds | process_start_time_seconds
    | go_goroutines | go_threads | go_memstats_(?:heap|stack|mspan|mcache)_\w+_bytes
    | container_memory_(?:usage|working_set|rss|cache|swap)(?:_bytes)? | container_fs_(?:usage|limit)_bytes
    | kube_(?:node|pod|deployment|statefulset|daemonset|job|horizontalpodautoscaler)_(?:status|spec)_(?!\w*_total)\w+
    | redis_(?:memory_(?:used|max)_bytes|connected_(?:clients|slaves)) | pg_stat_activity_count | pg_database_size_bytes
    | mysql_global_status_threads_(?:connected|running) | up | \w+_up | probe_success | probe_ssl_\w+_expiry""",
    re.VERBOSE,
)
"""Of node_exporter, cAdvisor, kube-state-metrics, those of Redis, PostgreSQL and MySQL, and clients' libraries."""
_EVENT = re.compile(
    r"errors?|fail(?:ed|ures?)|faults?|evict(?:ed|ions?)|drop(?:ped|s)?|reject(?:ed|ions?)|abort(?:ed|s)?|retr(?:y|ies)"
    r"|timeouts?|panics?|exceptions?|crash(?:es)?|restarts?|changes|discard(?:ed|s)?|kills?|oom|(?>[a-z]*?(?:Failed|failed)\w*)"
)
"""What is counted each time it happens."""
_STATE = re.compile(
    r"pending|queued?|unapplied|unhealthy|offline|online|(?:in)?active|current|open|running|waiting|capacity|mem(?:ory)?"
)
_THING = re.compile(
    r"nodes?|disks?|drives?|jobs?|pods?|targets?|rules?|groups?|members?|replicas?|instances?|shards?|backups?|tables?"
)
"""Of which several may be in a state now: ``failed_nodes_total``, but not ``backup_failures_total``."""


def metric_type(name: str, known: KnownSeries | None) -> MetricType:
    """Return ``counter`` or ``gauge`` if the metric's type is certain, else an empty string."""
    told = known.type_of(name) if known is not None else ""
    if told in ("counter", "gauge"):
        return "counter" if told == "counter" else "gauge"
    if told and told not in ("unknown", "untyped"):
        return ""
    if _GAUGES.fullmatch(name):
        return "gauge"
    *words, last = name.split("_")
    if last != "total" or not words or any(map(_STATE.fullmatch, words)):
        return ""
    if _EVENT.fullmatch(words[-1]):
        return "counter"
    return "counter" if any(map(_EVENT.fullmatch, words)) and not any(map(_THING.fullmatch, words)) else ""


# Checks on expressions: what parses and still does not mean what it looks like.


_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_RATES = frozenset({"rate", "irate", "increase"})
_STATUS = re.compile(r"(?:http_)?(?:response_)?(?:status|code|status_code|outcome|result)|http_response_status_code")
_OF_ERRORS = re.compile(r"\^?[\[(]?5|SERVER_ERROR")
_OF_REQUESTS = re.compile(r"(?:.*_)?requests?_(?:duration|latency|time|seconds|milliseconds)(?:_.*)?")
"""Histograms of requests have labels such as path and status, as nobody asks each program alone."""
_OF_A_TARGET = ("job", "instance", "le")
_WHOLE_NUMBER = re.compile(r"-?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]+)?")
_WITHOUT_COMPARISON = frozenset({"absent", "absent_over_time", "changes", "resets"})
_ABOUT_A_THING = re.compile(r".*_(?:info|labels|metadata|annotations)")
"""Such a series tells by its labels alone; its value is always 1."""
_IN_PROMETHEUS = {
    "cpu_usage_percent": '100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))',
    "memory_usage_percent": "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
}


class ThresholdComparison(NamedTuple):
    """A comparison with a number, rearranged so that the number is on the right."""

    left: Node
    op: str
    number: NumberLiteral

    def text(self, left: str) -> str:
        """Return the comparison as text, with ``left`` as its left side."""
        return f"{left} {self.op} {number_text(self.number)}"


def threshold(node: Node) -> ThresholdComparison | None:
    """Return ``node`` as a threshold comparison; None if it does not compare something with a number."""
    if not isinstance(node, BinaryOperation) or node.op not in COMPARISONS:
        return None
    if isinstance(node.right, NumberLiteral):
        return ThresholdComparison(node.left, node.op, node.right)
    if isinstance(node.left, NumberLiteral):
        return ThresholdComparison(node.right, _TURNED.get(node.op, node.op), node.left)
    return None


def query_remarks(rule: Rule, known: KnownSeries | None) -> Iterator[Remark]:
    """Yield the remarks on a rule's expression."""
    line = rule.place.expression
    tree = rule.query.tree
    if rule.kind == "alert":
        yield from _never_quiet(tree, line)
    for node in walk(tree):
        found = threshold(node)
        if found is not None:
            yield from _not_a_ratio(found, line)
            yield from _each_series_alone(found, line, known)
            yield from _counter_as_it_is(found, line, known)
            yield from _of_hosts(found, line)
        if isinstance(node, Selector):
            yield from _bounds_as_text(node, line)
        if isinstance(node, FunctionApplication):
            yield from _rate_of_a_gauge(node, line, known)
    yield from _selects_nothing(rule, known)


def _never_quiet(tree: Node, line: int) -> Iterator[Remark]:
    """Report an alert whose expression has a result for every series, whatever its value. A selector with label
    conditions needs no comparison: its series exist only while something is wrong."""
    nodes = list(walk(tree))
    if isinstance(tree, BinaryOperation) and tree.op in COMPARISONS and tree.as_bool:
        what = tr("with bool, {op} returns 0 or 1 for each series, and an alert fires for both", op=tree.op)
        yield Remark(line, "bool", what, tr("remove bool"))
        return
    for node in nodes:
        if isinstance(node, BinaryOperation) and (node.op in COMPARISONS or node.op in ("and", "unless")):
            return
        if isinstance(node, FunctionApplication) and node.function.name in _WITHOUT_COMPARISON:
            return
    selectors = [node for node in nodes if isinstance(node, Selector)]
    if not selectors or any(name_of(selector.matchers) == "ALERTS" for selector in selectors):
        return  # one that is meant to fire always, or where another alert does
    inner = tree
    while isinstance(inner, Aggregation) and (inner.op in ("count", "group") or _tells_by_labels(inner.inner)):
        inner = inner.inner
    if isinstance(inner, Selector) and (len(inner.matchers) > 1 or _tells_by_labels(inner)):
        return
    what = tr("no comparison: it fires for every series that the expression returns, whatever its value")
    yield Remark(line, "no-comparison", what, tr("compare with a threshold, such as: … > 0"))


def _not_a_ratio(found: ThresholdComparison, line: int) -> Iterator[Remark]:
    """Report a threshold between 0 and 1 that is compared with errors per second: probably a share of all requests was
    meant."""
    outer, inner = None, found.left
    if isinstance(inner, Aggregation) and inner.op in ("sum", "avg", "max"):
        outer, inner = inner, inner.inner
    if (
        not isinstance(inner, FunctionApplication)
        or inner.function.name not in ("rate", "irate")
        or found.op not in (">", ">=")
    ):
        return
    selector = inner.arguments[0]
    if not isinstance(selector, Selector) or not 0 < found.number.value < 1:
        return
    status = next((each for each in selector.matchers if _STATUS.fullmatch(each.name)), None)
    if status is None or status.op not in ("=", "=~") or not _OF_ERRORS.match(status.value):
        return
    what = tr(
        "{threshold} is compared with each series' errors per second, not with the fraction of requests that fail",
        threshold=number_text(found.number),
    )
    before = "sum" if outer is None else grouping_text(outer)
    function = inner.function.name
    errors = f"{before}({function}({selector_text(selector)}))"
    everything = f"{before}({function}({selector_text(selector, leave_out=status.name)}))"
    yield Remark(line, "not-a-ratio", what, _rather(found.text(f"{errors} / {everything}")))


def _tells_by_labels(node: Node) -> bool:
    return isinstance(node, Selector) and _ABOUT_A_THING.fullmatch(name_of(node.matchers)) is not None


def _each_series_alone(found: ThresholdComparison, line: int, known: KnownSeries | None) -> Iterator[Remark]:
    """Report a percentile over buckets that were not summed first, if a target has several series for each bucket."""
    node = found.left
    if not isinstance(node, FunctionApplication) or node.function.name != "histogram_quantile":
        return
    share, buckets = node.arguments
    if (
        not isinstance(buckets, FunctionApplication)
        or buckets.function.name not in _RATES
        or not isinstance(share, NumberLiteral)
    ):
        return
    selector = buckets.arguments[0]
    if not isinstance(selector, Selector) or not _has_several(selector, known):
        return
    what = tr("the percentile is computed for each series (each path, status and instance), not over all requests")
    summed = f"sum by (le) ({buckets.function.name}({selector_text(selector)}))"
    yield Remark(
        line,
        "percentile-of-each",
        what,
        _rather(found.text(f"histogram_quantile({number_text(share)}, {summed})")),
    )


def _has_several(selector: Selector, known: KnownSeries | None) -> bool:
    """Return whether a target has several series for each bucket, as far as that is known."""
    if known is None:
        return _OF_REQUESTS.fullmatch(name_of(selector.matchers)) is not None
    seen: dict[tuple[str, ...], set[LabelSet]] = {}
    for labels in known.series(selector.matchers):
        target = tuple(labels.get(name) for name in _OF_A_TARGET[:2])
        seen.setdefault(target, set()).add(labels.without(_OF_A_TARGET))
    return any(len(others) > 1 for others in seen.values())


def _of_hosts(found: ThresholdComparison, line: int) -> Iterator[Remark]:
    name = name_of(found.left.matchers) if isinstance(found.left, Selector) else ""
    if name in OF_HOSTS:
        what = tr("only LilFox provides {name} (for each host); node_exporter does not", name=name)
        hint = tr("in Prometheus, use: {expression}", expression=found.text(_IN_PROMETHEUS[name]))
        yield Remark(line, "only-here", what, hint)


def _bounds_as_text(selector: Selector, line: int) -> Iterator[Remark]:
    for matcher in selector.matchers:
        if matcher.name not in ("le", "quantile") or matcher.op not in ("=", "=~"):
            continue
        parts = matcher.value.split("|") if matcher.op == "=~" else [matcher.value]
        numbers = [number for part in parts if (number := _as_stored(part)) != part]
        stored = dict.fromkeys(number for number in numbers if not matches(matcher, number))
        if stored:
            what = tr(
                "whole numbers in {matcher} match nothing: they are stored as {stored} (as in Prometheus 3)",
                matcher=matcher_text(matcher),
                stored=listed(stored),
            )
            own = parts if matcher.op == "=~" else map(_as_pattern, parts)  # Prometheus 2 stores what was exposed
            both = matcher_text(Matcher(matcher.name, "=~", "|".join([*own, *map(_as_pattern, stored)])))
            yield Remark(line, "bound-as-text", what, tr("to match the stored values: {matcher}", matcher=both))


def _as_stored(text: str) -> str:
    return openmetrics_number(parse_float(text)) if _WHOLE_NUMBER.fullmatch(text) else text


def _as_pattern(number: str) -> str:
    return number.replace("+", r"\+")


def _rate_of_a_gauge(node: FunctionApplication, line: int, known: KnownSeries | None) -> Iterator[Remark]:
    selector = node.arguments[0] if node.arguments else None
    if node.function.name not in _RATES or not isinstance(selector, Selector):
        return
    name = name_of(selector.matchers)
    if metric_type(name, known) == "gauge":
        what = tr("{function} is for counters, and {name} is a gauge", function=node.function.name, name=name)
        yield Remark(line, "rate-of-a-gauge", what, tr("use deriv() or delta(), or compare the value itself"))


def _counter_as_it_is(found: ThresholdComparison, line: int, known: KnownSeries | None) -> Iterator[Remark]:
    told: set[str] = set()
    for selector in _values_in(found.left):
        name = name_of(selector.matchers)
        if metric_type(name, known) == "counter" and name not in told:
            told.add(name)
            what = tr("{name} is a counter and only grows, but its raw value is compared", name=name)
            hint = f"rate({selector_text(selector)}[5m])"
            yield Remark(line, "no-rate", what, tr("use {rate}, or increase(…[1h])", rate=hint))


def _values_in(node: Node) -> Iterator[Selector]:
    """Yield the selectors whose values are compared as they are, or after aggregation or arithmetic."""
    if isinstance(node, Selector):
        yield node
    elif isinstance(node, Negation) or (isinstance(node, Aggregation) and node.op not in ("count", "group")):
        yield from _values_in(node.inner)
    elif isinstance(node, BinaryOperation) and node.op in ("+", "*", "/"):
        yield from _values_in(node.left)
        yield from _values_in(node.right)


def _selects_nothing(rule: Rule, known: KnownSeries | None) -> Iterator[Remark]:
    if known is None:
        return
    looked_for = {matchers for node in walk(rule.query.tree) for matchers in _absence(node)}
    for node in walk(rule.query.tree):
        if isinstance(node, Selector) and node.matchers not in looked_for and not known.has(node.matchers):
            shown = selector_text(Selector(node.matchers, node.shift, None))
            what = tr("{selector} matches no series from the targets", selector=shown)
            name = tuple(matcher for matcher in node.matchers if name_of((matcher,)))
            hint: Message | str = tr("is the name right, and is the target that exposes it scraped?")
            if name and name != node.matchers and known.has(name):
                hint = tr("series with this name exist, but with other labels")
                if any(_STATUS.fullmatch(matcher.name) for matcher in node.matchers):
                    hint = tr("series with this name exist; perhaps there has been no response with this status yet")
            yield Remark(rule.place.expression, "no-series", what, hint)


def _absence(node: Node) -> Iterator[tuple[object, ...]]:
    """Yield the matchers of selectors inside ``absent()`` and ``absent_over_time()``, which are expected to select
    nothing."""
    if isinstance(node, FunctionApplication) and node.function.name in ("absent", "absent_over_time"):
        yield from (inner.matchers for inner in walk(node) if isinstance(inner, Selector))


def _rather(expression: str) -> Message:
    return tr("use instead: {expression}", expression=expression)


# Checks on rules beside their expressions.


_VALUE = re.compile(r"\{\{[^{}]*(?:\$value\b|(?<![\w)])\.Value\b)")
_FOR = "5m"
_ONE_LOOK = re.compile(r"up|\w+_up|probe_success")


def rule_remarks(rule: Rule) -> Iterator[Remark]:
    """Yield the remarks on an alerting rule other than those on its expression; none for a recording rule."""
    if rule.kind != "alert":
        return
    for label, text in rule.labels.items():
        if _VALUE.search(text):
            what = tr(
                "label {label} depends on the value: each change creates a new alert and restarts its for duration",
                label=label,
            )
            hint = tr("put the value into an annotation; write one rule for each severity")
            yield Remark(rule.place.labels[label], "value-in-label", what, hint)
    if not rule.place.wait and _is_one_look(rule.query.tree):
        what = tr("without for, a single bad evaluation makes it fire")
        yield Remark(rule.line, "no-for", what, tr("add for: {duration}", duration=_FOR))
    if not any(rule.labels.values()):  # with others it is one that silences, or that a program takes
        what = tr("no severity label: alerts cannot be sorted or routed by severity")
        yield Remark(rule.line, "no-severity", what, tr("add {labels}", labels="labels: {severity: page}"))
    if not any(rule.annotations.get(name) for name in SAYING):
        what = tr("no summary annotation: notifications show only the alert name")
        hint = tr("add {labels}", labels="annotations: {summary: '… {{ $labels.instance }}: {{ $value }}'}")
        yield Remark(rule.line, "no-summary", what, hint)


def _is_one_look(node: Node) -> bool:
    """Return whether a single failed scrape or probe makes the alert fire."""
    if isinstance(node, BinaryOperation) and node.op in SETS:
        return _is_one_look(node.left)
    found = threshold(node)
    if found is None or not isinstance(found.left, Selector) or not _ONE_LOOK.fullmatch(name_of(found.left.matchers)):
        return False
    return (found.op, found.number.value) in (("==", 0.0), ("<", 1.0), ("!=", 1.0))


def duplicate_remarks(rules: Iterable[Rule]) -> Iterator[tuple[Rule, Remark]]:
    """Yield rules with the name and labels of an earlier one, as ``promtool check rules`` finds them."""
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], Rule] = {}
    for rule in rules:
        key = rule.name, tuple(sorted(rule.labels.items()))
        first = seen.setdefault(key, rule)
        if first is not rule:
            what = tr("the rule on line {line} has the same name and labels", line=first.line)
            yield rule, Remark(rule.line, "twice", what, tr("rename it, or add a label that tells them apart"))


# Binary operators whose sides have no labels in common that could be equal, as far as the expression tells.


_CHANGE_LABELS = frozenset({"label_replace", "label_join", "absent", "absent_over_time", "info", "vector"})
_PICK = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_OF_A_SCRAPE = frozenset({"instance", "job"})


class KnownLabels(Struct, frozen=True):
    """What is known about the labels of a vector: the only names that it can have (``exactly``; None: any), the names
    that it certainly has (``has``), and the labels with a known value (``fixed``)."""

    exactly: frozenset[str] | None = None
    has: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = {}

    def only(self, names: Collection[str]) -> KnownLabels:
        """Return these labels reduced to ``names``."""
        kept = frozenset(names) if self.exactly is None else self.exactly & frozenset(names)
        fixed = {name: value for name, value in self.fixed.items() if name in kept}
        return KnownLabels(kept, self.has & kept, fixed)

    def without(self, names: Collection[str]) -> KnownLabels:
        """Return these labels without ``names``."""
        gone = frozenset(names)
        fixed = {name: value for name, value in self.fixed.items() if name not in gone}
        return KnownLabels(None if self.exactly is None else self.exactly - gone, self.has - gone, fixed)


def matching_remarks(rule: Rule, recorded: Collection[str]) -> Iterator[Remark]:
    """Yield a remark for each operator in a rule's expression whose sides can never match, so that it has no result.
    Series named in ``recorded`` are recorded by rules and may lack the labels of a scrape."""
    for node in walk(rule.query.tree):
        if (
            isinstance(node, BinaryOperation)
            and node.op != "or"
            and value_kind(node.left) == value_kind(node.right) == "vector"
        ):
            reason = _why_not(node, recorded)
            if reason is not None:
                what, hint = reason
                yield Remark(rule.place.expression, "cannot-match", what, hint)


def _why_not(node: BinaryOperation, recorded: Collection[str]) -> tuple[Message, Message] | None:
    left, right = known_labels(node.left, recorded), known_labels(node.right, recorded)
    names = node.matching.names
    left, right = (each.only(names) if node.matching.on else each.without(names) for each in (left, right))
    for name in sorted(left.fixed.keys() & right.fixed.keys()):
        if left.fixed[name] != right.fixed[name]:
            what = tr(
                "the sides of {op} never match: {label} is {left} on the left and {right} on the right",
                op=node.op,
                label=name,
                left=f'"{left.fixed[name]}"',
                right=f'"{right.fixed[name]}"',
            )
            return what, tr("write {op} ignoring({label})", op=node.op, label=name)
    for one, other, place in ((left, right, tr("left side")), (right, left, tr("right side"))):
        lacking = sorted(other.has - one.exactly) if one.exactly is not None else []
        if lacking:
            what = tr(
                "the sides of {op} never match: the {side} lacks label {label}, which the other side has",
                op=node.op,
                side=place,
                label=lacking[0],
            )
            many = "group_right" if one is left else "group_left"
            common = ", ".join(sorted(one.exactly or ()))
            return what, tr("write {op} on({labels}) {many}", op=node.op, labels=common, many=many)
    return None


def known_labels(node: Node, recorded: Collection[str]) -> KnownLabels:
    """Return what an expression reveals about the labels of its result, without ``__name__``."""
    if isinstance(node, Selector):
        return _of_selector(node, recorded)
    if isinstance(node, Negation | Subquery):
        return known_labels(node.inner, recorded)
    if isinstance(node, Aggregation):
        inner = known_labels(node.inner, recorded)
        if node.op in _PICK:
            return inner
        if node.op == "count_values":
            return KnownLabels()
        return inner.without(node.grouping.names) if node.grouping.without else inner.only(node.grouping.names)
    if isinstance(node, FunctionApplication):
        return _of_function(node, recorded)
    if isinstance(node, BinaryOperation):
        return _of_operation(node, recorded)
    return KnownLabels()


def _of_operation(node: BinaryOperation, recorded: Collection[str]) -> KnownLabels:
    vectors = [each for each in (node.left, node.right) if value_kind(each) == "vector"]
    if len(vectors) == 1 or node.op in ("and", "unless"):
        return known_labels(vectors[0], recorded)
    if node.op == "or" or node.matching.many or not vectors:
        return KnownLabels()
    left, names = known_labels(node.left, recorded), node.matching.names
    return left.only(names) if node.matching.on else left.without(names)


def _of_selector(node: Selector, recorded: Collection[str]) -> KnownLabels:
    fixed = {each.name: each.value for each in node.matchers if each.op == "=" and each.value and each.name != NAME}
    name = name_of(node.matchers)
    is_scraped = bool(name) and ":" not in name and name not in recorded and not name.startswith("ALERTS")
    empty = {each.name for each in node.matchers if each.op == "=" and not each.value}
    return KnownLabels(None, (_OF_A_SCRAPE if is_scraped else frozenset()) - empty | fixed.keys(), fixed)


def _of_function(node: FunctionApplication, recorded: Collection[str]) -> KnownLabels:
    vectors = [each for each in node.arguments if value_kind(each) in ("vector", "matrix")]
    if len(vectors) != 1 or node.function.name in _CHANGE_LABELS:
        return KnownLabels()
    inner = known_labels(vectors[0], recorded)
    return inner.without(("le",)) if node.function.name.startswith("histogram_") else inner
