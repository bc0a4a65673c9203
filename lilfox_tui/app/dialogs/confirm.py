"""Show what will happen, and do it only when a word is typed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.told import STEPS, Told
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.app.widgets.text_field import TextField
from lilfox_tui.i18n import _


class Confirm(Told):
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
