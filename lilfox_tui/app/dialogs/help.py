"""Every action with its key, and what it does; made from the registry."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.app.actions import Action, key_text
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.i18n import _
from lilfox_tui.text import cell_width, fit


def help_rows(actions: Sequence[Action], glyphs: Glyphs) -> list[Row]:
    """The help page."""
    rows: list[Row] = [
        (Piece(" " + _("Keys"), "title"), Piece("   " + _("esc closes, j and k scroll"), "muted")),
        BLANK,
    ]
    keys = [" ".join(key_text(key) for key in each.keys[:3]) for each in actions]
    widths = max(map(cell_width, keys)) + 2, max(cell_width(str(each.title)) for each in actions) + 2
    for each, shown in zip(actions, keys, strict=True):
        title = Piece(fit(str(each.title), widths[1]), "strong")
        rows.append((Piece("  " + fit(shown, widths[0]), "key"), title, Piece(str(each.help))))
    rows += [BLANK, (Piece(" " + _("Signs"), "title"),), BLANK]
    for sign, role, meaning in (
        (glyphs.good, "good", _("good")),
        (glyphs.degraded, "degraded", _("degraded: a value is above its warning level, or old")),
        (glyphs.failing, "failing", _("failing, or lost")),
        (glyphs.unknown, "unknown", _("never seen yet")),
        (
            glyphs.alert,
            "failing",
            _("an alert that fires; alerts come from rule files that the config names: rules: [FILE]"),
        ),
    ):
        rows.append((Piece("  "), Piece(fit(sign, 14), role), Piece(meaning)))
    return rows
