"""A service's requests on its page: the numbers, charts, by route, by status, and where the numbers come from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.sections import (
    Band,
    PageChart,
    PageCurve,
    Past,
    Section,
    SectionStyle,
    text_section,
)
from lilfox_tui.app.rendering.chart import Values, spark
from lilfox_tui.app.rendering.columns import Column, choose, heading, line, quantile_text, share_text, short_time_text
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.panels import row_width
from lilfox_tui.app.rows.hosts import level_role, no_worse, role_in_force
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age, human_bytes, human_count, human_duration
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    CLIENT_ERRORS,
    QUANTILES,
    REQUESTS,
    SERVER_ERRORS,
    Quantile,
    Traffic,
    TrafficPart,
    latency_series,
)
from lilfox_tui.monitor.model import LatencyLimit, ServiceLimits, StoreUsage, TargetView

ROUTES_SHOWN = 20
TREND_COLUMNS = 10
"""Cells of the course of a route's requests."""
_TREND_LEAST = 2
"""Known values of a course: one alone is none."""
_HEADROOM = 1.25
"""Times its highest value: a route whose requests are steady is no solid block."""
_STATUS_BESIDE = 110
"""From this width on the statuses stand beside the routes."""
_STATUS_BAR = 10
_NAME_LEAST, _NAME_MOST = 8, 24
"""Cells of a route beside which the least important columns are left out."""
_INDENT, _FACT = 1, 18


def quantile_role(found: Quantile | None, quantile: float, limits: Sequence[LatencyLimit]) -> str:
    """The colour of a quantile of response times."""
    above = [
        each
        for each in limits
        if each.quantile in (None, quantile) and found is not None and found.seconds > each.seconds
    ]
    return "failing" if any(each.fails for each in above) else "degraded" if above else "text"


def as_threshold(limits: Sequence[LatencyLimit]) -> Threshold:
    """The lowest limits of latency, to be drawn."""
    warn, fail = (next((each.seconds for each in limits if each.fails is fails), None) for fails in (False, True))
    return Threshold(warn=warn if fail is None or warn is None or warn < fail else None, fail=fail)


class TrafficPage(Struct, frozen=True):
    """The contents of the traffic part of a page. ``past`` returns past values of the series in
    :mod:`lilfox_tui.metrics.traffic`; ``rates`` the rates of each route, oldest first."""

    state: State[Traffic]
    routes: Sequence[TrafficPart]
    rates: Mapping[str, Values]
    statuses: Sequence[TrafficPart]
    targets: Sequence[TargetView]
    kept: StoreUsage | None
    past: Past
    now: datetime
    window: timedelta
    slow_s: float | None
    level: Level
    """That of the service."""
    limits: ServiceLimits
    style: SectionStyle
    told: Collection[str] = ()
    """The reasons that stand above, which are not told again."""

    @property
    def slow(self) -> Sequence[LatencyLimit]:
        """The limits of the latency."""
        return self.limits.of_latency(self.state.value, self.slow_s) if isinstance(self.state, Ready) else ()


def traffic_head(page: TrafficPage) -> list[Row]:
    """The newest numbers, or the reason why there are none."""
    if not isinstance(page.state, Ready):
        first, *more = _no_numbers(page.state, page.now, page.told)
        return [(Piece("   " + _("requests") + "  ", "muted"), *first), *((Piece("   "), *row) for row in more)]
    traffic = page.state.value
    return [*([] if page.style.compact else [_numbers(page, traffic)]), *_why_unknown(traffic)]


def _no_numbers(state: Pending | Unavailable, now: datetime, above: Collection[str] = ()) -> list[Row]:
    if isinstance(state, Pending):
        return [(Piece(_("metrics endpoint not scraped yet"), "muted"),)]
    why = _("same error") if str(state.error.message) in above else ""
    told = scrape_outage(state, now, why) if now > state.since else why or str(state.error.message)  # of the past
    hint = str(state.error.hint) if str(state.error.hint) not in above else ""
    return [
        (Piece(f"{told}  "), Piece(_next_try(state, now), "muted")),
        *([(Piece(hint, "muted"),)] if hint else []),
    ]


def scrape_outage(state: Unavailable, now: datetime, why: str = "") -> str:
    """How long ago the last scrape was, or that there never was one, and why: in its own words without ``why``."""
    why = why or str(state.error.message)
    if state.last is None:
        since = human_age(max(1.0, (now - state.since).total_seconds()))
        return _("never scraped, failing for {since}: {why}", since=since, why=why)
    since = human_age(max(1.0, (now - state.last).total_seconds()))
    return _("not scraped for {since}: {why}", since=since, why=why)


