"""Every action with its key, and what it does; made from the registry."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from lilfox_tui.app.actions import Action, key_text
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import _
from lilfox_tui.text import fit


def help_rows(actions: Sequence[Action], glyphs: Glyphs) -> list[Row]:
    """The help page."""
    rows: list[Row] = [
        (Piece(" " + _("Keys"), "title"), Piece("   " + _("esc closes, j and k scroll"), "muted")),
        BLANK,
    ]
    for each in actions:
        keys = " ".join(key_text(key) for key in each.keys[:3])
        rows.append(
            (Piece("  " + fit(keys, 14), "key"), Piece(fit(str(each.title), 18), "strong"), Piece(str(each.help)))
        )
    rows += [BLANK, (Piece(" " + _("Signs"), "title"),), BLANK]
    for sign, role, meaning in (
        (glyphs.good, "good", _("good")),
        (glyphs.degraded, "degraded", _("degraded: a value is above its warning level, or old")),
        (glyphs.failing, "failing", _("failing, or lost")),
        (glyphs.unknown, "unknown", _("never seen yet")),
    ):
        rows.append((Piece("  "), Piece(fit(sign, 14), role), Piece(meaning)))
    return rows


class Help(ModalScreen[None]):
    """The help page over the screen."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self._rows = tuple(rows)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", sticky=2, id="dialog-text")

    def on_mount(self) -> None:
        self.query_one("#dialog", Vertical).styles.height = len(self._rows) + 2
        self.call_after_refresh(lambda: self.query_one("#dialog-text", Lines).show(self._rows))

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
            self.dismiss(None)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
