"""Formats values like Go: fmt.Sprint, fmt.Sprintf and its errors (pkg.go.dev/fmt)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lilfox_tui.alerts.template.go_time import GoDuration, GoNamedInt, GoTime
from lilfox_tui.alerts.template.values import (
    NOTHING,
    GoList,
    GoRecord,
    Growing,
    QuerySample,
    QuerySamples,
    Top,
    fields,
    quote,
    quote_ascii,
    to_bytes,
    type_name,
)
from lilfox_tui.scrape.labels import shortest

_NAMES = "names"  # the plus of %+v is about names of fields, not about signs
_SYNTAX = "syntax"  # and the sharp of %#v about how Go would write the value
_OF_V = {"+": _NAMES, "#": _SYNTAX}
_HEX_DIGITS = 13  # of a float's mantissa
_LARGEST_NUMBER = 1_000_000


class FormatSpec(NamedTuple):
    """The flags, width and precision between the percent sign and the verb."""

    flags: frozenset[str] = frozenset()
    width: int | None = None
    precision: int | None = None

    def has(self, flag: str) -> bool:
        """Whether a flag of ``-+# 0`` is set."""
        return flag in self.flags


PLAIN = FormatSpec()


def sprint(values: Sequence[object]) -> str:
    """Join values like fmt.Sprint: with a space between two values if neither is a text."""
    text = Growing()
    for place, value in enumerate(values):
        if place and not _is_text(value) and not _is_text(values[place - 1]):
            text.add(" ")
        text.add(shown(value, "v", PLAIN))
    return str(text)


def sprintln(values: Sequence[object]) -> str:
    """Join values with spaces and a final newline."""
    text = Growing()
    for place, value in enumerate(values):
        text.add(" " if place else "")
        text.add(shown(value, "v", PLAIN))
    text.add("\n")
    return str(text)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def shown(value: object, verb: str, form: FormatSpec) -> str:
    """Return one value formatted by one verb, padded; ``%!d(float64=2)`` if the verb does not fit."""
    if verb == "T":
        return _text(type_name(value), "s", form)
    if value is NOTHING:
        return _padded("<nil>", form) if verb == "v" else f"%!{verb}(<nil>)"
    if isinstance(value, str):
        return _text(value, verb, form)
    if isinstance(value, bool):
        return _padded("true" if value else "false", form) if verb in "tv" else _bad(value, verb, form)
    if isinstance(value, GoNamedInt | GoTime | GoDuration) and (verb in "vsqxX" or not isinstance(value, GoNamedInt)):
        if isinstance(value, GoDuration) and verb in "dbcoUO":
            return _integer(value.nanoseconds, verb, form)
        return _text(str(value), "s" if verb == "v" else verb, form)
    if isinstance(value, int):
        return _integer(value, verb, form)
    if isinstance(value, float):
        return _float(value, verb, form)
    if isinstance(value, complex):
        return _complex(value, verb, form)
    return _composed(value, verb, form)


def _bad(value: object, verb: str, form: FormatSpec) -> str:
    return f"%!{verb}({type_name(value)}={shown(value, 'v', form)})"


def _composed(value: object, verb: str, form: FormatSpec) -> str:
    if verb in "vs" and (method := getattr(value, "METHODS", {}).get("String")) is not None:
        return _text(method[0](value), "s", form)
    if isinstance(value, QuerySample):
        return "&" + struct_text(value, verb, form)
    if isinstance(value, Top | GoRecord):
        return struct_text(value, verb, form)
    if isinstance(value, GoList):
        return _joined("[", [shown(each, verb, form) for each in value], "]")
    if isinstance(value, QuerySamples):  # Go prints addresses in this place, which would mean nothing here
        return _joined("[", [struct_text(sample, verb, form) for sample in value], "]")
    keyed = value if isinstance(value, Mapping) else {}
    pairs = [f"{shown(key, verb, form)}:{shown(keyed[key], verb, form)}" for key in sorted(keyed, key=to_bytes)]
    if form.has(_SYNTAX):
        return _joined(type_name(value) + "{", pairs, "}", ", ")
    return _joined("map[", pairs, "]")


def struct_text(value: QuerySample | Top | GoRecord, verb: str = "v", form: FormatSpec = PLAIN) -> str:
    """The fields of a struct in braces, with their names for ``%+v``."""
    names = form.has(_NAMES) or form.has(_SYNTAX)
    pieces = [(f"{name}:" if names else "") + shown(field, verb, form) for name, field in fields(value)]
    if form.has(_SYNTAX):
        return _joined(type_name(value).removeprefix("*") + "{", pieces, "}", ", ")
    return _joined("{", pieces, "}")


def _joined(before: str, pieces: Sequence[str], after: str, between: str = " ") -> str:
    text = Growing()
    text.add(before)
    for place, piece in enumerate(pieces):
        text.add(between + piece if place else piece)
    text.add(after)
    return str(text)


