"""A filter as a tree of nodes, and whether a record matches it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from lilfox_tui.logs.filter.fields import comparison, field_values
from lilfox_tui.logs.filter.regex import search
from lilfox_tui.logs.record import Record, Severity


class Filter(Protocol):
    """A node of the tree. Frozen; two equal trees compare equal."""

    def matches(self, record: Record) -> bool:
        """Whether the record is shown."""
        ...


class And(Struct, frozen=True):
    """All parts match; with no parts everything does."""

    parts: tuple[Filter, ...]

    def matches(self, record: Record) -> bool:
        for part in self.parts:  # noqa: SIM110 - a generator would double the cost of each record
            if not part.matches(record):
                return False
        return True


EVERYTHING = And(())


class Or(Struct, frozen=True):
    """At least one part matches; with no parts nothing does."""

    parts: tuple[Filter, ...]

    def matches(self, record: Record) -> bool:
        for part in self.parts:  # noqa: SIM110
            if part.matches(record):
                return True
        return False


class Not(Struct, frozen=True):
    """The part does not match."""

    part: Filter

    def matches(self, record: Record) -> bool:
        return not self.part.matches(record)


class AtLeast(Struct, frozen=True):
    """As grave as ``severity``, or more. A record that tells no severity matches UNKNOWN alone."""

    severity: Severity

    def matches(self, record: Record) -> bool:
        return record.entry.severity >= self.severity


class Text(Struct, frozen=True):
    """The text stands, letter by letter, in the message, in the exception's text or in the raw record (as UTF-8).

    Smart case: with an upper-case letter in it, case counts. Otherwise a text of ASCII is found whatever the case of
    its ASCII letters, another one whatever the case (``str.lower``).
    """

    text: str

    def matches(self, record: Record) -> bool:
        holds, holds_raw = _finders(self.text)
        entry = record.entry
        if holds_raw(record.raw) or holds(entry.message):
            return True
        return entry.fault is not None and holds(entry.fault.text)


class Regex(Struct, frozen=True):
    """The pattern (RE2 syntax, see ``regex.py``) is found in the message, the exception's text or the raw record; case
    counts, ``(?i)`` in front lets it not. ``matches`` raises UsageError for a pattern that RE2 does not take."""

    pattern: str

    def matches(self, record: Record) -> bool:
        find = search(self.pattern)
        entry = record.entry
        if find(record.raw) is not None or find(_utf8(entry.message)) is not None:
            return True
        return entry.fault is not None and find(_utf8(entry.fault.text)) is not None


class Field(Struct, frozen=True):
    """The field ``name`` (see ``fields.py``) compares by ``op``, one of OPS, with ``value`` as it is written.

    Two numbers are compared as numbers, two durations and the response time as durations, everything else as text,
    case counts; the level by its gravity. What is no number has no order. A record without the field does not match,
    whatever ``op`` is: ``status!=200`` is every other status, ``not status=200`` also every record without one. Of
    a list one item is enough.
    """

    name: str
    op: str
    value: str

    def matches(self, record: Record) -> bool:
        values = field_values(record, self.name)
        if not values:
            return False
        fits = comparison(self.name, self.op, self.value)
        return any(map(fits, values))


class Within(Struct, frozen=True):
    """Not before ``since_us``, and before ``until_us`` (microseconds since 1970, UTC; None is no bound). A record that
    tells no time does not match."""

    since_us: int | None
    until_us: int | None

    def matches(self, record: Record) -> bool:
        at = record.entry.time_us
        if at is None:
            return False
        return (self.since_us is None or at >= self.since_us) and (self.until_us is None or at < self.until_us)


def ignores_case(text: str) -> bool:
    """Whether the case of letters does not count when ``text`` is looked for: it has letters with a case, all small."""
    return text == text.lower() != text.upper()


@lru_cache(maxsize=256)
def _finders(text: str) -> tuple[Callable[[str], bool], Callable[[bytes], bool]]:
    needle = _utf8(text)
    if not ignores_case(text):
        return (lambda held: text in held), (lambda held: needle in held)
    if text.isascii():
        return (
            lambda held: text in held.lower() if held.isascii() else needle in _utf8(held).lower(),
            lambda held: needle in held.lower(),
        )
    return (lambda held: text in held.lower()), (lambda held: text in held.decode("utf-8", "replace").lower())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
