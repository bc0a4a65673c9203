"""The app: one screen with header, tabs, a pane and a footer."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult

from lilfox_tui.app.actions import Action
from lilfox_tui.app.app_actions import (
    ConsoleActions,
    CurrentIncidentActions,
    DemoActions,
    PaletteActions,
    PaneActions,
    TimeActions,
    on_selection,
)
from lilfox_tui.app.console import TABS_FROM, Console
from lilfox_tui.app.followers import OverviewFeed, RunFollower
from lilfox_tui.app.frame import FramePainter
from lilfox_tui.app.navigation import BACKUP, LOGS, METRICS, Navigation
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.rendering.draw import Glyphs
from lilfox_tui.app.terminal import Departure
from lilfox_tui.app.widgets import CommandLine, Lines
from lilfox_tui.config.colours import TRUE_COLOUR, ColourDepth
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import Theme
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.pane import MetricsPane
    from lilfox_tui.demo.stack import Stack
    from lilfox_tui.monitor.model import Overview

SETTLED_S = 3.0
"""After so long everything is imported and every host has been opened once."""
MONITOR_AFTER_S = 0.25
"""With files, before this machine is looked at: their first screen shows none of it, and does not wait for it."""


_LATER_STYLES = Path(__file__).with_name("later.tcss")
"""Of what is never in the first frame: to parse them takes a hundredth of the way to it."""


class LilFoxApp(Console):
    """The app. It runs the monitor; panes only watch it. With ``files`` it opens on the Logs pane with these files.

    Raises ConfigError where the config's keys cannot be used.
    """

    GROUPS = (PaneActions, CurrentIncidentActions, PaletteActions, TimeActions, DemoActions, ConsoleActions)

    def __init__(
        self,
        monitor: Monitor,
        config: Config,
        *,
        theme: Theme,
        glyphs: Glyphs,
        depth: ColourDepth = TRUE_COLOUR,
        slow_link: bool = False,
        demo: Stack | None = None,
        files: Sequence[str] = (),
    ) -> None:
        super().__init__(
            monitor, config, theme=theme, glyphs=glyphs, depth=depth, slow_link=slow_link, demo=demo, files=files
        )
        self.navigation = Navigation(self, LOGS if files else METRICS)
        self.navigation.groups = tuple(group(self, self.navigation) for group in self.GROUPS)
        self.navigation.bind()
        self._overviews = OverviewFeed()
        self.follower = RunFollower(self, self.navigation)
        self._departure = Departure(self.exit)
        self._painter = FramePainter(self, self.navigation)
        self.repaint_frame = self._painter.paint
        self.do = self._do
        self.go_to_logs = self.navigation.go_to_logs
        self.go_to_errors = self.navigation.go_to_errors
        self.go_to_cluster = self.navigation.go_to_cluster
        self.go_to_runbook = self.navigation.go_to_runbook
        self.open_runbook = self.navigation.open_runbook
        self.go_to_backups = partial(self.navigation.open, BACKUP)
        self.selected_logs = self.navigation.selected_logs
        self.errors_about = self.navigation.errors_about
        self.attach = self.follower.attach
        self.frame = self._frame

    def compose(self) -> ComposeResult:
        yield Lines(ground="bar", id="header")
        yield Lines(id="tabs")
        yield from self.panes.values()
        yield Lines(ground="selection", id="note")
        yield (footer := Lines(ground="bar", id="footer"))
        yield CommandLine(lambda: setattr(footer, "display", True))

    def on_mount(self) -> None:
        self._started_s = time.monotonic()
        self.navigation.bind_keys()
        if not self.is_headless:
            self._departure.watch(asyncio.get_running_loop())
        if (first := self.monitor.overview.value) is not None:
            self._take(first)
        self.call_after_refresh(self.repaint_frame)
        self.set_timer(SETTLED_S, _settle)
        self.run_worker(self.follower.follow_jobs(), group="jobs", exclusive=True)
        self.run_worker(self.follower.follow_incident(), group="acting", exclusive=True)

    async def on_ready(self) -> None:
        """Looks at the hosts, and reads the styles of dialogs, once the first frame has been painted."""
        self.stylesheet.read(_LATER_STYLES)
        if self.files:
            self.set_timer(MONITOR_AFTER_S, self._look_at_hosts)
        else:
            self._look_at_hosts()
        await CommandLine.complete(self.screen_stack)

    # ---- panes and keys ------------------------------------------------------------------------------------------

    @property
    def pane(self) -> Pane:
        """The pane that is shown (a dialog may be above it)."""
        return self.navigation.pane

    @property
    def panes(self) -> Mapping[int, Pane]:
        """The panes opened so far, by their index in TABS."""
        return self.navigation.panes

    @property
    def metrics(self) -> MetricsPane:
        """The pane of hosts and services."""
        return self.navigation.metrics

    @property
    def all_actions(self) -> tuple[Action, ...]:
        """The actions of the shown pane and the global ones."""
        return self.navigation.actions

    def action_press(self, key: str) -> None:
        """Runs the action that ``key`` is bound to, or says why it is disabled."""
        self.touched = True
        if self.leaving:  # leaving already: a dialog that is opened now would never be whole
            return
        for each in self.all_actions:
            if key in each.keys:
                self.do(each)
                return

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """Presses the key that was clicked in the tabs or in the footer."""
        if (key := self._painter.key_at(event.lines.id or "", event.x)) is not None:
            self.action_press(key)

    def on_lines_dragged(self, event: Lines.Dragged) -> None:
        """Copies what the mouse was dragged over."""
        self.copy_text(event.text)

    def _do(self, each: Action) -> None:
        reason = each.why_not()
        if reason is not None:
            self.tell(reason)
            self.refused = self.note[0]
            return
        if self.note[0] == self.refused:  # it may no longer be so
            self.note = ("", "text")
        if on_selection(each):
            self.navigation.keep_selected()
        each.run()
        self.repaint_frame()

    # ---- the monitor ---------------------------------------------------------------------------------------------

    def _look_at_hosts(self) -> None:
        if self.screen_stack:  # else it has been left by now
            self._follow_overview()
            self._run_monitor()

    @work(exclusive=True, group="monitor", exit_on_error=True)
    async def _run_monitor(self) -> None:
        self.monitor.alerting.ring = lambda _notice: self.bell()
        await self.monitor.run()

    @work(exclusive=True, group="overview")
    async def _follow_overview(self) -> None:
        async with aclosing(self.monitor.overview.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self.leaving:  # leaving: parts of the screen may be gone
                    self._take(state.value)

    def _take(self, overview: Overview) -> None:
        """Makes ``overview`` the newest one, and draws it unless the screen is paused or rewound."""
        if overview is self._overviews.newest:
            return
        if firing := self._overviews.firing(overview):
            self.announce(tr("firing now: {names}; press ! for alerts", names=firing))
            if self.config.alerts.bell and not any(each.kind == "bell" for each in self.config.notifiers.values()):
                self.bell()
        shown = self._overviews.is_shown(
            overview, self.shown, paused=self.paused, rewound=self.rewound is not None, slow_link=self.slow_link
        )
        for pane in self.panes.values():
            pane.take(overview)
            if shown:
                pane.show(overview)
        if shown:
            self.frame(overview)

    def _frame(self, overview: Overview) -> None:
        """Shows ``overview``'s counts and time in the header."""
        self.shown = overview
        self.repaint_frame()
        self.pane.clock_moved()
        if self.shown_above is not None:
            self.shown_above()

    def on_resize(self, event: events.Resize) -> None:
        """Handles a resize. ``size`` is still the old size here: Textual sets the new one after this."""
        screen = self.screen_stack[0]
        screen.query_one("#tabs", Lines).display = event.size.height >= TABS_FROM
        self.call_after_refresh(self.repaint_frame)


_GARBAGE = 10_000
"""New objects after which Python looks for garbage: one drawing makes more than the usual 700, and hardly any
circles."""


def _settle() -> None:
    """Moves all current objects out of garbage collection (``gc.freeze``), then enables it (see __main__)."""
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    gc.enable()
