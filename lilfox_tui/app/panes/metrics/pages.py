"""The contents of the Metrics pane's pages, including values from before LilFox started, and the pages as evidence."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.evidence import LoggedError, Selected, Selection, each_once, is_named_after, page_evidence
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.alert_section import alerts_at, runbooks_for, runbooks_for_finding
from lilfox_tui.app.panes.metrics.backend_page import BackendPage, backend_page
from lilfox_tui.app.panes.metrics.finding_state import finding_of
from lilfox_tui.app.panes.metrics.findings import FindingPage, finding_page, no_finding
from lilfox_tui.app.panes.metrics.host_page import HostPage, host_page
from lilfox_tui.app.panes.metrics.sections import SectionStyle
from lilfox_tui.app.panes.metrics.service_page import ServicePage, host_beside, service_page, unanswered_since, units_of
from lilfox_tui.app.panes.metrics.state import (
    ALERT_KINDS,
    WINDOWS,
    MetricsState,
    Subject,
    alerts_of,
    link_error,
)
from lilfox_tui.app.panes.metrics.traffic_sections import TREND_COLUMNS
from lilfox_tui.app.rendering.chart import Values, chart_columns, in_columns
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.hosts import well
from lilfox_tui.app.rows.processes import SteadyOrder
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, clauses, listed
from lilfox_tui.metrics.history import Point
from lilfox_tui.metrics.model import HostSnapshot, Level, Series
from lilfox_tui.monitor.model import (
    AuditView,
    BackendView,
    ClientReport,
    FindingView,
    HostView,
    Overview,
    ServiceView,
    View,
)
from lilfox_tui.monitor.raised_levels import caller_reports

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Event
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem
    from lilfox_tui.monitor.alert_explain import Explanation
    from lilfox_tui.monitor.remote_history import FarChart, RemoteHistory


# What was before LilFox began, in the Metrics pane: asked of the Prometheus of the config, and what is said of it.


_ASKED_FROM = WINDOWS[2]
"""Windows of the present that are shorter are soon full, and would be asked for every few seconds."""
_AGAIN = timedelta(seconds=15)
"""After no answer."""
_IMPORTED_IN_THREAD = ("lilfox_tui.monitor.remote_history", "lilfox_tui.promql.remote")
"""With numpy and the client: the event loop goes on meanwhile, and neither is there before somebody looks far back."""


class _Question(Struct, frozen=True):
    """A query to Prometheus for the values of ``series`` from ``start`` to before ``begin``, one per ``step_s``.
    ``grid`` is the number of steps since 1970 at the chart's end: once the chart has moved on by a step, it is a new
    query."""

    view: HostView | ServiceView
    series: Series
    start: datetime
    begin: datetime
    step_s: float
    grid: int

    def same(self, other: _Question) -> bool:
        """Return whether the other query is for the same steps, so that one answer serves both."""
        return (self.step_s, self.grid) == (other.step_s, other.grid)


class _Asked(Struct):
    question: _Question
    state: State[FarChart | None]
    waits: bool = True


class FarPast:
    """The values that charts and the rewound screen show: those in LilFox's history, and earlier ones from a
    Prometheus."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._asked_past: RemoteHistory | None = None
        self._far_charts: dict[tuple[str, Series], _Asked] = {}
        self._far_wanted: list[_Asked] = []
        self._far_drawn: list[_Asked] = []
        self._far_screen: State[Overview] | None = None

    @property
    def _where(self) -> str:
        """The Prometheus as named on the screen; empty if there is none."""
        prometheus = self._app.config.prometheus
        return "" if prometheus is None else urlsplit(prometheus.url).netloc

    @property
    def is_asked(self) -> bool:
        """Whether a Prometheus is asked for what was before LilFox began."""
        return bool(self._where) and (self._app.rewound is not None or self._state.chosen_window >= _ASKED_FROM)

    async def _past_elsewhere(self) -> RemoteHistory:
        if self._asked_past is None:
            for module in _IMPORTED_IN_THREAD:
                await asyncio.to_thread(importlib.import_module, module)
            from lilfox_tui.monitor.remote_history import RemoteHistory

            if self._asked_past is None:  # another has made it meanwhile
                self._asked_past = RemoteHistory(self._app.monitor.queries.engine)
        return self._asked_past

    def _begins(self, subject: str, now: datetime) -> datetime:
        """Return when the history of ``subject`` begins, at the latest ``now``; ``now`` if there is none."""
        span = self._app.monitor.history.span(subject)
        return now if span is None else min(now, span[0])

    # ---- charts --------------------------------------------------------------------------------------------------

    def new_page(self) -> None:
        """Called before the charts of a page are drawn."""
        self._far_drawn = []

    def past(self, subject: str, series: Series, columns: int, now: datetime) -> Values:
        """The values in history, by column."""
        points = self._app.monitor.history.window(subject, series, now - self._state.window, now, columns)
        return in_columns(points, now - self._state.window, now, columns)

    def past_rate(self, subject: str, series: Series, columns: int, now: datetime, over: timedelta) -> Values:
        """The increase per second of a counter in history over so long, by column; unknown where it was reset."""
        start, step_s = now - self._state.window, self._state.window.total_seconds() / columns
        points = whole_stretches(
            self._app.monitor.history.window(subject, series, start, now, columns), start, now, step_s
        )
        return in_columns(increase_per_second(points, over), start, now, columns)

    def long_past(
        self, view: HostView | ServiceView, subject: str, series: Series, columns: int, now: datetime
    ) -> Values:
        """Return the values in LilFox's history, preceded by those of the Prometheus. Values that are still missing are
        queued for a query."""
        start, step_s = now - self._state.window, self._state.window.total_seconds() / columns
        begin = self._begins(subject, now)
        if not self.is_asked:
            return self.past(subject, series, columns, now)
        if begin - start < timedelta(seconds=step_s):
            return self.past(subject, series, columns, now)
        question = _Question(view, series, start, begin, step_s, int(now.timestamp() // step_s))
        points = self._app.monitor.history.window(subject, series, start, now, columns)
        return in_columns([*self._far_points(subject, question), *points], start, now, columns)

    def _far_points(self, subject: str, question: _Question) -> Sequence[Point]:
        key = (subject, question.series)
        asked = self._far_charts.get(key)
        if asked is None or asked.question.step_s != question.step_s:
            asked = self._far_charts[key] = _Asked(question, Pending())
            self._far_wanted.append(asked)
        elif not asked.waits and (not asked.question.same(question) or _is_due(asked.state)):
            asked = self._far_charts[key] = _Asked(question, asked.state)  # what is known stays until the answer
            self._far_wanted.append(asked)
        self._far_drawn.append(asked)
        chart = asked.state.value if isinstance(asked.state, Ready) else None
        return [] if chart is None else [point for point in chart.points if point.at < question.begin]

    def page_is_drawn(self) -> None:
        """Called after the charts of a page were drawn: queries the missing values in the background."""
        if self._far_wanted:
            wanted, self._far_wanted = self._far_wanted, []
            self._context.run(self._ask_charts(wanted), group="far charts")

    async def _ask_charts(self, wanted: Sequence[_Asked]) -> None:
        await asyncio.gather(*(self._ask_chart(each) for each in wanted))
        if self._state.page is not None and not self._app.leaving:
            self._context.repaint_all()

    async def _ask_chart(self, asked: _Asked) -> None:
        question = asked.question
        try:
            past = await self._past_elsewhere()
            found = await past.chart(question.view, question.series, question.start, question.begin, question.step_s)
            asked.state = Ready(found)
        except LilFoxError as error:
            now = datetime.now(UTC)
            since = asked.state.since if isinstance(asked.state, Unavailable) else now
            asked.state = Unavailable(error, since, now + _AGAIN)
        finally:
            asked.waits = False

    def rows(self) -> list[Row]:
        """The rows that tell which values of the drawn charts come from the Prometheus, or why they are missing."""
        states = self._far_states()
        if not states:
            title = () if isinstance(self._far_screen, Ready) else self.title()
            return [(Piece(" "), *title)] if title else []
        before = min(asked.question.begin for asked in self._far_drawn).strftime("%m-%d %H:%M")
        for state in states:
            if isinstance(state, Unavailable):
                rows: list[Row] = [
                    (
                        Piece(" "),
                        Piece(_("data before {time} is unavailable: {why}", time=before, why=state.error), "degraded"),
                    )
                ]
                if str(state.error.hint):
                    rows.append((Piece(" "), Piece(str(state.error.hint))))
                return rows
        if any(isinstance(state, Pending) for state in states):
            return [(Piece(" " + _("before {time}: querying {where}", time=before, where=self._where), "muted"),)]
        taken = dict.fromkeys(state.value.taken for state in states if isinstance(state, Ready) and state.value)
        text = _("before {time}: {series} from {where}", time=before, where=self._where, series=listed(taken))
        return [(Piece(" " + text, "muted"),)]

    def _far_states(self) -> list[State[FarChart | None]]:
        """Return the state of each query for the charts just drawn, except for series that the Prometheus does not
        have."""
        states = (asked.state for asked in self._far_drawn)
        return [state for state in states if not isinstance(state, Ready) or state.value is not None]

    # ---- the rewound screen --------------------------------------------------------------------------------------

    def rewind(self, overview: Overview) -> None:
        """Shows ``overview``, which is from the past, and queries the values that LilFox's history lacks."""
        self._state.overview = overview
        known, self._far_screen = self._far_screen, None
        hosts = [name for name in overview.hosts if self._lies_before(f"host/{name}", overview.at)]
        services = [name for name in overview.services if self._lies_before(f"traffic/{name}", overview.at)]
        if not self._where or not (hosts or services):
            return
        if isinstance(known, Ready) and known.value.at == overview.at:
            self._far_screen, self._state.overview = known, known.value
            return
        self._far_screen = Pending()
        self._context.run(partial(self._ask_screen, overview, hosts, services), group="far screen", exclusive=True)

    def _lies_before(self, subject: str, at: datetime) -> bool:
        span = self._app.monitor.history.span(subject)
        return span is None or at < span[0]

    async def _ask_screen(self, overview: Overview, hosts: Sequence[str], services: Sequence[str]) -> None:
        state: State[Overview]
        try:
            past = await self._past_elsewhere()
            state = Ready(await past.overview(overview, hosts, services))
        except LilFoxError as error:
            state = Unavailable(error, datetime.now(UTC))
        if self._app.rewound != overview.at or self._app.leaving:
            return
        self._far_screen = state
        self._state.overview = state.value if isinstance(state, Ready) else overview
        self._context.repaint()
        self._app.frame(self._state.overview)

    def title(self) -> tuple[Piece, ...]:
        """The source of the rows on a rewound screen, or why they are empty; nothing if they come from LilFox's
        history."""
        match self._far_screen if self._app.rewound is not None else None:
            case Ready():
                return (Piece(_("from {where}", where=self._where), "accent"),)
            case Pending():
                return (Piece(_("querying {where}", where=self._where), "muted"),)
            case Unavailable(error=error):
                return (Piece(_("unknown: {why}", why=error), "degraded"),)
        return ()

    def status(self) -> str:
        """The source of an open page's charts, in a few words."""
        states = self._far_states()
        if not states:
            return ""
        before = min(asked.question.begin for asked in self._far_drawn).strftime("%m-%d %H:%M")
        if any(isinstance(state, Unavailable) for state in states):
            return _("data before {time} is unavailable", time=before)
        if any(isinstance(state, Pending) for state in states):
            return _("before {time}: querying {where}", time=before, where=self._where)
        return _("before {time}: from {where}", time=before, where=self._where)


def _is_due(state: State[FarChart | None]) -> bool:
    """Whether a query failed and its next try is due."""
    return isinstance(state, Unavailable) and state.next_try is not None and state.next_try <= datetime.now(UTC)


def whole_stretches(points: Sequence[Point], start: datetime, end: datetime, step_s: float) -> Sequence[Point]:
    """The means of stretches of ``step_s`` without the first and the last one, of which only a part lies between
    ``start`` and ``end``: the mean of a part is another moment's, and the increase up to it would be wrong."""
    first, last = start.timestamp(), end.timestamp()
    return [point for point in points if point.at_s >= first and point.at_s + step_s <= last]


def increase_per_second(points: Sequence[Point], over: timedelta) -> list[Point]:
    """The increase per second of a counter up to each point, over at least that long; none where it was reset."""
    found: list[Point] = []
    first = 0
    least_s = over.total_seconds()
    for last, after in enumerate(points):
        if last and after.mean < points[last - 1].mean:
            first = last
        while first < last and after.at_s - points[first + 1].at_s >= least_s:
            first += 1
        before = points[first]
        if (over_s := after.at_s - before.at_s) >= least_s:
            rate = (after.mean - before.mean) / over_s
            found.append(Point(after.at_s, rate, rate, rate))
    return found


def rate_span(view: BackendView) -> timedelta:
    """The time over which the increase of a backend's counters is told."""
    return timedelta(seconds=_RATE_POLLS * view.config.every)


_WIDTH, _CHART_HEIGHT = 120, 5
"""Of a page that is kept, however small the screen is."""
_RATE_POLLS = 4
"""Rates of a backend are over so many polls, so that one that fails makes no gap."""
_HIGH = 30
"""Rows of a screen on which all charts stand above the tables."""


class MetricsPages:
    """Makes the pages of the watched objects."""

    def __init__(self, context: PaneContext[MetricsState], far: FarPast) -> None:
        self._far, self._state, self._app = far, context.state, context.app
        self._order = SteadyOrder()
        self.newest_errors: Callable[[], Sequence[LoggedError]] = tuple
        """The errors of all logs, newest first."""

    def data_since(self, subject: Subject, now: datetime) -> datetime | None:
        """When the history of a page's subject begins; None if its charts have data from before LilFox, or none."""
        kind, name = subject
        if kind in ALERT_KINDS or (kind != "backend" and self._far.is_asked):
            return None
        names = (f"{kind}/{name}", f"traffic/{name}") if kind == "service" else (f"{kind}/{name}",)
        spans = [span for each in names if (span := self._app.monitor.history.span(each)) is not None]
        return min((first for first, _last in spans if first < now), default=None)

    def host_page(self, view: HostView, now: datetime) -> HostPage:
        """What the page of a host shows."""
        app = self._app
        found = app.monitor.snapshot(view.name).value if app.rewound is None else None
        snapshot = found if isinstance(found, HostSnapshot) else None
        processes = None if snapshot is None else snapshot.processes
        return HostPage(
            view=view,
            processes=None if processes is None else self._order.busiest(processes, self._state.process_sort),
            process_totals=None if snapshot is None else snapshot.process_totals,
            process_sort=self._state.process_sort,
            changes=[each for each in app.monitor.changes.all() if each.subject == f"host/{view.name}"][::-1],
            past=lambda series, columns: self._far.long_past(view, f"host/{view.name}", series, columns, now),
            recorded=lambda series, columns: self._far.past(f"host/{view.name}", series, columns, now),
            below_charts=self._far.rows,
            now=now,
            window=self._state.window,
            glyphs=app.glyphs,
            width=self._app.room.width,
            charts_only=self._state.zoomed,
            chart_height=self.chart_height(),
            slow_link=app.slow_link,
            height=app.room.height,
            cursor=self._state.cursor,
            rewound=app.rewound is not None,
            fired=self._state.fired_at(("host", view.name)),
            findings=self._findings("host", view.name),
            engines=self._state.overview.containers.get(view.name, ()) if self._state.overview else (),
        )

    def _findings(self, kind: str, name: str) -> Sequence[FindingView]:
        """Those of the audit on a host, service or backend; none on a rewound screen."""
        view = None if self._state.overview is None else self._state.overview.audit
        return () if view is None else view.about(kind, name)

    def finding_page(self, now: datetime) -> list[Row]:
        """The page of the open finding, or why there is none."""
        finding, app = finding_of(self._state.overview, self._state.page), self._app
        if finding is None:
            return no_finding(rewound=app.rewound is not None)
        style = SectionStyle(app.room.width, app.glyphs, slow_link=app.slow_link)
        return finding_page(self._of_finding(finding, now), style)

    def _of_finding(self, finding: FindingView, now: datetime) -> FindingPage:
        view = None if self._state.overview is None else self._state.overview.audit
        runbooks = runbooks_for_finding(self._app, self._state, finding)
        return FindingPage(finding, now, view or AuditView(), [each.title for each in runbooks])

    def chart_height(self, *, single: bool = False) -> int:
        """Rows of each plot of a page, or of a ``single`` one."""
        height = self._app.room.height
        if self._state.zoomed:
            return max(5, height // 2 - 4)
        return max(3, min(14, height // 3 - 3)) if single else max(3, min(9, (height - 10) // 5))

    def service_page(self, view: ServiceView, now: datetime) -> ServicePage:
        """What the page of a service shows."""
        app, subject, scraping = self._app, f"service/{view.name}", self._app.monitor.scraping
        traffic = f"traffic/{view.name}"
        return ServicePage(
            view=view,
            changes=[each for each in app.monitor.changes.all() if each.subject == subject][::-1],
            past=lambda series, columns: self._far.past(subject, series, columns, now),
            now=now,
            window=self._state.window,
            glyphs=app.glyphs,
            width=self._app.room.width,
            chart_height=self.chart_height(),
            past_traffic=lambda series, columns: self._far.long_past(view, traffic, series, columns, now),
            recorded_traffic=lambda series, columns: self._far.past(traffic, series, columns, now),
            below_charts=self._far.rows,
            routes=scraping.by_route(view.name, now),
            route_rates=scraping.route_rates(view.name, now - self._state.window, now, TREND_COLUMNS),
            slow_link=app.slow_link,
            height=app.room.height,
            cursor=self._state.cursor,
            charts_first=self._app.room.height >= _HIGH,
            statuses=scraping.by_status(view.name, now),
            targets=scraping.targets(view.name) if app.rewound is None else (),
            kept=scraping.kept(),
            errors=self.errors_of(view.name),
            callers=self._callers_of(view, now),
            runbooks=self._runbooks_of(view),
            unanswered=unanswered_since(view, app.monitor.history, now),
            host=host_beside(view, self._state.overview),
            units=units_of(view.name, app.config.recovery, self._state.overview),
            past_of=lambda other, series, columns: self._far.past(other, series, columns, now),
            fired=self._state.fired_at(("service", view.name)),
            findings=self._findings("service", view.name),
        )

    def _callers_of(self, view: ServiceView, now: datetime) -> Sequence[ClientReport]:
        """What other services log of one that is not good."""
        if self._app.rewound is not None or view.level in (Level.GOOD, Level.UNKNOWN):
            return ()
        others = (each for each in self.newest_errors() if not is_named_after(each.source, view.name))
        return caller_reports(view, others, now)

    def _runbooks_of(self, view: ServiceView) -> Sequence[str]:
        """The titles of the runbooks for a service that is not good."""
        if view.level in (Level.GOOD, Level.UNKNOWN):
            return ()
        alerts = alerts_at(self._state, ("service", view.name))
        return [each.title for each in runbooks_for(self._app, alerts, view.name)]

    def errors_of(self, service: str) -> Sequence[LoggedError]:
        """The newest errors of the logs named after a service; none on a rewound screen."""
        found = self.newest_errors() if self._app.rewound is None else ()
        if not found:
            return ()
        return each_once([each for each in found if is_named_after(each.source, service)])

    def backend_page(self, view: BackendView, now: datetime) -> BackendPage:
        """What the page of a backend shows."""
        app, subject = self._app, f"backend/{view.name}"
        over = rate_span(view)
        return BackendPage(
            view=view,
            changes=[each for each in app.monitor.changes.all() if each.subject == subject][::-1],
            past=lambda series, columns: self._far.past(subject, series, columns, now),
            past_rate=lambda series, columns: self._far.past_rate(subject, series, columns, now, over),
            now=now,
            window=self._state.window,
            glyphs=app.glyphs,
            width=self._app.room.width,
            chart_height=self.chart_height(),
            slow_link=app.slow_link,
            height=app.room.height,
            cursor=self._state.cursor,
            charts_first=self._app.room.height >= _HIGH,
            findings=self._findings("backend", view.name),
        )

    # ---- as evidence ---------------------------------------------------------------------------------------------

    def evidence(self) -> Selection | None:
        """The page of the selection as evidence, at the time shown on the screen."""
        overview, view, item = self._state.overview, self._state.selected_view(), self._state.selected_item()
        if overview is None or (view is None and item is None):
            return None
        if (finding := finding_of(self._state.overview, self._state.page)) is not None:
            return Selection(f"{finding.target}: {finding.title}", partial(self._read_finding, finding, overview))
        if view is not None:
            why = _why(view) if view.level is not Level.GOOD else ""
            return Selection(f"{view.name}: {why}" if why else view.name, partial(self._read_page, view, overview))
        assert item is not None
        place = self._state.place_of(item)
        title = item.name if place is None else f"{item.name}: {place[1]}"
        return Selection(title, partial(self._read_alert, item, overview))

    async def _read_finding(self, finding: FindingView, overview: Overview) -> Selected:
        rows = finding_page(self._of_finding(finding, overview.at), SectionStyle(_WIDTH, self._app.glyphs))
        return page_evidence("finding", finding.target, f"{finding.check}: {finding.title}", overview, rows)

    async def _read_page(self, view: View, overview: Overview) -> Selected:
        kind = "host" if isinstance(view, HostView) else "service" if isinstance(view, ServiceView) else "backend"
        return page_evidence(kind, view.name, _why(view), overview, self._rows_of(view, overview.at))

    def _rows_of(self, view: View, now: datetime) -> list[Row]:
        """The rows of a page with the values in history; no query is sent."""
        match view:
            case HostView():
                page = self.host_page(view, now)
                return host_page(
                    replace(
                        page,
                        past=page.recorded,
                        below_charts=list,
                        width=_WIDTH,
                        chart_height=_CHART_HEIGHT,
                        charts_only=False,
                        slow_link=False,
                        height=0,
                        cursor=None,
                    )
                )
            case ServiceView():
                page_of_service = self.service_page(view, now)
                return service_page(
                    replace(
                        page_of_service,
                        past_traffic=page_of_service.recorded_traffic,
                        below_charts=list,
                        width=_WIDTH,
                        chart_height=_CHART_HEIGHT,
                        slow_link=False,
                        height=0,
                        cursor=None,
                        charts_first=True,
                    )
                )
            case BackendView():
                page_of_backend = self.backend_page(view, now)
                return backend_page(
                    replace(
                        page_of_backend,
                        width=_WIDTH,
                        chart_height=_CHART_HEIGHT,
                        slow_link=False,
                        height=0,
                        cursor=None,
                        charts_first=True,
                    )
                )

    async def _read_alert(self, item: AlertItem, overview: Overview) -> Selected:
        from lilfox_tui.app.panes.metrics.alert_page import (
            AlertPage,
            alert_page,
            rule_trouble,
            state_text,
        )

        alerting, alerts, at = self._app.monitor.alerting, alerts_of(overview), overview.at
        why: Explanation | LilFoxError | None = None
        events: Sequence[Event] = ()
        try:
            if item.expression:
                columns = 2 * chart_columns(_WIDTH)
                why = await alerting.why(item.expression, at - self._state.window, at, columns)
            events = () if item.alert is None else await alerting.events(item.alert.labels)
        except LilFoxError as error:
            why = error
        page = AlertPage(
            item=item,
            now=at,
            window=self._state.window,
            glyphs=self._app.glyphs,
            width=_WIDTH,
            chart_height=_CHART_HEIGHT,
            why=why,
            events=events,
            silences=() if alerts is None else alerts.silences,
        )
        said = rule_trouble(item.rule, at) if item.alert is None else state_text(item.alert, item.rule, at)
        return page_evidence("alert", item.name, said, overview, alert_page(page))


def _why(view: View) -> str:
    """Return what is wrong with a host, service or backend, or that all is well."""
    error = link_error(view)
    return str(error) if error is not None else clauses(map(str, view.reasons)) or well(view)
