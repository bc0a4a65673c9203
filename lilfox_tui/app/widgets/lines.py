"""A widget of lines: rows in, changed rows out. It repaints a row only if the row differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast, overload

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from lilfox_tui.app.rendering.draw import BLANK, Palette, Row
from lilfox_tui.app.textual_internals import changed_spans
from lilfox_tui.i18n import _


class RowsOnDemand(Sequence[Row]):
    """``head``, then ``count`` rows by ``make(index)``, each made once."""

    def __init__(self, head: Sequence[Row], count: int, make: Callable[[int], Row]) -> None:
        self._head = tuple(head)
        self._count = count
        self._make = make
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._head) + self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if index < len(self._head):
            return self._head[index]
        if index >= len(self):
            raise IndexError(index)
        row = self._made.get(index)
        if row is None:
            row = self._made[index] = self._make(index - len(self._head))
        return row


def more_below(count: int) -> str:
    """What is said of so many rows past the lower edge; nothing of none."""
    return _("{count} more below", count=count) if count > 0 else ""


class Painted(Protocol):
    """An app that has a palette."""

    palette: Palette


class Lines(Widget, can_focus=False):
    """Rows on one ground. The first ``sticky`` rows stay; the others scroll below them."""

    class Clicked(Message):
        """Row ``index`` was clicked, that many ``times`` in quick succession."""

        def __init__(self, lines: Lines, index: int, times: int) -> None:
            super().__init__()
            self.lines = lines
            self.index = index
            self.times = times

    class Wheel(Message):
        """The wheel asks for ``delta`` rows."""

        def __init__(self, lines: Lines, delta: int) -> None:
            super().__init__()
            self.lines = lines
            self.delta = delta

    def __init__(self, *, ground: str = "background", sticky: int = 0, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._ground = ground
        self.sticky = sticky
        self.rows: Sequence[Row] = ()
        self.top = 0
        self.selected: int | None = None

    def show(
        self,
        rows: Sequence[Row],
        *,
        selected: int | None = None,
        follow: bool = True,
        top: int | None = None,
        sticky: int | None = None,
    ) -> None:
        """Makes ``rows`` what is shown, ``selected`` the highlighted one, in sight when ``follow``. ``top`` is the
        first of the scrolling rows, where rows came or went above them; ``sticky`` are from now on those that stay."""
        before = [self._line(y) for y in range(self.size.height)]
        self.rows = rows
        self.sticky = self.sticky if sticky is None else sticky
        self.selected = selected
        self.top = self.top if top is None else top
        if self.room:
            self.top = self._clamped(self._following(selected) if follow else self.top)
        self._repaint(before)

    def scroll_rows(self, delta: int) -> None:
        """Moves the rows that are not sticky by ``delta``."""
        before = [self._line(y) for y in range(self.size.height)]
        self.top = self._clamped(self.top + delta)
        self._repaint(before)

    @property
    def room(self) -> int:
        """How many scrolling rows fit."""
        return max(0, self.size.height - self.sticky)

    @property
    def hidden_below(self) -> int:
        """How many rows are past the lower edge; none before the first layout."""
        return max(0, len(self.rows) - self.sticky - self.top - self.room) if self.size.height else 0

    def _following(self, selected: int | None) -> int:
        if selected is None or selected < self.sticky or not self.room:
            return self.top
        place = selected - self.sticky
        return min(max(self.top, place - self.room + 1), place)

    def _clamped(self, top: int) -> int:
        return max(0, min(top, len(self.rows) - self.sticky - self.room))

    def _line(self, y: int) -> tuple[Row, bool]:
        index = y if y < self.sticky else y + self.top
        if index >= len(self.rows):
            return BLANK, False
        return self.rows[index], index == self.selected

    def _repaint(self, before: list[tuple[Row, bool]]) -> None:
        if not self.is_attached:
            return
        if not before:  # it has no place on the screen now: what was drawn there once is forgotten
            self.refresh()
            return
        width = self.size.width
        changed = []
        for y, old in enumerate(before):
            new = self._line(y)
            if new != old:
                spans = changed_spans(old[0], new[0], width) if old[1] == new[1] else [(0, width)]
                changed += [Region(left, y, right - left, 1) for left, right in spans]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One line of the screen (Textual's line API)."""
        pieces, selected = self._line(y)
        palette = cast("Painted", self.app).palette
        return palette.strip(pieces, self.size.width, "selection" if selected else self._ground)

    def on_resize(self) -> None:
        top = self._clamped(self._following(self.selected))
        if top != self.top:
            self.top = top
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = event.y if event.y < self.sticky else event.y + self.top
        if index < len(self.rows):
            self.post_message(self.Clicked(self, index, event.chain))

    def on_mouse_scroll_down(self) -> None:
        self.post_message(self.Wheel(self, 3))

    def on_mouse_scroll_up(self) -> None:
        self.post_message(self.Wheel(self, -3))
