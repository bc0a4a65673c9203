"""Actions shared by panes: those of every list, and adding the selection to the open incident."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import Selected, Selection
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import fit

_ALL = 10**6
_PAGE_ROWS = 10


class ListView(Protocol):
    """The list of a pane, as the list actions use it. Each ``why_not_…`` returns why an action is disabled."""

    @property
    def filter(self) -> str:
        """The filter text; empty without a filter."""

    def move(self, step: int) -> None:
        """Moves ``step`` rows down or up, but not past the last or first one."""

    def move_page(self, direction: int) -> None:
        """Goes a page down (1) or up (-1)."""

    def open_selected(self) -> None:
        """Opens the selected row."""

    def why_not_open(self) -> Message | None: ...

    def lists_any(self) -> bool:
        """Whether there is a row: the key that opens one is not offered before, though it counts for what comes."""

    def back(self) -> None:
        """Goes back one level: closes the open page, else clears the filter."""

    def why_not_back(self) -> Message | None: ...

    def set_filter(self, text: str) -> None:
        """Shows only the rows that match ``text``, or marks them; an empty ``text`` shows all rows."""

    def toggle_only_matching(self) -> None:
        """Switches between hiding what does not match and marking what does."""

    def why_not_filter(self) -> Message | None: ...

    def select_match(self, direction: int) -> None:
        """Selects the next (1) or previous (-1) row that matches."""

    def why_not_match(self) -> Message | None: ...

    def copy_selected(self) -> None:
        """Copies the selected row to the clipboard."""

    def why_not_copy(self) -> Message | None: ...


class ListState(Protocol):
    """The plain state of a pane with a list, as :class:`StateList` uses it."""

    filter: str

    def move(self, step: int) -> None: ...

    def set_filter(self, text: str) -> None: ...

    def toggle_only_matching(self) -> None: ...

    def select_match(self, direction: int) -> None: ...

    def why_not_back(self) -> Message | None: ...


ListStateT = TypeVar("ListStateT", bound=ListState)


class StateList(Generic[ListStateT]):
    """The part of a :class:`ListView` that calls the pane's state and redraws. The pane adds opening, going back and
    copying, each with the reason why it is disabled."""

    def __init__(self, context: PaneContext[ListStateT]) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    @property
    def filter(self) -> str:
        return self._state.filter

    def move(self, step: int) -> None:
        self._state.move(step)
        self._context.repaint_all()

    def move_page(self, direction: int) -> None:
        self.move(_PAGE_ROWS * direction)

    def why_not_back(self) -> Message | None:
        return self._state.why_not_back()

    def set_filter(self, text: str) -> None:
        self._state.set_filter(text)
        self._context.repaint_all()

    def toggle_only_matching(self) -> None:
        self._state.toggle_only_matching()
        self._context.repaint_all()

    def select_match(self, direction: int) -> None:
        self._state.select_match(direction)
        self._context.repaint_all()

    def lists_any(self) -> bool:
        return True

    def why_not_filter(self) -> Message | None:
        return None

    def why_not_match(self) -> Message | None:
        return no_filter(self._state.filter)


def no_filter(text: str) -> Message | None:
    """Why there is no match to go to, with ``text`` as the filter."""
    return None if text else tr("no filter is set; press / to set one")


class ListActions(ActionGroup):
    """Actions that move in a list, open, filter and copy. ``go_to_end`` moves to the last row (1) or the first (-1) of
    a list that is only partly loaded."""

    TASK = tr("Move, filter, copy")

    def __init__(self, app: Console, view: ListView, go_to_end: Callable[[int], None] | None = None) -> None:
        self._app, self._view, self._go_to_end = app, view, go_to_end or self._move_to_end

    def _move_to_end(self, direction: int) -> None:
        self._view.move(direction * _ALL)

    def _why_not_open(self) -> Message | None:
        return self._view.why_not_open()

    def _why_not_back(self) -> Message | None:
        return self._view.why_not_back()

    def _why_not_filter(self) -> Message | None:
        return self._view.why_not_filter()

    def _why_not_match(self) -> Message | None:
        return self._view.why_not_match()

    def _why_not_copy(self) -> Message | None:
        return self._view.why_not_copy()

    @action("open", "enter", tr("open"), tr("open the selected row"), why_not=_why_not_open, footer=1,
            offered=lambda self: self._view.lists_any())  # fmt: skip
    def open(self) -> None:
        self._view.open_selected()

    @action(
        "back",
        "escape",
        tr("back"),
        tr("close the open view, then clear the filter; never quits"),
        why_not=_why_not_back,
        footer=2,
    )
    def back(self) -> None:
        self._view.back()

    @action("down", "j down", tr("down"), tr("select the next row"))
    def down(self) -> None:
        self._view.move(1)

    @action("up", "k up", tr("up"), tr("select the previous row"))
    def up(self) -> None:
        self._view.move(-1)

    @action("page-down", "pagedown ctrl+d space", tr("page down"), tr("move a page down"))
    def page_down(self) -> None:
        self._view.move_page(1)

    @action("page-up", "pageup ctrl+u", tr("page up"), tr("move a page up"))
    def page_up(self) -> None:
        self._view.move_page(-1)

    @action("first", "g home", tr("first"), tr("select the first row"))
    def first(self) -> None:
        self._go_to_end(-1)

    @action("last", "G end", tr("last"), tr("select the last row"))
    def last(self) -> None:
        self._go_to_end(1)

    @action("filter", "slash", tr("filter"), tr("show only the rows that match"), why_not=_why_not_filter, footer=3)
    def filter(self) -> None:
        self._app.ask_line("/", self._view.filter, self._view.set_filter, does=_("keep it"), stays=_("clear it"))

    @action("only-matching", "ampersand", tr("only matching"), tr("hide non-matching rows, or only mark matches"),
            why_not=_why_not_filter)  # fmt: skip
    def toggle_only_matching(self) -> None:
        self._view.toggle_only_matching()

    @action("next-match", "n", tr("next match"), tr("select the next match"), why_not=_why_not_match)
    def next_match(self) -> None:
        self._view.select_match(1)

    @action("previous-match", "N", tr("previous match"), tr("select the previous match"), why_not=_why_not_match)
    def previous_match(self) -> None:
        self._view.select_match(-1)

    @action(
        "copy",
        "y",
        tr("copy"),
        tr("copy the row or the fix to the clipboard (OSC 52)"),
        why_not=_why_not_copy,
    )
    def copy(self) -> None:
        self._view.copy_selected()


class ErrorActions(ActionGroup):
    """The way to the newest errors from every pane but the one that shows them."""

    TASK = tr("Logs")

    def __init__(self, app: Console) -> None:
        self._app = app

    @action("recent-errors", "E", tr("errors"), tr("errors of the last 10 minutes in all logs"), footer=6)
    def show_errors(self) -> None:
        self._app.go_to_errors()


# The action that puts what is selected into the open incident, the same in every pane that has something to put there.
#
# Nothing of incident/ is imported before it is pressed.


_TITLE_SHOWN = 40


INCIDENT = tr("Incident")
"""The task, and the group of the palette, of what is done with the incident."""
SELECTION_KEPT = tr("save the selection as evidence; opens an incident if none is open")


class EvidenceActions(ActionGroup):
    """The action that adds what ``selection`` returns to the open incident as evidence; opens an incident if there is
    none."""

    TASK = INCIDENT

    def __init__(self, context: PaneContext[Any], selection: Callable[[], Selection | None]) -> None:
        self._context, self._selection, self._app = context, selection, context.app

    def _why_not(self) -> Message | None:
        if self._app.config.read_only:
            return tr("nothing can be written to an incident in read_only mode")
        return None if self._selection() is not None else tr("nothing is selected")

    @action(
        "evidence",
        "e",
        tr("evidence"),
        SELECTION_KEPT,
        why_not=_why_not,
    )
    def keep(self) -> None:
        if (selected := self._selection()) is not None:
            self._context.run(self._keep_selected(selected), group="evidence")

    async def _keep_selected(self, selected: Selection) -> None:
        from lilfox_tui.incident.incidents import current_folder

        evidence = await selected.read()
        folder = await asyncio.to_thread(current_folder)
        if folder is not None:
            await self._keep(evidence, folder.name)
            return

        def take(title: str) -> None:
            self._context.run(self._keep(evidence, title=title.strip() or selected.title), group="evidence")

        title = fit(selected.title, _TITLE_SHOWN).rstrip()
        prompt = _("no open incident; title of a new one: {title}", title=title)
        self._app.ask_line(prompt, "", take, live=False, does=_("open one"))

    async def _keep(self, evidence: Selected, incident: str = "", *, title: str = "") -> None:
        """Adds evidence to the incident with that id. Without an id, adds it to the open incident, and opens one with
        ``title`` if there is none."""
        from lilfox_tui.incident.incidents import keep_evidence, open_incident

        if not incident:
            incident = (await asyncio.to_thread(open_incident, title, unless_open=True)).id
        await asyncio.to_thread(keep_evidence, incident, evidence.name, evidence.data, evidence.text)
        self._app.monitor.incidents.look_again()
        self._app.tell(tr("saved to {incident} as evidence: {what}", incident=incident, what=evidence.text))
