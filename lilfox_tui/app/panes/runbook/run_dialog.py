"""Show a command as it will run, where and what it changes, and run it only when that is said again."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.dialogs.messages import not_the_word
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.i18n import _


class RunDialog(Dialog[bool]):
    """Whether enter was pressed, or where there is a ``word`` whether exactly that was typed; of another one it says
    so, and stays. ``about`` stands above the command, whose ``text`` scrolls where there is not room for all of it."""

    def __init__(self, title: str, about: Sequence[Row], text: Sequence[Row], word: str = "") -> None:
        super().__init__()
        self._title, self._about, self._text, self._word = title, tuple(about), tuple(text), word

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield Lines(ground="bar", id="dialog-about")
            yield Lines(ground="bar", id="dialog-text")
            yield TextField(
                id="dialog-input", placeholder=_("type {word} and press enter; esc leaves", word=self._word)
            )
            yield Lines(ground="bar", id="dialog-keys")

    def on_mount(self) -> None:
        line = self.query_one("#dialog-input", Input)
        line.display = bool(self._word)
        if self._word:
            self.set_focus(line)
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        room = self.room("wide")
        about, text = wrapped(self._about, room), wrapped(self._text, room)
        roomy = self.app.size.height >= 16
        blanks: list[Row] = [BLANK] if roomy else []
        head = [*blanks, *about, *blanks]
        self.query_one("#dialog-about", Lines).styles.height = len(head)
        self.query_one("#dialog", Vertical).styles.height = len(head) + len(text) + 3 + len(blanks) + bool(self._word)
        self.query_one("#dialog-about", Lines).show(head)
        keys = self.query_one("#dialog-keys", Lines)
        keys.styles.height = 1 + len(blanks)
        self.call_after_refresh(self._show, text, blanks)

    def _show(self, text: Sequence[Row], blanks: Sequence[Row]) -> None:
        lines = self.query_one("#dialog-text", Lines)
        lines.show(text)
        run, leave = _("run it"), _("leave it")
        enter: Row = () if self._word else (Piece(" enter", "key"), Piece(f" {run}  "))
        keys: Row = (*enter, Piece(" esc", "key"), Piece(f" {leave}  "))
        self.query_one("#dialog-keys", Lines).show([*blanks, keys])
        self._title_row(lines)

    def _title_row(self, lines: Lines) -> None:
        more = more_below(lines.hidden_below)
        row: Row = (Piece(" " + self._title, "title"), Piece(f"   {more}" if more else "", "muted"))
        self.query_one("#dialog-title", Lines).show([row])

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}
        if event.key in steps:
            lines = self.query_one("#dialog-text", Lines)
            lines.scroll_rows(steps[event.key])
            self._title_row(lines)
            event.stop()
        elif event.key == "escape":
            event.stop()
            self.close(False)
        elif event.key == "enter" and not self._word:
            event.stop()
            self.close(True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.close(True)
        elif self._about[-1:] != (wrong := (not_the_word(self._word),)):
            self._about += wrong
            self._arrange()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
