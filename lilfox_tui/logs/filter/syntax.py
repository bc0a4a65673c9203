"""The filter language: parses text into a filter, and writes a filter as text."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.logs.filter.model import (
    DURATION_S,
    EVERYTHING,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    RegexMatch,
    TextMatch,
    Within,
    literal_texts,
    search,
    severity_named,
)
from lilfox_tui.logs.record import EPOCH, Severity, microseconds

# The words of a filter's text, one at a time. What they mean is the parser's.


OPERATORS = {
    "!=": "!=", "!~": "!~", ">=": ">=", "<=": "<=", "≥": ">=", "≤": "<=", "=": "=", "~": "~", ">": ">", "<": "<",
}  # fmt: skip
"""How an operator may be written, those of two letters first, and what it is then."""
_SPACE = " \t\r\n"
_ENDS = frozenset(_SPACE + "()")


class FilterError(UsageError):
    """A syntax error in a filter. ``column`` (from 0) is its position, for a caret under it."""

    def __init__(self, what: Message | str, text: str, column: int, hint: Message | str = "") -> None:
        at = text[column : column + 30]
        super().__init__(
            tr("filter, column {column}, at “{at}”: {what}", column=column + 1, at=at, what=what)
            if at
            else tr("filter, at the end: {what}", what=what),
            hint,
        )
        self.column = column


class Scanner:
    """A scanner of filter text, from left to right; every method continues where the last one ended."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.column = 0

    def wrong(self, what: Message | str, column: int | None = None, hint: Message | str = "") -> FilterError:
        """Return the error at ``column``, by default at the current position."""
        return FilterError(what, self.text, self.column if column is None else column, hint)

    def skip_space(self) -> None:
        while self.at_space():
            self.column += 1

    def at_end(self) -> bool:
        """Whether only spaces are left."""
        self.skip_space()
        return self.column == len(self.text)

    def at_space(self) -> bool:
        """Whether a space is next."""
        return self.column < len(self.text) and self.text[self.column] in _SPACE

    def take(self, what: str) -> bool:
        """Consume ``what`` if it is next."""
        if not self.text.startswith(what, self.column):
            return False
        self.column += len(what)
        return True

    def take_keyword(self, *spellings: str) -> bool:
        """Consume one of these words if it is next as a whole word."""
        for spelling in spellings:
            end = self.column + len(spelling)
            if self.text.startswith(spelling, self.column) and self._ends_at(end):
                self.column = end
                return True
        return False

    def take_minus(self) -> bool:
        """Consume a ``-`` right before a word, where it means not."""
        after = self.text[self.column + 1 : self.column + 2]
        return bool(after) and (after.isalnum() or after in '_@"/(') and self.take("-")

    def take_operator(self) -> str | None:
        """Consume an operator, also after space; None without one."""
        start = self.column
        self.skip_space()
        for spelling, operator in OPERATORS.items():
            if self.take(spelling):
                return operator
        self.column = start
        return None

    def quoted(self) -> str | None:
        r"""Consume ``"text"``, in which a backslash escapes ``"`` and ``\\``; None without one."""
        if not self.text.startswith('"', self.column):
            return None
        start, at, held = self.column, self.column + 1, []
        while at < len(self.text) and self.text[at] != '"':
            if self.text[at] == "\\" and self.text[at + 1 : at + 2] in ("\\", '"') and at + 1 < len(self.text):
                at += 1
            held.append(self.text[at])
            at += 1
        if at == len(self.text):
            raise self.wrong(
                tr("the quotation mark is not closed"), start, tr('write "text", with \\" for a quotation mark inside')
            )
        self.column = at + 1
        return "".join(held)

    def pattern(self) -> str | None:
        r"""Consume ``/pattern/`` or ``/pattern/i``, in which ``\/`` is a slash; None without one: a path such as
        ``/api/users`` is a word."""
        if not self.text.startswith("/", self.column):
            return None
        at, held = self.column + 1, ""
        while at < len(self.text):
            if self.text[at] == "/" and held:
                for flag in ("", "i"):
                    end = at + 1 + len(flag)
                    if self.text.startswith(flag, at + 1) and self._ends_at(end):
                        self.column = end
                        return f"(?{flag}){held}" if flag else held
            pair = self.text[at : at + 2] if self.text[at] == "\\" else self.text[at]
            held += "/" if pair == "\\/" else pair
            at += len(pair)
        return None

    def name(self) -> str | None:
        """Consume a possible field name; None without one. What follows is not checked."""
        end = self.column
        if self.text[end : end + 1] in (".", "-"):
            return None
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] in "_@.-"):
            end += 1
        if end == self.column:
            return None
        name = self.text[self.column : end]
        self.column = end
        return name

    def word(self) -> str:
        """Consume everything up to a space or a parenthesis that was not opened in the word; ``""`` if nothing."""
        start, depth = self.column, 0
        while self.column < len(self.text):
            char = self.text[self.column]
            if char in _SPACE or (char == ")" and depth == 0):
                break
            depth += (char == "(") - (char == ")")
            self.column += 1
        return self.text[start : self.column]

    def _ends_at(self, column: int) -> bool:
        return column >= len(self.text) or self.text[column] in _ENDS


