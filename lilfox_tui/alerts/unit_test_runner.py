"""Runs promtool's unit tests of rules, with the same verdicts as ``promtool test rules``."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.rule_group import ALERT_NAME, EvaluationContext, GroupEvaluator
from lilfox_tui.alerts.rules import RuleFile, matching_files, read_rules
from lilfox_tui.alerts.unit_test_file import (
    AlertTest,
    ExpressionTest,
    NotationError,
    UnitTest,
    UnitTestFile,
    parse_metric,
    parse_series,
    read_unit_tests,
)
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import clean
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet, Matcher, duration_text, matches
from lilfox_tui.scrape.store import ABSENT_BITS, STALE, Floats, SelectedSeries, Times

# The series of one test: what it puts in, and what the rules make of it.


class _TestSeries:
    """The samples of one series, in ascending order."""

    def __init__(self, labels: LabelSet) -> None:
        self.labels = labels
        self.list = LabelList((labels,))
        self.times: Times = np.empty(16, np.int64)
        self.values: Floats = np.empty((16, 1))
        self.count = 0

    def append(self, at_ms: int, value: Floats) -> Message | None:
        """Append one sample (an array of length one, which preserves STALE); return the reason if Prometheus would
        reject it."""
        if self.count:
            last_ms = self.times[self.count - 1]
            if at_ms < last_ms:
                return tr("out of order sample: {series}", series=self.labels)
            if at_ms == last_ms:
                same = self.values[self.count - 1].view(np.int64)[0] == value.view(np.int64)[0]
                return None if same else tr("duplicate sample for timestamp: {series}", series=self.labels)
        if self.count == len(self.times):
            self.times = np.concatenate([self.times, np.empty_like(self.times)])
            self.values = np.concatenate([self.values, np.empty_like(self.values)])
        self.times[self.count] = at_ms
        self.values[self.count] = value
        self.count += 1
        return None


class UnitTestSeries:
    """The series of a test: a source for queries and a sink for results (:class:`.rule_group.ResultSink`). Inputs and
    results with the same labels are one series. Samples that Prometheus' storage would reject are rejected: older ones,
    or another value at the same time."""

    def __init__(self) -> None:
        self._series: dict[LabelSet, _TestSeries] = {}
        self._chosen: dict[tuple[Matcher, ...], tuple[int, list[_TestSeries]]] = {}
        self._given: dict[str, list[LabelSet]] = {}
        self._inputs: dict[LabelSet, tuple[Times, Floats]] = {}

    def put(self, labels: LabelSet, start_ms: int, interval_ms: int, values: Floats) -> None:
        """Add an input series; it replaces an earlier one with the same labels. :meth:`advance` makes its samples
        visible."""
        present = values.view(np.int64) != ABSENT_BITS
        times = start_ms + np.arange(len(values), dtype=np.int64) * interval_ms
        self._inputs[labels] = (times[present], values[present])

    def advance(self, until_ms: int) -> Message | None:
        """Make the inputs visible up to ``until_ms``; return what could not be stored."""
        wrong: Message | None = None
        for labels, (times, values) in self._inputs.items():
            until = int(times.searchsorted(until_ms, "right"))
            for place in range(until):
                wrong = self._append(labels, int(times[place]), values[place : place + 1]) or wrong
            if until:
                self._inputs[labels] = (times[until:], values[until:])
        return wrong

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As :meth:`.SeriesSource.select`."""
        seen, chosen = self._chosen.get(matchers, (0, []))
        every = list(self._series.values()) if seen < len(self._series) else []
        chosen += [
            one for one in every[seen:] if all(matches(matcher, one.labels.get(matcher.name)) for matcher in matchers)
        ]
        self._chosen[matchers] = (len(self._series), chosen)
        found = []
        for one in chosen:
            times = one.times[: one.count]
            start, end = times.searchsorted(start_ms), times.searchsorted(end_ms, "right")
            if start < end:
                found.append(SelectedSeries(one.list, times[start:end], one.values[start:end]))
        return found

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """See :class:`.rule_group.ResultSink`."""
        wrong: Message | None = None
        given = []
        for place, one in enumerate(labels):
            refused = self._append(one, at_ms, values[place : place + 1])
            if refused is None:
                given.append(one)
            wrong = refused or wrong
        self._end(set(self._given.get(rule, ())) - set(given), at_ms)
        self._given[rule] = given
        return wrong

    def end(self, rule: str, at_ms: int) -> None:
        """See :class:`.rule_group.ResultSink`."""
        self._end(set(self._given.pop(rule, ())), at_ms)

    def _end(self, gone: set[LabelSet], at_ms: int) -> None:
        for one in gone:
            self._append(one, at_ms, _STALE)

    def _append(self, labels: LabelSet, at_ms: int, value: Floats) -> Message | None:
        if not labels.pairs:
            return tr("the series has no labels")
        if labels not in self._series:
            self._series[labels] = _TestSeries(labels)
        return self._series[labels].append(at_ms, value)


