"""Plans of ``kind: pgbackrest`` by the real program on a real server: backed up, verified, drilled, recovered to a
second, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.lifetime import ending_with_us
from tests.services import plan_commands
from tests.services.lilfox_command import lilfox, running
from tests.services.pgbackrest_stanza import ACCOUNT, Stanza
from tests.services.postgres import SUPERUSER, Postgres
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = pytest.mark.usefixtures("jobs")
SETTINGS_OF_THE_LIVE_SERVER = {
    "recovery_end_command": "touch {0}/acted",
    "archive_cleanup_command": "touch {0}/acted",
    "synchronous_standby_names": "nobody",
    "shared_buffers": "4TB",
    "huge_pages": "on",
    "statement_timeout": "1ms",
    "default_transaction_read_only": "on",
}
OF_A_SINGLE_USER = ("archive_mode=off", "shared_buffers=16MB", "huge_pages=off", "statement_timeout=0")


@pytest.fixture(scope="module")
def stanza() -> Iterator[Stanza]:
    server = Postgres()
    made = Stanza(server, "shop", {"repo1-retention-full": 9, "job-retry": 0, "compress-level": 1})
    with server:
        made.pgbackrest("stanza-create")
        # Written, but read by no reload: it is for the servers of restores alone, which must not act on it.
        for key, value in SETTINGS_OF_THE_LIVE_SERVER.items():
            server.csv(f"ALTER SYSTEM SET {key} = '{value.format(server.folder)}'")
        server.csv("CREATE TABLE shop AS SELECT n AS id, repeat('x', 90) AS text FROM generate_series(1, 3000) n")
        yield made


@pytest.fixture
def plan(stanza: Stanza, tmp_path: Path) -> Iterator[Plan]:
    scratch = stanza.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    if ACCOUNT:
        shutil.chown(scratch, SUPERUSER, SUPERUSER)
    before = set(Path("/tmp").glob("lilfox-pg-????????"))  # of a run beside this one
    yield Plan(stanza, scratch, tmp_path)
    assert [path.name for path in scratch.iterdir() if path.name.startswith("lilfox_drill_")] == []
    assert set(Path("/tmp").glob("lilfox-pg-????????")) <= before
    shutil.rmtree(scratch)


class Plan:
    """The plan ``big`` of a stanza, and LilFox on it."""

    def __init__(self, stanza: Stanza, scratch: Path, folder: Path) -> None:
        self.stanza, self.scratch, self.folder = stanza, scratch, folder
        self.write()

    def write(self, **keys: Any) -> None:
        """Writes the configuration that every call below then reads."""
        account = {"as": SUPERUSER} if ACCOUNT else {}
        plan = {"kind": "pgbackrest", "stanza": "shop", "config": str(self.stanza.config), "role": SUPERUSER}
        plan |= {**account, "scratch": str(self.scratch), **keys}
        plan_commands.write_config({"backup": {"plans": {"big": plan}}})

    lilfox = staticmethod(plan_commands.ends)
    sets = staticmethod(plan_commands.sets)

    def backed_up(self, *words: str) -> str:
        """The label of a new set."""
        return plan_commands.backed_up("big", *words)

    def rows(self, data: Path) -> int:
        """Rows of the table ``shop`` in a data directory."""
        return self.count(data, "FROM shop")

    def count(self, data: Path, what: str, database: str = "postgres") -> int:
        """Rows in a data directory, read by a server on it."""
        settings = [word for setting in OF_A_SINGLE_USER for word in ("-c", setting)]
        program = str(self.stanza.server._bin / "postgres")
        done = subprocess.run(
            [*ACCOUNT, program, "--single", "-D", str(data), *settings, database],
            input=f"SELECT count(*) {what}\n", cwd="/", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return int(done.stdout.partition('count = "')[2].partition('"')[0])


def test_a_plan_is_run_listed_verified_drilled_and_recovered_to_a_second(plan: Plan) -> None:
    stanza, server = plan.stanza, plan.stanza.server
    dry = plan.lilfox("backup", "run", "--dry-run").stdout
    assert ("0 backups; the next one is full" in dry, "archived a segment" in dry) == (True, True)
    full = plan.backed_up()
    server.csv("INSERT INTO shop SELECT n, 'y' FROM generate_series(3001, 3100) n")
    incr = plan.backed_up()
    newest, oldest = plan.sets()
    assert (newest["id"], oldest["id"], incr.startswith(full)) == (incr, full, True)
    assert [each["status"] for each in (newest, oldest)] == ["intact"] * 2
    assert (newest["physical"]["type"], newest["physical"]["references"]) == ("incr", [full])
    told = json.loads(stanza.pgbackrest("info", "--output=json"))[0]["backup"]
    assert [each["size_bytes"] for found in (oldest, newest) for each in found["parts"]] == [
        each["info"]["repository"]["delta"] for each in told
    ]

    target = stanza.now()
    server.csv("INSERT INTO shop SELECT n, 'z' FROM generate_series(3101, 4000) n")
    stanza.archive()
    drilled = plan.lilfox("backup", "drill", "--json")
    document = json.loads(drilled.stdout)
    jsonschema.validate(document, schema("backup-proof"))
    assert (document["set"], document["status"]) == (incr, "restored")
    assert "pg_amcheck found no corruption" in drilled.stderr
    assert plan.sets()[0]["status"] == "restored"
    json.loads(plan.lilfox("backup", "verify", incr, "--json").stdout)
    assert plan.sets()[0]["status"] == "restored"  # reading it does not undo the test

    into = plan.scratch / "new"
    words = ("restore", "--target", target, "--into", into)
    dry = plan.lilfox(*words, "--dry-run").stdout
    assert (f"{incr}" in dry, "on timeline 1" in dry, into.exists()) == (True, True, False)
    assert "no terminal to confirm" in plan.lilfox(*words, code=2).stderr
    done = plan.lilfox(*words, "--yes", "--json")
    jsonschema.validate(json.loads(done.stdout), schema("restore"))
    assert "recovery stopping before commit of transaction" in done.stderr
    assert plan.rows(into) == 3100
    for database in ("postgres", "template1"):
        assert plan.count(into, "FROM pg_extension WHERE extname = 'amcheck'", database) == 0, "as it was backed up"
    assert "it exists already" in plan.lilfox(*words, "--yes", code=1).stderr
    inside = plan.lilfox("restore", incr, "--into", server.folder / "data/new", "--yes", code=1)
    assert "inside the data directory" in inside.stderr
    end = plan.scratch / "end"
    plan.lilfox("restore", incr, "--target", "end", "--into", end, "--yes")
    assert plan.rows(end) == 4000
    assert not (stanza.folder / "acted").exists(), "no command of the live server was run"
    shown = plan.lilfox("backup", "list").stdout
    assert ("can be recovered to any time from" in shown, "(timeline 1)" in shown) == (True, True)
    assert "sets to remove: 0" in plan.lilfox("backup", "prune", "big").stdout


@pytest.mark.fault("1.72")
def test_times_outside_of_the_archive_are_refused_and_a_gap_is_named(plan: Plan) -> None:
    stanza = plan.stanza
    words = ("restore", "--into", plan.scratch / "new", "--yes", "--target")
    plan.backed_up("--type", "full")
    early, future = plan.lilfox(*words, "2001-01-01 00:00:00+00", code=2), "2099-01-01 00:00:00+00"
    assert "no set was complete at 2001-01-01" in early.stderr
    assert "the archive does not reach 2099-01-01" in plan.lilfox(*words, future, code=2).stderr
    stanza.server.csv("INSERT INTO shop VALUES (0, 'before the gap')")
    stanza.archive()
    stanza.server.csv("INSERT INTO shop VALUES (0, 'in the gap')")
    lost = stanza.segment(stanza.archive())
    stanza.server.csv("INSERT INTO shop VALUES (0, 'after the gap')")
    target = stanza.now()
    stanza.server.csv("INSERT INTO shop VALUES (0, 'after the target')")
    stanza.archive()
    name, aside = lost.name[:24], lost.with_name("aside")
    lost.rename(aside)
    try:
        refused = plan.lilfox(*words, target, code=2)
        assert f"WAL segment {name} is missing from the archive" in refused.stderr
        assert plan.sets()[0]["physical"]["missing_wal"] == name
        assert name in plan.lilfox("backup", "list").stderr
    finally:
        aside.rename(lost)
    assert plan.lilfox(*words, target, "--dry-run").stdout.count("✖") == 0


@pytest.mark.fault("1.71")
def test_a_byte_that_changed_in_the_repository_breaks_every_set_that_needs_it(plan: Plan) -> None:
    full = plan.backed_up("--type", "full")
    incr = plan.backed_up("--type", "incr")
    files = (plan.stanza.folder / f"repo/backup/shop/{full}/pg_data/base").glob("*/*")
    file = max(files, key=lambda each: each.stat().st_size)
    good = file.read_bytes()
    file.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    try:
        done = plan.lilfox("backup", "verify", full, code=1)
        assert "checksum invalid: 1" in done.stderr
        states = {each["id"]: each for each in plan.sets()}
        assert [states[label]["status"] for label in (full, incr)] == ["broken", "broken"]
        assert full in states[incr]["reason"]
        refused = plan.lilfox("restore", incr, "--into", plan.scratch / "new", "--yes", code=1)
        assert "is broken" in refused.stderr
        assert not (plan.scratch / "new").exists()
    finally:
        file.write_bytes(good)
    plan.lilfox("backup", "verify", full)
    assert {each["status"] for each in plan.sets() if each["id"] in (full, incr)} == {"intact"}


@pytest.mark.fault("1.75")
def test_a_table_that_is_corrupt_on_the_server_breaks_a_drill_and_stops_a_restore(plan: Plan) -> None:
    """pgBackRest copies pages as they are: without checksums of pages it notices nothing."""
    stanza, server = plan.stanza, plan.stanza.server
    server.csv("CREATE TABLE sold AS SELECT n AS id FROM generate_series(1, 10) n")
    server.csv("CHECKPOINT")
    [[path]] = server.csv("SELECT pg_relation_filepath('sold')")
    file = stanza.folder / "data" / path
    page = file.read_bytes()
    begins = int.from_bytes(page[24:28], sys.byteorder) & 0x7FFF  # of the first row, by its line pointer
    file.write_bytes(page[: begins + 22] + b"\xff" + page[begins + 23 :])  # where its data begin
    try:
        found = plan.backed_up("--type", "full")
        into = plan.scratch / "new"
        refused = plan.lilfox("restore", found, "--into", into, "--yes", code=1)
        drilled = plan.lilfox("backup", "drill", "--json", code=1)
    finally:
        file.write_bytes(page)
        server.csv("DROP TABLE sold")
    assert json.loads(drilled.stdout)["status"] == "broken"
    assert "data begins at offset 255" in drilled.stderr
    assert ("is corrupt" in refused.stderr, into.exists()) == (True, False)
    newest = plan.sets()[0]
    assert (newest["id"], newest["status"]) == (found, "broken")


@pytest.mark.fault("1.73")
def test_a_backup_that_is_held_or_killed_is_told_and_the_next_one_is_whole(plan: Plan) -> None:
    before = [each["id"] for each in plan.sets()]
    argv = [*ACCOUNT, "pgbackrest", f"--config={plan.stanza.config}", "--stanza=shop", "--type=full", "backup"]
    other = subprocess.Popen(ending_with_us(*argv), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = _at_work(plan.stanza)
    os.kill(pid, signal.SIGSTOP)
    try:
        held = plan.lilfox("backup", "run", "big", code=1)
        assert "another pgbackrest of this stanza is at work" in held.stderr
    finally:
        os.kill(pid, signal.SIGKILL)
        os.kill(other.pid, signal.SIGCONT)  # runuser has stopped with it
        other.wait(60)
    with running(("backup", "run", "big", "--type", "full"), plan.folder / "killed") as job:
        os.kill(_at_work(plan.stanza), signal.SIGKILL)
        assert job.wait(60) == 1
    assert "failed on localhost: Killed" in (plan.folder / "killed.err").read_text()
    assert [each["id"] for each in plan.sets()] == before
    assert plan.backed_up("--type", "full") == plan.sets()[0]["id"]


def _at_work(stanza: Stanza) -> int:
    """The pid of pgbackrest as soon as it holds the lock of a backup."""
    held = stanza.folder / "lock"

    def found() -> int:
        for file in held.glob("shop-backup*.lock"):
            with suppress(OSError, ValueError):
                pid = int(json.loads(file.read_bytes())["pid"])
                if b"backup" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    return pid
        return 0

    wait_for(found, what="pgbackrest holds the lock of a backup")
    return found()


@pytest.mark.root
@pytest.mark.fault("1.73")
def test_a_full_repository_leaves_the_sets_before(plan: Plan) -> None:
    before = [each["id"] for each in plan.sets()]
    small = plan.stanza.folder / "repo/backup"
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    copied = plan.stanza.folder / "copied"
    subprocess.run(["cp", "-a", small, copied], check=True)
    argv = ["mount", "-t", "tmpfs", "-o", "size=300k,mode=755", "none", str(small)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount")
    try:
        (small / "shop").mkdir()
        for name in ("backup.info", "backup.info.copy"):
            shutil.copy(copied / "shop" / name, small / "shop" / name)
        subprocess.run(["chown", "-R", f"{SUPERUSER}:", small], check=True)
        done = plan.lilfox("backup", "run", "big", "--type", "full", code=1)
        assert ("unable to write" in done.stderr, "free up space" in done.stderr) == (True, True), done.stderr
    finally:
        subprocess.run(["umount", "-l", small], check=True)
        shutil.rmtree(copied)
    assert [each["id"] for each in plan.sets()] == before


@pytest.mark.root
@pytest.mark.fault("1.73")
def test_a_filesystem_that_is_full_when_wal_is_replayed_is_told(plan: Plan) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    found = plan.backed_up("--type", "full")
    size = next(each["physical"]["database_bytes"] for each in plan.sets() if each["id"] == found)
    small = plan.scratch / "small"
    small.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size + 6_000_000},mode=777", "none", str(small)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount")
    try:
        done = plan.lilfox("restore", found, "--into", small / "new", "--yes", code=1)
        assert "WAL could not be written into the new data directory" in done.stderr
        assert "Is its filesystem full?" in done.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_wrong_stanza_and_a_broken_configuration_are_told(plan: Plan) -> None:
    plan.write(stanza="other")
    for words in (("backup", "run", "big"), ("backup", "verify")):
        done = plan.lilfox(*words, code=1)
        assert ("stanza other: missing stanza path" in done.stderr, "stanza-create" in done.stderr) == (True, True)
    assert "missing stanza path" in plan.lilfox("backup", "run", "--dry-run", code=1).stdout
    assert "missing stanza path" in lilfox("backup", "list").stderr
    plan.write(config=str(plan.folder / "no.conf"))
    assert "no.conf" in plan.lilfox("backup", "run", "big", code=1).stderr
    plan.write(scratch="/nothere")
    refused = plan.lilfox("backup", "drill", code=1)
    assert "scratch folder /nothere" in refused.stderr
    plan.write()
    assert "kind pgbackrest" in lilfox("restore", "latest", "--store", plan.folder, "--into", "/x").stderr
    assert "has no tag" in plan.lilfox("backup", "run", "big", "--tag", "1", code=2).stderr


def test_a_run_that_is_longer_than_the_window_is_told(plan: Plan) -> None:
    plan.write(window="1ms")
    told = plan.lilfox("backup", "run", "big", "--dry-run", "--type", "full").stdout
    assert ("longer than the backup window of 1 ms" in told, "process-max" in told) == (True, True)


def test_how_much_is_done_is_told_of_bundled_files_too(plan: Plan) -> None:
    bundled = plan.stanza.folder / "bundled.conf"
    bundled.write_text(plan.stanza.config.read_text().replace("[global]", "[global]\nrepo1-bundle=y"))
    plan.write(config=str(bundled))
    plan.backed_up()  # its size is what the next one is measured by
    made = plan.backed_up("--type", "full")
    (job,) = (each for each in json.loads(lilfox("jobs", "--json").stdout)["jobs"] if made in each["message"])
    (progress,) = job["progress"]
    assert progress["done_bytes"] == progress["total_bytes"] > 0


def test_newer_than_the_last_set_is_late_and_its_age_is_a_metric(plan: Plan) -> None:
    plan.write(schedule="0 2 * * *")
    plan.backed_up("--type", "full")  # pgbackrest finds no file of an unbundled set in a bundled one
    document = json.loads(lilfox("check", "--json").stdout)
    (view,) = document["backups"]
    assert (view["plan"], view["newest_status"], view["late"]) == ("big", plan.sets()[0]["status"], False)
    assert view["newest_good_at"] is not None
    at = datetime.fromisoformat(view["newest_good_at"])
    assert 0 <= (datetime.now(UTC) - at).total_seconds() < 3600
