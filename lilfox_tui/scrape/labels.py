"""Label sets of series, matchers that select them, and the notation of numbers, durations and instants."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar, cast, overload

import re2
from msgspec import Struct

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import time_at, whole
from lilfox_tui.metrics.model import Labels

# Label sets of series, and lists of them that remember what was once derived from them.
#
# A scrape gives the same series over and over. So the list of their labels is one object for as long as they stay the
# same, and what an evaluation needs of it (names dropped, groups, match keys) is made once and kept with it.


T = TypeVar("T")
NAME = "__name__"
"""The label that holds a metric's name."""
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""What a label's name must be where it stands without quotes, and before Prometheus 3 anywhere."""


class LabelSet(Struct, eq=False, gc=False):
    """The identity of a series: label pairs sorted by name, including ``__name__``, none with an empty value (as in
    Prometheus' data model). Values are untrusted text. The constructor requires sorted pairs; :meth:`of` accepts any
    order.

    The garbage collector need not walk them: texts make no circles, and with many series it would hold up everybody.
    """

    pairs: Labels
    _hash: int = 0

    def __post_init__(self) -> None:
        self._hash = hash(self.pairs)

    @classmethod
    def of(cls, labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> LabelSet:
        """Return a label set from a mapping, or from pairs in any order; if a name occurs twice, the last value is
        used."""
        return cls(tuple(sorted((name, value) for name, value in dict(labels).items() if value)))

    def get(self, name: str) -> str:
        """Return the value of one label, empty if it is missing."""
        return next((value for key, value in self.pairs if key == name), "")

    def without(self, names: Collection[str]) -> LabelSet:
        """Return the labels without ``names``."""
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] not in names))

    def only(self, names: Collection[str]) -> LabelSet:
        """Return only the labels ``names``."""
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] in names))

    def replaced(self, labels: Mapping[str, str]) -> LabelSet:
        """Return the labels with ``labels`` replacing those of the same names; an empty value removes the label."""
        return LabelSet.of({**dict(self.pairs), **labels})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self._hash == other._hash and self.pairs == other.pairs

    def __ne__(self, other: object) -> bool:  # Struct has one of its own
        return not self == other

    def __hash__(self) -> int:
        return self._hash

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __str__(self) -> str:
        """Format like PromQL: ``up{instance="a:1", job="node"}``."""
        inner = ", ".join(f"{name}={quoted(value)}" for name, value in self.pairs if name != NAME)
        return f"{self.get(NAME)}{{{inner}}}" if inner or not self.get(NAME) else self.get(NAME)

    def __repr__(self) -> str:
        return f"LabelSet({self})"


class LabelList(Sequence[LabelSet]):
    """An immutable list of label sets; the same object means the same series in the same order."""

    __slots__ = ("_derived", "sets")

    def __init__(self, sets: Sequence[LabelSet]) -> None:
        self.sets = tuple(sets)
        self._derived: dict[Hashable, object] = {}

    def derived(self, key: Hashable, make: Callable[[LabelList], T]) -> T:
        """Return ``make(self)``, computed at the first call with that ``key`` and cached."""
        if key not in self._derived:
            self._derived[key] = make(self)
        return cast("T", self._derived[key])

    @overload
    def __getitem__(self, place: int) -> LabelSet: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[LabelSet]: ...

    def __getitem__(self, place: int | slice) -> LabelSet | Sequence[LabelSet]:
        return self.sets[place]

    def __len__(self) -> int:
        return len(self.sets)


