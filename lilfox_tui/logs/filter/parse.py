r"""The filter language.

    timeout "connection refused"     text; words beside each other must all be there; smart case
    /time(d )?out/  /refused/i       regular expression (RE2); i: whatever the case; also ~"pattern"
    level>=WARNING  >=warning        severity
    status>=500  logger=auth         a field: = != and, for numbers, > >= < <=; also response_time>250ms
    path~^/api/  user!~/^(a|b)$/     a field that matches a regular expression, or does not
    10m  1h  03:00..03:15            the last ten minutes, the last hour, a span of time; also since=… until=…
    2026-11-25T03:00..  ..03:15      open at one end
    and or not -word ( )             not binds closest, then and (or nothing at all), then or

A quoted text is never a time, a keyword or a regular expression.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import listed, tr
from lilfox_tui.logs.filter.clock import Clock
from lilfox_tui.logs.filter.fields import severity_named
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Field, Filter, Not, Or, Regex, Text
from lilfox_tui.logs.filter.regex import search
from lilfox_tui.logs.filter.scan import OPERATORS, Scanner
from lilfox_tui.logs.record import Severity

DEEPEST = 50
"""So many parentheses and nots inside each other are read."""


def parse_filter(text: str, *, now: datetime, zone: tzinfo) -> Filter:
    """The filter that ``text`` asks for; of an empty text EVERYTHING. ``now`` (aware) is what ``10m`` counts from,
    times without an offset are of ``zone``. Raises FilterError (a UsageError) that says where, and what would be right.
    """
    return _Parser(Scanner(text), Clock(now, zone)).whole()


class _Parser:
    def __init__(self, scanner: Scanner, clock: Clock) -> None:
        self._scanner = scanner
        self._clock = clock
        self._depth = 0

    def whole(self) -> Filter:
        if self._scanner.at_end():
            return EVERYTHING
        where = self._alternatives()
        if not self._scanner.at_end():
            raise self._scanner.wrong(tr("this parenthesis closes nothing"))
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
            raise self._scanner.wrong(tr("more than {count} parentheses and nots inside each other", count=DEEPEST))
        self._scanner.skip_space()
        negated = self._keyword("not", "NOT") or self._scanner.take_minus()
        where = Not(self._negation()) if negated else self._primary()
        self._depth -= 1
        return where

    def _primary(self) -> Filter:
        scanner = self._scanner
        start = scanner.column
        if scanner.at_end() or scanner.text[start] == ")" or self._keyword("and", "AND", "or", "OR"):
            raise scanner.wrong(tr("something to look for is missing here"), start, tr('quote a word: "and"'))
        if scanner.take("("):
            return self._group(start)
        quoted = scanner.quoted()
        if quoted is not None:
            op = scanner.take_operator() if self._touches_operator() else None
            return Text(quoted) if op is None else self._field(quoted, op)
        pattern = scanner.pattern()
        if pattern is not None:
            return Regex(self._checked(pattern, start))
        op = scanner.take_operator()
        if op == "~":
            return Regex(self._checked(self._value(op), start))
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
        return Text(word) if span is None else span

    def _named(self, name: str, op: str, start: int) -> Filter:
        """A field by its bare name, some of which have a meaning of their own."""
        column = self._value_column()
        if name in ("since", "until"):
            value = self._value(op)
            if op != "=":
                raise self._scanner.wrong(tr("{name} takes ="), start, f"{name}={value}")
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
            return AtLeast(severity) if op == ">=" else Field(name, op, severity.name)
        return self._field(name, op)

    def _field(self, name: str, op: str) -> Filter:
        column = self._value_column()
        value = self._value(op)
        return Field(name, op, self._checked(value, column) if op in ("~", "!~") else value)

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
                raise scanner.wrong(tr("a value is missing here"), column, tr('write "" for an empty one'))
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
        """The operator of ``a>1`` and ``a > 1``; in ``a >=error`` it begins something of its own."""
        apart = not self._touches_operator()
        op = self._scanner.take_operator()
        return None if apart and name != "level" and not self._scanner.at_space() else op

    def _touches_operator(self) -> bool:
        return self._scanner.text.startswith(tuple(OPERATORS), self._scanner.column)
