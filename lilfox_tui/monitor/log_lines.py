"""Counts the lines of a log that match a filter within a window: a service that fails where there are too many."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.config.model import Config, HostConfig, ServiceConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import And, Within
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.record import microseconds
from lilfox_tui.logs.source import AtTime, LogSource, Start, open_log, page_of, zone_of
from lilfox_tui.metrics.health import ServiceProbe
from lilfox_tui.metrics.model import Health, HealthCheck, ServiceState
from lilfox_tui.runbook.run.gate import let_argv_through

_PAGE = 500
MOST = 10_000
"""Lines that are counted at most: more are as bad."""


class LogLinesProbe(ServiceProbe):
    """``host`` is that of the log, None for this machine; ``whole`` is the configuration that has the log."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float, whole: Config) -> None:
        super().__init__(name, config, config.url, period_s=period_s)
        assert config.lines is not None
        self._wanted, self._whole = config.lines, whole
        self._host = host or LocalHost(str(tr("this machine")), HostConfig(local=True))
        self._source: LogSource | None = None
        self._count: int | None = None

    async def close(self) -> None:
        """Close the log."""
        source, self._source = self._source, None
        if source is not None:
            await source.close()

    def _completed(self, state: ServiceState) -> ServiceState:
        return replace(state, lines=self._count)

    async def _check(self) -> HealthCheck:
        at = datetime.now(UTC)
        try:
            async with asyncio.timeout(self.config.timeout):
                self._count = await self._counted(at)
        except TimeoutError:
            await self.close()
            reason = tr("the lines of {log} could not be counted within {seconds} s: set a smaller window or a longer "
                        "timeout", log=self._wanted.log, seconds=f"{self.config.timeout:g}")  # fmt: skip
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except LilFoxError as error:
            await self.close()
            reason = tr("the log {log} cannot be read: {reason}", log=self._wanted.log, reason=error.message)
            return HealthCheck(at, Health.ERROR, None, None, reason)
        if self._count < self._wanted.count:
            return HealthCheck(at, Health.HEALTHY, None, None)
        told = ntr(
            "{count} line of {log} in {window} matches: {where}",
            "{count} lines of {log} in {window} match: {where}",
            self._count,
            log=self._wanted.log,
            window=human_duration(self._wanted.window),
            where=self._wanted.where,
        )
        return HealthCheck(at, Health.UNHEALTHY, None, None, told)

    async def _counted(self, at: datetime) -> int:
        """Count the lines of the window until ``at``. Raises LilFoxError."""
        name = self._wanted.log
        if self._source is None:
            log = self._whole.logs[name]
            self._source = open_log(self._whole, name, log, lambda _host: self._host, let_argv_through)
        since_us = microseconds(at - timedelta(seconds=self._wanted.window))
        wanted = parse_filter(self._wanted.where, now=at, zone=zone_of(""))
        where = And((wanted, Within(since_us, None)))
        count, start = 0, AtTime(since_us)
        more: Start | None = start
        while more is not None and count < MOST:
            page = await page_of(self._source, more, older=False, limit=_PAGE, where=where)
            count, more = count + len(page.records), page.more
        return count
