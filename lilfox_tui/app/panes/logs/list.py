"""The loaded records as the rows of a list: alike neighbours folded into one, long ones on several lines.

Rows are made when they are looked at; what is worked out for all of them is cheap (5000 in a few milliseconds).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, overload

from lilfox_tui.app.panes.logs.rows import LogStyle, log_row, overhang, trace_of, wrapped_rows, wrapped_text
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.window import MergeKey, WindowItem


class Place(NamedTuple):
    """A row that is found again when others came or went: the first record of its group, and how far below."""

    key: MergeKey
    below: int


class LogList(Sequence[Row]):
    """``shown`` as rows in one style. A group is what one selection covers: a record, or alike ones folded."""

    def __init__(self, shown: Sequence[WindowItem], style: LogStyle, *, folded: bool) -> None:
        self.shown = shown
        self.style = style
        self._firsts = _firsts(shown) if folded and not style.wrapped else list(range(len(shown)))
        self._starts: list[int] | None = None
        self._made: dict[int, list[Row]] = {}
        if style.wrapped:
            heights = (len(wrapped_text(shown[at].item, style.message_width)) for at in self._firsts)
            self._starts = [0, *accumulate(heights)]

    @property
    def groups(self) -> int:
        """How many there are."""
        return len(self._firsts)

    def group_of(self, index: int) -> int:
        """The group that holds record ``index``."""
        return max(0, bisect_right(self._firsts, index) - 1)

    def group_at(self, row: int) -> int:
        """The group that a row belongs to."""
        return row if self._starts is None else max(0, bisect_right(self._starts, row) - 1)

    def row_of(self, group: int) -> int:
        """The first row of a group."""
        return group if self._starts is None else self._starts[group]

    def first_of(self, group: int) -> WindowItem:
        """The first record of a group."""
        return self.shown[self._firsts[group]]

    def last_of(self, group: int) -> WindowItem:
        """The last record of a group."""
        return self.shown[self._end(group) - 1]

    def _end(self, group: int) -> int:
        return self._firsts[group + 1] if group + 1 < len(self._firsts) else len(self.shown)

    def place_of_row(self, row: int) -> Place | None:
        """What stands on a row, so that it is found again."""
        if not 0 <= row < len(self):
            return None
        group = self.group_at(row)
        return Place(self.first_of(group).key, row - self.row_of(group))

    def row_of_place(self, place: Place, index: int) -> int:
        """The row of a place whose record is number ``index``; as far below as the group goes now."""
        group = self.group_of(index)
        end = len(self) if group + 1 == self.groups else self.row_of(group + 1)
        return min(self.row_of(group) + place.below, end - 1)

    def groups_within(self, rows: range) -> range:
        """The groups that begin on one of those rows; the next one where none does."""
        first = self.group_at(rows.start)
        if self.row_of(first) < rows.start:
            first = min(first + 1, self.groups - 1)
        last = self.group_at(min(rows.stop, len(self)) - 1)
        return range(first, max(first, last) + 1)

    def __len__(self) -> int:
        return len(self._firsts) if self._starts is None else self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        group = self.group_at(index)
        rows = self._made.get(group)
        if rows is None:
            rows = self._made[group] = self._rows(group)
        return rows[index - self.row_of(group)]

    def _rows(self, group: int) -> list[Row]:
        first = self.first_of(group)
        if self.style.wrapped:
            return wrapped_rows(first, self.style)
        times, until_us = self._folded(group)
        return [log_row(first, self.style, times=times, until_us=until_us)]

    def _folded(self, group: int) -> tuple[int, int | None]:
        """How many records a group has, and the time of the last."""
        last = self.last_of(group).item
        return self._end(group) - self._firsts[group], last.entry.time_us if isinstance(last, LogRecord) else None

    def overhang(self, rows: range) -> int:
        """Cells by which the longest of those rows, where none are wrapped, goes past the right edge when not moved."""
        longest = 0
        for group in rows[: max(0, self.groups - rows.start)]:
            times, until_us = self._folded(group)
            longest = max(longest, overhang(self.first_of(group), self.style, times=times, until_us=until_us))
        return longest


def _firsts(shown: Sequence[WindowItem]) -> list[int]:
    """Where each run of alike records begins."""
    firsts: list[int] = []
    before: LogRecord | None = None
    for index, each in enumerate(shown):
        record = each.item if isinstance(each.item, LogRecord) else None
        if record is None or before is None or not _alike(before, record):
            firsts.append(index)
        before = record
    return firsts


def _alike(one: LogRecord, other: LogRecord) -> bool:
    """Whether one says what the other says. Different requests that all went well are no repetition."""
    a, b = one.entry, other.entry
    if a.message != b.message or a.severity != b.severity or a.logger != b.logger or one.source != other.source:
        return False
    return a.severity >= Severity.WARNING or trace_of(one) == trace_of(other)
