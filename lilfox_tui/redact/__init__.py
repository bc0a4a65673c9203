"""Removes secrets from text that is stored, exported, sent or put into an error.

What a name says is secret is looked for (``named.py``), what a command or a statement takes as one (``spoken.py``),
what looks like one whatever stands around it (``shapes.py``), and what a Secret of Kubernetes holds
(``named.py`` too). Each takes a time that grows with the length of the text and nothing else: a word that must be there
is looked for first, a match begins with it, and what was read is not read again. Python's expressions do that without
the 20 ms that it takes to load RE2, which could not look behind and would still be asked once for each match.

Give it the whole text, and cut what it gives: half a secret is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

MASK = "***"
_LOOKED_AT = 64 << 10


def redact(text: str) -> str:
    """Mask passwords in URLs, authorization headers, tokens, keys and ``password=…`` values in ``text``. A reference to
    a secret (``password: env:NAME``) is not masked. A text in which colours separate a secret from its name (``grep
    --color``, ``jq``) loses the colours."""
    masked = _masked(text)
    if "\x1b" in text and (plain := _masked(without_colours(text))) != without_colours(masked):
        return plain
    return masked


def redacted_start(text: str | bytes, most: int) -> str:
    """Return the first ``most`` characters of ``text`` without secrets. Far more text is examined, up to a blank,
    because a secret that is cut in half would not be recognised."""
    begins = text[: _LOOKED_AT + 1]
    whole = begins.decode("utf-8", "replace") if isinstance(begins, bytes) else begins
    if len(begins) > _LOOKED_AT:
        whole = whole[: max(map(whole.rfind, " \n\t"))] or whole
    return redact(whole).strip()[:most].rstrip()


def redacted_end(text: str | bytes, most: int, *, cut: bool) -> str:
    """Return the last ``most`` characters of ``text`` without secrets. If the start of ``text`` is ``cut`` off, its
    first line is dropped (or its first two words if it has no other line), because the name of a secret may be
    missing."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if cut:
        _first, newline, rest = whole.partition("\n")
        whole = rest if newline else "".join(whole.split(" ", 2)[2:])
    return redact(whole).strip()[-most:]


def without_colours(text: str) -> str:
    """Return ``text`` without terminal control sequences (ECMA-48 5.4 and 5.6), and without other ESC characters."""
    return _sequence().sub("", text).replace("\x1b", "")


@cache
def _sequence() -> re.Pattern[str]:
    return re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~])")


def _masked(text: str) -> str:
    from lilfox_tui.redact import named, shapes, spoken

    for masked in (named.masked_manifest, shapes.masked, spoken.masked, named.masked):
        text = masked(text, _in_small_letters(text))
    return text


@lru_cache(maxsize=1)
def _in_small_letters(text: str) -> str:
    """Return ``text`` in lower case with each letter at its old position."""
    low = text.lower()
    return low if len(low) == len(text) else text.translate(_SMALL)


_SMALL = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def redact_all(value: Any, text: Callable[[str], str] = redact) -> Any:
    """Return ``value`` (dicts, lists, plain values) with each text in it, including keys, passed through ``text``. A
    value under a name such as ``password`` is a secret, whatever it looks like."""
    if isinstance(value, dict):
        return {text(str(name)): _under(str(name), each, text) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(each, text) for each in value]
    return text(value) if isinstance(value, str) else value


def _under(name: str, value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, str) and value and names_a_secret(name):
        return MASK
    return redact_all(value, text)


@lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a value under ``name`` is a secret, whatever it looks like."""
    from lilfox_tui.redact import named

    return named.is_secret(name)
