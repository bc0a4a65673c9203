"""The base class of panes: what the app calls on them, and how their errors are handled."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import work
from textual.containers import Vertical
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from lilfox_tui.app.actions import Action, ActionGroup, bound_actions
from lilfox_tui.app.console import Console
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.app.textual_internals import paint_now
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Cause, Selection
    from lilfox_tui.app.operations import Act


StateT = TypeVar("StateT")


class PaneContext(Generic[StateT]):
    """What the parts of a pane share: the app, the pane's state, drawing, and background work."""

    def __init__(self, pane: Pane, state: StateT) -> None:
        self.state = state
        self._pane = pane

    @property
    def app(self) -> Console:
        """The app as a ``Console``, for type checkers."""
        return self._pane.lilfox

    def repaint(self) -> None:
        """Redraws the pane."""
        self._pane.repaint()

    def repaint_all(self) -> None:
        """Redraws the pane and the frame around it."""
        self._pane.repaint()
        self._pane.lilfox.repaint_frame()

    @property
    def is_on_top(self) -> bool:
        """Whether the pane is shown and no dialog is above it."""
        return self._pane.display and len(self.app.screen_stack) == 1

    @property
    def is_displayed(self) -> bool:
        """Whether this is the shown pane."""
        return bool(self._pane.display)

    def paint_now(self) -> None:
        """Sends the drawing to the terminal at once."""
        self._pane.paint_now()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Calls ``do`` after that time, unless the pane has ended."""
        self._pane.set_timer(seconds, do)

    def run(
        self,
        work: Coroutine[Any, Any, None] | Callable[[], Coroutine[Any, Any, None]],
        *,
        group: str,
        exclusive: bool = False,
    ) -> None:
        """Runs ``work`` in the background; ``exclusive`` first cancels running work of the same group. Expected errors
        are shown in the footer. Pass a function, not a coroutine, if the next key may cancel the work before it starts:
        Python warns about coroutines that are never awaited."""
        self._pane.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    def running(self, group: str) -> Worker[Any] | None:
        """The work of that group that has not ended; None if there is none."""
        mine = (each for each in self._pane.workers if each.node is self._pane and each.group == group)
        return next((each for each in mine if not each.is_finished), None)

    def cancel(self, *groups: str) -> None:
        """Cancels the running work of those groups."""
        for group in groups:
            self._pane.workers.cancel_group(self._pane, group)


class Pane(Vertical):
    """Base of the numbered panes. Panes watch the monitor and do not import each other."""

    ID: ClassVar[str]
    """Of the widget."""
    GROUPS: ClassVar[tuple[type[ActionGroup], ...]] = ()
    """What its actions are composed of."""
    groups: tuple[ActionGroup, ...] = ()
    """One of each, in that order."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(id=self.ID)
        self.lilfox = lilfox

    rows_below = 0
    """Of a page that is open, past the lower edge."""
    newest: datetime | None = None
    """The time of the newest thing that is drawn (aware UTC), if it may be newer than the overview that is shown."""

    def draw_until(self, newest: datetime | None) -> None:
        """Sets the time of the newest thing that is drawn; the header's clock is not older than that."""
        before, self.newest = self.newest, newest
        moved = newest is not None and (before is None or newest.replace(microsecond=0) > before)
        if moved and newest is not None and newest > self.lilfox.clock:
            self.lilfox.repaint_frame()

    def tell_below(self, count: int) -> None:
        """Redraws the frame if the number of rows below the visible ones has changed. Call after the layout."""
        if count != self.rows_below and not self.lilfox.leaving:
            self.rows_below = count
            self.lilfox.repaint_frame()

    def actions(self) -> tuple[Action, ...]:
        """The actions of the pane."""
        return bound_actions(self, self.groups)

    def status(self) -> Row:
        """What the tab line shows about this pane."""
        return ()

    def repaint(self) -> None:
        """Redraws everything from the current state (theme, language, size or time has changed)."""

    def paint_now(self) -> None:
        """Sends the drawing to the terminal at once, instead of with the next of Textual's 60 updates per second."""
        paint_now(self.screen, self.walk_children(Widget))

    def take(self, overview: Overview) -> None:
        """Takes the newest overview, whether the pane is shown or not."""

    def show(self, overview: Overview) -> None:
        """Shows ``overview``."""

    def rewind(self, at: datetime | None) -> None:
        """Shows the pane as it was ``at`` (aware UTC), or now."""

    def hold(self) -> None:
        """Stops what would change by itself: the screen was paused."""

    def look_at(self, kind: str, name: str, at: datetime | None) -> None:
        """Shows the data of a ``host`` or ``service``, at that time (aware UTC) or now."""

    def show_recent_errors(self) -> None:
        """Shows only the errors of the last minutes."""

    def acts(self) -> Sequence[Act]:
        """The operations on the selection that a job can run."""
        return ()

    def evidence(self) -> Selection | None:
        """The selection as evidence for an incident; None if nothing is selected."""
        return None

    @work(exclusive=True, group="act", exit_on_error=False)
    async def carry_out(self, act: Act) -> None:
        """Asks for what is missing, shows what will run, and starts it."""
        from lilfox_tui.app.operations import carry_out

        await carry_out(self.lilfox, act)

    @work(exclusive=True, group="course", exit_on_error=False)
    async def open_incident(self, show: Callable[[], None]) -> None:
        """Asks for the title of a new incident, unless one is open; then calls ``show`` for the open one."""
        from lilfox_tui.app.incident_course import ask_open, is_open

        if await is_open(self.lilfox) or await ask_open(self.lilfox, self.cause()):
            show()

    def look_for(self, cause: Cause) -> None:
        """Shows the runbooks for an alert."""

    def select_run(self, key: str) -> None:
        """Selects the runbook run whose job has that key, so that the next enter continues it. Without a key, leaves
        the page of the incident for the run of it that is in progress."""

    def show_incident(self) -> None:
        """Shows the page of the open incident."""

    def cause(self) -> Cause | None:
        """The alert for which an incident would be opened here."""
        return None

    def clock_moved(self) -> None:
        """Updates the ages shown after the header's clock has moved."""

    def runs_changed(self) -> None:
        """Called when a runbook run has changed."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Shows an expected error; any other error ends the app with a traceback, which Textual's workers would
        swallow."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        if isinstance(error, LilFoxError):
            self.lilfox.tell(error)
        elif error is not None:
            raise error
