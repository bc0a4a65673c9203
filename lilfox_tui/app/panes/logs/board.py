"""The board of the Logs pane: a dialog with sections of counts side by side, in which each row is a filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.messages import HIGH, PADDING, Ahead, Dialog, take_typed, title_row
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    PanelArea,
    ScreenPanel,
    bordered,
    cut_row,
    draw_panels,
    fit_row,
    highlighted,
    in_sight,
    row_width,
)
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width
from lilfox_tui.logs.filter.model import Filter, Not

TWO, THREE = 120, 168
"""Cells of the screen from which sections stand side by side, in so many columns."""
BAR_MOST, BAR_LEAST = 60, 6
"""Cells of the bar of a share of 1."""
_BAR_BEFORE_NAMES = 20
"""Cells of the bar of a share of 1 where names come last."""
_NAME_MOST, _NAME_ALONE = 28, 40
"""Cells of a name for which the bars of all sections are shortened, and those of its own section."""
_CELLS_LEAST = 2
"""Cells of a row that are never left out."""
_GAP = 2
_AROUND = 3
"""Rows of the dialog beside the board and what is said of its selected row: a blank one, title and input."""
_SCROLLING_LEAST = 9
"""Lines below the head, the rest of which scrolls with them: a section with its title and some rows."""
_HEAD_LEAST = 3
"""Lines of the board above which the first one of its head stays: what was counted."""
_STEPS = {"down": 1, "up": -1, "ctrl+n": 1, "pagedown": 10, "pageup": -10, "ctrl+d": 10, "ctrl+u": -10}
_SIDES = {"left": -1, "right": 1}


class BoardRow(Struct, frozen=True):
    """A row: its ``name``, and its ``cells`` in the columns of its section. ``share`` (0 to 1) is drawn as a bar in the
    colour of ``role``; ``failed`` is the part of that bar (0 to 1) that are errors. ``where`` are its records; None: it
    cannot be chosen. ``more`` stands below the board while it is selected, and is found by what is typed."""

    id: str
    name: Row
    cells: tuple[Piece, ...] = ()
    where: Filter | None = None
    share: float | None = None
    role: str = "accent"
    more: str = ""
    failed: float | None = None

    @property
    def words(self) -> str:
        """What typing is matched against."""
        return " ".join(piece.text for piece in (*self.name, *self.cells)).lower() + " " + self.more.lower()


class BoardSection(Struct, frozen=True):
    """Rows under a ``title``, at the right of which stands ``note``. ``heads`` are the headings of the rows' cells, of
    which the last ones are left out where there is no room, and those in ``left`` are not aligned at the right.
    ``names_last``: the cells stand before the names, which may be long."""

    title: str
    rows: tuple[BoardRow, ...]
    note: str = ""
    heads: tuple[str, ...] = ()
    left: frozenset[int] = frozenset()
    names_last: bool = False
    name: str = ""
    """The heading of the names."""
    name_least: int = 12
    """Cells of a name for which cells are left out."""
    parts: bool = False
    """Whether the rows are parts of a whole, as long as the line on which their bars are drawn. Else the longest bar is
    that of the most records, each with its errors in it."""
    bar_at: int = 0
    """The cell after which the bar stands where names come last."""
    columns_of: tuple[BoardRow, ...] = ()
    """The rows of all sections that have the same columns; none: its own."""

    @property
    def has_bars(self) -> bool:
        """Whether bars are drawn, if there is room."""
        return any(row.share is not None for row in self.rows)

    def lines(self, width: int, glyphs: Glyphs, bars: BoardBars | None = None) -> list[Row]:
        """The headings, if any, and the rows, in ``width`` cells with a blank one at either side; ``bars`` are those of
        all sections below each other."""
        room = width - 2
        widths = self.widths(room)
        bars = bars_of([self], width) if bars is None or self.longest_name > bars.names else bars
        name_width = max(1, room - _total(widths))
        bar = bars.length if self.has_bars and not self.names_last else 0
        if bar:
            name_width = min(bars.names, name_width - bar - _GAP)
        elif self.names_last and self.has_bars and name_width - self.longest_name - _GAP >= BAR_LEAST:
            bar = min(_BAR_BEFORE_NAMES, name_width - self.longest_name - _GAP)
            name_width -= bar + _GAP
        draw = partial(self._line, widths, name_width, bar, room, glyphs)
        heads = tuple(Piece(head, "muted") for head in self.heads)
        head = BoardRow("", (Piece(self.name, "muted"),), heads)
        return [*([draw(head)] if self.heads else []), *(draw(row) for row in self.rows)]

    @property
    def longest_name(self) -> int:
        """The cells of the longest name."""
        return max((row_width(row.name) for row in self.columns_of or self.rows), default=0)

    def widths(self, room: int) -> dict[int, int]:
        """The columns of cells for which there is room beside the names, with their widths."""
        count = max((len(row.cells) for row in self.columns_of or self.rows), default=0)
        widths = {place: max(self._cells_at(place)) for place in range(count) if self._has(place)}
        while len(widths) > _CELLS_LEAST and room - _total(widths) < min(self.longest_name, self.name_least):
            widths.popitem()
        return widths

    def _has(self, place: int) -> bool:
        """Whether any row has something in that column."""
        return any(row.cells[place].text.strip() for row in self.columns_of or self.rows if place < len(row.cells))

    def _cells_at(self, place: int) -> Iterator[int]:
        yield cell_width(self.heads[place]) if place < len(self.heads) else 0
        yield from (row_width((row.cells[place],)) for row in self.columns_of or self.rows if place < len(row.cells))

    def _line(
        self, widths: Mapping[int, int], name_width: int, bar: int, room: int, glyphs: Glyphs, row: BoardRow
    ) -> Row:
        cells: list[Piece] = []
        drawn = (*self._bar(row, bar, glyphs), Piece(" " * _GAP)) if bar else ()
        for place, width in widths.items():
            cell = row.cells[place] if place < len(row.cells) else Piece("")
            pad = Piece(" " * (width - row_width((cell,))))
            gap = Piece(" " * _GAP)
            cells += [cell, pad, gap] if place in self.left else [pad, cell, gap]
            if self.names_last and place == self.bar_at:
                cells += drawn
        if self.names_last:
            return (Piece(" "), *cells, *cut_row(row.name, name_width))
        shown = (*fit_row(row.name, name_width), Piece(" " * _GAP), *drawn)
        fill = Piece(" " * (room - row_width(shown) - _total(widths) + _GAP)) if bar else Piece("")
        return (Piece(" "), *shown, fill, *cells[:-1])

    def _bar(self, row: BoardRow, length: int, glyphs: Glyphs) -> Row:
        """A bar of the row's share: a part on the line of the whole, or records with the errors among them."""
        full = 0 if not row.share else max(1, round(row.share * length))
        if row.share is None:
            return (Piece(" " * length),)
        if self.parts:
            return (Piece(glyphs.full * full, row.role), Piece(glyphs.empty * (length - full), "rule"))
        failed = 0 if not row.failed or not full else max(1, round(row.failed * full))
        others = glyphs.full if row.failed is None or glyphs.dots else glyphs.limit
        rest = Piece(others * (full - failed), "muted" if row.failed is not None else row.role)
        return (Piece(glyphs.full * failed, "failing"), rest, Piece(" " * (length - full)))


