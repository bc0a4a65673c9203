"""What may happen to a run of a backup, by the real program as a job: what the list then says, and the next run."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.core.crash import CRASH_AT
from lilfox_tui.jobs.listing import list_jobs
from tests.services.backup_lab import ROWS, BackupLab, files, lab, server
from tests.services.lilfox_command import LILFOX
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["files", "jobs", "lab", "server"]
pytestmark = pytest.mark.usefixtures("jobs")
MUCH = 40_000_000


def is_honest(lab: BackupLab) -> None:
    """Whatever the list calls good is whole: reading it all again says so."""
    for name, status in lab.status().items():
        if status in ("intact", "restored"):
            done = lab.lilfox("backup", "verify", *lab.where, name)
            assert done.returncode == 0, done.stderr


@pytest.mark.fault("1.12", "S37")
@pytest.mark.parametrize(
    "at",
    ["connect", "dump", "dump:2", "dump:3", "hash", "hash:3", "fsync", "fsync:3", "fsync:4", "rename", "manifest",
     "verify", "prune"],
)  # fmt: skip
def test_12_killed_at_any_phase_no_set_is_called_good_that_is_not_and_the_next_run_is(lab: BackupLab, at: str) -> None:
    lab.planned({"nightly": lab.plan(keep={"last": 1})})
    lab.run("nightly")
    (old,) = lab.status()
    done = lab.lilfox("backup", "run", "nightly", env={CRASH_AT: at})
    assert done.returncode == 1
    assert "its process is gone and left no result" in done.stderr
    (job,) = [job for job in list_jobs() if job.state == "unknown"]
    assert job.kind == "backup"
    assert lab.status()[old] == "intact"
    is_honest(lab)
    lab.run("nightly")
    assert set(lab.status().values()) == {"intact"}, lab.sets()
    assert lab.left() == []
    assert old not in lab.status()


@pytest.mark.fault("1.12")
@pytest.mark.parametrize("seed", range(5))
def test_12_killed_at_any_moment(files: BackupLab, seed: int) -> None:
    (files.uploads / "much").write_bytes(random.Random(seed).randbytes(MUCH))
    old = files.run().stdout.strip()
    with begun(files) as program:
        threading.Event().wait(random.Random(seed).uniform(0.1, 1.0))
        for job in list_jobs():
            if job.state == "running" and job.pid is not None:
                os.kill(job.pid, signal.SIGKILL)
        program.wait(60)
    assert files.status()[old] == "intact"
    is_honest(files)
    files.run()
    assert files.left() == []
    assert files.sets()[0]["status"] == "intact"


@contextmanager
def begun(lab: BackupLab, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A run that is on its way."""
    argv = [*LILFOX, "backup", "run", *lab.words, *lab.where]
    before = {job.id for job in list_jobs()}
    program = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **more},
    )  # fmt: skip
    try:
        if not more:
            wait_for(lambda: {job.id for job in list_jobs()} - before, what="its job is there")
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.mark.fault("1.64")
@pytest.mark.parametrize("seed", range(10))
def test_64_interrupted_at_any_moment_it_cleans_up(files: BackupLab, seed: int) -> None:
    (files.uploads / "much").write_bytes(random.Random(seed).randbytes(MUCH))
    old = files.run().stdout.strip()
    with begun(files) as program:
        threading.Event().wait(random.Random(seed).uniform(0.0, 1.2))
        program.send_signal(signal.SIGINT)
        if seed % 2:
            program.send_signal(signal.SIGINT)
        code = program.wait(60)
        said = program.communicate()[1]
    wait_for(lambda: all(job.state != "running" for job in list_jobs()), what="its clean-up has ended")
    ended = next(iter(list_jobs()))
    assert code in (0, 130, -signal.SIGINT), said  # the last one: it had ended, and was about to say so
    assert ended.state in ("ok", "cancelled", "failed"), ended
    assert files.left() == []
    assert files.status()[old] == "intact"
    assert set(files.status().values()) <= {"intact", "unverified"}
    is_honest(files)


