"""Golden screens of what asks and what is read: every dialog and line of input, in four sizes and both languages.

A golden file holds the cells of one dialog in all sizes, without what is behind it; the restore wizard, the query box
and the pages fill the screen and have golden screens of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from textual.geometry import Region
from textual.pilot import Pilot

from lilfox_tui.app import incident_course
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs import job_output
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.dialogs.prompt import OptionsDialog
from lilfox_tui.app.panes.backup import actions as backup_actions
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.panes.metrics import alert_actions, errors
from lilfox_tui.app.panes.runbook import actions as runbook_actions
from lilfox_tui.app.panes.runbook import incident_actions, orders
from lilfox_tui.app.panes.runbook.dialogs import worked_rows, worked_ways
from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.panes.runbook.state import COMMAND
from lilfox_tui.app.rows.job_words import user
from lilfox_tui.backends.kinds.postgresql import PostgresBackend
from lilfox_tui.backends.model import StatementPlan
from lilfox_tui.backup.restores import interrupted, retained
from lilfox_tui.config.model import ContactConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.demo.control_socket import DATABASE as DEMO_DATABASE
from lilfox_tui.demo.control_socket import FAULTS_OF
from lilfox_tui.metrics.model import HostSnapshot, Level, ProcessUsage
from lilfox_tui.monitor.model import HostView, Overview, StatusChange
from lilfox_tui.runbook.control import ChangedText
from lilfox_tui.runbook.library import FirstRun
from lilfox_tui.runbook.run.protocol import DoneByHand, RunFact
from lilfox_tui.runbook.run.variables import ValueChoice
from tests.app.alerts_made import alerting, some
from tests.app.backups_made import healthy, job
from tests.app.log_files import counted, logs_app, settled
from tests.app.overviews import NOW, mixed
from tests.app.restore_stand_in import JOB, StandIn
from tests.app.runs_made import documents, failed, looked, ran, run, view
from tests.app.runs_made import open_incident as incident_view
from tests.app.still import still_app
from tests.app.test_acts import RECOVERY, SESSIONS, failing
from tests.app.test_backends import overview as with_backends
from tests.app.test_backup_kept import DATABASE, DONE, FOLDER, GONE, LEFT
from tests.app.test_backup_screens import showing as showing_backups
from tests.app.test_backup_warnings import interrupted_restores
from tests.app.test_logs_work import some as some_records
from tests.app.test_logs_work import with_sources
from tests.app.test_runbook_screens import Still
from tests.app.test_runbook_screens import showing as showing_runbooks
from tests.app.test_screens import check
from tests.app.test_targets import TARGETS
from tests.app.traffic_overviews import KEPT, busy
from tests.waiting import until

SIZES = [(200, 55), (120, 40), (80, 24), (40, 10)]


class World(NamedTuple):
    """What an app is made of."""

    folder: Path
    patch: pytest.MonkeyPatch
    language: str


class Case(NamedTuple):
    """One dialog: the app that it belongs to, and how it is opened there: by ids of actions (``:help``), pages
    (``@host/web-1``), keys, and keys that lead to another dialog (``enter >``)."""

    app: Callable[[World], LilFoxApp]
    steps: Sequence[str]


# ---- the apps ------------------------------------------------------------------------------------------------------


def at_home(world: World) -> LilFoxApp:
    app = still_app(mixed(), language=world.language)
    changes = [
        StatusChange(NOW - timedelta(minutes=9), "host/model-1", tr("connection lost"), Level.FAILING, "lost"),
        StatusChange(NOW - timedelta(minutes=3), "service/backend", tr("connection refused"), Level.FAILING, "level"),
    ]
    world.patch.setattr(app.monitor.changes, "all", lambda: changes)
    return app


def in_demo(world: World) -> LilFoxApp:
    app = still_app(mixed(), language=world.language)
    names = ("gateway", "backend", DEMO_DATABASE)
    targets = {name: FAULTS_OF[name] for name in names}
    app.demo = SimpleNamespace(targets=targets, faults=lambda: [("backend", "5xx")])  # type: ignore[assignment]
    return app


def with_key(error: HostError, world: World) -> LilFoxApp:
    known = mixed().hosts["new-1"].config
    host = HostView("new-1", known, Level.FAILING, NOW, (), None, Unavailable(error, NOW))
    return still_app(Overview(NOW, {"new-1": host}, {}), language=world.language)


A, B = "SHA256:" + "a" * 43, "SHA256:" + "b" * 43
UNKNOWN = HostKeyUnknown("new-1", tr("unknown"), "", fingerprint=A, key_type="ssh-ed25519")
SAID = tr("its key differs from the one in known_hosts")
LINE = tr("The old line is line 3 of ~/.ssh/known_hosts.")
CHANGED = HostKeyChanged("new-1", SAID, LINE, fingerprint=A, known=B)


def with_units(world: World) -> LilFoxApp:
    app = still_app(failing(), language=world.language, recovery=RECOVERY)
    processes = (
        ProcessUsage(4711, "www", "nginx", "R", 88.0, 2**26, NOW, 123456),
        ProcessUsage(4712, "root", "\x1b[31msshd", "S", 1.0, 2**22, NOW, 123999),
    )
    app.monitor.snapshot("web-1").publish(HostSnapshot("web-1", NOW, 2.0, {}, {}, {}, processes=processes), NOW)
    return app


def with_database(world: World) -> LilFoxApp:
    backends = {name: each.config for name, each in with_backends().backends.items()}
    app = still_app(with_backends(), language=world.language, backends=backends)
    backend = PostgresBackend(app.config.backends["orders-db"], None)  # type: ignore[arg-type]

    async def sessions(_name: str) -> object:
        return backend, SESSIONS

    async def explain(_name: str, _statement: str) -> StatementPlan:
        statement = "SELECT * FROM orders WHERE note = $1"
        return StatementPlan(statement, ("Seq Scan on orders  (cost=0.00..487.00)",), generic=True)

    world.patch.setattr(app.monitor.backends, "sessions", sessions)
    world.patch.setattr(app.monitor.backends, "explain", explain)
    return app


def with_alerts(world: World) -> LilFoxApp:
    app = still_app(alerting(), language=world.language)
    world.patch.setattr(app.monitor.alerting, "preview", lambda _matchers: some().alerts[:1])
    world.patch.setattr(alert_actions, "user", lambda: "ann")

    async def acknowledge(*_named: object) -> None:
        pass

    world.patch.setattr(app.monitor.alerting, "acknowledge", acknowledge)
    return app


def with_targets(world: World) -> LilFoxApp:
    app = still_app(busy(), language=world.language)
    world.patch.setattr(app.monitor.scraping, "all_targets", lambda: TARGETS)
    world.patch.setattr(app.monitor.scraping, "kept", lambda: replace(KEPT, problems=("prometheus.yml:3: no",)))
    return app


def with_logs(world: World) -> LilFoxApp:
    world.patch.setattr(LogsState, "clock", NOW)
    return logs_app(world.folder, language=world.language)


def with_sources_in_memory(world: World) -> LilFoxApp:
    return with_sources(world.patch, [some_records("gateway"), some_records("backend")], language=world.language)


def with_backups(world: World) -> LilFoxApp:
    StandIn(world.patch)

    async def all_kept(_context: object) -> object:
        return [DATABASE, FOLDER, GONE, LEFT]

    async def all_left(_context: object, _plans: object) -> object:
        return []

    world.patch.setattr(interrupted, "read_all", lambda: [DONE])
    world.patch.setattr(retained, "all_kept", all_kept)
    world.patch.setattr(retained, "all_left", all_left)
    backups = replace(interrupted_restores(), jobs=(job(id=JOB, host="", user=user()),))
    return showing_backups(backups, language=world.language)


def with_quiet_backups(world: World) -> LilFoxApp:
    StandIn(world.patch)
    return showing_backups(healthy(), language=world.language)


def with_runs(world: World, facts: Callable[[Path], list[RunFact]] | None, state: str | None = "running") -> LilFoxApp:
    """Nothing on this machine has a part in it: neither the file of the runbook nor an incident."""

    async def offered(*_known: object) -> list[ValueChoice]:
        return [ValueChoice("nginx.service", "failed"), ValueChoice("php-fpm.service", "active")]

    log = None if facts is None else run(world.folder, facts(world.folder))
    contacts = {"dba": ContactConfig(name="Dora", call="+49 30 1234", note="knows the replicas")}
    world.patch.setattr(orders, "offered", offered)
    world.patch.setattr(orders, "other_text", lambda _reducer: None)
    world.patch.setattr(runbook_actions, "first_run", lambda _runbook, _config: None)
    world.patch.setattr(runbook_actions, "current_folder", lambda: None)
    return showing_runbooks(view(state), log, incident_view(), language=world.language, contacts=contacts)


def runs(facts: Callable[[Path], list[RunFact]] | None, state: str | None = "running") -> Callable[[World], LilFoxApp]:
    return lambda world: with_runs(world, facts, state)


def restarting(folder: Path) -> list[RunFact]:
    return [*looked(folder), *ran(4, 1, 0, "web-1", None, shown="systemctl restart nginx.service")]


def restarted(folder: Path) -> list[RunFact]:
    """All is done up to the step that is made by hand."""
    facts = failed(folder)
    again = ran(6, 1, 1, "web-2", "done", shown="systemctl is-active nginx.service")
    return [*facts, *again]


def told(folder: Path) -> list[RunFact]:
    """All is done up to the command that destroys something."""
    return [*restarted(folder), DoneByHand(at=NOW - timedelta(seconds=9), step=2, by="ann@web-1")]


def with_changed_text(world: World) -> LilFoxApp:
    app = with_runs(world, looked)
    what = (tr("the file was changed"), tr("The current version cannot be run."))
    world.patch.setattr(orders, "other_text", lambda _reducer: ChangedText(what=what, now=None))
    return app


def never_allowed(world: World) -> LilFoxApp:
    app = with_runs(world, None, None)
    first = FirstRun(path="/srv/runbooks/web.md", sha256="0" * 64, changed=True, commands={"read": 2, "change": 3})
    world.patch.setattr(runbook_actions, "first_run", lambda _runbook, _config: first)
    return app


def without_incident(world: World) -> LilFoxApp:
    return still_app(mixed(), language=world.language)


# ---- how they are opened ------------------------------------------------------------------------------------------


async def open_dialog(app: LilFoxApp, pilot: Pilot[None], steps: Sequence[str]) -> None:
    for step in steps:
        before, key = app.screen, step.removesuffix(" >")
        if step.startswith(":"):
            app.do(next(action for action in app.all_actions if action.id == step[1:]))
        elif step == "4>":
            await at_command(app, pilot)
        elif step == "worked":
            app.push_screen(
                OptionsDialog(
                    "2. Restart it once",
                    worked_rows(documents()[0].runbooks[0].steps[1].commands[0], ("web-1",), 3),
                    worked_ways(3),
                )
            )
        elif step.startswith("@"):
            app.metrics.open_page(tuple(step[1:].split("/")))  # type: ignore[arg-type]
        else:
            await pilot.press(key)
        if step.endswith(" >"):
            await until(partial(is_other, app, before), what=f"{step} leads to a dialog")
        await pilot.pause()
    await until(lambda: is_asked(app), what="it is opened")
    await pilot.pause()


def is_asked(app: LilFoxApp) -> bool:
    """Whether a dialog is on the screen, or a line of input."""
    screen = app.screen
    if isinstance(screen, Dialog):
        return screen.painted_s is not None
    return bool(app.query_one("#line-row").display)


def is_other(app: LilFoxApp, before: object) -> bool:
    """Whether another dialog is on the screen."""
    return app.screen is not before and is_asked(app)


async def at_command(app: LilFoxApp, pilot: Pilot[None]) -> None:
    await pilot.press("4")
    await pilot.pause()
    pane = app.pane
    assert isinstance(pane, RunbookPane)
    pane.state.column = COMMAND
    pane.state.choose_place(None)


HOST, SERVICE, BASE = "@host/web-1", "@service/backend", "@backend/orders-db"
CASES: dict[str, Case] = {
    "help-metrics": Case(at_home, (":help",)),
    "help-logs": Case(with_logs, (":help",)),
    "help-backup": Case(with_backups, ("3", ":help")),
    "help-runbook": Case(runs(failed), ("4", ":help")),
    "palette": Case(at_home, (":palette",)),
    "go-to": Case(at_home, (":hosts",)),
    "changes": Case(at_home, (":changes",)),
    "theme": Case(at_home, (":theme",)),
    "fault": Case(in_demo, (":fault",)),
    "quit": Case(with_backups, (":quit",)),
    "key-unknown": Case(partial(with_key, UNKNOWN), (":trust",)),
    "key-changed": Case(partial(with_key, CHANGED), (":trust",)),
    "acts-host": Case(with_units, (HOST, ":selection")),
    "acts-restart": Case(with_units, (HOST, ":selection", "enter >")),
    "acts-stop": Case(with_units, (SERVICE, ":selection", "down", "down", "enter >")),
    "acts-processes": Case(with_units, (HOST, ":selection", *"hup", "enter >")),
    "acts-signals": Case(with_units, (HOST, ":selection", *"hup", "enter >", "enter >")),
    "acts-sessions": Case(with_database, (BASE, ":selection", "enter >")),
    "acts-session": Case(with_database, (BASE, ":selection", "enter >", "enter >")),
    "acts-terminate": Case(with_database, (BASE, ":selection", "enter >", "enter >", "enter >")),
    "explain": Case(with_database, (BASE, ":explain")),
    "plan": Case(with_database, (BASE, ":explain", "enter >")),
    "targets": Case(with_targets, (":targets",)),
    "silence": Case(with_alerts, (":alerts", ":silence")),
    "silences": Case(with_alerts, (":silences",)),
    "sources": Case(with_sources_in_memory, (":sources",)),
    "statistics": Case(with_logs, (":statistics",)),
    "patterns": Case(with_logs, (":patterns",)),
    "back-up": Case(with_quiet_backups, ("3", ":backup")),
    "prune": Case(with_quiet_backups, ("3", ":prune")),
    "verify": Case(with_quiet_backups, ("3", ":verify")),
    "drill": Case(with_quiet_backups, ("3", ":drill")),
    "undo-restore": Case(with_backups, ("3", ":undo")),
    "kept": Case(with_backups, ("3", ":kept")),
    "discard": Case(with_backups, ("3", ":kept", "enter >")),
    "settle": Case(with_backups, ("3", ":settle")),
    "settle-confirm": Case(with_backups, ("3", ":settle", "enter >")),
    "cancel-job": Case(with_backups, ("3", ":cancel")),
    "job-output": Case(with_backups, ("3", ":output")),
    "tables": Case(with_quiet_backups, ("3", ":restore", "slash >")),
    "run": Case(runs(None, None), ("4>", ":open")),
    "run-again": Case(runs(None, "ok"), ("4>", ":run-again")),
    "run-approve": Case(never_allowed, ("4>", ":open")),
    "run-interrupted": Case(runs(None, "unknown"), ("4>", ":open")),
    "run-value": Case(runs(lambda _folder: []), ("4>", ":open")),
    "run-refused": Case(runs(lambda _folder: []), ("4>", ":open", *"!", "enter")),
    "run-change": Case(runs(looked), ("4>", ":open")),
    "run-file": Case(with_changed_text, ("4>", ":open")),
    "run-decision": Case(runs(failed), ("4>", ":open")),
    "run-hand": Case(runs(restarted), ("4>", ":open")),
    "run-destroy": Case(runs(told), ("4>", ":open")),
    "run-stop": Case(runs(restarting), ("4>", ":stop")),
    "run-undo": Case(runs(failed), ("4>", ":undo")),
    "run-end": Case(runs(failed), ("4>", ":end-run")),
    "run-worked": Case(runs(failed), ("worked",)),
    "incident-open": Case(without_incident, (":incident",)),
    "incident-close": Case(runs(failed), ("4", ":close-incident")),
    "incident-summary": Case(runs(None, None), ("4", ":close-incident")),
    "moment": Case(runs(failed), ("4", ":moment")),
    "call": Case(runs(failed), ("4", ":call")),
    "evidence": Case(runs(failed), ("4", ":evidence")),
    "take-over": Case(runs(failed), ("4", ":take-over")),
    "hand-over": Case(runs(failed), ("4", ":hand-over")),
    "line-filter": Case(at_home, (":filter",)),
    "line-acknowledge": Case(with_alerts, (":alerts", ":acknowledge", ":acknowledge")),
    "line-jump": Case(with_logs, (":jump",)),
    "line-save": Case(with_logs, (":save",)),
    "line-note": Case(runs(failed), ("4", ":note")),
    "line-decision": Case(runs(failed), ("4", ":decide")),
    "line-call": Case(runs(failed), ("4", ":call", "enter")),
    "line-skip": Case(runs(failed), ("4>", ":skip")),
    "line-export": Case(runs(failed), ("4", ":export")),
}
ANEW = ("help-metrics", "help-logs", "palette", "silence", "sources", "job-output", "line-acknowledge")
"""Opened anew in each size in both languages: what has been scrolled, found or filled in by then stays."""


# ---- what is seen --------------------------------------------------------------------------------------------------


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A time, a user and a home that stand still; and nothing looks for the logs of this machine meanwhile."""
    monkeypatch.setattr(errors, "BEGIN_AFTER_S", 3600.0)
    for module in (incident_course, incident_actions, job_output, backup_actions):
        monkeypatch.setattr(module, "datetime", Still)
    monkeypatch.setenv("HOME", "/home/ann")
    return World(tmp_path, monkeypatch, request.getfixturevalue("language"))


