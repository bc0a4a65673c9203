"""Dialogs that ask: choose by typing, enter a line of text, or pick one of a few options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from msgspec import Struct
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.actions import key_text
from lilfox_tui.app.dialogs.messages import HIGH, PADDING, Ahead, Dialog, key_rows, take_typed, title_row
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import squeezed
from lilfox_tui.app.textual_internals import lay_out_now
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import brief, cell_width, fit

MOST_LINES = 22
_AROUND_TALL = 8
"""Rows of the screen that are seen around a tall dialog."""
LINES_BELOW = 3


def in_list(height: int) -> int:
    """The rows of a list in a dialog, on a screen of that ``height``."""
    return height * 6 // 10


_KEPT = "kept-chooser"
_STEPS = {"down": 1, "up": -1, "ctrl+n": 1, "pagedown": 10, "pageup": -10, "ctrl+d": 10, "ctrl+u": -10}


_MARGIN, _LEAST_TEXT = 1, 12
"""Blank cells at the right of a line, and cells of what a choice does, if it says that."""


_ALIGNED = 60
"""Cells from which the texts of all choices begin below each other."""


class Choice(Struct, frozen=True):
    """One thing to choose: its ``id``, its label, the text that typing is matched against, and whether it is
    enabled."""

    id: str
    row: Row
    words: str
    possible: bool = True
    title: bool = False
    """Whether it only says what is below it: it is never selected."""
    more: str = ""
    """Said in full below the list while it is selected; of a row that is too long, what its last piece says."""
    names: tuple[str, ...] = ()
    """If one of these is typed in full or begun, the choice comes before those that only have the words in their
    text."""
    keys: Piece | None = None
    """Stands at the right end of its line, which has of its last piece what can stand alone there."""

    def line(self, width: int) -> tuple[Row, str]:
        """Its line of at most ``width`` cells, and what is said below the list: all that the line has no room for."""
        if self.keys is None:
            row = self._narrow(width)
            return row, self.more or (self.row[-1].text.strip() if cells(row) > width else "")
        keys = (Piece("  "), self.keys) if self.keys.text else ()
        *titled, told = (Piece(" "), *self.row)
        room = width - _MARGIN - cells((*titled, *keys))
        if cell_width(brief(told.text, room)) > room:
            *titled, told = self._narrow(width - _MARGIN - cells(keys))
            room = width - _MARGIN - cells((*titled, *keys))
        if room < _LEAST_TEXT:  # a few letters would say nothing
            return (*titled, Piece(" " * max(0, room)), *keys), told.text
        shown = brief(told.text, room)
        whole = shown == told.text and cell_width(shown) <= room
        return (*titled, Piece(fit(shown, room), told.role), *keys), "" if whole else told.text

    def _narrow(self, width: int) -> Row:
        """Its row; on a narrow screen what would be cut has the blanks of the columns before it."""
        row = (Piece(" "), *self.row)
        return squeezed(row, width) if width < _ALIGNED else row

    def rank(self, typed: str) -> tuple[bool, bool, bool]:
        """The order among the choices that match what is typed; first if it is a name, then by whether it is
        enabled."""
        names = [name.lower() for name in self.names]
        return typed not in names, not self.possible, not any(name.startswith(typed) for name in names)


class Chooser(Dialog[str | None]):
    """A dialog that returns the chosen id, or None. It opens with choice ``at`` selected; ``moved`` gets the id of each
    choice that is selected later. ``rows`` is the widget of the list, with the id ``dialog-list``. ``does`` says what
    enter does with the selected one; None if nothing can be chosen. ``others`` returns choices that only typing finds:
    it is called once, when something is typed. ``tall`` is for what is read as a whole: it takes the screen's
    height. ``anew`` returns the choices as they are once something else is shown behind the dialog; the same one stays
    selected."""

    takes_ahead: ClassVar[Ahead] = "all"

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        wide: bool = False,
        tall: bool = False,
        at: int = 0,
        moved: Callable[[str], None] | None = None,
        rows: Lines | None = None,
        does: str | None = "",
        others: Callable[[], Sequence[Choice]] | None = None,
        anew: Callable[[], Sequence[Choice]] | None = None,
    ) -> None:
        super().__init__()
        self._does, self._moved, self._anew = does, moved, anew
        self._shape = "wide" if wide else ""
        self._tall = tall
        self._rows = rows or Lines(ground="bar", id="dialog-list")
        self._begin(title, choices, at, others)

    def _begin(
        self, title: str, choices: Sequence[Choice], at: int, others: Callable[[], Sequence[Choice]] | None
    ) -> None:
        self._title, self._others = title, others
        self._choices = self._shown = tuple(choices)
        self._at = self._past_titles(at, 1)
        self._words: list[str] = []
        self._below = 0
        """The lines below the list."""

    def open_again(
        self, title: str, choices: Sequence[Choice], others: Callable[[], Sequence[Choice]] | None = None
    ) -> None:
        """Asks as if it had been made for this. To be called as soon as it was pushed another time."""
        self._begin(title, choices, 0, others)
        line = self.query_one("#dialog-input", Input)
        with line.prevent(Input.Changed):
            line.value = ""
        self._rows.show([], top=0)
        self.begins()
        self._arrange()
        lay_out_now(self)  # its height may be another one than last time
        self.set_focus(line)
        self._show()

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self._shape):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(id="dialog-input", select_on_focus=False, leaves=_STEPS)
            yield self._rows
            yield Lines(ground="bar", id="dialog-more")

    def on_mount(self) -> None:
        if not self._has_parts():
            return
        self._arrange()
        take_typed(self, self.query_one("#dialog-input", Input))
        self._show()  # it is painted whole at once, but for what is known of its height after that
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        if self._has_parts():
            self._below = 0
            self._arrange()
            self.call_after_refresh(self._show)

    def _has_parts(self) -> bool:
        """False once it was closed: it may be mounted, or get another size, while its parts are removed."""
        return bool(self.query("#dialog-more"))

    def _arrange(self) -> None:
        """Makes room for the list and for as many lines below it as any choice needs, so that the layout does not jump
        from one to the next. The list has these lines while the selected one needs none."""
        self.query_one("#dialog-input", Input).placeholder = self._hint(self.room(self._shape) - PADDING)
        below = self._below = max([self._below, *(len(self._more(each)) for each in self._choices)])
        self.query_one("#dialog-more", Lines).styles.height = below
        high = self.app.size.height
        most = max(MOST_LINES, high - _AROUND_TALL if self._tall else in_list(high) + 3 + below)
        self.set_height(min(len(self._choices) + (3 + below if below else 4), most))

    def _hint(self, room: int) -> str:
        """What can be typed and pressed, in as many words as fit into ``room`` cells."""
        texts = [_("type to filter; esc closes")]
        if self._does is not None:
            does = self._does or _("chooses")
            texts = [
                _("type to filter; enter {does}, esc closes", does=does),
                _("enter {does}, esc closes", does=does),
                *texts,
            ]
        return next((each for each in texts if cell_width(each) <= room), texts[-1])

    def _more(self, choice: Choice) -> list[Row]:
        """Return the lines below the list that describe a choice."""
        width, high = self.room(self._shape), self.app.size.height >= HIGH
        _line, text = choice.line(width)
        lines = wrapped([(Piece(" "), Piece(text, "muted"))], width) if text else []
        most = LINES_BELOW if high else 1
        if len(lines) > most:
            lines = [*lines[: most - 1], (*lines[most - 1], Piece("…", "muted"))]
        return [BLANK, *lines] if high and lines else lines

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        if words == self._words or event.value != event.input.value or not self.is_active:
            return  # or it was typed before it was closed, or opened again
        self._words = words
        if words and self._others is not None:
            found, self._others = self._others(), None
            self._choices = (*self._choices, *found)
            self._arrange()  # one of them may need more lines below the list
        self._narrow_list()
        self._move_to(0, 1)

    def _narrow_list(self) -> None:
        """Finds the choices that match what is typed."""
        words = self._words
        self._shown = tuple(each for each in self._choices if all(word in each.words.lower() for word in words))
        if words:
            self._shown = tuple(sorted(self._shown, key=lambda each: each.rank(" ".join(words))))

    def look_again(self) -> None:
        """Shows the choices as they are now; what is typed and selected stays."""
        if self._anew is None or not self._has_parts():
            return
        chosen = self._shown[self._at].id if self._shown else ""
        self._choices = tuple(self._anew())
        self._narrow_list()
        ids = [each.id for each in self._shown]
        self._at = ids.index(chosen) if chosen in ids else self._past_titles(min(self._at, max(0, len(ids) - 1)), 1)
        self._arrange()
        self._show()

    def _past_titles(self, at: int, direction: int) -> int:
        """The nearest choice that is no title, from ``at`` on, else on its other side; ``at`` without any."""
        if not self._shown:
            return at
        onward = range(at, len(self._shown)) if direction > 0 else range(at, -1, -1)
        back = range(at, -1, -1) if direction > 0 else range(at, len(self._shown))
        return next((each for each in (*onward, *back) if not self._shown[each].title), at)

    def _move_to(self, at: int, direction: int) -> None:
        self._at = self._past_titles(at, direction)
        self._show()
        if self._moved is not None and self._shown:
            self._moved(self._shown[self._at].id)

    def _show(self) -> None:
        if not self._has_parts():
            return
        width = self.room(self._shape)
        rows = [each.line(width)[0] for each in self._shown]
        told = self._more(self._shown[self._at]) if rows else []
        more = self.query_one("#dialog-more", Lines)
        if more.display != bool(told):
            more.display = bool(told)
            self.call_after_refresh(self._show)
        lines = self.query_one("#dialog-list", Lines)
        lines.show(rows or [(Piece(" " + _("nothing matches"), "muted"),)], selected=self._at if rows else None)
        title = title_row(self._title, lines.hidden_below, self.room(self._shape))
        self.query_one("#dialog-title", Lines).show([title])
        more.show(told)

    def on_key(self, event: events.Key) -> None:
        if event.key in _STEPS and self._shown:
            step = _STEPS[event.key]
            self._move_to(max(0, min(len(self._shown) - 1, self._at + step)), step)
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def on_input_submitted(self) -> None:
        if self._shown and self._shown[self._at].possible:
            self.close(self._shown[self._at].id)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        if event.lines.id == "dialog-list" and event.index < len(self._shown) and not self._shown[event.index].title:
            self._at = event.index
            self.on_input_submitted()


class KeptChooser:
    """Opens lists of choices in one dialog, which is composed once: that takes longer than to fill it."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._dialog: Chooser | None = None
        self._theme = ""

    def open(
        self,
        title: str,
        choices: Sequence[Choice],
        take: Callable[[str | None], None],
        others: Callable[[], Sequence[Choice]] | None = None,
    ) -> None:
        """Shows ``choices``; ``take`` gets the result. See :class:`Chooser`."""
        app, kept = self._app, self._dialog
        if kept is not None and (app.theme != self._theme or kept in app.screen_stack or not kept.is_mounted):
            app.uninstall_screen(kept)
            if kept not in app.screen_stack:
                kept.remove()
            kept = None
        if kept is not None:
            app.push_screen(kept, take)
            kept.open_again(title, choices, others)
            return
        self._dialog, self._theme = Chooser(title, choices, wide=True, others=others), app.theme
        app.install_screen(self._dialog, _KEPT)
        app.push_screen(self._dialog, take)


