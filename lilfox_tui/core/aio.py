"""Additions to asyncio: a feed of the newest value, files opened in a thread, and a task group that never loses a
cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct, field

from lilfox_tui.core.errors import LilFoxError

T = TypeVar("T")


class Pending(Struct, frozen=True):
    """Nothing is known yet."""


class Ready(Struct, Generic[T], frozen=True):
    """The value as of ``at`` (aware UTC)."""

    value: T
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Unavailable(Struct, frozen=True):
    """There is no value: ``error`` says why and what to do, ``since`` and ``next_try`` are aware UTC.

    ``next_try`` is None where nothing is tried until somebody acts (a refused login, an unknown host key); ``last`` is
    of when the last value was, None if there never was one, or if that is not known.
    """

    error: LilFoxError
    since: datetime
    next_try: datetime | None = None
    last: datetime | None = None


State: TypeAlias = Pending | Ready[T] | Unavailable


def to_next_beat_s(period_s: float) -> float:
    """Seconds until the loop's clock is a multiple of ``period_s``. What looks again and again waits so: all look at
    the same moments, and each of these wakes the process once."""
    return period_s - asyncio.get_running_loop().time() % period_s


_SMALL_BYTES, _MOMENT_S = 256 * 1024, 0.003


async def in_large_blocks(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the blocks of a bulk stream, and after a small one wait for a moment, in which its source fills the pipe: a
    hundred small blocks cost more than a large one."""
    async for block in blocks:
        yield block
        if len(block) < _SMALL_BYTES:
            await asyncio.sleep(_MOMENT_S)


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
        """Sets the state to ``value``, as of ``at`` (aware UTC; now if not given)."""
        self._set(Ready(value, at or datetime.now(UTC)))

    def fail(self, error: LilFoxError, *, since: datetime | None = None, next_try: datetime | None = None) -> None:
        """Makes the feed unavailable. A continuing outage keeps its first ``since``."""
        before = self._state
        if since is None:
            since = before.since if isinstance(before, Unavailable) else datetime.now(UTC)
        last = before.at if isinstance(before, Ready) else before.last if isinstance(before, Unavailable) else None
        self._set(Unavailable(error, since, next_try, last))

    def _set(self, state: State[T]) -> None:
        self._state = state
        self._version += 1
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def watch(self) -> AsyncGenerator[State[T], None]:
        """Yields the current state, then each newer one; never ends. Use inside ``contextlib.aclosing``."""
        seen = -1
        while True:
            if seen == self._version:
                if self._changed is None:
                    self._changed = asyncio.Event()
                await self._changed.wait()
            seen = self._version
            yield self._state


async def open_in_thread(open_: Callable[[], T], close: Callable[[T], object]) -> T:
    """Return what ``open_`` returns, called in a thread. If the caller is cancelled meanwhile, ``close`` is called with
    it as soon as it is open."""
    lock = threading.Lock()
    opened: list[T] = []
    is_left = False

    def work() -> T:
        found = open_()
        with lock:
            if not is_left:
                opened.append(found)
                return found
        close(found)
        return found

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        with lock:
            is_left = True
        for each in opened:
            close(each)
        raise


async def to_end(work: Awaitable[T]) -> T:
    """Return the result of ``work``; if cancelled, let ``work`` finish first."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def end_task(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task whose result is no longer needed, and wait for its end."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()


# Tasks that are done together, and a cancellation that is never lost among them.


class CancelSafeTaskGroup:
    """Like asyncio.TaskGroup, but an outside cancellation is always raised, even if a task fails in the same loop
    iteration.

    The TaskGroup of Python 3.11 raises the failures alone then: whoever catches them to try again has heard of no
    cancellation, tries for ever, and is waited for as long (seen: a command past its limit of output at the moment at
    which the console is left).
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failures: list[BaseException] = []
        self._body: asyncio.Task[Any] | None = None
        """Who is cancelled by the first failure."""
        self._broken = False
        """Whether that was done."""

    async def __aenter__(self) -> CancelSafeTaskGroup:
        self._body = asyncio.current_task()
        assert self._body is not None
        self._cancelled_before = self._body.cancelling()
        return self

    def create_task(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Runs ``work`` as a task that is cancelled when anything else fails."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failures.append(error)
            self._end_tasks()
            if self._body is not None and not self._broken:
                self._broken = self._body.cancel()

    def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        body, self._body = self._body, None
        assert body is not None
        if self._broken:
            body.uncancel()
        if kind is not None:
            self._end_tasks()
        while self._tasks:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(self._tasks)
            if body.cancelling() > self._cancelled_before:
                self._end_tasks()
        if body.cancelling() > self._cancelled_before:
            raise asyncio.CancelledError from None
        if error is not None and kind is not asyncio.CancelledError:
            self._failures.append(error)
        if self._failures:
            raise BaseExceptionGroup("what was done together", self._failures) from None
