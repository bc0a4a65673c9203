"""What version 0.1.0 left on the disk is read, verified, exported, undone and settled by the code of today."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.silences import alerts_from_storage
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.config.loader import load
from lilfox_tui.core import maintenance
from lilfox_tui.incident.model import TIMELINE
from lilfox_tui.incident.timeline import TimelineReader
from lilfox_tui.jobs.listing import list_jobs, unsettled
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.recovery.history import RecoveryHistory
from lilfox_tui.runbook.library import first_run
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run.persistence import facts_of, newest_run, request_of_run, runbook_of
from lilfox_tui.runbook.run.reducer import RunReducer
from tests.services.lilfox_command import lilfox

STATE = Path(__file__).parent.parent / "state" / "0.1.0"
MADE_AT = "/tmp/lilfox-0.1.0"
KEY = "made-for-the-state-of-0.1.0-and-for-nothing-else"
WITH_PATHS = ("config.yaml", "state/lilfox/restores", "state/lilfox/runbooks")
"""What names files that are used here; timelines and manifests are chained and signed, and stay as they are."""
EMPTY = ("app/public/uploads_before_20261129_035925/2026", "site/..env.lilfox_restore_20261129_035928")
NEWEST, TAGGED, SITE = "app_20261129_035910", "app_20261129_035904", "site_20261129_035906"
RUN, KILLED_RUN, ALLOWED_RUN = "20261129-035912-6b34", "20261129-035916-9134", "20261129-035921-eb9d"
RESTORE, KILLED_RESTORE = "20261129-035924-629e", "20261129-035926-69b8"
LAST_ENTRY = "38:c9cd1c62a7f9e5199ed75a8b2cbd3153691e13a0296366e4aca7a106c412a84d"
SOON_AFTER = datetime(2026, 11, 29, 4, tzinfo=UTC)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with the modes and times that it had, as the state of whoever runs the test."""
    place = tmp_path / "old"
    shutil.copytree(STATE, place)
    for name in EMPTY:
        (place / name).mkdir()
    for name in WITH_PATHS:
        for file in [place / name] if (place / name).is_file() else (place / name).iterdir():
            file.write_text(file.read_text().replace(MADE_AT, str(place)))
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (SOON_AFTER.timestamp(),) * 2)
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LILFOX_SIGNING_KEY", KEY)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return place


