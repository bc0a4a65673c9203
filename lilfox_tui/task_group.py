"""Tasks that are done together, and a cancellation that is never lost among them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any


class CancelSafeTaskGroup:
    """As asyncio.TaskGroup, but a cancellation from outside is raised whatever fails in the same turn of the loop.

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
        """Does ``work``, until anything else fails."""
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
