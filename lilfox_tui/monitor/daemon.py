"""What ``lilfox monitor`` runs: the monitor without a screen, its reports, its own metrics, its heartbeat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.config.model import Config, MonitorConfig
from lilfox_tui.config.types import Seconds
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.model import HostSnapshot, Level
from lilfox_tui.monitor.alert_log import AlertLog
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.export_recovery import recovery_families
from lilfox_tui.monitor.heartbeat import Heartbeat
from lilfox_tui.monitor.metrics_server import serve
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.report_file import ReportFile

FIRST_REPORT_S = 10.0
"""The first report waits at most so long for the first numbers of every host and service."""


class Daemon:
    """Runs until :meth:`run` is cancelled. ``publish`` gets each report, ``warn`` what goes wrong. ``config_file`` is
    where ``config`` comes from, None for the usual place."""

    def __init__(
        self,
        config: Config,
        options: MonitorConfig,
        *,
        publish: Callable[[dict[str, Any]], None],
        warn: Callable[[Message], None],
        config_file: Path | None = None,
    ) -> None:
        self._options = options
        self._publish = publish
        self._warn = warn
        self._file = ReportFile(Path(options.output), warn)
        period = Seconds(min(config.refresh, options.interval))
        self._monitor = Monitor(msgspec.structs.replace(config, refresh=period), config_file=config_file, acts=True)

    async def run(self) -> None:
        """Watches and reports each ``interval``. Raises UsageError when ``listen`` cannot be had."""
        async with AsyncExitStack() as opened:
            if self._options.listen is not None:
                address, port = await opened.enter_async_context(serve(self._options.listen, self._metrics))
                self._warn(tr("metrics at http://{address}:{port}/metrics", address=address, port=port))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._monitor.run())
                group.create_task(self._report())
                group.create_task(AlertLog(self._warn).follow(self._monitor.alerting.feed))
                if self._options.heartbeat_url is not None:
                    beat = Heartbeat(self._options.heartbeat_url, self._options.heartbeat_every, self._warn)
                    group.create_task(beat.run())

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        await self._first_numbers(FIRST_REPORT_S)
        due = loop.time()
        while True:
            document = report(self._overview(), self._local())
            self._publish(document)
            await asyncio.to_thread(self._file.append, json.dumps(document))
            due = max(due + self._options.interval, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _first_numbers(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                async with aclosing(self._monitor.overview.watch()) as states:
                    async for _state in states:
                        if self._all_known():
                            return
        except TimeoutError:
            return

    def _all_known(self) -> bool:
        overview = self._overview()
        known = [
            view.level is Level.FAILING or (view.summary is not None and view.summary.cpu is not None)
            for view in overview.hosts.values()
        ]
        known += [view.state is not None for view in overview.services.values()]
        known += [view.reading is not None or view.outage is not None for view in overview.backends.values()]
        return all(known)

    def _overview(self) -> Overview:
        overview = self._monitor.overview.value
        if overview is None:
            self._monitor.prime()
            overview = self._monitor.overview.value
        assert overview is not None
        return overview

    def _local(self) -> HostSnapshot | None:
        here = [name for name, view in self._overview().hosts.items() if view.config.local]
        return self._monitor.snapshot(here[0]).value if here else None

    def _metrics(self) -> str:
        snapshots = {name: self._monitor.snapshot(name).value for name in self._monitor.hosts}
        return prometheus(
            self._overview(),
            {name: each for name, each in snapshots.items() if each is not None},
            tuple(recovery_families(self._monitor.config.recovery, self._monitor.recovery.feed.value or {})),
        )
