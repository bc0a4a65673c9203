"""The functions of templates: Go's own and those added by Prometheus."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote_plus, urlsplit

import re2
from msgspec import Struct

from lilfox_tui.alerts.template.go_format import PLAIN, shown, sprint, sprintf, sprintln, struct_text
from lilfox_tui.alerts.template.go_time import GoDuration, to_moment, to_span
from lilfox_tui.alerts.template.values import (
    NOTHING,
    Arguments,
    GoList,
    Growing,
    Nothing,
    QuerySample,
    QuerySamples,
    SafeHtml,
    from_bytes,
    is_true,
    parse_float,
    to_bytes,
    type_name,
)
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.scrape.labels import REFERENCE, group_number, parse_duration

if TYPE_CHECKING:
    from lilfox_tui.promql.value import Vector


# The functions that Go's templates have by themselves (text/template/funcs.go).


Type = Literal["string", "interface {}", "reflect.Value", "*template.sample", "template.queryResult", "[]string"]


class TemplateFunction(Struct, frozen=True):
    """A function: ``call(*arguments)`` returns the value, or raises ValueError with Go's error.

    ``takes`` are the types of its fixed parameters, ``rest`` that of any number of further ones.
    """

    call: Callable[..., Any]
    takes: tuple[Type, ...] = ()
    rest: Type | None = None


_INCOMPATIBLE = "incompatible types for comparison"
_INVALID = "invalid type for comparison"
_BASIC = (bool, int, float, complex, str)
_HTML = str.maketrans({'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


def _basic(value: object) -> type | None:
    """Return the kind of a basic value, None for other values; all string types are one kind, and booleans are not
    numbers."""
    return next((kind for kind in _BASIC if isinstance(value, kind)), None)


def equal(first: object, *others: object) -> bool:
    """``eq``: whether the first equals one of the others."""
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_is_equal(first, other) for other in others)


def _is_equal(first: object, other: object) -> bool:
    if first is NOTHING or other is NOTHING:
        return first is other
    first, other = _counted(first), _counted(other)
    kind = _basic(first)
    if kind is not _basic(other):
        raise ValueError(_INCOMPATIBLE)
    if kind is not None:
        return first == other
    for value in (first, other):
        if isinstance(value, Mapping | QuerySamples):
            raise ValueError(f"non-comparable type {shown(value, 's', PLAIN)}: {type_name(value)}")
    return first is other


def _counted(value: object) -> object:
    """Return a duration as a number of nanoseconds, other values unchanged."""
    return value.nanoseconds if isinstance(value, GoDuration) else value


def less(first: object, other: object) -> bool:
    """``lt``: whether the first argument is less than the second."""
    first, other = _counted(first), _counted(other)
    kind = _basic(first)
    if kind is None or _basic(other) is None:
        raise ValueError(_INVALID)
    if kind is not _basic(other):
        raise ValueError(_INCOMPATIBLE)
    if isinstance(first, str) and isinstance(other, str):
        return to_bytes(first) < to_bytes(other)
    if isinstance(first, bool | complex) or not isinstance(first, int | float) or not isinstance(other, int | float):
        raise ValueError(_INVALID)
    return first < other


def _at_most(first: object, other: object) -> bool:
    return less(first, other) or equal(first, other)


def index(item: object, *keys: object) -> object:
    """``index``: an element of a map, a list or a text; further keys index into that element."""
    if item is NOTHING:
        raise ValueError("index of untyped nil")
    for key in keys:
        item = _element(item, key)
    return item


def _element(item: object, key: object) -> object:
    if isinstance(item, str):
        return to_bytes(item)[_place(key, len(to_bytes(item)))]
    if isinstance(item, QuerySamples | GoList):
        return item[_place(key, len(item))]
    if isinstance(item, Mapping):
        if key is NOTHING:
            raise ValueError("value is nil; should be of type string")
        if not isinstance(key, str):
            raise ValueError(f"value has type {type_name(key)}; should be string")
        return item.get(key, NOTHING if isinstance(item, Arguments) else "")
    if item is NOTHING:
        raise ValueError("index of nil pointer")
    kind = type_name(item)
    raise ValueError(f"can't index item of type {kind.removeprefix('*')}")


def _place(key: object, length: int, *, beyond: bool = False) -> int:
    if key is NOTHING:
        raise ValueError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise ValueError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key < length + beyond:
        raise ValueError(f"index out of range: {key}")
    return key


def part(item: object, *bounds: object) -> object:
    """``slice``: a part of a text or a list."""
    if item is NOTHING:
        raise ValueError("slice of untyped nil")
    if len(bounds) > 3:
        raise ValueError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(item, str | QuerySamples | GoList):
        raise ValueError(f"can't slice item of type {type_name(item)}")
    if isinstance(item, str) and len(bounds) == 3:
        raise ValueError("cannot 3-index slice a string")
    whole = to_bytes(item) if isinstance(item, str) else item
    places = [_place(bound, len(whole), beyond=True) for bound in bounds]
    begin, end = [*places, 0][0], [*places[1:2], len(whole)][0]
    if begin > end:
        raise ValueError(f"invalid slice index: {begin} > {end}")
    cut = whole[begin:end]
    return from_bytes(cut) if isinstance(cut, bytes) else type(item)(cut)


def length(item: object) -> int:
    """``len``; the length of a text is in bytes."""
    if isinstance(item, str):
        return len(to_bytes(item))
    if isinstance(item, Mapping | QuerySamples | GoList):
        return len(item)
    if item is NOTHING:
        raise ValueError("reflect: call of reflect.Value.Type on zero Value")
    raise ValueError(f"len of type {type_name(item).removeprefix('*')}")


def printed(value: object) -> str:
    """Return the text that a template action prints for a value."""
    if value is NOTHING:
        return "<no value>"
    return struct_text(value) if isinstance(value, QuerySample) else shown(value, "v", PLAIN)


def _as_text(values: tuple[object, ...]) -> str:
    seen = ["<no value>" if value is NOTHING else value for value in values]
    return printed(seen[0]) if len(seen) == 1 else sprint(seen)


def _js(*values: object) -> str:
    return "".join(
        _JS.get(char) or (char if char.isprintable() else f"\\u{ord(char):04X}") for char in _as_text(values)
    )


def _call(function: object, *_arguments: object) -> object:
    if function is NOTHING:
        raise ValueError("call of nil")
    raise ValueError(f"non-function {printed(function)} of type {type_name(function)}")


def _last(*values: object) -> object:
    """Return the last argument, for ``and`` and ``or``: the caller has already returned if an earlier argument decides
    the result."""
    return values[-1]


_ANY: Final = "interface {}"
_VALUE: Final = "reflect.Value"
BUILTINS: dict[str, TemplateFunction] = {
    "and": TemplateFunction(_last, (_VALUE,), _VALUE),
    "call": TemplateFunction(_call, (_VALUE,), _VALUE),
    "html": TemplateFunction(lambda *values: _as_text(values).translate(_HTML), (), _ANY),
    "index": TemplateFunction(index, (_VALUE,), _VALUE),
    "slice": TemplateFunction(part, (_VALUE,), _VALUE),
    "js": TemplateFunction(_js, (), _ANY),
    "len": TemplateFunction(length, (_VALUE,)),
    "not": TemplateFunction(lambda value: not is_true(value), (_VALUE,)),
    "or": TemplateFunction(_last, (_VALUE,), _VALUE),
    "print": TemplateFunction(lambda *values: sprint(values), (), _ANY),
    "printf": TemplateFunction(lambda template, *values: sprintf(template, values), ("string",), _ANY),
    "println": TemplateFunction(lambda *values: sprintln(values), (), _ANY),
    "urlquery": TemplateFunction(lambda *values: quote_plus(to_bytes(_as_text(values))), (), _ANY),
    "eq": TemplateFunction(equal, (_VALUE,), _VALUE),
    "ge": TemplateFunction(lambda first, other: not less(first, other), (_VALUE, _VALUE)),
    "gt": TemplateFunction(lambda first, other: not _at_most(first, other), (_VALUE, _VALUE)),
    "le": TemplateFunction(_at_most, (_VALUE, _VALUE)),
    "lt": TemplateFunction(less, (_VALUE, _VALUE)),
    "ne": TemplateFunction(lambda first, other: not equal(first, other), (_VALUE, _VALUE)),
}


# Regular expressions of templates: RE2, so that none can hang (Go's package regexp has the same syntax).


_GO_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid escape sequence": "invalid escape sequence",
}


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
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
    """Whether ``pattern`` matches anywhere in ``text``. Raises ValueError with Go's words."""
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


