"""Blocks as CommonMark has them: markdown-it-py, which Textual brings, is the judge."""

from __future__ import annotations

import random

import pytest
from markdown_it import MarkdownIt

from lilfox_tui.runbook.parse.markdown import ListItem, MarkdownBlock, plain, scan

Row = tuple[object, ...]

_PIECES = (
    "", "text", "1. one", "2. two", "10) ten", "- dash", "* star", "+ plus", "> quote", ">", "```", "```bash", "~~~",
    '~~~ sh {"a":1}', "# head", "## head ##", "===", "---", "***", "<!-- c", "-->", "<div>", "</div>", "<b>", "-", "1.",
    "- - x", "1. - ```", "> - a", "-\ttab", "2.\tx", "#", "``` `", "text\\", "- # h", "* * *", "_ _ _", "<!-- c -->",
    "<pre>", "</pre>", "<attack-ip>",
)  # fmt: skip
_INDENTS = ("", "", "", "", " ", "  ", "   ", "   ")


def _line(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()


def _judged(text: str) -> list[Row]:
    """The blocks that markdown-it finds."""
    rows: list[Row] = []
    lists: list[bool] = []
    quotes = 0
    tokens = MarkdownIt("commonmark").parse(text)
    for at, token in enumerate(tokens):
        line = (token.map or [0])[0] + 1
        if token.type in ("ordered_list_open", "bullet_list_open"):
            lists.append(token.type == "ordered_list_open")
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            lists.pop()
        elif token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
        elif token.type == "list_item_open":
            rows.append(("item", line, lists[-1], len(lists), quotes > 0))
        elif token.type == "heading_open":
            rows.append(("heading", line, int(token.tag[1]), _line(tokens[at + 1].content), len(lists), quotes > 0))
        elif token.type == "paragraph_open":
            rows.append(("paragraph", line, _line(tokens[at + 1].content), len(lists), quotes > 0))
        elif token.type == "fence":
            rows.append(("fence", line, token.info.strip(), _line(token.content), len(lists), quotes > 0))
    return rows


def _depth(item: ListItem | None) -> int:
    return 0 if item is None else 1 + _depth(item.parent)


def _row(block: MarkdownBlock) -> Row:
    depth = _depth(block.item)
    if block.kind == "item":
        assert block.item is not None
        return ("item", block.line, block.item.ordered, depth, block.quoted)
    if block.kind == "heading":
        return ("heading", block.line, block.level, _line(block.text), depth, block.quoted)
    if block.kind == "paragraph":
        return ("paragraph", block.line, _line(block.text), depth, block.quoted)
    return ("fence", block.line, block.info, _line(block.text), depth, block.quoted)


def _scanned(text: str) -> list[Row]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [_row(block) for block in scan(lines)]


@pytest.mark.parametrize("seed", range(8))
def test_random_texts_have_the_blocks_that_markdown_it_finds(seed: int) -> None:
    chosen = random.Random(seed)
    for _number in range(400):
        text = "".join(chosen.choice(_INDENTS) + chosen.choice(_PIECES) + "\n" for _ in range(chosen.randint(1, 8)))
        if any(line.startswith("    ") for line in text.expandtabs(4).split("\n")):
            continue  # markdown-it lets what is indented by four end a paragraph of an item; CommonMark does not
        assert _scanned(text) == _judged(text), text


@pytest.mark.parametrize(
    "text",
    [
        "1. **First**\n   ```bash\n   df -h\n   ```\n\n2. Second\n   - a\n   - b\n",
        "1.  wide\n\n    ```bash\n    ls\n    ```\n",
        "- a\n  1. b\n     ~~~sh\n     c\n       d\n     ~~~\n",
        "10. ten\n\n    ````text\n    ```bash\n    ls\n    ```\n    ````\n",
        "Head\n====\n\nother\nhead\n---\n",
        "1. a\n\n   second paragraph\n\n2. b\n",
        "1. a\nlazy\n2. b\n",
        "> 1. quoted\n>    ```bash\n>    ls\n>    ```\n",
        "<!--\n1. no\n```bash\nls\n```\n-->\n1. yes\n",
        "<details>\n<summary>x</summary>\n\n1. in\n\n</details>\n",
        "1. open\n   ```bash\n   ls\n\n2. ends the fence\n",
        "1. x\n\n\n\n   ```bash\n\n   ls\n\n\n   df\n   ```\n",
        "```bash\nls\n",
        "-\n  late\n",
        "1.\n\n   no longer in it\n",
        "    indented\n    code\n\ntext\n",
        "1. a\n---\n2. b\n",
    ],
)  # fmt: skip
def test_shapes_that_runbooks_have(text: str) -> None:
    assert _scanned(text) == _judged(text)


def test_tabs_of_a_fence_stay_and_those_before_it_go() -> None:
    blocks = scan(["1. a", "", "\t```bash", "\tcat <<-E", "\t\tx", "\tE", "\t```"])

    fence = next(block for block in blocks if block.kind == "fence")

    assert fence.text.split("\n")[0] == "cat <<-E"
    assert fence.closed


def test_a_fence_without_an_end_is_known_as_one() -> None:
    (fence,) = scan(["```bash", "ls"])

    assert not fence.closed


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("**检查数据库状态**", "检查数据库状态"),
        ("a *b* and __c__", "a b and c"),
        ("run `df -h <disk>`", "run df -h <disk>"),
        ("see [the page](https://a.b/c_(d)) now", "see the page now"),
        ("<https://a.b/c>", "https://a.b/c"),
        (r"not \*bold\*", "not *bold*"),
        ("two\nlines", "two lines"),
        ("a_b_c and 2*3*4", "a_b_c and 2*3*4"),
        ("&lt;ip&gt; &amp; co", "<ip> & co"),
    ],
)
def test_marks_are_taken_away(written: str, read: str) -> None:
    assert plain(written) == read