def _next_try(state: Unavailable, now: datetime) -> str:
    if state.next_try is None:
        return ""
    wait_s = round((state.next_try - now).total_seconds())
    return _("next try in {wait}", wait=human_duration(wait_s)) if wait_s > 0 else _("trying now")


def _numbers(page: TrafficPage, traffic: Traffic) -> Row:
    pieces = [Piece("   ")]
    if traffic.requests_s is not None:
        pieces += [Piece(_("{count}/s", count=human_count(traffic.requests_s)) + "  ", "strong")]
    for quantile, found in zip(QUANTILES, (traffic.p50, traffic.p95, traffic.p99), strict=True):
        if found is not None:
            pieces += [
                Piece(f"p{quantile * 100:.0f} ", "muted"),
                Piece(quantile_text(found) + "  ", no_worse(quantile_role(found, quantile, page.slow), page.level)),
            ]
    no_buckets = traffic.p50 is None
    for name, seconds in ((_("average"), traffic.average_s), (_("longest"), traffic.maximum_s)):
        if no_buckets and seconds is not None:
            pieces += [Piece(name + " ", "muted"), Piece(short_time_text(seconds) + "  ")]
    for name, percent, role in (
        ("4xx", traffic.client_errors, "text"),
        ("5xx", traffic.server_errors, role_in_force(traffic.server_errors, page.limits.errors, page.level)),
    ):
        if percent is not None:
            pieces += [Piece(name + " ", "muted"), Piece(share_text(percent) + "  ", role)]
    under_way: Row = ()
    if traffic.in_flight is not None:
        under_way = (Piece(_("in flight") + " ", "muted"), Piece(human_count(traffic.in_flight) + "  "))
    if traffic.requests_s is None:
        return (*pieces, *under_way)
    window, short = (Piece(text, "muted") for text in (window_text(traffic.window_s), f"({traffic.window_s:.0f} s)"))
    rows: list[Row] = [(*pieces, *under_way, window), (*pieces, *under_way, short), (*pieces, short)]
    return next((row for row in rows if row_width(row) <= page.style.width), rows[-1])


def window_text(window_s: float) -> str:
    """Over which time rates and shares are."""
    return _("over the last {seconds:.0f} s", seconds=window_s)


def _why_unknown(traffic: Traffic) -> list[Row]:
    names = {"requests": _("qps"), "status": "4xx 5xx", "latency": "p50 p95 p99", "in_flight": _("in flight")}
    return [
        (Piece("   " + fit(names[what], 14), "muted"), Piece(_("unknown: {why}", why=why), "muted"))
        for what, why in traffic.missing.items()
    ]


def numbers_below(page: TrafficPage) -> list[Band]:
    """The newest numbers below the charts, whose lines have most of them, where there is room for one line a thing."""
    if not isinstance(page.state, Ready) or not page.style.compact:
        return []
    return [[text_section(_("Requests"), [_numbers(page, page.state.value)])]]


# ---- over time ---------------------------------------------------------------------------------------------------


def traffic_charts(page: TrafficPage) -> list[PageChart]:
    """Requests by class of status, errors, and latency, as far as they are known: a low screen shows two of them."""
    if not isinstance(page.state, Ready):
        return [] if isinstance(page.state, Pending) else _recorded_charts(page)
    traffic = page.state.value
    found = [_requests(page, traffic), _errors(page, traffic), _latency(page, traffic)]
    return [each for each in found if each is not None]


def _recorded_charts(page: TrafficPage) -> list[PageChart]:
    """The same of a service that is not scraped now, as far as it was in the charts' time."""

    def recorded(title: str, series: Sequence[tuple[str, Series, str]], axis: Callable[[float], str]) -> PageChart:
        curves = [PageCurve(name, _past(page, each), role=role) for name, each, role in series]
        return replace(_chart(page, title, curves, axis), now=_("not scraped"), optional=True)

    quantiles = [(f"p{each * 100:.0f}", latency_series(each), "") for each in QUANTILES]
    errors = [("5xx", SERVER_ERRORS, "failing"), ("4xx", CLIENT_ERRORS, "degraded")]
    limits = page.limits.errors
    return [
        recorded(_("Requests per second"), [("", REQUESTS, "")], human_count),
        replace(recorded(_("Errors"), errors, percent_axis), warn=limits.warn, fail=limits.fail, reach=limits.lowest),
        recorded(_("Latency"), quantiles, seconds_axis),
        recorded(_("Latency, average"), [("", AVERAGE, "")], seconds_axis),
    ]


