"""Services and their traffic as rows of a list and as pages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from lilfox_tui.app.panes.metrics.host_page import Past, reason_rows
from lilfox_tui.app.rendering.chart import Axes, Curve, beside, chart, plot_points, spark
from lilfox_tui.app.rendering.columns import EXACT, GAP, Column, Digits, choose, heading, line, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import INDENT, ROLES, TableStyle, lately_rows
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import clean, fit, human_bytes, human_duration, short_age
from lilfox_tui.metrics.model import Health, Level, Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    REQUESTS,
    SERVER_ERRORS,
    Quantile,
    Traffic,
    TrafficPart,
    latency_series,
)
from lilfox_tui.monitor.model import ServiceView, StatusChange, StoreUsage, TargetView

# The SERVICES table as rows. Pure: views in, rows out.


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
    """The ops manual's term for a health state."""
    return {Health.HEALTHY: _("healthy"), Health.UNHEALTHY: _("unhealthy"), Health.ERROR: _("error")}[health]


def errors_role(percent: float | None) -> str:
    """The colour of a 5xx ratio."""
    if percent is None or percent < _SOME_ERRORS:
        return "text"
    return "failing" if percent >= _MANY_ERRORS else "degraded"


def quantile_role(found: Quantile | None, slow_s: float | None) -> str:
    """The colour of a response time."""
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
    Column(lambda: "", 8, _trend, priority=5),
    Column(lambda: "p50", 6, _quantile(lambda traffic: traffic.p50), priority=9, right=True),
    _P95,
    Column(lambda: "p99", 6, _quantile(lambda traffic: traffic.p99), priority=7, right=True),
    Column(lambda: "4xx", 5, _client_errors, priority=6, right=True),
    _SERVER_ERRORS,
    Column(lambda: _("in flight"), 9, _in_flight, priority=8, right=True),
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
    columns = COLUMNS if style.width >= 50 else NARROW
    return choose(columns, style.width - INDENT - 1)


def service_heading(style: TableStyle) -> Row:
    """The column titles of the table."""
    return heading(_chosen(style), INDENT)


def service_row(view: ServiceView, now: datetime, style: TableStyle) -> Row:
    """One service: its last answer and its requests; without traffic metrics, what is wrong or where it is."""
    mark = (Piece(" "), Piece(style.glyphs.level(view.level), ROLES[view.level]), Piece(" "))
    chosen = _chosen(style)
    if isinstance(view.traffic, Ready):
        return (*mark, *line(chosen, _ServiceCells(view, now, style, view.traffic.value)))
    value = _ServiceCells(view, now, style)
    told = _where(value)
    if view.level is not Level.GOOD:
        told += (Piece("  "), *_since(value))
    if view.found:
        told = (Piece(_("found here") + "  ", "muted"), *told)
    return (*mark, *line(chosen[:2], value), Piece(" " * GAP), *(Piece(clean(p.text), p.role) for p in told))


class ServicePage(Struct, frozen=True):
    """The contents of the page; ``now`` is aware UTC."""

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
        *(
            [(Piece("   "), Piece(_("found on this machine; it is not in the configuration"), "muted"))]
            if view.found
            else []
        ),
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
    """The last answer of an unhealthy service, shown next to the problem; for a healthy service it is among the
    facts."""
    said = "" if view.state is None or view.level is Level.GOOD else view.state.last.detail
    return [(Piece("   " + _("response") + "  ", "muted"), Piece(said))] if said else []


def _traffic(page: ServicePage) -> list[Row]:
    """The service's requests, and their source."""

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
        [Curve(page.past(Series("service_response_seconds"), plot_points(width)))],
        Axes(unit=_seconds, start=page.now - page.window, end=page.now),
        width=width,
        height=page.chart_height,
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
        facts.append((_("last response"), last.at.strftime("%H:%M:%S") + "  " + health_word(last.health)))
        facts.append((_("status code"), str(last.status_code) if last.status_code is not None else _("none")))
        if last.error is not None:
            facts.append((_("error"), str(last.error)))
        if last.detail and page.view.level is Level.GOOD:
            facts.append((_("response"), last.detail))
        if state.failures:
            facts.append((_("failures in a row"), str(state.failures)))
    facts.append((_("expected"), listed(str(code) for code in config.expect)))
    facts.append((_("probed from"), config.from_ or _("this machine")))
    facts.append((_("timeout"), human_duration(config.timeout)))
    return [(Piece("   " + fit(name, 18), "muted"), Piece(value)) for name, value in facts]


# A service's requests on its page, as rows: charts, by route, by status, and where the numbers come from. Pure.


ROUTES_SHOWN = 20
_TWO_CHARTS = 100
"""From this width on two charts stand side by side."""
_INDENT = 3


