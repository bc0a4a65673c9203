"""The rows of the Metrics pane as its list actions see them: moving, opening, filtering, copying."""

from __future__ import annotations

from collections.abc import Callable

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject
from lilfox_tui.app.rows.hosts import well
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, clauses, tr

_PAGE_ROWS = 10


class MetricsList:
    """See :class:`~lilfox_tui.app.list_actions.ListView`. ``scroll_page`` moves the page that is open."""

    def __init__(
        self,
        context: PaneContext[MetricsState],
        open_page: Callable[[Subject | None], None],
        scroll_page: Callable[[int], None],
    ) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._open_page, self._scroll_page = open_page, scroll_page

    @property
    def filter(self) -> str:
        return self._state.filter

    def move(self, step: int) -> None:
        """So many rows down, or up: of the list, or of the page that is open."""
        if self._state.page is not None:
            self._scroll_page(step)
        else:
            self._state.move(step)
            self._context.repaint()

    def move_page(self, direction: int) -> None:
        self.move(_PAGE_ROWS * direction)

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

    def why_not_back(self) -> Message | None:
        return self._state.why_not_back()

    def set_filter(self, text: str) -> None:
        """Keeps (or marks) the rows that hold every word of ``text``."""
        self._state.filter = text
        self._context.repaint_all()

    def toggle_only_matching(self) -> None:
        self._state.only_matching = not self._state.only_matching
        self.set_filter(self._state.filter)

    def select_match(self, direction: int) -> None:
        self._state.select_match(direction)
        self._context.repaint()

    def copy_selected(self) -> None:
        """The name and state of the row; of an alert the expression of its rule."""
        item, view = self._state.selected_item(), self._state.selected_view()
        if item is not None and not item.expression:
            self._app.tell(LilFoxError(tr("its rule is not known here")))
        elif item is not None:
            self._app.copy_text(item.expression)
        elif view is not None:
            why = clauses(str(reason) for reason in view.reasons) or well(view)
            self._app.copy_text(f"{view.name}: {why}, {view.since.isoformat(timespec='seconds')}")

    def why_not_copy(self) -> Message | None:
        return self._state.nothing_selected()