def _chart(page: TrafficPage, title: str, curves: Sequence[PageCurve], axis: Callable[[float], str]) -> PageChart:
    return PageChart(title, curves, axis, page.now - page.window, page.now, snug=True)


def _requests(page: TrafficPage, traffic: Traffic) -> PageChart | None:
    """Requests per second, by the class of their status where that is known."""
    total = traffic.requests_s
    if total is None:
        return None
    now = _("{count}/s", count=human_count(total))
    shares = [share for share in (traffic.server_errors, traffic.client_errors) if share is not None]
    if len(shares) < 2:
        curve = PageCurve("", lambda count: page.past(REQUESTS, count), newest=total)
        return replace(_chart(page, _("Requests per second"), [curve], human_count), now=now)

    def curve_of(name: str, values: Callable[[int], Values], percent: float, role: str) -> PageCurve:
        newest = total * percent / 100
        return PageCurve(name, values, human_count(newest), role, newest)

    rest = _part_of(page, (SERVER_ERRORS, CLIENT_ERRORS), rest=True)
    curves = [
        curve_of("5xx", _part_of(page, (SERVER_ERRORS,)), shares[0], "failing"),
        curve_of("4xx", _part_of(page, (CLIENT_ERRORS,)), shares[1], "degraded"),
        curve_of("2xx/3xx", rest, 100 - sum(shares), "good"),
    ]
    return replace(_chart(page, _("Requests per second by status"), curves, human_count), now=now)


def _part_of(page: TrafficPage, shares: Sequence[Series], *, rest: bool = False) -> Callable[[int], Values]:
    """The rate of the requests of which ``shares`` are a percentage, or of the rest."""

    def values(count: int) -> Values:
        totals, *parts = (page.past(series, count) for series in (REQUESTS, *shares))
        found: list[float | None] = []
        for total, *percents in zip(totals, *parts, strict=True):
            known = [each for each in percents if each is not None]
            if total is None or len(known) < len(percents):
                found.append(None)
            else:
                found.append(total * (100 - sum(known) if rest else sum(known)) / 100)
        return found

    return values


def _latency(page: TrafficPage, traffic: Traffic) -> PageChart | None:
    curves = [
        PageCurve(
            f"p{quantile * 100:.0f}", _past(page, latency_series(quantile)), quantile_text(found), "", found.seconds
        )
        for quantile, found in zip(QUANTILES, (traffic.p50, traffic.p95, traffic.p99), strict=True)
        if found is not None
    ]
    title, now = _("Latency"), ""
    if not curves and traffic.average_s is not None:
        curves, title = [PageCurve("", _past(page, AVERAGE), newest=traffic.average_s)], _("Latency, average")
        now = short_time_text(traffic.average_s)
    if not curves:
        return None
    limits = page.slow
    if now:  # of an average no rule says anything that is compared with a quantile
        limits = [each for each in limits if each.quantile is None]
    drawn = as_threshold(limits)
    notes = tuple(_limit_of_latency(each) for each in limits[:1] if each.alert)
    return replace(_chart(page, title, curves, seconds_axis), now=now, notes=notes, warn=drawn.warn, fail=drawn.fail)


def _limit_of_latency(limit: LatencyLimit) -> str:
    quantile = 100 * (limit.quantile or 0.0)
    time = human_duration(limit.seconds)
    return _("alert {name}: p{quantile:g} > {limit}", name=limit.alert, quantile=quantile, limit=time)


def _past(page: TrafficPage, series: Series) -> Callable[[int], Values]:
    return lambda count: page.past(series, count)


def _errors(page: TrafficPage, traffic: Traffic) -> PageChart | None:
    """The percentage of responses 5xx and 4xx, with the limit of the alert."""
    limits = page.limits.errors
    curves = [
        PageCurve(name, _past(page, series), share_text(percent), role, percent)
        for name, series, percent, role in (
            ("5xx", SERVER_ERRORS, traffic.server_errors, "failing"),
            ("4xx", CLIENT_ERRORS, traffic.client_errors, "degraded"),
        )
        if percent is not None
    ]
    if not curves:
        return None
    drawn = _chart(page, _("Errors"), curves, percent_axis)
    first = limits.lowest
    notes: tuple[str, ...] = ()
    if first is not None and page.limits.alert:
        notes = (_("alert {name} > {limit:g}%", name=page.limits.alert, limit=first),)
    elif first is not None:
        shown = ", ".join(f"{each:g}%" for each in (limits.warn, limits.fail) if each is not None)
        notes = (_("thresholds > {limits}", limits=shown),)
    window = human_duration(page.window.total_seconds())
    quiet = _(
        "no {classes} responses recorded in the last {time}",
        classes="/".join(each.name for each in curves),
        time=window,
    )
    return replace(drawn, notes=notes, warn=limits.warn, fail=limits.fail, reach=first, quiet=quiet)


