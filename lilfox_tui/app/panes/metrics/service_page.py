"""Services and their traffic as rows of a list and as pages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.evidence import error_row
from lilfox_tui.app.panes.metrics.findings import finding_sections
from lilfox_tui.app.panes.metrics.probe_facts import answer_facts, expected_facts
from lilfox_tui.app.panes.metrics.problems import reason_rows
from lilfox_tui.app.panes.metrics.sections import (
    CHART_BESIDE,
    Band,
    PageChart,
    PageCurve,
    Past,
    Section,
    SectionStyle,
    beside_each_other,
    chart_bands,
    draw_sections,
    fill_page,
    padded,
    quiet_charts,
    runbook_rows,
    text_section,
)
from lilfox_tui.app.panes.metrics.traffic_sections import (
    TrafficPage,
    failing_route,
    numbers_below,
    percent_axis,
    quantile_role,
    seconds_axis,
    traffic_charts,
    traffic_head,
    traffic_source,
    traffic_tables,
)
from lilfox_tui.app.rendering.chart import Values, spark
from lilfox_tui.app.rendering.columns import (
    GAP,
    Column,
    choose,
    heading,
    line,
    percent_text,
    quantile_text,
    share_text,
    short_time_text,
    wrapped,
)
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row, row_width, squeezed
from lilfox_tui.app.rows.hosts import (
    INDENT,
    ROLES,
    TableStyle,
    held_for,
    lately_rows,
    no_worse,
    reason_pieces,
    role_in_force,
)
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import clean, fit, human_age, human_count, human_duration, short_age
from lilfox_tui.metrics.model import CertificateTimes, Health, Level, Series, ServiceState
from lilfox_tui.metrics.traffic import (
    Quantile,
    Traffic,
    TrafficPart,
)
from lilfox_tui.monitor.model import (
    ClientReport,
    FindingView,
    HostView,
    Overview,
    ServiceView,
    StatusChange,
    StoreUsage,
    TargetView,
)
from lilfox_tui.monitor.watchers.service import RESPONSE_SECONDS, UP

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import LoggedError
    from lilfox_tui.config.model import RecoveryConfig
    from lilfox_tui.metrics.history import History

# The SERVICES table as rows. Pure: views in, rows out.


_UNKNOWN = Traffic(datetime.fromtimestamp(0, UTC), 0.0)


class _ServiceCells(Struct, frozen=True):
    view: ServiceView
    now: datetime
    style: TableStyle
    traffic: Traffic = _UNKNOWN


def health_word(health: Health) -> str:
    """The ops manual's term for a health state."""
    return {Health.HEALTHY: _("healthy"), Health.UNHEALTHY: _("unhealthy"), Health.ERROR: _("error")}[health]


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
    if state is None or seconds is None or state.last.status_code is None:
        return _code(value)  # a word, beside which there is no room
    return (*_code(value), Piece(" " + fit(short_time_text(seconds), 6, right=True)))


def _rate(value: _ServiceCells) -> Row:
    rate = value.traffic.requests_s
    return () if rate is None else (Piece(human_count(rate)),)


def _trend(value: _ServiceCells) -> Row:
    recent = (value.style.recent or {}).get(f"traffic/{value.view.name}")
    if not value.style.sparklines or not recent:
        return ()
    return (Piece(spark(recent, 8, value.style.glyphs), "chart"),)


def _quantile(quantile: float, pick: Callable[[Traffic], Quantile | None]) -> Callable[[_ServiceCells], Row]:
    def cell(value: _ServiceCells) -> Row:
        found = pick(value.traffic)
        limits = value.view.limits.of_latency(value.traffic, value.view.config.slow)
        role = no_worse(quantile_role(found, quantile, limits), value.view.level)
        return (Piece(quantile_text(found), role),)

    return cell


def _client_errors(value: _ServiceCells) -> Row:
    return (Piece(share_text(value.traffic.client_errors)),)


def _server_errors(value: _ServiceCells) -> Row:
    percent = value.traffic.server_errors
    role = role_in_force(percent, value.view.limits.errors, value.view.level)
    return (Piece(share_text(percent), role),)


