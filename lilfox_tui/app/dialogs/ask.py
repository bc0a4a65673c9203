"""Show what will happen, and do it when it is said again: for what takes nothing away."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.app.wrap import wrapped


class Ask(Dialog[bool]):
    """Returns whether enter was pressed, or one of ``keys``. ``does`` says in a word what enter does; ``stays`` what
    esc does."""

    def __init__(self, title: str, rows: Sequence[Row], *, does: str, stays: str, keys: Sequence[str] = ()) -> None:
        super().__init__()
        self._keys = ("enter", *keys)
        self._rows: list[Row] = [
            (Piece(" " + title, "title"),),
            BLANK,
            *rows,
            BLANK,
            (Piece(" enter", "key"), Piece(f" {does}   "), Piece("esc", "key"), Piece(f" {stays}")),
        ]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(ground="bar", id="dialog-text")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        rows = wrapped(self._rows, self.room())
        self.query_one("#dialog", Vertical).styles.height = len(rows) + 2
        self.call_after_refresh(lambda: self.query_one("#dialog-text", Lines).show(rows))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if event.key in self._keys:
            self.close(True)
        elif event.key in ("escape", "n"):
            self.close(False)
