"""Hand-written Markdown wraps at 100 columns; tables, code and the targets of links may be wider."""

from __future__ import annotations

import pytest

from tools import docs

WORDS = "word " * 20


@pytest.mark.parametrize(
    "text",
    [
        f"{WORDS}\n{WORDS}\n",
        f"| {WORDS}{WORDS}|\n|---|\n| {WORDS}{WORDS}|\n",
        f"```bash\n{WORDS}{WORDS}\n```\n",
        f"text\n\n    {WORDS}{WORDS}\n",
        f"1. item\n\n   ```\n   {WORDS}{WORDS}\n   ```\n",
        f"see [the page](https://docs.example/{'x' * 100})\n",
    ],
    ids=["wrapped", "table", "fence", "indented code", "fence in a list", "target of a link"],
)
def test_what_may_be_wide_passes(text: str) -> None:
    assert docs.wide_lines(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"short\n{WORDS}{WORDS}\n", 2),
        (f"- {WORDS}{WORDS}\n", 1),
        (f"- item\n    {WORDS}{WORDS}\n", 2),
        (f"# {WORDS}{WORDS}\n", 1),
        (f"short\n{'告' * 51}\n", 2),
    ],
    ids=["paragraph", "item", "rest of an item", "heading", "wide characters"],
)
def test_prose_that_is_wide_is_named_by_its_line(text: str, number: int) -> None:
    assert docs.wide_lines(text) == [number]


def test_every_page_is_checked() -> None:
    names = {path.relative_to(docs.ROOT).as_posix() for path in docs.written_pages()}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/backup.md", "docs/adr/0001-asyncssh.md"} <= names


def test_a_check_that_no_test_provokes_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    provoked = docs._provoked
    monkeypatch.setattr(docs, "_provoked", lambda text: provoked(text) - {"swapping"})
    with pytest.raises(SystemExit, match="none provokes the check swapping"):
        docs.checks()
