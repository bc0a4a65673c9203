"""A pane that was away comes back as things are now, not as they were when it was left."""

from __future__ import annotations

from pathlib import Path

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.widgets import Lines
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.log_files import logs_app, settled
from tests.app.overviews import NOW, host, lost, mixed, summary
from tests.app.still import StillMonitor, screen_text, still_app


async def test_metrics_come_back_with_what_is_new(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    assert isinstance(app.monitor, StillMonitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        await pilot.press("1")
        await pilot.pause()
        assert "cannot be reached" in _row(screen_text(pilot), "model-1")
        await pilot.press("2")
        await pilot.pause()
        hosts = {
            **mixed().hosts,
            "web-1": lost("web-1"),
            "model-1": host("model-1", Level.GOOD, summary("model-1", 12, 30, 40)),
        }
        app.monitor.show(Overview(NOW, hosts, mixed().services))
        await pilot.pause()
        await pilot.press("1")
        await pilot.pause()
        assert "cannot be reached" in _row(screen_text(pilot), "web-1")
        assert "cannot be reached" not in _row(screen_text(pilot), "model-1")


def _row(text: str, name: str) -> str:
    """The row of a host in the list of hosts."""
    hosts = text.partition("─ Hosts ─")[2]
    return next(line for line in hosts.splitlines() if f" {name} " in line)


async def test_the_list_of_hosts_tells_what_the_page_behind_it_does() -> None:
    """It stays open while hosts fail; what is typed and selected stays."""
    app = still_app(mixed())
    assert isinstance(app.monitor, StillMonitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("at", *"1", "down")
        await pilot.pause()
        here = _selected(app)
        assert "no sample" not in _choice(screen_text(pilot), "web-1")
        hosts = {"first-1": lost("first-1"), **mixed().hosts, "web-1": lost("web-1")}
        app.monitor.show(Overview(NOW, hosts, mixed().services))
        await pilot.pause()
        assert "✖ web-1" in _choice(screen_text(pilot), "web-1")
        assert "no sample for 14 s" in _choice(screen_text(pilot), "web-1")
        assert _choice(screen_text(pilot), "first-1")
        assert _selected(app) == here
        await pilot.press("escape")
        app.monitor.show(mixed())
        await pilot.pause()


def _selected(app: LilFoxApp) -> str:
    """The name of the choice that is selected."""
    lines = app.screen.query_one("#dialog-list", Lines)
    assert lines.selected is not None
    return lines.rows[lines.selected][2].text.strip()


def _choice(text: str, name: str) -> str:
    """The row of a host in the dialog."""
    return next(line for line in text.partition("Go to")[2].splitlines() if f" {name} " in line)
