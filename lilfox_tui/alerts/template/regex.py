"""Regular expressions of templates: RE2, so that none can hang (Go's package regexp has the same syntax)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from lilfox_tui.alerts.template.bounds import Growing
from lilfox_tui.alerts.template.go_text import from_bytes, to_bytes
from lilfox_tui.scrape.matching import REFERENCE, group_number

_GO_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid escape sequence": "invalid escape sequence",
}


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(to_bytes(pattern), options)
    except re2.error as error:
        raw = error.args[0] if error.args else b""
        reason, _colon, at = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).partition(": ")
        raise ValueError(
            f"error parsing regexp: {_GO_WORDS.get(reason, reason)}" + (f": `{at}`" if at else "")
        ) from None


def match(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is somewhere in ``text``. Raises ValueError with Go's words."""
    return _compiled(pattern).search(to_bytes(text)) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """``text`` with every match replaced; ``$1``, ``${1}`` and ``${name}`` are groups. Raises ValueError."""
    try:
        compiled = _compiled(pattern)
    except ValueError as error:
        raise ValueError(f"regexp: Compile(`{pattern}`): {error}") from None
    raw = to_bytes(text)
    result, place = Growing(), 0
    for found in compiled.finditer(raw):
        result.add(from_bytes(raw[place : found.start()]))
        _fill(replacement, found, result)
        place = found.end()
    result.add(from_bytes(raw[place:]))
    return str(result)


def _fill(replacement: str, found: Any, result: Growing) -> None:
    place = 0
    for reference in REFERENCE.finditer(replacement):
        result.add(replacement[place : reference.start()])
        result.add(_group(reference, found))
        place = reference.end()
    result.add(replacement[place:])


def _group(reference: re.Match[str], found: Any) -> str:
    dollar, bare, braced = reference.groups()
    if dollar:
        return "$"
    name = bare or braced
    number, groups = group_number(name), found.groupdict()
    if number is not None:
        value = found.group(number) if number <= len(found.groups()) else None
    else:
        value = groups.get(name, groups.get(name.encode()))
    return from_bytes(value) if value else ""
