"""A killed backup and a killed restore of large tables: FAULTS section 1, rows 46 and 47; section 4, row 2."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.services.backup_lab import BackupLab, lab, server
from tests.services.lilfox_command import LILFOX
from tests.services.postgres_backups import no_session_is_left

__all__ = ["lab", "server"]
MOMENTS = int(os.environ.get("LILFOX_TEST_MOMENTS", "3"))
"""Of each kind: fifty take ten minutes."""
LARGE = """
CREATE TABLE large AS SELECT n AS id, repeat(md5(n::text), 1 + n % 30) AS t FROM generate_series(1, 60000) n;
CREATE TABLE other AS SELECT n AS id, repeat(md5(n::text), 20) AS t FROM generate_series(1, 20000) n;
ALTER TABLE large ADD PRIMARY KEY (id)
"""
SUM = "SELECT count(*), sum(hashtext(large::text)) FROM large"


def end_all(folder: str) -> None:
    """Kills each process of LilFox that has its state below ``folder``."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environ = (place / "environ").read_bytes().split(b"\0")
            words = (place / "cmdline").read_bytes().split(b"\0")
            ours = f"XDG_STATE_HOME={folder}".encode() in environ and int(place.name) != os.getpid()
            if ours and b"python" in words[0] and not any(b"pytest" in word or b"forked" in word for word in words):
                os.kill(int(place.name), signal.SIGKILL)


def killed(words: tuple[str, ...], after_s: float) -> None:
    """Runs ``lilfox`` and kills it, with its job, after so long."""
    process = subprocess.Popen([*LILFOX, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
    finally:
        end_all(os.environ["XDG_STATE_HOME"])
        process.wait()


@pytest.fixture
def large(lab: BackupLab) -> Iterator[BackupLab]:
    for statement in LARGE.split(";"):
        lab.sql(statement)
    yield lab
    assert lab.server is not None
    no_session_is_left(lab.server)


def test_a_killed_backup_leaves_whole_sets_and_the_next_one_clears_up(large: BackupLab) -> None:
    words = ("backup", "run", "--database", large.url, *large.where)
    began = time.monotonic()
    assert large.lilfox(*words).returncode == 0
    took_s = time.monotonic() - began
    [pieces] = [part.detail["content"]["tables"]["public.large"]["pieces"] for part in large.manifests()[0].parts
                if part.detail.get("content")]  # fmt: skip
    assert len(pieces) > 1
    moments = random.Random(7)
    for _moment in range(MOMENTS):
        killed(words, moments.uniform(0.1, 1.1) * took_s)
        assert {*large.status().values()} <= {"intact", "unverified"}
        assert large.lilfox("backup", "verify", *large.where).returncode == 0
        for manifest in large.manifests():
            assert all((large.store / part.name).stat().st_size == part.size_bytes for part in manifest.parts)
    large.run("--database", large.url, *large.where)
    assert large.left() == []


def test_a_killed_restore_leaves_what_was_there_or_what_was_restored(large: BackupLab) -> None:
    large.run("--database", large.url, *large.where)
    old = large.sql(SUM)
    words = ("restore", "latest", "--database", large.url, *large.where, "--yes", "--end-sessions")
    began = time.monotonic()
    assert large.lilfox(*words).returncode == 0
    took_s = time.monotonic() - began
    assert large.sql(SUM) == old
    moments = random.Random(8)
    for _moment in range(MOMENTS):
        large.sql("UPDATE large SET t = t || 'x' WHERE id % 10 = 3")
        new = large.sql(SUM)
        killed(words, moments.uniform(0.1, 1.1) * took_s)
        assert large.server is not None
        no_session_is_left(large.server)
        if [large.database] in [list(row) for row in large.sql("SELECT datname FROM pg_database", "postgres")]:
            assert large.sql(SUM) in (old, new)
        again = large.lilfox(*words)
        assert again.returncode == 0, again.stdout + again.stderr
        assert large.sql(SUM) == old
        for [name] in large.sql("SELECT datname FROM pg_database WHERE datname LIKE 'lilfox\\_%'", "postgres"):
            large.sql(f'DROP DATABASE "{name}" (FORCE)', "postgres")
