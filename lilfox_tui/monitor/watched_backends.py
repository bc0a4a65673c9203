"""All backends that are watched: started, asked once, and as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any

from lilfox_tui.backends.backend import BackendError, EndsSessions, Explains
from lilfox_tui.backends.model import ClientSession, StatementPlan
from lilfox_tui.config.model import Config
from lilfox_tui.errors import UsageError
from lilfox_tui.feed import Pending
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.history import History
from lilfox_tui.monitor.backend_watch import BackendWatch
from lilfox_tui.monitor.model import BackendView
from lilfox_tui.monitor.past import LEVEL, past_backend

_HOLDS_PERIODS = 2


class WatchedBackends:
    """The backends of ``config``. ``host_of`` gives the host of a name, None for this machine; ``changed`` is called
    when a level is another than before."""

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
        """Watches all until cancelled; what goes wrong with one delays no other."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches.values():
                group.create_task(watch.run(self._looked))

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """One look at each."""
        return [self._check(watch) for watch in self._watches.values()]

    def give_up(self, timeout_s: float) -> None:
        """Those that said nothing in time have failed."""
        for watch in self._watches.values():
            if isinstance(watch.feed.state, Pending):
                watch.fail(BackendError(tr("no answer within {timeout_s:g} s", timeout_s=timeout_s)), down=True)

    def views(self) -> dict[str, BackendView]:
        """The rows, as the config has them in order."""
        return {name: watch.view() for name, watch in self._watches.items()}

    def views_at(self, at: datetime) -> dict[str, BackendView]:
        """The rows as they were ``at`` (aware UTC)."""
        return {
            name: past_backend(name, watch.config, self._history.values_at(f"backend/{name}", at), at)
            for name, watch in self._watches.items()
        }

    async def explain(self, name: str, statement_id: str) -> StatementPlan:
        """How a backend would run one of its slow statements. Raises KeyError, LilFoxError."""
        backend = self._watches[name].backend()
        if not isinstance(backend, Explains):
            raise UsageError(tr("{name} has no statements to explain", name=name))
        return await backend.explain(statement_id)

    async def sessions(self, name: str) -> tuple[EndsSessions, tuple[ClientSession, ...]]:
        """A backend that ends sessions, and those of its clients now. Raises KeyError, LilFoxError."""
        backend = self._watches[name].backend()
        if not isinstance(backend, EndsSessions):
            raise UsageError(tr("{name} has no sessions that can be ended", name=name))
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
