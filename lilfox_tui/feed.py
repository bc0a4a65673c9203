"""``Feed[T]``: state that changes. The newest value, any number of readers, no queue.

A feed is in one of three states, and they are in its type: :class:`Pending` (nothing yet), :class:`Ready` (a value)
or :class:`Unavailable` (why, since when, when the next try is). A slow reader sees the latest state and not those
between: that is the point.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct, field

from lilfox_tui.errors import LilFoxError

T = TypeVar("T")


class Pending(Struct, frozen=True):
    """Nothing is known yet."""


class Ready(Struct, Generic[T], frozen=True):
    """The value as of ``at`` (aware UTC)."""

    value: T
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Unavailable(Struct, frozen=True):
    """There is no value: ``error`` says why and what to do, ``since`` and ``next_try`` are aware UTC.

    ``next_try`` is None where nothing is tried until somebody acts (a refused login, an unknown host key).
    """

    error: LilFoxError
    since: datetime
    next_try: datetime | None = None


State: TypeAlias = Pending | Ready[T] | Unavailable


class Feed(Generic[T]):
    """The newest state of one thing. Publish and watch from the event loop's thread only."""

    def __init__(self) -> None:
        self._state: State[T] = Pending()
        self._version = 0
        self._changed: asyncio.Event | None = None

    @property
    def state(self) -> State[T]:
        """The newest state."""
        return self._state

    @property
    def value(self) -> T | None:
        """The newest value, or None while pending or unavailable."""
        return self._state.value if isinstance(self._state, Ready) else None

    def publish(self, value: T, at: datetime | None = None) -> None:
        """Makes ``value`` the state, as of ``at`` (aware UTC; now when not given)."""
        self._set(Ready(value, at or datetime.now(UTC)))

    def fail(self, error: LilFoxError, *, since: datetime | None = None, next_try: datetime | None = None) -> None:
        """Makes the feed unavailable. An outage keeps its first ``since`` until a value comes."""
        if since is None:
            since = self._state.since if isinstance(self._state, Unavailable) else datetime.now(UTC)
        self._set(Unavailable(error, since, next_try))

    def _set(self, state: State[T]) -> None:
        self._state = state
        self._version += 1
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def watch(self) -> AsyncGenerator[State[T], None]:
        """The state now, then each newer one; never ends. Use inside ``contextlib.aclosing``."""
        seen = -1
        while True:
            if seen == self._version:
                if self._changed is None:
                    self._changed = asyncio.Event()
                await self._changed.wait()
            seen = self._version
            yield self._state
