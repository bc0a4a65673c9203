"""Unit tests of rules beyond what promtool 2.53 can be asked: fields and semantics of Prometheus 3, and the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lilfox_tui.alerts.rules import matching_files
from lilfox_tui.alerts.unit_test_file import NotationError, parse_metric, parse_series
from lilfox_tui.alerts.unit_test_runner import UnitTestVerdict, run_unit_tests
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS


def run(tmp_path: Path, tests: str, *, prometheus2: bool = False, rules: str = "") -> UnitTestVerdict:
    (tmp_path / "rules.yml").write_text(rules)
    (tmp_path / "test.yml").write_text(tests)
    return run_unit_tests(tmp_path / "test.yml", prometheus2=prometheus2)


NEARLY_THREE = """\
fuzzy_compare: {fuzzy}
tests:
- input_series: [{{series: low, values: 2.9999999999999996}}, {{series: high, values: 3.0000000000000004}}]
  promql_expr_test:
  - {{expr: low, eval_time: 0, exp_samples: [{{labels: low, value: 3}}]}}
  - {{expr: high, eval_time: 0, exp_samples: [{{labels: high, value: 3}}]}}
"""


def test_fuzzy_compare_takes_the_next_float(tmp_path: Path) -> None:
    verdict = run(tmp_path, NEARLY_THREE.format(fuzzy="true"))
    assert (verdict.problems, verdict.warnings, verdict.tests, verdict.checks) == ((), (), 1, 2)
    assert len(run(tmp_path, NEARLY_THREE.format(fuzzy="false")).problems) == 2
    assert len(run(tmp_path, NEARLY_THREE.format(fuzzy="maybe")).problems) == 1


@pytest.mark.parametrize("start", ['"2024-01-01T00:00:00Z"', "1704067200", '"2024-01-01T01:00:00+01:00"'])
def test_a_test_may_start_at_a_time(tmp_path: Path, start: str) -> None:
    tests = f"""\
tests:
- start_timestamp: {start}
  input_series: [{{series: x, values: 10+10x15}}]
  promql_expr_test:
  - {{expr: time(), eval_time: 5m, exp_samples: [{{value: 1704067500}}]}}
  - {{expr: x @ 1704067320, eval_time: 5m, exp_samples: [{{labels: x, value: 30}}]}}
  - {{expr: x, eval_time: 5m, exp_samples: [{{labels: x, value: 60}}]}}
"""
    assert run(tmp_path, tests).problems == ()
    assert "unknown field" in run(tmp_path, tests, prometheus2=True).problems[0]


def test_windows_are_those_of_the_version(tmp_path: Path) -> None:
    tests = """\
tests:
- input_series: [{series: x, values: 1x10}]
  promql_expr_test: [{expr: 'count_over_time(x[5m])', eval_time: 10m, exp_samples: [{value: %d}]}]
"""
    assert run(tmp_path, tests % 5).problems == ()
    assert run(tmp_path, tests % 6, prometheus2=True).problems == ()
    assert run(tmp_path, tests % 6).problems != ()


def test_labels_of_a_group_came_with_prometheus_3(tmp_path: Path) -> None:
    rules = "groups: [{name: g, labels: {team: web}, rules: [{record: y, expr: x}]}]"
    tests = """\
rule_files: [rules.yml]
tests:
- input_series: [{series: x, values: 1}]
  promql_expr_test: [{expr: y, eval_time: 0, exp_samples: [{labels: 'y{team="web"}', value: 1}]}]
