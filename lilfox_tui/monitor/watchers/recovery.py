"""Watches recovered units: ``lilfox monitor`` restarts them, and every other LilFox reads their state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Feed, to_next_beat_s
from lilfox_tui.hosts.base import Host

if TYPE_CHECKING:
    from lilfox_tui.recovery.history import RecoveryHistory, UnitRecord
    from lilfox_tui.scrape.store import SeriesStore


READ_EVERY_S = 5.0
AFTER_FIRST_FRAME_S = 1.0


class RecoveryWatch:
    """The units of ``recovery:``. With ``acts`` they are checked and restarted here; otherwise the records of another
    LilFox are read."""

    def __init__(
        self,
        config: Config,
        config_file: Path | None,
        host_of: Callable[[str], Host],
        store: Feed[SeriesStore],
        *,
        acts: bool,
    ) -> None:
        self.feed: Feed[Mapping[str, UnitRecord]] = Feed()
        """By name; those that nobody has looked at yet are missing."""
        self._config, self._config_file, self._host_of, self._store = config, config_file, host_of, store
        self._acts = acts and not config.read_only

    async def run(self) -> None:
        """Run until cancelled; return at once if the configuration names no unit."""
        if not self._config.recovery:
            return
        await asyncio.sleep(AFTER_FIRST_FRAME_S)
        from lilfox_tui.recovery.history import RecoveryHistory

        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            if self._acts:
                self._act(stack, group, RecoveryHistory())
            group.create_task(self._read(RecoveryHistory()))

    def _act(self, stack: AsyncExitStack, group: asyncio.TaskGroup, history: RecoveryHistory) -> None:
        from lilfox_tui.recovery.watch import watches

        for watch in watches(stack, self._config, self._config_file, self._config.recovery, history, self._host_of):
            group.create_task(watch.run())

    async def _read(self, history: RecoveryHistory) -> None:
        from lilfox_tui.monitor.series import RecoverySeries

        series = None
        while True:
            records = await asyncio.to_thread(history.read)
            keys = {name: f"{unit.host}/{unit.subject}" for name, unit in self._config.recovery.items()}
            now = datetime.now(UTC)
            self.feed.publish({name: records[key] for name, key in keys.items() if key in records}, now)
            if self._store.value is not None:
                series = series or RecoverySeries(self._store.value, self._config.recovery)
                series.take(self.feed.value or {}, now)
            await asyncio.sleep(to_next_beat_s(READ_EVERY_S))
