"""No pattern that reads lines has a repeat without a bound within another: such a pair can take exponential time."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from lilfox_tui.core import plugins
from lilfox_tui.logs.record import FORMATS

MODULES = [
    *(f"{FORMATS}.{kind}" for kind in plugins.kinds(FORMATS)),
    *(f"lilfox_tui.logs.{name}" for name in ("times", "structured", "unwrap")),
]
parser: Any = importlib.import_module("re._parser")
UNBOUNDED = parser.MAXREPEAT


def patterns(module: str) -> Iterator[re.Pattern[Any]]:
    for value in vars(importlib.import_module(module)).values():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, re.Pattern):
                yield one


def repeats(node: Any, within: bool) -> Iterator[bool]:
    """For each repeat without a bound, whether it is within another."""
    node = getattr(node, "data", node)
    if isinstance(node, tuple) and len(node) == 2 and str(node[0]).endswith("_REPEAT"):
        _least, most, body = node[1]
        unbounded = most == UNBOUNDED
        if unbounded:
            yield within
        yield from repeats(body, within or unbounded)
    elif isinstance(node, Iterable) and not isinstance(node, str | bytes):
        for part in node:
            yield from repeats(part, within)


def nested(pattern: re.Pattern[Any]) -> bool:
    return any(repeats(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE), within=False))


@pytest.mark.parametrize("module", MODULES)
def test_no_repeat_is_within_another(module: str) -> None:
    assert [pattern.pattern for pattern in patterns(module) if nested(pattern)] == []


def test_all_modules_are_looked_at() -> None:
    assert sum(len(list(patterns(module))) for module in MODULES) > 50


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(a+)+", True),
        (r"(?:a*b)*c", True),
        (r"((a|b+)c)*?", True),
        (r"(?:[^x]|\\.)*+x+", False),
        (r"(?:a+b){1,4}", False),
    ],
)
def test_what_the_rule_finds(pattern: str, expected: bool) -> None:
    assert nested(re.compile(pattern)) is expected
