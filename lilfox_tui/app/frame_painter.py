"""Paints what stands around the pane: header, tabs and footer; only what has changed reaches the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lilfox_tui.app.frame import HeaderState, fitting, footer, header, job_pieces, tabs, worst_plan
from lilfox_tui.app.incident_line import incident_pieces
from lilfox_tui.app.navigation import Navigation
from lilfox_tui.app.shell import Shell
from lilfox_tui.app.tabs import BACKUP, TABS
from lilfox_tui.app.widgets.lines import Lines

if TYPE_CHECKING:
    from lilfox_tui.monitor.model import IncidentView


class FramePainter:
    """Draws the frame of ``app`` around the pane of ``navigation``."""

    def __init__(self, app: Shell, navigation: Navigation) -> None:
        self._app, self._navigation = app, navigation

    def paint(self) -> None:
        """Draws header, tabs and footer."""
        app, navigation = self._app, self._navigation
        if not app.is_attached or not app.screen_stack:
            return
        width, screen = app.size.width, app.screen_stack[0]
        if not screen.query("#header"):  # leaving: parts of the screen are gone
            return
        jobs = job_pieces(app.monitor.backups.backups, app.glyphs)
        told = incident_pieces(
            self._incident_shown(), app.runs.values(), app.clock, app.glyphs, seconds=not app.slow_link
        )
        state = HeaderState(
            name=app.config.name,
            now=app.clock,
            rewound_by_s=None if app.rewound is None else (datetime.now(UTC) - app.rewound).total_seconds(),
            paused=app.paused,
            read_only=app.config.read_only,
            seconds=not app.slow_link,
            jobs=() if app.tabs_fit else (*told[-2], *jobs),
        )
        screen.query_one("#header", Lines).show([header(app.shown, state, width, app.glyphs)])
        titles = [str(tab.title) for tab in TABS]
        marks = {BACKUP: worst_plan(app.shown, app.glyphs)}
        status = fitting(titles, marks, told, (*navigation.pane.status(), *jobs), width)
        screen.query_one("#tabs", Lines).show([tabs(titles, marks, navigation.current, status, width)])
        ordered = sorted((each for each in navigation.actions if each.footer), key=lambda each: each.footer)
        can = [(each, each.why_not() is None) for each in ordered]
        screen.query_one("#footer", Lines).show([footer(can, width, *app.note)])

    def _incident_shown(self) -> IncidentView | None:
        """The open incident; on a rewound screen nothing of one that was not open yet."""
        view = self._app.monitor.incidents.feed.value
        incident = None if view is None else view.incident
        rewound = self._app.rewound
        early = incident is not None and rewound is not None and incident.opened > rewound
        return None if early else view
