"""The glossary's terms: each names one class, which is where it says, and each class has one term."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tools import shape

ROOT = Path(__file__).parent.parent
_ROW = re.compile(
    r"^\| (?P<term>[a-z ]+) \| .+ \| `(?P<name>\w+)` \| `(?P<path>[\w/]+\.py)` \| (?P<chinese>[^|]+) \|$", re.MULTILINE
)
ROWS = list(_ROW.finditer((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")))


@cache
def classes() -> dict[str, list[str]]:
    """Where each class name is used, below lilfox_tui."""
    found: dict[str, list[str]] = {}
    for path in sorted(shape.PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(path.relative_to(shape.PACKAGE).as_posix())
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_term_names_one_class_where_it_says(row: re.Match[str]) -> None:
    assert classes().get(row["name"]) == [row["path"]]


def test_no_text_is_in_capitals() -> None:
    """Titles are words like all others; abbreviations are shorter."""
    texts = (path.read_text(encoding="utf-8") for path in (shape.PACKAGE / "app").rglob("*.py"))
    assert [found for text in texts for found in re.findall(r'_\("([A-Z][A-Z ]{3,})"', text)] == []


def test_a_term_and_its_chinese_stand_for_one_thing() -> None:
    for column in ("term", "name", "chinese"):
        assert [name for name, times in Counter(row[column] for row in ROWS).items() if times > 1] == []
    assert len(ROWS) >= 50


def test_no_class_name_is_used_twice() -> None:
    assert shape.measure(shape.PACKAGE).doubles == {}
