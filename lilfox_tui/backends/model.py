"""What a look at a backend gives: numbers for history, what is wrong, and tables for its page.

Texts inside cells come from the backend and are untrusted; titles and findings are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import Level, Series

Unit: TypeAlias = Literal["text", "count", "bytes", "seconds", "percent"]
Cell: TypeAlias = str | float | bool | Message | None
"""A value in the unit of its column; None is not known."""
Ending: TypeAlias = Literal["cancel", "terminate"]
"""Of a session: the statement that it runs, or all of it."""


class Column(Struct, frozen=True):
    """One column; ``key`` names it for programs."""

    key: str
    title: Message
    unit: Unit = "text"


class Table(Struct, frozen=True):
    """One part of a backend's page. ``note`` says what the rows mean, or why there are none."""

    key: str
    title: Message
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Message | None = None


class Fact(Struct, frozen=True):
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


class Reading(Struct, frozen=True):
    """One look at a backend at ``at`` (aware UTC).

    ``values`` are what history, ``/metrics`` and the backend's line are made of; what is not known is absent.
    ``incomplete`` tells why numbers are missing or too low although the backend answers.
    """

    at: datetime
    values: Mapping[Series, float]
    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    incomplete: Message | None = None


class Plan(Struct, frozen=True):
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
