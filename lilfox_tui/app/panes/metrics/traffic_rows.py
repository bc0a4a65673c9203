"""A service's requests on its page, as rows: charts, by route, by status, and where the numbers come from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.app.panes.metrics.host_page import Past
from lilfox_tui.app.panes.metrics.service_rows import errors_role, quantile_role
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, beside, chart
from lilfox_tui.app.rendering.columns import Column, Digits, choose, heading, line
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.feed import Pending, Ready, State, Unavailable
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    REQUESTS,
    SERVER_ERRORS,
    Quantile,
    Traffic,
    TrafficPart,
    latency_series,
)
from lilfox_tui.monitor.model import StoreUsage, TargetView
from lilfox_tui.text import fit, human_bytes, human_duration

ROUTES_SHOWN = 20
_TWO_CHARTS = 100
"""From this width on two charts stand side by side."""
_INDENT = 3


class TrafficPage(Struct, frozen=True):
    """What this part of a page is made of. ``past`` gives the series of :mod:`lilfox_tui.metrics.traffic`."""

    state: State[Traffic]
    routes: Sequence[TrafficPart]
    statuses: Sequence[TrafficPart]
    targets: Sequence[TargetView]
    kept: StoreUsage | None
    past: Past
    now: datetime
    window: timedelta
    slow_s: float | None
    glyphs: Glyphs
    width: int
    chart_height: int
    digits: Digits


def traffic_rows(page: TrafficPage) -> list[Row]:
    """All rows; where no numbers are known, why."""
    rows: list[Row] = [BLANK]
    if isinstance(page.state, Ready):
        traffic = page.state.value
        seconds = _("of the last {seconds:.0f} s", seconds=traffic.window_s)
        rows += [(Piece(" " + _("REQUESTS"), "title"), Piece("  " + seconds, "muted")), _numbers(page, traffic)]
        rows += [*_why_unknown(traffic), BLANK, *_charts(page, traffic)]
        rows += _parts(page, _("by route"), page.routes) + _parts(page, _("by status"), page.statuses)
    else:
        rows += [(Piece(" " + _("REQUESTS"), "title"),), *_no_numbers(page.state, page.now)]
    return rows + _source(page)


def _no_numbers(state: Pending | Unavailable, now: datetime) -> list[Row]:
    if isinstance(state, Pending):
        return [(Piece("   " + _("its page of metrics was not read yet"), "muted"),)]
    since = human_duration((now - state.since).total_seconds())
    told = state.error.message  # of the past, since when is not kept
    if now > state.since:
        told = _("no page of metrics for {since}: {why}", since=since, why=state.error.message)
    rows: list[Row] = [(Piece("   "), Piece(f"{told}  "), Piece(_next_try(state, now), "muted"))]
    if str(state.error.hint):
        rows.append((Piece("   "), Piece(str(state.error.hint), "muted")))
    return rows


def _next_try(state: Unavailable, now: datetime) -> str:
    if state.next_try is None:
        return ""
    return _("next try in {wait}", wait=human_duration(max(0, round((state.next_try - now).total_seconds()))))


def _numbers(page: TrafficPage, traffic: Traffic) -> Row:
    digits = page.digits
    pieces = [Piece("   ")]
    if traffic.requests_s is not None:
        pieces += [Piece(_("{count}/s", count=digits.count(traffic.requests_s)) + "  ", "strong")]
    for name, found in zip(("p50", "p95", "p99"), (traffic.p50, traffic.p95, traffic.p99), strict=True):
        if found is not None:
            pieces += [
                Piece(name + " ", "muted"),
                Piece(digits.quantile(found) + "  ", quantile_role(found, page.slow_s)),
            ]
    no_buckets = traffic.p50 is None
    for name, seconds in ((_("average"), traffic.average_s), (_("longest"), traffic.maximum_s)):
        if no_buckets and seconds is not None:
            pieces += [Piece(name + " ", "muted"), Piece(digits.short_time(seconds) + "  ")]
    for name, percent, role in (
        ("4xx", traffic.client_errors, "text"),
        ("5xx", traffic.server_errors, errors_role(traffic.server_errors)),
    ):
        if percent is not None:
            pieces += [Piece(name + " ", "muted"), Piece(digits.share(percent) + "  ", role)]
    if traffic.in_flight is not None:
        pieces += [Piece(_("in flight") + " ", "muted"), Piece(digits.count(traffic.in_flight))]
    return tuple(pieces)


def _why_unknown(traffic: Traffic) -> list[Row]:
    names = {"requests": "qps", "status": "4xx 5xx", "latency": "p50 p95 p99", "in_flight": _("in flight")}
    return [
        (Piece("   " + fit(names[what], 14), "muted"), Piece(_("unknown: {why}", why=why), "muted"))
        for what, why in traffic.missing.items()
    ]


# ---- over time ---------------------------------------------------------------------------------------------------


class _TrafficChart(Struct, frozen=True):
    title: str
    series: Series
    unit: Callable[[float], str]
    newest: str


def _charts(page: TrafficPage, traffic: Traffic) -> list[Row]:
    wanted = list(_wanted(page, traffic))
    apart = page.width >= _TWO_CHARTS
    width = min(page.width // 2 - 1 if apart else page.width - 2, 120)
    drawn = [_one_chart(page, each, width) for each in wanted]
    if not apart:
        return [row for block in drawn for row in block]
    rows: list[Row] = []
    for place in range(0, len(drawn), 2):
        pair = drawn[place : place + 2]
        rows += beside(pair[0], pair[1], width + 2) if len(pair) == 2 else pair[0]
    return rows


def _wanted(page: TrafficPage, traffic: Traffic) -> Iterator[_TrafficChart]:
    digits = page.digits
    if traffic.requests_s is not None:
        yield _TrafficChart(_("Requests a second"), REQUESTS, _plain, digits.count(traffic.requests_s))
    for quantile, found in ((0.95, traffic.p95), (0.5, traffic.p50), (0.99, traffic.p99)):
        if found is not None:
            name = _("Latency p{percent:.0f}", percent=quantile * 100)
            yield _TrafficChart(name, latency_series(quantile), digits.short_time, digits.quantile(found))
    if traffic.p50 is None and traffic.average_s is not None:
        yield _TrafficChart(_("Latency, average"), AVERAGE, digits.short_time, digits.short_time(traffic.average_s))
    if traffic.server_errors is not None:
        yield _TrafficChart(_("Answers 5xx"), SERVER_ERRORS, _percent, digits.share(traffic.server_errors))


def _one_chart(page: TrafficPage, wanted: _TrafficChart, width: int) -> list[Row]:
    values = page.past(wanted.series, max(1, width - AXIS_WIDTH - 1))
    return chart(
        wanted.title,
        values,
        width=width,
        height=page.chart_height,
        unit=wanted.unit,
        start=page.now - page.window,
        end=page.now,
        glyphs=page.glyphs,
        now_text=wanted.newest,
    )


def _plain(value: float) -> str:
    return f"{value:g}"


def _percent(value: float) -> str:
    return f"{value:g}%"


# ---- parts -------------------------------------------------------------------------------------------------------


class _TrafficCells(Struct, frozen=True):
    part: TrafficPart
    page: TrafficPage


def _quantile(pick: Callable[[TrafficPart], Quantile | None]) -> Callable[[_TrafficCells], Row]:
    def cell(value: _TrafficCells) -> Row:
        found = pick(value.part)
        return (Piece(value.page.digits.quantile(found), quantile_role(found, value.page.slow_s)),)

    return cell


def _average(value: _TrafficCells) -> Row:
    seconds = value.part.average_s
    return () if seconds is None else (Piece(value.page.digits.short_time(seconds)),)


_COUNTS: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: "qps", 5, lambda v: (Piece(v.page.digits.count(v.part.requests_s)),), priority=1, right=True),
    Column(lambda: _("share"), 6, lambda v: (Piece(v.page.digits.share(v.part.share)),), priority=4, right=True),
)
_QUANTILES: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: "p50", 6, _quantile(lambda part: part.p50), priority=7, right=True),
    Column(lambda: "p95", 6, _quantile(lambda part: part.p95), priority=3, right=True),
    Column(lambda: "p99", 6, _quantile(lambda part: part.p99), priority=6, right=True),
)
_AVERAGE: tuple[Column[_TrafficCells], ...] = (Column(lambda: _("average"), 8, _average, priority=3, right=True),)
_ERRORS: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: "4xx", 5, lambda v: (Piece(v.page.digits.share(v.part.client_errors)),), priority=5, right=True),
    Column(
        lambda: "5xx",
        5,
        lambda v: (Piece(v.page.digits.share(v.part.server_errors), errors_role(v.part.server_errors)),),
        priority=2,
        right=True,
    ),
)


def _parts(page: TrafficPage, title: str, parts: Sequence[TrafficPart]) -> list[Row]:
    if not parts:
        return []
    name: Column[_TrafficCells] = Column(lambda: title, 18, lambda v: (Piece(v.part.name or "-", "strong"),), grow=24)
    columns = [name, *_COUNTS]
    if any(part.p50 for part in parts):
        columns += _QUANTILES
    elif any(part.average_s for part in parts):
        columns += _AVERAGE
    columns += _ERRORS if any(part.server_errors is not None for part in parts) else ()
    chosen = choose(columns, min(page.width, 120) - _INDENT - 1)
    rows: list[Row] = [BLANK, heading(chosen, _INDENT)]
    rows += [(Piece(" " * _INDENT), *line(chosen, _TrafficCells(part, page))) for part in parts[:ROUTES_SHOWN]]
    if len(parts) > ROUTES_SHOWN:
        rows.append((Piece("   " + _("{count} more, less busy", count=len(parts) - ROUTES_SHOWN), "muted"),))
    return rows


# ---- where from --------------------------------------------------------------------------------------------------


def _source(page: TrafficPage) -> list[Row]:
    """The target's state, which metrics were taken, and what all series take of memory."""
    facts: list[tuple[str, str]] = []
    for target in page.targets:
        facts += _target_facts(target)
    if isinstance(page.state, Ready):
        facts += _taken(page.state.value)
    if page.kept is not None:
        facts.append((_("kept of all"), kept_text(page.kept, page.now)))
        facts += ((_("not scraped"), problem) for problem in page.kept.problems)
    if not facts:
        return []
    return [
        BLANK,
        (Piece(" " + _("METRICS"), "title"), Piece("  " + _("t shows all targets"), "muted")),
        *((Piece("   " + fit(name, 18), "muted"), Piece(value)) for name, value in facts),
    ]


