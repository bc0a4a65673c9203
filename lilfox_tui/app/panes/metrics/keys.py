"""What the keys do in the Metrics pane: choosing, opening, filtering, the window of time, and acts on a host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from textual import work

from lilfox_tui.app import row_moves
from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.host_rows import well, worst_first
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.panes.metrics.host_key_rows import changed_key_rows, unknown_key_rows
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import HostKeyChanged, HostKeyUnknown, LilFoxError
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import Message, _, clauses, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView, HostView, Overview, ServiceView, View

WINDOWS = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
FAR_WINDOW = timedelta(days=7)
"""Longer than anything is kept here: only where a Prometheus is asked."""
Subject = tuple[str, str]
"""``("host", name)``, ``("service", name)`` or ``("backend", name)``; of alerts see ``alert_keys.py``."""

_KINDS = {"hosts": ("host",), "services": ("service",), "backends": ("backend",), "alerts": ("alert", "rule")}
"""What stands in each part of the pane."""


def link_error(view: View) -> LilFoxError | None:
    """Why a host is not reached, or None."""
    return view.link.error if isinstance(view, HostView) and isinstance(view.link, Unavailable) else None


def _view(overview: Overview, subject: Subject) -> View:
    kind, name = subject
    return _of_kind(overview, kind)[name]


def _of_kind(overview: Overview, kind: str) -> Mapping[str, View]:
    views: dict[str, Mapping[str, View]] = {
        "host": overview.hosts,
        "service": overview.services,
        "backend": overview.backends,
    }
    return views.get(kind, {})


class MetricsKeys(Pane):
    """The pane's state that keys change, and their handlers. Drawing is in ``pane.py``."""

    def __init__(self) -> None:
        super().__init__(id="metrics")
        self.overview: Overview | None = None
        self.page: Subject | None = None
        self.selected: Subject | None = None
        self._chosen = False
        self.filter = ""
        self.only_matching = True
        self.worst_first = True
        self.zoomed = False
        self._window = 0

    @property
    def window(self) -> timedelta:
        """How far back charts go; one step of rewind is a thirtieth of it."""
        return self._windows[self._window]

    @property
    def _windows(self) -> tuple[timedelta, ...]:
        return WINDOWS if self.lilfox.config.prometheus is None else (*WINDOWS, FAR_WINDOW)

    # ---- what is chosen ------------------------------------------------------------------------------------------

    def _matches(self, view: View) -> bool:
        words = self.filter.lower().split()
        text = " ".join((view.name, *view.config.tags, *(str(reason) for reason in view.reasons))).lower()
        return all(word in text for word in words)

    def _hosts(self, overview: Overview) -> list[HostView]:
        views = [view for view in overview.hosts.values() if not self.only_matching or self._matches(view)]
        return worst_first(views) if self.worst_first else views

    def _services(self, overview: Overview) -> list[ServiceView]:
        views = [view for view in overview.services.values() if not self.only_matching or self._matches(view)]
        return worst_first(views) if self.worst_first else views

    def _backends(self, overview: Overview) -> list[BackendView]:
        views = [view for view in overview.backends.values() if not self.only_matching or self._matches(view)]
        return worst_first(views) if self.worst_first else views

    def _order(self) -> list[Subject]:
        if self.overview is None:
            return []
        hosts = [("host", view.name) for view in self._hosts(self.overview)]
        services = [("service", view.name) for view in self._services(self.overview)]
        return hosts + services + [("backend", view.name) for view in self._backends(self.overview)]

    def selected_view(self) -> View | None:
        """The host or service that actions are about: the page's, or the highlighted one."""
        return None if self.overview is None else self._selected_view(self.overview)

    def _selected_view(self, overview: Overview) -> View | None:
        subject = self.page or self.selected
        if subject is None:
            return None
        kind, name = subject
        return _of_kind(overview, kind).get(name)

    def _level(self, overview: Overview, subject: Subject) -> Level:
        return _view(overview, subject).level

    def _subject_matches(self, overview: Overview, subject: Subject) -> bool:
        return self._matches(_view(overview, subject))

    def _choose_first(self, overview: Overview) -> None:
        """Something is always selected where there is something: the worst, until somebody chooses."""
        if self.overview is overview and self.page is None:
            order = self._order()
            if self.selected not in order or not self._chosen:
                self.selected = max(order, key=lambda each: self._level(overview, each), default=None)

    def move(self, step: int) -> None:
        """So many rows down, or up: of the list, or of the page that is open."""
        order = self._order()
        if self.page is not None:
            self.query_one("#hosts", Lines).scroll_rows(step)
            self.look_below(self.query_one("#hosts", Lines))
        elif order:
            at = order.index(self.selected) if self.selected in order else 0
            self.selected, self._chosen = order[max(0, min(len(order) - 1, at + step))], True
            self.repaint()

    def open_page(self, subject: Subject | None) -> None:
        """Shows the page of a host, service or backend, or the tables for None."""
        self.page = subject
        self.selected = subject or self.selected
        self._chosen = True
        self.zoomed = False
        self.lilfox.monitor.focus(subject[1] if subject and subject[0] == "host" else None)
        self.query_one("#hosts", Lines).scroll_rows(-(10**6))
        self.repaint()
        self.lilfox.repaint_frame()

    def set_filter(self, text: str) -> None:
        """Keeps (or marks) the rows that hold every word of ``text``."""
        self.filter = text
        self.repaint()
        self.lilfox.repaint_frame()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        kinds = _KINDS.get(event.lines.id or "", ())
        if self.page is not None or not kinds or self.overview is None:
            return
        subjects = [each for each in self._order() if each[0] in kinds]
        place = event.index - event.lines.sticky
        if 0 <= place < len(subjects):
            subject = subjects[place]
            if self.selected == subject:
                self.open_page(subject)
            self.selected, self._chosen = subject, True
            self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if self.page is not None:
            self.look_below(event.lines)

    # ---- actions -------------------------------------------------------------------------------------------------

    def nothing_selected(self) -> Message | None:
        """Why an act on the selection cannot be done."""
        return None if self.selected_view() is not None else tr("nothing is selected")

    @action(
        "open",
        "enter",
        tr("open"),
        tr("the page of the selected row"),
        why_not=lambda self: self.cannot_open(),
        footer=1,
    )
    def open_selected(self) -> None:
        self.open_page(self.selected)

    def cannot_open(self) -> Message | None:
        """Why there is nothing to open."""
        return tr("this page is open already") if self.page is not None else self.nothing_selected()

    @action(
        "back",
        "escape",
        tr("back"),
        tr("close the page, then clear the filter; never quits"),
        why_not=lambda self: self.nothing_to_leave(),
        footer=2,
    )
    def back(self) -> None:
        if self.zoomed:
            self.zoom()
        elif self.page is not None:
            self.open_page(None)
        elif self.filter:
            self.set_filter("")

    def nothing_to_leave(self) -> Message | None:
        """Why there is nothing to go back from."""
        return None if self.zoomed or self.page is not None or self.filter else tr("this is the first screen; q quits")

    down, up = row_moves.down, row_moves.up
    page_down, page_up = row_moves.page_down, row_moves.page_up
    first, last = row_moves.first, row_moves.last

    @action(
        "filter", "slash", tr("filter"), tr("keep the rows that hold these words: name, tag or what is wrong"), footer=3
    )
    def ask_filter(self) -> None:
        self.lilfox.ask_line("/", self.filter, self.set_filter)

    @action("only-matching", "ampersand", tr("only matching"), tr("hide the other rows, or only move among matches"))
    def toggle_only_matching(self) -> None:
        self.only_matching = not self.only_matching
        self.set_filter(self.filter)

    @action(
        "next-match",
        "n",
        tr("next match"),
        tr("the next row that the filter matches"),
        why_not=lambda self: self.no_filter(),
    )
    def next_match(self) -> None:
        self._match(1)

    @action(
        "previous-match",
        "N",
        tr("previous match"),
        tr("the row before that matches"),
        why_not=lambda self: self.no_filter(),
    )
    def previous_match(self) -> None:
        self._match(-1)

    def no_filter(self) -> Message | None:
        """Why there is no next match."""
        return None if self.filter else tr("there is no filter; / sets one")

    def _match(self, step: int) -> None:
        order = self._order()
        if self.overview is None or not order:
            return
        start = order.index(self.selected) if self.selected in order else 0
        for offset in range(1, len(order) + 1):
            subject = order[(start + step * offset) % len(order)]
            if self._subject_matches(self.overview, subject):
                self.selected, self._chosen = subject, True
                break
        self.repaint()

    @action(
        "logs",
        "l",
        tr("logs"),
        tr("the logs of the selected host or service, at this time"),
        why_not=lambda self: self.nothing_selected(),
        footer=2,
    )
    def show_logs_of_selected(self) -> None:
        view = self.selected_view()
        if view is not None:
            self.lilfox.go_to_logs("host" if isinstance(view, HostView) else "service", view.name, self.lilfox.rewound)

    @action("window", "w", tr("window"), tr("how far back charts go, from 5 min on"))
    def next_window(self) -> None:
        self._window = (self._window + 1) % len(self._windows)
        self.repaint()
        self.lilfox.repaint_frame()

    @action("zoom", "z", tr("zoom"), tr("the selected part alone, or the charts of a page larger"))
    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.repaint()

    @action("sort", "O", tr("sort"), tr("worst first, or in the order of the config"))
    def sort(self) -> None:
        self.worst_first = not self.worst_first
        self.repaint()

    @action(
        "reconnect",
        "R",
        tr("try again"),
        tr("connect to the selected host now"),
        why_not=lambda self: self.cannot_retry(),
        footer=6,
    )
    def retry(self) -> None:
        view = self.selected_view()
        if isinstance(view, HostView):
            self.lilfox.monitor.retry(view.name)

    def cannot_retry(self) -> Message | None:
        """Why there is nothing to try again."""
        view = self.selected_view()
        if not isinstance(view, HostView):
            return tr("select a host first")
        return None if isinstance(view.link, Unavailable) else tr("{name} is connected", name=view.name)

    @action(
        "trust", "K", tr("trust key"),
        tr("look at the key that an unknown host shows, and trust it"),
        why_not=lambda self: self.no_key(),
    )  # fmt: skip
    def trust(self) -> None:
        view = self.selected_view()
        if view is not None and isinstance(error := link_error(view), HostKeyChanged):
            self.lilfox.push_screen(Reader(changed_key_rows(view.name, error)))
        else:
            self._trust()

    def no_key(self) -> Message | None:
        """Why there is no key to look at."""
        view = self.selected_view()
        if view is not None and isinstance(link_error(view), HostKeyUnknown | HostKeyChanged):
            return None
        return tr("this host shows no unknown key")

    @work(exclusive=True, group="trust")
    async def _trust(self) -> None:
        view = self.selected_view()
        error = None if view is None else link_error(view)
        if not isinstance(view, HostView) or not isinstance(error, HostKeyUnknown):
            return
        rows = unknown_key_rows(view.name, error)
        if await self.lilfox.confirm(_("This host's key is not known"), rows, "yes"):
            try:
                await self.lilfox.monitor.trust(view.name, error.fingerprint)
            except LilFoxError as refused:
                self.lilfox.tell(refused)
            else:
                self.lilfox.monitor.retry(view.name)

    @action(
        "shell",
        "x",
        tr("shell"),
        tr("a shell on the selected host; the console steps aside"),
        why_not=lambda self: self.no_shell(),
    )
    def shell(self) -> None:
        view = self.selected_view()
        if isinstance(view, HostView):
            self.lilfox.run_shell(view)

    def no_shell(self) -> Message | None:
        """Why no shell is opened."""
        view = self.selected_view()
        if not isinstance(view, HostView):
            return tr("select a host first")
        if self.lilfox.config.read_only or view.config.protected:
            return tr("{name} is read-only here: no shell, since it could change something", name=view.name)
        return None

    @action(
        "copy",
        "y",
        tr("copy"),
        tr("the selected row's name and state to the clipboard (OSC 52)"),
        why_not=lambda self: self.nothing_selected(),
    )
    def copy(self) -> None:
        view = self.selected_view()
        if view is not None:
            why = clauses(str(reason) for reason in view.reasons) or well(view)
            self.lilfox.copy_text(f"{view.name}: {why}, {view.since.isoformat(timespec='seconds')}")
