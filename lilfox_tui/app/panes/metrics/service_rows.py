"""The SERVICES table as rows. Pure: views in, rows out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.columns import GAP, Column, choose, heading, line
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.hosts import INDENT, ROLES, TableStyle
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import _, clauses
from lilfox_tui.metrics.model import Health, Level
from lilfox_tui.metrics.traffic import Quantile, Traffic
from lilfox_tui.monitor.model import ServiceView
from lilfox_tui.text import clean, fit, short_age

_MANY_ERRORS = 5.0
_SOME_ERRORS = 1.0
"""Percent of answers 5xx from which on they are coloured; rules decide what is an alert."""
_UNKNOWN = Traffic(datetime.fromtimestamp(0, UTC), 0.0)


class _ServiceCells(Struct, frozen=True):
    view: ServiceView
    now: datetime
    style: TableStyle
    traffic: Traffic = _UNKNOWN


def health_word(health: Health) -> str:
    """The manual's word for a health."""
    return {Health.HEALTHY: _("healthy"), Health.UNHEALTHY: _("unhealthy"), Health.ERROR: _("error")}[health]


def errors_role(percent: float | None) -> str:
    """The colour of a share of 5xx."""
    if percent is None or percent < _SOME_ERRORS:
        return "text"
    return "failing" if percent >= _MANY_ERRORS else "degraded"


def quantile_role(found: Quantile | None, slow_s: float | None) -> str:
    """The colour of a time to an answer."""
    return "degraded" if found is not None and slow_s is not None and found.seconds > slow_s else "text"


def _code(value: _ServiceCells) -> Row:
    state = value.view.state
    if state is None:
        return (Piece("-", "muted"),)
    role = "text" if state.last.health is Health.HEALTHY else ROLES[value.view.level]
    if state.last.status_code is None:
        return (Piece(health_word(state.last.health), role),)
    return (Piece(str(state.last.status_code), role),)


def _health(value: _ServiceCells) -> Row:
    state = value.view.state
    seconds = None if state is None else state.last.response_time_s
    if seconds is None:
        return _code(value)
    return (*_code(value), Piece(" " + fit(value.style.digits.duration(seconds), 6, right=True)))


def _rate(value: _ServiceCells) -> Row:
    rate = value.traffic.requests_s
    return () if rate is None else (Piece(value.style.digits.count(rate)),)


def _trend(value: _ServiceCells) -> Row:
    recent = (value.style.recent or {}).get(f"traffic/{value.view.name}")
    if not value.style.sparklines or not recent:
        return ()
    return (Piece(spark(recent, 8, value.style.glyphs), "chart"),)


def _quantile(pick: Callable[[Traffic], Quantile | None]) -> Callable[[_ServiceCells], Row]:
    def cell(value: _ServiceCells) -> Row:
        found = pick(value.traffic)
        return (Piece(value.style.digits.quantile(found), quantile_role(found, value.view.config.slow)),)

    return cell


def _client_errors(value: _ServiceCells) -> Row:
    return (Piece(value.style.digits.share(value.traffic.client_errors)),)


def _server_errors(value: _ServiceCells) -> Row:
    percent = value.traffic.server_errors
    return (Piece(value.style.digits.share(percent), errors_role(percent)),)


def _in_flight(value: _ServiceCells) -> Row:
    count = value.traffic.in_flight
    return () if count is None else (Piece(value.style.digits.count(count)),)


def _since(value: _ServiceCells) -> Row:
    held_s = (value.now - value.view.since).total_seconds()
    return (Piece(short_age(held_s) if held_s > 0 else "-", "muted"),)  # of the past, since when is not kept


def _where(value: _ServiceCells) -> Row:
    state = value.view.state
    if state is not None and state.last.error is not None:
        return (Piece(str(state.last.error), ROLES[value.view.level]),)
    if value.view.reasons:
        return (Piece(clauses(str(reason) for reason in value.view.reasons), ROLES[value.view.level]),)
    config = value.view.config
    place = config.url.partition("://")[2] or config.url
    return (Piece(place + config.health, "muted"), *((Piece(f"  @{config.from_}", "muted"),) if config.from_ else ()))


_P95 = Column(lambda: "p95", 6, _quantile(lambda traffic: traffic.p95), priority=3, right=True)
_SERVER_ERRORS = Column(lambda: "5xx", 5, _server_errors, priority=2, right=True)
_RATE = Column(lambda: "qps", 5, _rate, priority=4, right=True)
COLUMNS: tuple[Column[_ServiceCells], ...] = (
    Column(lambda: _("service"), 12, lambda v: (Piece(v.view.name, "strong"),), grow=4),
    Column(lambda: _("health"), 10, _health, priority=1),
    _RATE,
    Column(lambda: "", 8, _trend, priority=9),
    Column(lambda: "p50", 6, _quantile(lambda traffic: traffic.p50), priority=8, right=True),
    _P95,
    Column(lambda: "p99", 6, _quantile(lambda traffic: traffic.p99), priority=6, right=True),
    Column(lambda: "4xx", 5, _client_errors, priority=5, right=True),
    _SERVER_ERRORS,
    Column(lambda: _("in flight"), 9, _in_flight, priority=7, right=True),
    Column(lambda: _("since"), 5, _since, priority=10, right=True),
    Column(lambda: _("where"), 20, _where, priority=11, grow=200),
)
NARROW: tuple[Column[_ServiceCells], ...] = (
    Column(lambda: _("service"), 8, lambda v: (Piece(v.view.name, "strong"),), grow=12),
    Column(lambda: _("code"), 5, _code, priority=1),
    _RATE,
    _P95,
    _SERVER_ERRORS,
)


def _chosen(style: TableStyle) -> list[tuple[Column[_ServiceCells], int]]:
    columns = COLUMNS if style.width >= 60 else NARROW
    return choose(columns, style.width - INDENT - 1)


def service_heading(style: TableStyle) -> Row:
    """The table's column titles."""
    return heading(_chosen(style), INDENT)


def service_row(view: ServiceView, now: datetime, style: TableStyle) -> Row:
    """One service: its last answer and its requests; where no page of metrics tells of them, what is wrong or where it
    is."""
    mark = (Piece(" "), Piece(style.glyphs.level(view.level), ROLES[view.level]), Piece(" "))
    chosen = _chosen(style)
    if isinstance(view.traffic, Ready):
        return (*mark, *line(chosen, _ServiceCells(view, now, style, view.traffic.value)))
    value = _ServiceCells(view, now, style)
    told = _where(value)
    if view.level is not Level.GOOD:
        told += (Piece("  "), *_since(value))
    return (*mark, *line(chosen[:2], value), Piece(" " * GAP), *(Piece(clean(p.text), p.role) for p in told))