def seconds_axis(value: float) -> str:
    """The label of a response time on an axis."""
    return f"{value * 1000:.3g}ms" if value < 1 else f"{value:.3g}s"


def percent_axis(value: float) -> str:
    """The label of a percentage on an axis."""
    return f"{value:.3g}%"


# ---- parts -------------------------------------------------------------------------------------------------------


class _TrafficCells(Struct, frozen=True):
    part: TrafficPart
    page: TrafficPage


def _traffic_rows_quantile(
    quantile: float, pick: Callable[[TrafficPart], Quantile | None]
) -> Callable[[_TrafficCells], Row]:
    def cell(value: _TrafficCells) -> Row:
        found = pick(value.part)
        return (Piece(quantile_text(found), quantile_role(found, quantile, value.page.slow)),)

    return cell


def _average(value: _TrafficCells) -> Row:
    seconds = value.part.average_s
    return () if seconds is None else (Piece(short_time_text(seconds)),)


def _trend(value: _TrafficCells) -> Row:
    recent = value.page.rates.get(value.part.name)
    if recent is None or sum(each is not None for each in recent) < _TREND_LEAST:
        return ()
    top = _HEADROOM * max((each for each in recent if each is not None), default=0.0)
    return (Piece(spark(recent, TREND_COLUMNS, value.page.style.glyphs, top=top or None), "chart"),)


def _share_bar(value: _TrafficCells) -> Row:
    """How much of all requests a status has, as a bar in the colour of its class."""
    glyphs, name = value.page.style.glyphs, value.part.name
    full = min(_STATUS_BAR, round((value.part.share or 0.0) / 100 * _STATUS_BAR))
    role = {"4": "degraded", "5": "failing", "C": "degraded", "S": "failing"}.get(name[:1], "good")
    return (Piece(glyphs.full * full, role), Piece(glyphs.empty * (_STATUS_BAR - full), "rule"))


def _part_errors_role(percent: float | None, page: TrafficPage) -> str:
    """A route has no level of its own."""
    return "text" if percent is None else level_role(percent, page.limits.errors)


_COUNTS: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: _("qps"), 5, lambda v: (Piece(human_count(v.part.requests_s)),), priority=1, right=True),
    Column(lambda: _("share"), 6, lambda v: (Piece(share_text(v.part.share)),), priority=6, right=True),
)
_QUANTILES: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: "p50", 6, _traffic_rows_quantile(0.5, lambda part: part.p50), priority=7, right=True),
    Column(lambda: "p95", 6, _traffic_rows_quantile(0.95, lambda part: part.p95), priority=3, right=True),
    Column(lambda: "p99", 6, _traffic_rows_quantile(0.99, lambda part: part.p99), priority=6, right=True),
)
_AVERAGE: tuple[Column[_TrafficCells], ...] = (Column(lambda: _("average"), 8, _average, priority=3, right=True),)
_ERRORS: tuple[Column[_TrafficCells], ...] = (
    Column(lambda: "4xx", 5, lambda v: (Piece(share_text(v.part.client_errors)),), priority=5, right=True),
    Column(
        lambda: "5xx",
        5,
        lambda v: (Piece(share_text(v.part.server_errors), _part_errors_role(v.part.server_errors, v.page)),),
        priority=2,
        right=True,
    ),
)


_TREND: Column[_TrafficCells] = Column(lambda: "", TREND_COLUMNS, _trend, priority=4)
_BAR: Column[_TrafficCells] = Column(lambda: "", _STATUS_BAR, _share_bar, priority=2)


def worst_first(routes: Sequence[TrafficPart]) -> list[TrafficPart]:
    """The routes in the order in which they hurt: by the requests per second that fail with 5xx, then by p95 (or the
    average), then by their requests."""

    def hurts(part: TrafficPart) -> tuple[float, float, float, str]:
        failed = part.requests_s * (part.server_errors or 0.0) / 100
        slow_s = (part.p95.seconds if part.p95 else part.average_s) or 0.0
        return -round(failed, _FAILED_DIGITS), -slow_s, -part.requests_s, part.name

    return sorted(routes, key=hurts)


