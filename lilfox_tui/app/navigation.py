"""The panes: which one is shown, its actions, and switching between them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import Action, ActionGroup, actions_of, bound_actions, key_name, rebound
from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane
from lilfox_tui.core.i18n import Message, tr

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Cause, LoggedError, Selection
    from lilfox_tui.app.panes.cluster.pane import ClusterPane
    from lilfox_tui.app.panes.metrics.pane import MetricsPane
    from lilfox_tui.app.panes.runbook.pane import RunbookPane
    from lilfox_tui.runbook.model import Runbook


METRICS, LOGS, BACKUP, RUNBOOK, CLUSTERS = 0, 1, 2, 3, 4
_OF_INCIDENT = ("acknowledge", "note", "decide", "moment", "call", "evidence", "take-over", "hand-over",
                "close-incident", "export")  # fmt: skip
"""The actions of the Runbook pane on the open incident: the palette offers them in every pane."""


class Tab(Struct, frozen=True):
    """A pane's title, its module below ``app.panes``, and its class name there. ``own`` are the ids of its actions
    other than those of ListActions: the keys in the configuration are checked with them, without importing panes that
    are not shown."""

    title: Message
    module: str
    name: str
    own: tuple[str, ...]

    def load(self) -> type[Pane]:
        """Imports and returns the pane's class."""
        pane: type[Pane] = getattr(importlib.import_module(f"lilfox_tui.app.panes.{self.module}.pane"), self.name)
        return pane


TABS = (
    Tab(
        tr("Metrics"), "metrics", "MetricsPane",
        ("logs", "window", "cursor-back", "cursor-forward", "zoom", "sort", "reconnect", "trust", "shell", "containers",
         "project-logs", "targets",
         "query", "explain", "acknowledge", "unacknowledge", "silence", "silences", "runbook", "findings", "audit",
         "accept-finding", "recent-errors", "evidence"),
    ),
    Tab(
        tr("Logs"), "logs", "LogsPane",
        ("level", "level-lower", "keep", "drop", "trace", "mark", "next-mark", "error-before", "error-after", "jump",
         "bar-before", "bar-after", "follow", "times", "wrap", "fold", "right", "left", "line-start", "sources",
         "retry", "statistics", "patterns", "save", "evidence"),
    ),
    Tab(
        tr("Backup"), "backup", "BackupPane",
        ("other-list", "read-again", "output", "cancel", "backup", "prune", "restore", "verify", "drill", "undo",
         "kept", "settle", "recent-errors"),
    ),
    Tab(
        tr("Runbook"), "runbook", "RunbookPane",
        ("other-list", "zoom", "follow", "run-again", "terminal", "by-hand", "retry", "stop", "skip", "undo", "end-run",
         "acknowledge", "logs", "note", "decide", "moment", "call", "evidence", "take-over", "hand-over",
         "close-incident", "export", "recent-errors"),
    ),
    Tab(
        tr("Clusters"), "cluster", "ClusterPane",
        ("next-kind", "previous-kind", "namespace", "logs", "runbook", "read-again", "restart-workload", "undo",
         "scale", "pause-rollout", "delete-pod", "shell", "cordon", "drain", "recent-errors", "evidence"),
    ),
)  # fmt: skip
"""The last one is there only where the configuration names clusters."""