def _target_facts(target: TargetView) -> Iterator[tuple[str, str]]:
    yield _("page"), _("{url}, every {period}", url=target.url, period=human_duration(target.every_s))
    state = target.state
    if isinstance(state, Ready):
        scrape = state.value
        yield (
            _("last scrape"),
            _(
                "{time}, {samples} in {took}",
                time=scrape.at.strftime("%H:%M:%S"),
                samples=ngettext("{count} sample", "{count} samples", scrape.samples),
                took=human_duration(scrape.duration_s),
            ),
        )
        for remark in scrape.remarks:
            yield _("remark"), str(remark)


def _taken(traffic: Traffic) -> Iterator[tuple[str, str]]:
    names = {"requests": _("requests"), "latency": _("latency"), "in_flight": _("in flight")}
    for what, name in names.items():
        metric = traffic.taken.get(what)
        if metric:
            label = traffic.taken.get("status") if what == "requests" else None
            yield name, f"{metric}{{{label}}}" if label else metric


def kept_text(kept: StoreUsage, now: datetime) -> str:
    """What all series take of memory, and since when they are kept."""
    told = [_("{count} series", count=kept.series)]
    if kept.bytes_a_sample is not None:
        told.append(_("{count:.0f} bytes a sample", count=kept.bytes_a_sample))
    used, limit = human_bytes(kept.size_bytes), human_bytes(kept.limit_bytes)
    told.append(_("{used} of {limit}", used=used, limit=limit))
    if kept.since is not None:
        today = kept.since.date() == now.date()
        told.append(_("since {time}", time=kept.since.strftime("%H:%M" if today else "%m-%d %H:%M")))
    return listed(told)
