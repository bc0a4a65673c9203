"""Pick one of many by typing: the host picker, the palette, the theme list and the demo's faults are this dialog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Ahead, Dialog
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import cells, wrapped
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.i18n import _

MOST_LINES = 22
LINES_BELOW = 3
_STEPS = {"down": 1, "up": -1, "ctrl+n": 1, "pagedown": 10, "pageup": -10, "ctrl+d": 10, "ctrl+u": -10}
HIGH = 16
"""Rows of a screen on which there is room for more than one line below the list."""


class Choice(Struct, frozen=True):
    """One thing to choose: its ``id``, what is shown, what typing is matched against, and whether it can be."""

    id: str
    row: Row
    words: str
    possible: bool = True
    more: str = ""
    """Said in full below the list while it is selected; of a row that is too long, what its last piece says."""


class Chooser(Dialog[str | None]):
    """Returns the chosen id, or None."""

    takes_ahead: ClassVar[Ahead] = "all"

    def __init__(self, title: str, choices: Sequence[Choice], *, wide: bool = False) -> None:
        super().__init__()
        self._shape = "wide" if wide else ""
        self._title = title
        self._choices = tuple(choices)
        self._shown = self._choices
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self._shape):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(id="dialog-input", placeholder=_("type to narrow"), select_on_focus=False, leaves=_STEPS)
            yield Lines(ground="bar", id="dialog-list")
            yield Lines(ground="bar", id="dialog-more")

    def on_mount(self) -> None:
        self._arrange()
        line = self.query_one("#dialog-input", Input)
        self.set_focus(line)
        line.insert_text_at_cursor(self.typed_ahead)
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self._show)

    def _arrange(self) -> None:
        """Gives what is said below the list as many lines as any choice needs, so that nothing jumps."""
        below = max((len(self._more(each)) for each in self._choices), default=0)
        more = self.query_one("#dialog-more", Lines)
        more.display = below > 0
        more.styles.height = below
        self.query_one("#dialog", Vertical).styles.height = min(
            len(self._choices) + (3 + below if below else 4), MOST_LINES
        )

    def _more(self, choice: Choice) -> list[Row]:
        """The lines below the list."""
        width, high = self.room(self._shape), self.app.size.height >= HIGH
        text = choice.more or (choice.row[-1].text.strip() if cells(choice.row) + 1 > width else "")
        lines = wrapped([(Piece(" "), Piece(text, "muted"))], width) if text else []
        most = LINES_BELOW if high else 1
        if len(lines) > most:
            lines = [*lines[: most - 1], (*lines[most - 1], Piece("…", "muted"))]
        return [BLANK, *lines] if high and lines else lines

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        self._shown = tuple(each for each in self._choices if all(word in each.words.lower() for word in words))
        self._at = 0
        self._show()

    def _show(self) -> None:
        rows: list[Row] = [(Piece(" "), *each.row) for each in self._shown]
        lines = self.query_one("#dialog-list", Lines)
        lines.show(rows or [(Piece(" " + _("nothing matches"), "muted"),)], selected=self._at if rows else None)
        below = Piece("   " + more_below(lines.hidden_below), "muted")
        self.query_one("#dialog-title", Lines).show([(Piece(" " + self._title, "title"), below)])
        self.query_one("#dialog-more", Lines).show(self._more(self._shown[self._at]) if rows else [])

    def on_key(self, event: events.Key) -> None:
        if event.key in _STEPS and self._shown:
            self._at = max(0, min(len(self._shown) - 1, self._at + _STEPS[event.key]))
            self._show()
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def on_input_submitted(self) -> None:
        if self._shown and self._shown[self._at].possible:
            self.close(self._shown[self._at].id)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        if event.lines.id == "dialog-list" and event.index < len(self._shown):
            self._at = event.index
            self.on_input_submitted()
