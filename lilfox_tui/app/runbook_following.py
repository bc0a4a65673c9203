"""The line of a run in which somebody else acts, and what is asked before we act instead. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.i18n import _
from lilfox_tui.runbook.states import Asked


def following_text(asked: Asked, who: str, *, here: str) -> str:
    """What there is instead of keys; ``here`` names the step and where it runs, empty at the end."""
    if asked == "end":
        return _("all steps are done; {who} acts, you follow: O takes over", who=who)
    if asked == "nothing":
        return _("a command runs; {who} acts, you follow: O takes over", who=who)
    return _("{what} waits for {who}, who acts; you follow: O takes over", what=here, who=who)


def take_over_rows(leader: str, runs: Sequence[tuple[str, str]]) -> list[Row]:
    """Who acts now: in the incident (empty without one), and in runs (title, who)."""
    rows: list[Row] = []
    if leader:
        rows.append((Piece("  "), Piece(_("{who} acts now, and follows from then on.", who=leader))))
    for title, who in runs:
        rows.append((Piece("  "), Piece(_("{title}: {who} acts now", title=title, who=who))))
    told = _("What runs goes on. It is written down, and told on their screen.")
    return [*rows, BLANK, (Piece("  "), Piece(told, "muted"))]
