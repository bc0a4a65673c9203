"""Widgets: lines of which only the changed ones are redrawn and whose text the mouse selects, and input fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import compress
from operator import ne
from typing import Any, Protocol, cast, overload

from rich.style import Style
from textual import events
from textual.containers import Horizontal
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from lilfox_tui.app.rendering.changed_cells import changed_spans
from lilfox_tui.app.rendering.draw import BLANK, Palette, Piece, Row, side_by_side
from lilfox_tui.app.rendering.panels import in_sight, row_width
from lilfox_tui.app.textual_internals import CleanInput
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, clean, fit

Cell = tuple[int, int]
"""A row and a column of a widget."""
_BORDER = "│"
_MARKED = Style(reverse=True)


class RowsOnDemand(Sequence[Row]):
    """``head`` followed by ``count`` rows, each made by ``make(index)`` when it is first needed."""

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
    """The text that tells how many rows are past the lower edge; empty for none."""
    return _("{count} more below", count=count) if count > 0 else ""


class Painted(Protocol):
    """An app that has a palette."""

    palette: Palette


# Selecting text with the mouse: what is dragged over, within the panel where the drag began.


def panel_around(text: str, x: int) -> tuple[int, int]:
    """The columns of the panel that cell ``x`` of a drawn line belongs to: between the nearest borders, or all."""
    left, right, at = 0, cell_width(text), 0
    for character in text:
        if character == _BORDER and at < x:
            left = at + 1
        elif character == _BORDER and at > x:
            right = at
            break
        at += cell_width(character)
    return left, right


class Drag:
    """A drag from ``start``. The text flows from its first cell to its last one through whole lines of the panel, whose
    columns are ``left`` to ``right`` (exclusive)."""

    def __init__(self, start: Cell, left: int, right: int) -> None:
        self._start = self._end = start
        self._left, self._right = left, right

    @property
    def moved(self) -> bool:
        """Whether it is more than a click."""
        return self._start != self._end

    def move(self, end: Cell) -> list[Region]:
        """Goes on to ``end``; returns what has to be drawn again."""
        before = self._regions()
        self._end = end
        return [*before, *self._regions()]

    def _span(self, y: int) -> tuple[int, int] | None:
        """The columns of line ``y`` that are dragged over (the last one exclusive)."""
        first, last = sorted((self._start, self._end))
        if not first[0] <= y <= last[0]:
            return None
        start = max(self._left, first[1]) if y == first[0] else self._left
        end = min(self._right, last[1] + 1) if y == last[0] else self._right
        return (start, end) if start < end else None

    def _spans(self) -> Iterator[tuple[int, tuple[int, int]]]:
        first, last = sorted((self._start, self._end))
        for y in range(max(0, first[0]), last[0] + 1):
            if (span := self._span(y)) is not None:
                yield y, span

    def _regions(self) -> list[Region]:
        return [Region(start, y, end - start, 1) for y, (start, end) in self._spans()]

    def marked(self, strip: Strip, y: int) -> Strip:
        """Line ``y`` as ``strip`` draws it, with what is dragged over reversed."""
        span = self._span(y) if self.moved else None
        if span is None:
            return strip
        start, end = span
        before, inside, after = strip.divide([start, end, strip.cell_length])
        return side_by_side(before, inside.apply_style(_MARKED), after)

    def text(self, line: Callable[[int], Strip], height: int) -> str:
        """What is dragged over, as ``line`` draws the lines of a widget that is ``height`` rows high."""
        rows = [line(y).crop(*span).text.rstrip() for y, span in self._spans() if y < height]
        return "\n".join(rows).strip("\n")


class Lines(Widget, can_focus=False):
    """Rows on one background. The first ``sticky`` rows stay; the others scroll below them."""

    class Clicked(Message):
        """Row ``index`` was clicked in cell ``x``, that many ``times`` in quick succession."""

        def __init__(self, lines: Lines, index: int, x: int, times: int) -> None:
            super().__init__()
            self.lines = lines
            self.index = index
            self.x = x
            self.times = times

    class Wheel(Message):
        """The wheel scrolled by ``delta`` rows over the cell ``x``, ``y``."""

        def __init__(self, lines: Lines, delta: int, x: int, y: int) -> None:
            super().__init__()
            self.lines = lines
            self.delta = delta
            self.x = x
            self.y = y

    class Dragged(Message):
        """The mouse was dragged over ``text``."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, ground: str = "background", sticky: int = 0, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._ground = ground
        self.sticky = sticky
        self.rows: Sequence[Row] = ()
        self.top = 0
        self.selected: int | None = None
        self._strips: dict[int, tuple[tuple[Row, bool, int, Palette], Strip]] = {}
        """The drawn lines, and what they were drawn from."""
        self._drag: Drag | None = None
        self._dragged = False

    def show(
        self,
        rows: Sequence[Row],
        *,
        selected: int | None = None,
        follow: bool = True,
        top: int | None = None,
        sticky: int | None = None,
    ) -> None:
        """Shows ``rows`` with ``selected`` highlighted, and scrolls to it if ``follow``. ``top`` is the first scrolling
        row, for when rows were added or removed above it; ``sticky`` is the new number of rows that stay."""
        size = self.size  # Textual looks it up in the layout each time
        before = self._seen(size.height)
        self.rows = rows
        self.sticky = self.sticky if sticky is None else sticky
        self.selected = selected
        self.top = self.top if top is None else top
        if size.height > self.sticky:
            self.top = self._in_sight(self.top, selected if follow else None)
        self._repaint(before, size.width)

    def scroll_rows(self, delta: int) -> None:
        """Moves the rows that are not sticky by ``delta``."""
        size = self.size
        before = self._seen(size.height)
        self.top = self._in_sight(self.top + delta, None)
        self._repaint(before, size.width)

    @property
    def room(self) -> int:
        """The number of scrolling rows that fit."""
        return max(0, self.size.height - self.sticky)

    @property
    def hidden_below(self) -> int:
        """The number of rows past the lower edge; 0 before the first layout."""
        return max(0, len(self.rows) - self.sticky - self.top - self.room) if self.size.height else 0

    def _in_sight(self, top: int, selected: int | None) -> int:
        """The first scrolling row from ``top`` on with which the selected one, unless it stays anyway, is seen."""
        place = None if selected is None or selected < self.sticky else selected - self.sticky
        return in_sight(top, len(self.rows) - self.sticky, self.room, place)

    def _line(self, y: int) -> tuple[Row, bool]:
        index = y if y < self.sticky else y + self.top
        if index >= len(self.rows):
            return BLANK, False
        return self.rows[index], index == self.selected

    def _seen(self, height: int) -> tuple[list[Row], int | None]:
        """The rows on the screen, and which of these is the selected one."""
        scrolling = self.rows[self.sticky + self.top : max(self.sticky, height) + self.top]
        rows = [*self.rows[: self.sticky], *scrolling][:height]
        rows += [BLANK] * (height - len(rows))
        at = self.selected
        if at is None or at < self.sticky:
            return rows, at
        return rows, at - self.top if at - self.top >= self.sticky else None

    def _repaint(self, before: tuple[list[Row], int | None], width: int) -> None:
        if not self.is_attached:
            return
        old, selected_before = before
        if not old:  # it has no place on the screen now: what was drawn there once is forgotten
            self.refresh()
            return
        new, selected = self._seen(len(old))
        marked = {selected_before, selected} if selected_before != selected else set[int | None]()
        behind = self.screen is not self.app.screen
        """Else what is sent is found out for each cell of a changed line later on."""
        changed = [Region(0, y, width, 1) for y in marked if y is not None and y < len(new)]
        for y in compress(range(len(new)), map(ne, old, new)):
            if y not in marked:
                spans = changed_spans(old[y], new[y], width) if behind else [(0, width)]
                changed += [Region(left, y, right - left, 1) for left, right in spans]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One line of the screen (Textual's line API)."""
        return self.painted(y, self.size.width)

    def painted(self, y: int, width: int) -> Strip:
        """Line ``y`` in ``width`` cells, with what is dragged over marked."""
        return self._drawn(y, width) if self._drag is None else self._drag.marked(self._drawn(y, width), y)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of ``crop``. They have no border, padding or tint, for which Textual looks at each of them, and no
        colours that another theme of the terminal changes."""
        width, span = self.size.width, crop.column_span
        strips = [self.painted(y, width) for y in crop.line_range]
        for each in self.get_line_filters():
            if not isinstance(each, ANSIToTruecolor):
                strips = [strip.apply_filter(each, self.background_colors[1]) for strip in strips]
        return strips if span == (0, width) else [strip.crop(*span) for strip in strips]

    def _drawn(self, y: int, width: int) -> Strip:
        key = (*self._line(y), width, cast("Painted", self.app).palette)
        kept = self._strips.get(y)
        if kept is None or kept[0] != key:
            pieces, selected, _width, palette = key
            kept = key, palette.strip(pieces, width, "selection" if selected else self._ground)
            self._strips[y] = kept
        return kept[1]

    def on_resize(self) -> None:
        top = self._in_sight(self.top, self.selected)
        if top != self.top:
            self.top = top
            self.refresh()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1:
            self._drag = Drag((event.y, event.x), *panel_around(self._drawn(event.y, self.size.width).text, event.x))
            self._dragged = False

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag is not None:
            self.refresh(*self._drag.move((event.y, event.x)))

    def on_mouse_up(self) -> None:
        if self._drag is not None and self._drag.moved:
            drag, self._drag, self._dragged = self._drag, None, True
            if text := drag.text(partial(self._drawn, width=self.size.width), self.size.height):
                self.post_message(self.Dragged(text))
            self.refresh()
        self._drag = None

    def on_leave(self) -> None:
        if self._drag is not None:
            self._drag = None
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        if self._dragged:  # the end of a drag is not a click
            self._dragged = False
            return
        index = event.y if event.y < self.sticky else event.y + self.top
        if index < len(self.rows):
            self.post_message(self.Clicked(self, index, event.x, event.chain))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.post_message(self.Wheel(self, 3, event.x, event.y))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.post_message(self.Wheel(self, -3, event.x, event.y))


# Inputs: a line of text, and the line that takes the footer's place.


_LEAST_LINE, _LEAST_LABEL = 16, 8
"""Cells of a line of input, and of what is asked, that its keys do not take."""
_PADDING = 2
_BESIDE = _PADDING + 1
"""Cells beside the text of an input: its padding and the cursor."""


_EDITS = ("delete_", "cursor_", "home", "end")
"""How the actions begin that change the text, or where the next character goes."""


class TextField(CleanInput):
    """An Input that draws its value without terminal control sequences; ``value`` itself is unchanged. ``leaves`` are
    the keys that do not edit the text but belong to the dialog. ``ends`` gets each key first, and returns whether that
    ended the input."""

    def __init__(
        self, value: str = "", *, id: str, placeholder: str = "", select_on_focus: bool = True,  # noqa: A002  # as Input
        leaves: Collection[str] = (), ends: Callable[[str], bool] = lambda _key: False,
    ) -> None:  # fmt: skip
        super().__init__(value, id=id, placeholder=clean(placeholder), compact=True, select_on_focus=select_on_focus)
        self._leaves = leaves
        self._ends = ends

    async def on_key(self, event: events.Key) -> None:
        """Handles editing keys at once and in order. Textual would look their bindings up only after the key has
        bubbled to the app, and so after later characters of the same burst, as a slow link delivers them."""
        if self._ends(event.key):
            event.stop()
            event.prevent_default()
            return
        for action in self.actions_of(event.key):
            if action.startswith(_EDITS) and event.key not in self._leaves:
                event.stop()
                event.prevent_default()
                await self.run_action(action)
                return


class CommandLine(Horizontal):
    """An input line, hidden until something is asked; ``on_close`` is called when it closes. Its parts come after the
    first frame, or with the first key if that is earlier: styling an Input takes a twentieth of the way there."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__(id="line-row")
        self.display = False
        self._on_close = on_close
        self._take: Callable[[str], None] | None = None
        self._is_live = True
        self._prompt = ""
        self._keys = ("", "")
        """What enter and esc do."""

    @classmethod
    async def complete(cls, screens: Sequence[Screen[Any]]) -> None:
        """Adds the parts of the one on the lowest of ``screens``. To be called before a key may ask for a line."""
        for line in screens[0].query(cls) if screens else ():
            if not line.children:
                field = TextField(id="line", select_on_focus=False, ends=line.press)
                await line.mount(Lines(ground="bar", id="line-label"), field, Lines(ground="bar", id="line-keys"))

    def on_resize(self) -> None:
        if self.children:
            self._show_keys()

    def ask(
        self,
        prompt: str,
        text: str,
        take: Callable[[str], None],
        *,
        live: bool = True,
        keys: tuple[str, str] = ("", ""),
    ) -> None:
        """Asks for a line. ``take`` gets each change as it is typed, and ``""`` on cancel; unless ``live``, it gets
        only the entered line. ``keys`` say what enter and esc do."""
        line = self.query_one("#line", Input)
        line.value, self._keys = text, keys
        self._take, self._is_live = take, live
        self.display = True
        self._prompt = prompt
        self._show_keys()
        self.screen.set_focus(line)  # now: keys typed ahead are text, not actions

    def _show_keys(self) -> None:
        """Shows what is asked, and what enter and esc do where the line leaves room for it."""
        line, width = self.query_one("#line", Input), self.app.size.width
        enter: Row = (Piece(" enter", "key"), Piece(f" {self._keys[0]}  "))
        esc: Row = (Piece(" esc", "key"), Piece(f" {self._keys[1]} "))
        most = max(_LEAST_LABEL, min(width // 2, width - _LEAST_LINE - row_width(esc)))
        named = fit(self._prompt, min(cell_width(self._prompt), most)) if line.value else ""  # else it is in the line
        room = width - (cell_width(named) + 1 if named else 0)
        asked = cell_width(line.value or self._prompt) + _BESIDE
        keys: Row = (*enter, *esc) if room - asked >= row_width((*enter, *esc)) else esc
        line.placeholder = fit(self._prompt, min(cell_width(self._prompt), room - row_width(keys) - _PADDING))
        for part, row, cells in (
            ("#line-label", (Piece(" " + named, "muted"),), width - room),
            ("#line-keys", keys, row_width(keys)),
        ):
            lines = self.query_one(part, Lines)
            lines.display, lines.styles.width = cells > 0, cells
            lines.show([row])
        self.call_after_refresh(self._keep_cursor_in_sight)

    def _keep_cursor_in_sight(self) -> None:
        """Scrolls the line to its cursor: it is not as wide any more as it was when the text was put into it."""
        for line in self.query("#line").results(Input):
            at = cell_width(clean(line.value[: line.cursor_position]))
            line.scroll_to_region(Region(at, 0, 1, 1), force=True, animate=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._take is not None and self._is_live and event.value == event.input.value:
            self._take(event.value)  # else another change follows, or what was asked before it is answered

    def press(self, key: str) -> bool:
        """Ends the line if ``key`` is enter or escape, the line is open and no dialog is above it; returns whether it
        did."""
        if key not in ("enter", "escape") or not self.display or len(self.app.screen_stack) > 1:
            return False
        take, text = self._take, self.query_one("#line", Input).value if key == "enter" else ""
        self._close()
        if take is not None and (self._is_live or key == "enter"):
            take(text)  # typed fast, the last changes are still on their way
        return True

    def _close(self) -> None:
        self._take = None
        self.display = False
        self._on_close()
        self.screen.set_focus(None)
        self.query_one("#line", TextField).hand_on_keys()
