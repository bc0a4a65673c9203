"""Numbers as Go writes them (strconv.ParseFloat, text/template/parse: newNumber)."""

from __future__ import annotations

import math
import re

from lilfox_tui.alerts.template.go_text import quote, unquote

_FLOAT = re.compile(r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]+)?")
_HEX_FLOAT = re.compile(r"[-+]?0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?|\.[0-9a-fA-F]++)[pP][-+]?[0-9]+")
_LONGEST = 1000
"""An integer of more digits fits in no kind of them."""
_NAMED = re.compile(r"[-+]?(?:inf|infinity)|nan", re.IGNORECASE)
_UNDERSCORED = re.compile(r"[-+]?0[xX](?:_?[0-9a-fA-F])+\.?(?:[0-9a-fA-F]_?)*[pP][-+]?[0-9]+")
_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)


def parse_float(text: str) -> float:
    """As strconv.ParseFloat. Raises ValueError with its words."""
    if _FLOAT.fullmatch(text) or _NAMED.fullmatch(text):
        number = float(text)
    elif _HEX_FLOAT.fullmatch(text) or _UNDERSCORED.fullmatch(text):
        try:
            number = float.fromhex(text.replace("_", ""))
        except OverflowError:
            number = math.inf
    else:
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    if math.isinf(number) and not _NAMED.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return number


def constant(text: str) -> int | float | complex:
    """The value of a number in a template, ``'a'`` among them. Raises ValueError with Go's words."""
    if text.startswith("'"):
        return _character(text)
    if text.endswith("i"):
        return _complex(text)
    integer = _integer(text)
    if integer is not None and -(2**63) <= integer < 2**64:
        return integer
    try:
        number = parse_float(text)
    except ValueError:
        raise ValueError(f"illegal number syntax: {quote(text)}") from None
    if not any(mark in text for mark in ".eEpP"):
        raise ValueError(f"integer overflow: {quote(text)}")
    return number


def _integer(text: str) -> int | None:
    if len(text) > _LONGEST or not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    is_old_octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "_01234567"
    return int(text.replace("_", ""), 8 if is_old_octal else 0)


def _character(text: str) -> int:
    meant = unquote(text)
    if len(meant) != 1:
        raise ValueError(f"malformed character constant: {text}")
    return ord(meant)


def _complex(text: str) -> complex:
    split = max(text.rfind("+"), text.rfind("-"))
    while split > 0 and text[split - 1] in "eEpP":
        split = max(text.rfind("+", 0, split), text.rfind("-", 0, split))
    try:
        if split > 0:
            return complex(parse_float(text[:split]), parse_float(text[split:-1]))
        return complex(0, parse_float(text[:-1]))
    except ValueError:
        raise ValueError(f"illegal number syntax: {quote(text)}") from None
