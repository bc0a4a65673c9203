"""Rows to read over the screen: help, and what changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.app.wrap import wrapped


class Reader(Dialog[None]):
    """``rows`` over the screen, those that are too long on several lines; the first two stay when the others scroll."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self._rows = tuple(rows)
        self._lines: list[Row] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", sticky=2, id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        self._lines = wrapped(self._rows[2:], self.room("wide") - 1)
        self.query_one("#dialog", Vertical).styles.height = len(self._lines) + 4
        self.call_after_refresh(self._scroll, 0)

    def _scroll(self, delta: int) -> None:
        """Moves the rows by ``delta``; the title tells how many are below."""
        lines = self.query_one("#dialog-text", Lines)
        top = max(0, min(lines.top + delta, len(self._lines) - lines.room))
        below = len(self._lines) - top - lines.room
        title: Row = (*self._rows[0], Piece("   " + more_below(below), "muted"))
        lines.show([title, *self._rows[1:2], *self._lines], top=top)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        steps = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "pagedown": 10,
            "space": 10,
            "pageup": -10,
            "g": -9999,
            "G": 9999,
        }
        if event.key in steps:
            self._scroll(steps[event.key])
        elif event.key in ("escape", "question_mark", "q", "enter"):
            self.close(None)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._scroll(event.delta)
