"""Say how things are, and let a person choose among a few ways on, each by one key."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.actions import key_text
from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import _


class Option(Struct, frozen=True):
    """A way on: its key (Textual's name), what it does, and what is then given."""

    key: str
    does: str
    id: str


class Options(Dialog[str | None]):
    """Gives the id of what was chosen; None for esc. ``rows`` scroll where there is not room for all."""

    def __init__(self, title: str, rows: Sequence[Row], options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._body, self._options = title, tuple(rows), tuple(options)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield Lines(ground="bar", id="dialog-text")
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room = self.room("wide")
        rows = [BLANK, *wrapped(self._body, room), BLANK]
        keys = wrapped([self._keys()], room)
        self.query_one("#dialog", Vertical).styles.height = len(rows) + len(keys) + 2
        self.query_one("#dialog-keys", Lines).styles.height = len(keys)
        self.call_after_refresh(self._show, rows, keys)

    def _show(self, rows: Sequence[Row], keys: Sequence[Row]) -> None:
        """All at once: what the keys do is not seen before what they are about."""
        self.query_one("#dialog-title", Lines).show([(Piece(" " + self._title, "title"),)])
        self.query_one("#dialog-text", Lines).show(rows)
        self.query_one("#dialog-keys", Lines).show(keys)

    def _keys(self) -> Row:
        ways = [(key_text(each.key), each.does) for each in self._options]
        ways.append(("esc", _("leave it")))
        return tuple(piece for key, does in ways for piece in (Piece(f" {key}", "key"), Piece(f" {does}  ")))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
        if event.key in steps:
            self.query_one("#dialog-text", Lines).scroll_rows(steps[event.key])
        elif event.key == "escape":
            self.close(None)
        else:
            for each in self._options:
                if each.key == event.key:
                    self.close(each.id)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
