"""Texts that make a regular expression work as hard as it can, read from the expression itself: each of its repeats
pumped, and what it begins with said over and over, with an end that fits nothing."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

parser: Any = importlib.import_module("re._parser")
SAMPLES = " \t\nax_A0.-:=\"'<>()[]{}\\/,;*#|`&@!$%+~^?é"
ENDS = ("", "\x00", " \x00")
MANY = 64
"""A repeat that may be longer is pumped."""
MOST_SAMPLES = 6


def texts(pattern: re.Pattern[Any]) -> Iterator[Callable[[int], str]]:
    """Each gives, for a number, a text that is about so long."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    seen: set[tuple[str, str, str]] = set()
    for before, pump in _pumps(list(tree), pattern.flags):
        for end in ENDS:
            key = (before, pump, end)
            if pump and key not in seen:
                seen.add(key)
                yield lambda size, key=key: key[0] + key[1] * (size // len(key[1])) + key[2]  # type: ignore[misc]


def _pumps(nodes: list[Any], flags: int, before: str = "") -> Iterator[tuple[str, str]]:
    """What stands before a repeat, and what is repeated."""
    first = before
    for at, node in enumerate(nodes):
        name, value = str(node[0]), node[1]
        if name.endswith(("_REPEAT", "POSSESSIVE_REPEAT")):
            _least, most, body = value
            if most > MANY:
                for sample in _short(list(body), flags):
                    yield before, sample
                    yield "", before + sample
                    # what follows is often what the repeat takes as well
                    for following in _short(nodes[at + 1 : at + 3], flags)[:MOST_SAMPLES]:
                        yield before, sample + following
            yield from _pumps(list(body), flags, before)
        elif name == "SUBPATTERN":
            yield from _pumps(list(value[3]), flags, before)
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _pumps(list(branch), flags, before)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from _pumps(list(value[1]), flags, before)
        elif name == "ATOMIC_GROUP":
            yield from _pumps(list(value), flags, before)
        before += (_short([node], flags) or [""])[0]
        if before != first:
            yield "", before


def _short(nodes: list[Any], flags: int) -> list[str]:
    """Short texts that fit ``nodes``, some of many."""
    made = [""]
    for node in nodes:
        pieces = _of(node, flags)
        made = [one + piece for one in made for piece in pieces][:MOST_SAMPLES]
    return made


def _of(node: Any, flags: int) -> list[str]:
    name, value = str(node[0]), node[1]
    if name == "LITERAL":
        return [chr(value)]
    if name == "ANY":
        return ["a", " ", "("]
    if name in ("IN", "NOT_LITERAL"):
        written = _charset(node)
        return [char for char in SAMPLES if re.match(written, char, flags & re.IGNORECASE)][:MOST_SAMPLES] or _named(
            value
        )
    if name.endswith("REPEAT"):
        least, most, body = value
        one = _short(list(body), flags)
        return [piece * max(least, min(1, most)) for piece in one]
    if name == "SUBPATTERN":
        return _short(list(value[3]), flags)
    if name == "ATOMIC_GROUP":
        return _short(list(value), flags)
    if name == "BRANCH":
        return [piece for branch in value[1] for piece in _short(list(branch), flags)[:2]][:MOST_SAMPLES]
    return [""]


def _named(value: Any) -> list[str]:
    if not isinstance(value, list):
        return ["a"]
    firsts = {"LITERAL": lambda what: what, "RANGE": lambda what: what[0]}
    return [chr(firsts[str(kind)](what)) for kind, what in value if str(kind) in firsts][:MOST_SAMPLES]


CLASSES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def _charset(node: Any) -> str:
    name, value = str(node[0]), node[1]
    if name == "NOT_LITERAL":
        return f"[^{re.escape(chr(value))}]"
    written = ""
    for kind, what in value:
        kind = str(kind)
        if kind == "NEGATE":
            written += "^"
        elif kind == "LITERAL":
            written += re.escape(chr(what))
        elif kind == "RANGE":
            written += f"{re.escape(chr(what[0]))}-{re.escape(chr(what[1]))}"
        elif kind == "CATEGORY":
            written += CLASSES[str(what)]
    return f"[{written}]"
