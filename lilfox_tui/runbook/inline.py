"""What stands inside a line of Markdown, without its marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BACKQUOTES = re.compile("(`+)")
_LINK = re.compile(r"!?\[([^\]\[]*)\](?:\([^()]*+(?:\([^()]*+\)[^()]*+)?\)|\[[^\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|mailto|ftp):[^<>\s]*)>")
_STRONG = re.compile(r"(?<!\\)(\*\*|__|~~)(?=\S)((?:(?!\1).)+)(?<=[^\s\\])\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\\*\w])([*_])(?=[^\s*_])((?:(?!\1).)+)(?<=[^\s\\])\1(?![*\w])", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_MARKS = frozenset("*_`[<\\&~")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " ", "&amp;": "&"}


def plain(text: str) -> str:
    """``text`` of a heading or paragraph on one line, without the marks of Markdown: bold, code, links, escapes."""
    if not _MARKS.isdisjoint(text):
        text = "".join(_spans(text)) if "`" in text else _unmarked(text)
    return " ".join(text.split())


def _spans(text: str) -> Iterator[str]:
    """``text`` in pieces: what is code as it stands, the rest without its marks. Code ends at as many backquotes as it
    begins with."""
    pieces = _BACKQUOTES.split(text)  # text and backquotes in turn
    ends: dict[int, list[int]] = {}
    for at in range(len(pieces) - 2, 0, -2):
        ends.setdefault(len(pieces[at]), []).append(at)
    at, said = 0, ""
    while at < len(pieces):
        said += pieces[at]
        if at + 1 == len(pieces):
            break
        later = ends[len(pieces[at + 1])]
        while later and later[-1] <= at + 1:
            later.pop()
        if later:
            yield _unmarked(said)
            code = "".join(pieces[at + 2 : later[-1]])
            yield code.strip(" ") or code
            at, said = later[-1] + 1, ""
        else:
            said += pieces[at + 1]
            at += 2
    yield _unmarked(said)


def _unmarked(text: str) -> str:
    if "[" in text:
        text = _LINK.sub(r"\1", text)
    if "<" in text:
        text = _AUTOLINK.sub(r"\1", text)
    if "*" in text or "_" in text or "~~" in text:
        text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    if "&" in text:
        for entity, character in _ENTITIES.items():
            text = text.replace(entity, character)
    return text
