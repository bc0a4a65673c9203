"""The Metrics pane: hosts, services and backends at a glance, and the page of the open one."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.metrics.actions import LinkActions, MetricsList, QueryActions, ViewActions
from lilfox_tui.app.panes.metrics.alert_actions import AlertActions
from lilfox_tui.app.panes.metrics.alert_section import AlertSection
from lilfox_tui.app.panes.metrics.backend_page import backend_page
from lilfox_tui.app.panes.metrics.container.actions import ContainerActions
from lilfox_tui.app.panes.metrics.finding_actions import FindingActions
from lilfox_tui.app.panes.metrics.finding_state import AUDIT, FINDING
from lilfox_tui.app.panes.metrics.findings import audit_detail
from lilfox_tui.app.panes.metrics.home import Home, HomeScreen
from lilfox_tui.app.panes.metrics.host_page import host_page
from lilfox_tui.app.panes.metrics.pages import FarPast, MetricsPages
from lilfox_tui.app.panes.metrics.problems import plan_detail
from lilfox_tui.app.panes.metrics.sections import not_counted_yet
from lilfox_tui.app.panes.metrics.service_page import service_page
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject, link_error
from lilfox_tui.app.rendering.changed_cells import cells_of
from lilfox_tui.app.rendering.columns import slice_row
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.containers import CONTAINER, KINDS
from lilfox_tui.app.rows.hosts import ROLES, TableStyle, held_for, reason_pieces
from lilfox_tui.app.rows.reasons import HostGroup, group_detail
from lilfox_tui.app.shared_actions import ErrorActions, EvidenceActions, ListActions
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.backends.model import load
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import break_line, clean, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import HostView, Overview, View
from lilfox_tui.monitor.watchers.host import recent_before

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Cause, Selection
    from lilfox_tui.app.operations import Act

RECENT = 16
_DETAIL, _DETAIL_FROM = 2, 18
"""Rows about the selected row, and the height of the pane from which on they are shown."""
_ALL = 10**6


class MetricsPane(Pane):
    """Hosts, services, backends, alerts, what changed, and their pages."""

    GROUPS = (
        ListActions, ViewActions, LinkActions, ContainerActions, QueryActions, AlertActions, FindingActions,
        ErrorActions, EvidenceActions,
    )  # fmt: skip

    ID = "metrics"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = MetricsState(far=lilfox.config.prometheus is not None)
        context = PaneContext(self, self.state)
        self.far = FarPast(context)
        self.pages = MetricsPages(context, self.far)
        self.alerts = AlertSection(context)
        self._alert_actions = AlertActions(context)
        self._finding_actions = FindingActions(context, self.open_page)
        self.containers = ContainerActions(context, self.open_page, self.pages.chart_height)
        self.list = MetricsList(
            context,
            self.open_page,
            self._scroll_page,
            self._finding_actions.show_findings,
            self.containers.show_containers,
        )
        self.groups = (
            ListActions(lilfox, self.list),
            ViewActions(context),
            LinkActions(context, self.containers),
            self.containers,
            QueryActions(context),
            self._alert_actions,
            self._finding_actions,
            ErrorActions(lilfox),
            EvidenceActions(context, self.evidence),
        )
        self.home = Home(context, self.alerts, self.far)
        self.pages.newest_errors = lambda: self.home.errors.found
        self.alerts.errors_of = self.pages.errors_of
        self._screen = HomeScreen()
        self._taken: Overview | None = None
        self._recent: dict[str, deque[float | None]] = {}
        self._recent_then: dict[str, list[float | None]] = {}

    def compose(self) -> ComposeResult:
        yield Lines(id="home")
        yield Lines(sticky=2, id="page")
        yield Lines(id="detail")

    def on_mount(self) -> None:
        if (first := self.lilfox.monitor.overview.value) is not None:
            self.take(first)  # the first frame has numbers
            self.show(first)
        if self.lilfox.rewound is not None:
            self.repaint()  # it was told before it had anything to draw on

    # ---- what there is ------------------------------------------------------------------------------------------

    def take(self, overview: Overview) -> None:
        """Adds ``overview``'s values to the sparklines."""
        if overview is self._taken:
            return
        self._taken = overview
        newest: dict[str, float | None] = {}
        for name, host in overview.hosts.items():
            summary = host.summary if isinstance(host.link, Ready) else None
            newest[f"{name}/cpu"] = summary.cpu_percent if summary else None
            newest[f"{name}/memory"] = summary.memory_percent if summary else None
        for name, service in overview.services.items():
            traffic = service.traffic.value if isinstance(service.traffic, Ready) else None
            newest[f"traffic/{name}"] = traffic.requests_s if traffic else None
        for name, backend in overview.backends.items():
            trend = load(backend.config.kind).TREND
            fresh = backend.reading if backend.outage is None else None
            newest[f"backend/{name}"] = fresh.values.get(trend) if fresh is not None and trend else None
        for key, value in newest.items():
            self._recent.setdefault(key, deque(maxlen=RECENT)).append(value)

    def show(self, overview: Overview) -> None:
        if overview is not self.state.overview:  # the first one is painted when the pane is mounted
            self.state.overview = overview
            self.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Shows the pane as it was ``at`` (aware UTC), or now."""
        monitor = self.lilfox.monitor
        self.state.went_to_alert = None
        if at is None:
            self.state.overview = monitor.overview.value
        else:
            self.far.rewind(monitor.overview_at(at))
            step = timedelta(seconds=self.lilfox.refresh_s)
            self._recent_then = recent_before(
                monitor.history, monitor.hosts, monitor.services, at, step=step, count=RECENT,
                backends=self.lilfox.config.backends,
            )  # fmt: skip
        self.repaint()
        if self.state.overview is not None:
            self.lilfox.frame(self.state.overview)

    # ---- the page that is open, and the mouse --------------------------------------------------------------------

    def open_page(self, subject: Subject | None) -> None:
        """Opens the page of a host, service, backend or alert; None shows the tables."""
        self.state.open(subject)
        self.lilfox.monitor.focus(subject[1] if subject and subject[0] == "host" else None)
        self.query_one("#page", Lines).scroll_rows(-_ALL)
        self.repaint()
        self.lilfox.repaint_frame()

    def _scroll_page(self, step: int) -> None:
        lines = self.query_one("#page", Lines)
        lines.scroll_rows(step)
        self.tell_below(lines.hidden_below)

    def select_alert(self) -> None:
        """Returns to the tables and selects the most severe alert; the next one when called again."""
        self.open_page(None)
        self.state.next_alert()
        self.repaint()

    def evidence(self) -> Selection | None:
        return self.containers.evidence() or self.pages.evidence()

    def cause(self) -> Cause | None:
        return self._alert_actions.cause()

    def acts(self) -> Sequence[Act]:
        from lilfox_tui.app.operations import container_acts, view_acts

        if (found := self.state.selected_container()) is not None:
            return container_acts(self.lilfox, *found)
        return view_acts(self.lilfox, self.state.place_selected())

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        hit = self._screen.at(event.x, event.index) if event.lines.id == "home" else None
        if hit is None:
            return
        in_problems = hit.panel == "problems"
        if (self.state.in_problems, self.state.selected) == (in_problems, hit.row):
            self.list.open_selected()
        self.state.choose(hit.row, in_problems=in_problems)
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        if event.lines.id == "home":
            self.state.move(1 if event.delta > 0 else -1)
            self.repaint()
            return
        event.lines.scroll_rows(event.delta)
        self.tell_below(event.lines.hidden_below)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if self.state.overview is None or not self.display or not self.children:  # they come a moment after the pane
            return
        self.state.choose_first()
        if self.lilfox.room.width == 0:
            return
        on_page = self.state.page is not None
        errors = self.home.errors.found  # they come between two overviews
        self.draw_until(errors[0].at if errors else None)
        home, page, detail = (self.query_one(f"#{name}", Lines) for name in ("home", "page", "detail"))
        home.display, page.display = not on_page, on_page
        detail.display = not on_page and self.lilfox.room.height >= _DETAIL_FROM
        if on_page:
            self._paint_page(self.state.overview)
        else:
            self._paint_home(self.state.overview, home, detail)

    def _paint_home(self, overview: Overview, home: Lines, detail: Lines) -> None:
        height = self.lilfox.room.height - (_DETAIL if detail.display else 0)
        detail.styles.height = _DETAIL
        self.lilfox.monitor.focus(self.home.focus(overview))
        self._screen = self.home.draw(overview, self._style(), height)
        home.show(self._screen.rows, follow=False)
        if self._screen.below != self.rows_below:
            self.call_after_refresh(lambda: self.tell_below(self._screen.below))
        detail.show(self._detail(overview))

    def _style(self) -> TableStyle:
        app = self.lilfox
        return TableStyle(
            width=self.lilfox.room.width,
            glyphs=app.glyphs,
            refresh_s=app.refresh_s,
            sparklines=not app.slow_link,
            recent=self._recent if app.rewound is None else self._recent_then,
            sort=self.state.sort,
        )

    def _detail(self, overview: Overview) -> list[Row]:
        """The selected row as text: what is wrong and since when, and what to do."""
        if self.state.selected is not None and self.state.selected[0] in KINDS:
            return self.home.container_detail(overview, self.state.selected)
        view = self.state.selected_view()
        if (plan := self.state.selected_plan()) is not None:
            return plan_detail(plan, overview.at, self.lilfox.glyphs)
        if self.state.selected == AUDIT and overview.audit is not None:
            return audit_detail(overview.audit, overview.at, self.lilfox.glyphs)
        if isinstance(group := self.state.faults(overview).get(self.state.selected or ("", "")), HostGroup):
            return group_detail(group, overview.at, self.lilfox.glyphs, self.lilfox.room.width)
        if (cluster := self.state.selected_cluster()) is not None:
            detail = importlib.import_module("lilfox_tui.app.rows.clusters").cluster_detail
            return list(detail(cluster, overview.at, self.lilfox.glyphs, self.lilfox.room.width))
        if view is None:
            return self.alerts.detail(overview)
        mark = Piece(f" {self.lilfox.glyphs.level(view.level)} ", ROLES[view.level])
        since = _since(view, overview.at)
        error = link_error(view)
        why = reason_pieces(view) if error is None else (Piece(clean(str(error)), ROLES[view.level]),)
        if isinstance(view, HostView) and error is None:
            why = not_counted_yet(view, self.lilfox.glyphs) or why
        text = "".join(piece.text for piece in why)
        head = (mark, Piece(view.name, "strong"), Piece(f"  {since}  ", "muted"))
        width = self.lilfox.room.width - sum(cells_of(piece.text) for piece in head)
        first, rest = break_line(text, max(20, width))
        hint = Piece(("  " if rest else "") + (str(error.hint) if error is not None else ""))
        below = slice_row(why, len(text) - len(rest), len(text))
        return [(*head, *slice_row(why, 0, len(first))), (Piece("   "), *below, hint)]

    def _paint_page(self, overview: Overview) -> None:
        assert self.state.page is not None
        kind, name = self.state.page
        self.state.data_since = self.pages.data_since(self.state.page, overview.at)
        lines = self.query_one("#page", Lines)
        lines.sticky = 2
        self.far.new_page()
        if kind == "host" and name in overview.hosts:
            lines.show(host_page(self.pages.host_page(overview.hosts[name], overview.at)), follow=False)
        elif kind == "service" and name in overview.services:
            lines.show(service_page(self.pages.service_page(overview.services[name], overview.at)), follow=False)
        elif kind == "backend" and name in overview.backends:
            lines.show(backend_page(self.pages.backend_page(overview.backends[name], overview.at)), follow=False)
        elif kind in ("alert", "rule"):
            self.alerts.paint_page(overview, lines, self.pages.chart_height(single=True))
        elif kind == CONTAINER:
            self.containers.paint_page(overview, lines)
        elif kind == FINDING:
            lines.show(self.pages.finding_page(overview.at), follow=False)
        self.far.page_is_drawn()
        self.call_after_refresh(lambda: self.tell_below(lines.hidden_below))

    def status(self) -> Row:
        parts = [more_below(self.rows_below)] if self.rows_below else []
        if self.state.page is not None and self.state.page[0] != FINDING:
            shown, chosen = self.state.window, self.state.chosen_window
            time, window = human_duration(shown.total_seconds()), human_duration(chosen.total_seconds())
            parts.append(
                _("last {time}", time=time)
                if shown == chosen
                else _("last {time} of {window}", time=time, window=window)
            )
            parts += filter(None, [self.far.status()])
            if self.state.cursor is not None:
                parts.append(_("values at {time}", time=self.state.cursor.strftime("%m-%d %H:%M:%S")))
        if self.state.filter:
            parts.append(f"/{self.state.filter}/" + ("" if self.state.only_matching else " " + _("(matches marked)")))
        return (Piece("   ".join(parts), "accent" if self.state.filter else "muted"),)


def _since(view: View, now: datetime) -> str:
    """The duration of a problem, which counts every second; for a good level its start, which does not change and needs
    no redraw. Empty where the start is unknown, as of much of the past: it is ``now`` then."""
    if view.level is not Level.GOOD or view.since >= now:
        return held_for(view, now)
    today = view.since.date() == now.date()
    return _("since {time}", time=view.since.strftime("%H:%M" if today else "%m-%d %H:%M"))
