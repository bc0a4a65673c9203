"""``lilfox alerts test``: which tests run, and their results as JUnit XML."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lilfox_tui.cli.main import parse, run_command
from lilfox_tui.core.errors import LilFoxError, UsageError

TESTS = """
tests:
  - name: good one
    input_series: [{series: up, values: '1 1'}]
    promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 1}]}]
  - name: "bad <one> & \\x1b[31m"
    input_series: [{series: up, values: '1 1'}]
    promql_expr_test:
      - {expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 2}]}
      - {expr: up, eval_time: 1m, exp_samples: []}
  - input_series: [{series: up, values: '1 1'}]
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    path = tmp_path / "t.yml"
    path.write_text(TESTS)
    return path


def ran(*words: str | Path) -> int:
    return run_command(parse(["alerts", "test", *map(str, words)]))


@pytest.mark.parametrize(
    ("patterns", "status", "said"),
    [
        ((), 1, "FAILED, 2 problems"),
        (("good",), 0, "passed, 1 expectation met"),
        (("^ood",), 2, ""),
        (("ba[dx]",), 1, "FAILED, 2 problems"),
        (("none", "one$"), 0, "passed, 1 expectation met"),
        (("good|bad",), 1, "FAILED, 2 problems"),
        (("^$",), 0, "passed, but the tests contain no expectations"),
    ],
)
def test_only_tests_run_whose_name_a_pattern_matches(
    tests: Path, patterns: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--run={pattern}" for pattern in patterns]
    if status == UsageError.exit_code:
        with pytest.raises(UsageError, match="no test has a name that --run matches"):
            ran(tests, *words)
    else:
        assert ran(tests, *words) == status
        assert said in capsys.readouterr().out
    promtool = subprocess.run(["promtool", "test", "rules", *words, str(tests)], capture_output=True, check=False)
    assert (promtool.returncode == 0) is (status != 1)


def test_a_pattern_that_is_none_is_an_error(tests: Path) -> None:
    with pytest.raises(LilFoxError, match="missing"):
        ran(tests, "--run=(")


def test_results_are_written_as_junit_xml(tests: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("tests: 3\n")
    result = tmp_path / "result.xml"
    assert ran(tests, broken, "--junit", result) == 1
    good, bad = ElementTree.fromstring(result.read_text())
    assert (good.get("name"), good.get("tests"), good.get("failures")) == (str(tests), "3", "1")
    cases = {case.get("name"): [failure.text or "" for failure in case] for case in good}
    assert list(cases) == ["good one", "bad <one> & ␛[31m", "unnamed#2"]
    first, second = cases["bad <one> & ␛[31m"]
    assert "up at 1m" in first
    assert "expected, but missing: up 2.0" in first
    assert "unexpected: up 1.0" in second
    assert all(float(case.get("time", "")) >= 0 for case in good)
    assert (bad.get("failures"), bad[0].get("name")) == ("1", "broken.yml")


def test_a_file_that_cannot_be_written_is_said(tests: Path, tmp_path: Path) -> None:
    with pytest.raises(LilFoxError, match="cannot be written: No such file"):
        ran(tests, "--run=good", "--junit", tmp_path / "none" / "x.xml")
