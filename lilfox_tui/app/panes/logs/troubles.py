"""Sources that cannot be read, as rows: what is wrong, since when, what comes next and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import cells, wrapped
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import _
from lilfox_tui.text import fit, human_duration

TROUBLES_SHOWN = 3
LEAST_OF_REASON = 20
"""Cells of it on any screen."""


def trouble_rows(
    troubles: Mapping[str, Unavailable], glyphs: Glyphs, *, now: datetime, zone: tzinfo, width: int, roomy: bool
) -> list[Row]:
    """One row for each of the first sources that cannot be read; where there is one, on a ``roomy`` screen, what was
    cut off it goes on below. ``now`` is the clock's (aware)."""
    rows: list[Row] = []
    for name, trouble in list(troubles.items())[:TROUBLES_SHOWN]:
        more = len(troubles) == 1 and roomy
        rows += _rows(
            f"{name}: {trouble.error}", str(trouble.error.hint), when(trouble, now, zone), glyphs, width, more
        )
    if (left := len(troubles) - TROUBLES_SHOWN) > 0:
        text = _("{count} more cannot be read; o tells of each", count=left)
        rows.append((Piece(f"   {text}", "muted"),))
    return rows


def _rows(what: str, hint: str, times: str, glyphs: Glyphs, width: int, more: bool) -> list[Row]:
    """A reason that is too long is cut: not since when it is, and when it is tried again."""
    mark, at = Piece(f" {glyphs.failing} ", "failing"), Piece(f"  {times}", "muted")
    room = max(LEAST_OF_REASON, width - cells((mark, at)))
    cut = cells((Piece(what),)) > room
    row = (mark, Piece(fit(what, room) if cut else what, "failing"), at)
    whole = (*row, Piece(f"  {hint}" if hint else "", "muted"))
    if not more or (not cut and cells(whole) <= width):
        return [whole]
    below = "  ".join(part for part in (what if cut else "", hint) if part)
    return [row, *wrapped([(Piece("   "), Piece(below, "muted"))], width)]


def when(trouble: Unavailable, now: datetime, zone: tzinfo) -> str:
    """Since when, and when it is tried again."""
    since = trouble.since.astimezone(zone).strftime("%H:%M:%S")
    then = _("r tries again")
    if trouble.next_try is not None:
        wait = round((trouble.next_try - now).total_seconds())
        then = _("next try in {time}", time=human_duration(wait)) if wait > 0 else _("trying now")
    return _("since {time}, {then}", time=since, then=then)
