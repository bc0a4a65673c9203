"""Runs promtool's unit tests of rules: what ``promtool test rules`` passes is passed, what it fails is failed.

Time begins at 0 (or at the test's ``start_timestamp``); all groups are evaluated every ``evaluation_interval``,
whatever their own interval is, and see of the inputs what is not in the future. One thing is not as in promtool: a
query may look at more than 10,000 samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.file_patterns import files
from lilfox_tui.alerts.group import GroupState
from lilfox_tui.alerts.group_rule import ALERT_NAME, Surroundings
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.rule import RuleFile
from lilfox_tui.alerts.rule_file import read_rules
from lilfox_tui.alerts.unit_expected import (
    Sample,
    ShownAlert,
    alerts_differ,
    samples_differ,
)
from lilfox_tui.alerts.unit_file import AlertTest, ExpressionTest, UnitTest, UnitTestFile, read_unit_tests
from lilfox_tui.alerts.unit_notation import NotationError, metric, series
from lilfox_tui.alerts.unit_series import UnitSeries
from lilfox_tui.errors import ConfigError, LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.semantics import PROMETHEUS_2, PROMETHEUS_3, Semantics
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.durations import duration_text
from lilfox_tui.scrape.labels import LabelSet


class Verdict(Struct, frozen=True):
    """Of one file: ``problems`` make it fail, ``warnings`` do not. ``checks`` is how much was asked of the rules."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    tests: int = 0
    checks: int = 0


def run_unit_tests(path: Path, *, prometheus2: bool = False) -> Verdict:
    """Runs all tests of a file; problems are texts of one or more lines that begin with ``file:line:``."""
    semantics = PROMETHEUS_2 if prometheus2 else PROMETHEUS_3
    try:
        file = read_unit_tests(path, prometheus2=prometheus2)
        found = {pattern: files(pattern, path.parent) for pattern in file.rule_files}
    except ConfigError as error:
        return Verdict(error.problems)
    except LilFoxError as error:
        return Verdict((f"{path}:1: {error}",))
    warnings = [
        f"{file.name}: " + _("rule_files: no file fits {pattern}", pattern=pattern)
        for pattern, paths in found.items()
        if not paths
    ]
    paths = dict.fromkeys(one for pattern in file.rule_files for one in found[pattern])
    rules = _Rules(tuple(paths), semantics)
    problems = [problem for test in file.tests for problem in _Run(file, test, rules, semantics).problems()]
    checks = sum(len(test.alerts) + len(test.expressions) for test in file.tests)
    return Verdict(tuple(problems), tuple(warnings), len(file.tests), checks)


class _Rules:
    """The rule files of a file of tests, read when the first test wants them: without tests nobody reads them."""

    def __init__(self, paths: Sequence[Path], semantics: Semantics) -> None:
        self._paths, self._semantics = paths, semantics
        self._read: list[RuleFile] | None = None

    def read(self) -> list[RuleFile]:
        """Raises ConfigError with the problems of all files."""
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
        f"{file.name}:{group.line}: {group.name}: " + _("labels of a group came with Prometheus 3")
        for file in read
        for group in file.groups
        if group.labels
    ]


class _Run:
    """One test."""

    def __init__(self, file: UnitTestFile, test: UnitTest, rules: _Rules, semantics: Semantics) -> None:
        self.file, self.test, self.rules = file, test, rules
        self.semantics = replace(semantics, subquery_step_ms=file.interval_ms)
        self.series = UnitSeries()

    def problems(self) -> list[str]:
        """All that was not as expected."""
        found = self.put_inputs()
        if found:
            return found
        nameless = next((alert for alert in self.test.alerts if not alert.name), None)
        if nameless is not None:
            return [self.at(nameless.line, _("alertname is missing: which alert is this about?"))]
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
        """Each line of an input's text is a series by itself, and nothing is read after an empty one: promtool makes
        one text of them all."""
        for given in self.test.series:
            for line in f"{given.series} {given.values}".split("\n"):
                text = line.strip()
                if not text or text.startswith("#"):
                    return []
                try:
                    labels, values = series(text, self.semantics)
                except LilFoxError as error:
                    return [self.at(given.line, f"input_series: {error}")]
                self.series.put(labels, self.test.start_ms, self.test.interval_ms, values)
        return []

    def groups(self) -> list[GroupState]:
        """The groups in their order. Raises ConfigError, also for an expression that this Prometheus does not have."""
        test = self.test
        around = Surroundings(self.series, self.semantics, test.external_labels, test.external_url, knows_own_url=False)
        groups = [GroupState(file.name, group, around) for file in self.rules.read() for group in file.groups]
        order = {name: place for place, name in enumerate(self.file.group_order)}
        return sorted(groups, key=lambda state: order.get(state.group.name, 0))

    def evaluate(self, groups: Sequence[GroupState]) -> tuple[list[str], bool]:
        """Evaluates up to the last time that is asked about, and compares alerts on the way; whether that was given up
        because a rule failed."""
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

    def evaluate_group(self, group: GroupState, at_ms: int, after_ms: int) -> list[str]:
        group.evaluate(self.series, at_ms)
        return [
            f"{group.file}:{rule.rule.line}: {group.group.name}/{rule.rule.name}: "
            + _("at {time}: {reason}", time=duration_text(after_ms, days=False), reason=rule.error)
            for rule in group.rules
            if rule.error is not None
        ]

    def compare(self, asked: AlertTest, groups: Iterable[GroupState]) -> str | None:
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
                expected.append(Sample(metric(one.labels, self.semantics), one.value))
            except LilFoxError as error:
                return self.at(one.line, f"{where} exp_samples: {error}")
        difference = samples_differ(expected, got, fuzzy=self.file.fuzzy)
        return None if difference is None else self.at(asked.line, f"{where}\n{difference}")

    def answer(self, asked: ExpressionTest) -> list[Sample]:
        value = parse(asked.expression, self.semantics).at(self.series, self.test.start_ms + asked.at_ms)
        if isinstance(value, float):
            return [Sample(LabelSet(()), value)]
        if not isinstance(value, Vector):
            raise NotationError(_("the result is neither a vector nor a scalar"))
        return [Sample(*pair) for pair in zip(value.labels, np.asarray(value.values).tolist(), strict=True)]
