"""Show what will happen, and do it only when a word is typed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.app.widgets.text_field import TextField
from lilfox_tui.app.wrap import wrapped
from lilfox_tui.i18n import _


class Confirm(Dialog[bool]):
    """Returns True only when exactly ``word`` was typed."""

    def __init__(self, title: str, rows: Sequence[Row], word: str) -> None:
        super().__init__()
        self._rows: list[Row] = [(Piece(" " + title, "title"),), BLANK, *rows, BLANK]
        self._word = word

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", id="dialog-text")
            yield TextField(
                id="dialog-input", placeholder=_("type {word} and press enter; esc leaves", word=self._word)
            )

    def on_mount(self) -> None:
        self.query_one("#dialog-input", Input).focus()
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        rows = wrapped(self._rows, self.room())
        self.query_one("#dialog", Vertical).styles.height = len(rows) + 2
        self.call_after_refresh(lambda: self.query_one("#dialog-text", Lines).show(rows))

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self.close(False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.close(event.value.strip() == self._word)
