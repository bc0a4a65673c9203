"""Values of templates, written and read like Go's; the limits of one expansion; and its errors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from lilfox_tui.alerts.template.go_time import GoDuration, GoNamedInt, GoTime, Weekday
from lilfox_tui.core.errors import LilFoxError

# What is wrong with a template.


class TemplateError(LilFoxError):
    """A template that cannot be parsed, with the message of Go's text/template (that is what people search for)."""


class ExpansionFailed(Exception):
    """A template that failed during expansion; the text is Go's error. Never leaves this package."""


# Limits of one expansion: a template comes from a file, and what it works on from the outside.


MAX_CHARACTERS = 64 * 1024
MAX_STEPS = 50_000
MAX_DEPTH = 60
QUERY_STEPS = 1000
_CHARACTERS_A_STEP = 100


class Budget:
    """The remaining steps and depth of one expansion. Its methods raise ExpansionFailed."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.depth = 0

    def spend(self, steps: int = 1) -> None:
        """Counts ``steps``; one is about the work of one operand."""
        self.steps -= steps
        if self.steps < 0:
            raise ExpansionFailed(f"stopped after {MAX_STEPS} steps: the template does too much")

    def spend_on_texts(self, *values: object) -> None:
        """Spend steps for text values by their length. Raises ExpansionFailed if a text is too long."""
        for value in values:
            if isinstance(value, str):
                self.spend(len(value) // _CHARACTERS_A_STEP)
                if len(value) > MAX_CHARACTERS:
                    raise too_long()

    def deeper(self) -> None:
        """Count one more level of nesting; the caller decrements ``depth`` when it leaves it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpansionFailed(f"exceeded maximum template depth ({MAX_DEPTH})")


def too_long() -> ExpansionFailed:
    """Return the error for a text over the limit."""
    return ExpansionFailed(f"stopped: the text grew over {MAX_CHARACTERS} characters")


class Growing:
    """A text that is built from pieces. :meth:`add` raises ExpansionFailed if it becomes too long."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0

    def add(self, piece: str) -> None:
        """Adds ``piece`` at the end."""
        self.length += len(piece)
        if self.length > MAX_CHARACTERS:
            raise too_long()
        self.pieces.append(piece)

    def __str__(self) -> str:
        return "".join(self.pieces)


# What templates work with, and what Go calls it.
#
# Texts are ``str``, int and float64 are ``int`` and ``float``, map[string]string is a ``dict``.


class Nothing:
    """No value at all (Go's invalid reflect.Value): a missing key of :class:`Arguments`, an untyped nil."""

    def __repr__(self) -> str:
        return "<no value>"


NOTHING: Final = Nothing()


class SafeHtml(str):
    """A text with its own type (html/template.HTML), which is not accepted where a text is required."""

    __slots__ = ()


class Arguments(dict[str, object]):
    """The result of ``args``: map[string]interface {}."""


class QuerySample(Struct, frozen=True):
    """One element of a query's result."""

    labels: Mapping[str, str]
    value: float


class QuerySamples(list[QuerySample]):
    """The result of ``query``."""


class GoList(list[Any]):
    """A slice; ``kind`` is its type in Go. ``METHODS`` as in go_time.py."""

    kind = "[]interface {}"
    METHODS: Mapping[str, tuple[Callable[..., object], tuple[type, ...]]] = {}


class GoRecord(Struct, frozen=True):
    """A struct of the type ``kind``, with its fields in Go's order."""

    kind: str
    content: tuple[tuple[str, object], ...]


class Top(Struct, frozen=True):
    """The data that an alert's templates start with (their initial dot)."""

    labels: Mapping[str, str]
    external_labels: Mapping[str, str]
    external_url: str
    value: float


Fields = tuple[tuple[str, object], ...]
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (Weekday, "time.Weekday"),
    (GoNamedInt, "time.Month"),
    (GoTime, "*time.Time"),
    (GoDuration, "*time.Duration"),
    (SafeHtml, "template.HTML"),
    (str, "string"),
    (int, "int"),
    (float, "float64"),
    (complex, "complex128"),
    (Arguments, "map[string]interface {}"),
    (Mapping, "map[string]string"),
    (QuerySamples, "template.queryResult"),
    (QuerySample, "*template.sample"),
    (Nothing, "<nil>"),
)
_TOP_TYPE = (
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
)


