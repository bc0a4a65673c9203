"""What must not happen to folders while they are backed up. Rows are those of the table of faults."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.options import ConfigOptions, FilesOptions
from lilfox_tui.backup.sources import config, files
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.faults.damaged_disk import SIZE, damaged_disk
from tests.faults.uploads_app import U, app, host, options
from tests.services.accounts import account
from tests.services.sshd import sshd_lab
from tests.services.tree_sets import StoredTree, dumped, restored, snapshot, staged

__all__ = ["app", "host"]


async def test_row_53_what_changes_while_it_is_read_is_recorded(app: Path, tmp_path: Path, host: Host) -> None:
    """A file grows, another shrinks, others come and go: the backup is good, and says so."""
    for n in range(300):
        (app / U / f"f{n}").write_bytes(b"x" * 100_000)
    ended = threading.Event()

    def write() -> None:
        n = 0
        while not ended.is_set():
            n += 1
            for name in range(0, 300, 7):
                with (app / U / f"f{name}").open("ab") as grown:
                    grown.write(b"y" * 5000)
            (app / U / f"f{n % 300}").unlink(missing_ok=True)
            (app / U / f"new{n}").write_text("new")

    stored = StoredTree(tmp_path / "set")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        await files.open_source("uploads", options(app), host).dump(stored)
    finally:
        ended.set()
        thread.join()
    told = re.compile("files in .* (changed while being read|disappeared before they could be read): ")
    assert [note for note in stored.notes if told.match(note)]
    detail = stored.parts["uploads_20231230_020000.tar"].detail
    assert detail.get("changed") or detail.get("vanished")
    await restored(files.open_target(options(app), host, stored.task()))


@pytest.mark.root
async def test_row_54_what_may_not_be_read_fails_by_name_unless_told(tmp_path: Path) -> None:
    with account("/bin/sh", file=".profile") as user, sshd_lab() as lab:
        home = home_of(user)
        (home / "up").mkdir()
        (home / "up" / "good").write_text("good")
        (home / "up" / "bad \x1b").write_text("bad")
        (home / "up" / "shut").mkdir(mode=0o700)
        for path in (home / "up", home / "up" / "good"):
            shutil.chown(path, user)
        (home / "up" / "bad \x1b").chmod(0)
        host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
        source = files.open_source("up", FilesOptions(path=str(home / "up")), host)
        told = "; ".join(str(check.found) for check in await source.checks() if check.state == "bad")
        assert "bad ␛" in told
        assert "shut" in told
        with pytest.raises(BackupError, match="bad ␛") as failure:
            await source.dump(StoredTree(tmp_path / "set"))
        assert "skip_unreadable" in str(failure.value.hint)

        lenient = FilesOptions(path=str(home / "up"), skip_unreadable=True)
        stored = await dumped(files.open_source("up", lenient, host), tmp_path / "set2")
        assert any("bad ␛" in note and "shut" in note for note in stored.notes)
        await restored(files.open_target(lenient, host, stored.task(place=str(home / "again"))))
        assert (home / "again" / "good").read_text() == "good"
        excluding = FilesOptions(path=str(home / "up"), exclude=("bad *", "shut"))
        assert (await dumped(files.open_source("up", excluding, host), tmp_path / "set3")).notes == []
        await host.close()


@pytest.mark.root
@pytest.mark.parametrize("skip_unreadable", [False, True])
async def test_a_file_that_the_disk_cannot_read_fails_the_source_whatever_may_be_skipped(
    tmp_path: Path, host: Host, skip_unreadable: bool
) -> None:
    """GNU tar puts zeros in the place of what it could not read, and with --ignore-failed-read ends with 0."""
    (tmp_path / "up").mkdir()
    with damaged_disk(tmp_path / "up") as bad:
        assert bad.stat().st_size == SIZE
        source = files.open_source("up", FilesOptions(path=str(bad.parent), skip_unreadable=skip_unreadable), host)
        with pytest.raises(BackupError, match=r"/up failed: up/bad: Read error at byte 0.*Input/output") as failed:
            await source.dump(StoredTree(tmp_path / "set"))
    assert "skip_unreadable" not in str(failed.value.hint)
    assert "kernel log" in str(failed.value.hint)


def home_of(user: str) -> Path:
    return Path(f"~{user}").expanduser()


async def test_row_56_what_is_newer_is_shown_and_kept(app: Path, tmp_path: Path, host: Host) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    stored.created = datetime.now(UTC) - timedelta(hours=1)
    (app / U / "kept.txt").write_text("written after the backup")
    (app / U / "added.txt").write_text("added after the backup")
    target = files.open_target(options(app), host, stored.task())
    checks = await target.checks()
    assert "2 files: added.txt, kept.txt" in [str(check.found) for check in checks]
    assert {(change.what, change.newer) for change in await target.changes()} == {
        ("kept.txt", True),
        ("added.txt", True),
    }
    await target.stage(lambda _: None)
    before = Path(target.swap_plan().before)
    await target.swap()
    assert (before / "kept.txt").read_text() == "written after the backup"
    assert (before / "added.txt").exists()
    assert (app / U / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize("at", ["dump", "stage", "compare"])
async def test_row_14_a_link_that_is_lost_is_told_and_leaves_what_is_there(app: Path, tmp_path: Path, at: str) -> None:
    for n in range(20):
        (app / U / f"f{n}").write_bytes(os.urandom(1_000_000))
    with sshd_lab() as lab:
        server = lab.sshd()
        host = open_host("h", lab.host(server), lab.ssh())
        stored = StoredTree(tmp_path / "set")
        source = files.open_source("uploads", options(app), host)
        if at == "dump":

            class Cutting(StoredTree):
                """Kills the server when something came."""

                async def put(
                    self, stem: str, suffix: str, kind: Any, blocks: AsyncIterator[bytes], **more: Any
                ) -> Any:
                    return await super().put(stem, suffix, kind, cutting(blocks), **more)

            async def cutting(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
                async for block in blocks:
                    server.kill()
                    yield block

            with pytest.raises((HostError, BackupError)):
                await source.dump(Cutting(tmp_path / "set2"))
            await host.close()
            return
        await source.dump(stored)
        was = snapshot(app / U)
        target = files.open_target(options(app), host, stored.task())
        assert all(check.state != "bad" for check in await target.checks())
        if at == "compare":
            await target.stage(lambda _: None)
            server.kill()
            with pytest.raises((HostError, BackupError)):
                await target.compare()
        else:
            with pytest.raises((HostError, BackupError)):
                await target.stage(lambda done: server.kill() if done > 5_000_000 else None)
        assert snapshot(app / U) == was
        server.start()
        again = files.open_target(options(app), host, stored.task())
        assert any("an earlier restore left" in str(check.found) for check in await again.checks())
        await again.discard()
        await target.discard()
        assert os.listdir(app / "public") == ["uploads"]
        await host.close()


async def test_row_61_nobody_else_may_look_into_what_is_staged(app: Path, tmp_path: Path, host: Host) -> None:
    (app / ".env").write_text("A=1\n")
    (app / ".env").chmod(0o600)
    before = os.umask(0)
    try:
        wanted = ConfigOptions(root=str(app), folder="")
        stored = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
        target = config.open_target(wanted, host, stored.task())
        await staged(target)
        kept = os.stat(target.swap_plan().staged)
        assert kept.st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(target.swap_plan().staged)).st_mode & 0o777 == 0o700
        await target.discard()
    finally:
        os.umask(before)


async def test_row_1_tar_that_is_killed_is_a_failure(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "big").write_bytes(bytes(1000) + os.urandom(60_000_000))

    class Killing(StoredTree):
        """Kills tar when some of it came."""

        async def put(self, stem: str, suffix: str, kind: Any, blocks: AsyncIterator[bytes], **more: Any) -> Any:
            async def killing() -> AsyncGenerator[bytes, None]:
                async for block in blocks:
                    kill_tar_of(app)
                    yield block

            return await super().put(stem, suffix, kind, killing(), **more)

    with pytest.raises(BackupError, match=r"tar failed on .*(Killed|137)"):
        await files.open_source("uploads", options(app), host).dump(Killing(tmp_path / "set"))


def kill_tar_of(folder: Path) -> None:
    """Kills the tar that reads that folder."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            argv = process.read_bytes().split(b"\0")
            if argv[0] == b"tar" and os.fsencode(f"--directory={folder}") in argv:
                os.kill(int(process.parent.name), signal.SIGKILL)
