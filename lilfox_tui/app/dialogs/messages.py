"""Dialogs that show what will happen: read it, agree to it by a key, or agree by typing a word."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.i18n import _

STEPS = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8, "ctrl+d": 8, "ctrl+u": -8}


class MessageDialog(Dialog[bool]):
    """``#dialog-text`` has the rows under their title, and scrolls where they are more than the screen has."""

    around = 2
    """Rows of the dialog that are not text."""

    def __init__(self, title: str, rows: Sequence[Row]) -> None:
        super().__init__()
        self._rows: list[Row] = [(Piece(" " + title, "title"),), BLANK, *rows, BLANK]
        self._added: list[Row] = []

    def on_mount(self) -> None:
        self.show_text()

    def on_resize(self) -> None:
        self.show_text()

    def show_text(self) -> None:
        """Draws the rows in the width that there is."""
        rows = wrapped([*self._rows, *self._added], self.room())
        self.query_one("#dialog", Vertical).styles.height = len(rows) + self.around
        self.call_after_refresh(lambda: self._paint(rows))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Says more below the rest, in place of what was said there before, and brings that into sight."""
        self._added = [*rows, BLANK]
        self.show_text()
        self.call_after_refresh(lambda: self.query_one("#dialog-text", Lines).scroll_rows(10**6))

    def _paint(self, rows: list[Row]) -> None:
        if not self.is_mounted:
            return
        lines = self.query_one("#dialog-text", Lines)
        lines.show(rows)
        if lines.hidden_below:
            lines.show([(*rows[0], Piece("   " + more_below(lines.hidden_below), "accent")), *rows[1:]])

    def scrolls(self, event: events.Key) -> bool:
        """Moves the text where the key asks for that."""
        if event.key not in STEPS:
            return False
        event.stop()
        self.query_one("#dialog-text", Lines).scroll_rows(STEPS[event.key])
        self._paint(wrapped([*self._rows, *self._added], self.room()))
        return True

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        self._paint(wrapped([*self._rows, *self._added], self.room()))


class AskDialog(MessageDialog):
    """Returns whether enter was pressed, or one of ``keys``. ``does`` says in a word what enter does; ``stays`` what
    esc does."""

    around = 3

    def __init__(self, title: str, rows: Sequence[Row], *, does: str, stays: str, keys: Sequence[str] = ()) -> None:
        super().__init__(title, rows)
        self._keys = ("enter", *keys)
        self._choice: Row = (Piece(" enter", "key"), Piece(f" {does}   "), Piece("esc", "key"), Piece(f" {stays}"))

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", sticky=1, id="dialog-text")
            yield Lines(ground="bar", id="dialog-keys")

    def show_text(self) -> None:
        super().show_text()
        self.call_after_refresh(lambda: self.query_one("#dialog-keys", Lines).show([self._choice]))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if self.scrolls(event):
            return
        if event.key in self._keys:
            self.close(True)
        elif event.key in ("escape", "n"):
            self.close(False)


class ConfirmDialog(MessageDialog):
    """Returns True only when exactly ``word`` was typed; of another one it says so, and stays."""

    def __init__(self, title: str, rows: Sequence[Row], word: str) -> None:
        super().__init__(title, rows)
        self._word = word

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", sticky=1, id="dialog-text")
            yield TextField(
                id="dialog-input",
                placeholder=_("type {word} and press enter; esc leaves", word=self._word),
                leaves=STEPS,
            )

    def on_mount(self) -> None:
        self.query_one("#dialog-input", Input).focus()
        super().on_mount()

    def on_key(self, event: events.Key) -> None:
        if not self.scrolls(event) and event.key == "escape":
            event.stop()
            self.close(False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.close(True)
        else:
            self.add_rows([not_the_word(self._word)])


def not_the_word(word: str) -> Row:
    """That something else was typed than the word, and what to do."""
    return (Piece("  "), Piece(_("nothing was done: type {word} in full, or esc leaves", word=word), "failing"))
