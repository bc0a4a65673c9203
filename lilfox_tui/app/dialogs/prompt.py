"""Ask for a line of text, with what is to be known before it is typed; what is refused says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Ahead, Dialog
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _

_MOST_CHOICES_SHOWN = 8


class PromptOffer(NamedTuple):
    """A row that can be chosen, and the text that it puts into the line; None: the line stays as it is."""

    row: Row
    text: str | None


class PromptAnswer(NamedTuple):
    """What was typed, and which row was chosen (0 where there are none)."""

    text: str
    at: int


class Prompt(Dialog[PromptAnswer | None]):
    """Gives the answer that ``check`` takes (it gives the text as it is used, or raises LilFoxError), or None. What is
    typed is not shown where it is ``secret``. ``does`` and ``stays`` say in a word what enter and esc do."""

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
        self._does, self._stays = does or _("take it"), stays or _("leave it")
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
        self.set_focus(line)
        line.cursor_position = len(line.value)
        line.insert_text_at_cursor(self.typed_ahead)
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room = self.room("wide")
        rows = [BLANK, *wrapped(self._body, room), BLANK]
        shown = min(len(self._offers), _MOST_CHOICES_SHOWN)
        below = wrapped(self._below(), room)
        self.query_one("#dialog", Vertical).styles.height = len(rows) + shown + len(below) + 3
        for name, height in (("#dialog-list", shown), ("#dialog-keys", len(below))):
            part = self.query_one(name, Lines)
            part.display, part.styles.height = height > 0, height
        self.call_after_refresh(self._show, rows, below)

    def _show(self, rows: Sequence[Row], below: Sequence[Row]) -> None:
        self.query_one("#dialog-title", Lines).show([(Piece(" " + self._title, "title"),)])
        self.query_one("#dialog-text", Lines).show(rows)
        self.query_one("#dialog-keys", Lines).show(below)
        self._show_offers()

    def _show_offers(self) -> None:
        offers: list[Row] = [(Piece("  "), *each.row) for each in self._offers]
        self.query_one("#dialog-list", Lines).show(offers, selected=self._at if offers else None)

    def _below(self) -> list[Row]:
        """Why the last one was refused, then the keys."""
        keys = [("enter", self._does), ("esc", self._stays)]
        if self._offers:
            keys.insert(0, ("up down", _("choose")))
        row: Row = tuple(piece for key, does in keys for piece in (Piece(f" {key}", "key"), Piece(f" {does}  ")))
        if self._refused is None:
            return [BLANK, row]
        refused: Row = (Piece(" "), Piece(str(self._refused.message), "failing"))
        hint: list[Row] = [(Piece(" "), Piece(str(self._refused.hint), "muted"))] if str(self._refused.hint) else []
        return [refused, *hint, row]

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
