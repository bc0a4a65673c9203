"""Runbooks that are written to be read slowly, or not at all: lines of blanks, depths without an end, patterns."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.parse.markdown import plain, scan

LONG = 20_000
UNITS = (
    "# x",
    "# x #",
    "#",
    "# ",
    "* ",
    "- ",
    "+ ",
    "1. ",
    "> ",
    "`",
    "``` ",
    "~~~ ",
    "<",
    "<a ",
    "<a b=",
    "<!-- ",
    "</",
    "=",
    "-",
    "_",
    "*",
    "**",
    "** a",
    "__",
    "_a",
    "~~",
    "[",
    "[a](",
    "[](",
    "![](",
    "](",
    "[a][",
    "\\",
    "&amp;",
    "\\t",
    " ",
    "<http:",
    "| ",
)


def spent(text: str) -> float:
    begun = time.thread_time()
    scan(text.split("\n"))
    plain(text)
    return time.thread_time() - begun


def grows(make: object) -> bool:
    short, long = (min(spent(make(size)) for _try in range(2)) for size in (4000, 16_000))  # type: ignore[operator]
    return short > 0.003 and long / short > 9


@pytest.mark.fault("4.29")
@pytest.mark.parametrize("unit", UNITS)
def test_the_time_grows_with_the_length(unit: str) -> None:
    unit = unit.replace("\\", "\\").replace("\\t", "\t")
    made = (
        lambda size: unit * (size // len(unit)),
        lambda size: unit + " " * size + "x",
        lambda size: unit + " " * size,
        lambda size: "a " + unit * (size // len(unit)) + " b",
        lambda size: "\n".join([unit] * (size // (len(unit) + 1))),
        lambda size: unit * (size // len(unit) // 2) + "\n" * (size // 2),
        lambda size: (unit + "a ") * (size // (len(unit) + 2)),
    )
    assert [number for number, make in enumerate(made) if grows(make)] == []


@pytest.mark.fault("4.29")
def test_a_heading_and_20_000_blanks_are_read_at_once() -> None:
    begun = time.thread_time()
    blocks = scan(["# x" + " " * LONG + "y", "~~~ a" + " " * LONG + "b", "~~~"])
    assert time.thread_time() - begun < 1  # 36 s where the blanks are tried again and again
    assert blocks[0].text == "x" + " " * LONG + "y"
    assert blocks[1].info == "a" + " " * LONG + "b"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("# a", "a"),
        ("# a #", "a"),
        ("# a ##  ", "a"),
        ("# a#", "a#"),
        ("#", ""),
        ("# #", ""),
        ("## ##", ""),
        ("# a # b", "a # b"),
        ("#\ta", "a"),
    ],
)
def test_a_heading_is_what_commonmark_says(line: str, text: str) -> None:
    assert scan([line])[0].text == text


@pytest.mark.parametrize(
    ("lines", "content", "closed"),
    [
        (["~~~", "a", "~~~~  "], "a", True),
        (["```", "a", "``", "   ```"], "a\n``", True),
        (["```", "a", "    ```"], "a\n    ```", False),
        (["~~~", "~~~ x"], "~~~ x", False),
    ],
)
def test_a_fence_ends_as_commonmark_says(lines: list[str], content: str, closed: bool) -> None:
    found = scan(lines)[0]
    assert (found.text, found.closed) == (content, closed)


@pytest.mark.fault("4.29")
def test_lists_in_lists_without_an_end_are_text_from_some_depth_on() -> None:
    begun = time.thread_time()
    scan(["+ " * LONG, *[""] * LONG])
    scan(["> " * LONG] * 100)
    assert time.thread_time() - begun < 10  # 1 s without another load


@pytest.mark.fault("4.29")
@pytest.mark.parametrize("pattern", ["(", "a{1000}{1000}{1000}", "(?=a)", "\\\\1", "[z-a]", "*", "\\ud800", "(" * 5000])
def test_a_pattern_that_is_none_is_a_problem_of_its_line(pattern: str) -> None:
    text = f'---\nvars:\n  a:\n    type: regex\n    pattern: "{pattern}"\n---\n# A\n\n1. Look\n\n```bash\ndate\n```\n'
    document = parse(text.encode(), "a.md")
    assert [problem.severity for problem in document.problems if problem.code == "front-matter"] == ["error"]


@pytest.mark.fault("4.29")
def test_a_repeat_beyond_all_counts_ends_nothing() -> None:
    """RE2 takes it for what is written; Python's own raises OverflowError."""
    text = '---\nvars:\n  a:\n    type: regex\n    pattern: "a{99999999999999}"\n---\n# A\n\n1. Look\n'
    assert [problem.code for problem in parse(text.encode(), "a.md").problems if problem.severity == "error"] == []
