"""Actions of the Logs pane: narrow, change the display, choose sources, save, and attach records to an incident."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from msgspec import Struct

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.messages import WIDTHS
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.evidence import Selected, Selection
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.columns import AUTOMATIC, fields_in, title_of
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.find import neighbours_of
from lilfox_tui.app.panes.logs.histogram import SourceCount, counted, counts_by_source
from lilfox_tui.app.panes.logs.rows import clock_zone, grouped
from lilfox_tui.app.panes.logs.state import BeforeTrace, LogsState
from lilfox_tui.app.panes.logs.view import sampled, when
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, clauses, listed, ngettext, ntr, tr
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_bytes
from lilfox_tui.logs.filter.model import EVERYTHING, FieldMatch, Filter, Not
from lilfox_tui.logs.filter.syntax import narrowed, to_text
from lilfox_tui.logs.merge import save_all, unfinished
from lilfox_tui.logs.record import LogRecord, Severity, headline, microseconds
from lilfox_tui.logs.source import AtBeginning, AtPlace, LogSource
from lilfox_tui.logs.window import WindowItem

Context = PaneContext[LogsState]


class NarrowActions(ActionGroup):
    """Actions that choose the shown records: by level, and by the field selected on the page of a record."""

    TASK = tr("Filter records")

    def __init__(self, context: Context, feed: LogFeed) -> None:
        self._context, self._state, self._feed = context, context.state, feed

    @action("level", "v", tr("level"), tr("hide lower levels: all, debug, info, warning, error, critical"), footer=4)
    def raise_level(self) -> None:
        self._state.step_level(1)
        self._feed.apply()

    @action("level-lower", "ctrl+v", tr("lower level"), tr("show lower levels again"))
    def lower_level(self) -> None:
        self._state.step_level(-1)
        self._feed.apply()

    def _why_no_field(self) -> Message | None:
        return None if self._state.field is not None else tr("open a record and select one of its fields")

    @action(
        "keep",
        "plus",
        tr("keep"),
        tr("show only records with this field value"),
        why_not=_why_no_field,
        footer=3,
    )
    def keep_value(self) -> None:
        if (field := self._state.field) is not None:
            self._narrow(FieldMatch(field.name, "=", field.value))

    @action(
        "drop",
        "minus",
        tr("drop"),
        tr("hide records with this field value"),
        why_not=_why_no_field,
        footer=3,
    )
    def drop_value(self) -> None:
        if (field := self._state.field) is not None:
            self._narrow(Not(FieldMatch(field.name, "=", field.value)))

    def _narrow(self, part: Filter) -> None:
        self._show(narrowed(self._state.filter, part))

    def _show(self, where: Filter) -> None:
        followed = self._state.close_page()
        self._state.at_end = self._state.at_end or followed
        self._context.repaint()
        self._state.only_matching = True
        self._feed.set_filter(to_text(where))

    def _why_not_traced(self) -> Message | None:
        if self._state.traced is not None:
            return None
        return tr("this record has no request_id; open it and select a field")

    @action(
        "trace",
        "equals_sign",
        tr("trace value"),
        tr("trace this field's value, or the record's request, across all sources"),
        why_not=_why_not_traced,
        footer=3,
    )
    def trace_value(self) -> None:
        found = self._state.traced
        if found is None:
            return
        where = FieldMatch(found.name, "=", found.value)
        before = BeforeTrace(to_text(where), self._state.level, self._state.hidden)
        self._state.level = Severity.UNKNOWN  # what led to an error is wanted, not only the error
        self._show(where)
        if before.hidden:
            self._feed.show_only(each.name for each in self._state.sources)
        self._state.before_trace = before


class LookActions(ActionGroup):
    """Actions for following and for the display of rows. ``in_sight`` returns the visible rows of the list."""

    TASK = tr("Display")

    def __init__(self, context: Context, feed: LogFeed, in_sight: Callable[[], range]) -> None:
        self._context, self._state, self._feed, self._in_sight = context, context.state, feed, in_sight

    def _why_not_follow(self) -> Message | None:
        if self._state.rewound is not None:
            return tr("you are viewing the past; ` returns to now")
        return None if self._state.held is None else tr("the screen is paused; p resumes")

    def _what_f_does(self) -> Message | None:
        return tr("stop following") if self._state.is_following else None

    @action(
        "follow",
        "f",
        tr("follow"),
        tr("follow new records, or stop following"),
        why_not=_why_not_follow,
        footer=6,
        now=_what_f_does,
    )
    def toggle_follow(self) -> None:
        self._feed.follow(not self._state.is_following)

    @action("times", "t", tr("times"), tr("show times in UTC or in this machine's time zone"))
    def toggle_zone(self) -> None:
        self._state.zone = clock_zone() if self._state.zone is UTC else UTC
        self._context.repaint()

    @action("wrap", "w", tr("wrap"), tr("wrap long messages, or cut them off"))
    def toggle_wrap(self) -> None:
        self._state.wrapped = not self._state.wrapped
        self._context.repaint()

    @action("fold", "z", tr("fold"), tr("fold repeated records into one row with a count, or show each"))
    def toggle_fold(self) -> None:
        self._state.folded = not self._state.folded
        self._context.repaint()

    def _why_no_more_right(self) -> Message | None:
        if (reason := self._state.why_not_sideways()) is not None:
            return reason
        return None if self._overhang() > self._state.shifted else tr("no message extends further to the right")

    @action(
        "right",
        "right",
        tr("right"),
        tr("scroll right to see the rest of long messages"),
        why_not=_why_no_more_right,
    )
    def right(self) -> None:
        self._shift(min(self._overhang(), self._state.shifted + self._half_a_message()))

    def _why_not_left(self) -> Message | None:
        if (reason := self._state.why_not_sideways()) is not None:
            return reason
        return None if self._state.shifted else tr("the messages are already shown from their start")

    @action(
        "left",
        "left",
        tr("left"),
        tr("scroll back towards the start of the messages"),
        why_not=_why_not_left,
    )
    def left(self) -> None:
        self._shift(max(0, self._state.shifted - self._half_a_message()))

    @action(
        "line-start",
        "0",
        tr("line start"),
        tr("return to the start of the messages"),
        why_not=_why_not_left,
    )
    def to_start_of_lines(self) -> None:
        self._shift(0)

    def _shift(self, cells: int) -> None:
        self._state.shifted = cells
        self._context.repaint()

    def _overhang(self) -> int:
        """By how many cells the longest visible message is too wide."""
        return 0 if self._state.list is None else self._state.list.overhang(self._in_sight())

    def _half_a_message(self) -> int:
        """The cells of one sideways step: half of the visible width, so that the eye keeps its place."""
        return 1 if self._state.list is None else max(1, self._state.list.style.message_width // 2)


class SourceActions(ActionGroup):
    """Actions that choose the shown logs and retry the failed ones."""

    TASK = tr("Sources")

    def __init__(self, context: Context, feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    @action(
        "sources",
        "o",
        tr("sources"),
        tr("choose the logs and the columns to show, and see how each log is read"),
        footer=5,
    )
    def choose_sources(self) -> None:
        choices = [Choice("all", (Piece(_("all"), "strong"),), "all")]
        widest = min(24, max((cell_width(each.name) for each in self._state.sources), default=0))
        room = min(WIDTHS["wide"], self._app.size.width) - 3
        counts, are_all = self._counts()
        if are_counted := bool(counts) and room >= _COUNTED_LEAST:
            now = max(self._app.clock, self._state.newest or self._app.clock)  # the clock ticks more slowly
            time = f"{now.astimezone(self._state.zone):%H:%M:%S}"
            note = _("at {time}", time=time) if are_all else _("at {time}, of the loaded records", time=time)
            heads = "".join(fit(each, _COUNT, right=True) for each in (_("records"), _("errors")))
            heads += fit(_("newest"), _NEWEST, right=True)
            choices.append(Choice("", (Piece(" " * (widest + 2) + heads, "muted"), Piece(f"  {note}", "muted")), "",
                                  title=True))  # fmt: skip
        for each in self._state.sources:
            row: Row = (self._mark_of(each), Piece(fit(each.name, widest), "strong"))
            row = (*row, *self._counted(counts.get(each.name, SourceCount()), each)) if are_counted else row
            told = (*row, Piece("  "), *_short(each, room - cells(row) - 3))
            choices.append(Choice(f"turn {each.name}", told, each.name, more=self._how_it_is(each)))
        if len(self._state.sources) > 1:
            names = [each.name for each in self._state.sources]
            choices += [Choice(f"only {name}", (Piece(_("only {name}", name=name)),), f"only {name}") for name in names]
        self._app.push_screen(
            Chooser(_("Sources and columns"), [*choices, *self._columns()], wide=True), self._take_sources
        )

    def _counts(self) -> tuple[dict[str, SourceCount], bool]:
        """What the list has of each source, and whether that is all that matches; nothing before it is begun."""
        merged, count = self._state.merged, self._state.count
        if merged is None:
            return {}, False
        known = count.counted if count.is_of(merged, merged.where) else None
        return counts_by_source(merged, known, merged.came - count.came_before)

    def _counted(self, count: SourceCount, source: LogSource) -> Row:
        """The records of a source, its errors, and the age of its newest record; blank for a hidden source, of which
        nothing is counted."""
        if source.name in self._state.hidden:
            return (Piece(" " * (2 * _COUNT + _NEWEST)),)
        newest = count.newest(self._state.zone, self._app.clock)
        return (
            Piece(fit(counted(count.records), _COUNT, right=True)),
            Piece(fit(counted(count.errors), _COUNT, right=True), "failing" if count.errors else "muted"),
            Piece(fit(newest, _NEWEST, right=True), "muted"),
        )

    def _columns(self) -> Iterator[Choice]:
        """The columns of values that can be shown or hidden for the formats of the shown sources."""
        merged, chosen = self._state.merged, self._state.chosen_columns
        if merged is None:
            return
        records = [each.item for each in merged.shown if isinstance(each.item, LogRecord)]
        names = fields_in(sampled(records))
        for name in [*chosen, *(each for each in names if each not in chosen)]:
            shown = name in chosen
            glyph, role = (self._app.glyphs.good, "good") if shown else (self._app.glyphs.unknown, "muted")
            text = _("column {name}", name=title_of(name) if name in AUTOMATIC else name)
            why = self._why_not_drawn(name) if shown else ""
            row = (Piece(glyph + " ", role), Piece(text), *((Piece(f"  {why}", "muted"),) if why else ()))
            yield Choice(f"column {name}", row, f"{text} {name}")

    def _why_not_drawn(self, name: str) -> str:
        """Why the list has no such column although it is chosen; empty if it has."""
        state = self._state
        if state.list is None or any(each.name == name for each in state.list.style.values):
            return ""
        if state.wrapped:
            return _("not shown beside wrapped messages")
        return _("no room on this screen") if name in state.valued else _("no values here")

    def _mark_of(self, source: LogSource) -> Piece:
        """The mark of a source: hidden, readable or failed."""
        if source.name in self._state.hidden:
            return Piece(self._app.glyphs.unknown + " ", "muted")
        failed = isinstance(source.status.state, Unavailable)
        return (
            Piece(self._app.glyphs.failing + " ", "failing") if failed else Piece(self._app.glyphs.good + " ", "good")
        )

    def _how_it_is(self, source: LogSource) -> str:
        """Return how a source is read: its format, the time zone for times that have none, and its location; or why it
        cannot be read."""
        status, state = source.status.value, source.status.state
        if isinstance(state, Unavailable):
            return f"{state.error}  {when(state, datetime.now(UTC), self._state.zone)}  {state.error.hint}".rstrip()
        if status is None:
            return _("not read yet")
        zone = _("times without a zone: {zone}", zone=status.zone) if status.zone else ""
        return "  ".join(part for part in (status.format, zone, status.description) if part)

    def _take_sources(self, chosen: str | None) -> None:
        what, _space, name = (chosen or "").partition(" ")
        shown = {each.name for each in self._state.shown_sources}
        if what == "all":
            self._feed.show_only(each.name for each in self._state.sources)
        elif what == "only":
            self._feed.show_only([name])
        elif what == "column":
            try:
                self._state.columns.toggle(self._state.formats, name)
            except LilFoxError as error:
                self._app.tell(error)
            self._context.repaint()
        elif what == "turn" and (left := shown ^ {name}):
            self._feed.show_only(left)

    def _why_not_retry(self) -> Message | None:
        return self._state.why_not_retry()

    @action(
        "retry",
        "R",
        tr("retry"),
        tr("retry the failed sources now"),
        why_not=_why_not_retry,
        footer=7,
    )
    def retry(self) -> None:
        self._feed.retry()


class SaveActions(ActionGroup):
    """The action that saves the matching records to a file."""

    TASK = tr("Save")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_no_record(self) -> Message | None:
        return self._state.why_no_record()

    @action(
        "save",
        "W",
        tr("save"),
        tr("save all matching records, oldest first and unchanged, to a new file"),
        why_not=_why_no_record,
    )
    def ask_save(self) -> None:
        name = f"lilfox-{self._state.clock:%Y%m%d-%H%M%S}.log"
        self._app.ask_line(_("name of the new file:"), name, self.save, live=False)

    def save(self, name: str) -> None:
        """Saves everything that matches now to a new file of that name."""
        merged = self._state.merged
        if name.strip() and merged is not None and merged.shown:
            until_us = max(merged.shown[-1].key.time_us, microseconds(datetime.now(UTC)))
            path = Path(name.strip()).expanduser()
            self._context.run(partial(self._save, path, until_us), group="save", exclusive=True)

    async def _save(self, path: Path, until_us: int) -> None:
        written = 0

        def progress(count: int) -> None:
            nonlocal written
            written = count
            self._tell_work(_("saving: {records}", records=_records(count)))

        progress(0)
        sources, where = self._state.shown_sources, self._state.where
        try:
            count = await save_all(sources, where, path, until_us=until_us, progress=progress)
            self._app.tell(tr("{records} saved in {path}", records=_records(count), path=path))
        except OSError as error:
            hint = tr("choose a name that does not exist yet") if isinstance(error, FileExistsError) else ""
            self._app.tell(
                LilFoxError(tr("{path}: {reason}", path=error.filename or path, reason=error.strerror), hint)
            )
        except LilFoxError as error:
            self._app.tell(
                tr(
                    "{reason}; {records} already saved in {path}",
                    reason=error,
                    records=_records(written),
                    path=unfinished(path),
                )
            )
        except asyncio.CancelledError:
            if not self._app.leaving:
                self._app.tell(
                    tr("partially saved: {records} in {path}", records=_records(written), path=unfinished(path))
                )
            raise
        finally:
            self._tell_work("")

    def _tell_work(self, what: str) -> None:
        self._state.working = what
        self._context.repaint()


def _records(count: int) -> Message:
    return ntr("{shown} record", "{shown} records", count, shown=grouped(count))


_COUNT, _NEWEST, _COUNTED_LEAST, _FORMAT_LEAST = 9, 12, 70, 46
"""Cells of a count of a source and of a time, and those from which there is room for them, and for the format too."""


def _short(source: LogSource, room: int) -> Row:
    """A source in ``room`` cells: its format, its size and its location, shortened in the middle."""
    status, state = source.status.value, source.status.state
    if isinstance(state, Unavailable):
        return (Piece(fit(str(state.error), room), "failing"),)
    if status is None:
        return (Piece(_("not read yet"), "muted"),)
    size = "" if status.size_bytes is None else human_bytes(status.size_bytes)
    named = max(12, min(cell_width(status.format), room - 9 - min(cell_width(status.description), room // 3)))
    head = f"{fit(status.format, named)} {size:>6}  " if room >= _FORMAT_LEAST else f"{size:>6}  "
    if room < cell_width(head):
        return (Piece(fit(status.format, min(room, cell_width(status.format))), "muted"),)
    return (Piece(head + fit_middle(status.description, room - cell_width(head)), "muted"),)


# Records of logs as evidence of an incident: which ones (the marked, the open one with its neighbours, what the filter
# leaves, or the selected one with what stands around it), and the file that is made of them.


MOST_RECORDS = 1000
MOST_BYTES = 1 << 20
AROUND = 10
"""Records before and after the selected one."""
_NAMES_SHOWN = 3
_MOST_MARKS = 200
_TITLE = 60


class ChosenRecords(Struct, frozen=True):
    """Records, oldest first. ``how`` says how they were chosen; ``where`` is the filter in use, empty for none.
    ``lost`` is the number of marked records that could not be read again."""

    records: Sequence[LogRecord]
    how: str
    where: str = ""
    lost: int = 0


def evidence_of(choice: ChosenRecords, now: datetime) -> Selected:
    """The original text of the records, with source names if there are several, preceded by how they were chosen and
    what was left out."""
    records = choice.records[-MOST_RECORDS:]
    sources = list(dict.fromkeys(each.source for each in records))
    lines: list[str] = []
    size = 0
    for record in reversed(records):  # the newest are kept where there is not room for all
        written = _written(record, named=len(sources) > 1)
        size += len(written.encode()) + 1
        if lines and size > MOST_BYTES:
            break
        lines.append(written)
    lines.reverse()
    kept = records[len(records) - len(lines) :]
    said = _said(choice, kept, sources)
    head = [said, _("taken at {when} UTC", when=_utc(now))]
    if left_out := len(choice.records) - len(kept):
        head.append(
            ngettext("{shown} older record is omitted", "{shown} older records are omitted", left_out,
                     shown=grouped(left_out))
        )  # fmt: skip
    if choice.lost:
        head.append(
            ngettext("{count} marked record could not be read again", "{count} marked records could not be read again",
                     choice.lost)
        )  # fmt: skip
    text = "".join(f"# {each}\n" for each in map(clean, head)) + "\n".join(lines) + "\n"
    name = sources[0] if len(sources) == 1 else f"{len(sources)}-logs"
    return Selected(f"log-{name}-{now:%H%M%S}.txt", text.encode("utf-8", "replace"), said)


def _said(choice: ChosenRecords, kept: Sequence[LogRecord], sources: Sequence[str]) -> str:
    names = listed(sources[:_NAMES_SHOWN])
    if more := len(sources) - _NAMES_SHOWN:
        names += _(" and {count} more", count=more) if more > 0 else ""
    said = ngettext("{count} record from {names}", "{count} records from {names}", len(kept), names=names)
    times = sorted(each.at for each in kept if each.at is not None)
    if times:
        said = _("{said}, {first} to {last} UTC", said=said, first=_utc(times[0]), last=_utc(times[-1]))
    said = clauses([said, choice.how])
    return _("{said}, filter {filter}", said=said, filter=choice.where) if choice.where else said


def _written(record: LogRecord, *, named: bool) -> str:
    """All lines of a record, without terminal control sequences."""
    text = "\n".join(map(clean, record.raw.decode("utf-8", "replace").split("\n")))
    if record.size_bytes > len(record.raw):
        text += " " + _("… {count} bytes not read", count=grouped(record.size_bytes - len(record.raw)))
    return f"[{clean(record.source)}] {text}" if named else text


def _utc(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


class LogEvidence:
    """Chooses the records that go into an incident, and reads those that are not loaded."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state = context.state

    def selection(self) -> Selection | None:
        """The selection; None if nothing is selected."""
        record = self._state.selected_record
        if record is None and not self._state.marks:
            return None
        title = next(iter(self._state.marks))[0] if record is None else headline(record)
        return Selection(fit(title, _TITLE).rstrip(), self._read_chosen)

    async def _read_chosen(self) -> Selected:
        return evidence_of(await self._chosen(), datetime.now(UTC))

    async def _chosen(self) -> ChosenRecords:
        where = self._where_text()
        if self._state.marks:
            records, lost = await self._marked()
            return ChosenRecords(records, _("marked records only"), lost=lost)
        record = self._state.selected_record
        if self._state.page is not None and self._state.page.record is not None:
            return ChosenRecords(
                await self._with_neighbours(self._state.page.record), _("one record and its neighbours")
            )
        if where:
            return ChosenRecords(self._around(MOST_RECORDS), _("loaded records only"), where)
        return ChosenRecords(self._around(AROUND) if record is not None else (), _("one record and those around it"))

    def _where_text(self) -> str:
        """The level and the filter in use, as text."""
        return to_text(self._state.where)

    def _around(self, most: int) -> list[LogRecord]:
        """Up to ``most`` loaded records before and after the cursor."""
        merged, here = self._state.merged, self._state.selected
        if merged is None or here is None:
            return []
        at = merged.index(here.key)
        near: list[WindowItem] = list(merged.shown[max(0, at - most) : at + most + 1])
        return [each.item for each in near if isinstance(each.item, LogRecord)]

    async def _with_neighbours(self, record: LogRecord) -> list[LogRecord]:
        source = self._state.source(record.source)
        if source is None:
            return [record]
        before, after = await neighbours_of(source, record, self._state.bound)
        return [*before, record, *after]

    async def _marked(self) -> tuple[list[LogRecord], int]:
        """The marked records that can still be read, by time, and the number of the others."""
        loaded: dict[tuple[str, str], LogRecord] = {}
        for shown in () if self._state.merged is None else self._state.merged.shown:
            if isinstance(shown.item, LogRecord):
                loaded[shown.item.source, shown.item.place] = shown.item
        found: list[LogRecord] = []
        ordered = sorted(self._state.marks.items(), key=lambda mark: (mark[1], mark[0]))
        for mark, _time_us in ordered[:_MOST_MARKS]:
            record = loaded.get(mark) or await self._read_again(*mark)
            if record is not None:
                found.append(record)
        return found, len(ordered) - len(found)

    async def _read_again(self, name: str, place: str) -> LogRecord | None:
        """Read a record that is not loaded, by reading the one after its predecessor; None if it no longer exists."""
        source = self._state.source(name)
        if source is None:
            return None
        before = await source.page(AtPlace(place), older=True, limit=1, where=EVERYTHING)
        start = AtPlace(before.records[-1].place) if before.records else AtBeginning()
        after = await source.page(start, older=False, limit=1, where=EVERYTHING)
        return next((each for each in after.records if each.place == place), None)
