"""A restore of a database and of files whose process is killed between their renames, at each of its steps: every face
says at once that it was interrupted and what is in place, and it is finished or reverted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from contextlib import suppress
from typing import Any

import jsonschema
import pytest

from lilfox_tui.backup import effects
from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.cli.schemas import schema
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.listing import find_job, list_jobs
from tests.services.backup_lab import ROWS, BackupLab, lab, server
from tests.services.lilfox_command import LILFOX
from tests.services.postgres import Postgres
from tests.unit.backup.noted_run import NotedRun
from tests.unit.jobs.running import all_events, jobs
from tests.waiting import wait_for

__all__ = ["jobs", "lab", "server"]
pytestmark = pytest.mark.usefixtures("jobs")
STEPS = {
    "journal": ("before", "before"),
    "swap-first": ("before", "before"),
    "swap-second": ("restored", "before"),
    "swap-first:2": ("restored", "neither"),
    "swap-second:2": ("restored", "restored"),
}
"""Where it is killed → what is in place of the database and of the folder."""


def killed(lab: BackupLab, at: str) -> str:
    """A set that was being restored when the process was killed at that step; its id."""
    lab.planned({"nightly": lab.plan(sources=dict(sorted(lab.plan()["sources"].items())))})
    name = lab.run("nightly").stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("today\n")
    assert lab.lilfox("restore", name, "--yes", env={"LILFOX_CRASH_AT": at}).returncode != 0
    return name


def as_of_today(lab: BackupLab) -> tuple[bool, bool]:
    """Whether database and folder are as they were before the restore."""
    return lab.rows() == 10, (lab.uploads / "a.txt").read_text() == "today\n"


def told(lab: BackupLab) -> list[dict[str, Any]]:
    done = lab.lilfox("backup", "settle", "--json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("backup-settle"))
    found: list[dict[str, Any]] = document["interrupted_restores"]
    assert done.returncode == bool(found)
    return found


@pytest.mark.fault("4.42")
@pytest.mark.parametrize("way", ["--finish", "--take-back"])
@pytest.mark.parametrize("at", STEPS)
def test_a_restore_killed_in_the_swap_is_told_and_settled(lab: BackupLab, at: str, way: str) -> None:
    name = killed(lab, at)
    [half] = told(lab)
    assert half["set"] == name
    assert {side["target"]: side["standing"] for side in half["sides"]} == dict(
        zip((lab.database, str(lab.uploads)), STEPS[at], strict=True)
    )
    done = lab.lilfox("backup", "settle", way)
    assert done.returncode == 0, done.stdout + done.stderr
    assert as_of_today(lab) == ((False, False) if way == "--finish" else (True, True))
    assert told(lab) == []
    assert lab.lilfox("jobs").returncode == 0, "the job that was killed is looked after"
    if way == "--finish":
        assert lab.rows() == ROWS
        assert lab.lilfox("restore", "--undo", name).returncode == 0
        assert as_of_today(lab) == (True, True)
    else:
        assert lab.lilfox("restore", name, "--yes").returncode == 0, "it can be restored again"


@pytest.mark.fault("4.42")
def test_every_face_says_at_once_that_it_is_interrupted(lab: BackupLab) -> None:
    name = killed(lab, "swap-second")
    said = f"the restore of {name} was interrupted"
    for words in (("backup", "list"), ("jobs",), ("backup", "settle"), ("check",)):
        done = lab.lilfox(*words)
        text = done.stdout + done.stderr
        assert done.returncode != 0, words
        assert said in text, words
        assert f"restored data: {lab.database}" in text, words
        assert f"previous data: {lab.uploads}" in text, words
        assert "--finish" in text, words
        assert "--take-back" in text, words
    [found] = [each for each in lab.sets("--plan", "nightly") if each["id"] == name]
    assert [side["standing"] for side in found["interrupted_restores"][0]["sides"]] == ["restored", "before"]
    for words, kind in ((("jobs", "--json"), "jobs"), (("check", "--json"), "check")):
        document = json.loads(lab.lilfox(*words).stdout)
        jsonschema.validate(document["interrupted_restores"], schema(kind)["properties"]["interrupted_restores"])
        assert [half["set"] for half in document["interrupted_restores"]] == [name]
    assert json.loads(lab.lilfox("check", "--json").stdout)["level"] == "failing"


@pytest.mark.fault("4.42")
def test_an_undo_that_is_killed_is_told_and_settled_both_ways(lab: BackupLab) -> None:
    lab.planned({"nightly": lab.plan(sources=dict(sorted(lab.plan()["sources"].items())))})
    name = lab.run("nightly").stdout.strip()
    for way, today in (("--finish", True), ("--take-back", False)):
        lab.sql("DELETE FROM users WHERE id > 10")
        (lab.uploads / "a.txt").write_text("today\n")
        assert lab.lilfox("restore", name, "--yes").returncode == 0
        assert lab.lilfox("restore", "--undo", name, env={"LILFOX_CRASH_AT": "swap-second"}).returncode != 0
        [half] = told(lab)
        assert half["undoing"] is True
        assert "undoing the restore of" in half["message"]
        assert lab.lilfox("backup", "settle", way).returncode == 0
        assert as_of_today(lab) == (today, today)
        assert told(lab) == []


@pytest.mark.fault("4.42")
def test_a_host_that_does_not_answer_is_said_and_keeps_nothing_from_being_told(
    lab: BackupLab, server: Postgres
) -> None:
    name = killed(lab, "swap-second")
    server.stop()
    try:
        [half] = told(lab)
        assert half["set"] == name
        assert [side["standing"] for side in half["sides"]] == ["unknown", "before"]
        assert " unknown: " in half["message"]
        assert lab.lilfox("backup", "settle", "--finish").returncode == 1
        assert len(told(lab)) == 1, "it is still interrupted"
    finally:
        server.start()
    assert lab.lilfox("backup", "settle", "--finish").returncode == 0
    assert as_of_today(lab) == (False, False)


class Stopping(NotedRun):
    """A run whose server dies while its staging database is there."""

    def __init__(self, server: Postgres) -> None:
        super().__init__()
        self._server, self._stopped = server, False

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """See ``Run.moved``."""
        if not self._stopped and part == "database" and len(databases_of(self._server)) > 1:
            self._stopped = True
            self._server.stop()


@pytest.mark.fault("4.43")
@pytest.mark.parametrize("then", ["prune", "run", "restore"])
async def test_what_a_server_that_died_kept_is_named_and_goes_with_the_next_run(
    lab: BackupLab, server: Postgres, then: str
) -> None:
    lab.planned({"nightly": lab.plan(keep={"last": 3})})
    name = lab.run("nightly").stdout.strip()
    noted = Stopping(server)
    request = BackupRequest(config=str(lab.config), plan="nightly", set=name)
    try:
        with pytest.raises(LilFoxError) as caught:
            await effects.restore(noted, as_document(request))
    finally:
        server.start()
    left = [each for each in databases_of(server) if each != lab.database]
    told = "\n".join([str(caught.value), str(caught.value.hint), *(text for _level, text in noted.said)])
    assert "is removed" not in told
    assert len(left) == 1
    assert f'DROP DATABASE "{left[0]}"' in told
    words = {"prune": ("prune", "nightly", "--yes"), "run": ("run", "nightly"), "restore": ()}[then]
    done = lab.lilfox("backup", *words) if words else lab.lilfox("restore", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not {*left} & {*databases_of(server)}


def databases_of(server: Postgres) -> list[str]:
    return [name for [name] in server.csv("SELECT datname FROM pg_database WHERE datname LIKE '%lilfox%' ORDER BY 1")]


@pytest.mark.fault("4.42")
@pytest.mark.parametrize("at", ["stage", "stage:2", "compare"])
def test_a_restore_killed_before_the_swap_is_not_interrupted(lab: BackupLab, at: str) -> None:
    name = killed(lab, at)
    assert as_of_today(lab) == (True, True)
    assert told(lab) == []
    done = lab.lilfox("backup", "settle", name, "--finish")
    assert done.returncode == 1
    assert "no restore of" in done.stdout + done.stderr
    assert as_of_today(lab) == (True, True)


@pytest.mark.fault("4.42")
def test_a_restore_killed_at_any_moment_is_of_one_day_or_says_that_it_is_not(lab: BackupLab) -> None:
    chance = random.Random(seed := random.SystemRandom().randrange(1 << 32))
    lab.planned({"nightly": lab.plan(sources=dict(sorted(lab.plan()["sources"].items())))})
    name = lab.run("nightly").stdout.strip()
    for _kill in range(4):
        lab.sql("DELETE FROM users WHERE id > 10")
        (lab.uploads / "a.txt").write_text("today\n")
        kill_a_restore(name, after_events=chance.randrange(1, 12))
        if found := told(lab):
            assert found[0]["set"] == name
            way = chance.choice(["--finish", "--take-back"])
            assert lab.lilfox("backup", "settle", way).returncode == 0
            assert as_of_today(lab) == ((False, False) if way == "--finish" else (True, True)), f"seed {seed}"
        assert as_of_today(lab) in ((True, True), (False, False)), f"seed {seed}"
        assert told(lab) == []


def kill_a_restore(name: str, *, after_events: int) -> None:
    """Begins it, and kills its job once it has said so much, or lets it end where that is sooner."""
    before = {job.id for job in list_jobs()}

    def begun() -> set[str]:
        return {job.id for job in list_jobs()} - before

    with subprocess.Popen([*LILFOX, "restore", name, "--yes"], stdin=subprocess.DEVNULL) as command:
        wait_for(begun, what="the job has begun")
        [job] = begun()

        def so_far() -> bool:
            return is_over(job) or len(all_events(job)) >= after_events

        wait_for(so_far, what="it has come so far")
        if not is_over(job) and (pid := find_job(job).pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command.wait(60)


def is_over(job: str) -> bool:
    return find_job(job).state != "running"