_STALE: Floats = np.array([STALE])


# What a test expects against what came, and the words for the difference.


_SHOWN_AT_MOST = 50


class ShownAlert(NamedTuple):
    """The labels and annotations of an alert, which are compared."""

    labels: Labels
    annotations: Labels

    def __str__(self) -> str:
        return " ".join(clean(str(LabelSet(pairs))) for pairs in (self.labels, self.annotations) if pairs)


class ResultSample(NamedTuple):
    """One sample of a query result."""

    labels: LabelSet
    value: float

    def __str__(self) -> str:
        return f"{clean(str(self.labels)) or '{}'} {self.value!r}"


def alerts_differ(expected: Sequence[ShownAlert], got: Sequence[ShownAlert]) -> str | None:
    """Return None if both are the same alerts in any order, else what is missing and what is unexpected."""
    missing, extra = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
    return _difference(missing.elements(), extra.elements(), got) if missing or extra else None


def samples_differ(expected: Sequence[ResultSample], got: Sequence[ResultSample], *, fuzzy: bool) -> str | None:
    """Return None if both have the same samples in any order, else a text with the differences. As in promtool, NaN
    never equals an expected value; with ``fuzzy``, the next float above or below also counts as equal."""
    wanted, came = ({sample.labels: sample.value for sample in samples} for samples in (expected, got))
    missing = [one for one in expected if not _same(one.value, came.get(one.labels), fuzzy)]
    extra = [one for one in got if not _same(one.value, wanted.get(one.labels), fuzzy)]
    if not missing and not extra and len(expected) == len(got):
        return None
    difference = _difference(missing, extra, got)
    if any(math.isnan(one.value) for one in missing):
        difference += "\n" + _("  NaN never equals anything; test “x != x” instead")
    return difference


def _same(one: float, other: float | None, fuzzy: bool) -> bool:
    return one == other or (fuzzy and other in (math.nextafter(one, -math.inf), math.nextafter(one, math.inf)))


def _difference(missing: Iterable[object], extra: Iterable[object], got: Sequence[object]) -> str:
    lines = [_("  expected, but missing: {what}", what=what) for what in missing]
    lines += [_("  unexpected: {what}", what=what) for what in extra]
    if not got:
        lines.append(_("  no results"))
    if len(lines) > _SHOWN_AT_MOST:
        lines[_SHOWN_AT_MOST:] = [_("  … {count} more", count=len(lines) - _SHOWN_AT_MOST)]
    return "\n".join(lines)


# Time begins at 0 (or at the test's ``start_timestamp``); all groups are evaluated every ``evaluation_interval``,
# whatever their own interval is, and see of the inputs what is not in the future. One thing is not as in promtool: a
# query may look at more than 10,000 samples.


class UnitTestCase(Struct, frozen=True):
    """The result of one test, and how long it took."""

    name: str
    problems: tuple[str, ...]
    took_s: float


