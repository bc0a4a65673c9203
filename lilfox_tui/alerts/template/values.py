"""What templates work with, and what Go calls it.

Texts are ``str``, int and float64 are ``int`` and ``float``, map[string]string is a ``dict``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from lilfox_tui.alerts.template.go_time import Moment, Named, Span, Weekday


class Nothing:
    """No value at all (Go's invalid reflect.Value): a missing key of :class:`Arguments`, an untyped nil."""

    def __repr__(self) -> str:
        return "<no value>"


NOTHING: Final = Nothing()


class SafeHtml(str):
    """A text of a type of its own (html/template.HTML): what wants a text does not take it."""

    __slots__ = ()


class Arguments(dict[str, object]):
    """What ``args`` makes: map[string]interface {}."""


class Sample(Struct, frozen=True):
    """One element of a query's result."""

    labels: Mapping[str, str]
    value: float


class Samples(list[Sample]):
    """What ``query`` gives."""


class Top(Struct, frozen=True):
    """The dot that an alert's texts begin with."""

    labels: Mapping[str, str]
    external_labels: Mapping[str, str]
    external_url: str
    value: float


Fields = tuple[tuple[str, object], ...]
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (Weekday, "time.Weekday"),
    (Named, "time.Month"),
    (Moment, "*time.Time"),
    (Span, "*time.Duration"),
    (SafeHtml, "template.HTML"),
    (str, "string"),
    (int, "int"),
    (float, "float64"),
    (complex, "complex128"),
    (Arguments, "map[string]interface {}"),
    (Mapping, "map[string]string"),
    (Samples, "template.queryResult"),
    (Sample, "*template.sample"),
    (Nothing, "<nil>"),
)
_TOP_TYPE = (
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
)


def type_name(value: object) -> str:
    """Go's name of its type."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), _TOP_TYPE)


def fields(value: Sample | Top) -> Fields:
    """The fields of a struct, under Go's names and in its order."""
    if isinstance(value, Sample):
        return ("Labels", value.labels), ("Value", value.value)
    return (
        ("Labels", value.labels),
        ("ExternalLabels", value.external_labels),
        ("ExternalURL", value.external_url),
        ("Value", value.value),
    )


def is_true(value: object) -> bool:
    """Whether ``if`` takes it for true: neither zero nor empty nor nil."""
    return isinstance(value, Sample | Top | Moment | Span) or (value is not NOTHING and bool(value))
