"""The charts of the home screen: of the selected host, service or backend, over the time that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.backend_page import axis_text, cell_text
from lilfox_tui.app.panes.metrics.host_page import load_limits
from lilfox_tui.app.panes.metrics.pages import increase_per_second, rate_span, whole_stretches
from lilfox_tui.app.panes.metrics.problems import plan_rows
from lilfox_tui.app.panes.metrics.sections import not_in_force
from lilfox_tui.app.panes.metrics.service_page import failed_percent, host_beside, in_a_row, unanswered_since
from lilfox_tui.app.panes.metrics.state import MetricsState, fitting
from lilfox_tui.app.panes.metrics.traffic_sections import as_threshold, percent_axis, seconds_axis
from lilfox_tui.app.rendering.chart import (
    AXIS_WIDTH,
    SERIES_COLOURS,
    Axes,
    Curve,
    Values,
    chart,
    in_columns,
    plot_points,
    title_row,
)
from lilfox_tui.app.rendering.columns import (
    load_text,
    percent_text,
    quantile_text,
    share_text,
    short_time_text,
    wrapped,
)
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import PanelArea, ScreenPanel, fit_row
from lilfox_tui.app.rows.reasons import why_no_numbers
from lilfox_tui.backends.model import BackendChart, load
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import _, language
from lilfox_tui.core.text import cell_width, fit, human_bytes, human_count, human_duration
from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    CLIENT_ERRORS,
    QUANTILES,
    REQUESTS,
    SERVER_ERRORS,
    Traffic,
    latency_series,
)
from lilfox_tui.monitor.model import BackendView, HostView, Overview, PlanView, ServiceView, View
from lilfox_tui.monitor.watchers.service import RESPONSE_SECONDS, UP

_LEAST_WIDTH, _LEAST_HIGH, _MOST_HIGH = 26, 6, 16
"""Of one chart, its title and time line included."""
_PLAN_LEAST, _SPARED, _ENTRY_CELLS = 36, 2, 8
"""Of the facts of a plan beside charts; what a chart can spare for one beside it with a long legend; and of the entry
of a curve in it, besides its name."""
_VALUE_CELLS = 6
"""Of a value and the blank before it, as long as most are."""
_GAP = Piece(" " * 2)
"""Between charts side by side, whose legends must not be read as one."""
_PLOTTED_EACH, _PLOTS_KEPT = timedelta(seconds=2), 32
"""A column is some seconds; to draw all plots each second is a sixth of what the console at rest costs."""
_BUSIEST = 5
KINDS = {HostView: "host", ServiceView: "service", BackendView: "backend"}


class WantedChart(Struct, frozen=True):
    """One chart: its curves as subject, series, name and newest value; ``roles`` are their colours, where these mean
    something."""

    title: str
    curves: Sequence[tuple[str, Series, str, str]]
    unit: Callable[[float], str]
    now: str = ""
    top: float | None = None
    binary: bool = False
    limits: Threshold | None = None
    reach: float | None = None
    """A value up to which the scale goes at least."""
    roles: Sequence[str] = ()
    rate_over: timedelta | None = None
    """Of counters, whose increase per second over so long is drawn and told."""
    line: bool = False
    """Whether a single curve is a line too, instead of filled."""
    quiet: bool = False
    """Whether it is zero most of the time."""
    notes: Sequence[str] = ()
    """What stands behind the newest value, the first one that has room."""
    converted: Callable[[float], float] | None = None
    """What is drawn of each value, if not the value itself."""
    moment: datetime | None = None
    sign: str = ""
    """When something happened, which is marked, and what stands before that time where it has room."""
    rising: bool = False
    """Whether each curve is above the one before: where not all newest values have room, the highest are told."""


def _percent(value: float) -> str:
    return f"{value:.0f}%"


def _rate(value: float) -> str:
    return human_bytes(value) + "/s"


def _said(text: str, width: int, height: int) -> list[Row]:
    """What stands in place of a plot of which nothing is known, in the rows that it would have."""
    first: Row = (Piece(fit(" " * (AXIS_WIDTH + 1) + text, width), "muted"),)
    return [first, *[(Piece(" " * width),)] * (height - 1)]


def _with_note(wanted: WantedChart, room: int) -> str:
    """The newest value of a chart and the first note on it for which there is room."""
    told = (f"{wanted.now}{gap}{note}" if wanted.now else note for note in wanted.notes for gap in ("  ", " "))
    return next((text for text in told if cell_width(text) <= room), wanted.now)


def _turn(at: datetime) -> int:
    return int(at.timestamp() / _PLOTTED_EACH.total_seconds())


def _with_rates(wanted: WantedChart, curves: Sequence[Curve]) -> tuple[WantedChart, list[Curve]]:
    """The chart with its newest rates, the last ones that are drawn."""
    newest = [next((value for value in reversed(each.values) if value is not None), None) for each in curves]
    told = ["" if value is None else _("{count}/s", count=wanted.unit(value)) for value in newest]
    if len(curves) == 1:
        return replace(wanted, now=wanted.now or told[0]), list(curves)
    return wanted, [replace(each, now=each.now or text) for each, text in zip(curves, told, strict=True)]


def _widths(wanted: Sequence[WantedChart], width: int) -> list[int]:
    """The cells of charts side by side: each has a little less than the narrowest needs alone, those with long legends
    have more of what is left, and what nobody needs is shared. They do not follow the values: else all would move."""
    count = len(wanted)
    if not count:
        return []
    least = min(_LEAST_WIDTH - _SPARED, width // count)
    more = [max(0, _legend_cells(each) - least) for each in wanted]
    left = width - count * least
    part = min(1.0, left / sum(more)) if any(more) else 0.0
    sizes = [least + int(each * part) for each in more]
    rest = width - sum(sizes)
    return [size + rest * (at + 1) // count - rest * at // count for at, size in enumerate(sizes)]


def _legend_cells(wanted: WantedChart) -> int:
    """What the title of a chart and the names of its curves need beside values that are as long as most are."""
    names = [name for _subject, _series, name, _now in wanted.curves if name]
    if wanted.notes and wanted.moment is not None:
        return 1 + cell_width(wanted.title) + max(map(cell_width, wanted.notes)) + _ENTRY_CELLS
    return 1 + cell_width(wanted.title) + sum(cell_width(name) + _ENTRY_CELLS for name in names)


def _title_cells(wanted: WantedChart) -> int:
    """What the title of a chart needs beside a value, or a count of the curves that are not named."""
    unknown = _("unknown")  # longer than values, which do not count: the charts would move with them
    return cell_width(wanted.title) + (2 + cell_width(unknown) if wanted.now == unknown else _VALUE_CELLS)


def _highest_told(title: str, curves: Sequence[Curve], width: int, glyphs: Glyphs) -> list[Curve]:
    """The curves with as many of their newest values as have room in the title of a chart, the last ones of them."""
    for count in range(len(curves)):
        told = [*(replace(each, now="") for each in curves[:count]), *curves[count:]]
        if any(piece.text.strip() == told[-1].now for piece in title_row(title, told, "", width, glyphs)):
            return told
    return list(curves)


class HomeCharts:
    """Draws the charts panel."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._state, self._app = context.state, context.app
        self._plots: dict[Hashable, tuple[datetime, list[Row]]] = {}
        """The plots that were drawn last, without their titles, and of when they are."""

    def host(self, overview: Overview) -> HostView | None:
        """The host that is looked at: the selected one, that of the selected alert, or the first that has numbers."""
        view, found = self._state.place_selected(), self._state.selected_container()
        if isinstance(view, HostView):
            return view
        if found is not None and found.view.host in overview.hosts:
            return overview.hosts[found.view.host]
        hosts = self._state.hosts(overview)
        return next((each for each in hosts if each.summary is not None), next(iter(hosts), None))

    def subject(self, overview: Overview) -> View | None:
        """What the charts are about."""
        view = self._state.place_selected()
        return view if view is not None else self.host(overview)

    def count(self, overview: Overview, wanted: Sequence[WantedChart]) -> int:
        """How many charts there are of what is selected; 1 if of other rows alone, so that the panels stay where they
        are while the selection moves. None where the filter leaves no row."""
        if not self._state.rows():
            return 0
        others = bool(overview.services) or any(view.summary is not None for view in overview.hosts.values())
        return len(wanted) or int(others)

    def panel(self, overview: Overview, wanted: Sequence[WantedChart], place: PanelArea) -> ScreenPanel:
        """The charts side by side, or below each other where the place is high. Of a plan that is selected its facts,
        and beside them the charts of a host with its name."""
        view, plan = self.subject(overview), self._state.selected_plan()
        name = plan.name if plan is not None else "" if view is None else view.name
        if plan is not None and not wanted:
            return ScreenPanel(place, (Piece(name, "title"),), plan_rows(plan, overview.at, place.inner_width))
        if not wanted:
            why = why_no_numbers(view, overview.at) if isinstance(view, HostView) else _("no data")
            return ScreenPanel(
                place, (Piece(name, "title"),), wrapped([(Piece(" "), Piece(why, "muted"))], place.inner_width)
            )
        window = self._window(overview, view)
        if place.inner_height >= 2 * _LEAST_HIGH + 2:
            above = [] if plan is None else [*plan_rows(plan, overview.at, place.inner_width), BLANK]
            rows = above + self._below_each_other(wanted, place, overview, window, len(above))
        else:
            rows = self._side_by_side(wanted, place, overview, window, plan)
        note: Row = (Piece(_("last {time}", time=human_duration(window.total_seconds())), "muted"),)
        if plan is not None and view is not None:
            note = (Piece(_("charts of {host}", host=view.name), "accent"), *note)
        return ScreenPanel(place, (Piece(name, "title"),), rows, note)

    def _window(self, overview: Overview, view: View | None) -> timedelta:
        """The pane's time range, or a shorter one that the data fills."""
        span = None if view is None else self._app.monitor.history.span(f"{KINDS[type(view)]}/{view.name}")
        age = timedelta() if span is None else overview.at - span[0]
        longer = self._state.window_of(("service", view.name)) if isinstance(view, ServiceView) else None
        return fitting(longer or self._state.window, age)

    def _side_by_side(
        self,
        wanted: Sequence[WantedChart],
        place: PanelArea,
        overview: Overview,
        window: timedelta,
        plan: PlanView | None,
    ) -> list[Row]:
        height, taken = place.inner_height, 0 if plan is None else max(_PLAN_LEAST, place.inner_width // 3)
        width = place.inner_width - taken
        count = max(1, min(len(wanted), width // _LEAST_WIDTH))
        gap = cell_width(_GAP.text)
        widths = _widths(wanted[:count], width - 1 + gap)  # each with the gap behind it, the last one too
        while count > 1 and any(_title_cells(each) > size - gap for each, size in zip(wanted, widths, strict=False)):
            count -= 1  # fewer charts rather than titles that are cut
            widths = _widths(wanted[:count], width - 1 + gap)
        blocks: list[Sequence[Row]] = []
        if plan is not None:
            facts = plan_rows(plan, overview.at, taken - gap)
            blocks.append([*facts, *[(Piece(" " * (taken - gap)),)] * (height - len(facts))][:height])
        blocks += [
            self._chart(each, size - gap, height - 2, overview, window)
            for each, size in zip(wanted[:count], widths, strict=True)
        ]
        return [tuple(piece for row in rows for piece in (*row, _GAP))[:-1] for rows in zip(*blocks, strict=True)]

    def _below_each_other(
        self, wanted: Sequence[WantedChart], place: PanelArea, overview: Overview, window: timedelta, above: int
    ) -> list[Row]:
        width, height = place.inner_width, place.inner_height - above
        count = max(1, min(len(wanted), height // (_LEAST_HIGH + 2)))
        rows: list[Row] = []
        for number, each in enumerate(wanted[:count]):
            high = height * (number + 1) // count - height * number // count
            rows += self._chart(each, width, min(high, _MOST_HIGH) - 2, overview, window)
        return rows

    def _chart(self, wanted: WantedChart, width: int, height: int, overview: Overview, window: timedelta) -> list[Row]:
        """The chart of the moment. Its plot is drawn each ``_PLOTTED_EACH``, its newest values with each overview."""
        glyphs, at = self._app.glyphs, overview.at
        room = width - 2 - cell_width(wanted.now)  # the newest value is not cut
        title = fit(wanted.title, room) if cell_width(wanted.title) > room > 0 else wanted.title
        now_text = _with_note(wanted, width - cell_width(title) - 1)
        curves = [
            Curve((), name, now, role)
            for (_subject, _series, name, now), role in zip(wanted.curves, wanted.roles or repeat(""), strict=False)
        ]
        if wanted.rising:
            curves = _highest_told(title, curves, width, glyphs)
        key = (
            title, tuple(curve[:3] for curve in wanted.curves), wanted.limits, window, width, height, glyphs,
            language(), wanted.moment,
        )  # fmt: skip
        lasts = not overview.rewound and wanted.rate_over is None
        drawn = self._plots.get(key) if lasts else None
        if drawn is not None and drawn[0] < at and _turn(drawn[0]) == _turn(at):
            return [fit_row(title_row(title, curves, now_text, width, glyphs), width), *drawn[1]]
        start, over, count = at - window, wanted.rate_over, plot_points(width)
        curves = [
            replace(curve, values=self._values(subject, series, start, at, count, over))
            for curve, (subject, series, _name, _now) in zip(curves, wanted.curves, strict=False)
        ]
        if over is not None:
            wanted, curves = _with_rates(wanted, curves)
            now_text = wanted.now
        if all(value is None for each in curves for value in each.values):
            text = self._no_values(wanted, start)
            return [fit_row(title_row(title, (), now_text, width, glyphs), width), *_said(text, width, height + 1)]
        if (converted := wanted.converted) is not None:
            curves = [replace(each, values=[None if value is None else converted(value) for value in each.values])
                      for each in curves]  # fmt: skip
        limits = wanted.limits or Threshold()
        axes = Axes(
            unit=wanted.unit, start=start, end=at, top=wanted.top, binary=wanted.binary, line=wanted.line,
            ago=not overview.rewound,  # of the past the times themselves are told
            warn=limits.warn, fail=limits.fail, reach=wanted.reach, moment=wanted.moment, sign=wanted.sign,
        )  # fmt: skip
        rows = chart(title, curves, axes, width=width, height=height, glyphs=glyphs, now_text=now_text)
        rows[0] = fit_row(rows[0], width)  # what stands beside it stays in its place
        if lasts:
            if len(self._plots) >= _PLOTS_KEPT:
                self._plots.clear()
            self._plots[key] = at, rows[1:]
        return rows

    def _no_values(self, wanted: WantedChart, start: datetime) -> str:
        """What stands in a chart of whose time nothing is known."""
        spans = (self._app.monitor.history.span(subject) for subject, *_others in wanted.curves)
        if all(span is None or span[0] >= start for span in spans):
            return _("no data yet")
        return _("no data in this time range")

    def _values(
        self, subject: str, series: Series, start: datetime, end: datetime, count: int, over: timedelta | None
    ) -> Values:
        points = self._app.monitor.history.window(subject, series, start, end, count)
        if over is not None:
            step_s = (end - start).total_seconds() / count
            points = increase_per_second(whole_stretches(points, start, end, step_s), over)
        return in_columns(points, start, end, count)

    # ---- which charts --------------------------------------------------------------------------------------------

    def wanted(self, overview: Overview) -> Sequence[WantedChart]:
        """The charts of what is selected, the most telling first."""
        match view := self.subject(overview):
            case HostView():
                found = self._of_host(view, overview)
            case ServiceView():
                found = self._of_service(view, overview)
            case BackendView():
                found = self._of_backend(view)
            case _:
                return []
        fired = self._state.fired_at((KINDS[type(view)], view.name))
        if fired is None:
            return found
        sign = self._app.glyphs.alert
        return [each if each.moment is not None else replace(each, moment=fired, sign=sign) for each in found]

    def _of_host(self, view: HostView, overview: Overview, *, alone: bool = False) -> list[WantedChart]:
        subject, summary, limits = f"host/{view.name}", view.summary, view.thresholds
        if summary is None:
            return []

        def told(value: float | None, text: Callable[[float], str], of: HostView = view) -> str:
            return _("unknown") if value is None or isinstance(of.link, Unavailable) else text(value).strip()

        def rates(
            title: str, devices: Sequence[object], of: Sequence[tuple[str, str, float | None]]
        ) -> list[WantedChart]:
            """The chart of what devices transfer, if there are any, or were."""
            curves = [(subject, Series(series), name, told(value, _rate)) for series, name, value in of]
            there = devices or any(series in recorded for _subject, series, *_told in curves)
            return [WantedChart(title, curves, _rate, binary=True)] if there else []

        others = [] if alone else self._busiest(view, overview)
        recorded = set(self._app.monitor.history.series(subject))
        cpu = Series("cpu_usage_percent")
        now = told(summary.cpu_percent, percent_text)
        first = WantedChart(
            _("CPU"), [(subject, cpu, "", "")], _percent, now, 100.0, limits=limits.cpu_percent,
            notes=not_in_force(summary.cpu_percent, limits.cpu_percent, view, self._app.glyphs),
        )  # fmt: skip
        if others:
            curves = [
                (
                    f"host/{each.name}",
                    cpu,
                    each.name,
                    told(None if each.summary is None else each.summary.cpu_percent, percent_text, each),
                )
                for each in (view, *others)
            ]
            first = WantedChart(_("CPU"), curves, _percent, top=100.0, limits=limits.cpu_percent)
        return [
            first,
            WantedChart(_("Memory"), [(subject, Series("memory_usage_percent"), "", "")], _percent,
                    told(summary.memory_percent, percent_text), 100.0, limits=limits.memory_percent,
                    notes=not_in_force(summary.memory_percent, limits.memory_percent, view, self._app.glyphs)),
            *rates(_("Network"), summary.interfaces, (
                ("all_interfaces_receive_bytes_per_second", _("in"), summary.network_in_s),
                ("all_interfaces_transmit_bytes_per_second", _("out"), summary.network_out_s))),
            *rates(_("Disk"), summary.disks, (
                ("all_disks_read_bytes_per_second", _("read"), summary.disk_read_s),
                ("all_disks_written_bytes_per_second", _("write"), summary.disk_write_s))),
            WantedChart(_("Load, 1 min"), [(subject, Series("load1"), "", "")], lambda value: f"{value:.2g}",
                    told(summary.load[0] if summary.load else None, load_text),
                    limits=load_limits(limits, summary.cpu_count)),
        ]  # fmt: skip

    def _busiest(self, view: HostView, overview: Overview) -> list[HostView]:
        """The other hosts with the highest CPU usage, to compare with."""
        rated = [
            (each.summary.cpu_percent, each)
            for each in overview.hosts.values()
            if each.name != view.name and not isinstance(each.link, Unavailable)
            if each.summary is not None and each.summary.cpu_percent is not None
        ]
        rated.sort(key=lambda pair: -pair[0])
        return [each for _cpu, each in rated[: min(_BUSIEST, SERIES_COLOURS) - 1]]

    def _of_service(self, view: ServiceView, overview: Overview) -> list[WantedChart]:
        start = overview.at - self._window(overview, view)
        if isinstance(view.traffic, Ready):
            requests = self._of_traffic(view, view.traffic.value)
        else:
            requests = self._of_recorded_traffic(view, start)
        checks = self._of_checks(view, start, overview.at)
        if not view.unanswered:
            return [*requests, *checks]
        since = unanswered_since(view, self._app.monitor.history, overview.at)
        found = [replace(each, moment=since, sign=_("no response since")) for each in (*checks, *requests)]
        return found if len(found) > 1 else [*found, *self._beside(view, overview)]

    def _of_checks(self, view: ServiceView, start: datetime, end: datetime) -> list[WantedChart]:
        """Of the health checks: how long the responses took, and how many failed of a service that gives none."""
        subject, state = f"service/{view.name}", view.state
        newest = None if state is None else state.last.response_time_s
        answered = WantedChart(_("Health check"), [(subject, RESPONSE_SECONDS, "", "")], seconds_axis,
                           _("unknown") if newest is None else short_time_text(newest),
                           limits=Threshold(warn=view.config.slow))  # fmt: skip
        if state is None or not view.unanswered:
            return [answered]
        failed = WantedChart(_("Failed checks"), [(subject, UP, "", "")], _percent, _percent(100), 100.0,
                             roles=["failing"], line=True, converted=failed_percent,
                             notes=list(filter(None, [in_a_row(state)])))  # fmt: skip
        if not self._app.monitor.history.window(subject, RESPONSE_SECONDS, start, end, 1):
            return [failed]
        return [replace(answered, now="", notes=[_("no response")]), failed]

    def _of_recorded_traffic(self, view: ServiceView, start: datetime) -> list[WantedChart]:
        """The charts of requests of a service that is not scraped now, if it was since ``start``."""
        subject, history = f"traffic/{view.name}", self._app.monitor.history
        span, there = history.span(subject), set(history.series(subject))
        if span is None or span[1] < start:
            return []

        def recorded(title: str, unit: Callable[[float], str], *series: tuple[Series, str, str]) -> list[WantedChart]:
            known = [each for each in series if each[0] in there]
            curves = [(subject, each, name, "") for each, name, _role in known]
            return [WantedChart(title, curves, unit, roles=[role for *_curve, role in known])] if known else []

        quantiles = [(latency_series(each), f"p{each * 100:.0f}", "") for each in QUANTILES]
        limits = view.limits.errors
        errors = recorded(
            _("Errors"), percent_axis, (SERVER_ERRORS, "5xx", "failing"), (CLIENT_ERRORS, "4xx", "degraded")
        )
        return [
            *recorded(_("Requests/s"), human_count, (REQUESTS, "", "")),
            *(recorded(_("Latency"), seconds_axis, *quantiles)
              or recorded(_("Latency, average"), seconds_axis, (AVERAGE, "", ""))),
            *(replace(each, limits=limits, reach=limits.lowest) for each in errors),
        ]  # fmt: skip

    def _beside(self, view: ServiceView, overview: Overview) -> list[WantedChart]:
        """The charts of a host with its name, beside those of a service of which no more is known."""
        host = host_beside(view, overview)
        charts = [] if host is None else self._of_host(host, overview, alone=True)
        return [
            replace(each, title=_("{chart} of {host}", chart=each.title, host=host.name)) for each in charts if host
        ]

    def _of_traffic(self, view: ServiceView, traffic: Traffic) -> list[WantedChart]:
        subject = f"traffic/{view.name}"
        found = [WantedChart(_("Requests/s"), [(subject, REQUESTS, "", "")], human_count,
                         "" if traffic.requests_s is None else human_count(traffic.requests_s))]  # fmt: skip
        quantiles = [
            (subject, latency_series(quantile), f"p{quantile * 100:.0f}", quantile_text(value))
            for quantile, value in ((0.5, traffic.p50), (0.95, traffic.p95), (0.99, traffic.p99)) if value is not None
        ]  # fmt: skip
        limits = as_threshold(view.limits.of_latency(traffic, view.config.slow))
        if quantiles:
            found.append(WantedChart(_("Latency"), quantiles, seconds_axis, limits=limits, rising=True))
        elif traffic.average_s is not None:
            average = short_time_text(traffic.average_s)
            found.append(WantedChart(_("Latency, average"), [(subject, AVERAGE, "", "")], seconds_axis, average))
        errors = [
            ((subject, series, name, share_text(value)), role)
            for series, name, value, role in (
                (SERVER_ERRORS, "5xx", traffic.server_errors, "failing"),
                (CLIENT_ERRORS, "4xx", traffic.client_errors, "degraded"),
            ) if value is not None
        ]  # fmt: skip
        if errors:
            found.append(WantedChart(_("Errors"), [curve for curve, _role in errors], percent_axis,
                                 limits=view.limits.errors, reach=view.limits.errors.lowest,
                                 roles=[role for _curve, role in errors]))  # fmt: skip
        return found

    def _of_backend(self, view: BackendView) -> list[WantedChart]:
        """The charts of its kind of which something is known; those that are zero most of the time come last, so that
        the others stay where they are."""
        kind = load(view.config.kind)
        found = [made for each in kind.CHARTS if (made := self._backend_chart(view, each)) is not None]
        if found or kind.TREND is None:
            return sorted(found, key=lambda made: made.quiet)
        return [WantedChart(trend_title(view.config.kind, kind.TREND), [(f"backend/{view.name}", kind.TREND, "", "")],
                        human_count, _("unknown"))]  # fmt: skip

    def _backend_chart(self, view: BackendView, of: BackendChart) -> WantedChart | None:
        values = {} if view.reading is None else view.reading.values
        shown = [
            each for each in of.curves
            if each.series in values and (each.quiet is None or (not each.per_second and values[each.series]))
        ]  # fmt: skip
        if not shown:
            return None
        told = [
            _("unknown")
            if view.outage is not None
            else ""
            if each.per_second
            else cell_text(values[each.series], of.unit)
            for each in shown
        ]
        limit, title, single = values.get(of.limit) if of.limit is not None else None, str(of.title), len(shown) == 1
        return WantedChart(
            _("{title}, of {limit}", title=title, limit=cell_text(limit, of.unit)) if limit else title,
            [
                (f"backend/{view.name}", each.series, "" if single else str(each.name), "" if single else now)
                for each, now in zip(shown, told, strict=True)
            ],
            partial(axis_text, of.unit),
            told[0] if single else "",
            100.0 if of.unit == "percent" else None,
            of.unit == "bytes",
            line=of.unit == "percent",
            rate_over=rate_span(view) if shown[0].per_second else None,
            quiet=all(each.quiet is not None for each in shown),
        )


def trend_title(kind: str, trend: Series) -> str:
    """The title of a backend's chart: that of the chart of its page that has the series, with the name of the curve if
    there are several."""
    for each in load(kind).CHARTS:
        names = [curve.name for curve in each.curves if curve.series == trend]
        if names:
            return str(each.title) if len(each.curves) == 1 else f"{each.title}: {names[0]}"
    return trend.name.replace("_", " ")
