"""Watches backends: reads each one periodically, and derives its level and when the level began."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from lilfox_tui.backends.model import (
    Backend,
    BackendError,
    BackendReading,
    ClientSession,
    EndsSessions,
    Explains,
    StatementPlan,
    load,
)
from lilfox_tui.config.model import BackendConfig, Config
from lilfox_tui.core.aio import Feed, Pending, Unavailable
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView
from lilfox_tui.monitor.watchers.host import LEVEL, past_backend

LONGEST_WAIT_S = 60.0
"""Between two tries, however long a backend has been away."""
DOWN_AFTER = 2
"""Looks in a row that must fail before a backend that was there counts as down."""


class BackendWatch:
    """The state of one backend. ``host_of`` returns the host through which it is reached, at the first read."""

    def __init__(self, name: str, config: BackendConfig, host_of: Callable[[], Host | None]) -> None:
        self.name, self.config = name, config
        self.feed: Feed[BackendReading] = Feed()
        self.level = Level.UNKNOWN
        self._host_of = host_of
        self._backend: Backend | None = None
        self._reading: BackendReading | None = None
        self._failures = 0
        self._since = datetime.now(UTC)
        self.may_begin = asyncio.Event()
        """Set once the backend may be read."""
        self.may_begin.set()

    async def run(self, looked: Callable[[BackendWatch], None]) -> None:
        """Read at once, then once per period, until cancelled; ``looked`` is called after each read. After failures the
        wait grows. An internal error affects only this backend's row."""
        try:
            await self.may_begin.wait()
            while True:
                began = asyncio.get_running_loop().time()
                await self.look()
                looked(self)
                await asyncio.sleep(max(0.0, began + self._wait_s() - asyncio.get_running_loop().time()))
        finally:
            await self.close()

    async def look(self, *, once: bool = False) -> None:
        """Read once; ``once``: no other read follows, so one failure is enough. Never raises an error caused by the
        backend or its host."""
        try:
            backend = self.backend()
            reading = await backend.read()
        except LilFoxError as error:
            self.fail(error, down=once)
        except Exception as error:
            self.fail(BackendError(fault_of(error)), down=once)
        else:
            self._failures, self._reading = 0, reading
            self.feed.publish(reading, reading.at)
            self._judge(max((each.level for each in reading.findings), default=Level.GOOD))

    def fail(self, error: LilFoxError, *, down: bool = False) -> None:
        """Record why there is no new reading; ``down``: one failure is enough, and there is no retry."""
        self._failures += 1
        now = datetime.now(UTC)
        self.feed.fail(error, next_try=None if down else now + timedelta(seconds=self._wait_s()))
        gone = down or self._reading is None or self._failures >= DOWN_AFTER
        self._judge(Level.FAILING if gone else max(self.level, Level.DEGRADED))

    def backend(self) -> Backend:
        """Return the backend, opening it if necessary. Raises LilFoxError."""
        if self._backend is None:
            self._backend = load(self.config.kind).open_backend(self.name, self.config, self._host_of())
        return self._backend

    async def close(self) -> None:
        """Close the connection."""
        if self._backend is not None:
            await self._backend.close()

    def view(self) -> BackendView:
        """Return the backend's row."""
        outage = self.feed.state if isinstance(self.feed.state, Unavailable) else None
        return BackendView(
            name=self.name,
            config=self.config,
            level=self.level,
            since=self._since,
            reasons=self._reasons(outage),
            figures=() if self._reading is None else load(self.config.kind).headline(self._reading.values),
            reading=self._reading,
            outage=outage,
        )

    def _reasons(self, outage: Unavailable | None) -> tuple[Message, ...]:
        if outage is not None:
            words = (outage.error.message, outage.error.hint)
            return tuple(each if isinstance(each, Message) else tr("{reason}", reason=each) for each in words if each)
        if self._reading is None:
            return (tr("not checked yet"),)
        return tuple(each.text for each in self._reading.findings)

    def _judge(self, level: Level) -> None:
        if level is not self.level:
            self._since = datetime.now(UTC)
        self.level = level

    def _wait_s(self) -> float:
        """Return the seconds to wait before the next read: a period, varied a little per backend; doubled after each
        failure but the first."""
        spread = 0.95 + 0.1 * zlib.crc32(self.name.encode()) / 2**32
        wait_s = self.config.every * 2.0 ** max(0, min(self._failures, 10) - 1)
        return spread * max(self.config.every, min(wait_s, LONGEST_WAIT_S))


_HOLDS_PERIODS = 2


class WatchedBackends:
    """The backends of ``config``. ``host_of`` returns the host of a name, None for this machine; ``changed`` is called
    when a level changes."""

    def __init__(
        self,
        config: Config,
        history: History,
        host_of: Callable[[str | None], Host | None],
        changed: Callable[[], None],
    ) -> None:
        self._history, self._changed = history, changed
        self._watches = {
            name: BackendWatch(name, each, partial(host_of, each.host)) for name, each in config.backends.items()
        }
        self._levels = {name: watch.level for name, watch in self._watches.items()}

    async def run(self) -> None:
        """Watch all until cancelled; a problem with one delays no other."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches.values():
                group.create_task(watch.run(self._looked))

    def hold(self, name: str) -> Callable[[], None]:
        """Pause reading a backend that is still being started, until the returned function is called."""
        if name not in self._watches:
            return lambda: None
        self._watches[name].may_begin.clear()
        return self._watches[name].may_begin.set

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """Return a coroutine for each backend that reads it once."""
        return [self._check(watch) for watch in self._watches.values()]

    def give_up(self, timeout_s: float) -> None:
        """Mark backends that did not answer in time as failed."""
        for watch in self._watches.values():
            if isinstance(watch.feed.state, Pending):
                watch.fail(BackendError(tr("no answer within {timeout_s:g} s", timeout_s=timeout_s)), down=True)

    def views(self) -> dict[str, BackendView]:
        """Return the rows, in the order of the config."""
        return {name: watch.view() for name, watch in self._watches.items()}

    def views_at(self, at: datetime) -> dict[str, BackendView]:
        """Return the rows as they were ``at`` (aware UTC)."""
        return {
            name: past_backend(name, watch.config, self._history.values_at(f"backend/{name}", at), at)
            for name, watch in self._watches.items()
        }

    async def explain(self, name: str, statement_id: str) -> StatementPlan:
        """Return the plan of one of a backend's slow statements. Raises KeyError, LilFoxError."""
        backend = self._watches[name].backend()
        if not isinstance(backend, Explains):
            raise UsageError(tr("{name} does not support EXPLAIN", name=name))
        return await backend.explain(statement_id)

    async def sessions(self, name: str) -> tuple[EndsSessions, tuple[ClientSession, ...]]:
        """Return a backend that can end sessions, and its current client sessions. Raises KeyError, LilFoxError."""
        backend = self._watches[name].backend()
        if not isinstance(backend, EndsSessions):
            raise UsageError(tr("{name} does not support ending sessions", name=name))
        return backend, await backend.sessions()

    async def _check(self, watch: BackendWatch) -> None:
        try:
            await watch.look(once=True)
        finally:
            await watch.close()

    def _looked(self, watch: BackendWatch) -> None:
        if (reading := watch.feed.value) is not None:
            values = {**reading.values, LEVEL: float(watch.level)}
            holds_s = _HOLDS_PERIODS * watch.config.every
            self._history.add(f"backend/{watch.name}", reading.at, values, holds_s=holds_s)
        before, self._levels[watch.name] = self._levels[watch.name], watch.level
        if before is not watch.level:
            self._changed()
