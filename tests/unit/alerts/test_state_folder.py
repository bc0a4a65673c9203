"""Where alert state is kept: console and service of root share it, and what an older version kept is used on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.model import Acknowledgement, AlertState, Event, Silence, SilenceMatcher
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage, EvaluationLock, SavedGroup

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LABELS = (("alertname", "Down"),)
CONFIG = Path("/etc/lilfox.yaml")


@pytest.fixture
def old(own_folders: Path) -> Path:
    """The folder in which the older version kept the state."""
    folder = state_folder(CONFIG)
    assert folder is not None
    return folder


@pytest.fixture
def shared(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is to be shared, from here on; nothing is there yet."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return tmp_path / "alerts" / old.name


def keep(folder: Path, *silences: str, alert: AlertState | None = None, acknowledged: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with closing(AlertDatabase(folder / DATABASE)) as database:
        storage = AlertStorage(database)
        for one in silences:
            made = Silence(one, (SilenceMatcher("a", "b"),), NOW, NOW + timedelta(hours=1), "ada", "")
            storage.keep_silence(made, Event(NOW, "silenced", ()))
        if alert is not None:
            live = LiveAlert(LABELS, (), alert, 1.0, 5)
            storage.keep(SavedGroup("f;g", 10, (), {}), [("r", live)], [], [])
        if acknowledged:
            storage.acknowledge(LABELS, Acknowledgement("ada", NOW), Event(NOW, "acknowledged", LABELS))


def kept(folder: Path) -> tuple[set[str], int | None, bool]:
    """The silences, since when the alert is active, and whether it is acknowledged."""
    with closing(AlertDatabase(folder / DATABASE)) as database:
        storage = AlertStorage(database)
        since = [one.active_at_ms for alerts in storage.alerts("f;g").values() for one in alerts]
        return {one.id for one in storage.silences()}, next(iter(since), None), LABELS in storage.acknowledgements()


def test_root_s_console_and_the_exported_service_share_it(
    own_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_folders / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(tmp_path / "lilfox"))
    monkeypatch.setattr("lilfox_tui.core.paths._account", lambda: str(home))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # as in cli/commands/export.py
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "lilfox"))
    service = state_folder(CONFIG)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("HOME", str(home))
    console = state_folder(CONFIG)
    assert console is not None
    assert console == service == tmp_path / "lilfox" / "alerts" / console.name
    assert EvaluationLock(service).take()
    assert not EvaluationLock(console).take()


def test_what_was_kept_at_the_old_place_is_moved_and_older_versions_find_it(old: Path, shared: Path) -> None:
    keep(old, "s", alert=AlertState.PENDING, acknowledged=True)
    assert state_folder(CONFIG) == shared
    assert kept(shared) == ({"s"}, 5, True)
    assert kept(old) == ({"s"}, 5, True)
    assert old.resolve() == shared
    assert kept(old.with_name(f"{old.name}.moved")) == ({"s"}, 5, True)
    assert (shared / DATABASE).stat().st_mode & 0o777 == 0o600
    assert state_folder(CONFIG) == shared


def test_what_kill_9_left_in_the_log_of_the_database_is_moved_too(old: Path, shared: Path) -> None:
    code = (
        "import os; from pathlib import Path; from tests.unit.alerts.test_state_folder import *\n"
        f"database = AlertDatabase(Path({str(old / DATABASE)!r}))\n"
        "keep(database.path.parent, 's'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (old / "alerts.db-wal").exists()
    assert state_folder(CONFIG) == shared
    assert kept(shared)[0] == {"s"}


def test_while_an_older_version_runs_its_folder_is_used(old: Path, shared: Path) -> None:
    keep(old, "s")
    running = AlertDatabase(old / DATABASE)
    assert state_folder(CONFIG) == old
    assert not old.is_symlink()
    AlertStorage(running).acknowledge(LABELS, Acknowledgement("ada", NOW), Event(NOW, "acknowledged", LABELS))
    running.close()
    assert state_folder(CONFIG) == shared
    assert kept(shared) == ({"s"}, None, True)


def test_two_states_become_one(old: Path, shared: Path) -> None:
    """The timers of the service go on; what people have said at either place holds."""
    keep(old, "s", "both", alert=AlertState.FIRING, acknowledged=True)
    keep(shared, "both", "t")
    with closing(AlertDatabase(shared / DATABASE)) as database:
        live = LiveAlert(LABELS, (), AlertState.FIRING, 1.0, 7)
        AlertStorage(database).keep(SavedGroup("f;g", 10, (), {}), [("r", live)], [], [])
        assert state_folder(CONFIG) == shared, "also while the service runs"
    assert kept(shared) == ({"s", "t", "both"}, 7, True)
    assert old.is_symlink()


def test_an_alert_that_the_service_does_not_have_is_not_acknowledged_there(old: Path, shared: Path) -> None:
    keep(old, alert=AlertState.FIRING, acknowledged=True)
    keep(shared)
    assert state_folder(CONFIG) == shared
    assert kept(shared) == (set(), None, False)


def test_a_damaged_state_is_left_where_it_is(old: Path, shared: Path) -> None:
    (old / DATABASE).write_bytes(b"no database " * 1000)
    assert state_folder(CONFIG) == shared
    assert not old.is_symlink()
    assert not (shared / DATABASE).exists()
