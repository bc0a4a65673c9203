"""The app over an overview that stands still, and its screen as text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from textual import events
from textual._context import visible_screen_stack
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.draw import UNICODE, Glyphs
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import load_theme
from lilfox_tui.core.i18n import set_language
from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.summary import series_of
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers.service import series_of as series_of_check


class StillMonitor(Monitor):
    """A monitor that watches nothing; tests publish the overviews."""

    async def run(self) -> None:
        """Waits until cancelled."""
        await asyncio.Event().wait()

    def show(self, overview: Overview) -> None:
        """Publishes ``overview``, recorded as having been so for two minutes."""
        values = _values(overview)
        for age in range(120, 0, -2):
            for row, series in values.items():
                self.history.add(row, overview.at - timedelta(seconds=age), series)
        self.overview.publish(overview, overview.at)


def _values(overview: Overview) -> Mapping[str, Mapping[Series, float]]:
    found = {f"host/{name}": series_of(view.summary) for name, view in overview.hosts.items() if view.summary}
    for name, service in overview.services.items():
        if service.state is not None:
            found[f"service/{name}"] = series_of_check(service.state)
    return found


def config_of(overview: Overview, **changes: object) -> Config:
    """The config that would watch what ``overview`` shows."""
    hosts = {name: view.config for name, view in overview.hosts.items()}
    services = {name: view.config for name, view in overview.services.items()}
    return Config(name="prod", hosts=hosts, services=services, **changes)  # type: ignore[arg-type]


def still_app(
    overview: Overview,
    *,
    language: str = "en",
    theme: str = "fox-dark",
    glyphs: Glyphs = UNICODE,
    files: Sequence[str] = (),
    **changes: object,
) -> LilFoxApp:
    """The app, showing ``overview`` from its first frame, or the logs of ``files``."""
    set_language(language)
    config = config_of(overview, **changes)
    monitor = StillMonitor(config)
    monitor.show(overview)
    return LilFoxApp(monitor, config, theme=load_theme(theme), glyphs=glyphs, files=files)


async def paste(pilot: Pilot[None], text: str) -> None:
    """Puts ``text`` into the line of input at once: typed, each letter would be a filter that is applied."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def unframed(text: str) -> str:
    """The text of a screen in one line, without the borders of panels and dialogs."""
    return " ".join("".join(" " if char in "│┌┐└┘├┤┬┴┼─╭╮╰╯" else char for char in text).split())


def screen_text(pilot: Pilot[None]) -> str:
    """What stands on the screen, without trailing blanks."""
    visible_screen_stack.set(pilot.app._background_screens)  # else a blank would be drawn, and kept, behind a dialog
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"
