"""What the next one must know, to be read and copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events

from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.rendering.draw import Row


class Handover(Reader):
    """A reader whose text ``copy`` takes."""

    def __init__(self, rows: Sequence[Row], text: str, copy: Callable[[str], None]) -> None:
        super().__init__(rows)
        self._text, self._copy = text, copy

    def on_key(self, event: events.Key) -> None:
        if event.key == "y":
            event.stop()
            self._copy(self._text)
        else:
            super().on_key(event)
