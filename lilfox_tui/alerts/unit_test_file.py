"""Reads promtool's unit-test files for rules and their series notation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import Struct

from lilfox_tui.config.yaml_nodes import Dialect, Findings, Node, ScalarNode, quoted
from lilfox_tui.config.yaml_nodes import parse as parse_yaml
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import whole
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Semantics
from lilfox_tui.scrape.labels import NAME, LabelSet
from lilfox_tui.scrape.prometheus_yaml import Fields, PrometheusNodes
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, Floats

# Series in promtool's notation: ``up{job="a"} 1 2x3 _ stale 0+10x100`` (Prometheus' promql/parser).
#
# ``AxN`` is A and N times A again, ``A+BxN`` is A and N more, each B above the last; ``_`` leaves one value out,
# ``_xN`` leaves out N.


MOST_VALUES = 5_000_000
"""Of one series; promtool would try to hold any number."""
_QUOTED = r"""\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'|`[^`]*+`"""
_BRACES = rf"""(?P<braces>\{{(?:[^\"'`}}]|{_QUOTED})*+\}})?"""
_NAME = r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?"
_SERIES = re.compile(rf"{_NAME}{_BRACES}(?P<values>(?:\s.*)?)", re.DOTALL)
_METRIC = re.compile(rf"\s*+{_NAME}+\s*+{_BRACES}\s*+", re.DOTALL)
_NUMBER = r"(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]+)?|(?:[iI][nN][fF]|[nN][aA][nN])(?![a-zA-Z0-9_:]))"
_VALUE = re.compile(rf"(?P<first>[-+]?{_NUMBER})(?P<step>[-+]{_NUMBER}(?=x))?(?:x(?P<times>[0-9]+))?")
_GAP = re.compile(r"_(?:x(?P<times>[0-9]+))?")
_STALE = re.compile(r"stale")


class NotationError(LilFoxError):
    """A series or its values that are not in this notation, or that are not supported."""


def parse_series(text: str, semantics: Semantics) -> tuple[LabelSet, Floats]:
    """Parse a series and its values, ABSENT for a missing one and STALE where the series ends. Raises NotationError."""
    match = _SERIES.fullmatch(text)
    if match is None or not (match["name"] or match["braces"]):
        raise NotationError(tr("{given} is not a series with values; write one such as up 1 0x5", given=quoted(text)))
    parts = [_values(item) for item in match["values"].split()]
    return _labels(match["name"], match["braces"], semantics), np.concatenate([np.empty(0), *parts])


def parse_metric(text: str, semantics: Semantics) -> LabelSet:
    """Parse the labels of a series as a query would write it; none for an empty text. Raises NotationError."""
    match = _METRIC.fullmatch(text)
    if match is None:
        raise NotationError(tr("{given} is not a series; write one such as up", given=quoted(text)))
    return _labels(match["name"], match["braces"], semantics)


def _labels(name: str | None, braces: str | None, semantics: Semantics) -> LabelSet:
    if not (braces or "{}")[1:-1].strip():
        return LabelSet.of({NAME: name or ""})
    # a selector must have a name, or a value that is not empty: it gets one where the text has none
    named = f"{name or ''}{braces}" if NAME in (braces or "") else f"x{braces}"
    query = parse(named, semantics)
    (matchers,) = query.selectors
    other = next((matcher for matcher in matchers if matcher.op != "="), None)
    if other is not None:
        raise NotationError(tr("{label}: labels take =, not {op}", label=quoted(other.name), op=other.op))
    labels = {matcher.name: matcher.value for matcher in matchers}
    return LabelSet.of(labels if NAME in (braces or "") else {**labels, NAME: name or ""})


def _values(item: str) -> Floats:
    if item.startswith("{{"):
        raise NotationError(tr("native histograms are not supported"))
    if match := _GAP.fullmatch(item):
        return _filled(whole(match["times"] or "1"), ABSENT_BITS)
    if match := _VALUE.fullmatch(item):
        return _counted(match)
    if _STALE.fullmatch(item):
        return _filled(1, STALE_BITS)
    raise NotationError(tr("{item} is not a value; write 1, 1x5, 0+10x5, _, _x5 or stale", item=quoted(item)))


def _counted(match: re.Match[str]) -> Floats:
    values = np.full(_limited(whole(match["times"] or "0") + 1), float(match["step"] or 0.0))
    values[0] = float(match["first"])
    if match["step"] is None:
        values[1:] = values[0]
        return values
    return np.cumsum(values)  # one addition after the other, as Prometheus does it


def _filled(count: int, bits: int) -> Floats:
    return np.full(_limited(count), bits, np.int64).view(np.float64)


def _limited(count: int) -> int:
    if count > MOST_VALUES:
        raise NotationError(tr("more than {limit} values in one series", limit=MOST_VALUES))
    return count


