"""What inspecting a backend yields: values, findings and tables, and how values compare with thresholds.

Texts inside cells come from the backend and are untrusted; titles and findings are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from lilfox_tui.config.model import Threshold
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import Level, Series

Unit: TypeAlias = Literal["text", "count", "bytes", "seconds", "percent"]
Cell: TypeAlias = str | float | bool | Message | None
"""A value in the unit of its column; None is not known."""
Ending: TypeAlias = Literal["cancel", "terminate"]
"""Of a session: the statement that it runs, or all of it."""


class TableColumn(Struct, frozen=True):
    """One column; ``key`` names it for programs."""

    key: str
    title: Message
    unit: Unit = "text"


class Table(Struct, frozen=True):
    """One part of a backend's page. ``note`` says what the rows mean, or why there are none."""

    key: str
    title: Message
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Message | None = None


class BackendFact(Struct, frozen=True):
    """One number or word; ``key`` names it for programs."""

    key: str
    title: Message
    value: Cell
    unit: Unit = "text"


class Figure(Struct, frozen=True):
    """What a backend's one line shows: ``18 active``. ``level`` is that of its colour."""

    text: Message
    level: Level = Level.GOOD


class Finding(Struct, frozen=True):
    """Something that is not as it should be."""

    level: Level
    text: Message


class BackendReading(Struct, frozen=True):
    """One look at a backend at ``at`` (aware UTC).

    ``values`` are what history, ``/metrics`` and the backend's line are made of; what is not known is absent.
    ``incomplete`` tells why numbers are missing or too low although the backend answers.
    """

    at: datetime
    values: Mapping[Series, float]
    findings: tuple[Finding, ...] = ()
    facts: tuple[BackendFact, ...] = ()
    tables: tuple[Table, ...] = ()
    incomplete: Message | None = None


class StatementPlan(Struct, frozen=True):
    """How a backend would run a statement: the ``lines`` of its plan. ``generic``: without its parameters' values."""

    statement: str
    lines: tuple[str, ...]
    generic: bool


class ClientSession(Struct, frozen=True, kw_only=True):
    """A session of a client of a database. Texts come from there and are untrusted; secrets in ``statement`` are
    masked. ``pid`` and ``began`` name it: a number that was given again began at another time."""

    pid: int
    began: str
    """As the server writes it, to the microsecond."""
    statement_began: str | None
    """Of the statement that it runs, or ran last; None where our role may not see that."""
    role: str | None
    database: str | None
    application: str | None
    address: str | None
    state: str | None
    in_state_s: float | None
    blocks: int
    """So many others wait for a lock that it holds."""
    statement: str | None


def above(value: float | None, limit: Threshold, text: Message) -> Iterator[Finding]:
    """``text`` with the field ``limit`` filled in, where ``value`` is above a limit."""
    for level, most in ((Level.FAILING, limit.fail), (Level.DEGRADED, limit.warn)):
        if value is not None and most is not None and value > most:
            yield Finding(level, Message(text.text, {**text.values, "limit": most}))
            return


def worst_first(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """The findings in the order in which they are told."""
    return tuple(sorted(findings, key=lambda each: -each.level))


class CounterDeltas:
    """How much counters rose between two looks."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def take(self, counters: Mapping[str, float]) -> dict[str, float]:
        """The rises since the last look; absent for what is new and for what was reset (it fell)."""
        before, self._before = self._before, dict(counters)
        return {name: value - before[name] for name, value in counters.items() if value >= before.get(name, value + 1)}


def share_percent(part: float | None, rest: float | None) -> float | None:
    """``part`` of ``part + rest`` in percent; None where nothing happened."""
    if part is None or rest is None or part + rest <= 0:
        return None
    return 100.0 * part / (part + rest)
