"""What the keys of the Logs pane do with what is shown: copy, save, choose sources, count, and look for what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.dialogs.dialog import WIDTHS
from lilfox_tui.app.panes.logs.evidence_keys import LogEvidenceKeys
from lilfox_tui.app.panes.logs.strip import grouped
from lilfox_tui.app.panes.logs.troubles import when
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import Message, _, ntr, tr
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import microseconds
from lilfox_tui.logs.source import LogSource
from lilfox_tui.text import cell_width, fit, fit_middle, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.logs.statistics import Statistics

CHEAP_BYTES = 256 * 1024 * 1024
"""So much is counted unasked, in half a second of one CPU."""


class LogOutputKeys(LogEvidenceKeys):
    """The last of the handlers."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.working = ""
        """What is being counted, for the line of messages."""
        self.counted: Statistics | None = None
        """All that matches, where it was counted."""
        self.counted_for: tuple[MergedLogs, Filter] | None = None
        self.came_before = 0
        """Records that had come while following when it was counted; what came since is beyond that."""
        self._leaps_before = 0

    @property
    def busy(self) -> bool:
        return bool(self.working) or self.finding is not None or super().busy

    @action(
        "copy",
        "y",
        tr("copy"),
        tr("the record as it was written, or the field, to the clipboard (OSC 52)"),
        why_not=lambda self: self.no_record(),
    )
    def copy(self) -> None:
        if self.field is not None:
            self.lilfox.copy_text(self.field.value)
        elif (record := self.selected_record) is not None:
            self.lilfox.copy_text(record.raw.decode("utf-8", "replace"))

    @action(
        "save",
        "W",
        tr("save"),
        tr("all records that match, from the oldest on, as they were written, to a new file"),
        why_not=lambda self: self.no_record(),
    )
    def ask_save(self) -> None:
        name = f"lilfox-{self._clock():%Y%m%d-%H%M%S}.log"
        self.lilfox.ask_line(_("name of the new file:"), name, self.save, live=False)

    def save(self, name: str) -> None:
        """Writes all that matches now into a new file of that name."""
        if name.strip() and self.merged is not None and self.merged.shown:
            newest_us = self.merged.shown[-1].key.time_us
            self._save(Path(name.strip()).expanduser(), max(newest_us, microseconds(datetime.now(UTC))))

    @work(exclusive=True, group="save", exit_on_error=False)
    async def _save(self, path: Path, until_us: int) -> None:
        from lilfox_tui.logs.merge import save_all, unfinished

        written = 0

        def progress(count: int) -> None:
            nonlocal written
            written = count
            self._tell_work(_("saving: {records}", records=_records(count)))

        progress(0)
        try:
            count = await save_all(self.shown_sources, self.where, path, until_us=until_us, progress=progress)
            self.lilfox.tell(tr("{records} saved in {path}", records=_records(count), path=path))
        except OSError as error:
            hint = tr("choose a name that is not taken yet") if isinstance(error, FileExistsError) else ""
            self.lilfox.tell(
                LilFoxError(tr("{path}: {reason}", path=error.filename or path, reason=error.strerror), hint)
            )
        except LilFoxError as error:
            self.lilfox.tell(
                tr(
                    "{reason}: {records} saved in {path}",
                    reason=error,
                    records=_records(written),
                    path=unfinished(path),
                )
            )
        except asyncio.CancelledError:
            if not self.lilfox._exit:
                self.lilfox.tell(
                    tr("not all is saved: {records} in {path}", records=_records(written), path=unfinished(path))
                )
            raise
        finally:
            self._tell_work("")

    @action(
        "retry",
        "r",
        tr("try again"),
        tr("read the failed sources again now"),
        why_not=lambda self: self.nothing_failed(),
        footer=7,
    )
    def retry(self) -> None:
        if self.failure is not None:
            self.failure = None
            self.on_mount()
        elif self.merged is not None:
            self.merged.retry()

    def nothing_failed(self) -> Message | None:
        """Why there is nothing to try again."""
        if self.failure is not None or (self.merged is not None and self.merged.troubles):
            return None
        return tr("every source answers")

    # ---- sources -------------------------------------------------------------------------------------------------

    @action("sources", "o", tr("sources"), tr("which logs are shown, and how each is read"), footer=5)
    def choose_sources(self) -> None:
        choices = [Choice("all", (Piece(_("all"), "strong"),), "all")]
        widest = min(24, max((cell_width(each.name) for each in self.sources), default=0))
        room = min(WIDTHS["wide"], self.lilfox.size.width) - 3
        for each in self.sources:
            row = (self._mark_of(each), Piece(fit(each.name, widest), "strong"), Piece("  "))
            choices.append(Choice(f"turn {each.name}", (*row, *_short(each, room - widest - 5)), each.name,
                                  more=self._how_it_is(each)))  # fmt: skip
        if len(self.sources) > 1:
            names = [each.name for each in self.sources]
            choices += [Choice(f"only {name}", (Piece(_("only {name}", name=name)),), f"only {name}") for name in names]
        self.lilfox.push_screen(Chooser(_("Sources"), choices, wide=True), self._take_sources)

    def _mark_of(self, source: LogSource) -> Piece:
        """Whether it is shown, and whether it can be."""
        if source.name in self.hidden:
            return Piece(self.lilfox.glyphs.unknown + " ", "muted")
        failed = isinstance(source.status.state, Unavailable)
        return (
            Piece(self.lilfox.glyphs.failing + " ", "failing")
            if failed
            else Piece(self.lilfox.glyphs.good + " ", "good")
        )

    def _how_it_is(self, source: LogSource) -> str:
        """How a source is read: in which format, the zone of times that tell none, where; or why it is not."""
        status, state = source.status.value, source.status.state
        if isinstance(state, Unavailable):
            return f"{state.error}  {when(state, datetime.now(UTC), self.zone)}  {state.error.hint}".rstrip()
        if status is None:
            return _("not read yet")
        zone = _("times without a zone: {zone}", zone=status.zone) if status.zone else ""
        return "  ".join(part for part in (status.format, zone, status.description) if part)

    def _take_sources(self, chosen: str | None) -> None:
        what, _space, name = (chosen or "").partition(" ")
        shown = {each.name for each in self.shown_sources}
        if what == "all":
            self.show_only(each.name for each in self.sources)
        elif what == "only":
            self.show_only([name])
        elif what == "turn" and (left := shown ^ {name}):
            self.show_only(left)

    # ---- counts --------------------------------------------------------------------------------------------------

    @action("statistics", "S", tr("statistics"), tr("errors by type and module, response times; each row is a filter"))
    def show_statistics(self) -> None:
        self._count()

    def count_behind(self) -> None:
        """Counts all that matches while nothing else goes on, if that is cheap: the strip then tells of everything."""
        merged = self.merged
        if merged is not None and not self.is_counted(merged):
            self._counts_now(merged)
            self._count_behind(merged, merged.where)

    def is_counted(self, merged: MergedLogs) -> bool:
        """Whether all was counted, or is just now; what came since does not matter while it is loaded."""
        return self.counted_for == (merged, merged.where) and self._leaps_before == merged.leaps

    def _counts_now(self, merged: MergedLogs) -> None:
        if self.counted_for != (merged, merged.where):
            self.counted_for, self.counted = (merged, merged.where), None
        self._leaps_before, self.came_before = merged.leaps, merged.came

    @work(exclusive=True, group="count-behind", exit_on_error=False)
    async def _count_behind(self, merged: MergedLogs, where: Filter) -> None:
        from lilfox_tui.logs.analyze import analyze  # what counts is not on the way to the first records
        from lilfox_tui.logs.filter.model import NOTHING, of_source

        try:
            if not await _is_cheap([each for each in self.shown_sources if of_source(where, each.name) != NOTHING]):
                return
            answer = await analyze(self.shown_sources, where, processes=1)
        except LilFoxError:
            return  # the strip goes on to tell of what is loaded
        if self.counted_for == (merged, where) and not answer.failed:
            self.counted = answer.statistics
            self.repaint()

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count(self) -> None:
        from lilfox_tui.app.panes.logs.counts import statistics_choices
        from lilfox_tui.logs.analyze import analyze, report_progress

        def progress(done: int, total: int) -> None:
            self._tell_work(_("counting {share} %", share=100 * done // total if total else 0))

        def tell(source: str, share: int) -> None:
            self._tell_work(_("counting {source}: {share} %", source=source, share=share))

        merged, where = self.merged, self.where
        before = (0, 0) if merged is None else (merged.came, merged.leaps)
        self._tell_work(_("counting"))
        try:
            answer = await analyze(await report_progress(self.shown_sources, tell), where, progress=progress)
        finally:
            self._tell_work("")
        if merged is not None and not answer.failed:
            self.counted_for, self.counted = (merged, where), answer.statistics
            self.came_before, self._leaps_before = before
        for name, error in answer.failed.items():
            self.lilfox.tell(tr("{source}: {reason}", source=name, reason=error))
        self._offer(_("Statistics"), statistics_choices(answer.statistics, self.zone, self.lilfox.size.width - 2))

    @action("patterns", "P", tr("patterns"), tr("what is new in the last 10 minutes against the hour before"))
    def show_patterns(self) -> None:
        self._count_patterns()

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count_patterns(self) -> None:
        from lilfox_tui.app.panes.logs.counts import pattern_choices
        from lilfox_tui.logs.patterns import recent_patterns

        record = self.selected_record
        until_us = None if record is None or self.at_end else record.entry.time_us
        self._tell_work(_("counting"))
        try:
            recent = await recent_patterns(self.shown_sources, self.where, until_us=until_us)
        finally:
            self._tell_work("")
        for name, error in recent.failed.items():
            self.lilfox.tell(tr("{source}: {reason}", source=name, reason=error))
        self._offer(_("New in the last 10 minutes"), pattern_choices(recent, self.lilfox.glyphs))

    def _offer(self, title: str, rows: list[tuple[Choice, Filter | None]]) -> None:
        """Shows rows that are filters; the chosen one narrows what is shown."""
        from lilfox_tui.logs.filter.syntax import narrowed, to_text

        filters = {choice.id: where for choice, where in rows}

        def take(chosen: str | None) -> None:
            where = filters.get(chosen or "")
            if where is not None:
                self.only_matching = True
                self.set_filter(to_text(narrowed(self.filter, where)))

        self.lilfox.push_screen(Chooser(title, [choice for choice, _where in rows], wide=True), take)

    def _tell_work(self, what: str) -> None:
        self.working = what
        self.repaint()


async def _is_cheap(sources: Sequence[LogSource]) -> bool:
    """Whether all of it lies in files of this machine that are soon read. Raises LilFoxError."""
    from lilfox_tui.logs.analyze import HasLocalFiles

    size = 0
    for source in sources:
        files = await source.local_files() if isinstance(source, HasLocalFiles) else None
        if files is None:
            return False
        size += sum([await each.file.size() for each in files])
    return size <= CHEAP_BYTES


def _short(source: LogSource, room: int) -> Row:
    """How a source is read in ``room`` cells: its format, its size, and where, with the middle left out."""
    status, state = source.status.value, source.status.state
    if isinstance(state, Unavailable):
        return (Piece(fit(str(state.error), room), "failing"),)
    if status is None:
        return (Piece(_("not read yet"), "muted"),)
    size = "" if status.size_bytes is None else human_bytes(status.size_bytes)
    head = f"{fit(status.format, 12)} {size:>6}  "
    return (Piece(head + fit_middle(status.description, room - cell_width(head)), "muted"),)


def _records(count: int) -> Message:
    return ntr("{shown} record", "{shown} records", count, shown=grouped(count))
