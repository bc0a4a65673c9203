"""The table in docs/faults.md, made from the tests: which of them stand for which row, and how they went.

``python -m tools.faults`` writes which tests there are, ``record FILE`` also what became of them in the run that
``python -m tests.run --outcomes FILE`` made, ``check`` tells whether the table is stale, a row has neither a test nor a
reason, a test names a row that is not there, or a row records a failure or fewer passes than it names tests.

A test stands for the rows in its mark (``@pytest.mark.fault("1.12", "2.16")``); one in tests/faults/ without such a
mark for those of sections 1 and 3 that its name begins with (``test_12_…``, ``test_row_27b_28_…``, ``test_35_s9_…``).
"""

from __future__ import annotations

import ast
import json
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
    if argv not in ([], ["check"]) and not (len(argv) == 2 and argv[0] == "record"):
        print("usage: python -m tools.faults [record FILE | check]", file=sys.stderr)
        return 2
    text = PAGE.read_text(encoding="utf-8")
    tests = tests_by_row()
    outcomes = by_test(json.loads(Path(argv[1]).read_text(encoding="utf-8"))) if argv[:1] == ["record"] else {}
    made, troubles = page(text, tests, outcomes)
    if argv == ["check"] and made != text:
        troubles.append("the table is stale; run: make docs")
    if argv:
        troubles += unproved(made, tests)
    for trouble in troubles:
        print(f"docs/faults.md: {trouble}", file=sys.stderr)
    if argv != ["check"]:
        PAGE.write_text(made, encoding="utf-8")
    return int(bool(troubles))


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


def by_test(outcomes: Mapping[str, str]) -> dict[str, Counter[str]]:
    """How often each test ``passed``, ``failed`` or was ``skipped``, its parameters together.

    ``outcomes``: by the test's node id (``tests/x.py::test_y[parameter]``)."""
    found: dict[str, Counter[str]] = {}
    for test, outcome in outcomes.items():
        found.setdefault(test.partition("[")[0], Counter())[outcome] += 1
    return found


def unproved(text: str, tests: Tests) -> list[str]:
    """Rows of the page that record a failure, or fewer passes than they name tests."""
    troubles = []
    for found in map(_ROW.fullmatch, text.splitlines()):
        if found is None or found["row"] not in tests:
            continue
        counts = {outcome: int(number) for number, outcome in re.findall(r"(\d+) (\w+)", found["passed"])}
        named = len(set(tests[found["row"]]))
        if counts.get("failed") or counts.get("passed", 0) + counts.get("skipped", 0) < named:
            troubles.append(f"row {found['row']} names {named} tests and records '{found['passed']}'; run: make faults")
    return troubles


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