# Moments and spans of time as a filter writes them: ``10m``, ``03:00..03:15``, ``2026-11-25T03:00..``, ``..03:15``.
#
# A duration is that long ago. A time of day is the latest that has been, and as the end of a span the first after its
# start. A day stands for its midnight, as an end for the midnight after it. A time without an offset is of the zone.
# The same time twice is what it names: ``03:15..03:15`` is that minute, ``03:15:07..03:15:07`` that second.


_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d|w)", re.ASCII)
_OF_DAY = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FULL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}.*", re.ASCII)
_WORDS = ("now", "today", "yesterday")
FIRST_YEAR, LAST_YEAR = 1900, 9990
EXAMPLES = "10m, 03:15, 2026-11-25, 2026-11-25T03:15, 2026-11-25T03:15:07Z, today, yesterday, now"


class Clock:
    """The current time for a filter's relative times, and the zone of its times."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        """``now`` is aware."""
        self._now = now.astimezone(zone)
        self._zone = zone

    def span(self, word: str) -> Within | None:
        """Parse the time span ``word``: ``10m``, ``A..B``, ``A..``, ``..B``, ``..``; None if it is not one. Raises
        UsageError for a time that does not exist."""
        if _AGO.fullmatch(word):
            return self.between(word, "")
        since, dots, until = word.partition("..")
        if not dots or not all(side == "" or _is_moment(side) for side in (since, until)):
            return None
        return self.between(since, until)

    def between(self, since: str, until: str) -> Within:
        """Return the span between two times; ``""`` stands for no bound. Raises UsageError."""
        start, end = self._ends(since, until)
        since_us, until_us = (None if at is None else microseconds(at) for at in (start, end))
        if since_us is not None and since == until:
            until_us = since_us + _named_us(until) if until_us == since_us else until_us
        if since_us is not None and until_us is not None and until_us <= since_us:
            raise UsageError(tr("{since}..{until} ends before it begins", since=since, until=until))
        return Within(since_us, until_us)

    def _ends(self, since: str, until: str) -> tuple[datetime | None, datetime | None]:
        word = since
        try:
            start = self._moment(since) if since else None
            word = until
            return start, self._end(until, start, since) if until else None
        except (ValueError, OverflowError):
            raise UsageError(
                tr("not a valid time: {word}", word=word), hint=tr("for example {times}", times=EXAMPLES)
            ) from None

    def _moment(self, word: str) -> datetime:
        at = self._read(word)
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValueError(word)
        return at

    def _read(self, word: str) -> datetime:
        ago = _AGO.fullmatch(word)
        if ago:
            return self._now - timedelta(seconds=float(ago[1]) * DURATION_S[ago[2]])
        if _OF_DAY.fullmatch(word):
            today = self._at(self._now.date(), _time_of_day(word))
            return today if today <= self._now else self._at(self._now.date() - timedelta(days=1), _time_of_day(word))
        if word == "now":
            return self._now
        if word in ("today", "yesterday") or _DAY.fullmatch(word):
            return self._at(self._day(word), time())
        if not _FULL.fullmatch(word):
            raise ValueError(word)
        read = datetime.fromisoformat(word)
        return read.replace(tzinfo=self._zone) if read.tzinfo is None else read

    def _end(self, word: str, start: datetime | None, since: str) -> datetime:
        if word in ("today", "yesterday") or _DAY.fullmatch(word):
            return self._at(self._day(word) + timedelta(days=1), time())
        end = self._moment(word)
        if start is None or not _OF_DAY.fullmatch(word):
            return end
        day = start.astimezone(self._zone).date()
        end = self._at(day, _time_of_day(word))
        return end if end > start or word == since else self._at(day + timedelta(days=1), _time_of_day(word))

    def _day(self, word: str) -> date:
        if word == "today":
            return self._now.date()
        return self._now.date() - timedelta(days=1) if word == "yesterday" else date.fromisoformat(word)

    def _at(self, day: date, of_day: time) -> datetime:
        return datetime.combine(day, of_day, tzinfo=self._zone)


def _named_us(word: str) -> int:
    """Return the length, in microseconds, of the unit that a time is given to: a minute, a second, or less."""
    of_day = re.split(r"[T ]", word)[-1]
    of_day, dot, _ = re.split(r"[Z+-]", of_day)[0].partition(".")
    return 1 if dot else 1_000_000 if len(of_day.replace(":", "")) > 4 else 60_000_000


def _is_moment(word: str) -> bool:
    return word in _WORDS or any(form.fullmatch(word) for form in (_AGO, _OF_DAY, _DAY, _FULL))


def _time_of_day(word: str) -> time:
    return time.fromisoformat(word if word.index(":") == 2 else f"0{word}")


# The filter language.
#
#     timeout "connection refused"     text; words beside each other must all be there; smart case
#     /time(d )?out/  /refused/i       regular expression (RE2); i: whatever the case; also ~"pattern"
#     level>=WARNING  >=warning        severity
#     status>=500  logger=auth         a field: = != and, for numbers, > >= < <=; also response_time>250ms
#     path~^/api/  user!~/^(a|b)$/     a field that matches a regular expression, or does not
#     10m  1h  03:00..03:15            the last ten minutes, the last hour, a span of time; also since=… until=…
#     2026-11-25T03:00..  ..03:15      open at one end
#     and or not -word ( )             not binds closest, then and (or nothing at all), then or
#
# A quoted text is never a time, a keyword or a regular expression.


DEEPEST = 50
"""So many parentheses and nots inside each other are read."""


def parse_filter(text: str, *, now: datetime, zone: tzinfo) -> Filter:
    """Parse ``text`` into a filter; EVERYTHING if it is empty. ``now`` (aware) is the reference of ``10m``; times
    without an offset are in ``zone``. Raises FilterError (a UsageError) that says where, and what would be valid."""
    return _FilterParser(Scanner(text), Clock(now, zone)).whole()


class _FilterParser:
    def __init__(self, scanner: Scanner, clock: Clock) -> None:
        self._scanner = scanner
        self._clock = clock
        self._depth = 0

    def whole(self) -> Filter:
        if self._scanner.at_end():
            return EVERYTHING
        where = self._alternatives()
        if not self._scanner.at_end():
            raise self._scanner.wrong(tr("unmatched closing parenthesis"))
        return where

    def _alternatives(self) -> Filter:
        parts = [self._conjunction()]
        while self._keyword("or", "OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Filter:
        parts = [self._negation()]
        while not self._at_end_of_conjunction():
            self._keyword("and", "AND")
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _at_end_of_conjunction(self) -> bool:
        scanner = self._scanner
        if scanner.at_end() or scanner.text[scanner.column] == ")":
            return True
        start = scanner.column
        ends = scanner.take_keyword("or", "OR")
        scanner.column = start
        return ends

    def _negation(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            self._scanner.skip_space()
            raise self._scanner.wrong(
                tr("parentheses and “not” are nested more than {count} levels deep", count=DEEPEST)
            )
        self._scanner.skip_space()
        negated = self._keyword("not", "NOT") or self._scanner.take_minus()
        where = Not(self._negation()) if negated else self._primary()
        self._depth -= 1
        return where

    def _primary(self) -> Filter:
        scanner = self._scanner
        start = scanner.column
        if scanner.at_end() or scanner.text[start] == ")" or self._keyword("and", "AND", "or", "OR"):
            raise scanner.wrong(
                tr("a search term is missing here"), start, tr('to search for the word, quote it: "and"')
            )
        if scanner.take("("):
            return self._group(start)
        quoted = scanner.quoted()
        if quoted is not None:
            op = scanner.take_operator() if self._touches_operator() else None
            return TextMatch(quoted) if op is None else self._field(quoted, op)
        pattern = scanner.pattern()
        if pattern is not None:
            return RegexMatch(self._checked(pattern, start))
        op = scanner.take_operator()
        if op == "~":
            return RegexMatch(self._checked(self._value(op), start))
        if op is not None:
            return self._named("level", op, start)
        name = scanner.name()
        op = self._operator_after(name) if name is not None else None
        if name is not None and op is not None:
            return self._named(name, op, start)
        scanner.column = start
        return self._word(start)

    def _group(self, start: int) -> Filter:
        scanner = self._scanner
        if scanner.at_end():
            raise scanner.wrong(tr("the parenthesis is not closed"), start)
        if scanner.take(")"):
            return EVERYTHING
        where = self._alternatives()
        if scanner.at_end() or not scanner.take(")"):
            raise scanner.wrong(tr("the parenthesis is not closed"), start)
        return where

    def _word(self, start: int) -> Filter:
        word = self._scanner.word()
        try:
            span = self._clock.span(word)
        except UsageError as error:
            raise self._located(error, start) from None
        return TextMatch(word) if span is None else span

    def _named(self, name: str, op: str, start: int) -> Filter:
        """Parse a field by its bare name, some of which have a special meaning."""
        column = self._value_column()
        if name in ("since", "until"):
            value = self._value(op)
            if op != "=":
                raise self._scanner.wrong(tr("{name} accepts only ="), start, f"{name}={value}")
            try:
                return self._clock.between(value if name == "since" else "", value if name == "until" else "")
            except UsageError as error:
                raise self._located(error, column) from None
        if name == "level" and op not in ("~", "!~"):
            value = self._value(op)
            severity = severity_named(value)
            if severity is None:
                names = listed(severity.name for severity in Severity)
                raise self._scanner.wrong(
                    tr("no such level: {value}", value=value), column, tr("one of {names}", names=names)
                )
            return AtLeast(severity) if op == ">=" else FieldMatch(name, op, severity.name)
        return self._field(name, op)

    def _field(self, name: str, op: str) -> Filter:
        column = self._value_column()
        value = self._value(op)
        return FieldMatch(name, op, self._checked(value, column) if op in ("~", "!~") else value)

    def _value_column(self) -> int:
        self._scanner.skip_space()
        return self._scanner.column

    def _value(self, op: str) -> str:
        scanner = self._scanner
        column = self._value_column()
        value = scanner.quoted()
        if value is None and op in ("~", "!~"):
            value = scanner.pattern()
        if value is None:
            value = scanner.word()
            if not value:
                raise scanner.wrong(tr("a value is missing here"), column, tr('write "" for an empty value'))
        return value

    def _checked(self, pattern: str, column: int) -> str:
        try:
            search(pattern)
        except UsageError as error:
            raise self._located(error, column) from None
        return pattern

    def _located(self, error: UsageError, column: int) -> UsageError:
        return self._scanner.wrong(error.message, column, error.hint)

    def _keyword(self, *spellings: str) -> bool:
        self._scanner.skip_space()
        return self._scanner.take_keyword(*spellings)

    def _operator_after(self, name: str) -> str | None:
        """Return the operator of ``a>1`` and ``a > 1``; in ``a >=error`` it begins a separate term."""
        apart = not self._touches_operator()
        op = self._scanner.take_operator()
        return None if apart and name != "level" and not self._scanner.at_space() else op

    def _touches_operator(self) -> bool:
        return self._scanner.text.startswith(tuple(OPERATORS), self._scanner.column)


# A filter as the text that parses to it, and filters made from others: what keys and rows of statistics do.


_BARE_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.]*", re.ASCII)
_BARE_VALUE = re.compile(r"[A-Za-z0-9_@.:/+,%-]+", re.ASCII)
_BARE_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BARE_PATTERN = re.compile(r"(?:[^/\\]|\\[^/])+", re.DOTALL)
_OWN_MEANING = frozenset({"since", "until", "and", "or", "not", "AND", "OR", "NOT"})


def to_text(where: Filter) -> str:
    """Return text that ``parse_filter`` parses back to ``where``, with times in UTC; ``""`` for EVERYTHING."""
    return "" if where == EVERYTHING else _written(where, _LOOSEST)


_LOOSEST, _IN_OR, _IN_AND, _IN_NOT = range(4)


def _written(where: Filter, around: int) -> str:
    """Return the text, in parentheses if the operator ``around`` binds more tightly."""
    match where:
        case And(parts) if not parts:
            return "()"
        case Or(parts) if not parts:
            return "not ()"
        case And(parts) | Or(parts) if len(parts) == 1:
            return _written(parts[0], around)
        case And(parts):
            return _grouped(" ".join(_written(part, _IN_AND) for part in parts), around >= _IN_AND)
        case Or(parts):
            return _grouped(" or ".join(_written(part, _IN_OR) for part in parts), around >= _IN_OR)
        case Not(part):
            return f"not {_written(part, _IN_NOT)}"
        case _:
            return _leaf(where)


def _grouped(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _leaf(where: Filter) -> str:
    match where:
        case AtLeast(severity):
            return f"level>={severity.name}"
        case TextMatch(text):
            return text if _BARE_TEXT.fullmatch(text) and text not in _OWN_MEANING else _quoted(text)
        case RegexMatch(pattern):
            return f"/{pattern}/" if _BARE_PATTERN.fullmatch(pattern) else f"~{_quoted(pattern)}"
        case FieldMatch(name, op, value):
            name = name if _BARE_NAME.fullmatch(name) and name not in _OWN_MEANING else _quoted(name)
            return f"{name}{op}{value if _BARE_VALUE.fullmatch(value) and '~' not in op else _quoted(value)}"
        case Within(since_us, until_us):
            return f"{_moment(since_us)}..{_moment(until_us)}"
    raise TypeError(where)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _moment(time_us: int | None) -> str:
    return "" if time_us is None else (EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")


def narrowed(where: Filter, part: Filter) -> Filter:
    """Return a filter that requires ``where`` and ``part``; ``where`` itself if it already includes ``part``."""
    parts = where.parts if isinstance(where, And) else (where,)
    if part in parts or part == EVERYTHING:
        return where
    return And((*parts, part)) if parts else part


def text_like_field(where: Filter, known: Collection[str]) -> tuple[str, str, str] | None:
    """The first text of the filter that is written as other tools write a field, one of ``known`` (``level:error``),
    the name of that field, and the filter that compares it here; None if there is none."""
    for text in literal_texts(where):
        name, _colon, value = text.partition(":")
        if not value or name not in known:
            continue
        meant = name + (value if value.startswith(tuple(OPERATORS)) else f"={value}")
        with suppress(UsageError):
            parse_filter(meant, now=EPOCH, zone=UTC)
            return text, name, meant
    return None
