"""Unit tests of rules have the verdict of the real promtool: those that are good, and those broken on purpose."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.alerts.unit_test_runner import run_unit_tests
from tests.services.lilfox_command import lilfox
from tests.services.random_rules import write_case

CASES = Path(__file__).parent / "rule_tests"
GOOD, BROKEN = sorted(CASES.glob("good/*.yml")), sorted(CASES.glob("broken/*.yml"))


def ask(expression: str, value: str, labels: str = "{}", at: str = "0m") -> str:
    """One thing asked, with its one answer."""
    return f"{{expr: '{expression}', eval_time: {at}, exp_samples: [{{labels: '{labels}', value: {value}}}]}}"


def asked(*tests: str) -> str:
    """A file that asks, without any series."""
    return f"tests: [{{promql_expr_test: [{', '.join(tests)}]}}]"


def given(series: str, values: str, *tests: str) -> str:
    """A file with one series that asks."""
    inputs = f"input_series: [{{series: '{series}', values: '{values}'}}]"
    return f"tests: [{{interval: 1m, {inputs}, promql_expr_test: [{', '.join(tests)}]}}]"


FORMS = {
    "an empty file": "",
    "only a comment": "# nothing\n",
    "null everywhere": "rule_files:\ntests: ~\nevaluation_interval:\n",
    "two documents": "tests: []\n---\nnonsense: 1\n",
    "a key twice": "tests: []\ntests: []\n",
    "an interval of nothing": 'evaluation_interval: ""\n',
    "an interval of zero": "evaluation_interval: 0s\n" + asked(ask("1", "1", at="5m")),
    "a number as a name": "tests: [{name: 12, promql_expr_test: [{expr: 1, exp_samples: [{value: 1}]}]}]",
    "true as a value": asked(ask("1", "true")),
    "a hexadecimal value": asked(ask("31", "0x1F")),
    "a value with underscores": asked(ask("1000", "1_000")),
    "an exponent": asked(ask("1000", "1e3")),
    "an octal value": asked(ask("15", "017")),
    "infinity": asked(ask("Inf", ".inf")),
    "infinity in words": asked(ask("Inf", "+Inf")),
    "tests that are a mapping": "tests: {interval: 1m}",
    "rule files that are a word": "rule_files: rules.yml",
    "labels that are a list": "tests: [{alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: [a]}]}]}]",
    "an alert that nobody has": "tests: [{alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{}]}]}]",
    "a merged mapping": "tests:\n- &a {name: a, external_labels: &l {x: y}}\n- {<<: *a, name: b}\n",
    "a file that is not there": "rule_files: [nosuch.yml]\ntests: [{interval: 1m}]",
    "a pattern that is none": "rule_files: ['[a.yml']\ntests: []",
    "values without a series": "tests: [{input_series: [{values: '1 2'}]}]",
    "a series without values": "tests: [{input_series: [{series: up}], promql_expr_test: [{expr: up}]}]",
    "a space before the labels": given('up {a="b"}', "1"),
    "a series that is a comment": "tests: [{input_series: [{series: '#up', values: x}, {series: '=', values: 1}]}]",
    "a keyword as a name": given('sum{by="a"}', "1", ask('{__name__="sum"}', "1", 'sum{by="a"}')),
    "escapes in a label": given(r'x{p="a\\b\"}"}', "1", ask("x", "1", r'x{p="a\\b\"}"}')),
    "an empty label": given('x{a=""}', "1", ask("x", "1", "x")),
    "no labels at all": given("{}", "1"),
    "no labels and no values": given("{}", ""),
    "a hexadecimal number of times": given("x", "0x10", ask("x", "0", "x", "10m")),
    "a number with underscores": given("x", "1_000"),
    "a fraction of times": given("x", "1x1.5"),
    "stale times": given("x", "stalex3"),
    "two gaps in one": given("x", "__"),
    "a gap of none": given("x", "1 _x0 2", ask("x", "2", "x", "1m")),
    "a plus by itself": given("x", "1 + 2"),
    "a point at the end": given("x", "1. 2", ask("x", "1", "x")),
    "steps beside evaluations": "evaluation_interval: 7s\n"
    + given("x", "0+1x9", ask("x", "4", "x", "20s")).replace("interval: 1m", "interval: 3s"),
    "a time in milliseconds": given("x", "0+1x300", ask("x", "120", "x", "60s500ms")).replace("1m", "500ms"),
}


def promtool_passes(path: Path) -> bool:
    """``promtool test rules``; anything but 0 and 1 is an error of this test."""
    done = subprocess.run(["promtool", "test", "rules", path.name], cwd=path.parent, capture_output=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def test_there_is_enough_to_compare() -> None:
    assert len(GOOD) >= 20
    assert len(BROKEN) >= 30
    assert len(list(CASES.glob("rules/*.yml"))) >= 20


@pytest.mark.parametrize("path", [*GOOD, *BROKEN], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_verdict_is_that_of_promtool(path: Path) -> None:
    expected = path.parent.name == "good"
    assert promtool_passes(path) is expected
    problems = run_unit_tests(path, prometheus2=True).problems
    assert (not problems) is expected, problems
    for problem in problems:
        assert re.match(r"/[^:\n]+\.yml:[1-9][0-9]*: .", problem), problem


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_files_are_read_as_promtool_reads_them(form: str, tmp_path: Path) -> None:
    path = tmp_path / "test.yml"
    path.write_text(FORMS[form])
    assert (not run_unit_tests(path, prometheus2=True).problems) is promtool_passes(path)


@pytest.mark.parametrize("seed", range(20))
def test_what_rules_made_by_chance_give_is_what_promtool_expects(seed: int, tmp_path: Path) -> None:
    failed_at_minute = write_case(tmp_path, seed)
    if failed_at_minute != 0:
        assert promtool_passes(tmp_path / "test.yml")
        assert run_unit_tests(tmp_path / "test.yml", prometheus2=True).problems == ()
    if failed_at_minute is not None:
        assert not promtool_passes(tmp_path / "failing.yml")
        assert run_unit_tests(tmp_path / "failing.yml", prometheus2=True).problems


def test_a_missing_file_fails(tmp_path: Path) -> None:
    path = tmp_path / "nosuch.yml"
    assert promtool_passes(path) is False
    assert run_unit_tests(path).problems


def test_the_command_tells_what_was_expected_and_came_and_exits_as_promtool() -> None:
    good, broken = CASES / "good" / "error_ratio.yml", CASES / "broken" / "wrong_value.yml"
    both = lilfox("alerts", "test", "--prometheus2", str(good), str(broken))
    assert both.returncode == 1
    assert f"{good}: passed, 4 expectations met\n{broken}: FAILED, 1 problem\n" in both.stdout
    assert f"  {broken}:5: x:y at 1m:\n" in both.stdout
    assert "expected, but missing: x:y 3.0\n" in both.stdout
    assert "unexpected: x:y 2.0\n" in both.stdout
    assert lilfox("alerts", "test", "--prometheus2", str(good)).returncode == 0
