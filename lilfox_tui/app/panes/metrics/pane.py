"""The Metrics pane: hosts, services and backends at a glance, and the page of the open one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.metrics.actions import LinkActions, QueryActions, ViewActions
from lilfox_tui.app.panes.metrics.alert_actions import AlertActions
from lilfox_tui.app.panes.metrics.alert_section import AlertSection
from lilfox_tui.app.panes.metrics.backend_page import backend_page, backend_row
from lilfox_tui.app.panes.metrics.host_page import host_page
from lilfox_tui.app.panes.metrics.list import MetricsList, Parts, heads, heights
from lilfox_tui.app.panes.metrics.pages import FarPast, MetricsPages
from lilfox_tui.app.panes.metrics.service_page import service_heading, service_page, service_row
from lilfox_tui.app.panes.metrics.state import ALERT_KINDS, MetricsState, Subject, link_error
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, TableStyle, change_rows, held_for, host_heading, host_row, well
from lilfox_tui.app.shared_actions import EvidenceActions, ListActions
from lilfox_tui.app.textual_internals import cells_of
from lilfox_tui.app.widgets import Lines, RowsOnDemand, more_below
from lilfox_tui.backends.model import load
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.core.text import break_line, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview, View
from lilfox_tui.monitor.watchers.host import recent_before

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Selection
    from lilfox_tui.app.operations import Act

RECENT = 16
_PARTS = {"hosts": ("host",), "services": ("service",), "backends": ("backend",), "alerts": ALERT_KINDS}
"""What stands in each part of the pane."""
_ALL = 10**6


class MetricsPane(Pane):
    """Hosts, services, backends, alerts, what changed, and their pages."""

    GROUPS = (ListActions, ViewActions, LinkActions, QueryActions, AlertActions, EvidenceActions)

    ID = "metrics"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = MetricsState(far=lilfox.config.prometheus is not None)
        context = PaneContext(self, self.state)
        self.far = FarPast(context)
        self.pages = MetricsPages(context, self.far)
        self.alerts = AlertSection(context)
        self.list = MetricsList(context, self.open_page, self._scroll_page)
        self.groups = (
            ListActions(lilfox, self.list),
            ViewActions(context),
            LinkActions(context),
            QueryActions(context),
            AlertActions(context),
            EvidenceActions(context, self.pages.evidence),
        )
        self._heights: dict[str, int] = {}
        self._taken: Overview | None = None
        self._recent: dict[str, deque[float | None]] = {}
        self._recent_then: dict[str, list[float | None]] = {}

    def compose(self) -> ComposeResult:
        yield Lines(sticky=2, id="hosts")
        yield Lines(sticky=3, id="services")
        yield Lines(sticky=2, id="backends")
        yield Lines(sticky=2, id="alerts")
        yield Lines(sticky=2, id="changes")
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
        for name, host in overview.hosts.items():
            summary = host.summary if isinstance(host.link, Ready) else None
            self._push(f"{name}/cpu", summary.cpu_percent if summary else None)
            self._push(f"{name}/memory", summary.memory_percent if summary else None)
        for name, service in overview.services.items():
            traffic = service.traffic.value if isinstance(service.traffic, Ready) else None
            self._push(f"traffic/{name}", traffic.requests_s if traffic else None)
        for name, backend in overview.backends.items():
            trend = load(backend.config.kind).TREND
            fresh = backend.reading if backend.outage is None else None
            self._push(f"backend/{name}", fresh.values.get(trend) if fresh is not None and trend else None)

    def show(self, overview: Overview) -> None:
        self.state.overview = overview
        self.repaint()

    def _push(self, key: str, value: float | None) -> None:
        self._recent.setdefault(key, deque(maxlen=RECENT)).append(value)

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
        self.query_one("#hosts", Lines).scroll_rows(-_ALL)
        self.repaint()
        self.lilfox.repaint_frame()

    def _scroll_page(self, step: int) -> None:
        lines = self.query_one("#hosts", Lines)
        lines.scroll_rows(step)
        self.look_below(lines)

    def select_alert(self) -> None:
        """Returns to the tables and selects the most severe alert; the next one when called again."""
        self.open_page(None)
        self.state.next_alert()
        self.repaint()

    def evidence(self) -> Selection | None:
        return self.pages.evidence()

    def acts(self) -> Sequence[Act]:
        from lilfox_tui.app.operations import view_acts

        return view_acts(self.lilfox, self.state.place_selected())

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        kinds = _PARTS.get(event.lines.id or "", ())
        if self.state.page is not None or not kinds or self.state.overview is None:
            return
        subjects = [each for each in self.state.order() if each[0] in kinds]
        place = event.index - event.lines.sticky
        if 0 <= place < len(subjects):
            if self.state.selected == subjects[place]:
                self.open_page(subjects[place])
            self.state.choose(subjects[place])
            self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if self.state.page is not None:
            self.look_below(event.lines)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if self.state.overview is None or not self.display or not self.children:  # they come a moment after the pane
            return
        self.state.choose_first()
        if self.lilfox.room.width == 0:
            return
        self._arrange(self.state.overview)
        if self.state.page is None:
            self._paint_tables(self.state.overview)
        else:
            self._paint_page(self.state.overview)

    def _arrange(self, overview: Overview) -> None:
        """Sets the height of each part; an open page takes all rows."""
        height, head = self.lilfox.room.height, heads(self.lilfox.room.height)
        wanted = Parts(
            len(self.state.hosts(overview)) + head.hosts,
            len(self.state.services(overview)) + head.services if overview.services else 0,
            len(self.state.backends(overview)) + head.backends if overview.backends else 0,
            self.alerts.height(overview, head.alerts),
            (happened := len(self.lilfox.changes_since_visit())) and happened + 2,
        )
        kind = None if self.state.selected is None else self.state.selected[0]
        parts = Parts(height)
        if self.state.page is None:
            parts = heights(height, wanted, selected=kind, only=kind if self.state.zoomed else None)
        for name, rows in parts._asdict().items():
            if self._heights.get(name) != rows:
                self._heights[name] = rows
                part = self.query_one(f"#{name}", Lines)
                part.display = rows > 0
                part.styles.height = rows
                self.call_after_refresh(self.repaint)  # what is below is known once that is laid out
        for name in ("hosts", "services", "backends", "alerts"):
            self.query_one(f"#{name}", Lines).sticky = getattr(head, name)

    def _style(self) -> TableStyle:
        app = self.lilfox
        return TableStyle(
            width=self.lilfox.room.width,
            glyphs=app.glyphs,
            thresholds=app.config.thresholds,
            refresh_s=app.refresh_s,
            digits=Digits(few=app.slow_link),
            sparklines=not app.slow_link,
            recent=self._recent if app.rewound is None else self._recent_then,
        )

    def _paint_tables(self, overview: Overview) -> None:
        style, hosts, services = self._style(), self.state.hosts(overview), self.state.services(overview)
        tables = self.query_one("#hosts", Lines), self.query_one("#services", Lines)
        self._show_table(
            tables[0],
            lambda: [self._title(_("HOSTS"), len(hosts), len(overview.hosts), tables[0]), host_heading(style)],
            [(view.name, partial(host_row, view, overview.at, style)) for view in hosts],
        )
        self._show_table(
            tables[1],
            lambda: [
                BLANK,
                self._title(_("SERVICES"), len(services), len(overview.services), tables[1]),
                service_heading(style),
            ],
            [(view.name, partial(service_row, view, overview.at, style)) for view in services],
        )
        backends, lines = self.state.backends(overview), self.query_one("#backends", Lines)
        self._show_table(
            lines,
            lambda: [BLANK, self._title(_("BACKENDS"), len(backends), len(overview.backends), lines)],
            [(view.name, partial(backend_row, view, overview.at, style)) for view in backends],
        )
        self.alerts.paint(overview, self.query_one("#alerts", Lines))
        if (room := self._heights.get("changes", 0)) > 0:
            self.query_one("#changes", Lines).show(
                change_rows(self.lilfox.changes_since_visit(), self.lilfox.glyphs, room)
            )
        self.query_one("#detail", Lines).show(self._detail(overview))

    def _show_table(
        self, lines: Lines, heads: Callable[[], list[Row]], named: Sequence[tuple[str, Callable[[], Row]]]
    ) -> None:
        """Shows one row per name below ``heads``. Draws twice if needed, because ``heads`` tells how many rows are past
        the lower edge."""
        kind = (lines.id or "").removesuffix("s")
        for _time in range(2):
            head = heads()[-lines.sticky :]
            rows = RowsOnDemand(head, len(named), lambda index: named[index][1]())
            lines.show(rows, selected=_place(self.state.selected, kind, [name for name, _make in named], len(head)))
            if heads()[-lines.sticky :] == head:
                return

    def _title(self, text: str, shown: int, of: int, lines: Lines) -> Row:
        count = f"{shown}/{of}" if shown != of else str(of)
        more = Piece(f"  {count}  {more_below(lines.hidden_below)}", "muted")
        return (Piece(" " + text, "title"), more, *self.far.title())

    def _detail(self, overview: Overview) -> list[Row]:
        """The selected row as text: what is wrong and since when, and what to do."""
        view = self.state.selected_view()
        if view is None:
            return self.alerts.detail(overview)
        mark = Piece(f" {self.lilfox.glyphs.level(view.level)} ", ROLES[view.level])
        since = _since(view, overview.at)
        error = link_error(view)
        why = str(error) if error is not None else clauses(map(str, view.reasons)) or well(view)
        head = (mark, Piece(view.name, "strong"), Piece(f"  {since}  ", "muted"))
        width = self.lilfox.room.width - sum(cells_of(piece.text) for piece in head)
        first, rest = break_line(why, max(20, width))
        rest = f"{rest}  " if rest else ""
        hint = str(error.hint) if error is not None else ""
        return [(*head, Piece(first, ROLES[view.level])), (Piece(f"   {rest}", ROLES[view.level]), Piece(hint))]

    def _paint_page(self, overview: Overview) -> None:
        assert self.state.page is not None
        kind, name = self.state.page
        lines = self.query_one("#hosts", Lines)
        lines.sticky = 2
        self.far.new_page()
        if kind == "host" and name in overview.hosts:
            lines.show(host_page(self.pages.host_page(overview.hosts[name], overview.at)), follow=False)
        elif kind == "service" and name in overview.services:
            lines.show(service_page(self.pages.service_page(overview.services[name], overview.at)), follow=False)
        elif kind == "backend" and name in overview.backends:
            lines.show(backend_page(self.pages.backend_page(overview.backends[name], overview.at)), follow=False)
        elif kind in ("alert", "rule"):
            self.alerts.paint_page(overview, lines, self.pages.chart_height())
        self.far.page_is_drawn()
        self.call_after_refresh(self.look_below, lines)

    def status(self) -> Row:
        parts = []
        if self.state.page is not None:
            if self.rows_below:
                parts.append(more_below(self.rows_below))
            parts.append(_("last {time}", time=human_duration(self.state.window.total_seconds())))
            parts += filter(None, [self.far.status()])
        if self.state.filter:
            parts.append(f"/{self.state.filter}/" + ("" if self.state.only_matching else " " + _("(matches marked)")))
        return (Piece("   ".join(parts), "accent" if self.state.filter else "muted"),)


def _place(selected: Subject | None, kind: str, names: list[str], head: int) -> int | None:
    """Return the row of the selected subject below ``head`` rows; None if it is not in this table."""
    if selected is None or selected[0] != kind or selected[1] not in names:
        return None
    return names.index(selected[1]) + head


def _since(view: View, now: datetime) -> str:
    """The duration of a problem, which counts every second; for a good level its start, which does not change and needs
    no redraw."""
    if view.level is not Level.GOOD or view.since > now:
        return held_for(view, now)
    today = view.since.date() == now.date()
    return _("since {time}", time=view.since.strftime("%H:%M" if today else "%m-%d %H:%M"))
