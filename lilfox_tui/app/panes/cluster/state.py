"""What the Clusters pane shows: the cluster, its namespace, the kind that is listed, the selected row, the open page.
No screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lilfox_tui.app.evidence import firing_alerts
from lilfox_tui.app.rows.clusters import KINDS, Item, Kind
from lilfox_tui.clusters.model import WORKLOAD_KINDS, ClusterEvent, ClusterView, NodeView, PodView, WorkloadView
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert

Page = tuple[Kind, str]
"""What an open page is about: its kind, and its key among these."""


def key_of(item: Item) -> str:
    """The key of a row, which stays the same while its values change."""
    match item:
        case WorkloadView(workload=workload):
            return f"{workload.namespace}/{workload.kind}/{workload.name}"
        case PodView(pod=pod):
            return f"{pod.namespace}/{pod.name}"
        case NodeView(node=node):
            return node.name
        case ClusterEvent():
            return f"{item.namespace}/{item.kind}/{item.name}/{item.reason}/{item.message}"


def namespace_of(item: Item) -> str:
    """The namespace of a row; empty for a node."""
    match item:
        case WorkloadView(workload=workload):
            return workload.namespace
        case PodView(pod=pod):
            return pod.namespace
        case ClusterEvent():
            return item.namespace
        case NodeView():
            return ""


def words_of(item: Item) -> str:
    """What the filter looks in."""
    match item:
        case WorkloadView(workload=workload):
            found = (workload.kind, workload.namespace, workload.name, *workload.images, *map(str, item.reasons))
        case PodView(pod=pod):
            found = (pod.namespace, pod.name, pod.node, pod.status, *map(str, item.reasons))
        case NodeView(node=node):
            found = (node.name, node.version, *map(str, item.reasons))
        case ClusterEvent():
            found = (item.namespace, item.kind, item.name, item.type, item.reason, item.message)
    return " ".join(found).lower()


class ClusterState:
    """The pane's state."""

    def __init__(self) -> None:
        self.overview: Overview | None = None
        self.kind: Kind = "workloads"
        self.namespace = ""
        """The one whose rows are listed; empty for all."""
        self.filter = ""
        self.only_matching = True
        self.pages: tuple[Page, ...] = ()
        """The open page and those from which it was opened, which is the last one."""
        self.scroll = 0
        """Rows of the open page above the first one that is seen."""
        self._name = ""
        self._selected: dict[Kind, str] = {}

    # ---- the cluster ---------------------------------------------------------------------------------------------

    @property
    def clusters(self) -> Sequence[ClusterView]:
        """All of them, worst first."""
        found = () if self.overview is None else self.overview.clusters.values()
        return sorted(found, key=lambda view: -int(view.level))

    @property
    def cluster(self) -> ClusterView | None:
        """The one that is shown: the chosen one, else the worst."""
        found = self.clusters
        chosen = next((each for each in found if each.name == self._name), None)
        return chosen or (found[0] if found else None)

    def choose(self, name: str) -> None:
        """Shows that cluster, with all of its namespaces."""
        if name != self._name:
            self._name, self.namespace, self.pages, self._selected = name, "", (), {}

    def keep(self) -> None:
        """Goes on showing this cluster, also if another one gets worse."""
        if (view := self.cluster) is not None:
            self._name = view.name

    def show_namespace(self, name: str) -> None:
        """Lists only what is in that namespace; empty for all."""
        self.keep()
        self.namespace, self.pages = name, ()

    # ---- rows ----------------------------------------------------------------------------------------------------

    def all_of(self, kind: Kind) -> Sequence[Item]:
        """All of a kind in the namespace that is listed, worst first."""
        view = self.cluster
        if view is None:
            return ()
        found: Sequence[Item] = getattr(view, kind)
        if not self.namespace or kind == "nodes":
            return found
        return [each for each in found if namespace_of(each) == self.namespace]

    @property
    def rows(self) -> Sequence[Item]:
        """The rows of the list."""
        found = self.all_of(self.kind)
        return [each for each in found if self.matches(each)] if self.filter and self.only_matching else found

    def matches(self, item: Item) -> bool:
        """Whether a row holds every word of the filter."""
        words = words_of(item)
        return all(word in words for word in self.filter.lower().split())

    @property
    def place(self) -> int:
        """The index of the highlighted row; the first one if none was chosen or it is gone."""
        chosen = self._selected.get(self.kind)
        return next((at for at, each in enumerate(self.rows) if key_of(each) == chosen), 0)

    @property
    def page(self) -> Page | None:
        """The page that is open."""
        return self.pages[-1] if self.pages else None

    @property
    def selected(self) -> Item | None:
        """What actions act on: the page's subject, else the highlighted row."""
        if self.page is not None:
            return self.of_page(self.page)
        rows = self.rows
        return rows[self.place] if rows else None

    def of_page(self, page: Page) -> Item | None:
        """What a page is about; None if that is gone."""
        view = self.cluster
        found: Sequence[Item] = () if view is None else getattr(view, page[0])
        return next((each for each in found if key_of(each) == page[1]), None)

    @property
    def workload(self) -> WorkloadView | None:
        """The selected workload, or that of the selected pod."""
        match self.selected:
            case WorkloadView() as found:
                return found
            case PodView() as pod if (view := self.cluster) is not None:
                return view.workload(pod.pod.owner_kind, pod.pod.namespace, pod.pod.owner)
            case _:
                return None

    @property
    def logs_of(self) -> str | None:
        """Whose logs are shown for the selection, ``NAMESPACE/KIND/NAME``; None for what has none."""
        match self.selected:
            case WorkloadView(workload=found):
                return f"{found.namespace}/{found.resource}"
            case PodView(pod=pod):
                return f"{pod.namespace}/pod/{pod.name}"
            case ClusterEvent() as event if event.kind == "Pod" or event.kind in WORKLOAD_KINDS:
                return f"{event.namespace}/{event.kind.lower()}/{event.name}"
            case _:
                return None

    @property
    def alert(self) -> Alert | None:
        """The worst alert that fires about the selection."""
        view, found = self.cluster, self.selected
        if view is None or found is None:
            return None
        firing = ((each, dict(each.labels)) for each in firing_alerts(self.overview))
        return next((each for each, labels in firing if is_named(found, view.name, labels)), None)

    # ---- moving --------------------------------------------------------------------------------------------------

    def select(self, item: Item) -> None:
        """Selects a row."""
        self.keep()
        self._selected[self.kind] = key_of(item)

    def keep_selected(self) -> None:
        """Keeps the highlighted row selected, also where another one gets worse and comes first."""
        if self.page is None and (item := self.selected) is not None:
            self.select(item)

    def move(self, step: int) -> None:
        """Selects the row ``step`` rows down or up."""
        if rows := self.rows:
            self.select(rows[max(0, min(len(rows) - 1, self.place + step))])

    def next_kind(self, step: int) -> None:
        """Lists the next kind, or the previous one (-1)."""
        self.keep()
        self.kind, self.pages = KINDS[(KINDS.index(self.kind) + step) % len(KINDS)], ()

    def open(self, page: Page) -> None:
        """Opens a page; what is below it stays to go back to."""
        self.keep()
        self.pages, self.scroll = (*self.pages, page), 0

    def back(self) -> None:
        """Closes the open page, else clears the filter, else lists all namespaces."""
        if self.pages:
            self.pages, self.scroll = self.pages[:-1], 0
        elif self.filter:
            self.filter = ""
        else:
            self.namespace = ""

    def set_filter(self, text: str) -> None:
        """Shows only, or marks, the rows that hold every word of ``text``."""
        self.keep()
        self.filter = text

    def toggle_only_matching(self) -> None:
        """Switches between hiding what does not match the filter and marking what does."""
        self.only_matching = not self.only_matching

    def select_match(self, direction: int) -> None:
        """Selects the next (1) or previous (-1) row that the filter matches, wrapping around."""
        rows, start = self.rows, self.place
        for offset in range(1, len(rows) + 1):
            found = rows[(start + direction * offset) % len(rows)]
            if self.matches(found):
                self.select(found)
                return

    # ---- what cannot be done --------------------------------------------------------------------------------------

    def why_no_past(self) -> Message | None:
        """Why nothing is shown while the console is rewound."""
        rewound = self.overview is not None and self.overview.rewound
        return tr("clusters are not recorded for the past") if rewound else None

    def why_no_cluster(self) -> Message | None:
        """Why there is nothing to act on."""
        return self.why_no_past() or (None if self.cluster is not None else tr("no cluster was read yet"))

    def why_nothing(self) -> Message | None:
        """Why nothing is selected."""
        return self.why_no_cluster() or (None if self.selected is not None else tr("nothing is selected"))

    def why_not_open(self) -> Message | None:
        """Why nothing can be opened."""
        if self.page is not None and self.inner is None:
            return tr("this page is already open")
        return self.why_nothing()

    @property
    def inner(self) -> Page | None:
        """The page that enter opens from the open one: of a workload its worst pod, of an event its object."""
        found, view = self.selected, self.cluster
        if isinstance(found, WorkloadView) and found.pods:
            worst = max(found.pods, key=lambda each: each.level)
            return "pods", key_of(worst)
        if isinstance(found, ClusterEvent) and view is not None:
            everything: tuple[tuple[Kind, Sequence[Item]], ...] = (
                ("workloads", view.workloads), ("pods", view.pods), ("nodes", view.nodes),
            )  # fmt: skip
            for kind, items in everything:
                for each in items:
                    if is_about(found, each):
                        return kind, key_of(each)
        return None

    def why_not_back(self) -> Message | None:
        """Why the pane cannot go back."""
        deep = self.pages or self.filter or self.namespace
        return None if deep else tr("this is the first screen; 1 shows the hosts, q quits")


def is_named(item: Item, cluster: str, labels: Mapping[str, str]) -> bool:
    """Whether the labels of an alert name that workload (or a pod of it), pod or node of a cluster."""
    if labels.get("cluster") != cluster:
        return False
    if isinstance(item, NodeView):
        return labels.get("node") == item.node.name
    if labels.get("namespace") != namespace_of(item):
        return False
    match item:
        case WorkloadView(workload=workload, pods=pods):
            return labels.get(workload.kind.lower()) == workload.name or any(is_named(each, cluster, labels)
                                                                            for each in pods)  # fmt: skip
        case PodView(pod=pod):
            return labels.get("pod") == pod.name
        case ClusterEvent():
            return labels.get(item.kind.lower()) == item.name


def is_about(event: ClusterEvent, item: Item) -> bool:
    """Whether an event is about that workload, pod or node."""
    match item:
        case WorkloadView(workload=workload):
            return (event.namespace, event.kind, event.name) == (workload.namespace, workload.kind, workload.name)
        case PodView(pod=pod):
            return (event.namespace, event.kind, event.name) == (pod.namespace, "Pod", pod.name)
        case NodeView(node=node):
            return (event.kind, event.name) == ("Node", node.name)
        case _:
            return event is item
