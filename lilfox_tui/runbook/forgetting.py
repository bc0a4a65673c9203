"""What ended on hosts and is written down here is taken away there, once nothing else is asked of them for a moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from lilfox_tui.errors import HostError
from lilfox_tui.hosts import detached
from lilfox_tui.runbook.targets import Hosts

_QUIET_S = 1.0
_MOST = 50
"""So many are taken away at once, also while one command follows another."""


class Forgetting:
    """Takes ids, and forgets those of one host in one request. What cannot be forgotten the host does by itself."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._ended: dict[tuple[str, bool], list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, host: str, run: str, *, sudo: bool) -> None:
        """That one is forgotten soon."""
        ended = self._ended.setdefault((host, sudo), [])
        ended.append(run)
        if self._timer is not None:
            self._timer.cancel()
        if len(ended) < _MOST:
            self._timer = asyncio.get_running_loop().call_later(_QUIET_S, self._begin)
        else:
            self._begin()

    async def close(self, within_s: float) -> None:
        """Forgets what is left."""
        self._begin()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for (host, sudo), runs in self._ended.items():
            task = asyncio.create_task(self._forget(host, runs, sudo=sudo))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._ended = {}

    async def _forget(self, host: str, runs: list[str], *, sudo: bool) -> None:
        with suppress(HostError):
            await detached.forget(self._hosts[host], *runs, sudo=sudo)
