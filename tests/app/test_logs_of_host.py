"""From a host or a service to its logs, also where the configuration names none: they are looked for there."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.open_logs import OpenLogs
from lilfox_tui.app.panes.logs.pane import LogsPane
from lilfox_tui.config.model import LogConfig
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.logs import source as discover
from lilfox_tui.logs.sources.file import Options
from lilfox_tui.monitor.model import Overview
from tests.app.log_files import write_logs
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (100, 30)
FOUND = b"file /var/log/lilfox/lilfox-auth.log\nfile /var/log/nginx/error.log\n"


def app_with(
    folder: Path, host: FakeHost, patch: pytest.MonkeyPatch, overview: Overview | None = None, **logs: LogConfig
) -> LilFoxApp:
    """The app, whose configuration has a log of this machine alone and those ``logs``, and whose hosts are all
    ``host``."""
    app = still_app(overview or mixed(), logs={"gateway": Options(path=write_logs(folder)[0]), **logs})
    patch.setattr(app.monitor, "host", lambda _name: host)
    return app


def names(app: LilFoxApp) -> list[str]:
    return [source.name for source in app.pane.state.shown_sources] if isinstance(app.pane, LogsPane) else []


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


@pytest.mark.parametrize("by_key", [False, True])
async def test_the_logs_of_a_host_that_cannot_be_asked_say_so_and_none_of_others_are_shown(
    by_key: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost("web-1", answers={discover._SCRIPT: FOUND})
    host.go_down(HostUnreachable("web-1", tr("the host is not reached")))
    app = app_with(tmp_path, host, monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("host", "web-1", None)
        await until(lambda: "web-1 has been unreachable since " in screen_text(pilot))
        assert "the host is not reached; R retries" in screen_text(pilot)
        assert names(app) == []
        shown = screen_text(pilot).splitlines()
        assert shown[2].strip() == "web-1"
        assert not [row for row in shown if "follow ●" in row or " records" in row]
        if by_key:
            await pilot.press("R")
            await pilot.pause()
            assert "web-1 has been unreachable since " in screen_text(pilot)
        host.come_up()
        await until(lambda: names(app) == ["web-1.auth", "web-1.nginx-error"])
        await until(lambda: "web-1 is unreachable" not in screen_text(pilot))


async def test_a_failed_search_on_a_reached_host_does_not_call_it_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: object) -> None:
        raise HostUnreachable("web-1", tr("no shell"))

    monkeypatch.setattr("lilfox_tui.app.open_logs.find_logs", refuse)
    host = FakeHost("web-1")
    host.come_up()
    app = app_with(tmp_path, host, monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        app.go_to_logs("host", "web-1", None)
        await until(lambda: "the search for logs on web-1 failed at " in screen_text(pilot))
        assert "unreachable since" not in screen_text(pilot)


async def test_no_logs_of_this_machine_are_offered_where_other_hosts_are_monitored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(mixed())
    monkeypatch.setattr(OpenLogs, "_host", lambda _self, name: pytest.fail(f"logs are looked for on {name}"))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        await until(lambda: "no logs are configured; l on a host in pane 1 looks for its logs" in screen_text(pilot))
        assert names(app) == []


async def test_a_host_that_has_none_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with(tmp_path, FakeHost("web-1", answers={discover._SCRIPT: b""}), monkeypatch)
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("host", "web-1", None)
        await until(lambda: "no known log for web-1: showing all logs" in screen_text(pilot))
        assert names(app) == ["gateway"]


# ---- a service that is asked from a host ----------------------------------------------------------------------------


def asked_from(host: str) -> Overview:
    """The mixed overview, whose gateway is asked from ``host``."""
    overview = mixed()
    gateway = overview.services["gateway"]
    asked = replace(gateway, config=replace(gateway.config, from_=host))
    return replace(overview, services={**overview.services, "gateway": asked})


async def test_l_on_a_service_goes_to_its_log_on_the_host_that_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "web-1"
    folder.mkdir()
    gateway, nginx = (Options(path=path, host="web-1") for path in write_logs(folder))
    host = FakeHost("web-1")
    app = app_with(tmp_path, host, monkeypatch, asked_from("web-1"), **{"web-1.gateway": gateway, "web-1.nginx": nginx})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.metrics.open_page(("service", "gateway"))
        await pilot.press("l")
        await until(lambda: names(app) == ["web-1.gateway"])
        assert not [call for call in host.calls if call[0][0] == discover._SCRIPT], "a log of it is known there"


async def test_the_logs_of_the_host_that_asks_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = FOUND + b"file /var/log/lilfox/lilfox-gateway.log\n"
    host = FakeHost("web-1", answers={discover._SCRIPT: found})
    app = app_with(tmp_path, host, monkeypatch, asked_from("web-1"))
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("service", "gateway", None)
        await until(lambda: names(app) == ["web-1.gateway"])
        await until(lambda: "web-1: 3 logs found" in screen_text(pilot))


async def test_where_the_host_has_no_log_of_the_service_all_of_the_host_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost("web-1", answers={discover._SCRIPT: FOUND})
    app = app_with(tmp_path, host, monkeypatch, asked_from("web-1"))
    async with app.run_test(size=SIZE) as pilot:
        app.go_to_logs("service", "gateway", None)
        await until(lambda: names(app) == ["web-1.auth", "web-1.nginx-error"])
        await until(lambda: "no known log for gateway on web-1: showing all logs of web-1" in screen_text(pilot))


HERE, THERE, NGINX, SERVER = (
    LogConfig(),
    LogConfig(host="web-1"),
    LogConfig(host="web-1"),
    LogConfig(kind="loki"),
)


@pytest.mark.parametrize(
    ("from_", "configs", "about"),
    [
        (None, {"gateway": HERE, "web-1.gateway": THERE}, ["gateway", "web-1.gateway"]),
        ("web-1", {"gateway": HERE, "web-1.gateway": THERE, "web-1.nginx": NGINX}, ["web-1.gateway"]),
        ("web-1", {"gateway": HERE, "web-1.nginx": NGINX}, ["web-1.nginx"]),
        ("web-1", {"gateway": SERVER, "web-1.nginx": NGINX}, ["gateway"]),
        ("web-1", {"gateway": HERE}, ["gateway"]),
        ("web-1", {"backend": HERE}, []),
    ],
)
def test_which_logs_tell_of_a_service(from_: str | None, configs: dict[str, LogConfig], about: list[str]) -> None:
    opened = OpenLogs(still_app(asked_from("web-1") if from_ else mixed()))
    opened.configs = configs
    assert opened.about("service", "gateway") == about


def test_nothing_is_looked_for_where_files_were_named(tmp_path: Path) -> None:
    opened = OpenLogs(still_app(asked_from("web-1"), files=write_logs(tmp_path)))
    assert opened.where_to_look("service", "gateway") is None
    opened = OpenLogs(still_app(asked_from("web-1")))
    assert opened.where_to_look("service", "gateway") == "web-1"
    assert opened.where_to_look("service", "backend") is None
    assert opened.where_to_look("host", "web-1") == "web-1"
    assert opened.where_to_look("host", "elsewhere") is None
