"""A running Monitor, and what a row of its overview says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lilfox_tui.config.model import Config, Threshold, Thresholds
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.metrics.model import HostSummary, Level
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.levels import lost_why
from lilfox_tui.monitor.model import HostView
from lilfox_tui.monitor.monitor import Monitor
from tests.waiting import PATIENCE_S, until

NO_LIMIT = Threshold()
NOT_BUSY = Thresholds(
    cpu_percent=NO_LIMIT,
    iowait_percent=NO_LIMIT,
    steal_percent=NO_LIMIT,
    memory_percent=NO_LIMIT,
    swap_percent=NO_LIMIT,
    disk_percent=NO_LIMIT,
    inode_percent=NO_LIMIT,
    load_per_cpu=NO_LIMIT,
    pressure_cpu=NO_LIMIT,
    pressure_memory=NO_LIMIT,
    pressure_io=NO_LIMIT,
)
"""No limits to what the hosts share with the machine that runs the tests: it may be as busy as it likes."""


@dataclass
class Watch:
    """``monitor`` while it runs."""

    monitor: Monitor

    def row(self, name: str) -> HostView:
        """The host's row now."""
        overview = self.monitor.overview.value
        assert overview is not None
        return overview.hosts[name]

    def summary(self, name: str) -> HostSummary:
        """The host's newest numbers."""
        summary = self.row(name).summary
        assert summary is not None
        return summary

    def has_numbers(self, name: str) -> bool:
        """Whether the host is reached and its newest sample is fresh and, as from the second on, has rates."""
        if self.monitor.overview.value is None:
            return False
        row = self.row(name)
        return isinstance(row.link, Ready) and row.summary is not None and row.summary.cpu is not None and (
            datetime.now(UTC) - row.summary.at < timedelta(seconds=3 * self.monitor.config.refresh)
        )  # fmt: skip

    def gone(self, name: str) -> Unavailable | None:
        """Why the host is not reached; None while it is."""
        link = self.row(name).link
        return link if isinstance(link, Unavailable) else None

    def changes(self, name: str) -> list[str]:
        """What is remembered of the host, oldest first."""
        return [str(change.what) for change in self.monitor.changes.all() if change.subject == f"host/{name}"]

    async def numbers(self, *names: str, timeout_s: float = PATIENCE_S) -> float:
        """Waits until all of them have numbers; the seconds since the call."""
        began = asyncio.get_running_loop().time()
        await until(
            lambda: all(self.has_numbers(name) for name in names),
            timeout_s=timeout_s, what=f"numbers of {', '.join(names[:5])}",
        )  # fmt: skip
        return asyncio.get_running_loop().time() - began

    async def lost(self, name: str, kind: type[LilFoxError], after: datetime) -> float:
        """Waits until the row says that the host is not reached, for that reason; the seconds since ``after``.

        Then the row must say what, what to do, and since when: not before ``after`` (aware UTC), or, of a host that is
        silent, since its last sample.
        """

        def told() -> bool:
            gone = self.gone(name)
            return gone is not None and isinstance(gone.error, kind) and self.row(name).level >= Level.DEGRADED

        await until(told, what=f"the row of {name} says {kind.__name__}")
        took = (datetime.now(UTC) - after).total_seconds()
        row, gone = self.row(name), self.gone(name)
        assert gone is not None
        said = str(row.reasons[0])
        assert str(gone.error) in said or (said.startswith("lost for ") and str(lost_why(gone.error)) in said), said
        assert str(gone.error.hint)
        assert (after if row.summary is None else min(after, row.summary.at)) <= gone.since <= datetime.now(UTC)
        return took


@asynccontextmanager
async def watching(config: Config) -> AsyncIterator[Watch]:
    """Runs a Monitor of ``config``; its changes are not kept in any file."""
    monitor = Monitor(config, changes=ChangeLog())
    running = asyncio.create_task(monitor.run())
    try:
        yield Watch(monitor)
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
