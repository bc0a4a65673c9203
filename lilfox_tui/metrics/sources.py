"""Where a host's texts come from: a kept loop on the host, or this machine's own files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Protocol

from lilfox_tui.errors import CommandTimeout, HostError, HostUnreachable
from lilfox_tui.hosts.base import Host, Loop
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.collector import Collector
from lilfox_tui.metrics.wire import Answer, file_list, loop_script, once_script, read_answer

_BLOCK = 65536
_SLOWEST_S = 10.0
"""A script has time limits of its own; this is for a machine that stands still."""


class Source(Protocol):
    """Gives one answer a sample."""

    async def read(self, asked: Sequence[Collector], *, timeout_s: float) -> Answer:
        """The texts of ``asked``. Raises HostError."""
        ...

    async def close(self) -> None:
        """Ends what was kept; the next ``read`` starts it anew."""
        ...


class HostSource:
    """A kept ``sh`` on the host, one line each way; a plain run each time where the loop does not live."""

    def __init__(self, host: Host, collectors: Sequence[Collector]) -> None:
        self._host = host
        self._collectors = collectors
        self._secret = os.urandom(8).hex()
        self._loop: Loop | None = None
        self._kept = AsyncExitStack()
        self._plain = False

    async def read(self, asked: Sequence[Collector], *, timeout_s: float) -> Answer:
        """See :class:`Source`."""
        kinds = [one.kind for one in asked]
        if self._plain:
            return await self._run_plainly(asked, kinds, timeout_s)
        fresh = self._loop is None
        try:
            if self._loop is None:
                self._loop = await self._kept.enter_async_context(
                    self._host.loop(loop_script(self._collectors, self._secret))
                )
            output = await self._loop.ask(" ".join(kinds), timeout_s=timeout_s)
        except CommandTimeout:
            await self.close()
            raise
        except HostError:
            await self.close()
            if not fresh or self._host.link.value is None:
                raise  # without a connection a second try only knocks twice
            return await self._run_plainly(asked, kinds, timeout_s)
        except BaseException:
            await self.close()
            raise
        answer = read_answer(output, asked, self._secret)
        if answer is None:
            await self.close()
            raise _not_ours(self._host.name)
        return answer

    async def _run_plainly(self, asked: Sequence[Collector], kinds: list[str], timeout_s: float) -> Answer:
        try:
            completed = await self._host.run_script(
                once_script(self._collectors, self._secret), kinds, timeout_s=timeout_s
            )
        except HostError:
            self._plain = False
            raise
        answer = read_answer(completed.stdout, asked, self._secret)
        self._plain = answer is not None
        if answer is None:
            raise _not_ours(self._host.name)
        return answer

    async def close(self) -> None:
        """See :class:`Source`."""
        kept, self._kept, self._loop = self._kept, AsyncExitStack(), None
        await kept.aclose()


def _not_ours(host: str) -> HostUnreachable:
    return HostUnreachable(
        host,
        tr("{host} gave no answer of ours: its shell does not run scripts", host=host),
        tr("A login that allows one command only (ForceCommand, rrsync, git-shell) cannot be watched; use another."),
    )


class LocalSource:
    """This machine: files read directly, scripts by ``read_here``; those that need a process run in the background
    and are in a later answer, so that a sample never waits for them."""

    def __init__(self, host: Host, collectors: Sequence[Collector]) -> None:
        self._processes = HostSource(host, collectors)
        self._asking: asyncio.Task[Answer] | None = None
        self._slow: tuple[str, ...] = ()

    def read_now(self, asked: Sequence[Collector]) -> Answer:
        """What can be read without a process and without waiting."""
        answer = Answer()
        for path in file_list(asked):
            if text := read_text(path):
                answer.files[path] = text
        for one in asked:
            if one.script:
                try:
                    printed = one.read_here()
                except OSError:
                    printed = ""
                if printed is not None:
                    answer.scripts[one.kind] = printed
        return answer

    async def read(self, asked: Sequence[Collector], *, timeout_s: float) -> Answer:
        """See :class:`Source`. A script that is still running is not in it."""
        answer = self.read_now(asked)
        slow = [one for one in asked if one.script and one.kind not in answer.scripts]
        if self._asking is not None and self._asking.done():
            asking, self._asking = self._asking, None
            try:
                answer.scripts.update(asking.result().scripts)
            except HostError as error:
                answer.failed.update(dict.fromkeys(self._slow, tr("{error}", error=error)))
        if slow and self._asking is None:
            self._slow = tuple(one.kind for one in slow)
            self._asking = asyncio.ensure_future(self._processes.read(slow, timeout_s=max(timeout_s, _SLOWEST_S)))
        return answer

    async def settle(self) -> None:
        """Waits until the scripts that run in the background have ended; the next ``read`` has what they printed."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def close(self) -> None:
        """See :class:`Source`."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
            self._asking = None
        await self._processes.close()


def read_text(path: str) -> str:
    """A small file of the kernel, whole; empty when it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a third of the time of a text file, eleven times a second
    except OSError:
        return ""
    try:
        return b"".join(iter(partial(os.read, file, _BLOCK), b"")).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(file)