def drawn(app: LilFoxApp) -> tuple[Region, list[str]]:
    """Where the dialog or the line of input is, and its cells."""
    found = app.screen.query("#dialog, #query, #job") or app.query("#line-row")
    region = found.first().region
    strips = app.screen._compositor.render_strips()[region.y : region.bottom]
    return region, [strip.crop(region.x, region.right).text.rstrip() for strip in strips]


async def closed(app: LilFoxApp, pilot: Pilot[None]) -> None:
    for _press in range(8):
        if len(app.screen_stack) == 1 and not app.query_one("#line-row").display:
            return
        await pilot.press("escape")
        await pilot.pause()
    raise AssertionError("esc closes it")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("name", CASES)
async def test_what_asks(name: str, language: str, world: World) -> None:
    """In English it is opened anew in each size, in Chinese once: there the terminal gets smaller while it is open."""
    case, shots, anew = CASES[name], [], language == "en" or name in ANEW
    app = case.app(world)
    async with app.run_test(size=SIZES[0]) as pilot:
        await pilot.pause()
        if case.app is with_logs:
            await counted(app, pilot)  # no process that counts is left
        elif case.app is with_sources_in_memory:
            await settled(app, pilot)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            if anew or size == SIZES[0]:
                await open_dialog(app, pilot, case.steps)
            region, lines = drawn(app)
            text = "\n".join(lines)
            where = f"{size[0]}x{size[1]}: {region.width}x{region.height} at {region.x},{region.y}"
            shots.append(f"{where}\n{text}\n")
            assert Region(0, 0, *size).contains_region(region), where
            assert all(cell_width(line) <= region.width for line in lines)
            if anew or size == SIZES[-1]:
                await closed(app, pilot)
    check(f"dialog-{name}-{language}", "\n".join(shots))
    assert all("esc" in text for text in shots if (name, text[:5]) != ("discard", "40x10")), "how it is left"
