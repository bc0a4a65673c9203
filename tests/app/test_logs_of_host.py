"""From a host to its logs, also where the configuration names none of it: they are looked for there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.logs import LogsPane
from lilfox_tui.errors import HostUnreachable
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.i18n import tr
from lilfox_tui.logs import discover
from lilfox_tui.logs.sources.file import Options
from tests.app.log_files import write_logs
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (100, 30)
FOUND = b"file /var/log/lilfox/lilfox-auth.log\nfile /var/log/nginx/error.log\n"


def app_with(folder: Path, host: FakeHost, patch: pytest.MonkeyPatch) -> LilFoxApp:
    """The app, whose configuration has a log of this machine alone, and whose hosts are all ``host``."""
    app = still_app(mixed(), logs={"gateway": Options(path=write_logs(folder)[0])})
    patch.setattr(app.monitor, "host", lambda _name: host)
    return app


def names(app: LilFoxApp) -> list[str]:
    return [source.name for source in app.pane.shown_sources] if isinstance(app.pane, LogsPane) else []


async def test_the_logs_of_a_host_are_looked_for_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost("web-1", answers={discover._SCRIPT: FOUND})
    app = app_with(tmp_path, host, monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("host", "web-1", None)
        await until(lambda: names(app) == ["web-1.auth", "web-1.nginx-error"])
        await until(lambda: "web-1: 2 logs found" in screen_text(pilot))
        app.go_to_logs("host", "web-1", None)
        assert names(app) == ["web-1.auth", "web-1.nginx-error"]
        assert len([call for call in host.calls if call[0][0] == discover._SCRIPT]) == 1, "they are known by now"


async def test_what_was_shown_stays_when_the_host_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost("web-1")
    host.go_down(HostUnreachable("web-1", tr("the host is not reached")))
    app = app_with(tmp_path, host, monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("host", "web-1", None)
        await until(lambda: "the host is not reached" in screen_text(pilot))
        assert names(app) == ["gateway"]


async def test_a_host_that_has_none_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with(tmp_path, FakeHost("web-1", answers={discover._SCRIPT: b""}), monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("host", "web-1", None)
        await until(lambda: "no log is known of web-1: all are shown" in screen_text(pilot))
        assert names(app) == ["gateway"]
