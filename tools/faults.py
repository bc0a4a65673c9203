"""The table in docs/faults.md, made from the tests: which of them stand for which row, and how they went.

``python -m tools.faults`` writes which tests there are, ``run`` also runs them and writes what came of it, ``check``
tells whether the table is stale, a row has neither a test nor a reason, or a test names a row that is not there.

A test stands for the rows in its mark (``@pytest.mark.fault("1.12", "2.16")``); one in tests/faults/ without such a
mark for those of sections 1 and 3 that its name begins with (``test_12_…``, ``test_row_27b_28_…``, ``test_35_s9_…``).
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "faults.md"
NOT_COVERED = "not covered: "
_ROW = re.compile(r"\| (?P<row>\d\.\d+b?|S\d+) \| (?P<fault>.*?) \| (?P<passed>.*?) \| (?P<tests>.*?) \|")
_NAMED = re.compile(r"test_(?:row_)?((?:\d+b?_|s\d+_)+)")

Tests = dict[str, list[str]]
"""Row → tests as ``tests/faults/test_x.py::test_y``."""


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 good, 1 stale or a test failed, 2 wrong usage."""
    if argv not in ([], ["check"], ["run"]):
        print("usage: python -m tools.faults [run | check]", file=sys.stderr)
        return 2
    text = PAGE.read_text(encoding="utf-8")
    tests = tests_by_row()
    outcomes, code = run(tests) if argv == ["run"] else ({}, 0)
    made, troubles = page(text, tests, outcomes)
    if argv == ["check"] and made != text:
        troubles.append("the table is stale; run: make docs")
    for trouble in troubles:
        print(f"docs/faults.md: {trouble}", file=sys.stderr)
    if argv != ["check"]:
        PAGE.write_text(made, encoding="utf-8")
    return code or int(bool(troubles))


def tests_by_row() -> Tests:
    """What all test files say."""
    found: Tests = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        for function, rows in _functions(ast.parse(path.read_text(encoding="utf-8")), name):
            for row in rows:
                found.setdefault(row, []).append(f"{name}::{function}")
    return found


def _functions(tree: ast.Module, name: str) -> Iterator[tuple[str, list[str]]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            marked = [row for decorator in node.decorator_list for row in _marked(decorator)]
            yield node.name, marked or (_named(node.name) if name.startswith("tests/faults/") else [])


def _marked(decorator: ast.expr) -> list[str]:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.fault":
        return []
    return [str(ast.literal_eval(argument)) for argument in decorator.args]


def _named(function: str) -> list[str]:
    found = _NAMED.match(function)
    numbers = [number for number in found[1].split("_") if number] if found else []
    return [number.upper() if number.startswith("s") else f"1.{number.lstrip('0')}" for number in numbers]


def run(tests: Tests) -> tuple[dict[str, Counter[str]], int]:
    """Runs them all; what came of each, by ``passed``, ``failed`` and ``skipped``, and pytest's exit status."""
    import pytest

    noted = _Noted()
    wanted = sorted({test for each in tests.values() for test in each})
    code = pytest.main(["-q", "-n", "2", "--dist", "loadgroup", "--maxfail", "50", *wanted], plugins=[noted])
    return noted.outcomes, int(code)


class _Noted:
    """A plug-in of pytest that remembers how each test went, all its parameters together."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}

    def pytest_runtest_logreport(self, report: object) -> None:
        """Called by pytest for each phase of a test."""
        outcome, when = str(getattr(report, "outcome", "")), getattr(report, "when", "")
        if when == "call" or outcome != "passed":
            test = re.split(r"[\[@]", str(getattr(report, "nodeid", "")))[0]  # @: its group, that one worker runs
            self.outcomes.setdefault(test, Counter())[outcome] += 1


def page(text: str, tests: Tests, outcomes: Mapping[str, Counter[str]]) -> tuple[str, list[str]]:
    """``text`` with the rows of today, and what is wrong with them."""
    lines, troubles, seen = [], [], set()
    for line in text.splitlines():
        found = _ROW.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        row = found["row"]
        seen.add(row)
        if row in tests:
            passed = _passed(tests[row], outcomes) or (found["passed"] if found["passed"] != "–" else "not run yet")
            lines.append(f"| {row} | {found['fault']} | {passed} | {_shown(tests[row])} |")
        else:
            reason = found["tests"]
            lines.append(f"| {row} | {found['fault']} | – | {reason} |")
            if not reason.startswith(NOT_COVERED):
                troubles.append(f"row {row} has neither a test nor a reason why not")
    troubles += [f"{tests[row][0]} stands for row {row}, which is not there" for row in sorted(tests.keys() - seen)]
    return "\n".join(lines) + "\n", troubles


def _passed(tests: Sequence[str], outcomes: Mapping[str, Counter[str]]) -> str:
    """Such as ``12 passed, 1 skipped``; empty where they were not run."""
    together: Counter[str] = Counter()
    for test in tests:
        together += outcomes.get(test, Counter())
    return ", ".join(f"{together[each]} {each}" for each in ("failed", "passed", "skipped") if together[each])


def _shown(tests: Sequence[str]) -> str:
    """The tests of a row, by file."""
    by_file: dict[str, list[str]] = {}
    for test in tests:
        file, _, function = test.partition("::")
        by_file.setdefault(file, []).append(function.removeprefix("test_"))
    return "<br>".join(
        f"[{Path(file).stem}](../{file}): {', '.join(f'`{name}`' for name in dict.fromkeys(names))}"
        for file, names in by_file.items()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
