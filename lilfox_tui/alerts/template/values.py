"""The values templates work with, the limits of one expansion, and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from lilfox_tui.alerts.template.go_time import GoDuration, GoNamedInt, GoTime, Weekday
from lilfox_tui.errors import LilFoxError

# What is wrong with a template.


class TemplateError(LilFoxError):
    """A template that cannot be read, worded as Go's text/template words it (that is what people search for)."""


class ExpansionFailed(Exception):
    """A template that failed while it was expanded; the text is Go's error. Never leaves this package."""


# Limits of one expansion: a template comes from a file, and what it works on from the outside.


MAX_CHARACTERS = 64 * 1024
MAX_STEPS = 50_000
MAX_DEPTH = 60
QUERY_STEPS = 1000
_CHARACTERS_A_STEP = 100


class Budget:
    """What is left of the steps and the depth of one expansion. Its methods raise ExpansionFailed."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.depth = 0

    def spend(self, steps: int = 1) -> None:
        """Counts ``steps``; one is about the work of one operand."""
        self.steps -= steps
        if self.steps < 0:
            raise ExpansionFailed(f"stopped after {MAX_STEPS} steps: the template does too much")

    def spend_on_texts(self, *values: object) -> None:
        """Counts the work of a function on texts, and refuses one that is too long."""
        for value in values:
            if isinstance(value, str):
                self.spend(len(value) // _CHARACTERS_A_STEP)
                if len(value) > MAX_CHARACTERS:
                    raise too_long()

    def deeper(self) -> None:
        """Counts one level; whoever leaves it takes it off ``depth``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpansionFailed(f"exceeded maximum template depth ({MAX_DEPTH})")


def too_long() -> ExpansionFailed:
    """The error of a text over the limit."""
    return ExpansionFailed(f"stopped: the text grew over {MAX_CHARACTERS} characters")


class Growing:
    """A text that is put together from pieces. :meth:`add` raises ExpansionFailed where it becomes too long."""

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
    """A text of a type of its own (html/template.HTML): what wants a text does not take it."""

    __slots__ = ()


class Arguments(dict[str, object]):
    """What ``args`` makes: map[string]interface {}."""


class QuerySample(Struct, frozen=True):
    """One element of a query's result."""

    labels: Mapping[str, str]
    value: float


class QuerySamples(list[QuerySample]):
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
    """Go's name of its type."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), _TOP_TYPE)


def fields(value: QuerySample | Top) -> Fields:
    """The fields of a struct, under Go's names and in its order."""
    if isinstance(value, QuerySample):
        return ("Labels", value.labels), ("Value", value.value)
    return (
        ("Labels", value.labels),
        ("ExternalLabels", value.external_labels),
        ("ExternalURL", value.external_url),
        ("Value", value.value),
    )


def is_true(value: object) -> bool:
    """Whether ``if`` takes it for true: neither zero nor empty nor nil."""
    return isinstance(value, QuerySample | Top | GoTime | GoDuration) or (value is not NOTHING and bool(value))
