"""The base class of dialogs, and dialogs that describe an action and ask for confirmation, by a key or a typed word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import ClassVar, Literal, Protocol, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.textual_internals import BackgroundScreen, paint_whole
from lilfox_tui.app.widgets import Lines, TextField, more_below
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, clean, fit

# What every dialog is: a screen over the others that gives one result and is closed once.


WIDTHS = {"": 76, "wide": 100, "full": 160}
PADDING = 2
"""Cells of a line of input beside its text."""
HIGH = 16
"""Rows of a screen from which dialogs have borders and blank rows between their parts."""
Ahead = Literal["nothing", "text", "all"]
_LEAVES: Collection[str] = ("escape", "ctrl+c", "ctrl+z")
Result = TypeVar("Result")


class _Framed(Protocol):
    """An app that knows what its terminal can show."""

    glyphs: Glyphs
    repaint_frame: Callable[[], None]


class Dialog(ModalScreen[Result], BackgroundScreen[Result]):
    """A screen over the others. The keys that quit or suspend the console work here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"app.press('{key}')", show=False, priority=True) for key in ("ctrl+c", "ctrl+z")
    ]

    takes_ahead: ClassVar[Ahead] = "nothing"
    """What of the keys that came before it was painted counts: nobody can have meant them for what it asks. ``text``
    is taken into its line, where it is seen before enter sends it; ``all`` is for what only moves about."""
    is_whole = False

    def on_compose(self) -> None:
        """Sets the classes before the parts are there, so that these are styled once."""
        self._frame()

    def on_mount(self) -> None:
        """Sets the dialog up. Textual also calls the ``on_mount`` of subclasses, in addition to this one."""
        self.begins()

    def begins(self) -> None:
        """What is to be done when it opens, also when it does so again."""
        self._frame()
        self.is_opening = True
        cast("_Framed", self.app).repaint_frame()  # the footer's keys do nothing now
        self.asks_anew()

    def _frame(self) -> bool:
        """Draws a border if there is room; returns whether there is one."""
        app = cast("_Framed", self.app)
        bordered = self.app.size.height >= HIGH
        has_parts = bool(self.children)
        self.set_class(bordered, "-bordered", update=has_parts)
        self.set_class(bordered and app.glyphs.ascii_only, "-ascii", update=has_parts)
        return bordered

    def set_height(self, rows: int) -> None:
        """Makes room for that many rows, those above and below the text included."""
        self.query_one("#dialog", Vertical).styles.height = rows + self._frame()

    def asks_anew(self) -> None:
        """Marks that the dialog's question has changed: keys pressed before the next paint do not answer it."""
        self.painted_s, self.is_whole = None, False
        self.call_after_refresh(paint_whole, self)  # behind what a dialog itself shows then

    def too_early(self, event: events.Event) -> bool:
        """See :meth:`BackgroundScreen.too_early`."""
        if not isinstance(event, events.Key | events.Paste) or self.takes_ahead == "all":
            return False
        if self.painted_s is not None and event.time >= self.painted_s:
            return False
        if self.takes_ahead == "text":
            return isinstance(event, events.Key) and event.key == "enter"
        return not (isinstance(event, events.Key) and event.key in _LEAVES)

    @property
    def blanks(self) -> list[Row]:
        """A blank row between the parts if there is room."""
        return [BLANK] if self.app.size.height >= HIGH else []

    def room(self, shape: str = "") -> int:
        """The cells per line in a dialog of that shape (``app.tcss``)."""
        return max(1, min(WIDTHS[shape], self.app.size.width) - 2)

    def close(self, result: Result) -> None:
        """Returns ``result`` and closes. Does nothing when the dialog is already closed, as typed-ahead keys may call
        it again, or has another one on top of it: Textual would close that one."""
        if self.is_active:
            self.dismiss(result)


def take_typed(dialog: Dialog[Result], line: Input) -> None:
    """Gives the keys to the line of a dialog that opens, with what was typed before it was there."""
    dialog.set_focus(line)
    line.insert_text_at_cursor(dialog.typed_ahead)


def title_row(title: str, hidden: int, room: int) -> Row:
    """The title of a dialog, and how many rows are hidden below; the title is cut before that."""
    if not hidden:
        return (Piece(" " + title, "title"),)
    notes = (f"   {more_below(hidden)}", f"  +{hidden}")
    note = next((each for each in notes if cell_width(title) + 1 + cell_width(each) <= room), notes[-1])
    shown = title if cell_width(title) + 1 + cell_width(note) <= room else fit(title, room - 1 - cell_width(note))
    return (Piece(" " + shown, "title"), Piece(note, "muted"))


def key_rows(keys: Iterable[tuple[str, str]], room: int) -> list[Row]:
    """Keys and what they do, in as many rows as they need; no key stands apart from what it does."""
    rows: list[Row] = []
    for key, does in keys:
        option: Row = (Piece(f" {key}", "key"), Piece(f" {does}"))
        if rows and cells(rows[-1]) + 2 + cells(option) <= room:
            rows[-1] = (*rows[-1], Piece("  "), *option)
        else:
            rows.append(option)
    return wrapped(rows, room)