"""
    assert run(tmp_path, tests, rules=rules).problems == ()
    (problem,) = run(tmp_path, tests, rules=rules, prometheus2=True).problems
    assert problem == f"{tmp_path}/rules.yml:1: g: group labels require Prometheus 3"


def test_histograms_are_refused_by_name(tmp_path: Path) -> None:
    tests = "tests: [{promql_expr_test: [{expr: x, exp_samples: [{labels: x, histogram: '{{sum:1}}'}]}]}]"
    assert "native histograms are not supported" in run(tmp_path, tests).problems[0]
    tests = "tests: [{input_series: [{series: x, values: '{{sum:1}}'}]}]"
    assert "native histograms are not supported" in run(tmp_path, tests).problems[0]


def test_a_nan_that_is_expected_is_explained(tmp_path: Path) -> None:
    tests = "tests: [{promql_expr_test: [{expr: vector(NaN), exp_samples: [{value: .nan}]}]}]"
    (problem,) = run(tmp_path, tests).problems
    assert problem.endswith("NaN never equals anything; test “x != x” instead")


def test_a_long_difference_is_cut(tmp_path: Path) -> None:
    inputs = "\n".join(f"  - {{series: 'x{{i=\"{number}\"}}', values: 1}}" for number in range(100))
    tests = f"tests:\n- promql_expr_test: [{{expr: x}}]\n  input_series:\n{inputs}\n"
    (problem,) = run(tmp_path, tests).problems
    assert problem.count("\n") == 51
    assert problem.endswith("… 50 more")


def test_a_pattern_without_files_is_a_warning(tmp_path: Path) -> None:
    verdict = run(tmp_path, "rule_files: [nosuch-*.yml, rules.yml]\ntests: []")
    assert verdict.problems == ()
    assert verdict.warnings == (f"{tmp_path}/test.yml: rule_files: no file matches nosuch-*.yml",)


def test_patterns_of_files_are_those_of_go(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml", ".hidden.yml", "sub/c.yml", "x[1].yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(pattern: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in matching_files(pattern, tmp_path)]

    assert found("*.yml") == [".hidden.yml", "a.yml", "b.yml", "x[1].yml"]
    assert found("[^a].yml") == ["b.yml"]
    assert found("[a-b].yml") == ["a.yml", "b.yml"]
    assert found("*/*.yml") == ["sub/c.yml"]
    assert found("**/c.yml") == ["sub/c.yml"]
    assert found("x\\[1].yml") == ["x[1].yml"]
    assert found("x[[]1].yml") == ["x[1].yml"]
    assert found("sub/../a.yml") == ["a.yml"]
    assert found("nosuch/*.yml") == found("nosuch.yml") == found("") == []
    assert found(str(tmp_path / "?.yml")) == ["a.yml", "b.yml"]
    with pytest.raises(LilFoxError):
        found("[a.yml")


# promtool's notation of series.


def values(text: str) -> list[float | str]:
    words = {ABSENT_BITS: "_", STALE_BITS: "stale"}
    _labels, numbers = parse_series(f"x {text}", PROMETHEUS_3)
    pairs = zip(numbers.view(np.int64).tolist(), numbers.tolist(), strict=True)
    return [words.get(bits, number) for bits, number in pairs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("1 2.5 -3 +4", [1, 2.5, -3, 4]),
        ("7x2", [7, 7, 7]),
        ("7x0", [7]),
        ("0+10x3", [0, 10, 20, 30]),
        ("-2+4x3", [-2, 2, 6, 10]),
        ("1-2x2", [1, -1, -3]),
        ("1--2x1", None),
        ("_ _x2 stale", ["_", "_", "_", "stale"]),
        ("1e2 .5 5.", [100, 0.5, 5]),
        ("0+0.1x3", [0, 0.1, 0.2, 0.30000000000000004]),
        ("Inf -inf", [float("inf"), float("-inf")]),
        ("1+1", None),
        ("1x", None),
        ("0x1F", None),
        ("stalex2", None),
        ("{{sum:1}}", None),
        ("1x99999999999", None),
    ],
)
def test_values(text: str, expected: list[float | str] | None) -> None:
    if expected is None:
        with pytest.raises(NotationError):
            values(text)
    else:
        assert values(text) == expected


def test_native_histograms_are_refused_by_name() -> None:
    with pytest.raises(NotationError, match="native histograms are not supported"):
        values("{{schema:1 sum:5 count:4 buckets:[1 2 1]}}x3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", {"__name__": "up"}),
        ("up{}", {"__name__": "up"}),
        (' up {job="a", instance="b:1",} ', {"__name__": "up", "job": "a", "instance": "b:1"}),
        ('{__name__="up", job="a"}', {"__name__": "up", "job": "a"}),
        ('{job="}"}', {"job": "}"}),
        (r"""{a="\"\\", b='"', c=`a\nb`}""", {"a": '"\\', "b": '"', "c": "a\\nb"}),
        ("{}", {}),
        ("", {}),
    ],
)
def test_metrics(text: str, expected: dict[str, str]) -> None:
    assert parse_metric(text, PROMETHEUS_3) == LabelSet.of(expected)


@pytest.mark.parametrize("text", ["up{", 'up{job=~"a"}', "up down", 'up{job="a"} 1', "1up", 'up{job="a" or job="b"}'])
def test_what_is_no_metric(text: str) -> None:
    with pytest.raises(LilFoxError):
        parse_metric(text, PROMETHEUS_3)
