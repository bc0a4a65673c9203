"""Finds a record in the Logs pane and moves to it: the next match, a mark, a time, a percentage or a line; and opens
its page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import datetime, tzinfo
from functools import partial

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.record_page import Neighbours, same_request, similar_to
from lilfox_tui.app.panes.logs.state import LogsState, Mark, OpenRecord
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter, span
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, LogSource, Start, SupportsSeek, page_of
from lilfox_tui.logs.window import MergeKey, WindowItem

NEIGHBOURS = 6
"""Records before and after one."""
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%")
_LINE = re.compile(r"\d{1,12}")


class RecordFinder:
    """Moves to records that may not be loaded, and reads the neighbours of a record."""

    def __init__(self, context: PaneContext[LogsState], feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    # ---- the page of a record --------------------------------------------------------------------------------------

    def open_selected(self) -> None:
        """Shows the page of the record that is selected, or will be once the list has moved."""
        self._feed.once_there(self.open_record)

    def open_record(self) -> None:
        """Shows the page of the selected record."""
        shown = self._state.selected
        if shown is None:
            return
        page = OpenRecord(shown)
        self._state.open_page(page)
        if page.record is not None:
            loaded = () if self._state.merged is None else self._state.merged.shown
            page.together, page.similar = same_request(page.record, loaded), similar_to(page.record, loaded)
            self._context.run(partial(self._read_neighbours, page, page.record), group="neighbours", exclusive=True)
        self._context.repaint()

    async def _read_neighbours(self, page: OpenRecord, record: LogRecord) -> None:
        source = self._state.source(record.source)
        if source is None:
            return
        try:
            before, after = await neighbours_of(source, record, self._state.bound)
        except LilFoxError as error:
            self._app.tell(error)
            return
        if self._state.page is page:
            page.neighbours = Neighbours(_placed(before, page.shown), _placed(after, page.shown))
            self._context.repaint()

    # ---- the next match, the next error ----------------------------------------------------------------------------

    def select_match(self, direction: int) -> None:
        """Goes to the next (1) or previous (-1) record that the filter matches; on the page of a record, to the record
        after or before it in the list."""
        state = self._state
        if state.page is not None:
            self._open_next(direction)
        elif state.only_matching:
            self._feed.move(direction)
        else:
            self._select(state.filter, And((state.match, state.bound)), direction, tr("no more matches"))

    def _open_next(self, direction: int) -> None:
        self._feed.move(direction)
        if self._state.selected_record is not None:
            self.open_record()

    def select_error(self, direction: int) -> None:
        """Goes to the nearest newer (1) or older (-1) record of the list at ERROR or above."""
        state = self._state
        least = max(Severity.ERROR, state.level)
        errors, older = AtLeast(least), tr("no older record at level {level} or above", level=least.name)
        none = older if direction < 0 else tr("no newer record at level {level} or above", level=least.name)
        everywhere = And((errors, state.filter)) if state.only_matching else errors
        everywhere = And((everywhere, state.bound))
        self._feed.once_there(partial(self._select, errors, everywhere, direction, none))

    def _select(self, wanted: Filter, everywhere: Filter, direction: int, none: Message) -> None:
        """Goes to the nearest record that ``wanted`` matches; past what is loaded it looks for what ``everywhere``
        matches."""
        state, merged = self._state, self._state.merged
        if merged is None or not merged.shown:
            return
        older, open_it = direction < 0, state.page is not None
        here = state.edge_of_row(older=older)
        order = range(here - 1, -1, -1) if older else range(here + 1, len(merged.shown))
        for at in order:
            item = merged.shown[at].item
            if isinstance(item, LogRecord) and wanted.matches(item):
                self._feed.stand_on(merged.shown[at].key)
                if open_it:
                    self.open_record()
                return
        if merged.at_oldest if older else merged.at_newest:
            self._app.tell(none)
        else:
            edge = merged.shown[0 if older else -1].key
            find = partial(self._find, merged, edge, everywhere, none, older=older)
            self._context.run(find, group="move", exclusive=True)

    async def _find(self, merged: MergedLogs, edge: MergeKey, wanted: Filter, none: Message, *, older: bool) -> None:
        """Searches for a record beyond the loaded ones, and moves to it."""
        try:
            async with MergedLogs(self._state.shown_sources, wanted) as finding:
                self._state.finding = finding
                found = await _first_past(finding, edge, older=older)
        finally:
            self._state.finding = None
        if found is None or not isinstance(found.item, LogRecord):
            self._app.tell(none)
            self._context.repaint()
            return
        await merged.go(AtTime(found.key.time_us))
        self._feed.arrive(await _key_once_loaded(merged, found.item.source, found.item.place) or merged.reader)
        if self._state.page is not None:
            self.open_record()

    # ---- a mark, a time, a share, a line ---------------------------------------------------------------------------

    def go_to_mark(self, mark: Mark, time_us: int) -> None:
        """Moves to a marked record; ``time_us`` is its time."""
        self._context.run(partial(self._go_to_mark, *mark, time_us), group="move", exclusive=True)

    async def _go_to_mark(self, source: str, place: str, time_us: int) -> None:
        merged = self._state.merged
        if merged is None:
            return
        loaded = _key_of(merged, source, place)
        if loaded is None:
            await merged.go(AtTime(time_us))
            loaded = await _key_once_loaded(merged, source, place)
        if loaded is None:
            self._app.tell(tr("the marked record is not currently shown"))
        self._feed.arrive(loaded or merged.reader)

    def jump(self, words: str) -> None:
        """Goes to the position that ``words`` name."""
        if words.strip():
            self._context.run(partial(self._jump, words.strip()), group="move", exclusive=True)

    async def _jump(self, words: str) -> None:
        state, merged = self._state, self._state.merged
        if merged is None:
            return
        try:
            start = await start_of_words(words, state.shown_sources, now=state.clock, zone=state.zone)
        except LilFoxError as error:
            self._app.tell(error)
            return
        state.at_end = False
        self._feed.arrive(await merged.go(start))


class PlaceActions(ActionGroup):
    """Actions for marks and for jumping."""

    TASK = tr("Go to")

    def __init__(self, context: PaneContext[LogsState], finder: RecordFinder) -> None:
        self._context, self._state, self._app, self._finder = context, context.state, context.app, finder

    def _why_no_record(self) -> Message | None:
        return self._state.why_no_record()

    @action("mark", "m", tr("mark"), tr("mark or unmark this record"), why_not=_why_no_record)
    def toggle_mark(self) -> None:
        self._state.toggle_mark()
        self._context.repaint()

    def _why_none_comes(self) -> Message | None:
        return self._state.why_none_comes()

    def _why_no_mark(self) -> Message | None:
        return None if self._state.marks else tr("nothing is marked; m marks a record")

    @action(
        "next-mark",
        "apostrophe",
        tr("next mark"),
        tr("go to the next marked record; after the last one, to the oldest"),
        why_not=_why_no_mark,
    )
    def next_mark(self) -> None:
        self._finder.go_to_mark(*self._state.next_mark())

    @action(
        "error-before",
        "E",
        tr("error"),
        tr("go to the nearest older error, in the list or on the page of a record"),
        why_not=_why_none_comes,
        footer=3,
        offered=lambda self: self._state.selected_record is not None,
    )
    def error_before(self) -> None:
        self._finder.select_error(-1)

    @action(
        "error-after",
        "ctrl+e",
        tr("newer error"),
        tr("go to the nearest newer error"),
        why_not=_why_none_comes,
    )
    def error_after(self) -> None:
        self._finder.select_error(1)

    @action(
        "jump",
        "J",
        tr("jump"),
        tr("jump to a time (03:15, 10m, 2026-03-29T03:15), a percentage (50%) or a line (1200)"),
    )
    def ask_jump(self) -> None:
        self._app.ask_line(_("time, 50% or line"), "", self._finder.jump, live=False, does=_("jump"))


async def neighbours_of(
    source: LogSource, record: LogRecord, bound: Filter
) -> tuple[tuple[LogRecord, ...], tuple[LogRecord, ...]]:
    """The records before and after one in its source, of those that were there at the time shown (``bound``),
    regardless of the filter. Raises LilFoxError."""
    place = AtPlace(record.place)
    before = await source.page(place, older=True, limit=NEIGHBOURS, where=EVERYTHING)
    after = await page_of(source, place, older=False, limit=NEIGHBOURS, where=bound)
    return before.records, after.records


def _placed(records: tuple[LogRecord, ...], beside: WindowItem) -> tuple[WindowItem, ...]:
    """Return records as list items, for drawing only: their keys are not positions in the list."""
    return tuple(WindowItem(MergeKey(beside.key.time_us, -1, turn), record) for turn, record in enumerate(records))


def _key_of(merged: MergedLogs, source: str, place: str) -> MergeKey | None:
    for each in merged.shown:
        if isinstance(each.item, LogRecord) and each.item.place == place and each.item.source == source:
            return each.key
    return None


async def _key_once_loaded(merged: MergedLogs, source: str, place: str) -> MergeKey | None:
    """Wait until the source has answered or the record is loaded near the position of ``merged``; return the record's
    key, or None."""
    async with aclosing(merged.changes.watch()) as changes:
        async for _version in changes:
            key = _key_of(merged, source, place)
            if key is not None or source not in merged.searching:
                return key
    return None


async def _first_past(found: MergedLogs, edge: MergeKey, *, older: bool) -> WindowItem | None:
    """Return the nearest record on one side of ``edge``, a key of another list, once everything nearer has been
    searched."""
    await found.go(AtTime(edge.time_us if older else edge.time_us + 1), 1)
    async with aclosing(found.changes.watch()) as changes:
        async for _version in changes:
            side = [each for each in found.shown if (each.key.time_us < edge.time_us if older else
                                                     each.key.time_us > edge.time_us)]  # fmt: skip
            if side and not found.late(older=older):
                return side[-1] if older else side[0]
            if not found.searching:
                return (side[-1] if older else side[0]) if side else None
    return None


# ---- where words lead -------------------------------------------------------------------------------------------


async def start_of_words(words: str, sources: Sequence[LogSource], *, now: datetime, zone: tzinfo) -> Start:
    """The position that ``words`` name: a time as in filters, ``50%``, or a line number. Raises UsageError for other
    words, LilFoxError if a source cannot find the position."""
    if found := _SHARE.fullmatch(words):
        return await _at_share(min(1.0, float(found[1]) / 100), sources)
    if _LINE.fullmatch(words):
        return await _at_line(int(words), sources)
    return AtTime(_time_us(words, now, zone))


def _time_us(words: str, now: datetime, zone: tzinfo) -> int:
    """A point in time; ``10m`` is ten minutes ago. Raises UsageError."""
    for text in (words, f"{words}.."):
        with suppress(UsageError):
            since_us, _until_us = span(parse_filter(text, now=now, zone=zone))
            if since_us is not None:
                return since_us
    raise UsageError(
        tr("{words} is not a time, a percentage or a line number", words=words),
        tr("for example {times}", times="10m, 03:15, 2026-11-25T03:15, 50%, 1200"),
    )


async def _at_line(number: int, sources: Sequence[LogSource]) -> Start:
    only: object = sources[0] if len(sources) == 1 else None
    if not isinstance(only, SupportsSeek):
        raise UsageError(
            tr("a line number needs a single file, but {count} sources are shown", count=len(sources)),
            tr("press o to choose one; a time or a percentage works across all"),
        )
    start = await only.at_line(number)
    if start is None:
        raise UsageError(tr("line {number} is past the end, or has not been counted yet", number=number))
    return start


async def _at_share(share: float, sources: Sequence[LogSource]) -> Start:
    """The position at that fraction: of one file by size, of several sources by time from the oldest record to the
    newest."""
    if len(sources) == 1 and isinstance(sources[0], SupportsSeek):
        return await sources[0].at_share(share)
    firsts, lasts, failed = [], [], []
    for source in sources:
        try:
            oldest = await source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)
            newest = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        except LilFoxError as error:
            failed.append(error)
            continue  # the others tell the span as well as they can
        firsts += [each.entry.time_us for each in oldest.records if each.entry.time_us is not None]
        lasts += [each.entry.time_us for each in newest.records if each.entry.time_us is not None]
    if failed and len(failed) == len(sources):
        raise LilFoxError(tr("no source can be read: {reason}", reason=failed[0].message), failed[0].hint)
    if not firsts or not lasts:
        raise UsageError(tr("no readable source has timestamps: cannot jump by percentage"))
    return AtTime(int(min(firsts) + share * (max(lasts) - min(firsts))))
