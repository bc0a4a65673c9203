"""The newest errors of all logs, followed in the background for the home screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState
from lilfox_tui.core.errors import LilFoxError

if TYPE_CHECKING:
    from lilfox_tui.logs.merge import MergedLogs
    from lilfox_tui.logs.record import LogRecord

KEPT = 500
"""Records that are held at most, and rows of errors."""
_FIRST_LOOK = 200
"""Records that are read at the start."""
REACH = timedelta(minutes=15)
"""How far back they are looked for at the start."""
POLL_S = 2.0
"""How often the files are looked at: they are followed all day, mostly to find nothing new."""
BEGIN_AFTER_S = 4.0
"""The first screen, and the first look at each host, come first."""


class LoggedError(Struct, frozen=True):
    """One error, or several in a row that say the same: ``at`` is when the last one was logged (aware UTC)."""

    at: datetime
    source: str
    text: str
    times: int = 1
    at_least: bool = False
    """Whether there were more that were not counted."""
    first: datetime | None = None
    """When the first of several was logged (aware UTC)."""

    def until(self, at: datetime) -> LoggedError | None:
        """What was known of it at ``at`` (aware UTC); None if nothing was. How many of several there were by then is
        not kept."""
        if self.at <= at:
            return self
        if self.first is None or self.first > at:
            return None
        return LoggedError(self.first, self.source, self.text, at_least=True)


def each_once(errors: Sequence[LoggedError]) -> list[LoggedError]:
    """The errors (newest first) with those of a log that say the same as one, also where others came between them: two
    services that fail each other would fill a list by turns."""
    found: dict[tuple[str, str], LoggedError] = {}
    for each in errors:
        key = (each.source, each.text)
        last = found.get(key)
        if last is None:
            found[key] = each
            continue
        first = min(last.first or last.at, each.first or each.at)
        at_least = last.at_least or each.at_least
        found[key] = replace(last, first=first, times=last.times + each.times, at_least=at_least)
    return list(found.values())


class ErrorRuns:
    """Errors in a row that say the same, counted as they are logged: a window of records holds only the newest."""

    def __init__(self) -> None:
        self._runs: list[LoggedError] = []
        self._seen: set[tuple[str, str, str]] = set()

    def found(self) -> tuple[LoggedError, ...]:
        """The errors, newest first."""
        return tuple(reversed(self._runs))

    def take(self, window: Sequence[LogRecord], *, came: int = 0, cut: bool = False) -> None:
        """Count those records of a window (oldest first) that were not in it before. ``came`` is how many were logged
        since then, of which some may have left it already; ``cut``: there are older ones that were never in it."""
        from lilfox_tui.logs.record import headline

        seen = {(each.source, each.log, each.place): each for each in window}
        fresh = [each for key, each in seen.items() if key not in self._seen]
        self._seen = set(seen)
        for record in fresh:
            if record.at is not None:
                self._add(LoggedError(record.at, record.source, headline(record)))
        if self._runs and (came > len(fresh) or cut):
            place = 0 if cut else -1
            self._runs[place] = replace(self._runs[place], at_least=True)
        del self._runs[:-KEPT]

    def _add(self, error: LoggedError) -> None:
        at = bisect_right(self._runs, error.at, key=lambda each: each.at)
        for place in (at - 1, at):
            run = self._runs[place] if 0 <= place < len(self._runs) else None
            if run is not None and (run.source, run.text) == (error.source, error.text):
                first, last = min(run.first or run.at, error.at), max(run.at, error.at)
                self._runs[place] = replace(run, at=last, first=first, times=run.times + 1)
                return
        self._runs.insert(at, error)


class NewestErrors:
    """Follows what the logs of the Logs pane have of ``ERROR`` and above. Nothing is opened before :meth:`begin`."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context = context
        self._begun = False
        self._since: datetime | None = None
        """The time from which on all errors are known; None before they are followed."""
        self.found: tuple[LoggedError, ...] = ()
        """Newest first."""

    def reaches(self, at: datetime) -> bool:
        """Whether errors that were logged just before ``at`` (aware UTC) would have been found."""
        return self._since is not None and self._since < at

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
        from lilfox_tui.logs.record import Severity, microseconds
        from lilfox_tui.logs.source import AtEnd

        opened = OpenLogs(self._context.app, poll_s=POLL_S)
        since = datetime.now(UTC) - REACH
        try:
            try:
                await opened.open()
            except LilFoxError:
                return  # the Logs pane says why
            self._since = since
            where = And((AtLeast(Severity.ERROR), Within(microseconds(since), None)))
            async with MergedLogs(opened.sources, where, at_most=KEPT) as merged:
                merged.follow()
                merged.sticks = True  # else the newest would be left out of a full window
                await merged.go(AtEnd(), _FIRST_LOOK)
                await self._count(merged)
        finally:
            await opened.close()

    async def _count(self, merged: MergedLogs) -> None:
        from lilfox_tui.logs.record import LogRecord

        runs, came, first = ErrorRuns(), merged.came, True
        async with aclosing(merged.changes.watch()) as changes:
            async for _version in changes:
                shown = [each.item for each in merged.shown if isinstance(each.item, LogRecord)]
                cut = first and (len(shown) >= _FIRST_LOOK or merged.leaps > 0)
                runs.take(shown, came=merged.came - came, cut=cut)
                came, first = merged.came, False
                before, self.found = self.found, runs.found()
                if self.found and (cut or len(self.found) >= KEPT):  # there were older ones
                    self._since = self.found[-1].at
                if _told(before) != _told(self.found) and self._context.is_displayed:
                    self._context.repaint()  # a count alone is drawn with the next overview


def _told(errors: Sequence[LoggedError]) -> list[tuple[str, str]]:
    return [(each.source, each.text) for each in errors]
