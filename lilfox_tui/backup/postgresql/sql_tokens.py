"""A statement as words, names and signs: what is in quotes and comments is no part of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    rb"(?P<line>--[^\n\r]*)|(?P<comment>/\*)|(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*+'?)"
    rb"|(?P<text>(?:[uU]&|[nNbBxX])?'(?:[^']|'')*+'?)"
    rb"|(?P<coded>[uU]&\"(?:[^\"]|\"\")*+\"?)|(?P<name>\"(?:[^\"]|\"\")*+\"?)"
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$)"
    rb"|(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+)|(?P<number>[0-9][0-9A-Za-z_.]*+)|(?P<sign>\S)",
    re.DOTALL,
)
_BACKSLASHED = re.compile(rb"'(?:[^'\\]|\\.|'')*+'?", re.DOTALL)
_NESTED = re.compile(rb"/\*|\*/")


class Token(NamedTuple):
    """``word`` in upper case; ``name`` is what stood in double quotes; ``text`` and ``number`` hold nothing."""

    kind: str
    text: str


def tokens_of(statement: bytes, *, backslashes: bool = False) -> list[Token]:
    """All of a statement. ``backslashes``: they escape in plain quotes too (``standard_conforming_strings = off``)."""
    found: list[Token] = []
    at = 0
    while (token := _TOKEN.search(statement, at)) is not None:
        at = token.end()
        kind = token.lastgroup or ""
        if kind == "comment":
            at = _after_comment(statement, at)
        elif kind == "dollar":
            end = statement.find(token[0], at)
            at = len(statement) if end < 0 else end + len(token[0])
            found.append(Token("text", ""))
        elif kind == "word":
            found.append(Token("word", token[0].decode("utf-8", "replace").upper()))
        elif kind == "name":
            found.append(Token("name", token[0][1:].removesuffix(b'"').replace(b'""', b'"').decode("utf-8", "replace")))
        elif kind == "sign":
            found.append(Token("sign", token[0].decode("latin-1")))
        elif kind == "text" and backslashes and token[0][:1] == b"'":
            whole = _BACKSLASHED.match(statement, token.start())
            at = whole.end() if whole is not None else at
            found.append(Token("text", ""))
        elif kind != "line":
            found.append(Token("text" if kind == "escaped" else kind, ""))
    return found


def words_of(tokens: Sequence[Token], count: int) -> tuple[str, ...]:
    """The words that a statement begins with, up to the first that is none."""
    words: list[str] = []
    for token in tokens[:count]:
        if token.kind != "word":
            break
        words.append(token.text)
    return tuple(words)


def name_at(tokens: Sequence[Token], at: int) -> tuple[str, ...]:
    """The name that begins there, with its schema where it has one: as the server has it."""
    parts: list[str] = []
    while at < len(tokens) and tokens[at].kind in ("word", "name"):
        token = tokens[at]
        parts.append(token.text.lower() if token.kind == "word" else token.text)
        if at + 1 >= len(tokens) or tokens[at + 1] != Token("sign", "."):
            break
        at += 2
    return tuple(parts)


def name_before(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], int]:
    """The name that ends right before ``at``, and where it begins; none where there is something else."""
    parts: list[str] = []
    while at > 0 and tokens[at - 1].kind in ("word", "name", "coded"):
        at -= 1
        token = tokens[at]
        parts.insert(0, {"word": token.text.lower(), "name": token.text}.get(token.kind, "\0"))
        if at == 0 or tokens[at - 1] != Token("sign", "."):
            break
        at -= 1
    return tuple(parts), at


def _after_comment(statement: bytes, at: int) -> int:
    depth = 1
    for found in _NESTED.finditer(statement, at):
        depth += 1 if found[0] == b"/*" else -1
        if depth == 0:
            return found.end()
    return len(statement)
