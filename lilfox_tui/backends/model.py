"""What a backend shows, and the contract of its kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, cast, runtime_checkable

from msgspec import Struct

from lilfox_tui.config.model import BackendConfig, Threshold
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
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


# The contract of backends: databases, caches, queues, circuit breakers, each kind one file in ``kinds/``.
#
# A kind's module has
#
# * ``Options``, a :class:`~lilfox_tui.config.model.BackendConfig`, * ``open_backend(name, options, host) -> Backend``;
# nothing is asked yet. ``host`` is the one through which it is asked, None is this machine, * ``headline(values) ->
# tuple[Figure, ...]``: its line, from the values of a reading or from those that history kept, * ``TREND``: the series
# whose course stands beside the line, or None.
#
# The kinds' modules are imported with the configuration: they import drivers only inside functions.


_KINDS = "lilfox_tui.backends.kinds"


class BackendError(LilFoxError):
    """A backend does not answer, or answers something else; the next look connects anew."""


class BackendRefused(BackendError):
    """A backend has answered that it does not do what it was asked for."""


def no_answer(where: str, seconds: float) -> BackendError:
    """What is said of a backend that did not answer in time."""
    return BackendError(
        tr("no answer from {where} within {seconds:g} s", where=where, seconds=seconds),
        tr("Is the server overloaded, or is the connection to it broken?"),
    )


@runtime_checkable
class Backend(Protocol):
    """One backend over one kept connection."""

    async def read(self) -> BackendReading:
        """One look, within the configured time-out. Raises BackendError, HostError, or a secret's LilFoxError."""
        ...

    async def close(self) -> None:
        """Ends the connection and the forwarded port."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A backend that tells how it runs a statement."""

    async def explain(self, statement_id: str) -> StatementPlan:
        """The plan of the statement with that id, without running it. Raises as ``Backend.read``."""
        ...


@runtime_checkable
class EndsSessions(Protocol):
    """A backend that lists the sessions of its clients and can end them. Raises as ``Backend.read``."""

    async def sessions(self, pid: int | None = None) -> tuple[ClientSession, ...]:
        """Those of clients (or the one with that pid), ours left out: who is blocking first, then the longest in its
        state; not all where there are very many."""
        ...

    def ending(self, session: ClientSession, how: Ending) -> str:
        """The statement that ends what ``session`` runs, or the session itself; it does nothing to another one."""
        ...

    async def end(self, statement: str) -> bool:
        """Runs what ``ending`` gave; whether there was such a session and it was told. BackendRefused where the
        server does not let us."""
        ...


class BackendKind(Protocol):
    """What a kind's module has."""

    TREND: Series | None
    headline: Callable[[Mapping[Series, float]], tuple[Figure, ...]]
    open_backend: Callable[[str, BackendConfig, Host | None], Backend]


def load(kind: str) -> BackendKind:
    """The kind's module. Raises UsageError for an unknown one."""
    return cast("BackendKind", plugins.load(_KINDS, kind))