def type_name(value: object) -> str:
    """Return Go's name of the value's type."""
    if isinstance(value, GoList | GoRecord):
        return value.kind
    return next((name for kind, name in _TYPES if isinstance(value, kind)), _TOP_TYPE)


def fields(value: QuerySample | Top | GoRecord) -> Fields:
    """Return the fields of a struct by their Go names, in Go's order."""
    if isinstance(value, GoRecord):
        return value.content
    if isinstance(value, QuerySample):
        return ("Labels", value.labels), ("Value", value.value)
    return (
        ("Labels", value.labels),
        ("ExternalLabels", value.external_labels),
        ("ExternalURL", value.external_url),
        ("Value", value.value),
    )


def is_true(value: object) -> bool:
    """Whether ``if`` considers it true: neither zero nor empty nor nil."""
    if isinstance(value, QuerySample | Top | GoRecord | GoTime | GoDuration):
        return True
    return value is not NOTHING and bool(value)


# Go's strconv: numbers and quoted texts as Go reads and writes them.


# Go's quoted texts (strconv.Quote, strconv.Unquote).


_SHORT = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_LONG = {escape[1]: char for char, escape in _SHORT.items()}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|([^\\])", re.DOTALL)


def to_bytes(text: str) -> bytes:
    """Encode a text as UTF-8. Bytes that are not UTF-8, which Go's strings may hold, are lone surrogates here; other
    lone surrogates, which Go does not have, become question marks."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def from_bytes(raw: bytes) -> str:
    """Decode, as the reverse of :func:`to_bytes`."""
    return raw.decode("utf-8", "surrogateescape")


def quote(text: str, mark: str = '"') -> str:
    """Quote like strconv.Quote, or like QuoteRune if ``mark`` is ``'``."""
    return mark + "".join(_escaped(char, mark) for char in text) + mark


def quote_ascii(text: str, mark: str = '"') -> str:
    """Quote like strconv.QuoteToASCII, or like QuoteRuneToASCII if ``mark`` is ``'``."""
    return mark + "".join(_escaped(char, mark) if char < "\x7f" else _numbered_escape(char) for char in text) + mark


def _escaped(char: str, mark: str) -> str:
    if char == mark:
        return "\\" + char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char if char.isprintable() else _numbered_escape(char)


def _numbered_escape(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(quoted: str) -> str:
    """Unquote a text: ``"…"`` and ``'…'`` with escapes, `` `…` `` unchanged. Raises ValueError."""
    mark, inner = quoted[0], quoted[1:-1]
    if mark == "`":
        return inner.replace("\r", "")
    raw = bytearray()
    place = 0
    while place < len(inner):
        match = _ESCAPE.match(inner, place)
        if match is None:
            raise ValueError("invalid syntax")
        raw += _meant(match, mark)
        place = match.end()
    return from_bytes(bytes(raw))


def _meant(match: re.Match[str], mark: str) -> bytes:
    byte, short, long, octal, letter, plain = match.groups()
    if plain is not None:
        return to_bytes(plain)
    if byte is not None:
        return bytes((int(byte, 16),))
    if octal is not None and int(octal, 8) < 256:
        return bytes((int(octal, 8),))
    if (code := short or long) is not None:
        number = int(code, 16)
        if number < 0x110000 and not 0xD800 <= number < 0xE000:
            return to_bytes(chr(number))
    if letter is not None and (letter in _LONG or letter == mark):
        return to_bytes(_LONG.get(letter, letter))
    raise ValueError("invalid syntax")


# Numbers as Go writes them (strconv.ParseFloat, text/template/parse: newNumber).


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
    """Parse like strconv.ParseFloat. Raises ValueError with Go's message."""
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
    """Parse a number or a character such as ``'a'`` in a template. Raises ValueError with Go's message."""
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
