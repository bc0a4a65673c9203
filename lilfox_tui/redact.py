"""Secrets out of text that is stored, exported, sent or put into an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

MASK = "***"


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is looked for, and what comes in its place: made when it is first needed, which is not while starting."""
    return (
        (re.compile(r"(?s)-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)"), MASK),
        (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)([^\s/:@]*):([^\s/@]+)@"), rf"\1\2:{MASK}@"),
        (re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)(?:(basic|bearer|token)\s+)?[^\s,;]+"), rf"\1{MASK}"),
        (re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{8,}=*"), rf"\1{MASK}"),
        (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"), MASK),
        (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
        (
            re.compile(
                r"(?i)(?<![a-z0-9_-])([a-z0-9_-]*(?:password|passwd|pwd|secret|token|api[_-]?key|secret[_-]?key|"
                r"access[_-]?key|encryption[_-]?key)[\"']?\s*[:=]\s*)"
                r"(?!env:[A-Za-z_]|file:[/~A-Z])(\"[^\"]*\"|'[^']*'|[^\s,;&\"'()]+)"
            ),
            rf"\1{MASK}",
        ),
    )


def redact(text: str) -> str:
    """``text`` with passwords in URLs, authorization headers, tokens, keys and ``password=…`` values masked. Where a
    secret is kept (``password: env:NAME``) is none. A text whose colours part a secret from its name (``grep --color``,
    ``jq``) loses them."""
    masked = _masked(text)
    if "\x1b" in text and (plain := _masked(without_colours(text))) != without_colours(masked):
        return plain
    return masked


def without_colours(text: str) -> str:
    """``text`` without the sequences that a program writes for a terminal alone (ECMA-48 5.4 and 5.6), and without the
    ESC of what is none."""
    return _sequence().sub("", text).replace("\x1b", "")


@cache
def _sequence() -> re.Pattern[str]:
    return re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~])")


def _masked(text: str) -> str:
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return text


def redact_all(value: Any, text: Callable[[str], str] = redact) -> Any:
    """``value`` (dicts, lists, plain values) with each text in it, keys too, given through ``text``. What stands under
    a name such as ``password`` is a secret, whatever it looks like."""
    if isinstance(value, dict):
        return {text(str(name)): _under(str(name), each, text) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(each, text) for each in value]
    return text(value) if isinstance(value, str) else value


def _under(name: str, value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, str) and value and _names_a_secret(name):
        return MASK
    return redact_all(value, text)


@lru_cache(maxsize=1024)
def _names_a_secret(name: str) -> bool:
    return redact(f"{name}=x") != f"{name}=x"
