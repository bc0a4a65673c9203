"""The Clusters pane: workloads, pods, nodes and events of a cluster, and their pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import Selected, Selection, text_of_rows
from lilfox_tui.app.open_logs import PODS
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.cluster.drawing import BESIDE, ClusterDrawing, ClusterScreen
from lilfox_tui.app.panes.cluster.page import ClusterStyle, page_rows, title_of
from lilfox_tui.app.panes.cluster.state import ClusterState, key_of, namespace_of
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.clusters import Item, Kind, context_pieces, level_of, levels_text, reasons_text
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.app.shared_actions import ErrorActions, EvidenceActions, ListActions, StateList
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.clusters.model import ClusterEvent, ClusterView, NodeView, PodView, WorkloadView
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.core.text import clean, fit
from lilfox_tui.monitor.model import Overview

_ALL = 10**6
_WIDTH = 120
"""Of a page that is kept, however small the screen is."""
_NAMESPACE = 24
Context = PaneContext[ClusterState]


class ClusterList(StateList[ClusterState]):
    """The list of the Clusters pane. ``room`` returns how many rows of an open page are seen, and how many it has."""

    def __init__(self, context: Context, room: Callable[[], tuple[int, int]]) -> None:
        super().__init__(context)
        self._room = room

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is not None:
            seen, rows = self._room()
            self._state.scroll = max(0, min(self._state.scroll + step, rows - seen))
        else:
            self._state.scroll = 0
            self._state.move(step)
        self._context.repaint_all()

    def lists_any(self) -> bool:
        return bool(self._state.rows)

    def open_selected(self) -> None:
        item = self._state.selected
        if self._state.page is not None and (inner := self._state.inner) is not None:
            self._state.open(inner)
        elif item is not None:
            self._state.select(item)
            self._state.open((self._state.kind, key_of(item)))
        self._context.repaint_all()

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def back(self) -> None:
        self._state.back()
        self._context.repaint_all()

    def why_not_filter(self) -> Message | None:
        return self._state.why_no_cluster()

    def copy_selected(self) -> None:
        """Copies the name of the row, as kubectl takes it, and what is wrong."""
        match self._state.selected:
            case WorkloadView() as found:
                self._copy(f"{found.workload.resource} -n {found.workload.namespace}", found)
            case PodView() as found:
                self._copy(f"pod/{found.pod.name} -n {found.pod.namespace}", found)
            case NodeView() as found:
                self._copy(f"node/{found.node.name}", found)
            case ClusterEvent() as event:
                self._app.copy_text(f"{event.kind} {event.namespace}/{event.name}: {event.reason}: {event.message}")

    def _copy(self, name: str, item: WorkloadView | PodView | NodeView) -> None:
        why = reasons_text(item.reasons)
        self._app.copy_text(f"{name}: {why}" if why else name)

    def why_not_copy(self) -> Message | None:
        return self._state.why_nothing()


class ClusterViewActions(ActionGroup):
    """Actions that choose what is listed."""

    TASK = tr("Display")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_not(self) -> Message | None:
        return self._state.why_no_cluster()

    @action(
        "next-kind",
        "tab right",
        tr("next list"),
        tr("list the next of workloads, pods, nodes and events"),
        why_not=_why_not,
        footer=3,
    )
    def next_kind(self) -> None:
        self._state.next_kind(1)
        self._context.repaint_all()

    @action(
        "previous-kind",
        "left",
        tr("previous list"),
        tr("list the previous of workloads, pods, nodes and events"),
        why_not=_why_not,
    )
    def previous_kind(self) -> None:
        self._state.next_kind(-1)
        self._context.repaint_all()

    @action(
        "namespace",
        "o",
        tr("namespace"),
        tr("choose the namespace that is listed, or another cluster"),
        why_not=_why_not,
        footer=3,
    )
    def choose_namespace(self) -> None:
        view = self._state.cluster
        if view is not None:
            title = _("Namespace of {cluster}, or another cluster", cluster=view.name)
            choices = [*self._namespaces(view), *self._others(view)]
            self._app.push_screen(dialogs.Chooser(title, choices, wide=True, does=_("lists it")), self._take)

    def _namespaces(self, view: ClusterView) -> list[dialogs.Choice]:
        """All namespaces, and each with how much is in it and what is wrong there."""
        found: dict[str, list[Item]] = {name: [] for name in view.namespaces}
        everything: tuple[Item, ...] = (*view.workloads, *view.pods)
        for each in everything:
            found.setdefault(namespace_of(each), []).append(each)
        choices = [dialogs.Choice("namespace/", (Piece(_("all namespaces"), "strong"),), _("all namespaces"))]
        for name, items in sorted(found.items()):
            pods = sum(isinstance(each, PodView) for each in items)
            levels = Counter(level_of(each) for each in items if isinstance(each, WorkloadView))
            told = Piece(ngettext("{count} pod", "{count} pods", pods), "muted")
            row = (Piece(fit(clean(name), _NAMESPACE) + "  ", "strong"), told, *levels_text(levels, self._app.glyphs))
            choices.append(dialogs.Choice(f"namespace/{name}", row, name, names=(name,)))
        return choices

    def _others(self, view: ClusterView) -> list[dialogs.Choice]:
        choices = []
        for each in self._state.clusters:
            if each.name != view.name:
                mark = Piece(f"{self._app.glyphs.level(each.level)} ", ROLES[each.level])
                name = Piece(fit(clean(each.name), _NAMESPACE - 2) + "  ", "strong")
                row = (mark, name, *context_pieces(each))
                words = " ".join((each.name, each.context, _("cluster")))
                choices.append(dialogs.Choice(f"cluster/{each.name}", row, words, names=(each.name,)))
        return choices

    def _take(self, chosen: str | None) -> None:
        if chosen is None:
            return
        kind, _slash, name = chosen.partition("/")
        if kind == "cluster":
            self._state.choose(name)
        else:
            self._state.show_namespace(name)
        self._context.repaint_all()


class PodActions(ActionGroup):
    """What leads from a workload or a pod elsewhere, and looks at the cluster anew."""

    TASK = tr("Clusters")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_no_logs(self) -> Message | None:
        why = self._state.why_nothing()
        if why is None and self._state.logs_of is None:
            why = tr("select a workload or a pod first")
        return why

    @action(
        "logs",
        "l",
        tr("logs"),
        tr("show the logs of the selected pod, or of all pods of the workload in one list"),
        why_not=_why_no_logs,
        footer=2,
        fits=lambda self: self._state.logs_of is not None,
    )
    def show_logs(self) -> None:
        view, place = self._state.cluster, self._state.logs_of
        if view is not None and place is not None:
            self._app.go_to_logs(PODS, f"{view.name}/{place}", None)

    def _why_not_again(self) -> Message | None:
        return self._state.why_no_cluster()

    @action("read-again", "R", tr("refresh"), tr("look at the cluster now"), why_not=_why_not_again)
    def read_again(self) -> None:
        view, clusters = self._state.cluster, self._app.monitor.clusters
        if view is not None and clusters is not None:
            clusters.look_soon(view.name)


class ClusterPane(Pane):
    """Workloads, pods, nodes and events of a cluster, and their pages; its context is always on the screen."""

    GROUPS = (ListActions, ClusterViewActions, PodActions, ErrorActions, EvidenceActions)

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