# Ask for a line of text, with what is to be known before it is typed; what is refused says why.


_MOST_CHOICES_SHOWN = 8
_AROUND_OFFERS = 4
"""Rows of a small screen beside the offers and what is below them: the edge, the title, a row of text, the input."""


class PromptOffer(NamedTuple):
    """A row that can be chosen, and the text that it puts into the input line; None leaves the line unchanged."""

    row: Row
    text: str | None


class PromptAnswer(NamedTuple):
    """The typed text and the index of the chosen row (0 where there are no rows)."""

    text: str
    at: int


class Prompt(Dialog[PromptAnswer | None]):
    """A dialog for a line of text: returns the answer, or None on esc. ``check`` returns the text to use, or raises
    LilFoxError, which is shown. Input is hidden if ``secret``. ``does`` and ``stays`` are the labels of enter and
    esc."""

    takes_ahead: ClassVar[Ahead] = "text"

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        check: Callable[[str], str] = str,
        text: str = "",
        placeholder: str = "",
        secret: bool = False,
        offers: Sequence[PromptOffer] = (),
        at: int = 0,
        does: str = "",
        stays: str = "",
    ) -> None:
        super().__init__()
        self._title, self._body, self._check = title, tuple(rows), check
        self._first, self._placeholder, self._secret = text, placeholder, secret
        self._offers, self._at = tuple(offers), at
        self._does, self._stays = does or _("accept"), stays or _("go back")
        self._refused: LilFoxError | None = None

    def compose(self) -> ComposeResult:
        line = TextField(self._first, id="dialog-input", placeholder=self._placeholder, select_on_focus=False)
        line.password = self._secret
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield Lines(ground="bar", id="dialog-text")
            yield line
            yield Lines(ground="bar", id="dialog-list")
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        line = self.query_one("#dialog-input", Input)
        line.cursor_position = len(line.value)
        take_typed(self, line)
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room, blanks = self.room("wide"), self.blanks
        rows = [*blanks, *wrapped(self._body, room), *blanks]
        below = self._below(room)
        left = self.app.size.height - len(below) - _AROUND_OFFERS
        shown = max(0, min(len(self._offers), max(_MOST_CHOICES_SHOWN, in_list(self.app.size.height)), left))
        self.set_height(len(rows) + shown + len(below) + 3)
        for name, height in (("#dialog-list", shown), ("#dialog-keys", len(below))):
            part = self.query_one(name, Lines)
            part.display, part.styles.height = height > 0, height
        self.call_after_refresh(self._show, rows, below)

    def _show(self, rows: Sequence[Row], below: Sequence[Row]) -> None:
        self.query_one("#dialog-text", Lines).show(rows)
        self.query_one("#dialog-keys", Lines).show(below)
        self._show_title()
        self._show_offers()

    def _show_title(self) -> None:
        hidden = self.query_one("#dialog-text", Lines).hidden_below
        self.query_one("#dialog-title", Lines).show([title_row(self._title, hidden, self.room("wide"))])

    def _show_offers(self) -> None:
        offers: list[Row] = [(Piece("  "), *each.row) for each in self._offers]
        self.query_one("#dialog-list", Lines).show(offers, selected=self._at if offers else None)

    def _below(self, room: int) -> list[Row]:
        """The rows below the input: why the last input was rejected, then the keys."""
        keys = [("enter", self._does), ("esc", self._stays)]
        if self._offers:
            keys.insert(0, ("up down", _("choose")))
        rows = key_rows(keys, room)
        if self._refused is None:
            return [*self.blanks, *rows]
        refused: list[Row] = [(Piece(" "), Piece(str(self._refused.message), "failing"))]
        if str(self._refused.hint) and self.blanks:
            refused.append((Piece(" "), Piece(str(self._refused.hint), "muted")))
        return [*wrapped(refused, room), *rows]

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1}
        if event.key in steps and self._offers:
            self._at = max(0, min(len(self._offers) - 1, self._at + steps[event.key]))
            if (text := self._offers[self._at].text) is not None:
                line = self.query_one("#dialog-input", Input)
                line.value, line.cursor_position = text, len(text)
            self._show_offers()
            event.stop()
        elif event.key in ("pagedown", "pageup"):
            self.query_one("#dialog-text", Lines).scroll_rows(10 if event.key == "pagedown" else -10)
            self._show_title()
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        offered = self._offers[self._at].text if self._offers else None
        try:
            text = self._check(event.value or offered or "")
        except LilFoxError as error:
            self._refused = error
            self._arrange()
        else:
            self.close(PromptAnswer(text, self._at))

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)