def _in_flight(value: _ServiceCells) -> Row:
    count = value.traffic.in_flight
    return () if count is None else (Piece(human_count(count)),)


def _since(value: _ServiceCells) -> Row:
    held_s = (value.now - value.view.since).total_seconds()
    return (Piece(short_age(held_s) if held_s > 0 else "-", "muted"),)  # of much of the past, since when is unknown


def _where(value: _ServiceCells) -> Row:
    state = value.view.state
    if state is not None and state.last.error is not None:
        return (Piece(str(state.last.error), ROLES[value.view.level]),)
    if value.view.reasons:
        return reason_pieces(value.view)
    config = value.view.config
    place = config.url.partition("://")[2] or config.url
    return (Piece(place + config.health, "muted"), *((Piece(f"  @{config.from_}", "muted"),) if config.from_ else ()))


_P95 = Column(lambda: "p95", 6, _quantile(0.95, lambda traffic: traffic.p95), priority=3, right=True)
_SERVER_ERRORS = Column(lambda: "5xx", 5, _server_errors, priority=2, right=True)
_RATE = Column(lambda: _("qps"), 5, _rate, priority=4, right=True)
COLUMNS: tuple[Column[_ServiceCells], ...] = (
    Column(lambda: _("service"), 12, lambda v: (Piece(v.view.name, "strong"),), grow=4),
    Column(lambda: _("health"), 10, _health, priority=1),
    _RATE,
    Column(lambda: "", 8, _trend, priority=5),
    Column(lambda: "p50", 6, _quantile(0.5, lambda traffic: traffic.p50), priority=9, right=True),
    _P95,
    Column(lambda: "p99", 6, _quantile(0.99, lambda traffic: traffic.p99), priority=7, right=True),
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


_REASON_LEAST = 30
"""Cells of a reason that is cut: with less, it is told among the problems alone."""


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
    told = tuple(Piece(clean(piece.text), piece.role) for piece in _where(value))
    if view.found:
        told = (Piece(_("found here") + "  ", "muted"), *told)
    head: Row = (*mark, *line(chosen[:2], value), Piece(" " * GAP))
    since = (Piece("  "), *_since(value)) if view.level is not Level.GOOD else ()
    left = style.width - row_width((*head, *told))
    room = left + row_width(told) - row_width(since) - 1
    if left < 0 and room >= _REASON_LEAST and view.level in (Level.DEGRADED, Level.FAILING):
        return (*head, *cut_row(told, room), *since)
    if left >= row_width(since):
        return (*head, *told, *since)
    if left >= 0:
        return (*head, *told)
    row = squeezed((*head, *told), style.width - 1)
    if (
        row_width(row) >= style.width
        and view.level in (Level.DEGRADED, Level.FAILING)
        and (held := held_for(view, now))
    ):
        return (*head, Piece(_("for {time}", time=held), ROLES[view.level]))  # why is among the problems
    return row


def windows_text(views: Iterable[ServiceView]) -> str:
    """Over which time the rates and shares of the services are; empty if there are none."""
    found = {round(each.traffic.value.window_s) for each in views
             if isinstance(each.traffic, Ready) and each.traffic.value.requests_s is not None}  # fmt: skip
    if not found:
        return ""
    seconds = f"{min(found)}-{max(found)}" if len(found) > 1 else str(*found)
    return _("over {seconds} s", seconds=seconds)


_FACT_GAP, _ERRORS_SHOWN, _BORDERS = 2, 5, 3
_TEXT_BESIDE = 58
"""Cells from which a section of text stands beside another one."""


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
    past_traffic: Past | None = None
    recorded_traffic: Past | None = None
    """The same of what LilFox itself has recorded: nobody is asked for it."""
    routes: Sequence[TrafficPart] = ()
    route_rates: Mapping[str, Values] = {}
    statuses: Sequence[TrafficPart] = ()
    targets: Sequence[TargetView] = ()
    kept: StoreUsage | None = None
    errors: Sequence[LoggedError] = ()
    """The newest ones of its logs, newest first."""
    below_charts: Callable[[], Sequence[Row]] = tuple
    """What is to be said of the charts of its requests, once they are drawn."""
    slow_link: bool = False
    charts_first: bool = True
    """Whether all charts stand above the tables, as on a high screen."""
    height: int = 0
    """Rows of the screen; 0 if it does not matter."""
    cursor: datetime | None = None
    """The moment whose values the charts tell, instead of the newest ones."""
    callers: Sequence[ClientReport] = ()
    """What other services log of it."""
    runbooks: Sequence[str] = ()
    """The titles of those that are for it."""
    unanswered: datetime | None = None
    """Since when it gives no response; None if it does, or that is not known."""
    host: HostView | None = None
    """The host whose charts stand beside those of a service of which little is known."""
    units: Sequence[tuple[str, str]] = ()
    """The systemd units of it that the configuration names, each with its state, as far as that is known."""
    past_of: Callable[[str, Series, int], Values] = lambda _subject, _series, _columns: ()
    """The past values of another subject: ``past`` of this one."""
    fired: datetime | None = None
    """When the worst alert about it fired; None if none fires."""
    findings: Sequence[FindingView] = ()
    """Those of the audit on this service."""


def service_page(page: ServicePage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    style = SectionStyle(page.width, page.glyphs, page.chart_height, page.slow_link, page.cursor, page.fired)
    if page.view.unanswered:  # there are few tables: the charts have their room, in two bands
        style = replace(style, chart_beside=max(CHART_BESIDE, page.width // 3 - _BORDERS))
    page = replace(page, past=cache(page.past), past_traffic=cache(page.past_traffic or page.past))  # drawn twice
    charts, quiet = quiet_charts(_charts(page, style), style)
    if any(each.title == _("Latency") for each in charts):  # it tells more than the average
        charts = [each for each in charts if each.title != _("Latency, average")]
    if page.unanswered is not None and charts:
        if page.unanswered >= page.now - page.window:  # the charts have its mark
            quiet = [each for each in quiet if each.title != _("Health check")]
        charts += _host_charts(page) if len(charts) == 1 else []
    bands = len(chart_bands(charts, style))
    return fill_page(lambda style: _drawn(page, charts, quiet, style), style, page.height, bands)


def _charts(page: ServicePage, style: SectionStyle) -> list[PageChart]:
    """Those of its requests, and of its health checks, which come first where they get no response."""
    requests, checks = traffic_charts(_traffic(page, style)), [_response_time(page), *_failed_checks(page)]
    if not page.view.unanswered:
        return [*requests, *checks]
    shown = [*checks, *requests]
    if page.unanswered is None:
        return shown
    return [replace(each, moment=page.unanswered, sign=_("no response since")) for each in shown]


def _drawn(page: ServicePage, shown: Sequence[PageChart], quiet: Sequence[Section], style: SectionStyle) -> list[Row]:
    traffic = _traffic(page, style)
    charts = [*chart_bands(shown, style), *([quiet] if quiet else [])]
    above = len(charts) if page.charts_first else 1
    source = traffic_source(traffic)
    texts = [Section(_("Last check"), lambda width: _facts(page, width)), *([] if source is None else [source])]
    texts += finding_sections(page.findings, page.glyphs)
    if changes := lately_rows(page.changes, page.now, page.glyphs):
        texts.append(text_section(_("Recent changes"), changes))
    errors = [error_row(each, page.now, page.glyphs) for each in page.errors[:_ERRORS_SHOWN]]
    newest: Band = [Section(_("Newest errors"), lambda width: [cut_row(row, width - 1) for row in errors])]
    is_ill = page.view.level is not Level.GOOD  # the cause stands above its effects
    bands: list[Band] = [
        *([newest] if is_ill else []),
        *charts[:above],
        *([] if is_ill else [newest]),
        *numbers_below(traffic),
        *traffic_tables(traffic),
        *charts[above:],
        [Section(_("Older data"), lambda width: padded(page.below_charts(), width))],
        *beside_each_other(texts, page.width, _TEXT_BESIDE),
    ]
    about = traffic_head(traffic) if page.view.config.health else []  # without HTTP there are no requests
    head = [*_head(page), *about, *([failing_route(traffic)] if is_ill else [])]
    return [*wrapped([row for row in head if row], page.width), *draw_sections(bands, style)]


def _head(page: ServicePage) -> list[Row]:
    view = page.view
    return [
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
        *_certificate_row(page),
        *_what_it_said(view),
        *(_caller_row(each, page.now) for each in page.callers),
        *runbook_rows(page.runbooks),
    ]


def _caller_row(report: ClientReport, now: datetime) -> Row:
    said = _("{client} depends on it: {said}", client=report.who, said=clean(report.text))
    times = f" (×{report.times})" if report.times > 1 else ""
    age = "" if report.at is None else "  " + _("{time} ago", time=human_age((now - report.at).total_seconds()))
    return (Piece("   "), Piece(said + times, "degraded"), Piece(age, "muted"))


def _what_it_said(view: ServiceView) -> list[Row]:
    """The last answer of an unhealthy service, shown next to the problem; for a healthy service it is among the
    facts."""
    said = "" if view.state is None or view.level is Level.GOOD else view.state.last.detail
    return [(Piece("   " + _("response") + "  ", "muted"), Piece(said))] if said else []


def _traffic(page: ServicePage, style: SectionStyle) -> TrafficPage:
    """The service's requests, and their source."""
    return TrafficPage(
        state=page.view.traffic,
        routes=page.routes,
        rates=page.route_rates,
        statuses=page.statuses,
        targets=page.targets,
        kept=page.kept,
        past=page.past_traffic or page.past,
        now=page.now,
        window=page.window,
        slow_s=page.view.config.slow,
        level=page.view.level,
        limits=page.view.limits,
        style=style,
        told=_told_above(page.view),
    )


def _told_above(view: ServiceView) -> frozenset[str]:
    """The reasons for its level, which are told at the top of the page."""
    return frozenset(map(str, view.reasons))


def _response_time(page: ServicePage) -> PageChart:
    state = page.view.state
    newest = None if state is None else state.last.response_time_s
    none = _("no response") if page.view.unanswered else _("unknown")
    return PageChart(
        _("Health check"),
        [PageCurve("", lambda count: page.past(RESPONSE_SECONDS, count), newest=newest)],
        seconds_axis,
        page.now - page.window,
        page.now,
        now=none if newest is None else short_time_text(newest),
        warn=page.view.config.slow,
        line=True,
        snug=True,
        unknown=_no_response(page),
    )


def _no_response(page: ServicePage) -> str:
    if page.unanswered is None:
        return _("no response recorded in the last {time}", time=human_duration(page.window.total_seconds()))
    age = human_age((page.now - page.unanswered).total_seconds())
    return _("no response since {at:%H:%M:%S}, {time} ago", at=page.unanswered, time=age)


def _failed_checks(page: ServicePage) -> list[PageChart]:
    """How many of the health checks failed, of a service that does not respond."""
    state = page.view.state
    if state is None or not page.view.unanswered:
        return []

    def failed(count: int) -> Values:
        return [None if up is None else failed_percent(up) for up in page.past(UP, count)]

    curve = PageCurve("", failed, role="failing")
    return [
        PageChart(
            _("Failed health checks"),
            [curve],
            percent_axis,
            page.now - page.window,
            page.now,
            now=in_a_row(state) or percent_axis(100),
            top=100.0,
            line=True,
            optional=True,
        )
    ]


def in_a_row(state: ServiceState) -> str:
    """How many health checks have failed in a row, if it is more than the last one: of the past it is not recorded."""
    return _("{count} in a row", count=state.failures) if state.failures > 1 else ""


def _host_charts(page: ServicePage) -> list[PageChart]:
    """What its host does, of a service of which no more is known."""
    if page.host is None or page.host.summary is None:
        return []
    summary, limits, lost = page.host.summary, page.host.thresholds, isinstance(page.host.link, Unavailable)

    def percent(title: str, series: str, now: float | None, limit: Threshold) -> PageChart:
        told = _("unknown") if now is None or lost else percent_text(now).strip()
        return PageChart(
            _("{chart} of {host}", chart=title, host=summary.host),
            [PageCurve("", partial(page.past_of, f"host/{summary.host}", Series(series)))],
            percent_axis,
            page.now - page.window,
            page.now,
            now=told,
            top=100.0,
            warn=limit.warn,
            fail=limit.fail,
        )

    return [
        percent(_("CPU"), "cpu_usage_percent", summary.cpu_percent, limits.cpu_percent),
        percent(_("Memory"), "memory_usage_percent", summary.memory_percent, limits.memory_percent),
    ]


def host_beside(view: ServiceView, overview: Overview | None) -> HostView | None:
    """The host whose charts stand beside those of a service: the one that checks it, or the only one."""
    if overview is None:
        return None
    if view.config.from_:
        return overview.hosts.get(view.config.from_)
    return next(iter(overview.hosts.values())) if len(overview.hosts) == 1 else None


def units_of(name: str, recovery: Mapping[str, RecoveryConfig], overview: Overview | None) -> list[tuple[str, str]]:
    """The units that the configuration names for a service, each with what the last sample of its host says of it."""
    hosts = {} if overview is None else overview.hosts
    found: list[tuple[str, str]] = []
    for each in recovery.values():
        host = hosts.get(each.host or "") if each.service == name and each.unit else None
        if host is None or host.summary is None or isinstance(host.link, Unavailable):
            continue
        if (failed := host.summary.failed_units) is not None:
            words = _("failed on {host}", host=host.name), _("not failed on {host}", host=host.name)
            found.append((each.unit, words[0] if each.unit in failed else words[1]))
    return found


def failed_percent(up: float) -> float:
    """How many of the health checks failed of which that part was healthy."""
    return 100 * (1 - up)


def unanswered_since(view: ServiceView, history: History, now: datetime) -> datetime | None:
    """Since when a service gives no response; None if it does, or where it gave others than healthy ones before."""
    state = view.state
    if state is None or not view.unanswered or now <= state.since:
        return None
    return None if history.window(f"service/{view.name}", RESPONSE_SECONDS, state.since, now, 1) else state.since


def certificate_text(times: CertificateTimes, now: datetime) -> str:
    """How long a certificate is still valid."""
    days = times.days_left(now)
    if times.end <= now:
        return _("expired on {day:%Y-%m-%d}", day=times.end)
    left = ngettext("{count} day left", "{count} days left", days)
    return _("{left}, until {day:%Y-%m-%d}", left=left, day=times.end)


def _certificate_row(page: ServicePage) -> list[Row]:
    """That the certificate expires soon, or has expired."""
    times = None if page.view.state is None else page.view.state.certificate
    if times is None or not times.expires_soon(page.now):
        return []
    role = "failing" if times.end <= page.now else "degraded"
    return [(Piece("   "), Piece(_("certificate: {left}", left=certificate_text(times, page.now)), role))]


def _facts(page: ServicePage, width: int) -> list[Row]:
    """The last answer and how it was asked for, as many of these in a row as fit."""
    config, state = page.view.config, page.view.state
    facts: list[tuple[str, str]] = []
    if state is not None:
        last = state.last
        name = _("last check") if last.health is Health.ERROR else _("last response")  # nothing came
        facts.append((name, last.at.strftime("%H:%M:%S") + " " + health_word(last.health)))
        facts += answer_facts(config, state, page.now)
        if last.error is not None:
            said = str(last.error)
            facts.append((_("error"), _("as above") if said in _told_above(page.view) else said))
        if last.detail and page.view.level is Level.GOOD:
            facts.append((_("response"), last.detail))
        if in_a_row(state):
            facts.append((_("failures in a row"), str(state.failures)))
        if state.certificate is not None:
            facts.append((_("certificate"), certificate_text(state.certificate, page.now)))
    facts += page.units
    facts += expected_facts(config)
    facts.append((_("probed from"), config.from_ or _("this machine")))
    facts.append((_("timeout"), human_duration(config.timeout)))
    rows: list[Row] = []
    for name, value in facts:
        fact: Row = (Piece(" " + name, "muted"), Piece(" " + value))
        if rows and row_width(rows[-1]) + _FACT_GAP + row_width(fact) < width:
            rows[-1] = (*rows[-1], Piece(" " * _FACT_GAP), *fact)
        else:
            rows.append(fact)
    return padded(rows, width)
