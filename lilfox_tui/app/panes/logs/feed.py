"""Opens, merges and follows the sources of the Logs pane, and navigates them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial

from textual.worker import WorkerCancelled, WorkerFailed

from lilfox_tui.app.open_logs import CONTAINER_KINDS, PODS, OpenLogs
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.state import BeforeTrace, LogsState
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime
from lilfox_tui.logs.window import WINDOW_PAGE, MergeKey

PAINT_EVERY_S = 0.2
SLOW_PAINT_S = 2.0
"""Between two drawings of what came by itself; keys are answered at once."""
RECENT = "10m"
"""Of the errors that the key for errors shows, as a filter."""
NEAR_EDGE = 100
"""Rows before the edge of what is loaded at which more is asked for."""


class LogFeed:
    """Opens the logs, and loads, moves and follows the list of shown records. The results are in the state.

    What one key may begin again before it has started is given to the context as a function, not as a coroutine.
    """

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._looking_at: tuple[str, str] | None = None
        self._looking_from: datetime | None = None
        """The time about which their logs are shown first (aware UTC); None: the time of the screen."""
        self._painted_s = 0.0
        self._paint_waits = False

    # ---- sources -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens the logs and starts the list."""
        self._state.rewound, self._state.held = self._app.rewound, self._app.paused_at
        self._context.run(self._open, group="open", exclusive=True)

    async def _open(self) -> None:
        opened = OpenLogs(self._app)
        try:
            try:
                await opened.open()
            except LilFoxError as error:
                self._state.failure = error
                self._context.repaint()
                return
            self._state.opened = opened
            if self._looking_at is None:
                self.reopen()
            else:
                self._look_at(opened, *self._looking_at)
            await asyncio.Event().wait()
        finally:
            await opened.close()

    def retry(self) -> None:
        """Retries the failed sources now."""
        if self._state.failure is not None:
            self._state.failure = None
            self.open()
        elif self._state.unreachable is not None and self._state.opened is not None and self._looking_at is not None:
            self._look_at(self._state.opened, *self._looking_at)
        elif self._state.merged is not None:
            self._state.merged.retry()

    def show_only(self, names: Iterable[str]) -> None:
        """Shows the sources of those names at the cursor's time."""
        self._state.show_only(names)
        self.reopen()

    def show_recent_errors(self) -> None:
        """Shows the errors of the last ``RECENT`` in all sources, from the newest on."""
        state = self._state
        before = BeforeTrace(RECENT, state.level, state.hidden)
        state.close_page()
        state.level, state.at_end, state.cursor = Severity.ERROR, True, None
        state.set_filter(RECENT)
        self.show_only([each.name for each in state.sources])
        state.before_trace = before

    def reopen(self, start: AtTime | None = None) -> None:
        """Merges the shown sources again, at ``start`` or around the cursor."""
        self._context.cancel("then", "move")
        self._context.run(partial(self._merge, start or self._state.start), group="merge", exclusive=True)

    async def _merge(self, start: AtEnd | AtTime) -> None:
        async with MergedLogs(self._state.shown_sources, self._state.where) as merged:
            self._state.merge(merged)
            merged.follow(self._state.follows and self._state.until is None)
            self.go(start)
            async with aclosing(merged.changes.watch()) as changes:
                async for _version in changes:
                    self.changed()

    def stop(self) -> None:
        """Cancels what can be cancelled: a search, a count, a file being saved."""
        self._context.cancel("then", "move", "count", "save")
        if self._state.merged is not None:
            self._state.merged.stop()

    # ---- moving --------------------------------------------------------------------------------------------------

    def move(self, step: int) -> None:
        """Moves ``step`` rows down or up."""
        found = self._state.step(step)
        if found is None:
            return
        key, stands_there = found
        merged, is_now = self._state.merged, self._state.until is None
        if stands_there and step > 0 and merged is not None and is_now and not merged.following:
            self._load_newer(merged)  # there may be something new past the last row
        self.stand_on(key)

    def stand_on(self, key: MergeKey | None) -> None:
        """Moves the cursor to ``key``, and loads more records if the edge of the loaded ones is near."""
        merged = self._state.merged
        if merged is None or not merged.shown:
            return
        self._state.stand_on(key)
        assert self._state.cursor is not None
        at = merged.index(self._state.cursor)
        if at < NEAR_EDGE and not merged.at_oldest:
            self._context.run(partial(merged.older, WINDOW_PAGE), group="older")
        if len(merged.shown) - at <= NEAR_EDGE and not merged.at_newest:
            self._load_newer(merged)
        self._context.repaint()

    def _load_newer(self, merged: MergedLogs) -> None:
        self._context.run(partial(merged.newer, WINDOW_PAGE), group="newer")

    def go_to_end(self, direction: int) -> None:
        """Moves to the newest record (1) or the oldest (-1)."""
        merged = self._state.merged
        if direction < 0:
            self.go(AtBeginning())
        elif merged is not None and merged.at_newest and merged.shown:
            self.stand_on(None)
        else:
            self.go(AtEnd())

    def go(self, start: AtBeginning | AtEnd | AtTime) -> None:
        """Moves the list to its beginning, its end or a time."""
        self._context.run(partial(self._go, start), group="move", exclusive=True)

    def once_there(self, do: Callable[[], None]) -> None:
        """Calls ``do`` once the list has arrived where it is moving: what was typed meanwhile is about that place."""
        if self._context.running("move") is None:
            do()
        else:
            self._context.run(partial(self._once_there, do), group="then")

    async def _once_there(self, do: Callable[[], None]) -> None:
        while (moving := self._context.running("move")) is not None:
            with suppress(WorkerCancelled, WorkerFailed):
                await moving.wait()
        do()

    async def _go(self, start: AtBeginning | AtEnd | AtTime) -> None:
        if self._state.merged is not None:
            self._state.merged.where = self._state.where
            self.arrive(await self._state.merged.go(start))

    def arrive(self, key: MergeKey | None, *, by_filter: bool = False) -> None:
        """Sets the cursor after the list has moved, and draws."""
        self._state.arrive(key, by_filter=by_filter)
        self._context.repaint()
        self._context.paint_now()

    # ---- what is shown -------------------------------------------------------------------------------------------

    def set_filter(self, text: str) -> None:
        """Shows only the records that match ``text``, or marks them. An invalid filter is reported, and the shown
        records stay."""
        if self._state.set_filter(text):
            self.apply()
        self._context.repaint()

    def apply(self) -> None:
        """Applies the level and the filter to the list, around the cursor."""
        if self._state.merged is not None and self._state.merged.where != self._state.where:
            self._context.run(self._apply, group="move", exclusive=True)
        self._context.repaint()

    async def _apply(self) -> None:
        merged = self._state.merged
        if merged is None:
            return
        if self._state.at_end:
            merged.where = self._state.where
            self.arrive(await merged.go(AtEnd()), by_filter=True)
        else:
            key = await merged.set_where(self._state.where, around=self._state.stood_on)
            self.arrive(key, by_filter=True)

    def follow(self, on: bool) -> None:
        """Starts following new records from the end, or stops."""
        state = self._state
        state.follows = on
        if state.merged is None:
            return
        state.merged.follow(on and state.until is None)
        state.at_end = state.at_end  # the list sticks to its end only while it follows
        if on and not state.at_end:
            self.go(AtEnd())
        self._context.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Shows the records that there were ``at`` (aware UTC), the last one selected; or the newest. On a paused
        screen what is shown stays."""
        state, merged, held = self._state, self._state.merged, self._app.paused_at
        if (at, held) == (state.rewound, state.held):
            state.at_end = state.at_end  # another pane was shown perhaps
            self.changed()
            return
        stays, before = at == state.rewound, state.where
        if state.until is None and merged is not None:
            state.timeless = merged.timeless
        state.rewound, state.held = at, held
        if merged is None:
            return
        if stays and merged.where == before:
            self._hold(merged, before)
        else:
            merged.follow(state.follows and state.until is None)
            self.go(AtEnd() if at is None else AtTime(microseconds(at)))

    def _hold(self, merged: MergedLogs, before: Filter) -> None:
        """Stays at the loaded records after the screen was paused, or goes on from them; ``before`` was the filter."""
        state = self._state
        merged.where = state.where
        state.count.hold(merged, before, paused=state.held is not None)
        if state.held is not None:
            self._context.cancel("count-behind")
        merged.follow(state.follows and state.until is None)
        state.at_end = state.at_end  # the list sticks to its end only while it follows
        self._context.repaint()

    def look_at(self, kind: str, name: str, at: datetime | None) -> None:
        """Shows the logs of a host or a service, at that time or the newest."""
        self._looking_at, self._looking_from = (kind, name), None if at == self._app.rewound else at
        self._state.rewound, self._state.held = self._app.rewound, self._app.paused_at
        self._context.cancel("look-for")
        if self._state.opened is not None:
            self._look_at(self._state.opened, kind, name)

    def _look_at(self, opened: OpenLogs, kind: str, name: str) -> None:
        if kind == PODS:
            self._show_chosen([opened.open_pods(name)])
            return
        if kind in CONTAINER_KINDS:
            opened.open_containers(kind, name)
        host = opened.where_to_look(kind, name)
        if host is not None:
            self._context.run(partial(self._look_for, opened, kind, name, host), group="look-for", exclusive=True)
        else:
            self._show_about(opened, kind, name)

    async def _look_for(self, opened: OpenLogs, kind: str, name: str, host: str) -> None:
        """Finds the logs of ``host``; the current list stays meanwhile."""
        self._app.tell(tr("searching for logs on {name}", name=host))
        try:
            await opened.find(host)
        except LilFoxError as error:
            self._app.tell(error)
            self._state.close_page()
            self._state.show_only(())
            trouble = self._state.unreachable = opened.trouble_of(host, error)
            self.reopen()
            await opened.until_reached(host)
            if self._state.unreachable is trouble:
                self._look_at(opened, kind, name)
            return
        if found := opened.about("host", host):
            self._app.tell(ntr("{name}: {count} log found", "{name}: {count} logs found", len(found), name=host))
        self._show_about(opened, kind, name)

    def _show_about(self, opened: OpenLogs, kind: str, name: str) -> None:
        names, why = opened.chosen(kind, name)
        if why is not None:
            self._app.tell(why)
        self._show_chosen(names)

    def _show_chosen(self, names: Iterable[str]) -> None:
        state, at = self._state, self._looking_from
        state.close_page()
        state.at_end, state.cursor = state.rewound is None and at is None, None
        state.show_only(names)
        self.reopen(None if at is None else AtTime(microseconds(at)))

    # ---- when to draw --------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Draws records that have arrived, at a limited rate; the limit is lower on a slow link."""
        merged, state = self._state.merged, self._state
        if merged is None:
            return
        if self._app.paused and merged.shown and state.cursor is not None:
            merged.sticks = False
            return
        if state.cursor is None and merged.shown and merged.following and self._context.running("move") is None:
            state.stand_on(None)  # the first that came into an empty list, which was followed
        if merged.sticks and merged.shown:
            state.cursor = merged.reader
        if not self._context.is_displayed:
            return
        period_s = SLOW_PAINT_S if self._app.slow_link else PAINT_EVERY_S
        wait_s = self._painted_s + period_s - time.monotonic()
        if wait_s <= 0:
            self._paint()
        elif not self._paint_waits:
            self._paint_waits = True
            self._context.after(wait_s, self._paint)

    def _paint(self) -> None:
        self._paint_waits = False
        self._painted_s = time.monotonic()
        if not self._app.leaving:
            self._context.repaint()
