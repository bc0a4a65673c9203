"""The newest errors of all logs, followed in the background for the home screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app.evidence import LoggedError, each_once, is_named_after
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
        self._logs_on: Callable[[str], Sequence[str]] = lambda _host: ()
        """The names of the logs that are read on a host."""
        self._about: tuple[object, Sequence[LoggedError]] = (None, ())
        """What was asked for last, and what it was made of."""

    def about(self, names: Sequence[str]) -> Sequence[LoggedError]:
        """Those of the logs of these services and hosts, of all logs where none is named; each once. They are followed
        from the first call on. None on a rewound screen; the same object while nothing changes."""
        self.begin()
        if self._context.app.rewound is not None:
            return ()
        made_of = self.found, tuple(names)
        if self._about[0] != made_of:
            hosts = self._context.app.config.hosts
            logs = {log for name in names if name in hosts for log in self._logs_on(name)}
            found = [
                each
                for each in self.found
                if not names or each.source in logs or any(is_named_after(each.source, name) for name in names)
            ]
            self._about = made_of, each_once(found)
        return self._about[1]

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
            self._logs_on = partial(opened.about, "host")
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
