"""The newest errors of all logs, followed in the background for the home screen."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState
from lilfox_tui.core.errors import LilFoxError

if TYPE_CHECKING:
    from lilfox_tui.logs.record import LogRecord

KEPT = 200
"""Errors that are held at most."""
REACH = timedelta(minutes=15)
"""How far back they are looked for at the start."""
BEGIN_AFTER_S = 4.0
"""The first screen, and the first look at each host, come first."""


class LoggedError(Struct, frozen=True):
    """One error, or several in a row that say the same: ``at`` is when the last one was logged (aware UTC)."""

    at: datetime
    source: str
    text: str
    times: int = 1


class NewestErrors:
    """Follows what the logs of the Logs pane have of ``ERROR`` and above. Nothing is opened before :meth:`begin`."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context = context
        self._begun = False
        self.found: tuple[LoggedError, ...] = ()
        """Newest first."""

    def begin(self) -> None:
        """Start following, once; later calls do nothing."""
        if not self._begun:
            self._begun = True
            self._context.after(BEGIN_AFTER_S, self._start)

    def _start(self) -> None:
        if not self._context.app.leaving:
            self._context.run(self._follow, group="errors", exclusive=True)

    async def _follow(self) -> None:
        from lilfox_tui.app.open_logs import OpenLogs
        from lilfox_tui.logs.filter.model import And, AtLeast, Within
        from lilfox_tui.logs.merge import MergedLogs
        from lilfox_tui.logs.record import LogRecord, Severity, microseconds
        from lilfox_tui.logs.source import AtEnd

        opened = OpenLogs(self._context.app)
        since = datetime.now(UTC) - REACH
        try:
            try:
                await opened.open()
            except LilFoxError:
                return  # the Logs pane says why
            where = And((AtLeast(Severity.ERROR), Within(microseconds(since), None)))
            async with MergedLogs(opened.sources, where, at_most=KEPT) as merged:
                merged.follow()
                await merged.go(AtEnd(), KEPT // 2)
                async with aclosing(merged.changes.watch()) as changes:
                    async for _version in changes:
                        shown = [each.item for each in merged.shown if isinstance(each.item, LogRecord)]
                        if (found := grouped(shown)) != self.found:
                            self.found = found
                            if self._context.is_displayed:
                                self._context.repaint()
        finally:
            await opened.close()


def grouped(records: list[LogRecord]) -> tuple[LoggedError, ...]:
    """The errors of records (oldest first), newest first; those in a row that say the same are one."""
    from lilfox_tui.logs.record import EPOCH

    found: list[LoggedError] = []
    for record in records:
        if record.entry.time_us is None:
            continue
        at = EPOCH + timedelta(microseconds=record.entry.time_us)
        text = record.entry.message.partition("\n")[0] or record.raw[:200].decode("utf-8", "replace")
        last = found[-1] if found else None
        if last is not None and (last.source, last.text) == (record.source, text):
            found[-1] = LoggedError(at, record.source, text, last.times + 1)
        else:
            found.append(LoggedError(at, record.source, text))
    return tuple(reversed(found))
