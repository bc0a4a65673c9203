"""Rows to read over the screen: help, and what changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import Row
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.app.wrap import wrapped


class Reader(Dialog[None]):
    """``rows`` over the screen, those that are too long on several lines; the first two stay when the others scroll."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self._rows = tuple(rows)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", sticky=2, id="dialog-text")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        rows = [*self._rows[:2], *wrapped(self._rows[2:], self.room("wide") - 1)]
        self.query_one("#dialog", Vertical).styles.height = len(rows) + 2
        self.call_after_refresh(lambda: self.query_one("#dialog-text", Lines).show(rows))

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
            self.query_one("#dialog-text", Lines).scroll_rows(steps[event.key])
        elif event.key in ("escape", "question_mark", "q", "enter"):
            self.close(None)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
