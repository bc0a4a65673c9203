"""What the keys of the Logs pane do to get somewhere: the next match, a mark, a time, a share or a line."""

from __future__ import annotations

from contextlib import aclosing

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.logs.detail_keys import LogDetailKeys
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.logs.filter.model import And, AtLeast, Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtTime
from lilfox_tui.logs.window import MergeKey, WindowItem


class LogFindKeys(LogDetailKeys):
    """Going to a record that may not be loaded."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.finding: MergedLogs | None = None

    # ---- the next match ------------------------------------------------------------------------------------------

    @action(
        "next-match",
        "n",
        tr("next match"),
        tr("the next record that the filter matches"),
        why_not=lambda self: self.no_filter(),
    )
    def next_match(self) -> None:
        self._match(older=False)

    @action(
        "previous-match",
        "N",
        tr("previous match"),
        tr("the record before that matches"),
        why_not=lambda self: self.no_filter(),
    )
    def previous_match(self) -> None:
        self._match(older=True)

    def _match(self, *, older: bool) -> None:
        merged = self.merged
        if self.detail is not None or merged is None or not merged.shown:
            return
        if self.only_matching:
            self.move(-1 if older else 1)
            return
        here = len(merged.shown) - 1 if self.cursor is None else merged.index(self.cursor)
        order = range(here - 1, -1, -1) if older else range(here + 1, len(merged.shown))
        for at in order:
            item = merged.shown[at].item
            if isinstance(item, LogRecord) and self.filter.matches(item):
                self.stand_on(merged.shown[at].key)
                return
        if merged.at_oldest if older else merged.at_newest:
            self.lilfox.tell(tr("no match further on"))
        else:
            self._find(merged, merged.shown[0 if older else -1].key, older=older)

    @work(exclusive=True, group="move", exit_on_error=False)
    async def _find(self, merged: MergedLogs, edge: MergeKey, *, older: bool) -> None:
        """Looks for a match past what is loaded, and moves there."""
        where: Filter = And((AtLeast(self.level), self.filter)) if self.level else self.filter
        try:
            async with MergedLogs(self.shown_sources, where) as self.finding:
                found = await _first_past(self.finding, edge, older=older)
        finally:
            self.finding = None
        if found is None or not isinstance(found.item, LogRecord):
            self.lilfox.tell(tr("no match further on"))
            self.repaint()
            return
        await merged.go(AtTime(found.key.time_us))
        self._arrived(await _key_once_loaded(merged, found.item.source, found.item.place) or merged.reader)

    # ---- marks ---------------------------------------------------------------------------------------------------

    def no_record(self) -> Message | None:
        """Why there is no record that something can be done with."""
        return None if self.selected_record is not None else tr("there is no record here")

    @action("mark", "m", tr("mark"), tr("mark this record, or unmark it"), why_not=lambda self: self.no_record())
    def toggle_mark(self) -> None:
        shown = self.selected
        if shown is not None and isinstance(shown.item, LogRecord):
            mark = (shown.item.source, shown.item.place)
            if mark in self.marks:
                del self.marks[mark]
            else:
                self.marks[mark] = shown.key.time_us
            self.repaint()

    @action(
        "next-mark",
        "apostrophe",
        tr("next mark"),
        tr("the next marked record, then the oldest"),
        why_not=lambda self: self.no_mark(),
    )
    def next_mark(self) -> None:
        shown = self.selected
        here: tuple[int, str, str] = (0, "", "")
        if shown is not None and isinstance(shown.item, LogRecord):
            here = (shown.key.time_us, shown.item.source, shown.item.place)
        ordered = sorted((time_us, source, place) for (source, place), time_us in self.marks.items())
        time_us, source, place = next((mark for mark in ordered if mark > here), ordered[0])
        self._go_to_mark(source, place, time_us)

    def no_mark(self) -> Message | None:
        """Why there is no mark to go to."""
        return None if self.marks else tr("nothing is marked; m marks a record")

    @work(exclusive=True, group="move", exit_on_error=False)
    async def _go_to_mark(self, source: str, place: str, time_us: int) -> None:
        merged = self.merged
        if merged is None:
            return
        loaded = _key_of(merged, source, place)
        if loaded is None:
            await merged.go(AtTime(time_us))
            loaded = await _key_once_loaded(merged, source, place)
        if loaded is None:
            self.lilfox.tell(tr("the marked record is not among those shown now"))
        self._arrived(loaded or merged.reader)

    # ---- a time, a share, a line ---------------------------------------------------------------------------------

    @action("jump", "J", tr("jump"), tr("to a time (03:15, 10m, 2026-03-29T03:15), a share (50%) or a line (1200)"))
    def ask_jump(self) -> None:
        self.lilfox.ask_line(_("time, 50% or line"), "", self.jump, live=False)

    def jump(self, words: str) -> None:
        """Goes where ``words`` say."""
        if words.strip():
            self._jump(words.strip())

    @work(exclusive=True, group="move", exit_on_error=False)
    async def _jump(self, words: str) -> None:
        from lilfox_tui.app.panes.logs.places import start_of_words

        merged = self.merged
        if merged is None:
            return
        try:
            start = await start_of_words(words, self.shown_sources, now=self._clock(), zone=self.zone)
        except LilFoxError as error:
            self.lilfox.tell(error)
            return
        self.at_end = False
        self._arrived(await merged.go(start))


def _key_of(merged: MergedLogs, source: str, place: str) -> MergeKey | None:
    for each in merged.shown:
        if isinstance(each.item, LogRecord) and each.item.place == place and each.item.source == source:
            return each.key
    return None


async def _key_once_loaded(merged: MergedLogs, source: str, place: str) -> MergeKey | None:
    """The key of a record near where ``merged`` has gone to, as soon as its source has answered."""
    async with aclosing(merged.changes.watch()) as changes:
        async for _version in changes:
            key = _key_of(merged, source, place)
            if key is not None or source not in merged.searching:
                return key
    return None


async def _first_past(found: MergedLogs, edge: MergeKey, *, older: bool) -> WindowItem | None:
    """The nearest record on one side of ``edge`` (another list's), once everything nearer was searched."""
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