class TrafficPage(Struct, frozen=True):
    """The contents of the traffic part of a page. ``past`` returns past values of the series in
    :mod:`lilfox_tui.metrics.traffic`."""

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
    """The rows of the traffic part; if there are no values, the reason."""
    rows: list[Row] = [BLANK]
    if isinstance(page.state, Ready):
        traffic = page.state.value
        seconds = _("over the last {seconds:.0f} s", seconds=traffic.window_s)
        rows += [(Piece(" " + _("REQUESTS"), "title"), Piece("  " + seconds, "muted")), _numbers(page, traffic)]
        rows += [*_why_unknown(traffic), BLANK, *_charts(page, traffic)]
        rows += _parts(page, _("by route"), page.routes) + _parts(page, _("by status"), page.statuses)
    else:
        rows += [(Piece(" " + _("REQUESTS"), "title"),), *_no_numbers(page.state, page.now)]
    return rows + _source(page)


def _no_numbers(state: Pending | Unavailable, now: datetime) -> list[Row]:
    if isinstance(state, Pending):
        return [(Piece("   " + _("metrics endpoint not scraped yet"), "muted"),)]
    since = human_duration((now - state.since).total_seconds())
    told = state.error.message  # of the past, since when is not kept
    if now > state.since:
        told = _("not scraped for {since}: {why}", since=since, why=state.error.message)
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
        yield _TrafficChart(_("Requests per second"), REQUESTS, _plain, digits.count(traffic.requests_s))
    for quantile, found in ((0.95, traffic.p95), (0.5, traffic.p50), (0.99, traffic.p99)):
        if found is not None:
            name = _("Latency p{percent:.0f}", percent=quantile * 100)
            yield _TrafficChart(name, latency_series(quantile), digits.short_time, digits.quantile(found))
    if traffic.p50 is None and traffic.average_s is not None:
        yield _TrafficChart(_("Latency, average"), AVERAGE, digits.short_time, digits.short_time(traffic.average_s))
    if traffic.server_errors is not None:
        yield _TrafficChart(_("5xx responses"), SERVER_ERRORS, _percent, digits.share(traffic.server_errors))


def _one_chart(page: TrafficPage, wanted: _TrafficChart, width: int) -> list[Row]:
    return chart(
        wanted.title,
        [Curve(page.past(wanted.series, plot_points(width)))],
        Axes(unit=wanted.unit, start=page.now - page.window, end=page.now),
        width=width,
        height=page.chart_height,
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


def _traffic_rows_quantile(pick: Callable[[TrafficPart], Quantile | None]) -> Callable[[_TrafficCells], Row]:
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
    Column(lambda: "p50", 6, _traffic_rows_quantile(lambda part: part.p50), priority=7, right=True),
    Column(lambda: "p95", 6, _traffic_rows_quantile(lambda part: part.p95), priority=3, right=True),
    Column(lambda: "p99", 6, _traffic_rows_quantile(lambda part: part.p99), priority=6, right=True),
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
        rows.append((Piece("   " + _("{count} more with fewer requests", count=len(parts) - ROUTES_SHOWN), "muted"),))
    return rows


# ---- where from --------------------------------------------------------------------------------------------------


def _source(page: TrafficPage) -> list[Row]:
    """The rows about the source of the traffic: the targets' states, the metrics used, and the series store."""
    facts: list[tuple[str, str]] = []
    for target in page.targets:
        facts += _target_facts(target)
    if isinstance(page.state, Ready):
        facts += _taken(page.state.value)
    if page.kept is not None:
        facts.append((_("series store"), kept_text(page.kept, page.now)))
        facts += ((_("not scraped"), problem) for problem in page.kept.problems)
    if not facts:
        return []
    return [
        BLANK,
        (Piece(" " + _("METRICS"), "title"), Piece("  " + _(":targets shows all"), "muted")),
        *((Piece("   " + fit(name, 18), "muted"), Piece(value)) for name, value in facts),
    ]


def _target_facts(target: TargetView) -> Iterator[tuple[str, str]]:
    yield _("endpoint"), _("{url}, every {period}", url=target.url, period=human_duration(target.every_s))
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
    """Return the usage of the series store as text, and since when it has data."""
    told = [_("{count} series", count=kept.series)]
    if kept.bytes_a_sample is not None:
        told.append(_("{count:.0f} bytes per sample", count=kept.bytes_a_sample))
    used, limit = human_bytes(kept.size_bytes), human_bytes(kept.limit_bytes)
    told.append(_("{used} of {limit}", used=used, limit=limit))
    if kept.since is not None:
        today = kept.since.date() == now.date()
        told.append(_("since {time}", time=kept.since.strftime("%H:%M" if today else "%m-%d %H:%M")))
    return listed(told)
