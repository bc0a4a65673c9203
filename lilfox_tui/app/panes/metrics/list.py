"""The rows of the Metrics pane as its list actions see them, and the height of each part."""

from __future__ import annotations

from collections.abc import Callable

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
        if self._state.selected_plan() is not None:
            self._app.go_to_backups()
        else:
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