def _padded(text: str, form: FormatSpec) -> str:
    if form.width is None or len(text) >= form.width:
        return text
    if form.has("-"):
        return text.ljust(form.width)
    return text.rjust(form.width, "0" if form.has("0") else " ")


def _signed(digits: str, form: FormatSpec) -> str:
    """Return a number with its sign before the zero padding."""
    sign = digits[0] if digits[0] in "+-" else ""
    digits = digits[len(sign) :]
    if not sign and (form.has("+") or form.has(" ")):
        sign = "+" if form.has("+") else " "
    if form.has("0") and not form.has("-") and form.width is not None:
        return sign + digits.rjust(form.width - len(sign), "0")
    return _padded(sign + digits, form)


def _without_zeros(form: FormatSpec) -> FormatSpec:
    return form._replace(flags=form.flags - {"0"})


def _text(value: str, verb: str, form: FormatSpec) -> str:
    if verb in "vs":
        cut = value if form.precision is None else value[: form.precision]
        if form.has(_SYNTAX):
            cut = quote(cut)
        return _padded(str(cut), form)
    if verb == "q":
        cut = value if form.precision is None else value[: form.precision]
        if form.has("+"):
            return _padded(quote_ascii(cut), form)
        raw = form.has("#") and "`" not in cut and all(char == "\t" or char.isprintable() for char in cut)
        return _padded(f"`{cut}`" if raw else quote(cut), form)
    if verb in "xX":
        data = to_bytes(value)[: form.precision]
        digits = data.hex(" ") if form.has(" ") else data.hex()
        if form.has("#") and data:
            digits = "0x" + (digits.replace(" ", " 0x"))
        return _padded(digits.upper() if verb == "X" else digits, form)
    return _bad(value, verb, form)


_BASES = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "O": "0", "x": "0x", "X": "0X"}


def _prefix(verb: str, digits: str) -> str:
    prefix = _PREFIXES.get(verb, "")
    return "" if prefix == "0" and digits.startswith("0") else prefix


def _integer(value: int, verb: str, form: FormatSpec) -> str:
    if verb in _BASES:
        digits = format(abs(value), _BASES[verb])
        if form.precision is not None:
            digits = "" if value == 0 and form.precision == 0 else digits.rjust(form.precision, "0")
            form = _without_zeros(form)
        if not digits:
            return _padded("", form)
        if form.has("0") and form.width is not None and not form.has("-"):
            # Go fills up before it sets the prefix of a base, so that the whole may become longer than the width
            digits = digits.rjust(form.width - (value < 0 or form.has("+") or form.has(" ")), "0")
        prefix = ("0o" if verb == "O" else "") + (_prefix(verb, digits) if form.has("#") else "")
        return _signed(("-" if value < 0 else "") + prefix + digits, _without_zeros(form))
    if verb in "cqU":
        return _code_point(value, verb, form)
    return _bad(value, verb, form)


def _code_point(value: int, verb: str, form: FormatSpec) -> str:
    char = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
    if verb == "c":
        return _padded(char, form)
    if verb == "q":
        return _padded(quote_ascii(char, "'") if form.has("+") else quote(char, "'"), form)
    after = f" '{char}'" if form.has("#") and char.isprintable() else ""
    digits = f"{value % 2**64:X}".rjust(max(4, form.precision or 0), "0")
    return _padded(f"U+{digits}{after}", _without_zeros(form))


def _float(value: float, verb: str, form: FormatSpec) -> str:
    if verb not in "vbgGxXfFeE":
        return _bad(value, verb, form)
    if math.isnan(value) or math.isinf(value):
        word = "+Inf" if value > 0 else "-Inf" if value < 0 else "+NaN" if form.has("+") else "NaN"
        return _padded(word, _without_zeros(form))
    return _signed(_digits(value, verb, form), form)


def _digits(value: float, verb: str, form: FormatSpec) -> str:
    if verb in "xX":
        return _hexadecimal(value, verb, form)
    if verb == "b":
        mantissa, exponent = math.frexp(value)
        return f"{mantissa * 2**53:.0f}p{exponent - 53 if value else -1074:+d}"
    kind = {"v": "g", "F": "f"}.get(verb, verb)
    sharp = "#" if form.has("#") else ""
    if form.precision is not None:
        return format(value, f"{sharp}.{form.precision}{kind}")
    if kind in "gG" and (not sharp or len(format(value, "#.6g")) < len(shortest(value))):
        short = shortest(value)
        return short.upper() if kind == "G" else short
    return format(value, f"{sharp}.6{kind}")


