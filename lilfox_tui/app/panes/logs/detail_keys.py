"""What the keys do with one record: its page, and filters made of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.logs.detail import DetailRow, FieldValue, Neighbours, first_field
from lilfox_tui.app.panes.logs.keys import LogsKeys
from lilfox_tui.app.panes.logs.rows import trace_of
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.filter.model import EVERYTHING, FieldMatch, Filter, Not
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtPlace
from lilfox_tui.logs.window import MergeKey, WindowItem

if TYPE_CHECKING:
    from lilfox_tui.app.acts.doing import Act

NEIGHBOURS = 6


class LogDetailKeys(LogsKeys):
    """The page of a record, over the list while it is open."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.detail: WindowItem | None = None
        self.neighbours: Neighbours | None = None
        self.detail_rows: list[DetailRow] = []
        self.detail_at: int | None = None

    @action(
        "open",
        "enter",
        tr("open"),
        tr("the record: fields, traceback, neighbours"),
        why_not=lambda self: self.cannot_open(),
        footer=1,
    )
    def open_record(self) -> None:
        shown = self.selected
        if shown is None:
            return
        self.detail, self.neighbours, self.detail_at = shown, None, None
        if isinstance(shown.item, LogRecord):
            self._read_neighbours(shown, shown.item)
        self.repaint()

    def cannot_open(self) -> Message | None:
        """Why there is no record to open."""
        if self.detail is not None:
            return tr("this page is open already")
        return None if self.selected_record is not None else tr("there is no record here")

    @work(exclusive=True, group="neighbours", exit_on_error=False)
    async def _read_neighbours(self, shown: WindowItem, record: LogRecord) -> None:
        source = next((each for each in self.sources if each.name == record.source), None)
        if source is None:
            return
        place = AtPlace(record.place)
        try:
            before = await source.page(place, older=True, limit=NEIGHBOURS, where=EVERYTHING)
            after = await source.page(place, older=False, limit=NEIGHBOURS, where=EVERYTHING)
        except LilFoxError as error:
            self.lilfox.tell(error)
            return
        if self.detail is shown:
            self.neighbours = Neighbours(_placed(before.records, shown), _placed(after.records, shown))
            self.repaint()

    def close_record(self) -> None:
        """Back to the list."""
        self.detail = None
        self.detail_rows = []
        self.repaint()

    def back(self) -> None:
        if self.detail is not None:
            self.close_record()
        else:
            super().back()

    def nothing_to_leave(self) -> Message | None:
        return None if self.detail is not None else super().nothing_to_leave()

    def move(self, step: int) -> None:
        if self.detail is None:
            super().move(step)
        elif self.detail_rows:
            at = first_field(self.detail_rows) if self.detail_at is None else self.detail_at
            self.detail_at = max(0, min(len(self.detail_rows) - 1, at + step))
            self.repaint()

    def not_moved(self) -> Message | None:
        return tr("long values of a record are on several lines") if self.detail is not None else super().not_moved()

    def first(self) -> None:
        if self.detail is None:
            super().first()
        else:
            self.move(-(10**6))

    def last(self) -> None:
        if self.detail is None:
            super().last()
        else:
            self.move(10**6)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        if event.lines.id == "log-detail" and event.index < len(self.detail_rows):
            self.detail_at = event.index
            self.repaint()
        elif event.lines.id == "log-list":
            self.select_row(event.index)
            if event.times == 2 and self.cannot_open() is None:
                self.open_record()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        if self.detail is None:
            self.scroll(event.lines, event.delta)
        else:
            self.move(event.delta)

    # ---- acts ----------------------------------------------------------------------------------------------------

    def acts(self) -> Sequence[Act]:
        """On the addresses of the record, or of the field that is selected on its page."""
        from lilfox_tui.app.acts.host import ban_acts
        from lilfox_tui.operations.addresses import addresses_in

        record = self.detail.item if self.detail is not None else self.selected_record
        if not isinstance(record, LogRecord):
            return ()
        in_field = [] if self.field is None else addresses_in(self.field.value)
        found = in_field or addresses_in(record.raw.decode("utf-8", "replace"))
        return ban_acts(self.lilfox, found, self._host_of(record))

    def _host_of(self, record: LogRecord) -> str | None:
        """The host that wrote it, where that is known."""
        from lilfox_tui.app.panes.logs.sources import SERVERS

        config = None if self.opened is None else self.opened.configs.get(record.source)
        return None if config is None or config.kind in SERVERS else config.host

    # ---- filters of fields ----------------------------------------------------------------------------------------

    @property
    def field(self) -> FieldValue | None:
        """The field that is selected on the page."""
        if self.detail is None or not self.detail_rows:
            return None
        at = first_field(self.detail_rows) if self.detail_at is None else self.detail_at
        return self.detail_rows[min(at, len(self.detail_rows) - 1)].field

    def no_field(self) -> Message | None:
        """Why there is no field to filter by."""
        return None if self.field is not None else tr("open a record and select one of its fields")

    @action(
        "keep",
        "plus",
        tr("keep"),
        tr("only records with this value of the field"),
        why_not=lambda self: self.no_field(),
        footer=3,
    )
    def keep_value(self) -> None:
        if self.field is not None:
            self._narrow(FieldMatch(self.field.name, "=", self.field.value))

    @action(
        "drop",
        "minus",
        tr("drop"),
        tr("no records with this value of the field"),
        why_not=lambda self: self.no_field(),
        footer=3,
    )
    def drop_value(self) -> None:
        if self.field is not None:
            self._narrow(Not(FieldMatch(self.field.name, "=", self.field.value)))

    @action(
        "trace",
        "equals_sign",
        tr("follow value"),
        tr("this field's value, or the record's request, over all sources"),
        why_not=lambda self: self.nothing_to_trace(),
        footer=3,
    )
    def trace_value(self) -> None:
        from lilfox_tui.logs.filter.syntax import to_text

        found = self._traced()
        if found is None:
            return
        self.close_record()
        self.only_matching = True
        self.set_filter(to_text(FieldMatch(found.name, "=", found.value)))
        if self.hidden:
            self.show_only(each.name for each in self.sources)

    def nothing_to_trace(self) -> Message | None:
        """Why nothing can be followed over the sources."""
        return None if self._traced() is not None else tr("this record has no request_id; open it and select a field")

    def _traced(self) -> FieldValue | None:
        if self.detail is not None:
            return self.field
        record = self.selected_record
        found = None if record is None else trace_of(record)
        return None if found is None else FieldValue(*found)

    def _narrow(self, part: Filter) -> None:
        from lilfox_tui.logs.filter.syntax import narrowed, to_text

        self.close_record()
        self.only_matching = True
        self.set_filter(to_text(narrowed(self.filter, part)))


def _placed(records: tuple[LogRecord, ...], beside: WindowItem) -> tuple[WindowItem, ...]:
    """Records as rows take them; where they stand in the list is not known."""
    return tuple(WindowItem(MergeKey(beside.key.time_us, -1, turn), record) for turn, record in enumerate(records))
