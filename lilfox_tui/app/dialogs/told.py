"""What is read before something is done: never cut off in silence, however small the screen."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.containers import Vertical

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.app.wrap import wrapped

STEPS = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8, "ctrl+d": 8, "ctrl+u": -8}


class Told(Dialog[bool]):
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
