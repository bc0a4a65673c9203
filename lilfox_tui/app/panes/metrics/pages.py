"""What the pages of the Metrics pane show, and the same as evidence of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app.evidence import Selected, Selection, text_of_rows
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.backend_page import BackendPage, backend_page
from lilfox_tui.app.panes.metrics.far_past import FarPast
from lilfox_tui.app.panes.metrics.host_page import HostPage, host_page
from lilfox_tui.app.panes.metrics.service_page import ServicePage, service_page
from lilfox_tui.app.panes.metrics.state import MetricsState, alerts_of, link_error
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.app.rows.hosts import well
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, clauses
from lilfox_tui.metrics.model import HostSnapshot, Level
from lilfox_tui.monitor.model import BackendView, HostView, Overview, ServiceView, View

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Event
    from lilfox_tui.app.panes.metrics.alert_rows import AlertItem
    from lilfox_tui.monitor.alert_explain import Explanation

_WIDTH, _CHART_HEIGHT = 120, 5
"""Of a page that is kept, however small the screen is."""


class MetricsPages:
    """Makes the pages of what is watched."""

    def __init__(self, context: PaneContext[MetricsState], far: FarPast) -> None:
        self._far, self._state, self._app = far, context.state, context.app

    def host_page(self, view: HostView, now: datetime) -> HostPage:
        """What the page of a host shows."""
        app = self._app
        snapshot = app.monitor.snapshot(view.name).value if app.rewound is None else None
        return HostPage(
            view=view,
            processes=snapshot.processes if isinstance(snapshot, HostSnapshot) else None,
            changes=[each for each in app.monitor.changes.all() if each.subject == f"host/{view.name}"][::-1],
            past=lambda series, columns: self._far.long_past(view, f"host/{view.name}", series, columns, now),
            below_charts=self._far.rows,
            now=now,
            window=self._state.window,
            thresholds=app.config.thresholds,
            glyphs=app.glyphs,
            width=self._app.room.width,
            charts_only=self._state.zoomed,
            chart_height=self.chart_height(),
            digits=Digits(few=app.slow_link),
        )

    def chart_height(self) -> int:
        """Rows of each chart of a page."""
        if self._state.zoomed:
            return max(5, (self._app.room.height - 2) // 4 - 3)
        return 5 if self._app.room.height >= 34 else 3

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
            digits=Digits(few=app.slow_link),
            past_traffic=lambda series, columns: self._far.long_past(view, traffic, series, columns, now),
            below_charts=self._far.rows,
            routes=scraping.by_route(view.name, now),
            statuses=scraping.by_status(view.name, now),
            targets=scraping.targets(view.name) if app.rewound is None else (),
            kept=scraping.kept(),
        )

    def backend_page(self, view: BackendView, now: datetime) -> BackendPage:
        """What the page of a backend shows."""
        app, subject = self._app, f"backend/{view.name}"
        return BackendPage(
            view=view,
            changes=[each for each in app.monitor.changes.all() if each.subject == subject][::-1],
            past=lambda series, columns: self._far.past(subject, series, columns, now),
            now=now,
            window=self._state.window,
            glyphs=app.glyphs,
            width=self._app.room.width,
        )

    # ---- as evidence ---------------------------------------------------------------------------------------------

    def evidence(self) -> Selection | None:
        """The page of what is selected, as the screen's time has it."""
        overview, view, item = self._state.overview, self._state.selected_view(), self._state.selected_item()
        if overview is None or (view is None and item is None):
            return None
        if view is not None:
            why = _why(view) if view.level is not Level.GOOD else ""
            return Selection(f"{view.name}: {why}" if why else view.name, partial(self._read_page, view, overview))
        assert item is not None
        place = self._state.place_of(item)
        title = item.name if place is None else f"{item.name}: {place[1]}"
        return Selection(title, partial(self._read_alert, item, overview))

    async def _read_page(self, view: View, overview: Overview) -> Selected:
        kind = "host" if isinstance(view, HostView) else "service" if isinstance(view, ServiceView) else "backend"
        return _kept(kind, view.name, _why(view), overview, self._rows_of(view, overview.at))

    def _rows_of(self, view: View, now: datetime) -> list[Row]:
        """The page with what history has; nothing is asked elsewhere."""
        subject = f"host/{view.name}"
        match view:
            case HostView():
                page = self.host_page(view, now)
                return host_page(
                    replace(
                        page,
                        past=lambda series, columns: self._far.past(subject, series, columns, now),
                        below_charts=list,
                        width=_WIDTH,
                        chart_height=_CHART_HEIGHT,
                        charts_only=False,
                    )
                )
            case ServiceView():
                traffic = f"traffic/{view.name}"
                return service_page(
                    replace(
                        self.service_page(view, now),
                        past_traffic=lambda series, columns: self._far.past(traffic, series, columns, now),
                        below_charts=list,
                        width=_WIDTH,
                    )
                )
            case BackendView():
                return backend_page(replace(self.backend_page(view, now), width=_WIDTH))

    async def _read_alert(self, item: AlertItem, overview: Overview) -> Selected:
        from lilfox_tui.app.panes.metrics.alert_page import AlertPage, alert_page, chart_columns
        from lilfox_tui.app.panes.metrics.alert_rows import rule_trouble, state_text

        alerting, alerts, at = self._app.monitor.alerting, alerts_of(overview), overview.at
        why: Explanation | LilFoxError | None = None
        events: Sequence[Event] = ()
        try:
            if item.expression:
                why = await alerting.why(item.expression, at - self._state.window, at, chart_columns(_WIDTH))
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
        return _kept("alert", item.name, said, overview, alert_page(page))


def _why(view: View) -> str:
    """What is wrong with it, or that nothing is."""
    error = link_error(view)
    return str(error) if error is not None else clauses(map(str, view.reasons)) or well(view)


def _kept(kind: str, name: str, said: str, overview: Overview, rows: Sequence[Row]) -> Selected:
    words = {
        "host": _("host {name}: {said}", name=name, said=said),
        "service": _("service {name}: {said}", name=name, said=said),
        "backend": _("backend {name}: {said}", name=name, said=said),
        "alert": _("alert {name}: {said}", name=name, said=said),
    }
    text = words[kind]
    if overview.rewound:
        text = _("{said}, as it was at {when:%Y-%m-%d %H:%M:%S} UTC", said=text, when=overview.at)
    taken = _("taken at {when} UTC", when=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
    shows = _("as of {when} UTC", when=f"{overview.at:%Y-%m-%d %H:%M:%S}")
    data = f"# {clauses([taken, shows])}\n\n{text_of_rows(rows)}"
    return Selected(f"{kind}-{name}-{overview.at:%H%M%S}.txt", data.encode("utf-8", "replace"), text)
