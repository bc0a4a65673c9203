"""The functions that Go's templates have by themselves (text/template/funcs.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote_plus

from msgspec import Struct

from lilfox_tui.alerts.template.go_format import PLAIN, shown, sprint, sprintf, sprintln, struct_text
from lilfox_tui.alerts.template.go_strconv import from_bytes, to_bytes
from lilfox_tui.alerts.template.go_time import GoDuration
from lilfox_tui.alerts.template.values import NOTHING, Arguments, QuerySample, QuerySamples, is_true, type_name

Type = Literal["string", "interface {}", "reflect.Value", "*template.sample", "template.queryResult"]


class TemplateFunction(Struct, frozen=True):
    """A function: ``call(*arguments)`` gives the value, or raises ValueError with Go's words for what is wrong.

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
    """Which kind of simple value it is; texts of all types are one kind, truth values are no numbers."""
    return next((kind for kind in _BASIC if isinstance(value, kind)), None)


def equal(first: object, *others: object) -> bool:
    """``eq``: whether the first is one of the others."""
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
    """A duration is a number to Go."""
    return value.nanoseconds if isinstance(value, GoDuration) else value


def less(first: object, other: object) -> bool:
    """``lt``."""
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
    """``index``: an element of a map, a list or a text, or of what stands in it."""
    if item is NOTHING:
        raise ValueError("index of untyped nil")
    for key in keys:
        item = _element(item, key)
    return item


def _element(item: object, key: object) -> object:
    if isinstance(item, str):
        return to_bytes(item)[_place(key, len(to_bytes(item)))]
    if isinstance(item, QuerySamples):
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
    if not isinstance(item, str | QuerySamples):
        raise ValueError(f"can't slice item of type {type_name(item)}")
    if isinstance(item, str) and len(bounds) == 3:
        raise ValueError("cannot 3-index slice a string")
    whole = to_bytes(item) if isinstance(item, str) else item
    places = [_place(bound, len(whole), beyond=True) for bound in bounds]
    begin, end = [*places, 0][0], [*places[1:2], len(whole)][0]
    if begin > end:
        raise ValueError(f"invalid slice index: {begin} > {end}")
    cut = whole[begin:end]
    return from_bytes(cut) if isinstance(cut, bytes) else QuerySamples(cut)


def length(item: object) -> int:
    """``len``: of a text in bytes."""
    if isinstance(item, str):
        return len(to_bytes(item))
    if isinstance(item, Mapping | QuerySamples):
        return len(item)
    if item is NOTHING:
        raise ValueError("reflect: call of reflect.Value.Type on zero Value")
    raise ValueError(f"len of type {type_name(item).removeprefix('*')}")


def printed(value: object) -> str:
    """A value as an action prints it."""
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
    """``and`` and ``or`` look at their arguments one by one before this is called."""
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