def _hexadecimal(value: float, verb: str, form: FormatSpec) -> str:
    if form.precision is not None and form.precision < _HEX_DIGITS and value:
        mantissa, power = math.frexp(value)
        unit = 2.0 ** (4 * form.precision + 1)
        value = math.ldexp(round(mantissa * unit) / unit, power)
    mantissa_text, _p, exponent = value.hex().partition("p")
    head, _dot, tail = mantissa_text.partition(".")
    tail = tail.rstrip("0").ljust(form.precision or 0, "0")
    point = "." if tail or form.has("#") else ""
    text = f"{head}{point}{tail}p{int(exponent):+03d}"
    return text.upper() if verb == "X" else text


def _complex(value: complex, verb: str, form: FormatSpec) -> str:
    if verb not in "vgGfFeE":
        return _bad(value, verb, form)
    parts = form._replace(width=None)
    imaginary = _float(value.imag, verb, parts._replace(flags=parts.flags | {"+"}))
    return _padded(f"({_float(value.real, verb, parts)}{imaginary}i)", form)


def sprintf(template: str, values: Sequence[object]) -> str:
    """Return ``template`` with its verbs filled, with Go's error marks where they do not fit ``values``."""
    return _Printf(template, values).text()


class _Printf:
    def __init__(self, template: str, values: Sequence[object]) -> None:
        self.template = template
        self.values = values
        self.at = 0
        self.argument = 0
        self.reordered = False
        self.good_index = True
        self.after_index = False
        self.out = Growing()

    def text(self) -> str:
        while (percent := self.template.find("%", self.at)) >= 0:
            self.out.add(self.template[self.at : percent])
            self.at = percent + 1
            self.verb()
        self.out.add(self.template[self.at :])
        if not self.reordered and self.argument < len(self.values):
            extra = ", ".join(
                "<nil>" if value is NOTHING else f"{type_name(value)}={shown(value, 'v', PLAIN)}"
                for value in self.values[self.argument :]
            )
            self.out.add(f"%!(EXTRA {extra})")
        return str(self.out)

    def verb(self) -> None:
        self.good_index, self.after_index = True, False
        form = self.form()
        if self.at >= len(self.template):
            self.out.add("%!(NOVERB)")
            return
        verb = self.template[self.at]
        self.at += 1
        if verb == "%":
            self.out.add("%")
        elif not self.good_index:
            self.out.add(f"%!{verb}(BADINDEX)")
        elif self.argument >= len(self.values):
            self.out.add(f"%!{verb}(MISSING)")
        else:
            value = self.values[self.argument]
            self.argument += 1
            if verb == "v":
                form = form._replace(flags=frozenset(_OF_V.get(flag, flag) for flag in form.flags))
            self.out.add(shown(value, verb, form))

    def form(self) -> FormatSpec:
        flags: set[str] = set()
        while self.template[self.at : self.at + 1] in tuple("+-# 0"):
            flags.add(self.template[self.at])
            self.at += 1
        self.index()
        width, flags = self.width(flags)
        precision = self.precision()
        if not self.after_index:
            self.index()
        return FormatSpec(frozenset(flags), width, precision)

    def width(self, flags: set[str]) -> tuple[int | None, set[str]]:
        if self.template[self.at : self.at + 1] == "*":
            self.at += 1
            width = self.star("%!(BADWIDTH)")
            if width is not None and width < 0:
                return -width, flags | {"-"}
            return width, flags
        width = self.number()
        if self.after_index and width is not None:
            self.good_index = False
        return width, flags

    def precision(self) -> int | None:
        if self.template[self.at : self.at + 1] != ".":
            return None
        self.at += 1
        if self.after_index:
            self.good_index = False
        self.index()
        if self.template[self.at : self.at + 1] == "*":
            self.at += 1
            precision = self.star("%!(BADPREC)")
            if precision is not None and precision < 0:
                self.out.add("%!(BADPREC)")
                return None
            return precision
        return self.number() or 0

    def star(self, otherwise: str) -> int | None:
        value = self.values[self.argument] if self.argument < len(self.values) else None
        self.argument += self.argument < len(self.values)
        self.after_index = False
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER:
            return value
        self.out.add(otherwise)
        return None

    def number(self) -> int | None:
        begin = self.at
        while self.template[self.at : self.at + 1] in tuple("0123456789"):
            self.at += 1
        digits = self.template[begin : self.at]
        return int(digits) if digits and len(digits) < 9 and int(digits) <= _LARGEST_NUMBER else None

    def index(self) -> None:
        """Parse ``[2]``, the explicit index of the next argument."""
        if self.template[self.at : self.at + 1] != "[":
            return
        self.reordered = True
        end = self.template.find("]", self.at)
        inner = self.template[self.at + 1 : end] if end > 0 else ""
        if inner.isascii() and inner.isdecimal() and len(inner) < 9 and 0 < int(inner) <= len(self.values):
            self.argument, self.after_index = int(inner) - 1, True
        else:
            self.good_index = False
        self.at = end + 1 if end > 0 else self.at + 1