def failing_route(page: TrafficPage) -> Row:
    """The route that hurts most, with what is beyond its limit; nothing if no route's numbers are."""
    worst = next(iter(worst_first(page.routes)), None)
    if worst is None:
        return ()
    told: list[Piece] = []
    if (role := _part_errors_role(worst.server_errors, page)) != "text":
        told += [Piece("  5xx ", "muted"), Piece(share_text(worst.server_errors), role)]
    if (role := quantile_role(worst.p95, 0.95, page.slow)) != "text":
        told += [Piece("  p95 ", "muted"), Piece(quantile_text(worst.p95), role)]
    if not told:
        return ()
    rate = _("{count}/s", count=human_count(worst.requests_s))
    return (Piece("   " + _("worst route") + "  ", "muted"), Piece(worst.name or "-", "strong"), *told,
            Piece("  " + rate, "muted"))  # fmt: skip


_FAILED_DIGITS = 3
"""Of failed requests per second: less is none."""


def traffic_tables(page: TrafficPage) -> list[Band]:
    """The requests by route and by status, side by side where there is room; none while nothing is scraped."""
    if isinstance(page.state, Unavailable):
        return []
    worst = worst_first(page.routes)
    routes = _table(page, _("Routes, worst first"), _("route"), worst, _route_columns(page), share=2)
    statuses = _table(page, _("Status"), _("status"), page.statuses, [*_COUNTS, _BAR], share=1)
    found = [each for each in (routes, statuses) if each is not None]
    return [found] if page.style.width >= _STATUS_BESIDE and found else [[each] for each in found]


def _route_columns(page: TrafficPage) -> list[Column[_TrafficCells]]:
    columns = [_COUNTS[0], *([_TREND] if page.rates and not page.style.slow_link else []), *_COUNTS[1:]]
    if any(part.p50 for part in page.routes):
        columns += _QUANTILES
    elif any(part.average_s for part in page.routes):
        columns += _AVERAGE
    return [*columns, *(_ERRORS if any(part.server_errors is not None for part in page.routes) else ())]


def _table(
    page: TrafficPage,
    title: str,
    first: str,
    parts: Sequence[TrafficPart],
    columns: Sequence[Column[_TrafficCells]],
    *,
    share: int,
) -> Section | None:
    if not parts:
        return None
    longest = max(cell_width(clean(part.name)) for part in parts[:ROUTES_SHOWN])
    wide = min(_NAME_MOST, max(_NAME_LEAST, longest))
    name: Column[_TrafficCells] = Column(lambda: first, wide, lambda v: (Piece(v.part.name or "-", "strong"),), grow=80)

    def rows(width: int) -> list[Row]:
        chosen = choose([name, *columns], width - _INDENT - 1)
        found = [heading(chosen, _INDENT)]
        found += [(Piece(" " * _INDENT), *line(chosen, _TrafficCells(part, page))) for part in parts[:ROUTES_SHOWN]]
        if len(parts) > ROUTES_SHOWN:
            more = _("{count} more", count=len(parts) - ROUTES_SHOWN)
            found.append((Piece(" " + more, "muted"),))
        return found

    return Section(title, rows, (Piece(str(len(parts)), "muted"),), share)


# ---- where from --------------------------------------------------------------------------------------------------


def traffic_source(page: TrafficPage) -> Section | None:
    """The source of the traffic: the targets' states, the metrics used, and the series store."""
    facts: list[tuple[str, str]] = []
    for target in page.targets:
        facts += _target_facts(target)
    if isinstance(page.state, Ready):
        facts += _taken(page.state.value)
    if page.kept is not None:
        facts.append((_("series store"), kept_text(page.kept, page.now)))
        facts += ((_("not scraped"), problem) for problem in page.kept.problems)
    if not facts:
        return None
    rows: list[Row] = [(Piece(" " + fit(name, _FACT), "muted"), Piece(value)) for name, value in facts]
    return text_section(_("Metrics"), rows, note=(Piece(_(":targets shows all"), "muted"),))


def _target_facts(target: TargetView) -> Iterator[tuple[str, str]]:
    yield _("endpoint"), target.url
    yield _("scrape interval"), human_duration(target.every_s)
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