# Numbers for people, as Prometheus' template functions write them (its template/template.go).


_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_INT64 = 2**63
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def to_float(value: object) -> float:
    """Return a number, or parse one from a text. Raises ValueError."""
    if isinstance(value, str) and type(value) is str:
        return parse_float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"can't convert {type_name(value)} to float")


def humanize(value: object) -> str:
    """``1.235M``, ``120u``."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _four(number)
    return _scaled(number, _LARGE, 1000) if abs(number) >= 1 else _shrunk(number)


def humanize1024(value: object) -> str:
    """``1Mi``."""
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _four(number)
    return _scaled(number, _BINARY, 1024)


def humanize_duration(value: object) -> str:
    """Seconds as ``1d 1h 1m 1s`` or ``1.23ms``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        return _shrunk(number) + "s"
    sign, number = ("-", -number) if number < 0 else ("", number)
    whole = int(number) if number < _INT64 else -_INT64  # what Go makes of a number that is too large
    turn, whole = (-1, -whole) if whole < 0 else (1, whole)
    parts = whole % 60, whole // 60 % 60, whole // 3600 % 24, whole // 86400
    seconds, minutes, hours, days = (turn * part for part in parts)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_four(number)}s"


def humanize_percentage(value: object) -> str:
    """A share of one as ``95.91%``."""
    return _four(to_float(value) * 100) + "%"


