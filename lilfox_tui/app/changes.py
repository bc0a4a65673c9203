"""What changed: since the last visit, or on one host, service or backend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lilfox_tui.app.console import Console
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.core.i18n import _
from lilfox_tui.monitor.model import StatusChange

MOST = 10


def lately_rows(changes: Sequence[StatusChange], now: datetime, glyphs: Glyphs) -> list[Row]:
    """Rows for the newest ``MOST`` of ``changes`` (newest first) up to ``now``, with a title; no rows if there are
    none."""
    known = [each for each in changes if each.at <= now]
    if not known:
        return []
    rows: list[Row] = [BLANK, (Piece(" " + _("Recent changes"), "title"),)]
    for each in known[:MOST]:
        mark = Piece(glyphs.level(each.level) + " ", ROLES[each.level])
        rows.append((Piece(each.at.strftime("   %H:%M:%S "), "muted"), mark, Piece(str(each.what))))
    return rows


def changes_since_visit(app: Console) -> list[StatusChange]:
    """What changed since the last visit; on a rewound screen only up to its time."""
    until = app.rewound
    return [each for each in app.monitor.changes.since_last_visit() if until is None or each.at <= until]


def change_rows(app: Console, room: int | None = None) -> list[Row]:
    """What changed since the last visit, newest first, below two rows of title; ``room`` rows at most."""
    rows: list[Row] = [BLANK, (Piece(" " + _("SINCE YOU LAST LOOKED"), "title"),)]
    changes = changes_since_visit(app)[::-1]
    for each in changes if room is None else changes[: room - len(rows)]:
        mark = Piece(app.glyphs.level(each.level) + " ", ROLES[each.level])
        at = Piece(each.at.strftime("%m-%d %H:%M:%S  "), "muted")
        name = each.subject.partition("/")[2]
        rows.append((Piece(" "), mark, at, Piece(name + "  ", "strong"), Piece(str(each.what))))
    return rows if len(rows) > 2 else [*rows, (Piece("   " + _("nothing"), "muted"),)]