class BoardBars(NamedTuple):
    """Where the bars of sections below each other are, so that they can be compared: behind so many cells of names, and
    so long; 0 where there is no room."""

    names: int
    length: int


def bars_of(sections: Sequence[BoardSection], width: int) -> BoardBars:
    """The bars of sections that stand below each other in ``width`` cells."""
    drawn = [each for each in sections if each.has_bars and not each.names_last]
    alone = len(drawn) == 1
    drawn = [each for each in drawn if alone or each.longest_name <= _NAME_MOST]  # a longer name has a bar of its own
    names = min(_NAME_ALONE, max((each.longest_name for each in drawn), default=0))
    room = width - 2 - max((_total(each.widths(width - 2)) for each in drawn), default=0)
    length = min(BAR_MOST, room - names - _GAP)
    return BoardBars(names, length if length >= BAR_LEAST else 0)


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * len(widths)


class BoardPlace(NamedTuple):
    """Where a row is on the board: its line, its cells, and the column that it is in."""

    y: int
    left: int
    right: int
    column: int
    row: BoardRow


class BoardDrawing(Struct, frozen=True):
    """A drawn board, and where its rows are, column by column."""

    rows: list[Row]
    places: list[BoardPlace]

    def step(self, at: int, step: int) -> int:
        """The row so many rows further in the order of reading."""
        return max(0, min(len(self.places) - 1, at + step))

    def beside(self, at: int, direction: int) -> int:
        """The nearest row in the next column; the same one where there is none."""
        here = self.places[at]
        others = [index for index, each in enumerate(self.places) if each.column == here.column + direction]
        return min(others, key=lambda index: abs(self.places[index].y - here.y), default=at)


