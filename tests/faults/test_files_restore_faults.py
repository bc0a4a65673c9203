"""What must not happen to a folder while another is restored in its place. Rows are those of the table of faults."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from lilfox_tui.backup.context import BackupContext, source_module
from lilfox_tui.backup.files import staging as renames
from lilfox_tui.backup.files.archive import PathFacts, inspect_place
from lilfox_tui.backup.options import ConfigOptions
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import Renames, Swap
from lilfox_tui.backup.sources import config, files
from lilfox_tui.backup.store import BackupError, HalfSwapped
from lilfox_tui.config.model import Config
from lilfox_tui.core.crash import CRASH_AT
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.base import Host
from tests.faults.uploads_app import TOP, U, app, file, host, options
from tests.services.tree_sets import StoredTree, dumped, refused, snapshot, staged, tar_of
from tests.waiting import until

__all__ = ["app", "host"]


def _exchange() -> Callable[[Path, Path], None]:
    """Swaps two names in one step (renameat2, RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def swap(one: Path, other: Path) -> None:
        libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)

    return swap


@contextlib.contextmanager
def racing(parent: Path, canary: Path) -> Iterator[list[int]]:
    """A thread that puts a link to ``canary`` in the place of whatever is being staged in ``parent``, over and over."""
    swap, ended, times = _exchange(), threading.Event(), [0]
    lure = parent / "lure"
    lure.symlink_to(canary)

    def work() -> None:
        while not ended.is_set():
            for name in os.listdir(parent):
                if ".lilfox_restore_" in name:
                    swap(parent / name, lure)
                    swap(parent / name, lure)
                    times[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()
        if lure.is_symlink():
            lure.unlink()
        else:
            shutil.rmtree(lure)


@pytest.mark.fault("1.52", "S11")
async def test_row_52_a_race_in_the_destination_leads_nowhere(app: Path, tmp_path: Path, host: Host) -> None:
    """Every step either works in the folder that was made, or not at all."""
    stored = StoredTree(tmp_path / "set")
    stored.old(
        "uploads.tar", tar_of(TOP, *[file(f"{U}/victim{n}", b"x" * 2000) for n in range(200)], file(f"{U}/victim"))
    )
    canary = snapshot(tmp_path / "canary")
    ended = {"well": 0, "refused": 0}
    with racing(app / "public", tmp_path / "canary") as times:
        for _ in range(8):
            target = files.open_target(options(app), host, stored.task())
            assert all(check.state != "bad" for check in await target.checks())
            try:
                await target.stage(lambda _: None)
                assert (await target.compare()).differences == ()
                ended["well"] += 1
            except (BackupError, HostError):
                ended["refused"] += 1
            assert snapshot(tmp_path / "canary") == canary
            with contextlib.suppress(BackupError):
                await target.discard()
    assert times[0] > 0
    assert ended["refused"] > 0
    assert snapshot(tmp_path / "canary") == canary
    assert (app / U / "kept.txt").read_text() == "kept"


@pytest.mark.root
@pytest.mark.parametrize("kind", ["size", "nr_inodes"])
async def test_row_45_no_room_is_found_before(app: Path, tmp_path: Path, host: Host, kind: str) -> None:
    for n in range(60):
        (app / U / f"f{n}").write_bytes(os.urandom(40_000))
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=1m" if kind == "size" else "nr_inodes=20"):
        target = files.open_target(options(app), host, stored.task(place=str(tmp_path / "disk" / "up")))
        told = await refused(target)
        assert "needed" in told
        assert os.listdir(tmp_path / "disk") == []


@pytest.mark.root
async def test_row_45_a_disk_that_fills_meanwhile_leaves_what_is_there(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "big").write_bytes(os.urandom(3_000_000))
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=5m"):
        (tmp_path / "disk" / "up").mkdir()
        (tmp_path / "disk" / "up" / "live").write_text("live")
        was = snapshot(tmp_path / "disk")
        target = files.open_target(options(app), host, stored.task(place=str(tmp_path / "disk" / "up")))
        assert all(check.state != "bad" for check in await target.checks())
        (tmp_path / "disk" / "filled").write_bytes(bytes(3_500_000))
        with pytest.raises(BackupError, match="No space left"):
            await target.stage(lambda _: None)
        await target.discard()
        (tmp_path / "disk" / "filled").unlink()
        assert snapshot(tmp_path / "disk") == was


@pytest.mark.root
async def test_a_mount_is_not_swapped(app: Path, tmp_path: Path, host: Host) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=1m"):
        told = await refused(files.open_target(options(app), host, stored.task(place=str(tmp_path / "disk"))))
    assert "mount point" in told


@contextlib.contextmanager
def small_disk(at: Path, limit: str) -> Iterator[None]:
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "lilfox-test", str(at)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


async def test_row_46_a_restore_that_is_cancelled_leaves_nothing(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "big").write_bytes(os.urandom(5_000_000))
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    was = snapshot(app)
    half = asyncio.Event()

    async def stuck(part: FoundPart) -> AsyncGenerator[bytes, None]:
        async for block in stored.blocks(part):
            yield block
            if let_through:
                half.set()
                await asyncio.Event().wait()

    let_through: list[bool] = []
    target = files.open_target(options(app), host, stored.task(blocks=stuck))
    assert all(check.state != "bad" for check in await target.checks())
    let_through.append(True)
    staging = asyncio.ensure_future(target.stage(lambda _: None))
    await half.wait()
    await until(lambda: any(".lilfox_restore_" in name for name in os.listdir(app / "public")))
    staging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await staging
    await target.discard()
    assert snapshot(app) == was


async def test_row_46_another_archive_the_second_time_is_refused(app: Path, tmp_path: Path, host: Host) -> None:
    stored = StoredTree(tmp_path / "set")
    stored.old("uploads.tar", tar_of(TOP, file(f"{U}/a", b"one")))
    target = files.open_target(options(app), host, stored.task())
    assert all(check.state != "bad" for check in await target.checks())
    stored.old("uploads.tar", tar_of(TOP, file(f"{U}/a", b"two")))
    with pytest.raises(BackupError, match="has changed since"):
        await target.stage(lambda _: None)
    await target.discard()
    assert sorted(os.listdir(app / "public")) == ["uploads"]


CRASHING = """
import asyncio, sys
import msgspec
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.files.staging import swap_in
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.open import open_host
swap = msgspec.json.decode(sys.argv[1], type=Swap)
asyncio.run(swap_in(open_host("h", HostConfig(local=True), SshConfig()), swap.renames, sudo=False))
"""


def crashed(swap: bytes, phase: str) -> int:
    """Runs the swap in a process that is killed at ``phase``."""
    return subprocess.run(
        [sys.executable, "-c", CRASHING, swap.decode()], env=os.environ | {CRASH_AT: phase}, check=False
    ).returncode


@pytest.mark.parametrize("phase", ["swap-first", "swap-second", "swap-first:2", "swap-second:2"])
@pytest.mark.parametrize("then", ["settle", "undo"])
async def test_row_47_a_crash_between_the_renames_is_finished_or_undone(
    app: Path, tmp_path: Path, host: Host, phase: str, then: str
) -> None:
    """Of two things that are swapped together either both are as they were, or both are restored."""
    (app / ".env").write_text("A=1\n")
    (app / "config").mkdir()
    (app / "config" / "a").write_text("then")
    wanted = ConfigOptions(root=str(app))
    stored = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
    (app / ".env").write_text("A=2\n")
    (app / "config" / "a").write_text("now")
    target = config.open_target(wanted, host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    assert crashed(msgspec.json.encode(swap), phase) == -signal.SIGKILL
    if then == "settle":
        assert await config.settle(swap, host) == ("nothing" if phase == "swap-second:2" else "finished")
        assert ((app / ".env").read_text(), (app / "config" / "a").read_text()) == ("A=1\n", "then")
        assert await config.settle(swap, host) == "nothing"
    else:
        await config.undo(swap, host)
        assert ((app / ".env").read_text(), (app / "config" / "a").read_text()) == ("A=2\n", "now")
        await config.undo(swap, host)
    assert ((app / ".env").read_text(), (app / "config" / "a").read_text()) in [("A=1\n", "then"), ("A=2\n", "now")]


async def test_row_47_what_was_staged_is_gone_so_it_is_undone(app: Path, tmp_path: Path, host: Host) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    os.rename(swap.target, swap.before)
    shutil.rmtree(os.path.dirname(swap.staged))
    assert await files.settle(swap, host) == "undone"
    assert (app / U / "kept.txt").read_text() == "kept"


async def test_row_47_what_was_staged_beside_a_database_that_is_undone_goes(
    app: Path, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died while the database's names were changed: the folder beside was staged, and never in place."""

    async def settled(_swap: Swap, _host: Host) -> str:
        return "undone"

    async def undone(_swap: Swap, _host: Host) -> None:
        pass

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    database = SimpleNamespace(settle=settled, undo=undone)
    monkeypatch.setattr(
        interrupted, "source_module", lambda kind: database if kind == "database" else source_module(kind)
    )
    first = msgspec.structs.replace(swap, kind="database", target="lilfox")
    noted = Restored(run="20231230-020000-3f9a", set="s", at=datetime.now(UTC), stage="swapping", swaps=(first, swap))
    assert sorted(os.listdir(app / "public")) != ["uploads"]
    async with BackupContext(Config()) as context:
        await interrupted.settle(context, noted)
    assert os.listdir(app / "public") == ["uploads"]
    assert (app / U / "kept.txt").read_text() == "kept"


async def test_row_47_a_second_rename_that_fails_takes_the_first_back(app: Path, tmp_path: Path, host: Host) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    shutil.rmtree(swap.staged)
    with pytest.raises(BackupError, match="could not be renamed to"):
        await target.swap()
    await target.discard()
    assert (app / U / "kept.txt").read_text() == "kept"
    assert os.listdir(app / "public") == ["uploads"]


async def test_row_48_a_folder_that_somebody_makes_anew_is_not_written_over(
    app: Path, tmp_path: Path, host: Host
) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    os.rename(swap.target, swap.before)
    os.mkdir(swap.target)
    with pytest.raises(BackupError, match="but exists again"):
        await files.settle(swap, host)
    assert os.listdir(swap.target) == []
    assert os.listdir(swap.before) == ["kept.txt"]


async def test_row_48_an_upload_between_the_renames_is_told_and_nothing_is_lost(
    app: Path, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application makes its folder anew in the moment in which it has no name."""
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()

    def upload(name: str) -> None:
        if name == "swap-first":
            (app / U).mkdir()
            (app / U / "new.txt").write_text("new")

    monkeypatch.setattr("lilfox_tui.backup.files.staging.phase", upload)
    with pytest.raises(HalfSwapped, match=f"is now {swap.before}"):
        await target.swap()
    assert os.listdir(swap.target) == ["new.txt"]
    assert os.listdir(swap.before) == ["kept.txt"]
    with pytest.raises(BackupError, match="but exists again"):
        await files.undo(swap, host)
    os.rename(swap.target, app / "new")
    await files.undo(swap, host)
    assert os.listdir(swap.target) == ["kept.txt"]


async def test_row_48_where_the_name_for_what_is_there_is_taken_nothing_is_renamed(
    app: Path, tmp_path: Path, host: Host
) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    os.mkdir(swap.before)
    with pytest.raises(BackupError, match="is there already") as caught:
        await target.swap()
    await target.discard()
    assert not isinstance(caught.value, HalfSwapped)
    assert os.listdir(swap.target) == ["kept.txt"]
    assert os.listdir(swap.before) == []


async def test_row_48_a_file_that_comes_in_the_last_moment_is_not_written_over(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after it was looked whether there is one."""
    (tmp_path / "staged").write_text("staged")
    comes = 'mkdir() { command mkdir "$@"; printf theirs > "$last"; }; last=$2\n'
    monkeypatch.setattr("lilfox_tui.backup.files.staging._MOVE", comes + renames._MOVE)
    one = Renames(str(tmp_path / "target"), str(tmp_path / "staged"), "")
    with pytest.raises(BackupError, match="came there meanwhile"):
        await renames.swap_in(host, (one,), sudo=False)
    assert (tmp_path / "target").read_text() == "theirs"
    assert (tmp_path / "staged").read_text() == "staged"


@pytest.mark.parametrize("there", [False, True])
async def test_what_cannot_be_rolled_back_is_named_as_it_is(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """The second of two has lost what was staged, and the restored first one cannot get its staging name again;
    ``there``: it replaced something."""
    (tmp_path / "staged").write_text("staged")
    target, before = str(tmp_path / "target"), str(tmp_path / "before")
    if there:
        (tmp_path / "target").write_text("previous")
    fails = 'case "$2" in */staged) echo no >&2; exit 5 ;; esac\n'
    monkeypatch.setattr("lilfox_tui.backup.files.staging._MOVE", fails + renames._MOVE)
    first = Renames(target, str(tmp_path / "staged"), before if there else "")
    second = Renames(str(tmp_path / "other"), str(tmp_path / "lost"), "")
    with pytest.raises(HalfSwapped) as caught:
        await renames.swap_in(host, (first, second), sudo=False)
    if there:
        assert f"The previous {target} is now {before}; the restored data is at {target}" in str(caught.value)
    else:
        assert f"{target} did not exist before and now contains the restored data" in str(caught.value)
    assert str(caught.value.hint).startswith("fix that; ")


async def test_a_target_that_did_not_exist_is_not_said_to_be_renamed(tmp_path: Path, host: Host) -> None:
    for name in ("target", "staged"):
        (tmp_path / name).write_text(name)
    swap = Swap(kind="files", set="s", target=str(tmp_path / "target"), staged=str(tmp_path / "staged"), before="")
    with pytest.raises(BackupError, match="target did not exist before the restore, but exists now"):
        await renames.settle_all(host, swap, sudo=False)


async def test_of_a_set_without_a_manifest_a_full_disk_is_no_fault_of_the_set(
    app: Path, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / U / "much").write_bytes(b"x" * 100_000)
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    task = stored.task()
    parts = tuple(msgspec.structs.replace(part, said=None) for part in task.set.parts)
    old = msgspec.structs.replace(task, set=msgspec.structs.replace(task.set, parts=parts))

    async def full(*args: Any, **more: Any) -> PathFacts:
        facts = await inspect_place(*args, **more)
        return PathFacts({**facts.words, "bytes": "50000"})

    monkeypatch.setattr("lilfox_tui.backup.files.restore.inspect_place", full)
    said = [(str(check.found), str(check.hint)) for check in await files.open_target(options(app), host, old).checks()
            if check.state == "bad"]  # fmt: skip
    assert said == [("not enough space", "free up space on that file system")]