def run(old: Path, *words: str, code: int = 0) -> str:
    done = lilfox("--config", old / "config.yaml", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def answer(old: Path, *words: str, code: int = 0) -> Any:
    return json.loads(run(old, *words, "--json", code=code))


def test_sets_are_listed_with_their_proofs_signatures_and_tags(old: Path) -> None:
    found = answer(old, "backup", "list", code=3)  # one restore was interrupted
    assert [(each["id"], each["status"], each["signature"], each.get("tag")) for each in found] == [
        (NEWEST, "intact", "good", None),
        (SITE, "intact", "good", "before-the-change"),
        (TAGGED, "intact", "good", "before-the-change"),
    ]
    assert [part["name"].partition("_2026")[0] for part in found[0]["parts"]] == ["env", "config", "uploads"]


def test_a_set_is_verified_again_and_restored(old: Path) -> None:
    """Into a scratch folder: each part is unpacked and compared."""
    (old / "state/lilfox/restores" / f"{KILLED_RESTORE}.json").unlink()
    assert answer(old, "backup", "verify", NEWEST)["status"] == "intact"
    shutil.rmtree(old / "app")
    (old / "app/public").mkdir(parents=True)
    run(old, "restore", TAGGED, "--plan", "app", "--yes")
    assert (old / "app/.env").read_text() == "MODE=blue\nWORKERS=4\n"
    assert (old / "app/public/uploads/2026/photo.jpg").read_text() == "a photograph"


def test_a_part_that_was_altered_is_found_by_the_old_manifest(old: Path) -> None:
    (old / "store" / "env_20261129_035910").write_text("MODE=green\nWORKERS=9\n")
    done = lilfox("--config", old / "config.yaml", "backup", "verify", NEWEST)
    assert done.returncode == 1
    assert "env_20261129_035910" in done.stdout + done.stderr


def test_a_manifest_that_was_altered_is_not_trusted(old: Path) -> None:
    manifest = old / "store" / f"{NEWEST}.manifest.json"
    manifest.write_text(manifest.read_text().replace('"plan":"app"', '"plan":"web"'))
    found = {each["id"]: each for each in answer(old, "backup", "list", code=3)}
    assert (found[NEWEST]["status"], found[TAGGED]["status"]) == ("broken", "intact")


def test_a_restore_is_undone_to_what_it_retained(old: Path) -> None:
    (old / "state/lilfox/restores" / f"{KILLED_RESTORE}.json").unlink()  # it would be settled first
    run(old, "restore", "--undo", TAGGED, "--yes")
    assert (old / "app/.env").read_text() == "MODE=green\nWORKERS=8\n"
    assert (old / "app/public/uploads/minutes.txt").read_text() == "minutes of the second meeting\n"
    assert not (old / "app/public/uploads/2026/photo.jpg").exists()
    assert (old / "app/config/web.yaml").read_text() == "port: 8080\n"


@pytest.mark.parametrize(
    ("way", "env", "page"), [("--finish", "MODE=old\n", "<p>old\n"), ("--take-back", "MODE=new\n", "<p>new\n")]
)
def test_a_restore_that_was_killed_between_its_renames_is_settled(old: Path, way: str, env: str, page: str) -> None:
    (found,) = interrupted.open_restores()
    assert (found.run, found.set, found.stage) == (KILLED_RESTORE, SITE, "swapping")
    run(old, "backup", "settle", KILLED_RESTORE, way)
    assert (old / "site/.env").read_text() == env
    assert (old / "site/config/site.yaml").read_text() == "theme: old\n"
    assert (old / "site/pages/index.html").read_text() == page
    assert interrupted.open_restores() == []


def test_what_restores_retain_is_listed(old: Path) -> None:
    kept = answer(old, "restore", "--kept")
    assert {(each["set"], each["stage"], Path(each["target"]).name) for each in kept} == {
        (SITE, "swapping", ".env"),
        (SITE, "swapping", "config"),
        (SITE, "swapping", "pages"),
        (TAGGED, "swapped", ".env"),
        (TAGGED, "swapped", "config"),
        (TAGGED, "swapped", "uploads"),
    }
    assert all(each["there"] for each in kept)


@pytest.mark.usefixtures("old")
def test_jobs_are_listed_ended_and_killed() -> None:
    jobs = {job.id: job for job in list_jobs()}
    assert {key: (job.kind, job.state) for key, job in jobs.items()} == {
        "20261129-035903-c71d": ("backup", "ok"),
        "20261129-035905-34e1": ("backup", "ok"),
        "20261129-035909-580a": ("backup", "ok"),
        RUN: ("runbook", "ok"),
        KILLED_RUN: ("runbook", "unknown"),
        ALLOWED_RUN: ("runbook", "ok"),
        RESTORE: ("restore", "ok"),
        KILLED_RESTORE: ("restore", "unknown"),
    }
    assert {job.id for job in unsettled(list(jobs.values()))} == {KILLED_RUN, KILLED_RESTORE}
    backup = jobs["20261129-035903-c71d"]
    assert (backup.host, backup.user, backup.key) == ("console-1", "root", "backup app")
    assert backup.result["set"] == TAGGED
    assert backup.ended == datetime(2026, 11, 29, 3, 59, 4, 793595, tzinfo=UTC)
    assert MADE_AT in jobs[KILLED_RESTORE].message


def test_a_job_is_replayed_and_checked(old: Path) -> None:
    told = run(old, "attach", RUN)
    assert "1. Look.: here: ls -d ‹/srv›" in told
    run(old, "jobs", "checked", KILLED_RESTORE)
    assert {job.id for job in unsettled(list_jobs())} == {KILLED_RUN}


@pytest.mark.usefixtures("old")
def test_a_run_is_reduced_to_its_state() -> None:
    reducer = RunReducer(runbook_of(RUN))
    reducer.take(facts_of(RUN))
    state = reducer.state()
    assert [step.state for step in state.steps] == ["done", "done"]
    assert (state.waiting.what, state.values) == ("end", {"mount": "/srv"})
    assert (state.incident, state.hosts) == ("INC-1", {"here": ("here",), "each": ("here",)})
    assert [change.shown for change in state.changes] == [f"touch {MADE_AT}/home/changed-by-runbook"]


@pytest.mark.usefixtures("old")
def test_a_run_that_was_killed_can_be_resumed_where_it_was() -> None:
    assert newest_run(KILLED_RUN) == KILLED_RUN
    request, runbook = request_of_run(KILLED_RUN), runbook_of(KILLED_RUN)
    assert (request.path, request.hosts, request.runbook) == (f"{MADE_AT}/runbooks/wait.md", "here", runbook.id)
    assert [command.text for step in runbook.steps for command in step.commands] == [
        'echo "the queue has 3 messages"',
        f"touch {MADE_AT}/home/draining",
        "sleep 600",
        'echo "drained"',
    ]
    reducer = RunReducer(runbook)
    reducer.take(facts_of(KILLED_RUN))
    state = reducer.state()
    assert [step.state for step in state.steps] == ["done", "running", "ready"]


def test_a_file_that_was_allowed_is_not_asked_again(old: Path) -> None:
    config, file = load(old / "config.yaml").config.runbooks, old / "else" / "found.md"
    assert first_run(read(file).runbooks[0], config) is None
    file.write_text(file.read_text() + "\n")
    asked = first_run(read(file).runbooks[0], config)
    assert asked is not None
    assert asked.changed


def test_incidents_are_listed_and_verified(old: Path) -> None:
    listed = answer(old, "incident", "list", "--all")["incidents"]
    assert [(each["id"], each["severity"], each["title"], each["closed"] is None) for each in listed] == [
        ("INC-2", "SEV-3", "The disk fills", True),
        ("INC-1", "SEV-2", "The queue of mails grows", False),
    ]
    assert LAST_ENTRY in run(old, "incident", "verify", "INC-1")


def test_an_altered_line_of_a_timeline_is_named(old: Path) -> None:
    timeline = old / "state/lilfox/incidents/INC-1" / TIMELINE
    timeline.write_text(timeline.read_text().replace("drain it", "drink it"))
    done = lilfox("--config", old / "config.yaml", "incident", "verify", "INC-1")
    assert done.returncode == 1
    assert "3" in done.stdout + done.stderr


def test_the_timeline_of_an_incident_has_all_that_was_written(old: Path) -> None:
    entries = TimelineReader(old / "state/lilfox/incidents/INC-1").read()
    kinds = [type(entry.what).__name__ for entry in entries]
    assert (kinds[0], kinds[-1], len(kinds)) == ("IncidentOpened", "Closed", 38)
    assert set(kinds) == {
        "IncidentOpened", "Noted", "Decided", "RoleAssigned", "AlertChanged", "EvidenceKept", "JobBegan", "JobEnded",
        "StepBegan", "StepEnded", "Marked", "Closed",
    }  # fmt: skip


def test_an_incident_is_exported_with_its_evidence(old: Path, tmp_path: Path) -> None:
    run(old, "incident", "export", "INC-1", "--to", str(tmp_path / "out"))
    text = (tmp_path / "out/INC-1.md").read_text()
    parts = ("casey", "drain it", "the queue was drained by hand", "`sleep 600`", "[queue.txt](evidence/queue.txt)")
    assert [part for part in parts if part not in text] == []
    assert (tmp_path / "out/evidence/queue.txt").read_text() == "queue=mail messages=3\n"
    assert len(list((tmp_path / "out/evidence").iterdir())) == 5


def test_a_timeline_is_written_on(old: Path) -> None:
    run(old, "incident", "note", "seen by the next version")
    run(old, "incident", "reopen", "INC-1", "--reason", "it grows again")
    run(old, "incident", "verify", "INC-2")
    run(old, "incident", "verify", "INC-1")
    assert len(TimelineReader(old / "state/lilfox/incidents/INC-1").read()) == 39


def test_alerts_silences_and_events_are_read(old: Path) -> None:
    folder = state_folder(old / "config.yaml")
    assert folder is not None
    (old / "state/lilfox/alerts/5be48f5de46b").rename(folder)  # named after the place of the configuration
    storage = AlertStorage(AlertDatabase(folder / DATABASE))
    try:
        alerts = {alert.name: alert for alert in alerts_from_storage(storage, SOON_AFTER).alerts}
        assert {name: alert.state for name, alert in alerts.items()} == {
            "AlwaysThere": AlertState.FIRING,
            "OfTheQueue": AlertState.PENDING,
        }
        acknowledged = alerts["AlwaysThere"].acknowledged
        assert acknowledged is not None
        assert acknowledged.note == "seen by casey"
        (silence,) = storage.silences()
        assert silence.comment == "the mail queue is worked on"
        assert alerts["OfTheQueue"].silenced_by == (silence.id,)
        assert [event.kind for event in storage.events(10)] == ["silenced", "acknowledged", "fired"]
    finally:
        storage.database.close()


@pytest.mark.usefixtures("old")
def test_a_maintenance_window_is_open() -> None:
    (window,) = maintenance.windows(SOON_AFTER)
    assert (window.name, window.by, window.why) == ("here", "root@console-1", "new memory")


@pytest.mark.usefixtures("old")
def test_restarts_of_units_are_remembered() -> None:
    found = RecoveryHistory().read()
    assert {key: (record.state, len(record.restarts), record.told) for key, record in found.items()} == {
        "here/web.service": ("waiting", 1, False),
        "here/mail.service": ("given up", 3, True),
    }


def test_the_last_visit_is_known_and_kept(old: Path) -> None:
    seen = old / "state/lilfox/seen.json"
    before = msgspec.json.decode(seen.read_bytes())
    ChangeLog(seen).save()
    assert msgspec.json.decode(seen.read_bytes()) == before
    assert before["host/here"]["mounts"] == ["/"]