class BoardStyle(Struct, frozen=True):
    """How a board is drawn: in so many cells, and at least ``height`` lines where it is in boxes side by side."""

    width: int
    glyphs: Glyphs
    height: int = 0
    slow_link: bool = False
    stacked: bool = False
    """Whether the sections stand below each other on any screen."""

    @property
    def columns(self) -> int:
        """How many sections stand side by side."""
        return 1 if self.stacked or self.width < TWO - 2 else 2 if self.width < THREE - 2 else 3


def draw_board(
    head: Sequence[Row], sections: Sequence[BoardSection], style: BoardStyle, selected: int | None = None
) -> BoardDrawing:
    """The sections below ``head``: in boxes side by side if there is room for that, in their order and as few lines
    high as they can be. ``selected`` is the row, of those that can be chosen, that is on a ground of its own."""
    boxed = bordered(style.width, slow_link=style.slow_link)
    columns = _split(sections, style.columns if boxed else 1)
    top, places = len(head), list[BoardPlace]()
    panels: list[ScreenPanel] = []
    plain = list(head)
    full = max((sum(_height(each) - 1 for each in column) + 1 for column in columns), default=0)
    full = max(full, style.height - top) if len(columns) > 1 else full
    for number, column in enumerate(columns):
        left = number * (style.width - 1) // len(columns)
        size = (number + 1) * (style.width - 1) // len(columns) - left + 1
        y = top
        bars = bars_of(column, size - 2 if boxed else style.width)
        for section in column:
            high = full - (y - top) if section is column[-1] else _height(section)
            area = PanelArea(left, y, size, high) if boxed else PanelArea(-1, len(plain), style.width + 2, high)
            lines = section.lines(area.inner_width, style.glyphs, bars)
            for at, row in enumerate(section.rows, len(lines) - len(section.rows)):
                if row.where is None:
                    continue
                if len(places) == selected:
                    lines[at] = highlighted(lines[at], area.inner_width)
                right = area.left + area.width - 1
                places.append(BoardPlace(area.top + 1 + at, area.left + 1, right, number, row))
            note = (Piece(section.note, "muted"),) if section.note else ()
            panels.append(ScreenPanel(area, (Piece(section.title, "title"),), lines, note))
            plain += [cut_row((Piece(f" {section.title}", "title"), Piece("  "), *note), style.width), *lines]
            y += high - 1
    if not boxed:
        return BoardDrawing(plain, places)
    drawn = draw_panels(panels, style.width, top + full, style.glyphs) if panels else []
    return BoardDrawing([*head, *drawn[top:]], places)


def _height(section: BoardSection) -> int:
    return len(section.rows) + bool(section.heads) + 2


def _split(sections: Sequence[BoardSection], columns: int) -> list[Sequence[BoardSection]]:
    """The sections, in their order, in so many columns of about the same height."""
    if columns < 2 or len(sections) < 2:
        return [sections] if sections else []
    found: list[tuple[int, int, list[Sequence[BoardSection]]]] = []
    for first in range(1, len(sections)):
        rest = _split(sections[first:], columns - 1)
        split = [sections[:first], *rest]
        heights = [sum(map(_height, each)) for each in split]
        found.append((max(heights), sum(high * high for high in heights), split))
    return min(found, key=lambda each: each[:2])[2]