# Say how things are, and let a person choose among a few ways on, each by one key.


class Option(Struct, frozen=True):
    """An option: its key (Textual's name), its label, and the id that it returns."""

    key: str
    does: str
    id: str


class OptionsDialog(Dialog[str | None]):
    """A dialog that returns the id of the chosen option; None on esc. ``rows`` scroll when they do not fit."""

    def __init__(self, title: str, rows: Sequence[Row], options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._body, self._options = title, tuple(rows), tuple(options)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield Lines(ground="bar", id="dialog-text")
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room, blanks = self.room("wide"), self.blanks
        rows = [*blanks, *wrapped(self._body, room), *blanks]
        keys = key_rows([*((key_text(each.key), each.does) for each in self._options), ("esc", _("go back"))], room)
        self.set_height(len(rows) + len(keys) + 2)
        self.query_one("#dialog-keys", Lines).styles.height = len(keys)
        self.call_after_refresh(self._show, rows, keys)

    def _show(self, rows: Sequence[Row], keys: Sequence[Row]) -> None:
        """Shows everything at once, so that the keys never appear before the text they refer to."""
        self.query_one("#dialog-text", Lines).show(rows)
        self.query_one("#dialog-keys", Lines).show(keys)
        self._scroll(0)

    def _scroll(self, delta: int) -> None:
        """Scrolls the text; the title shows how many rows are below."""
        lines = self.query_one("#dialog-text", Lines)
        lines.scroll_rows(delta)
        self.query_one("#dialog-title", Lines).show([title_row(self._title, lines.hidden_below, self.room("wide"))])

    def on_key(self, event: events.Key) -> None:
        event.stop()
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
        if event.key in steps:
            self._scroll(steps[event.key])
        elif event.key == "escape":
            self.close(None)
        else:
            for each in self._options:
                if each.key == event.key:
                    self.close(each.id)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._scroll(event.delta)
