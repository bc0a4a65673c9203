"""The SERVICES table as rows. Pure: views in, rows out."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from lilfox_tui.app.chart import spark
from lilfox_tui.app.columns import Column, choose, heading, line
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.host_rows import INDENT, ROLES, TableStyle
from lilfox_tui.i18n import _
from lilfox_tui.metrics.model import Health
from lilfox_tui.monitor.model import ServiceView
from lilfox_tui.text import short_age


class _Value(Struct, frozen=True):
    view: ServiceView
    now: datetime
    style: TableStyle


def health_word(health: Health) -> str:
    """The manual's word for a health."""
    return {Health.HEALTHY: _("healthy"), Health.UNHEALTHY: _("unhealthy"), Health.ERROR: _("error")}[health]


def _code(value: _Value) -> Row:
    state = value.view.state
    if state is None:
        return (Piece("-", "muted"),)
    role = "text" if state.last.health is Health.HEALTHY else ROLES[value.view.level]
    return (Piece(str(state.last.status_code or "-"), role),)


def _time(value: _Value) -> Row:
    state = value.view.state
    seconds = None if state is None else state.last.response_time_s
    return (Piece(value.style.digits.duration(seconds)),)


def _trend(value: _Value) -> Row:
    recent = (value.style.recent or {}).get(f"service/{value.view.name}")
    if not value.style.sparklines or not recent:
        return ()
    return (Piece(spark(recent, 8, value.style.glyphs), "chart"),)


def _health(value: _Value) -> Row:
    state = value.view.state
    if state is None:
        return (Piece(_("not asked yet"), "muted"),)
    return (Piece(health_word(state.last.health), ROLES[value.view.level]),)


def _since(value: _Value) -> Row:
    held_s = (value.now - value.view.since).total_seconds()
    return (Piece(short_age(held_s) if held_s > 0 else "-", "muted"),)  # of the past, since when is not kept


def _where(value: _Value) -> Row:
    state = value.view.state
    if state is not None and state.last.error is not None:
        return (Piece(str(state.last.error), ROLES[value.view.level]),)
    if value.view.reasons:
        return (Piece("; ".join(str(reason) for reason in value.view.reasons), ROLES[value.view.level]),)
    config = value.view.config
    place = config.url.partition("://")[2] or config.url
    return (Piece(place + config.health, "muted"), *((Piece(f"  @{config.from_}", "muted"),) if config.from_ else ()))


COLUMNS: tuple[Column[_Value], ...] = (
    Column(lambda: _("service"), 12, lambda v: (Piece(v.view.name, "strong"),), grow=4),
    Column(lambda: _("health"), 9, _health, priority=1),
    Column(lambda: _("code"), 4, _code, priority=2, right=True),
    Column(lambda: _("time"), 8, _time, priority=3, right=True),
    Column(lambda: "", 8, _trend, priority=6),
    Column(lambda: _("since"), 5, _since, priority=4, right=True),
    Column(lambda: _("where"), 28, _where, priority=5, grow=200),
)
NARROW: tuple[Column[_Value], ...] = (
    Column(lambda: _("service"), 8, lambda v: (Piece(v.view.name, "strong"),), grow=12),
    Column(lambda: _("health"), 9, _health, priority=1),
    Column(lambda: _("code"), 4, _code, priority=3, right=True),
    Column(lambda: _("since"), 5, _since, priority=2, right=True),
)


def _chosen(style: TableStyle) -> list[tuple[Column[_Value], int]]:
    columns = COLUMNS if style.width >= 60 else NARROW
    return choose(columns, style.width - INDENT - 1)


def service_heading(style: TableStyle) -> Row:
    """The table's column titles."""
    return heading(_chosen(style), INDENT)


def service_row(view: ServiceView, now: datetime, style: TableStyle) -> Row:
    """One service: its last answer, since when its state holds, and where it is or what is wrong."""
    mark = (Piece(" "), Piece(style.glyphs.level(view.level), ROLES[view.level]), Piece(" "))
    return (*mark, *line(_chosen(style), _Value(view, now, style)))
