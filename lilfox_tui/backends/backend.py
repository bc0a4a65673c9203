"""The contract of backends: databases, caches, queues, circuit breakers, each kind one file in ``kinds/``.

A kind's module has

* ``Options``, a :class:`~lilfox_tui.config.model.BackendConfig`,
* ``open_backend(name, options, host) -> Backend``; nothing is asked yet. ``host`` is the one through which it is asked,
  None is this machine,
* ``headline(values) -> tuple[Figure, ...]``: its line, from the values of a reading or from those that history kept,
* ``TREND``: the series whose course stands beside the line, or None.

The kinds' modules are imported with the configuration: they import drivers only inside functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast, runtime_checkable

from lilfox_tui import plugins
from lilfox_tui.backends.model import BackendReading, ClientSession, Ending, Figure, StatementPlan
from lilfox_tui.config.model import BackendConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.model import Series

_KINDS = "lilfox_tui.backends.kinds"


class BackendError(LilFoxError):
    """A backend does not answer, or answers something else; the next look connects anew."""


class BackendRefused(BackendError):
    """A backend has answered that it does not do what it was asked for."""


def no_answer(where: str, seconds: float) -> BackendError:
    """What is said of a backend that did not answer in time."""
    return BackendError(
        tr("no answer from {where} within {seconds:g} s", where=where, seconds=seconds),
        tr("Is the server overloaded, or is the way to it cut?"),
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
