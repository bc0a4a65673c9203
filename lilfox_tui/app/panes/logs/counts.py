"""Statistics and patterns: counting them, and showing them as rows to choose from, each with the filter that it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.rows import severity_piece
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.panes.logs.strip import grouped
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, listed, ngettext, tr
from lilfox_tui.logs.filter.model import AtLeast, Filter, RegexMatch
from lilfox_tui.logs.record import EPOCH, Severity
from lilfox_tui.logs.statistics import (
    ResponseTimes,
    Statistics,
    StatisticsGroup,
    errors_of_module,
    errors_of_type,
    of_slice,
    of_source,
    slower_than,
)
from lilfox_tui.text import cell_width, fit, human_duration

if TYPE_CHECKING:
    from lilfox_tui.logs.patterns import PatternChange, RecentPatterns

Offer = list[tuple[Choice, Filter | None]]
MakesRow = Callable[[str, str, str], Row]
ROWS_OF_A_KIND = 12
KIND, NAME, COUNT, LEAST = 14, 38, 22, 6
"""Cells of a row's parts, and of a name or a count at least."""
_PLACEHOLDER = re.compile(r"<(?:num|hex|uuid|str|path|url|addr)>")


class StatisticsActions(ActionGroup):
    """Counts what matches, and offers what it found as filters. What counts is imported when it is asked for: it is not
    on the way to the first records."""

    def __init__(self, context: PaneContext[LogsState], feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    @action("statistics", "S", tr("statistics"), tr("errors by type and module, response times; each row is a filter"))
    def show_statistics(self) -> None:
        self._context.run(self._count, group="count", exclusive=True)

    async def _count(self) -> None:
        from lilfox_tui.logs.analyze import analyze, report_progress

        def progress(done: int, total: int) -> None:
            self._tell_work(_("counting {share} %", share=100 * done // total if total else 0))

        def tell(source: str, share: int) -> None:
            self._tell_work(_("counting {source}: {share} %", source=source, share=share))

        state, merged, where = self._state, self._state.merged, self._state.where
        came, leaps = (0, 0) if merged is None else (merged.came, merged.leaps)
        self._tell_work(_("counting"))
        try:
            answer = await analyze(await report_progress(state.shown_sources, tell), where, progress=progress)
        finally:
            self._tell_work("")
        if merged is not None and not answer.failed:
            state.take_count(merged, where, answer.statistics, came=came, leaps=leaps)
        self._tell_failed(answer.failed)
        self._offer(_("Statistics"), statistics_choices(answer.statistics, state.zone, self._app.size.width - 2))

    @action("patterns", "P", tr("patterns"), tr("what is new in the last 10 minutes against the hour before"))
    def show_patterns(self) -> None:
        self._context.run(self._count_patterns, group="count", exclusive=True)

    async def _count_patterns(self) -> None:
        from lilfox_tui.logs.patterns import recent_patterns

        state, record = self._state, self._state.selected_record
        until_us = None if record is None or state.at_end else record.entry.time_us
        self._tell_work(_("counting"))
        try:
            recent = await recent_patterns(state.shown_sources, state.where, until_us=until_us)
        finally:
            self._tell_work("")
        self._tell_failed(recent.failed)
        self._offer(_("New in the last 10 minutes"), pattern_choices(recent, self._app.glyphs))

    def _tell_work(self, what: str) -> None:
        self._state.working = what
        self._context.repaint()

    def _tell_failed(self, failed: Mapping[str, LilFoxError]) -> None:
        for name, error in failed.items():
            self._app.tell(tr("{source}: {reason}", source=name, reason=error))

    def _offer(self, title: str, rows: Offer) -> None:
        """Shows rows that are filters; the chosen one narrows what is shown."""
        from lilfox_tui.logs.filter.syntax import narrowed, to_text

        filters = {choice.id: where for choice, where in rows}

        def take(chosen: str | None) -> None:
            where = filters.get(chosen or "")
            if where is not None:
                self._state.only_matching = True
                self._feed.set_filter(to_text(narrowed(self._state.filter, where)))

        self._app.push_screen(Chooser(title, [choice for choice, _where in rows], wide=True), take)


def statistics_choices(found: Statistics, zone: tzinfo, room: int) -> Offer:
    """Errors by type, by module and by time, response times, and sources, in rows of so many cells; those that are no
    filter cannot be chosen."""
    records = ngettext("{shown} record", "{shown} records", found.records, shown=grouped(found.records))
    told = ngettext("{shown} error", "{shown} errors", found.errors, shown=grouped(found.errors))
    errors = _("{errors} in {records}", errors=told, records=records)
    rows: Offer = [_offered("errors", (Piece(errors, "strong"),), AtLeast(Severity.ERROR) if found.errors else None)]
    row = partial(_row, room)
    rows += _counted(row, _("type"), found.errors_by_type, errors_of_type)
    rows += _counted(row, _("module"), found.errors_by_module, errors_of_module)
    if found.response_times is not None:
        rows += _times(row, found.response_times)
    rows += [_grouped(row, each) for each in found.by_source[:ROWS_OF_A_KIND] if len(found.by_source) > 1]
    for each in found.by_slice:
        if each.errors:
            at = (EPOCH + timedelta(microseconds=each.since_us)).astimezone(zone).strftime("%m-%d %H:%M")
            slice_row = row(_("errors from"), at, grouped(each.errors))
            rows.append(_offered(f"slice {each.since_us}", slice_row, of_slice(each)))
    return rows


def pattern_choices(recent: RecentPatterns, glyphs: Glyphs) -> Offer:
    """What is new first; the template of each is its filter."""
    rows: Offer = []
    for number, change in enumerate(recent.changes):
        row = (severity_piece(change.pattern.severity, glyphs), *_growth(change), Piece(change.pattern.template))
        rows.append(_offered(f"pattern {number}", row, filter_of(change.pattern.template)))
    if recent.cut:
        text = _("not all was read of {names}", names=listed(recent.cut))
        rows.append(_offered("cut", (Piece(text, "degraded"),), None))
    return rows


def filter_of(template: str) -> Filter:
    """What has the words of a template in that order, whatever stands in its gaps."""
    pieces = [piece for piece in _PLACEHOLDER.split(template) if piece]
    return RegexMatch(".*".join(re.escape(piece).replace(r"\ ", " ") for piece in pieces) or ".")


def _growth(change: PatternChange) -> Row:
    count = Piece(f"{grouped(change.recent):>7}  ", "strong")
    if change.growth is None:
        return (count, Piece(fit(_("new"), 9), "accent"))
    return (count, Piece(fit(f"×{change.growth:.1f}", 9), "accent" if change.growth >= 2 else "muted"))


def _counted(row: MakesRow, kind: str, counts: Mapping[str, int], filter_of_name: object) -> Offer:
    assert callable(filter_of_name)
    return [
        _offered(f"{kind} {name}", row(kind, name, grouped(count)), filter_of_name(name), name)
        for name, count in list(counts.items())[:ROWS_OF_A_KIND]
    ]


def _times(row: MakesRow, times: ResponseTimes) -> Offer:
    kind = _("response time")
    told = _("{count} told, mean {mean}", count=grouped(times.count), mean=human_duration(times.mean_s))
    rows: Offer = [_offered("times", row(kind, told, ""), None, told)]
    for name, seconds in (("P50", times.p50_s), ("P95", times.p95_s), ("P99", times.p99_s)):
        rows.append(_offered(name, row(kind, name, human_duration(seconds)), slower_than(seconds)))
    return rows


def _grouped(row: MakesRow, group: StatisticsGroup) -> tuple[Choice, Filter | None]:
    errors = ngettext("{shown} error", "{shown} errors", group.errors, shown=grouped(group.errors))
    text = _("{errors} of {records}", errors=errors, records=grouped(group.records))
    return _offered(f"source {group.name}", row(_("source"), group.name, text), of_source(group.name), group.name)


def _row(room: int, kind: str, name: str, count: str) -> Row:
    """The count is whole on a small screen, too, where a name is cut instead."""
    counted = COUNT if room > KIND + NAME + COUNT else max(cell_width(count), LEAST)
    named = min(NAME, max(LEAST, room - 1 - KIND - counted))
    return (Piece(fit(kind, KIND), "muted"), Piece(fit(name, named), "strong"), Piece(fit(count, counted, right=True)))


def _offered(id_: str, row: Row, where: Filter | None, name: str = "") -> tuple[Choice, Filter | None]:
    """``name`` is said in full below the list where it is cut in its row."""
    words = " ".join(piece.text for piece in row)
    cut = name if name and name not in words else ""
    return Choice(id_, row, f"{words} {cut}", where is not None, more=cut), where
