"""Actions on the selection: what is offered, what is shown before it begins, and that nothing begins on one key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app import operations as ban_acts
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.backends.kinds.postgresql import PostgresBackend
from lilfox_tui.backends.model import ClientSession
from lilfox_tui.config.model import HostConfig, RecoveryConfig, RunbooksConfig
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.open import this_machine
from lilfox_tui.jobs import start
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.jobs.model import JobRequest
from lilfox_tui.jobs.reader import start_of
from lilfox_tui.metrics.model import HostSnapshot, Level, ProcessUsage
from lilfox_tui.monitor.model import HostView, Overview
from tests.app.alerts_made import alerting
from tests.app.log_files import line, settled
from tests.app.overviews import NOW, host, mixed, service, summary
from tests.app.still import screen_text, still_app
from tests.app.test_backends import overview as with_backends
from tests.app.test_screens import check
from tests.unit.jobs.running import jobs
from tests.waiting import until

__all__ = ["jobs"]
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh_CN"])
SIZE = (80, 24)
UNIT = "lilfox-backend.service"
RECOVERY = {"backend": RecoveryConfig(host="web-1", unit=UNIT, service="backend")}
BEGAN = "2026-03-29 03:10:00.000001+00"
SESSIONS = (
    ClientSession(
        pid=811, began=BEGAN, statement_began=BEGAN, role="shop", database="orders", application="web",
        address="10.0.0.4", state="idle in transaction", in_state_s=63.0, blocks=2,
        statement="UPDATE orders\n SET paid = true",
    ),
    ClientSession(
        pid=902, began=BEGAN, statement_began=BEGAN, role="shop", database="\x1b[31morders", application="web",
        address="10.0.0.4", state="active", in_state_s=41.0, blocks=0, statement="UPDATE orders SET sent = true",
    ),
)  # fmt: skip


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[JobRequest]:
    """What was begun: nothing is, but it is noted here."""
    found: list[JobRequest] = []

    def note(request: JobRequest, **_more: object) -> str:
        found.append(request)
        raise LilFoxError(tr("noted"))

    monkeypatch.setattr(start, "start", note)
    return found


def failing() -> Overview:
    """A host with a unit that failed, and a service whose unit the configuration names."""
    numbers = replace(summary("web-1", 23, 61, 71), failed_units=("nginx.service",))
    hosts = [host("web-1", Level.DEGRADED, numbers), *list(mixed().hosts.values())[2:3]]
    services = [service("backend", Level.FAILING, 503, 0.004)]
    return Overview(NOW, {each.name: each for each in hosts}, {each.name: each for each in services})


def app_of(overview: Overview, **more: Any) -> LilFoxApp:
    return still_app(overview, recovery=RECOVERY, **more)


async def choose(pilot: Pilot[None], words: str) -> None:
    """Types into the list that is open, and takes the first that is left."""
    await pilot.press(*("space" if each == " " else each for each in words), "enter")
    await pilot.pause()


async def open_acts(app: LilFoxApp, pilot: Pilot[None], kind: str, name: str) -> None:
    await pilot.pause()
    app.metrics.open_page((kind, name))
    await pilot.press("a")
    await pilot.pause()


def dialog(app: LilFoxApp) -> str:
    """What is asked, once it is on the screen."""
    return "" if isinstance(app.screen, Dialog) and app.screen.painted_s is None else type(app.screen).__name__


@LANGUAGES
async def test_what_can_be_done_on_a_host(language: str) -> None:
    app = app_of(failing(), language=language)
    async with app.run_test(size=SIZE) as pilot:
        await open_acts(app, pilot, "host", "web-1")
        check(f"acts-host-80x24-{language}", screen_text(pilot))


@LANGUAGES
@pytest.mark.parametrize("size", [SIZE, (120, 40)], ids=["80x24", "120x40"])
async def test_a_restart_is_shown_and_begins_on_enter(
    size: tuple[int, int], language: str, begun: list[JobRequest]
) -> None:
    app = app_of(failing(), language=language)
    async with app.run_test(size=size) as pilot:
        await open_acts(app, pilot, "host", "web-1")
        await pilot.press("enter")
        await until(lambda: dialog(app) == "AskDialog", what="it is shown")
        await pilot.pause()
        check(f"acts-restart-{size[0]}x{size[1]}-{language}", screen_text(pilot))
        assert begun == []
        await pilot.press("enter")
        await until(lambda: len(begun) == 1, what="it begins")
        assert begun[0].arguments["operation"]["argv"] == ("systemctl", "restart", "--", "nginx.service")
        assert begun[0].arguments["operation"]["host"] == "web-1"


@LANGUAGES
async def test_a_stop_wants_the_hosts_name(language: str, begun: list[JobRequest]) -> None:
    app = app_of(failing(), language=language)
    async with app.run_test(size=SIZE) as pilot:
        await open_acts(app, pilot, "service", "backend")
        await choose(pilot, "stop" if language == "en" else "停止")
        await until(lambda: dialog(app) == "ConfirmDialog", what="it is shown")
        await pilot.pause()
        check(f"acts-stop-80x24-{language}", screen_text(pilot))
        await pilot.press("enter")
        said = "nothing was done: type web-1 in full" if language == "en" else ""
        await until(lambda: said in screen_text(pilot), what="what is missing is said")
        assert (dialog(app), begun) == ("ConfirmDialog", [])
        await pilot.press(*"web-1", "enter")
        await until(lambda: len(begun) == 1, what="it begins")


async def test_units_by_which_the_host_is_reached_want_its_name_too(begun: list[JobRequest]) -> None:
    numbers = replace(summary("web-1", 23, 61, 71), failed_units=("ssh.service",))
    view = host("web-1", Level.DEGRADED, numbers)
    app = still_app(Overview(NOW, {"web-1": view}, {}))
    async with app.run_test(size=SIZE) as pilot:
        await open_acts(app, pilot, "host", "web-1")
        await pilot.press("enter")
        await until(lambda: dialog(app) == "ConfirmDialog", what="it is shown")
        await until(lambda: "You may be connected to the host through" in screen_text(pilot), what="that is said")


@pytest.mark.parametrize("how", ["read_only", "protected", "past", "lost"])
async def test_what_cannot_be_done_says_why(how: str, begun: list[JobRequest]) -> None:
    overview = failing()
    if how == "protected":
        view = overview.hosts["web-1"]
        view = replace(view, config=replace(view.config, protected=True))
        overview = replace(overview, hosts={**overview.hosts, "web-1": view})
    app = app_of(overview, read_only=how == "read_only")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        name = "model-1" if how == "lost" else "web-1"
        if how == "past":
            app.rewound = NOW - timedelta(minutes=1)
        app.metrics.open_page(("host", name))
        await pilot.press("a")
        await pilot.pause()
        words = {
            "read_only": "read_only",
            "protected": "is protected",
            "past": "you are viewing the past",
            "lost": "currently unreachable",
        }
        text = screen_text(pilot)
        assert words[how] in text, text
        await pilot.press(*"another", "enter")
        await pilot.pause()
        assert dialog(app) == "Chooser"
        assert "another unit on" in screen_text(pilot)
        assert begun == []


@pytest.mark.parametrize(
    ("labels", "offered"), [({"job": "backend"}, f"restart {UNIT}"), ({"host": "db-1"}, "another unit on db-1")]
)
async def test_of_an_alert_what_its_labels_name(labels: dict[str, str], offered: str) -> None:
    app = app_of(alerting())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        items = app.metrics.state.items(app.metrics.state.overview)
        labelled = {key: dict(item.alert.labels) for key, item in items.items() if item.alert is not None}
        subject = next(key for key, found in labelled.items() if labels.items() <= found.items())
        app.metrics.open_page(subject)
        await pilot.press("a")
        await until(lambda: offered in screen_text(pilot), what="it is offered")


@LANGUAGES
async def test_a_signal_goes_to_the_process_that_was_seen(language: str, begun: list[JobRequest]) -> None:
    app = app_of(failing(), language=language)
    processes = (
        ProcessUsage(4711, "www", "nginx", "R", 88.0, 2**26, NOW, 123456),
        ProcessUsage(4712, "root", "\x1b[31msshd", "S", 1.0, 2**22, NOW, 123999),
        ProcessUsage(4713, "app", "python3", "S", 1.0, 2**22, NOW, 123999, "/usr/bin/python3 -u /srv/mail.py --all"),
    )
    snapshot = HostSnapshot("web-1", NOW, 2.0, {}, {}, {}, processes=processes)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.monitor.snapshot("web-1").publish(snapshot, NOW)
        await open_acts(app, pilot, "host", "web-1")
        await choose(pilot, "hup")
        await until(lambda: "4711" in screen_text(pilot), what="processes are listed")
        check(f"acts-processes-80x24-{language}", screen_text(pilot))
        await choose(pilot, "4711")
        await until(lambda: "TERM" in screen_text(pilot), what="signals are listed")
        await choose(pilot, "kill")
        await until(lambda: dialog(app) == "ConfirmDialog", what="it is shown")
        await pilot.pause()
        check(f"acts-kill-80x24-{language}", screen_text(pilot))
        await pilot.press(*"web-1", "enter")
        await until(lambda: len(begun) == 1, what="it begins")
        assert begun[0].arguments["operation"]["argv"][-3:] == ("4711", "123456", "KILL")


@LANGUAGES
async def test_a_session_of_a_database_is_ended(
    language: str, begun: list[JobRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(with_backends(), language=language, backends=_backends())
    backend = PostgresBackend(app.config.backends["orders-db"], None)  # type: ignore[arg-type]

    async def sessions(name: str) -> object:
        return backend, SESSIONS

    monkeypatch.setattr(app.monitor.backends, "sessions", sessions)
    async with app.run_test(size=SIZE) as pilot:
        await open_acts(app, pilot, "backend", "orders-db")
        await pilot.press("enter")
        await until(lambda: "811" in screen_text(pilot), what="sessions are listed")
        await pilot.pause()
        check(f"acts-sessions-80x24-{language}", screen_text(pilot))
        listed = app.screen
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2 and app.screen is not listed, what="ways are listed")
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: dialog(app) == "ConfirmDialog", what="it is shown")
        await pilot.pause()
        check(f"acts-terminate-80x24-{language}", screen_text(pilot))
        await pilot.press(*"orders-db", "enter")
        await until(lambda: len(begun) == 1, what="it begins")
        assert "pg_terminate_backend" in begun[0].arguments["operation"]["statement"]
        assert begun[0].arguments["session"]["statement"] is None


@LANGUAGES
async def test_an_address_of_a_record_is_banned(
    language: str, begun: list[JobRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _logs_app(tmp_path, language)
    asked: list[str] = []

    async def check_ban(_host: object, operation: Any, *_more: object, **_named: object) -> None:
        asked.append(operation.subject)

    monkeypatch.setattr(ban_acts, "check_ban", check_ban)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("a")
        await pilot.pause()
        check(f"acts-record-80x24-{language}", screen_text(pilot))
        await choose(pilot, "198.51")
        await until(lambda: "web-1" in screen_text(pilot), what="hosts are listed")
        await choose(pilot, "web-1")
        await until(lambda: dialog(app) == "ConfirmDialog", what="it is shown")
        await pilot.pause()
        check(f"acts-ban-80x24-{language}", screen_text(pilot))
        await pilot.press(*"web-1", "enter")
        await until(lambda: len(begun) == 1, what="it begins")
        assert asked == ["198.51.100.9"]
        assert begun[0].arguments["operation"]["lasts_s"] == 600


async def test_a_ban_that_the_host_refuses_is_not_shown(
    begun: list[JobRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _logs_app(tmp_path, "en")

    async def check_ban(*_more: object, **_named: object) -> None:
        raise HostError("web-1", tr("it is your own address"))

    monkeypatch.setattr(ban_acts, "check_ban", check_ban)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("a")
        await choose(pilot, "198.51")
        await until(lambda: "web-1" in screen_text(pilot), what="hosts are listed")
        await choose(pilot, "web-1")
        await until(lambda: "it is your own address" in screen_text(pilot), what="that is said")
        assert (dialog(app), begun) == ("PaneScreen", [])


def _logs_app(folder: Path, language: str) -> LilFoxApp:
    text = "blocked 198.51.100.9 behind 192.0.2.80, upstream 10.0.0.7:8000, at 03:12:44"
    (folder / "gateway.log").write_text(line(NOW, "WARNING", "http", text) + "\n")
    never = RunbooksConfig(never_ban=("192.0.2.0/24",))
    return still_app(failing(), language=language, files=[str(folder / "gateway.log")], runbooks=never)


def _backends() -> dict[str, Any]:
    return {name: view.config for name, view in with_backends().backends.items()}


async def test_on_a_small_screen_the_whole_command_can_be_read(
    begun: list[JobRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _logs_app(tmp_path, "en")

    async def check_ban(*_more: object, **_named: object) -> None:
        pass

    monkeypatch.setattr(ban_acts, "check_ban", check_ban)
    async with app.run_test(size=(60, 14)) as pilot:
        await settled(app, pilot)
        await pilot.press("a")
        await choose(pilot, "198.51")
        await until(lambda: "web-1" in screen_text(pilot), what="hosts are listed")
        await choose(pilot, "web-1")
        await until(lambda: "more below" in screen_text(pilot), what="it says that there is more")
        assert "in an office" not in " ".join(screen_text(pilot).split())
        await pilot.press("pagedown", "pagedown", "pagedown")
        await until(lambda: "in an office" in " ".join(screen_text(pilot).split()), what="its end is shown")
        assert "type web-1" in screen_text(pilot)
        assert begun == []


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


async def test_a_job_on_this_machine_is_shown_from_its_first_event_to_its_end(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = this_machine()
    view = HostView(name, HostConfig(local=True), Level.GOOD, NOW, (), summary(name, 2, 2, 2))
    app = still_app(Overview(NOW, {name: view}, {}))
    app.config = app.monitor.config = replace(app.config, hosts={})
    process = ProcessUsage(sleeper.pid, "root", "sleep", "S", 1.0, 2**22, NOW, start_of(sleeper.pid))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.monitor.snapshot(name).publish(HostSnapshot(name, NOW, 2.0, {}, {}, {}, processes=(process,)), NOW)
        await open_acts(app, pilot, "host", name)
        await choose(pilot, "hup")
        await choose(pilot, "sleep")
        await choose(pilot, "term")
        await until(lambda: dialog(app) == "AskDialog", what="it is shown")
        await pilot.press("enter")
        await until(lambda: sleeper.poll() is not None, what="it has ended")
        await until(lambda: f"ok: {sleeper.pid} has ended" in screen_text(pilot), what="the end is shown")
        text = screen_text(pilot)
        assert f"send TERM to {sleeper.pid} (sleep)" in text.partition("started on")[2], text
    (job,) = list_jobs()
    assert (job.kind, job.state) == ("signal", "ok")
