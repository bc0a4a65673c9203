"""The BACKENDS lines as rows. Pure: views in, rows out."""

from __future__ import annotations

from datetime import datetime

from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, TableStyle
from lilfox_tui.i18n import _, clauses
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView
from lilfox_tui.text import clean, fit, human_duration

_NAME_WIDTH = 14
_KIND_WIDTH = 10
_TREND_WIDTH = 8
_WIDE = 72
_TREND_FROM = 100
"""Cells from which there is room for a trend beside all figures of a database."""


def backend_row(view: BackendView, now: datetime, style: TableStyle) -> Row:
    """One backend: its figures and what is wrong, or why there are none."""
    wide = style.width >= _WIDE
    pieces = [
        Piece(" "),
        Piece(style.glyphs.level(view.level), ROLES[view.level]),
        Piece(" "),
        Piece(fit(clean(view.name), _NAME_WIDTH), "strong"),
        Piece("  "),
    ]
    if wide:
        pieces += [Piece(fit(view.config.kind, _KIND_WIDTH), "muted"), Piece("  ")]
    if view.outage is not None or not view.figures:
        return (*pieces, Piece(why_no_figures(view, now), ROLES[view.level]))
    if style.width >= _TREND_FROM and style.sparklines:
        recent = (style.recent or {}).get(f"backend/{view.name}") or ()
        pieces += [Piece(fit(spark(recent, _TREND_WIDTH, style.glyphs), _TREND_WIDTH), "chart"), Piece("  ")]
    for figure in view.figures:
        role = "text" if figure.level is Level.GOOD else ROLES[figure.level]
        pieces += [Piece(str(figure.text), role), Piece("  ")]
    if view.reading is not None and view.reading.incomplete is not None:
        pieces += [Piece(_("incomplete"), "degraded"), Piece("  ")]
    said = {str(figure.text) for figure in view.figures}
    if why := clauses(reason for reason in map(str, view.reasons) if reason not in said):
        pieces.append(Piece(why, ROLES[view.level]))
    return tuple(pieces)


def why_no_figures(view: BackendView, now: datetime) -> str:
    """Since when there are none, when the next try is, and why; the times first, since the reason may be cut."""
    if view.outage is None:
        return clauses(map(str, view.reasons)) or _("not asked yet")
    age = human_duration(round((now - view.outage.since).total_seconds()))
    why = str(view.outage.error.message)
    if view.outage.next_try is None:
        return _("no answer for {age}: {why}", age=age, why=why)
    wait_s = round((view.outage.next_try - now).total_seconds())
    if wait_s <= 0:
        return _("no answer for {age}, trying now: {why}", age=age, why=why)
    return _("no answer for {age}, next try in {wait}: {why}", age=age, wait=human_duration(wait_s), why=why)