@contextmanager
def stopped(lab: BackupLab) -> Iterator[None]:
    """The table is held, so that a run waits in the middle."""
    assert lab.server is not None
    argv = [str(lab.server._bin / "psql"), "-X", "-q", "-h", str(lab.server.folder), "-p", str(lab.server.port)]
    session = subprocess.Popen(
        [*argv, "-U", "lilfox", "-d", lab.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(b"BEGIN; LOCK TABLE users;\n\\echo held\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        session.communicate(timeout=60)


@pytest.mark.fault("1.17", "2.16")
@pytest.mark.parametrize("same_user", [True, False])
def test_17_of_two_runs_at_once_one_runs_and_the_other_says_who_holds_it(lab: BackupLab, same_user: bool) -> None:
    """Of one user the job's key tells; of another user, or another machine, the store's lock."""
    elsewhere = {} if same_user else {"XDG_STATE_HOME": str(lab.folder / "state")}
    with begun(lab) as first:
        with stopped(lab):
            wait_for(lambda: list(lab.store.glob("*.part")) or waits(lab), what="the first is at it")
            second = lab.run(code=1, env=elsewhere)
        assert first.wait(60) == 0
    holder = next(iter(list_jobs())).id
    assert holder in second.stderr if same_user else f"backup {lab.database}" in second.stderr, second.stderr
    assert "hint: " in second.stderr
    assert list(lab.status().values()) == ["intact"]
    assert lab.left() == []


def waits(lab: BackupLab) -> bool:
    return lab.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != []


@pytest.mark.fault("1.17")
def test_17_a_race_of_many_has_one_winner_each_time(files: BackupLab) -> None:
    (files.uploads / "much").write_bytes(os.urandom(MUCH))
    argv = [*LILFOX, "backup", "run", *files.words, *files.where]
    for _round in range(3):
        before = len(files.sets()) if files.store.exists() else 0
        programs = [
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _each in range(4)
        ]
        told = [(program.communicate(timeout=90)[1], program.returncode) for program in programs]
        winners = [code for _said, code in told].count(0)
        assert 1 <= winners <= 4
        assert all("working on it" in said or "in use by" in said for said, code in told if code)
        assert len(files.sets()) == before + winners
        assert set(files.status().values()) == {"intact"}
        assert files.left() == []


@pytest.mark.fault("1.25")
def test_25_a_set_that_a_restore_reads_is_not_pruned_meanwhile(lab: BackupLab) -> None:
    lab.planned({"nightly": lab.plan()})
    lab.run("nightly")
    (old,) = lab.status()
    lab.run("nightly")
    lab.planned({"nightly": lab.plan(keep={"last": 1})})
    lab.sql("DELETE FROM users WHERE id > 10")
    with halted_restore(lab, old) as program:
        for words in (("backup", "prune", "nightly", "--yes"), ("backup", "run", "nightly")):
            done = lab.lilfox(*words)
            assert done.returncode == 1
            assert "in use by restore" in done.stderr
        assert old in lab.status()
    assert program.returncode == 0
    assert lab.rows() == ROWS
    assert lab.lilfox("backup", "prune", "nightly", "--yes").returncode == 0
    assert old not in lab.status()


@contextmanager
def halted_restore(lab: BackupLab, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A restore that stands still from when it holds the store to the end of the block; then it comes to its end."""
    argv = [*LILFOX, "restore", name, "--yes"]
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    halted: list[int] = []

    def holds() -> bool:
        running = [job for job in list_jobs() if job.kind == "restore" and job.state == "running"]
        if running and running[0].pid is not None and any(lab.store.glob(".lilfox.shared.*")):
            os.kill(running[0].pid, signal.SIGSTOP)
            halted.append(running[0].pid)
        return bool(halted) or program.poll() is not None

    try:
        wait_for(holds, timeout_s=60, what="the restore holds the store")
        assert halted, "it ended before it could be halted"
        yield program
    finally:
        for pid in halted:
            os.kill(pid, signal.SIGCONT)
        program.wait(60)


@pytest.mark.fault("1.61", "2.12", "S40")
def test_61_nothing_of_a_set_can_be_read_by_others(files: BackupLab) -> None:
    done = subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *LILFOX, "backup", "run", *files.words, *files.where],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for path in [files.store, *files.store.rglob("*"), *Path(os.environ["XDG_STATE_HOME"]).rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.fault("1.61", "2.12")
def test_61_a_store_that_others_may_read_is_told(files: BackupLab) -> None:
    files.store.mkdir(mode=0o755)
    assert "chmod 700" in files.lilfox("backup", "run", *files.words, *files.where, "--dry-run").stdout


@pytest.mark.fault("1.19")
def test_19_runs_of_one_second_have_names_of_their_own(files: BackupLab) -> None:
    for _run in range(4):
        files.run()
    assert len({manifest.id for manifest in files.manifests()}) == 4


@pytest.mark.fault("1.57", "2.7")
def test_57_a_set_of_which_a_file_is_gone_is_refused_before_the_database_is_touched(lab: BackupLab) -> None:
    name = lab.run().stdout.strip()
    next(lab.store.glob("uploads_*.tar.zst")).unlink()
    lab.sql("DELETE FROM users WHERE id > 10")
    for words in ((name,), ("latest",), (name, "--source", "database")):
        done = lab.lilfox("restore", *words, *lab.where, *lab.words, "--yes")
        assert done.returncode != 0
        assert "missing" in done.stderr + done.stdout
    assert lab.rows() == 10
    assert (lab.uploads / "a.txt").read_text() == "fox\n"
    databases = [name for [name] in lab.sql("SELECT datname FROM pg_database WHERE datname LIKE 'lilfox%'")]
    assert databases == ["lilfox"]


@pytest.mark.fault("1.57", "1.45")
@pytest.mark.parametrize("broken", ["--files", "--database"])
def test_57_a_place_that_cannot_take_its_part_keeps_all_parts_out(lab: BackupLab, broken: str) -> None:
    name = lab.run().stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("changed since\n")
    words = list(lab.words)
    words[words.index(broken) + 1] = (
        "/proc/nothere/uploads" if broken == "--files" else "postgresql://lilfox@127.0.0.1:1/lilfox"
    )
    done = lab.lilfox("restore", name, *lab.where, *words, "--yes")
    assert done.returncode == 1
    assert lab.rows() == 10
    assert (lab.uploads / "a.txt").read_text() == "changed since\n"
    assert not [job for job in list_jobs() if job.kind == "restore" and job.state == "ok"]


@pytest.mark.fault("1.65")
def test_65_over_a_line_of_9600_baud_progress_is_bounded(files: BackupLab) -> None:
    (files.uploads / "much").write_bytes(os.urandom(5 * MUCH))
    ours, its = pty.openpty()
    argv = [*LILFOX, "backup", "run", *files.words, *files.where]
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    began, said, pause = time.monotonic(), 0, threading.Event()
    while True:
        try:
            read = os.read(ours, 96)
        except OSError:  # nobody writes to it any more
            break
        said += len(read)
        pause.wait(len(read) / 960)
    os.close(ours)
    assert program.wait(60) == 0
    took = time.monotonic() - began
    sys.stdout.write(f"{said} bytes in {took:.1f} s\n")
    assert said < 4000 + 480 * took
    assert list(files.status().values()) == ["intact"]


@pytest.mark.fault("1.47", "1.57")
@pytest.mark.parametrize("at", ["stage", "compare", "swap-first", "swap-second", "swap-first:2", "swap-second:2"])
def test_47_a_restore_of_several_parts_that_dies_is_wholly_there_or_not_at_all(lab: BackupLab, at: str) -> None:
    """It is settled when somebody orders it; a backup only tells of it."""
    name = lab.run().stdout.strip()
    lab.sql("DELETE FROM users WHERE id > 10")
    (lab.uploads / "a.txt").write_text("changed since\n")
    restore = ("restore", name, *lab.where, *lab.words, "--yes")
    lab.lilfox(*restore, env={CRASH_AT: at})
    assert [job.state for job in list_jobs() if job.kind == "restore"] == ["unknown"]
    ran = lab.lilfox("backup", "run", *lab.words, *lab.where)
    assert ("lilfox backup settle" in ran.stdout + ran.stderr) == (at not in ("stage", "compare"))
    lab.lilfox("backup", "settle", "--finish")
    before, after = (10, "changed since\n"), (ROWS, "fox\n")
    found = (lab.rows(), (lab.uploads / "a.txt").read_text())
    assert found in (before, after), at
    if at in ("stage", "compare"):
        assert found == before
    assert lab.lilfox(*restore).returncode == 0
    assert (lab.rows(), (lab.uploads / "a.txt").read_text()) == after