class Navigation:
    """Creates panes, hidden, on first use. ``first`` is the pane shown at the start."""

    def __init__(self, app: Console, first: int) -> None:
        self._app = app
        self.current = first
        """The place in TABS of the pane that is shown."""
        self.panes: dict[int, Pane] = {first: TABS[first].load()(app)}
        """Those that were opened, by their place in TABS."""
        self.groups: Sequence[ActionGroup] = ()
        """What can be done everywhere."""
        self.actions: tuple[Action, ...] = ()
        """What can be done in the pane that is shown, and everywhere."""

    @property
    def tabs(self) -> Sequence[Tab]:
        """Those that there are: that of clusters only where some are configured."""
        return TABS if self._app.config.clusters else TABS[:CLUSTERS]

    @property
    def pane(self) -> Pane:
        """The pane that is shown (a dialog may be above it)."""
        return self.panes[self.current]

    @property
    def metrics(self) -> MetricsPane:
        """The pane of hosts and services."""
        return cast("MetricsPane", self.at(METRICS))

    @property
    def clusters(self) -> ClusterPane:
        """The pane of clusters."""
        return cast("ClusterPane", self.at(CLUSTERS))

    def keep_selected(self) -> None:
        """Keeps the row with which something is done selected, also where rows move: what nobody has chosen would give
        way to the worst one."""
        if self.current == METRICS and (subject := self.metrics.state.selected) is not None:
            self.metrics.state.choose(subject, in_problems=self.metrics.state.in_problems)
        if self.current == CLUSTERS:
            self.clusters.state.keep_selected()

    def at(self, place: int) -> Pane:
        """The pane at that index in TABS."""
        if place not in self.panes:
            pane = self.panes[place] = TABS[place].load()(self._app)
            pane.display = False
            self._app.screen_stack[0].mount(pane, before="#note")
        return self.panes[place]

    def open(self, place: int) -> None:
        """Shows the pane at that index in TABS."""
        if place == self.current:
            return
        self.pane.display = False
        self.current = place
        self.at(place).display = True
        self.bind()
        self.bind_keys()
        self.pane.rewind(self._app.rewound)
        self.pane.repaint()
        self._app.repaint_frame()

    def bind(self) -> None:
        """Collects the actions of the shown pane. Raises ConfigError if the keys in the configuration cannot be
        used."""
        own = (*self.pane.actions(), *(each for group in self.groups for each in bound_actions(group)))
        if len(self.tabs) <= CLUSTERS:
            own = tuple(each for each in own if each.id != "pane-5")
        elsewhere = [each for tab in TABS for each in tab.own]
        self.actions = rebound(own, self._app.config.keys, elsewhere)

    def of_incident(self) -> tuple[Action, ...]:
        """The actions on the open incident that the shown pane lacks; each shows the page of the incident first."""
        view = self._app.monitor.incidents.feed.value
        if self.current == RUNBOOK or view is None or view.incident is None:
            return ()
        found = {each.id: each for each in self.at(RUNBOOK).actions() if each.id in _OF_INCIDENT}
        for known in self.actions:
            found.pop(known.id, None)
        pane = str(RUNBOOK + 1)  # no key of this pane does it: the one of the other pane and the one there
        return tuple(
            replace(each, keys=(f"{pane} {each.key_text}",) if each.keys else (), run=partial(self._do_there, each))
            for each in found.values()
        )

    def _do_there(self, each: Action) -> None:
        self.open(RUNBOOK)
        self.pane.show_incident()
        self._app.repaint_frame()
        self._app.call_after_refresh(each.run)

    def elsewhere(self) -> list[tuple[int, Action]]:
        """The actions of the other panes that neither the shown pane nor :meth:`of_incident` has, each with the place
        of its pane in TABS. They are not bound: most of these panes were never opened. Imports all panes."""
        known = {(each.id, str(each.help)) for each in (*self.actions, *self.of_incident())}
        keys = self._app.config.keys
        found: list[tuple[int, Action]] = []
        for place, tab in enumerate(self.tabs):
            for each in actions_of(tab.load()) if place != self.current else ():
                if (each.id, str(each.help)) not in known:
                    known.add((each.id, str(each.help)))
                    found.append((place, replace(each, keys=(key_name(keys[each.id]),)) if each.id in keys else each))
        return found

    def bind_keys(self) -> None:
        """Binds only keys that are not bound yet: Textual keeps every binding a key ever had and searches them all."""
        keys = {key for each in self.actions for key in each.keys}
        for key in keys - self._app.bound_keys:
            self._app.bind(key, f"press('{key}')", show=False)

    def rewind(self, at: datetime | None) -> None:
        """Shows everything as it was ``at`` (aware UTC), or now."""
        self._app.rewound = at
        for pane in self.panes.values():
            pane.rewind(at)
        self._app.repaint_frame()

    def go_to_runbook(self, cause: Cause) -> None:
        """Shows the runbooks for an alert."""
        self.open(RUNBOOK)
        self.pane.look_for(cause)

    def open_runbook(self, runbook: Runbook, cause: Cause) -> None:
        """Shows one runbook, which is opened for ``cause``."""
        self.open(RUNBOOK)
        cast("RunbookPane", self.pane).show_runbook(runbook, cause)

    def go_to_logs(self, kind: str, name: str, at: datetime | None) -> None:
        """Shows the logs of a ``host`` or ``service``, at that time (aware UTC) or the newest."""
        self.open(LOGS)
        self.pane.look_at(kind, name, at)

    def go_to_cluster(self, name: str, page: tuple[str, str] | None = None) -> None:
        """Shows a cluster, and the page of one of its workloads, pods or nodes."""
        self.open(CLUSTERS)
        self.clusters.show_cluster(name, page)

    def show_clusters(self) -> None:
        """Shows the lists of a cluster; in their pane it closes the open page."""
        if self.current == CLUSTERS:
            self.clusters.show_lists()
        self.open(CLUSTERS)

    def cluster_choices(self) -> list[dialogs.Choice]:
        """The clusters and their workloads to choose from; what draws them is imported where there are any."""
        found = {} if self._app.shown is None else self._app.shown.clusters
        if not found:
            return []
        rows = importlib.import_module("lilfox_tui.app.rows.clusters")
        listed = rows.choices(found, self._app.glyphs)
        return [dialogs.Choice(each.id, each.row, each.words, names=(each.name,)) for each in listed]

    def go_to_choice(self, chosen: str) -> bool:
        """Goes to a cluster (``cluster/NAME``) or a workload (``cluster/NAME/NAMESPACE/KIND/NAME``) that was chosen;
        False if it is neither."""
        kind, _slash, place = chosen.partition("/")
        if kind == "cluster":
            name, _slash, key = place.partition("/")
            self.go_to_cluster(name, ("workloads", key) if key else None)
        return kind == "cluster"

    def go_to_errors(self) -> None:
        """Shows the errors of the last minutes in all logs."""
        self.open(LOGS)
        self.pane.show_recent_errors()

    def selected_logs(self) -> Selection | None:
        """The selection in the Logs pane, if that was opened."""
        return self.panes[LOGS].evidence() if LOGS in self.panes else None

    def errors_about(self, names: Sequence[str]) -> Sequence[LoggedError]:
        """The newest errors in the logs of services and hosts; none where the Metrics pane was not opened."""
        return self.metrics.home.errors.about(names) if METRICS in self.panes else ()