def quoted(value: str) -> str:
    """Quote a value like PromQL."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# What a selector asks of one label (PromQL: ``=``, ``!=``, ``=~``, ``!~``).


Comparison = Literal["=", "!=", "=~", "!~"]


class Matcher(NamedTuple):
    """A condition on one label. A missing label has the value ``""``. Patterns are RE2, anchored at both ends, and
    ``.`` matches a newline too (Prometheus 3)."""

    name: str
    op: Comparison
    value: str


def selector_text(matchers: Iterable[Matcher]) -> str:
    """Format a selector; names that are not identifiers are quoted as in Prometheus 3."""
    return "{" + ", ".join(f"{_label_text(one.name)}{one.op}{quoted(one.value)}" for one in matchers) + "}"


def _label_text(name: str) -> str:
    return name if LABEL_NAME.fullmatch(name) else quoted(name)


# Whether a label's value is what a matcher asks for.
#
# Patterns are RE2, which cannot hang; they must fit the whole value, and ``.`` takes a newline too (Prometheus 3).


_WORDS = re.compile(r"[^.+*?()\[\]{}^$\\|]*(?:\|[^.+*?()\[\]{}^$\\|]*)*")
"""A pattern that is nothing but words to choose from: most of those that dashboards and rules hold."""
REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
"""What stands for a group in a replacement: ``$1``, ``${name}``; and ``$$``, a dollar."""


def matches(matcher: Matcher, value: str) -> bool:
    """Whether ``value`` (empty: the label is missing) matches. Raises UsageError for an invalid RE2 pattern."""
    return label_condition(matcher.op, matcher.value)(value)


@lru_cache(maxsize=1024)
def label_condition(op: str, wanted: str) -> Callable[[str], bool]:
    """Return the condition as a function of the label's value. Raises UsageError if ``wanted`` is not a valid RE2
    pattern."""
    if op == "=":
        return lambda value: value == wanted
    if op == "!=":
        return lambda value: value != wanted
    fits = full_match(wanted)
    return fits if op == "=~" else lambda value: not fits(value)


def full_match(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches ``pattern`` as a whole. Raises UsageError."""
    if _WORDS.fullmatch(pattern):
        return frozenset(pattern.split("|")).__contains__
    compiled = anchored_pattern(pattern)
    return lambda value: compiled.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def anchored_pattern(pattern: str) -> re.Pattern[str]:
    """Compile ``pattern`` with RE2, for use with ``fullmatch``. Raises UsageError with RE2's complaint."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        compiled: re.Pattern[str] = re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise UsageError(tr("regular expression: incomplete character (lone surrogate)")) from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(tr("regular expression {pattern}: {reason}", pattern=pattern, reason=reason)) from None
    return compiled


def expand_groups(template: str, match: re.Match[str]) -> str:
    """Expand ``template`` with the groups of ``match``, like Go's ``Regexp.Expand``: the longest name counts, ``$$`` is
    a dollar, and a group that does not exist or did not match is empty."""
    if template == "$1":  # what most rules say
        return (match[1] or "") if match.re.groups else ""

    def fill(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = group_number(name)
        if number is not None:
            return (match[number] or "") if number <= match.re.groups else ""
        return (match[name] or "") if name in match.re.groupindex else ""

    return REFERENCE.sub(fill, template)


def group_number(name: str) -> int | None:
    """Return the group that a reference means by number; None if it is a name: Go accepts no number that begins with
    0."""
    return int(name) if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") else None


# Numbers, durations and instants in Prometheus' notation.


# Numbers as Go writes them, where Prometheus makes text of them that others compare.


def openmetrics_number(value: float) -> str:
    """Format a number as Prometheus 3 does in ``le`` and ``quantile``: ``1`` is ``1.0``, a million ``1e+06`` (its
    model/textparse/interface.go: Go's shortest ``%g``, with a decimal point)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = shortest(value)
    return text if "e" in text or "." in text else f"{text}.0"


def shortest(value: float) -> str:
    """Format a finite number like Go's ``strconv.FormatFloat(value, 'g', -1, 64)``."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits)).rstrip("0")
    if not figures:
        return "-0" if sign else "0"
    power = len(digits) + exponent - 1
    minus = "-" if sign else ""
    if power < -4 or power >= 6:
        return _scientific(minus, figures, power)
    if power < 0:
        return f"{minus}0.{'0' * (-power - 1)}{figures}"
    whole = figures[: power + 1].ljust(power + 1, "0")
    return f"{minus}{whole}.{figures[power + 1 :]}" if len(figures) > power + 1 else minus + whole


def _scientific(minus: str, figures: str, power: int) -> str:
    point = f".{figures[1:]}" if len(figures) > 1 else ""
    return f"{minus}{figures[0]}{point}e{'-' if power < 0 else '+'}{abs(power):02d}"


# Durations as Prometheus writes them: ``1h30m``, ``90s``, ``500ms``, ``0`` (its common/model/time.go).


_PARTS = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_SIZES_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
_LONGEST_MS = (2**63 - 1) // 1_000_000  # Prometheus holds nanoseconds in 64 bits
_WRITTEN = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_NUMBER_AND_UNIT = re.compile(r"[0-9]+([^0-9]*)")


def parse_duration(text: str) -> int:
    """Parse a duration to milliseconds. Units are in descending order, each at most once. Raises ValueError, worded as
    in Prometheus."""
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    match = _PARTS.fullmatch(text)
    if match is None:
        raise ValueError(_what_is_wrong(text))
    total = sum(whole(part) * size for part, size in zip(match.groups(), _SIZES_MS, strict=True) if part)
    if total > _LONGEST_MS:
        raise ValueError("duration out of range")
    return total


def _what_is_wrong(text: str) -> str:
    place = 0
    while found := _NUMBER_AND_UNIT.match(text, place):
        if found[1] and found[1] not in ("y", "w", "d", "h", "m", "s", "ms"):
            return f"unknown unit {_quoted(found[1])} in duration {_quoted(text)}"
        place = found.end()
    return f"not a valid duration string: {_quoted(text)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def duration_text(milliseconds: int, *, days: bool = True) -> str:
    """Format ``1d1h30m`` for :func:`parse_duration`; without ``days`` ``25h30m``, as Go writes a duration."""
    text = ""
    for unit, size in _WRITTEN if days else _WRITTEN[1:]:
        count, milliseconds = divmod(milliseconds, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


# Instants as series have them, milliseconds since 1970 (UTC), and as everybody else has them.


def ms_of(at: datetime) -> int:
    """Convert an aware time to milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def time_of(at_ms: int) -> datetime:
    """Convert milliseconds since 1970 to an aware time in UTC."""
    return time_at(at_ms / 1000)