def humanize_timestamp(value: object) -> str:
    """Seconds since 1970 as ``2022-01-25 12:36:43 +0000 UTC``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    nanoseconds = number * 1e9
    if not -(2.0**63) <= nanoseconds <= 2.0**63:
        shown = sprintf("%v", (number,))
        raise ValueError(f"{shown} cannot be represented as a nanoseconds timestamp since it overflows int64")
    milliseconds = math.trunc(int(nanoseconds) / 1_000_000)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _four(number: float) -> str:
    return sprintf("%.4g", (number,))


def _scaled(number: float, prefixes: Sequence[str], step: int) -> str:
    prefix = ""
    for larger in prefixes:
        if abs(number) < step:
            break
        prefix = larger
        number /= step
    return _four(number) + prefix


def _shrunk(number: float) -> str:
    prefix = ""
    for smaller in _SMALL:
        if abs(number) >= 1:
            break
        prefix = smaller
        number *= 1000
    return _four(number) + prefix


Ask = Callable[[str], "Vector"]
_NIL_POINTER = "runtime error: invalid memory address or nil pointer dereference"


def first(samples: QuerySamples) -> QuerySample:
    """Return the first element. Raises ValueError without one."""
    if not samples:
        raise ValueError("first() called on vector with no elements")
    return samples[0]


def _field_of(sample: QuerySample | Nothing) -> QuerySample:
    if isinstance(sample, Nothing):
        raise ValueError(_NIL_POINTER)
    return sample


def sort_by_label(label: str, samples: QuerySamples) -> QuerySamples:
    """Sort ``samples`` in place by the value of a label, and return them."""
    samples.sort(key=lambda sample: to_bytes(sample.labels.get(label, "")))
    return samples


def title(text: str) -> str:
    """Capitalise each word."""
    before, out = " ", []
    for char in text:
        is_first = not (before == "_" or before.isalnum()) and (before.isascii() or before.isspace())
        out.append(_one(char.title(), char) if is_first else char)
        before = char
    return "".join(out)


def _one(changed: str, char: str) -> str:
    """Return the converted letter, or ``char`` if the conversion yields more than one letter: Go converts letter by
    letter."""
    return changed if len(changed) == 1 else char


def to_upper(text: str) -> str:
    """Return the text in upper case."""
    return "".join(_one(char.upper(), char) for char in text)


def to_lower(text: str) -> str:
    """Return the text in lower case."""
    return "".join(_one(char.lower(), char) for char in text)


def split_host_port(text: str) -> tuple[str, str] | None:
    """Split like net.SplitHostPort; None for its errors."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return None
    if text.startswith("["):
        if not host.endswith("]") or text.find("]") != len(host) - 1:
            return None
        host = host[1:-1]
    elif ":" in host:
        return None
    return None if any(mark in part for mark in "[]" for part in (host, port)) else (host, port)


def strip_port(text: str) -> str:
    """``host`` of ``host:port``."""
    split = split_host_port(text)
    return split[0] if split else text


