"""Every regular expression of the package, with the texts that make it work most: four times the text takes about four
times as long. What it reads may come from a log, a page, a runbook, a dump or a host."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lilfox_tui
from lilfox_tui.core.text import LatePattern
from tests.pumped import texts

pytestmark = pytest.mark.xdist_group("patterns")  # one worker imports all modules once
PACKAGE = Path(lilfox_tui.__file__).parent
METHODS = ("match", "fullmatch", "search", "sub", "finditer", "findall", "split")
HELD = {"_AFTER_TIME": "match", "_TEXT": "fullmatch", "_OPENMETRICS": "fullmatch", "_WITHOUT_TIME": "match",
        "_SHAPES": "fullmatch"}  # fmt: skip
"""How those are used that are reached through something else than their name."""
SHORT, LONG = 700, 2800
PARTS = 16


@cache
def calls() -> dict[str, dict[str, set[str]]]:
    """For each name, the modules that call methods of an expression on it, and which."""
    found: dict[str, dict[str, set[str]]] = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for name, method in re.findall(rf"\b(\w+)\.({'|'.join(METHODS)})\b", path.read_text(encoding="utf-8")):
            found.setdefault(name, {}).setdefault(module, set()).add(method)
    return found


def within(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, LatePattern):
        yield value.compiled
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from within(one)
    elif isinstance(value, dict):
        yield from within(tuple(value.values()))


def used(module: str, name: str) -> set[str]:
    """The methods that are called on what has this name."""
    if name in HELD:
        return {HELD[name]}
    by_module = calls().get(name, {})
    if name.startswith("_"):
        return by_module.get(module) or {"search"}
    return {method for methods in by_module.values() for method in methods} or {"search"}


def inline(text: str) -> Iterator[tuple[str, str, int]]:
    """Method, expression and flags of ``re.search("…", text)``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            of, arguments = node.func.value, node.args
            if isinstance(of, ast.Name) and of.id == "re" and arguments and isinstance(arguments[0], ast.Constant):
                written = " ".join(ast.unparse(one) for one in (*arguments[1:], *(key.value for key in node.keywords)))
                flags = sum(getattr(re, flag) for flag in re.findall(r"\bre\.([A-Z]+)\b", written))
                yield node.func.attr, str(arguments[0].value), flags


@cache
def patterns() -> list[tuple[str, re.Pattern[Any], str]]:
    """Where, which, and how it is used."""
    found: dict[tuple[object, int, str], tuple[str, re.Pattern[Any], str]] = {}
    for each in pkgutil.walk_packages(lilfox_tui.__path__, "lilfox_tui."):
        if each.name.endswith("__main__"):
            continue
        module = importlib.import_module(each.name)
        for name, value in vars(module).items():
            for pattern in within(value):
                for method in used(each.name, name):
                    found[pattern.pattern, pattern.flags, method] = (f"{each.name}:{name}", pattern, method)
        for method, written, flags in inline(Path(str(module.__file__)).read_text(encoding="utf-8")):
            found[written, flags, method] = (f"{each.name}: {written}", re.compile(written, flags), method)
    return sorted(found.values(), key=lambda one: (one[0], str(one[1].pattern), one[2]))


def spent(run: Callable[[Any], object], text: str, pattern: re.Pattern[Any]) -> float:
    given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    best = 60.0
    for _try in range(3):
        begun = time.thread_time()
        run(given)
        best = min(best, time.thread_time() - begun)
        if best < 0.003 or best > 0.1:
            break
    return best


def runs(pattern: re.Pattern[Any], method: str) -> Callable[[Any], object]:
    if method in ("match", "fullmatch"):
        return getattr(pattern, method)  # type: ignore[no-any-return]
    if method in ("sub", "finditer", "findall", "split"):
        return lambda text: [None for _found in pattern.finditer(text)]
    return pattern.search


def is_slow(run: Callable[[Any], object], make: Callable[[int], str], pattern: re.Pattern[Any]) -> bool:
    """Each step only where the one before it was quick: what grows faster is not waited for."""
    if any(spent(run, make(size), pattern) > 0.02 for size in (10, 14, 18, 22, 26)):
        return True
    short = spent(run, make(SHORT), pattern)
    if short > 0.1:
        return True
    return short > 0.0005 and spent(run, make(LONG), pattern) > 9 * short


@pytest.mark.parametrize("part", range(PARTS))
def test_four_times_the_text_takes_about_four_times_as_long(part: int) -> None:
    slow = []
    for where, pattern, method in patterns()[part::PARTS]:
        run = runs(pattern, method)
        for make in texts(pattern):
            if is_slow(run, make, pattern) and is_slow(run, make, pattern):
                slow.append((where, method, make(60)))
                break
    assert slow == []


def test_all_are_looked_at() -> None:
    assert len(patterns()) > 350


@pytest.mark.parametrize(
    "written",
    [r"(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$", r"(?:(?:[a-z]|\d)+\w*)+", r"(\S.*?) +(\d+) +(/.*)", r"\s+$"],
)
def test_what_reads_twice_is_found(written: str) -> None:
    pattern = re.compile(written)
    assert any(
        is_slow(runs(pattern, method), make, pattern) for make in texts(pattern) for method in ("fullmatch", "search")
    )