def word_prompt(word: str, room: int, *, goes_back: bool = False) -> str:
    """What to do where a word must be typed, in as many words as fit into ``room`` cells; ``goes_back``: esc leads to
    the page before."""
    texts = [
        _("type {word} and press enter; esc cancels", word=word),
        _("type {word}; esc cancels", word=word),
        _("type {word}", word=word),
    ]
    if goes_back:
        texts[:2] = [
            _("type {word} and press enter; esc goes back", word=word),
            _("type {word}; esc goes back", word=word),
        ]
    return next((each for each in texts if cell_width(each) <= room), fit(word, room))


STEPS = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8, "ctrl+d": 8, "ctrl+u": -8}


class MessageBody:
    """The text of a dialog, in its ``#dialog-text``: a title and rows, which scroll if they do not fit. ``around`` is
    the number of the dialog's other rows."""

    def __init__(self, dialog: Dialog[bool], title: str, rows: Sequence[Row], *, around: int) -> None:
        self._dialog, self.around = dialog, around
        self._title = title
        self._rows: list[Row] = [BLANK, *rows, BLANK]
        self._added: list[Row] = []

    def show(self) -> None:
        """Draws the rows in the available width."""
        rows = self._wrapped()
        self._dialog.set_height(len(rows) + self.around)
        self._dialog.call_after_refresh(lambda: self._paint(rows))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Appends rows below the text, replaces those of the previous call, and scrolls to them; ``drop_rows`` takes
        them away again."""
        self._added = [*rows, BLANK]
        self.show()
        self._dialog.call_after_refresh(lambda: self.scroll(self._lines, 10**6))  # only now it has its new height

    def drop_rows(self) -> None:
        """Takes away what ``add_rows`` appended."""
        if self._added:
            self._added = []
            self.show()

    def scrolls(self, event: events.Key) -> bool:
        """Scrolls the text if the key is a scroll key; returns whether it is one."""
        if event.key not in STEPS:
            return False
        event.stop()
        self.scroll(self._lines, STEPS[event.key])
        return True

    def scroll(self, lines: Lines, delta: int) -> None:
        """Scrolls ``lines`` by ``delta`` rows."""
        lines.scroll_rows(delta)
        self._paint(self._wrapped())

    def _wrapped(self) -> list[Row]:
        return wrapped([(Piece(" " + self._title, "title"),), *self._rows, *self._added], self._dialog.room())

    @property
    def _lines(self) -> Lines:
        return self._dialog.query_one("#dialog-text", Lines)

    def _paint(self, rows: list[Row]) -> None:
        if not self._dialog.is_mounted:
            return
        lines = self._lines
        lines.show(rows)
        if lines.hidden_below:
            room = self._dialog.room()
            *first, last = wrapped([(Piece(" " + self._title, "title"),)], room)
            text = "".join(piece.text for piece in last).strip()
            lines.show([*first, title_row(text, lines.hidden_below, room), *rows[len(first) + 1 :]])


class AskDialog(Dialog[bool]):
    """A dialog that returns True for enter or one of ``keys``, False for esc. ``does`` and ``stays`` are the labels of
    enter and esc."""

    def __init__(self, title: str, rows: Sequence[Row], *, does: str, stays: str, keys: Sequence[str] = ()) -> None:
        super().__init__()
        self._body = MessageBody(self, title, rows, around=3)
        self._keys = ("enter", *keys)
        self._ways = (("enter", does), ("esc", stays))

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", sticky=1, id="dialog-text")
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        rows = key_rows(self._ways, self.room())
        high = len(rows) + (self.app.size.height >= HIGH)
        keys = self.query_one("#dialog-keys", Lines)
        keys.styles.height, self._body.around = high, 1 + high
        self._body.show()
        self.call_after_refresh(lambda: keys.show(rows))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if self._body.scrolls(event):
            return
        if event.key in self._keys:
            self.close(True)
        elif event.key in ("escape", "n"):
            self.close(False)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._body.scroll(event.lines, event.delta)


class ConfirmDialog(Dialog[bool]):
    """A dialog that returns True only when exactly ``word`` was typed; after any other word it says so and stays
    open."""

    def __init__(self, title: str, rows: Sequence[Row], word: str) -> None:
        super().__init__()
        self._body = MessageBody(self, title, rows, around=2)
        self._word = word

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", sticky=1, id="dialog-text")
            yield TextField(id="dialog-input", leaves=STEPS)

    def on_mount(self) -> None:
        self.query_one("#dialog-input", Input).focus()
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        self.query_one("#dialog-input", Input).placeholder = word_prompt(clean(self._word), self.room() - PADDING)
        self._body.show()

    def on_key(self, event: events.Key) -> None:
        if not self._body.scrolls(event) and event.key == "escape":
            event.stop()
            self.close(False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.close(True)
        else:
            self._body.add_rows([not_the_word(self._word)])

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was told of the last word does not hold for this one."""
        event.stop()
        self._body.drop_rows()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._body.scroll(event.lines, event.delta)


def not_the_word(word: str) -> Row:
    """The message for a wrong word, with what to do."""
    return (
        Piece("  "),
        Piece(_("nothing was done: type {word} in full, or press esc to cancel", word=word), "failing"),
    )
