"""What the Logs pane shows and how it comes there: open sources, the filter, where the reader stands, following."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, tzinfo

from textual import work
from textual.worker import WorkerCancelled, WorkerFailed

from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.panes.logs.sources import OpenLogs
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, LogSource
from lilfox_tui.logs.window import WINDOW_PAGE, MergeKey, WindowItem

PAINT_EVERY_S = 0.2
SLOW_PAINT_S = 2.0
"""Between two drawings of what came by itself; keys are answered at once."""
NEAR_EDGE = 100
"""Rows before the edge of what is loaded at which more is asked for."""


class LogsWindow(Pane):
    """The pane without keys and drawing."""

    ID = "logs"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.opened: OpenLogs | None = None
        self.merged: MergedLogs | None = None
        self.failure: LilFoxError | None = None
        self.hidden: frozenset[str] = frozenset()
        self.zone: tzinfo = UTC
        """Of the times that are shown, and of those that are typed."""
        self.level = Severity.UNKNOWN
        self.filter_text = ""
        self.filter: Filter = EVERYTHING
        self.filter_error = ""
        self.only_matching = True
        self.follows = True
        self.cursor: MergeKey | None = None
        self._at_end = True
        self.began_at: WindowItem | None = None
        """Where the reader stood when a filter was begun: typing it letter by letter does not lead away from there."""
        self._looking_at: tuple[str, str] | None = None
        self._rewound: datetime | None = None
        self._painted_s = 0.0
        self._paint_waits = False

    def on_mount(self) -> None:
        self._rewound = self.lilfox.rewound
        self._open()

    async def on_unmount(self) -> None:
        """Waits until what was begun here has ended: files, processes and hosts are closed by then."""
        mine = [worker for worker in self.workers if worker.node is self]
        self.workers.cancel_node(self)
        for worker in mine:
            with suppress(WorkerCancelled, WorkerFailed):
                await worker.wait()

    # ---- sources -------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="open", exit_on_error=False)
    async def _open(self) -> None:
        opened = OpenLogs(self.lilfox)
        try:
            try:
                await opened.open()
            except LilFoxError as error:
                self.failure = error
                self.repaint()
                return
            self.opened = opened
            if self._looking_at is None:
                self.reopen()
            else:
                self._look_at(opened, *self._looking_at)
            await asyncio.Event().wait()
        finally:
            await opened.close()

    @property
    def sources(self) -> Sequence[LogSource]:
        """Those that are open."""
        return () if self.opened is None else self.opened.sources

    @property
    def shown_sources(self) -> list[LogSource]:
        """Those that are shown."""
        return [each for each in self.sources if each.name not in self.hidden]

    def show_only(self, names: Iterable[str]) -> None:
        """Shows the sources of those names, at the time where the reader stands."""
        self.hidden = frozenset(each.name for each in self.sources) - frozenset(names)
        self.reopen()

    def reopen(self) -> None:
        """Merges the sources that are shown, anew, around where the reader stands."""
        self.workers.cancel_group(self, "move")
        self._merge(self._start())

    def _start(self) -> AtEnd | AtTime:
        if self._rewound is not None:
            return AtTime(microseconds(self._rewound))
        here = self.selected
        if self.at_end or here is None or not isinstance(here.item, LogRecord) or here.item.entry.time_us is None:
            return AtEnd()
        return AtTime(here.item.entry.time_us)

    @work(exclusive=True, group="merge", exit_on_error=False)
    async def _merge(self, start: AtEnd | AtTime) -> None:
        async with MergedLogs(self.shown_sources, self.where) as merged:
            self.merged, self.cursor = merged, None
            merged.follow(self.follows and self._rewound is None)
            self.go(start)
            async with aclosing(merged.changes.watch()) as changes:
                async for _version in changes:
                    self._changed()

    @property
    def at_end(self) -> bool:
        """Whether the reader stands on the newest record, and goes along with what is new."""
        return self._at_end

    @at_end.setter
    def at_end(self, is_so: bool) -> None:
        self._at_end = is_so
        if self.merged is not None:
            self.merged.sticks = is_so and self.merged.following

    # ---- where the reader stands ----------------------------------------------------------------------------------

    @property
    def selected(self) -> WindowItem | None:
        """The record that actions are about."""
        if self.merged is None or not self.merged.shown:
            return None
        at = len(self.merged.shown) - 1 if self.cursor is None else self.merged.index(self.cursor)
        return self.merged.shown[at]

    @property
    def selected_record(self) -> LogRecord | None:
        """The same, where it is a record and no notice."""
        shown = self.selected
        return shown.item if shown is not None and isinstance(shown.item, LogRecord) else None

    def stand_on(self, key: MergeKey | None) -> None:
        """Makes ``key`` where the reader stands; asks for more where the edge is near."""
        merged = self.merged
        if merged is None or not merged.shown:
            return
        self.began_at = None
        self.cursor = merged.reader = merged.shown[-1].key if key is None else key
        self.at_end = merged.at_newest and self.cursor == merged.shown[-1].key
        at = merged.index(self.cursor)
        if at < NEAR_EDGE and not merged.at_oldest:
            self._load_older(merged)
        if len(merged.shown) - at <= NEAR_EDGE and not merged.at_newest:
            self._load_newer(merged)
        self.repaint()

    def ask_for_newer(self) -> None:
        """Looks whether there is something new past the last row."""
        if self.merged is not None and not self.merged.following:
            self._load_newer(self.merged)

    @work(exclusive=False, group="older", exit_on_error=False)
    async def _load_older(self, merged: MergedLogs) -> None:
        await merged.older(WINDOW_PAGE)

    @work(exclusive=False, group="newer", exit_on_error=False)
    async def _load_newer(self, merged: MergedLogs) -> None:
        await merged.newer(WINDOW_PAGE)

    @work(exclusive=True, group="move", exit_on_error=False)
    async def go(self, start: AtBeginning | AtEnd | AtTime) -> None:
        """Moves to an end or a time."""
        if self.merged is not None:
            self._arrived(await self.merged.go(start))

    @work(exclusive=True, group="move", exit_on_error=False)
    async def _apply(self) -> None:
        merged = self.merged
        if merged is None:
            return
        if self.at_end:
            merged.where = self.where
            self._arrived(await merged.go(AtEnd()))
        else:
            self._arrived(await merged.set_where(self.where, around=self.began_at))

    def _arrived(self, key: MergeKey | None) -> None:
        self.cursor = key
        merged = self.merged
        if merged is not None and merged.shown:
            self.at_end = merged.at_newest and key == merged.shown[-1].key
        self.repaint()
        self.paint_now()

    # ---- what is shown -------------------------------------------------------------------------------------------

    @property
    def where(self) -> Filter:
        """What a record must be to be in the list."""
        parts: list[Filter] = [AtLeast(self.level)] if self.level > Severity.UNKNOWN else []
        if self.only_matching and self.filter != EVERYTHING:
            parts.append(self.filter)
        return EVERYTHING if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))

    def set_filter(self, text: str) -> None:
        """Shows (or marks) what ``text`` asks for. What is wrong in it is told, and what was shown stays."""
        from lilfox_tui.logs.filter.syntax import parse_filter

        self.filter_text = text
        try:
            found = parse_filter(text, now=self._clock(), zone=self.zone)
        except LilFoxError as error:
            self.filter_error = f"{error}  {error.hint}".strip()
            self.repaint()
            return
        self.filter_error = ""
        if found != self.filter:
            self.filter = found
            self.apply()
        self.repaint()

    def _clock(self) -> datetime:
        """The time that is shown: of the newest overview, or that which is rewound to (aware UTC)."""
        return self._rewound or datetime.now(UTC)

    def apply(self) -> None:
        """Makes what is shown follow the level and the filter, around where the reader stands."""
        if self.merged is not None and self.merged.where != self.where:
            self._apply()
        self.repaint()

    def follow(self, on: bool) -> None:
        """Goes along with what is new, from the end on, or no more."""
        self.follows = on
        if self.merged is None:
            return
        self.merged.follow(on and self._rewound is None)
        self.at_end = self._at_end
        if on and not self.at_end:
            self.go(AtEnd())
        self.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Shows the records around ``at`` (aware UTC), or the newest."""
        if not self.display:
            return
        if at == self._rewound:
            self.at_end = self._at_end  # the screen was held still perhaps
            self._changed()
            return
        self._rewound = at
        if self.merged is not None:
            self.merged.follow(self.follows and at is None)
            self.go(AtEnd() if at is None else AtTime(microseconds(at)))

    def look_at(self, kind: str, name: str, at: datetime | None) -> None:
        """Shows the logs of a host or a service, at that time or the newest."""
        self._looking_at, self._rewound = (kind, name), at
        self.workers.cancel_group(self, "look-for")
        if self.opened is not None:
            self._look_at(self.opened, kind, name)

    def _look_at(self, opened: OpenLogs, kind: str, name: str) -> None:
        host = opened.where_to_look(kind, name)
        if host is not None:
            self._look_for(opened, kind, name, host)
        else:
            self._show_about(opened, kind, name)

    @work(exclusive=True, group="look-for", exit_on_error=False)
    async def _look_for(self, opened: OpenLogs, kind: str, name: str, host: str) -> None:
        """Looks on ``host`` which logs it has; what was shown stays meanwhile."""
        self.lilfox.tell(tr("looking which logs {name} has", name=host))
        try:
            await opened.find(host)
        except LilFoxError as error:
            self.lilfox.tell(error)
            if self.merged is None:
                self.reopen()
            return
        if found := opened.about("host", host):
            self.lilfox.tell(ntr("{name}: {count} log found", "{name}: {count} logs found", len(found), name=host))
        self._show_about(opened, kind, name)

    def _show_about(self, opened: OpenLogs, kind: str, name: str) -> None:
        self.at_end = self._rewound is None
        self.cursor = None
        names, why = opened.chosen(kind, name)
        if why is not None:
            self.lilfox.tell(why)
        self.show_only(names)

    # ---- when to draw --------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Draws what came by itself, not more often than the eye or the link has use for."""
        merged = self.merged
        if merged is None:
            return
        if self.lilfox.paused and merged.shown and self.cursor is not None:
            merged.sticks = False
            return
        if merged.sticks and merged.shown:
            self.cursor = merged.reader
        if not self.display:
            return
        period_s = SLOW_PAINT_S if self.lilfox.slow_link else PAINT_EVERY_S
        wait_s = self._painted_s + period_s - time.monotonic()
        if wait_s <= 0:
            self._paint_now()
        elif not self._paint_waits:
            self._paint_waits = True
            self.set_timer(wait_s, self._paint_now)

    def _paint_now(self) -> None:
        self._paint_waits = False
        self._painted_s = time.monotonic()
        if not self.lilfox._exit:
            self.repaint()
