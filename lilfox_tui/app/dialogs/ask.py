"""Show what will happen, and do it when it is said again: for what takes nothing away."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.told import Told
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.widgets.lines import Lines


class Ask(Told):
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
