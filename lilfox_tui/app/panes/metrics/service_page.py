"""A service's page as rows. Pure: a view, its history and the time in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.app.changes import lately_rows
from lilfox_tui.app.panes.metrics.host_page import Past, reason_rows
from lilfox_tui.app.panes.metrics.service_rows import health_word
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, chart
from lilfox_tui.app.rendering.columns import EXACT, Digits
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.i18n import _, listed
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import TrafficPart
from lilfox_tui.monitor.model import ServiceView, StatusChange, StoreUsage, TargetView
from lilfox_tui.text import fit, human_duration


class ServicePage(Struct, frozen=True):
    """What the page is made of; ``now`` is aware UTC."""

    view: ServiceView
    changes: Sequence[StatusChange]
    past: Past
    now: datetime
    window: timedelta
    glyphs: Glyphs
    width: int
    chart_height: int = 5
    digits: Digits = EXACT
    past_traffic: Past | None = None
    routes: Sequence[TrafficPart] = ()
    statuses: Sequence[TrafficPart] = ()
    targets: Sequence[TargetView] = ()
    kept: StoreUsage | None = None
    below_charts: Callable[[], Sequence[Row]] = tuple
    """What is to be said of the charts of its requests, once they are drawn."""


def service_page(page: ServicePage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    view = page.view
    rows: list[Row] = [
        (
            Piece(" "),
            Piece(page.glyphs.level(view.level) + " ", ROLES[view.level]),
            Piece(view.name, "strong"),
            Piece("   " + view.config.url + view.config.health, "muted"),
        ),
        *reason_rows(view, page.now),
        *_what_it_said(view),
        *_traffic(page),
        *page.below_charts(),
        BLANK,
        *_chart(page),
        BLANK,
        *_facts(page),
    ]
    return wrapped([*rows, *lately_rows(page.changes, page.now, page.glyphs)], page.width)


def _what_it_said(view: ServiceView) -> list[Row]:
    """Of one that is not well, beside what is wrong; of one that is, among the facts."""
    said = "" if view.state is None or view.level is Level.GOOD else view.state.last.detail
    return [(Piece("   " + _("it said") + "  ", "muted"), Piece(said))] if said else []


def _traffic(page: ServicePage) -> list[Row]:
    """Its requests, and where they are known from."""
    from lilfox_tui.app.panes.metrics.traffic_rows import TrafficPage, traffic_rows

    return traffic_rows(
        TrafficPage(
            state=page.view.traffic,
            routes=page.routes,
            statuses=page.statuses,
            targets=page.targets,
            kept=page.kept,
            past=page.past_traffic or page.past,
            now=page.now,
            window=page.window,
            slow_s=page.view.config.slow,
            glyphs=page.glyphs,
            width=page.width,
            chart_height=3,
            digits=page.digits,
        )
    )


def _chart(page: ServicePage) -> list[Row]:
    width = min(page.width - 2, 120)
    state = page.view.state
    newest = None if state is None else state.last.response_time_s
    return chart(
        _("Response time"),
        page.past(Series("service_response_seconds"), max(1, width - AXIS_WIDTH - 1)),
        width=width,
        height=page.chart_height,
        unit=_seconds,
        start=(page.now - page.window),
        end=page.now,
        glyphs=page.glyphs,
        now_text=_("unknown") if newest is None else page.digits.duration(newest),
    )


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g}ms" if value < 1 else f"{value:.3g}s"


def _facts(page: ServicePage) -> list[Row]:
    config, state = page.view.config, page.view.state
    facts: list[tuple[str, str]] = []
    if state is not None:
        last = state.last
        facts.append((_("last answer"), last.at.strftime("%H:%M:%S") + "  " + health_word(last.health)))
        facts.append((_("status code"), str(last.status_code) if last.status_code is not None else _("none")))
        if last.error is not None:
            facts.append((_("error"), str(last.error)))
        if last.detail and page.view.level is Level.GOOD:
            facts.append((_("it said"), last.detail))
        if state.failures:
            facts.append((_("failures in a row"), str(state.failures)))
    facts.append((_("expected"), listed(str(code) for code in config.expect)))
    facts.append((_("asked from"), config.from_ or _("here")))
    facts.append((_("gives up after"), human_duration(config.timeout)))
    return [(Piece("   " + fit(name, 18), "muted"), Piece(value)) for name, value in facts]
