"""The page of a container: what is told of it, what its keys do, and what happens when it vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.container.page import ContainerPage, container_page, exit_text
from lilfox_tui.app.rendering.chart import Values
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.containers import CONTAINER, EngineContainer, subject_of
from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import EngineError
from lilfox_tui.containers.model import ContainerView
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import cell_width
from lilfox_tui.logs.stamped_source import StampedLine
from lilfox_tui.metrics.model import Level
from tests.app.alerts_made import alerting
from tests.app.containers_made import (
    STOPPED,
    container,
    containers_app,
    engine_of,
    looping,
    overview_of,
    seen,
    shop,
    unhealthy,
    without,
)
from tests.app.overviews import NOW
from tests.app.still import StillMonitor, screen_text

SIZES = [(40, 12), (80, 24), (120, 40), (200, 55)]


def flat(_name: str, columns: int) -> Values:
    return [0.2] * columns


def texts(view: ContainerView, width: int = 120, **changes: Any) -> list[str]:
    engine = changes.pop("engine", None) or engine_of(view)
    made: dict[str, Any] = {
        "found": EngineContainer(engine, view), "now": NOW, "window": timedelta(minutes=5), "past": flat,
        "glyphs": UNICODE, "width": width, "lines": (),
    }  # fmt: skip
    rows = container_page(ContainerPage(**(made | changes)))
    assert all(sum(cell_width(piece.text) for piece in row) <= width for row in rows)
    return ["".join(piece.text for piece in row).rstrip() for row in rows]


def joined(rows: Sequence[str]) -> str:
    return "\n".join(rows)


def test_it_tells_all_that_is_known_of_one_that_is_unhealthy() -> None:
    said = joined(texts(unhealthy()))
    for fact in (
        "shop-web-1", "running 3 h, unhealthy", "project shop", "Docker 26.1.5",
        "unhealthy: 7 health checks failed in a row", "unhealthy, 7 checks failed in a row",
        "30 s ago, exit code 1, curl: (7) refused 1", "shop/api:2 (12 d)", "shop/web", "cpu 0.5 CPU  memory 64M",
        "0.0.0.0:8080->80/tcp", "443/tcp", "/srv/shop:/data", "certs:/etc/ssl:ro", "CPU of 0.5 cores", "50%",
        "limit 64M", "32M", "Network", "Disk", "policy always",
    ):  # fmt: skip
        assert fact in said, fact


def test_one_that_ended_says_how() -> None:
    said = joined(texts(looping()))
    assert "crash loop: restarts in 10 minutes: 9, last exit code 3" in said
    assert "3, 2 s ago" in said
    assert "exited 2 s (3)" in said


@pytest.mark.parametrize(
    ("code", "oom", "said"),
    [
        (0, False, "0"), (3, False, "3"), (137, True, "137 (killed: out of memory)"),
        (137, False, "137 (ended by signal SIGKILL)"), (143, False, "143 (ended by signal SIGTERM)"),
        (127, False, "127 (its command was not found)"), (255, False, "255"),
    ],
)  # fmt: skip
def test_exit_codes_are_told_in_words(code: int, oom: bool, said: str) -> None:
    assert exit_text(container("x", exit_code=code, oom_killed=oom)) == said


def test_the_log_of_one_that_is_not_well_comes_before_its_charts() -> None:
    lines = [StampedLine(int(NOW.timestamp()) * 10**9, 2, b"ERROR \x1b[31mcannot\x07 reach the queue")]
    ill, well = texts(looping(), lines=lines), texts(seen(container("api")), lines=lines)
    at = {name: next(place for place, row in enumerate(rows) if "Newest log lines" in row) < next(
        place for place, row in enumerate(rows) if "CPU of one core" in row
    ) for name, rows in (("ill", ill), ("well", well))}  # fmt: skip
    assert at == {"ill": True, "well": False}
    assert "03:12:44 ERROR" in joined(ill)
    assert "\x1b" not in joined(ill)
    assert "\x07" not in joined(ill)


def test_what_is_not_there_is_said_and_not_drawn() -> None:
    view = seen(container("api", host_network=True))
    said = joined(texts(view, past=lambda _name, columns: [None] * columns))
    assert "it uses the network of its host" in said
    assert said.count("not known in this time") == 3
    assert "it has written nothing" in said
    assert "reading its log" in joined(texts(view, lines=None))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_hostile_texts_get_no_further(width: int) -> None:
    bad = "\x1b[31m[@click=x]\n\x07" * 9
    view = seen(container(bad, project=bad, image=bad, error=bad, health="unhealthy"))
    lines = [StampedLine(10**18, 1, bad.encode() * 9)]
    for row in texts(view, width, lines=lines):
        assert not any(ord(char) < 32 or char == "\x7f" for char in row)


def test_an_engine_that_has_stopped_is_said() -> None:
    error = EngineError(STOPPED)
    view = seen(container("api"))
    assert "/run/none/docker.sock on web-1 has stopped" in joined(texts(view, engine=engine_of(view, error=error)))


# ---- the app ---------------------------------------------------------------------------------------------------------


async def opened(app: LilFoxApp, pilot: Pilot[None], name: str) -> None:
    await pilot.pause()
    app.metrics.open_page((CONTAINER, f"web-1/{container(name).short_id}"))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("theme", ["fox-dark", "fox-light"])
async def test_it_is_drawn_at_every_size(size: tuple[int, int], language: str, theme: str) -> None:
    app = containers_app(shop(), language=language, theme=theme)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, "shop-web-1")
        assert "shop-web-1" in screen_text(pilot)
        if size[0] >= 80:
            assert any(char in screen_text(pilot) for char in "█▇▆▅"), "its charts have data"


async def test_one_that_vanishes_is_told_of_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    app = containers_app(shop())
    monitor = app.monitor
    assert isinstance(monitor, StillMonitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        assert monitor.overview.value is not None
        later = replace(without(monitor.overview.value, "shop-web-1"), at=NOW + timedelta(seconds=2))
        monitor.show(later)
        await pilot.pause()
        text = screen_text(pilot)
        assert "○ shop-web-1" in text
        assert "removed: the engine no longer lists it; what follows was so before" in text
        assert "certs:/etc/ssl:ro" in text
        await pilot.press("a")
        await pilot.pause()
        assert "restart shop-web-1" not in screen_text(pilot)


async def test_the_page_goes_on_with_the_container_that_takes_over_the_name() -> None:
    app = containers_app(shop())
    monitor = app.monitor
    assert isinstance(monitor, StillMonitor)
    new = seen(container("shop-web-1", "shop", id="ab" * 32))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        monitor.show(replace(overview_of(engine_of(shop()[0], new)), at=NOW + timedelta(seconds=2)))
        await pilot.pause()
        assert app.metrics.state.page == subject_of(new)
        assert "abababababab" in screen_text(pilot)
        assert "removed" not in screen_text(pilot)


async def test_its_page_is_evidence() -> None:
    app = containers_app(shop())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        selection = app.metrics.evidence()
        assert selection is not None
        assert selection.title == "shop-web-1: unhealthy: 7 health checks failed in a row"
        kept = await selection.read()
        assert kept.name == "container-shop-web-1-031244.txt"
        assert "certs:/etc/ssl:ro" in kept.data.decode()


async def test_of_the_past_its_charts_are_shown() -> None:
    app = containers_app(shop())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        await pilot.press("[")
        await pilot.pause()
        text = screen_text(pilot)
        assert "its state is not recorded for the past" in text
        assert "CPU of 0.5 cores" in text


async def test_what_can_be_done_depends_on_its_state() -> None:
    app = containers_app(shop())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        await pilot.press("a")
        await pilot.pause()
        text = screen_text(pilot)
        assert "shop-web-1 is already running" in text
        for act in ("restart shop-web-1", "stop shop-web-1", "kill shop-web-1", "project logs"):
            assert act in text, act
        await pilot.press("escape")
        await opened(app, pilot, "shop-worker-1")
        await pilot.press("a")
        await pilot.pause()
        assert "shop-worker-1 is not running: exited" in screen_text(pilot)


async def test_a_stop_is_shown_with_its_command_and_asks_for_the_host() -> None:
    app = containers_app(shop())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        await pilot.press("a", *"stop", "enter")
        await pilot.pause()
        await pilot.pause()
        text = screen_text(pilot)
        assert "docker --host unix:///run/none/docker.sock stop" in text
        assert container("shop-web-1").id[:20] in text
        assert "type web-1 and press enter" in text
        assert "stays down until it is started again" in text


@pytest.mark.parametrize("local", [True, False])
async def test_a_shell_is_opened_in_it(monkeypatch: pytest.MonkeyPatch, *, local: bool) -> None:
    app = containers_app(shop())
    ran: list[list[str]] = []

    def run(argv: Sequence[str], _heard: bytearray | None = None) -> int:
        ran.append(list(argv))
        return 0

    monkeypatch.setattr(app, "step_aside_for", run)
    monkeypatch.setattr(app, "config", replace(app.config, ssh=replace(app.config.ssh, config_files=())))
    overview = app.monitor.overview.value
    assert overview is not None
    config = HostConfig(local=True) if local else HostConfig(address="10.0.0.7", port=2222)
    changed = replace(overview.hosts["web-1"], config=config)
    assert isinstance(app.monitor, StillMonitor)
    app.monitor.show(replace(overview, hosts={"web-1": changed}))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "shop-web-1")
        await pilot.press("x")
        await pilot.pause()
    id_ = container("shop-web-1").id
    words = ["docker", "--host", "unix:///run/none/docker.sock", "exec", "-it", id_, "sh"]
    if local:
        assert ran == [["env", *words]]
    else:
        assert ran[0][:2] == ["ssh", "-F"]
        assert ran[0][-4:] == ["-t", "--", "10.0.0.7", "env " + " ".join(words)]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("shop-worker-1", {}, "shop-worker-1 is not running: exited"),
        ("shop-web-1", {"read_only": True}, "web-1 is read-only here"),
    ],
)
async def test_a_shell_that_cannot_be_opened_says_why(name: str, changes: dict[str, Any], said: str) -> None:
    app = containers_app(shop(), **changes)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, name)
        await pilot.press("x")
        await pilot.pause()
        assert said in screen_text(pilot)


async def test_an_alert_about_it_leads_to_it_and_stands_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    overview = overview_of(engine_of(*shop()))
    state = alerting().alerts
    assert isinstance(state, Ready)
    alerts = state.value
    labels = {"alertname": "ContainerUnhealthy", "host": "web-1", "name": "shop-web-1", "severity": "warning"}
    told = (("summary", "shop-web-1 on web-1 fails its health check"),)
    one = replace(
        next(each for each in alerts.alerts if each.is_firing), labels=tuple(sorted(labels.items())), annotations=told
    )
    app = containers_app(shop())
    assert isinstance(app.monitor, StillMonitor)
    app.monitor.show(replace(overview, alerts=replace(state, value=replace(alerts, alerts=(one,)))))
    gone_to: list[str] = []
    monkeypatch.setattr(app, "go_to_logs", lambda kind, _name, _at: gone_to.append(kind))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        item = next(each for each in app.metrics.state.items(app.metrics.state.overview).values() if each.alert)
        app.metrics.open_page(item.subject)
        await pilot.pause()
        await pilot.press("l", "enter")
        await pilot.pause()
        assert app.metrics.state.page == subject_of(unhealthy())
        assert "ContainerUnhealthy" in screen_text(pilot)
    assert gone_to == [CONTAINER]
    assert unhealthy().level is Level.FAILING
