"""The Clusters pane: workloads, pods, nodes and events of a cluster, and their pages."""

from __future__ import annotations

from datetime import datetime

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import Cause, Selected, Selection, cause_of, text_of_rows
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.cluster.actions import (
    ClusterList,
    ClusterViewActions,
    NodeActions,
    PodActions,
    RolloutActions,
)
from lilfox_tui.app.panes.cluster.state import ClusterState, key_of
from lilfox_tui.app.panes.cluster.view import BESIDE, ClusterDrawing, ClusterScreen, ClusterStyle, page_rows, title_of
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.clusters import Kind, context_pieces, reasons_text
from lilfox_tui.app.shared_actions import ErrorActions, EvidenceActions, ListActions
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.clusters.model import ClusterEvent
from lilfox_tui.core.i18n import _
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview

_WIDTH = 120
"""Of a page that is kept, however small the screen is."""


class ClusterPane(Pane):
    """Workloads, pods, nodes and events of a cluster, and their pages; its context is always on the screen."""

    GROUPS = (
        ListActions, ClusterViewActions, PodActions, RolloutActions, NodeActions, ErrorActions, EvidenceActions,
    )  # fmt: skip

    ID = "cluster"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = ClusterState()
        context = PaneContext(self, self.state)
        self.drawing = ClusterDrawing(self.state)
        self.list = ClusterList(context, lambda: (self.drawing.page_room, self.drawing.page_rows))
        self.groups = (
            ListActions(lilfox, self.list),
            ClusterViewActions(context),
            PodActions(context),
            RolloutActions(context, self.carry_out),
            NodeActions(context, self.carry_out),
            ErrorActions(lilfox),
            EvidenceActions(context, self.evidence),
        )
        self._screen = ClusterScreen()

    def compose(self) -> ComposeResult:
        yield Lines(id="clusters")

    def on_mount(self) -> None:
        self.rewind(self.lilfox.rewound)

    # ---- what there is ------------------------------------------------------------------------------------------

    def show(self, overview: Overview) -> None:
        if overview is not self.state.overview:
            self.state.overview = overview
            self.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Shows the clusters of now; those of the past are not recorded."""
        monitor = self.lilfox.monitor
        self.state.overview = monitor.overview.value if at is None else monitor.overview_at(at)
        self.repaint()

    def show_cluster(self, name: str, page: tuple[str, str] | None) -> None:
        """Shows a cluster; with ``page`` that of something in it, by its kind and key."""
        self.state.choose(name)
        self.state.pages, self.state.filter = (), ""
        kinds: dict[str, Kind] = {"workloads": "workloads", "pods": "pods", "nodes": "nodes"}
        if page is not None and (kind := kinds.get(page[0])) is not None:
            self.state.kind, self.state.namespace = kind, ""
            if (item := self.state.of_page((kind, page[1]))) is not None:
                self.state.select(item)
            self.state.open((kind, page[1]))
        self.repaint()
        self.lilfox.repaint_frame()

    def show_lists(self) -> None:
        """Closes the open page."""
        self.state.pages = ()
        self.repaint()

    # ---- evidence, and the mouse ---------------------------------------------------------------------------------

    def evidence(self) -> Selection | None:
        item, view, overview = self.state.selected, self.state.cluster, self.state.overview
        if item is None or view is None or overview is None:
            return None
        title = f"{view.name}: {title_of(item)}"

        async def read() -> Selected:
            style = ClusterStyle(overview.at, self.lilfox.glyphs, _WIDTH, 0)
            rows: list[Row] = [context_pieces(view), BLANK, *page_rows(item, view, style, _WIDTH, boxed=False)]
            when = _("as of {when} UTC", when=f"{overview.at:%Y-%m-%d %H:%M:%S}")
            data = f"# {title}, {when}\n\n{text_of_rows(rows)}"
            name = "".join(char if char.isalnum() else "-" for char in title_of(item).lower())[:80]
            return Selected(f"cluster-{name}-{overview.at:%H%M%S}.txt", data.encode("utf-8", "replace"), title)

        return Selection(title, read)

    def cause(self) -> Cause | None:
        """The alert about the selection; without one what is wrong with it."""
        alert, item, view = self.state.alert, self.state.selected, self.state.cluster
        if alert is not None:
            return cause_of(alert)
        if view is None or item is None or isinstance(item, ClusterEvent) or not item.reasons:
            return None
        severity = "SEV-2" if item.level is Level.FAILING else "SEV-3"
        told = f"{view.name}: {title_of(item)}: {reasons_text(item.reasons[:1])}"
        return Cause("", {"cluster": view.name}, severity, told=told)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        hit = self._screen.at(event.x, event.index)
        item = None if hit is None else next((each for each in self.state.rows if key_of(each) == hit.row), None)
        if item is None:
            return
        again = self.state.page is None and self.state.selected == item
        self.state.pages, self.state.scroll = (), 0
        self.state.select(item)
        if again:
            self.list.open_selected()
        self.repaint()
        self.lilfox.repaint_frame()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self.list.move(1 if event.delta > 0 else -1)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def clock_moved(self) -> None:
        if self.display and not self.lilfox.leaving:
            self.repaint()

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        room, app = self.lilfox.room, self.lilfox
        style = ClusterStyle(app.clock, app.glyphs, room.width, room.height, app.slow_link)
        self._screen = self.drawing.draw(style)
        self.query_one("#clusters", Lines).show(self._screen.rows)
        self.tell_below(self._screen.below)

    def status(self) -> Row:
        shown = more_below(self.rows_below) if self.state.page is not None and self.lilfox.size.width < BESIDE else ""
        return (Piece(shown, "muted"),)