class UnitTestVerdict(Struct, frozen=True):
    """The verdict on one file: ``problems`` make it fail, ``warnings`` do not. ``checks`` is the number of checks."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    tests: int = 0
    checks: int = 0
    cases: tuple[UnitTestCase, ...] = ()


def run_unit_tests(
    path: Path, *, prometheus2: bool = False, wanted: Callable[[str], bool] = lambda _name: True
) -> UnitTestVerdict:
    """Runs the tests of a file whose name is ``wanted``; problems are texts of one or more lines that begin with
    ``file:line:``."""
    semantics = PROMETHEUS_2 if prometheus2 else PROMETHEUS_3
    try:
        file = read_unit_tests(path, prometheus2=prometheus2)
        found = {pattern: matching_files(pattern, path.parent) for pattern in file.rule_files}
    except ConfigError as error:
        return UnitTestVerdict(error.problems)
    except LilFoxError as error:
        return UnitTestVerdict((f"{path}:1: {error}",))
    warnings = [
        f"{file.name}: " + _("rule_files: no file matches {pattern}", pattern=pattern)
        for pattern, paths in found.items()
        if not paths
    ]
    paths = dict.fromkeys(one for pattern in file.rule_files for one in found[pattern])
    rules = _Rules(tuple(paths), semantics)
    tests = [test for test in file.tests if wanted(test.name)]
    cases = []
    for number, test in enumerate(tests):
        began = time.monotonic()
        found_problems = tuple(_Run(file, test, rules, semantics).problems())
        cases.append(UnitTestCase(test.name or f"unnamed#{number}", found_problems, time.monotonic() - began))
    problems = tuple(problem for case in cases for problem in case.problems)
    checks = sum(len(test.alerts) + len(test.expressions) for test in tests)
    return UnitTestVerdict(problems, tuple(warnings), len(tests), checks, tuple(cases))


class _Rules:
    """The rule files of a test file, read when the first test needs them: without tests they are not read."""

    def __init__(self, paths: Sequence[Path], semantics: Semantics) -> None:
        self._paths, self._semantics = paths, semantics
        self._read: list[RuleFile] | None = None

    def read(self) -> list[RuleFile]:
        """Read the rule files. Raises ConfigError with the problems of all files."""
        if self._read is None:
            self._read = self._all()
        return self._read

    def _all(self) -> list[RuleFile]:
        read: list[RuleFile] = []
        problems: list[str] = []
        for path in self._paths:
            try:
                read.append(read_rules(path, trusted=False))
            except ConfigError as error:
                problems += error.problems
        if self._semantics == PROMETHEUS_2:
            problems += _new_fields(read)
        if problems:
            raise ConfigError(_("the rules cannot be used"), tuple(problems))
        return read


def _new_fields(read: Iterable[RuleFile]) -> list[str]:
    return [
        f"{file.name}:{group.line}: {group.name}: " + _("group labels require Prometheus 3")
        for file in read
        for group in file.groups
        if group.labels
    ]


class _Run:
    """One test run."""

    def __init__(self, file: UnitTestFile, test: UnitTest, rules: _Rules, semantics: Semantics) -> None:
        self.file, self.test, self.rules = file, test, rules
        self.semantics = replace(semantics, subquery_step_ms=file.interval_ms)
        self.series = UnitTestSeries()

    def problems(self) -> list[str]:
        """Return everything that was not as expected."""
        found = self.put_inputs()
        if found:
            return found
        nameless = next((alert for alert in self.test.alerts if not alert.name), None)
        if nameless is not None:
            return [self.at(nameless.line, _("alertname is missing; name the alert to test"))]
        try:
            groups = self.groups()
        except ConfigError as error:
            return list(error.problems)
        found, failed = self.evaluate(groups)
        if failed:
            return found
        return found + [problem for one in self.test.expressions if (problem := self.ask(one))]

    def at(self, line: int, what: str) -> str:
        name = f"{self.test.name}: " if self.test.name else ""
        return f"{self.file.name}:{line}: {name}{what}"

    def put_inputs(self) -> list[str]:
        """Add the input series. As in promtool, each line of an input's text is a series of its own, and an empty line
        or a comment ends all inputs."""
        for given in self.test.series:
            for line in f"{given.series} {given.values}".split("\n"):
                text = line.strip()
                if not text or text.startswith("#"):
                    return []
                try:
                    labels, values = parse_series(text, self.semantics)
                except LilFoxError as error:
                    return [self.at(given.line, f"input_series: {error}")]
                self.series.put(labels, self.test.start_ms, self.test.interval_ms, values)
        return []

    def groups(self) -> list[GroupEvaluator]:
        """Return the groups in evaluation order. Raises ConfigError, also if this version of Prometheus does not know
        an expression."""
        test = self.test
        around = EvaluationContext(
            self.series, self.semantics, test.external_labels, test.external_url, knows_own_url=False
        )
        groups = [GroupEvaluator(file.name, group, around) for file in self.rules.read() for group in file.groups]
        order = {name: place for place, name in enumerate(self.file.group_order)}
        return sorted(groups, key=lambda state: order.get(state.group.name, 0))

    def evaluate(self, groups: Sequence[GroupEvaluator]) -> tuple[list[str], bool]:
        """Evaluate up to the last checked time and compare alerts at their times; return the problems, and whether a
        failing rule stopped the evaluation."""
        problems: list[str] = []
        interval_ms = self.file.interval_ms
        for after_ms in range(0, self.test.end_ms + 1, interval_ms):
            at_ms = self.test.start_ms + after_ms
            refused = self.series.advance(at_ms)
            if refused is not None:
                problems.append(self.at(self.test.line, f"input_series: {refused}"))
                continue
            failures = [failure for group in groups for failure in self.evaluate_group(group, at_ms, after_ms)]
            if failures:
                return problems + failures, True
            asked = [one for one in self.test.alerts if after_ms <= one.at_ms < after_ms + interval_ms]
            problems += [problem for one in asked if (problem := self.compare(one, groups))]
        return problems, False

    def evaluate_group(self, group: GroupEvaluator, at_ms: int, after_ms: int) -> list[str]:
        group.evaluate(self.series, at_ms)
        return [
            f"{group.file}:{rule.rule.line}: {group.group.name}/{rule.rule.name}: "
            + _("at {time}: {reason}", time=duration_text(after_ms, days=False), reason=rule.error)
            for rule in group.rules
            if rule.error is not None
        ]

    def compare(self, asked: AlertTest, groups: Iterable[GroupEvaluator]) -> str | None:
        got = [
            ShownAlert(alert.labels, alert.annotations)
            for group in groups
            for rule in group.rules
            if rule.rule.kind == "alert" and rule.rule.name == asked.name
            for alert in rule.state.alerts
            if alert.state is AlertState.FIRING
        ]
        expected = [
            ShownAlert(
                tuple(sorted({**one.labels, ALERT_NAME: asked.name}.items())), tuple(sorted(one.annotations.items()))
            )
            for one in asked.expected
        ]
        difference = alerts_differ(expected, got)
        if difference is None:
            return None
        where = _("alert {name} at {time}:", name=asked.name, time=duration_text(asked.at_ms, days=False))
        return self.at(asked.line, f"{where}\n{difference}")

    def ask(self, asked: ExpressionTest) -> str | None:
        where = _("{expression} at {time}:", expression=asked.expression, time=duration_text(asked.at_ms, days=False))
        try:
            got = self.answer(asked)
        except LilFoxError as error:
            return self.at(asked.line, f"{where} {error}")
        expected = []
        for one in asked.expected:
            try:
                if one.histogram:
                    raise NotationError(_("native histograms are not supported"))
                expected.append(ResultSample(parse_metric(one.labels, self.semantics), one.value))
            except LilFoxError as error:
                return self.at(one.line, f"{where} exp_samples: {error}")
        difference = samples_differ(expected, got, fuzzy=self.file.fuzzy)
        return None if difference is None else self.at(asked.line, f"{where}\n{difference}")

    def answer(self, asked: ExpressionTest) -> list[ResultSample]:
        value = parse(asked.expression, self.semantics).at(self.series, self.test.start_ms + asked.at_ms)
        if isinstance(value, float):
            return [ResultSample(LabelSet(()), value)]
        if not isinstance(value, Vector):
            raise NotationError(_("the result is neither a vector nor a scalar"))
        return [ResultSample(*pair) for pair in zip(value.labels, np.asarray(value.values).tolist(), strict=True)]