class Board(Dialog[Filter | None]):
    """A dialog that returns the filter of the chosen row, or None. ``head`` are rows above the sections, which are
    ``stacked`` or side by side. What is typed narrows the rows down."""

    takes_ahead: ClassVar[Ahead] = "all"

    def __init__(
        self,
        title: str,
        head: Sequence[Row],
        sections: Sequence[BoardSection],
        glyphs: Glyphs,
        *,
        stacked: bool = False,
        slow_link: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._head, self._sections = title, tuple(head), tuple(sections)
        self._style = BoardStyle(0, glyphs, slow_link=slow_link, stacked=stacked)
        self._shown = self._sections
        self._at, self._words = 0, ""
        self._drawing = BoardDrawing([], [])

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(id="dialog-input", select_on_focus=False, leaves=(*_STEPS, *_SIDES), ends=self._chooses)
            yield Lines(ground="bar", id="dialog-list")
            yield Lines(ground="bar", id="dialog-more")

    def on_mount(self) -> None:
        if not self._has_parts():
            return
        self._arrange()
        take_typed(self, self.query_one("#dialog-input", Input))
        self._show()
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        if self._has_parts():
            self._arrange()
            self.call_after_refresh(self._show)

    def _has_parts(self) -> bool:
        return bool(self.query("#dialog-more"))

    @property
    def _room(self) -> int:
        """The cells of a line."""
        return max(1, self.app.size.width - 2)

    def _arrange(self) -> None:
        """Gives the dialog all of the width, and as many rows as the board and what is said below it need."""
        dialog = self.query_one("#dialog", Vertical)
        dialog.styles.width = "100%"
        does = _("filters by the selected row")
        hints = (
            _("type to filter; enter or + {does}, - hides its records, esc closes", does=does),
            _("type to filter; enter {does}, esc closes", does=does),
            _("enter {does}, esc closes", does=does),
            _("type to filter; esc closes"),
        )
        room = self._room - PADDING
        line = self.query_one("#dialog-input", Input)
        line.placeholder = next((each for each in hints if cell_width(each) <= room), hints[-1])
        rows = [row for section in self._sections for row in section.rows]
        below = max((len(self._more(row)) for row in rows), default=0)
        more = self.query_one("#dialog-more", Lines)
        more.display, more.styles.height = below > 0, below
        drawn = self._draw(self._sections)
        self.set_height(min(len(drawn.rows) + below + _AROUND, self.app.size.height))

    def _frame(self) -> bool:
        """Without a border of its own: its sections have some."""
        return False

    def _draw(self, sections: Sequence[BoardSection], height: int = 0) -> BoardDrawing:
        head = [cut_row(row, self._room) for row in self._head]
        return draw_board(head, sections, replace(self._style, width=self._room, height=height), self._at)

    def _more(self, row: BoardRow) -> list[Row]:
        """What is said of a row below the board."""
        lines = wrapped([(Piece(" "), Piece(row.more, "muted"))], self._room) if row.more else []
        most = 2 if self.app.size.height >= HIGH else 1
        if len(lines) > most:
            lines = [*lines[: most - 1], (*lines[most - 1], Piece("…", "muted"))]
        return lines

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        if " ".join(words) == self._words:
            return
        self._words, self._at = " ".join(words), 0
        found = []
        for section in self._sections:
            rows = tuple(row for row in section.rows if all(word in row.words for word in words))
            if rows:
                found.append(replace(section, rows=rows))
        self._shown = tuple(found)
        self._show()

    def _show(self) -> None:
        if not self._has_parts():
            return
        lines = self.query_one("#dialog-list", Lines)
        height = lines.size.height
        self._drawing = self._draw(self._shown, height)
        places, rows = self._drawing.places, self._drawing.rows
        if not self._shown:
            rows = [*self._head, (Piece(" " + _("nothing matches"), "muted"),)]
        sticky = min(len(self._head), max(height > _HEAD_LEAST, height - _SCROLLING_LEAST))
        top = self._top(lines.top, height - sticky, sticky) if places else 0
        lines.show(rows, top=top, sticky=sticky)
        self.query_one("#dialog-title", Lines).show([title_row(self._title, lines.hidden_below, self._room)])
        self.query_one("#dialog-more", Lines).show(self._more(places[self._at].row) if places else [])

    def _top(self, top: int, room: int, sticky: int) -> int:
        """The first line that is seen of those that scroll below the ``sticky`` ones of the head: with the selected row
        its section's title, and the head if it is the first, as far as there is room for that above it."""
        place, count = self._drawing.places[self._at], len(self._drawing.rows) - sticky
        y = place.y - sticky
        if self._at == 0:
            return max(0, y - room + 1)
        return in_sight(top, count, room, max(0, y - 2), min(count - 1, y + 1))

    def on_key(self, event: events.Key) -> None:
        if not self._drawing.places and event.key != "escape":
            return
        if event.key in _STEPS:
            self._at = self._drawing.step(self._at, _STEPS[event.key])
            self._show()
            event.stop()
        elif event.key in _SIDES:
            self._at = self._drawing.beside(self._at, _SIDES[event.key])
            self._show()
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def _chooses(self, key: str) -> bool:
        """Take ``+`` and ``-`` for the selected row, unless they are part of words; return whether that was so."""
        if key not in ("plus", "minus") or self._words or not self._drawing.places:
            return False
        where = self._drawing.places[self._at].row.where
        self.close(Not(where) if where is not None and key == "minus" else where)
        return True

    def on_input_submitted(self) -> None:
        if self._drawing.places:
            self.close(self._drawing.places[self._at].row.where)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        for at, place in enumerate(self._drawing.places):
            if event.lines.id == "dialog-list" and place.y == event.index and place.left <= event.x < place.right:
                self._at = at
                self.on_input_submitted()
                return

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        title = title_row(self._title, event.lines.hidden_below, self._room)
        self.query_one("#dialog-title", Lines).show([title])
