"""Counts what matches for the statistics and the patterns of the Logs pane, and shows them as filters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.board import Board, BoardSection
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.patterns import (
    counted_span,
    halves_of,
    halves_row,
    not_read,
    pattern_head,
    pattern_sections,
)
from lilfox_tui.app.panes.logs.sections import (
    NewestRecords,
    scope_row,
    statistics_head,
    statistics_sections,
    time_span,
)
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.syntax import narrowed, to_text
from lilfox_tui.logs.record import microseconds


class StatisticsActions(ActionGroup):
    """Actions that count the matching records and offer the results as filters. The counting code is imported on first
    use, as it would delay the first records."""

    TASK = tr("Analyze")

    def __init__(self, context: PaneContext[LogsState], feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    @action(
        "statistics", "S", tr("statistics"),
        tr("levels, HTTP status, routes, response times, errors; select a row to filter by it"), footer=8,
    )  # fmt: skip
    def show_statistics(self) -> None:
        self._context.run(self._count, group="count", exclusive=True)

    async def _count(self) -> None:
        from lilfox_tui.logs.analyze import analyze, counted_ones, newest_records, report_progress

        def progress(done: int, total: int) -> None:
            self._tell_work(_("counting {share}%", share=100 * done // total if total else 0))

        def tell(source: str, share: int) -> None:
            self._tell_work(_("counting {source}: {share}%", source=source, share=share))

        state, merged, where = self._state, self._state.merged, self._state.where
        chosen = state.chosen
        came, leaps = (0, 0) if merged is None else (merged.came, merged.leaps)
        self._tell_work(_("counting"))
        at = state.clock
        try:
            answer = await analyze(await report_progress(state.shown_sources, tell), where, progress=progress)
            read, are_all = await newest_records(state.shown_sources, where)
            counted = answer.statistics
            read = counted_ones(read, counted) if are_all else read
            newest = await asyncio.to_thread(NewestRecords, read, are_all=are_all)
            span = time_span(counted, newest, microseconds(at))
            halves = halves_of(counted.by_slice, span)
            sections = await asyncio.to_thread(
                statistics_sections, counted, newest, state.zone, self._app.glyphs, halves
            )
        finally:
            self._tell_work("")
        if merged is not None and not answer.failed:
            state.count.take(merged, where, answer.statistics, came=came, leaps=leaps)
        self._tell_failed(answer.failed)
        first, *more = statistics_head(counted, newest, narrowed=chosen != EVERYTHING)
        more += [] if halves is None else [halves_row(halves, state.zone)]
        head = [first, self._scope(chosen, at, span), *more, *not_read(answer.failed)]
        self._offer(_("Statistics"), head, sections)

    @action(
        "patterns", "P", tr("patterns"), tr("new messages in the last 10 minutes, compared with the hour before"),
        footer=8,
    )  # fmt: skip
    def show_patterns(self) -> None:
        self._context.run(self._count_patterns, group="count", exclusive=True)

    async def _count_patterns(self) -> None:
        from lilfox_tui.logs.analyze import recent_patterns

        state, record, where, chosen = self._state, self._state.selected_record, self._state.where, self._state.chosen
        goes_on = state.at_end and state.until is None
        until_us = None if record is None or goes_on else record.entry.time_us
        self._tell_work(_("counting"))
        at = state.clock
        try:
            recent = await recent_patterns(state.shown_sources, where, until_us=until_us)
        finally:
            self._tell_work("")
        self._tell_failed(recent.failed)
        first, *more = pattern_head(recent, state.zone, narrowed=chosen != EVERYTHING) or [()]
        head = [first, self._scope(chosen, at, counted_span(recent)), *more]
        sections = pattern_sections(recent, state.zone, self._app.glyphs, sparklines=not self._app.slow_link)
        self._offer(_("Patterns"), head, sections, stacked=True)

    def _scope(self, where: Filter, at: datetime, span: tuple[int, int] | None = None) -> Row:
        names = [each.name for each in self._state.shown_sources]
        return scope_row(names, len(self._state.sources), where, at.astimezone(self._state.zone), span)

    def _tell_work(self, what: str) -> None:
        self._state.working = what
        self._context.repaint()

    def _tell_failed(self, failed: Mapping[str, LilFoxError]) -> None:
        for name, error in failed.items():
            self._app.tell(tr("{source}: {reason}", source=name, reason=error))

    def _offer(
        self, title: str, head: Sequence[Row], sections: Sequence[BoardSection], *, stacked: bool = False
    ) -> None:
        """Offers rows that stand for filters; the chosen one is added to the current filter."""

        def take(where: Filter | None) -> None:
            if where is not None:
                self._state.only_matching = True
                self._feed.set_filter(to_text(narrowed(self._state.filter, where)))

        board = Board(title, head, sections, self._app.glyphs, stacked=stacked, slow_link=self._app.slow_link)
        self._app.push_screen(board, take)
