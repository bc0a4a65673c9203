"""What happened to one host, service or backend, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.app.host_rows import ROLES
from lilfox_tui.i18n import _
from lilfox_tui.monitor.model import Change

MOST = 10


def lately_rows(changes: Sequence[Change], now: datetime, glyphs: Glyphs) -> list[Row]:
    """The first ``MOST`` of ``changes`` (newest first) that are not after ``now``, under their title; none, no rows."""
    known = [each for each in changes if each.at <= now]
    if not known:
        return []
    rows: list[Row] = [BLANK, (Piece(" " + _("Lately"), "title"),)]
    for each in known[:MOST]:
        mark = Piece(glyphs.level(each.level) + " ", ROLES[each.level])
        rows.append((Piece(each.at.strftime("   %H:%M:%S "), "muted"), mark, Piece(str(each.what))))
    return rows
