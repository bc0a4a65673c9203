"""The rows of the Metrics pane as its list actions see them, and the height of each part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject
from lilfox_tui.app.rows.hosts import well
from lilfox_tui.app.shared_actions import StateList
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, clauses, tr


class MetricsList(StateList[MetricsState]):
    """The list of the Metrics pane. ``scroll_page`` scrolls the open page."""

    def __init__(
        self,
        context: PaneContext[MetricsState],
        open_page: Callable[[Subject | None], None],
        scroll_page: Callable[[int], None],
    ) -> None:
        super().__init__(context)
        self._open_page, self._scroll_page = open_page, scroll_page

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is not None:
            self._scroll_page(step)
        else:
            self._state.move(step)
            self._context.repaint()

    def open_selected(self) -> None:
        self._open_page(self._state.selected)

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def back(self) -> None:
        if self._state.zoomed:
            self._state.zoomed = False
            self._context.repaint()
        elif self._state.page is not None:
            self._open_page(None)
        else:
            self.set_filter("")

    def copy_selected(self) -> None:
        """Copies the name and state of the row; for an alert the expression of its rule."""
        item, view = self._state.selected_item(), self._state.selected_view()
        if item is not None and not item.expression:
            self._app.tell(LilFoxError(tr("no expression to copy: the rule is not available here")))
        elif item is not None:
            self._app.copy_text(item.expression)
        elif view is not None:
            why = clauses(str(reason) for reason in view.reasons) or well(view)
            self._app.copy_text(f"{view.name}: {why}, {view.since.isoformat(timespec='seconds')}")

    def why_not_copy(self) -> Message | None:
        return self._state.nothing_selected()


# How high each part of the Metrics pane is. Pure.


LOW = 14
"""Rows of a pane in which there is no room for blank lines, nor for more than one part below the hosts."""


CHANGES_HEAD = 2
"""Rows above the first change; without one they are not shown."""
HOSTS_FIRST = 5
"""Rows that the hosts have before there are any for changes: their title and heading, and three of them."""


class Parts(NamedTuple):
    """The rows of each part, title included; 0 if it is not shown."""

    hosts: int
    services: int = 0
    backends: int = 0
    alerts: int = 0
    changes: int = 0
    detail: int = 0


_SUBJECTS = {"host": "hosts", "service": "services", "backend": "backends", "alert": "alerts", "rule": "alerts"}


def heads(height: int) -> Parts:
    """The head rows of each part: titles, and blank lines only if there is room."""
    return Parts(2, 3, 2, 2) if height >= LOW else Parts(1, 1, 1, 1)


def heights(height: int, wanted: Parts, *, selected: str | None, only: str | None) -> Parts:
    """Return how ``height`` rows are divided among the parts; ``wanted`` is how many each would fill. ``selected`` is
    the kind of the selected row, ``only`` the kind of a part that is shown alone.

    Alerts and backends get a quarter at most, services a third, hosts the rest, but about a quarter: each that is
    there shows a row. What is left over then goes to services, backends and alerts.
    """
    detail = 2 if height >= 18 else 1 if height >= 9 else 0
    if only is not None:
        return Parts(0, detail=detail)._replace(**{_SUBJECTS[only]: height - detail})
    backends, alerts = min(wanted.backends, max(2, height // 4)), min(wanted.alerts, max(3, height // 4))
    services = wanted.services
    if height < LOW:
        services, backends, alerts = _one_of(services, backends, alerts, _SUBJECTS.get(selected or ""))
    services = min(services, max(3, height // 3))
    room = height - services - backends - alerts - detail
    changes = min(wanted.changes, max(3, min(7, room - wanted.hosts))) if height >= 20 else 0
    if room - changes < min(wanted.hosts, HOSTS_FIRST):
        changes = 0
    hosts = min(wanted.hosts, max(3, height // 4 - 1, room - changes) if height >= LOW else max(2, room))
    services = max(0, min(height - hosts - backends - alerts - detail, wanted.services if services else 0))
    left = height - hosts - services - backends - alerts - detail
    changes = min(changes, left) if left > CHANGES_HEAD else 0
    if not (services or backends or alerts):
        hosts = height - detail
    if backends:
        backends = min(wanted.backends, max(backends, height - hosts - services - alerts - changes - detail))
    if alerts:
        alerts = min(wanted.alerts, max(alerts, height - hosts - services - backends - changes - detail))
    return Parts(hosts, services, backends, alerts, changes, detail)


def _one_of(services: int, backends: int, alerts: int, selected: str | None) -> tuple[int, int, int]:
    """Return the heights if only one part is shown: that of the selected row; without a selection, the first part with
    rows."""
    if selected == "alerts" or not (services or backends):
        return 0, 0, alerts
    if selected == "backends" or not services:
        return 0, backends, 0
    return services, 0, 0
