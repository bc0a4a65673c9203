"""The data that a backend reports, and the interface of the backend kinds."""

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
    """One column; ``key`` is its name in machine-readable output."""

    key: str
    title: Message
    unit: Unit = "text"


class Table(Struct, frozen=True):
    """One table on a backend's page. ``note`` explains the rows, or why there are none."""

    key: str
    title: Message
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Message | None = None


class BackendFact(Struct, frozen=True):
    """One number or word; ``key`` is its name in machine-readable output."""

    key: str
    title: Message
    value: Cell
    unit: Unit = "text"


class BackendCurve(Struct, frozen=True):
    """One series of a chart. ``per_second``: a counter, drawn as its increase per second. ``quiet`` names it in the
    line of what is zero all the time, where it then stands instead of being drawn; None: it is always drawn."""

    series: Series
    name: Message
    per_second: bool = False
    quiet: Message | None = None


class BackendChart(Struct, frozen=True):
    """A chart on a backend's page, of series that its readings have; those that are not known are left out. ``limit``
    is the series that its values should stay below."""

    title: Message
    curves: tuple[BackendCurve, ...]
    unit: Unit = "count"
    limit: Series | None = None


class Figure(Struct, frozen=True):
    """One figure in a backend's summary line, such as ``18 active``. ``level`` determines its colour."""

    text: Message
    level: Level = Level.GOOD


class Finding(Struct, frozen=True):
    """A problem that a backend reports."""

    level: Level
    text: Message


class BackendReading(Struct, frozen=True):
    """One reading of a backend at ``at`` (aware UTC).

    ``values`` are what history, ``/metrics`` and the backend's line are made of; what is not known is absent.
    ``incomplete`` tells why numbers are missing or too low although the backend answers. ``checked`` names what was
    looked at for findings: without a finding, that is all that is proved.
    """

    at: datetime
    values: Mapping[Series, float]
    findings: tuple[Finding, ...] = ()
    facts: tuple[BackendFact, ...] = ()
    tables: tuple[Table, ...] = ()
    incomplete: Message | None = None
    checked: tuple[Message, ...] = ()


class StatementPlan(Struct, frozen=True):
    """The plan of a statement as ``lines``. ``generic``: planned without parameter values."""

    statement: str
    lines: tuple[str, ...]
    generic: bool


class ClientSession(Struct, frozen=True, kw_only=True):
    """A client session of a database. Its texts come from the database and are untrusted; secrets in ``statement`` are
    masked. ``pid`` and ``began`` identify it: a reused pid has another start time."""

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
    """Yield a finding if ``value`` is above a limit; its text is ``text`` with the limit in the field ``limit``."""
    for level, most in ((Level.FAILING, limit.fail), (Level.DEGRADED, limit.warn)):
        if value is not None and most is not None and value > most:
            yield Finding(level, Message(text.text, {**text.values, "limit": most}))
            return


def worst_first(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """Return the findings in display order, worst first."""
    return tuple(sorted(findings, key=lambda each: -each.level))


def whole_or_tenths(percent: float) -> str:
    """Return a percentage without its sign: with a decimal, unless it is none or all."""
    return f"{percent:.0f}" if percent in (0.0, 100.0) else f"{percent:.1f}"


class CounterDeltas:
    """Computes the increase of counters between two readings."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def take(self, counters: Mapping[str, float]) -> dict[str, float]:
        """Return the increase of each counter since the last reading, without counters that are new or were reset (have
        fallen)."""
        before, self._before = self._before, dict(counters)
        return {name: value - before[name] for name, value in counters.items() if value >= before.get(name, value + 1)}


def share_percent(part: float | None, rest: float | None) -> float | None:
    """Return ``part`` as a percentage of ``part + rest``; None if both are zero or one is unknown."""
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
# whose course stands beside the line, or None, * ``CHARTS``: those of its page, what matters most first.
#
# The kinds' modules are imported with the configuration: they import drivers only inside functions.


_KINDS = "lilfox_tui.backends.kinds"


class BackendError(LilFoxError):
    """Raised when a backend does not answer or its answer is unexpected; the next read reconnects."""


class BackendRefused(BackendError):
    """Raised when a backend refuses the request."""


def no_answer(where: str, seconds: float) -> BackendError:
    """Return the error for a backend that did not answer in time."""
    return BackendError(
        tr("no answer from {where} within {seconds:g} s", where=where, seconds=seconds),
        tr("Is the server overloaded, or is the connection to it broken?"),
    )


@runtime_checkable
class Backend(Protocol):
    """One backend, read over a persistent connection."""

    async def read(self) -> BackendReading:
        """Read the backend once, within the configured timeout. Raises BackendError, HostError, or LilFoxError if a
        secret cannot be read."""
        ...

    async def close(self) -> None:
        """Close the connection and the forwarded port."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A backend that can show the plan of a statement."""

    async def explain(self, statement_id: str) -> StatementPlan:
        """Return the plan of the statement with that id, without running it. Raises like ``Backend.read``."""
        ...


@runtime_checkable
class EndsSessions(Protocol):
    """A backend that can list its client sessions and end them. Raises like ``Backend.read``."""

    async def sessions(self, pid: int | None = None) -> tuple[ClientSession, ...]:
        """Return the client sessions (only the one with ``pid``, if given) without LilFox's own: blocking ones first,
        then by time in their state, longest first. Cut if there are very many."""
        ...

    def ending(self, session: ClientSession, how: Ending) -> str:
        """Return the statement that cancels the query of ``session``, or terminates the session; it never affects
        another session."""
        ...

    async def end(self, statement: str) -> bool:
        """Run the statement from ``ending``; return whether the session existed and was signalled. Raises
        BackendRefused if the server does not permit it."""
        ...


class BackendKind(Protocol):
    """What the module of a backend kind must define."""

    TREND: Series | None
    CHARTS: tuple[BackendChart, ...]
    headline: Callable[[Mapping[Series, float]], tuple[Figure, ...]]
    open_backend: Callable[[str, BackendConfig, Host | None], Backend]


def load(kind: str) -> BackendKind:
    """Return the module of a kind. Raises UsageError for an unknown one."""
    return cast("BackendKind", plugins.load(_KINDS, kind))