def strip_domain(text: str) -> str:
    """Return ``a:80`` for ``a.example.org:80``; IP addresses are returned unchanged."""
    host, port = split_host_port(text) or (text, "")
    if _is_address(host):
        return text
    name = host.partition(".")[0]
    if not port:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def arguments(*values: object) -> Arguments:
    """A map ``arg0``, ``arg1``… for ``template``."""
    return Arguments({f"arg{place}": value for place, value in enumerate(values)})


def link(tab: int, expression: str) -> str:
    """Return the path of Prometheus' page for an expression: tab 0 is the graph, 1 the table."""
    return f"/graph?g0.expr={quote_plus(to_bytes(expression))}&g0.tab={tab}"


def _ask(query: Ask, text: str) -> QuerySamples:
    try:
        found = query(text)
    except LilFoxError as error:
        raise ValueError(str(error)) from None
    values = found.values.tolist()
    return QuerySamples(
        QuerySample(dict(labels.pairs), value) for labels, value in zip(found.labels, values, strict=True)
    )


def _seconds(text: str) -> float:
    """Parse a duration as Prometheus 3 does, which accepts a leading minus."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    return sign * parse_duration(digits) / 1000


def _path_of(url: str | None) -> str:
    return urlsplit(_url(url)).path


def _url(url: str | None) -> str:
    if url is None:
        raise ValueError(_NIL_POINTER)
    return url


FIXED: dict[str, TemplateFunction] = {
    **BUILTINS,
    "first": TemplateFunction(first, ("template.queryResult",)),
    "label": TemplateFunction(
        lambda name, sample: _field_of(sample).labels.get(name, ""), ("string", "*template.sample")
    ),
    "value": TemplateFunction(lambda sample: _field_of(sample).value, ("*template.sample",)),
    "strvalue": TemplateFunction(lambda sample: _field_of(sample).labels.get("__value__", ""), ("*template.sample",)),
    "args": TemplateFunction(arguments, (), "interface {}"),
    "reReplaceAll": TemplateFunction(replace_all, ("string", "string", "string")),
    "safeHtml": TemplateFunction(SafeHtml, ("string",)),
    "match": TemplateFunction(match, ("string", "string")),
    "title": TemplateFunction(title, ("string",)),
    "toUpper": TemplateFunction(to_upper, ("string",)),
    "toLower": TemplateFunction(to_lower, ("string",)),
    "graphLink": TemplateFunction(partial(link, 0), ("string",)),
    "tableLink": TemplateFunction(partial(link, 1), ("string",)),
    "sortByLabel": TemplateFunction(sort_by_label, ("string", "template.queryResult")),
    "stripPort": TemplateFunction(strip_port, ("string",)),
    "stripDomain": TemplateFunction(strip_domain, ("string",)),
    "humanize": TemplateFunction(humanize, ("interface {}",)),
    "humanize1024": TemplateFunction(humanize1024, ("interface {}",)),
    "humanizeDuration": TemplateFunction(humanize_duration, ("interface {}",)),
    "humanizePercentage": TemplateFunction(humanize_percentage, ("interface {}",)),
    "humanizeTimestamp": TemplateFunction(humanize_timestamp, ("interface {}",)),
    "toTime": TemplateFunction(lambda value: to_moment(to_float(value)), ("interface {}",)),
    "toDuration": TemplateFunction(lambda value: to_span(to_float(value)), ("interface {}",)),
    "parseDuration": TemplateFunction(_seconds, ("string",)),
    "urlQueryEscape": TemplateFunction(lambda text: quote_plus(to_bytes(text)), ("string",)),
}
NAMES = frozenset((*FIXED, "query", "now", "externalURL", "pathPrefix"))
"""Everything that a template may call."""


def functions(query: Ask, url: str | None, now_s: float) -> Mapping[str, TemplateFunction]:
    """Return all functions; ``query`` runs queries, ``url`` is this program's own address (None: it has none), and
    ``now_s`` the time of the evaluation, in seconds since 1970."""
    return {
        **FIXED,
        "now": TemplateFunction(lambda: now_s),
        "query": TemplateFunction(partial(_ask, query), ("string",)),
        "externalURL": TemplateFunction(partial(_url, url)),
        "pathPrefix": TemplateFunction(partial(_path_of, url)),
    }