# promtool's unit-test files of rules (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules).


MAX_BYTES = 32 * 1024 * 1024
DEFAULT_INTERVAL_MS = 60_000
_DIALECT = Dialect(tags=True, more_documents=True, tab_indents=True, max_nodes=1_000_000)
_FILE_FIELDS = ("rule_files", "evaluation_interval", "group_eval_order", "tests")
_TEST_FIELDS = (
    "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url", "name",
)  # fmt: skip
_NEW_FILE_FIELDS = ("fuzzy_compare",)
_NEW_TEST_FIELDS = ("start_timestamp",)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)")
_LONGEST = 300
"""A number of more digits is none that fits."""
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_WORDS = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}


class InputSeries(Struct, frozen=True):
    """An input series and its values, both in promtool's notation."""

    series: str
    values: str
    line: int


class ExpectedAlert(Struct, frozen=True):
    """An alert that should fire; ``labels`` exclude ``alertname``."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    line: int


class AlertTest(Struct, frozen=True):
    """The alerts of one name that should fire at a time (milliseconds after the start)."""

    at_ms: int
    name: str
    expected: tuple[ExpectedAlert, ...]
    line: int


class ExpectedSample(Struct, frozen=True):
    """A sample that the expression is expected to return. ``histogram`` is set if a native histogram is expected."""

    labels: str
    value: float
    histogram: str
    line: int


class ExpressionTest(Struct, frozen=True):
    """The expected result of an expression at a time (milliseconds after the start)."""

    at_ms: int
    expression: str
    expected: tuple[ExpectedSample, ...]
    line: int


class UnitTest(Struct, frozen=True):
    """One test: its series start at ``start_ms`` and have a value every ``interval_ms``."""

    name: str
    interval_ms: int
    start_ms: int
    series: tuple[InputSeries, ...]
    alerts: tuple[AlertTest, ...]
    expressions: tuple[ExpressionTest, ...]
    external_labels: Mapping[str, str]
    external_url: str
    line: int

    @property
    def end_ms(self) -> int:
        """The last time at which something is checked, in milliseconds after the start."""
        times = [*(one.at_ms for one in self.alerts), *(one.at_ms for one in self.expressions)]
        return max(times, default=0)


class UnitTestFile(Struct, frozen=True):
    """A file of tests. ``rule_files`` are patterns as written; rules are evaluated every ``interval_ms``."""

    name: str
    rule_files: tuple[str, ...]
    interval_ms: int
    group_order: tuple[str, ...]
    fuzzy: bool
    tests: tuple[UnitTest, ...]


def read_unit_tests(path: Path, *, prometheus2: bool = False) -> UnitTestFile:
    """Read the tests of a file (UTF-8, up to 32 MiB). With ``prometheus2``, fields introduced by Prometheus 3 are
    unknown. Raises ConfigError with all errors, each as ``file:line: what``."""
    findings = Findings(str(path))
    root = parse_yaml(_text(path), findings, _DIALECT)
    file = _UnitTestFileParser(PrometheusNodes(findings), prometheus2).file(root) if root is not None else None
    if findings:
        problems = findings.sorted()
        raise ConfigError(tr("the tests cannot be read:\n{problems}", problems="\n".join(problems)), problems)
    return file or UnitTestFile(str(path), (), DEFAULT_INTERVAL_MS, (), False, ())


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        what = _("cannot be read: {reason}", reason=error.strerror or type(error).__name__)
    else:
        try:
            if len(raw) <= MAX_BYTES:
                return raw.decode("utf-8-sig")
            what = _("larger than 32 MiB: too large for a test file")
        except UnicodeDecodeError:
            what = _("not UTF-8 text; save it as UTF-8")
    findings = Findings(str(path))
    findings.add(1, (), what)
    raise ConfigError(findings.sorted()[0], findings.sorted())


class _UnitTestFileParser:
    """Converts YAML nodes to tests; errors become findings, and a result with findings must not be used."""

    def __init__(self, nodes: PrometheusNodes, prometheus2: bool) -> None:
        self.nodes = nodes
        self.file_fields = _FILE_FIELDS if prometheus2 else _FILE_FIELDS + _NEW_FILE_FIELDS
        self.test_fields = _TEST_FIELDS if prometheus2 else _TEST_FIELDS + _NEW_TEST_FIELDS

    def wrong(self, node: Node, what: str) -> None:
        self.nodes.findings.add(node.line, (), what)

    def file(self, root: Node) -> UnitTestFile:
        fields = self.nodes.fields(root, self.file_fields, ())
        interval_ms = self.duration_ms(fields, "evaluation_interval") or DEFAULT_INTERVAL_MS
        order = self.texts(fields, "group_eval_order")
        for name in {name for name in order if order.count(name) > 1}:
            self.wrong(
                fields["group_eval_order"], _("group {name} appears twice in the evaluation order", name=quoted(name))
            )
        tests = self.nodes.items(fields.get("tests"), ())
        return UnitTestFile(
            name=self.nodes.findings.file,
            rule_files=self.texts(fields, "rule_files"),
            interval_ms=interval_ms,
            group_order=order,
            fuzzy=self.switch(fields.get("fuzzy_compare")),
            tests=tuple(self.test(node, interval_ms) for node in tests),
        )

    def test(self, node: Node, interval_ms: int) -> UnitTest:
        fields = self.nodes.fields(node, self.test_fields, ())
        return UnitTest(
            name=self.nodes.text(fields.get("name"), ()),
            interval_ms=self.duration_ms(fields, "interval") or interval_ms,
            start_ms=self.start_ms(fields.get("start_timestamp")),
            series=tuple(self.series(item) for item in self.nodes.items(fields.get("input_series"), ())),
            alerts=tuple(self.alert(item) for item in self.nodes.items(fields.get("alert_rule_test"), ())),
            expressions=tuple(self.expression(item) for item in self.nodes.items(fields.get("promql_expr_test"), ())),
            external_labels=self.nodes.texts(fields.get("external_labels"), ())[0],
            external_url=self.nodes.text(fields.get("external_url"), ()),
            line=node.line,
        )

    def series(self, node: Node) -> InputSeries:
        fields = self.nodes.fields(node, ("series", "values"), ())
        series, values = (self.nodes.text(fields.get(name), ()) for name in ("series", "values"))
        return InputSeries(series, values, node.line)

    def alert(self, node: Node) -> AlertTest:
        fields = self.nodes.fields(node, ("eval_time", "alertname", "exp_alerts"), ())
        expected = tuple(self.expected_alert(item) for item in self.nodes.items(fields.get("exp_alerts"), ()))
        name = self.nodes.text(fields.get("alertname"), ())
        return AlertTest(self.duration_ms(fields, "eval_time"), name, expected, node.line)

    def expected_alert(self, node: Node) -> ExpectedAlert:
        fields = self.nodes.fields(node, ("exp_labels", "exp_annotations"), ())
        labels, annotations = (self.nodes.texts(fields.get(name), ())[0] for name in ("exp_labels", "exp_annotations"))
        return ExpectedAlert(labels, annotations, node.line)

    def expression(self, node: Node) -> ExpressionTest:
        fields = self.nodes.fields(node, ("expr", "eval_time", "exp_samples"), ())
        expected = tuple(self.expected_sample(item) for item in self.nodes.items(fields.get("exp_samples"), ()))
        text = self.nodes.text(fields.get("expr"), ())
        return ExpressionTest(self.duration_ms(fields, "eval_time"), text, expected, node.line)

    def expected_sample(self, node: Node) -> ExpectedSample:
        fields = self.nodes.fields(node, ("labels", "value", "histogram"), ())
        labels, histogram = (self.nodes.text(fields.get(name), ()) for name in ("labels", "histogram"))
        return ExpectedSample(labels, self.number(fields.get("value")), histogram, node.line)

    def duration_ms(self, fields: Fields, name: str) -> int:
        return round((self.nodes.duration_s(fields.get(name), ()) or 0.0) * 1000)

    def texts(self, fields: Fields, name: str) -> tuple[str, ...]:
        return tuple(self.nodes.text(item, ()) for item in self.nodes.items(fields.get(name), ()))

    def number(self, node: Node | None) -> float:
        if node is None:
            return 0.0
        number = _number(node.text) if isinstance(node, ScalarNode) and node.plain else None
        if number is None:
            self.wrong(node, _("expected a number here, without quotes, such as 0.5 or .inf"))
        return number or 0.0

    def switch(self, node: Node | None) -> bool:
        text = node.text.lower() if isinstance(node, ScalarNode) else ""
        if node is not None and text not in ("true", "false"):
            self.wrong(node, _("expected true or false here"))
        return text == "true"

    def start_ms(self, node: Node | None) -> int:
        if node is None:
            return 0
        text = self.nodes.text(node, ())
        try:
            time = datetime.fromisoformat(text) if "T" in text else None
            if time is None or time.tzinfo is not None:
                return round((time.timestamp() if time else float(text)) * 1000)
        except (ValueError, OverflowError):
            pass
        self.wrong(
            node, _("{value} is not a time; write 2026-11-25T03:00:00Z or seconds since 1970", value=quoted(text))
        )
        return 0


def _number(text: str) -> float | None:
    """Parse a plain scalar as a float, as YAML does."""
    text = text.replace("_", "")
    if len(text) > _LONGEST:
        return None
    if _OCTAL.fullmatch(text):
        return float(int(text, 8))
    if _WHOLE.fullmatch(text):
        return float(int(text, 0))
    return float(text) if _FLOAT.fullmatch(text) else _WORDS.get(text)
