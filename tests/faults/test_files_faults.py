"""What must not happen to folders that are backed up and restored. Rows are those of the table of faults; archives are
made as an attacker would make them, and everything beside the target is held against what it was."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.phases import CRASH_AT
from lilfox_tui.backup.sources import config, files
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.errors import HostError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.services.accounts import account
from tests.services.sshd import sshd_lab
from tests.services.tree_sets import Shelf, dumped, refused, restored, snapshot, staged, tar_of
from tests.unit.backup.test_tar_scan import extended, record
from tests.waiting import until

Made = tuple[str, dict[str, Any]]
TOP: Made = ("public/uploads", {"type": tarfile.DIRTYPE, "mode": 0o755})


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    found = open_host("h", HostConfig(local=True), SshConfig())
    yield found
    await found.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application with an upload, and beside it what nobody may touch."""
    uploads = tmp_path / "app" / "public" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "kept.txt").write_text("kept")
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "victim").write_text("untouched")
    (canary / "victim").chmod(0o640)
    return tmp_path / "app"


def options(app: Path, **changes: Any) -> files.Options:
    return files.Options(**({"path": str(app / "public/uploads"), "root": str(app)} | changes))


def file(name: str, content: bytes = b"evil", **fields: Any) -> Made:
    return name, {"content": content} | fields


def link(name: str, target: str) -> Made:
    return name, {"type": tarfile.SYMTYPE, "linkname": target}


def hard(name: str, target: str) -> Made:
    return name, {"type": tarfile.LNKTYPE, "linkname": target}


def folder(name: str) -> Made:
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755}


def special(name: str, kind: bytes) -> Made:
    return name, {"type": kind, "devmajor": 1, "devminor": 3}


U = "public/uploads"
HOSTILE: dict[str, list[Made]] = {
    "parent": [TOP, file("public/uploads/../../../canary/new")],
    "parent at the start": [TOP, file("../canary/new")],
    "parent at the end": [TOP, folder("public/uploads/a/..")],
    "absolute": [TOP, file("/tmp/lilfox-absolute")],
    "absolute top": [file("//tmp/lilfox-absolute")],
    "link to the parent, then through it": [TOP, link(f"{U}/l", ".."), file(f"{U}/l/new")],
    "link within, then through it": [TOP, folder(f"{U}/d"), link(f"{U}/l", "d"), file(f"{U}/l/new")],
    "link, then a file of its name": [TOP, link(f"{U}/l", "kept.txt"), file(f"{U}/l")],
    "link, then a folder of its name": [TOP, link(f"{U}/l", "."), folder(f"{U}/l"), file(f"{U}/l/new")],
    "link out": [TOP, link(f"{U}/l", "/etc/passwd")],
    "link up and out": [TOP, folder(f"{U}/a"), link(f"{U}/a/l", "../../x")],
    "chain of links": [TOP, folder(f"{U}/a"), link(f"{U}/a/up", ".."), link(f"{U}/l", "a/up/../..")],
    "deep chain of links": [
        TOP,
        *[made for n in range(16) for made in (folder(f"{U}/{'d/' * (n + 1)}"[:-1]), link(f"{U}/{'d/' * n}l", "d"))],
        link(f"{U}/e", "/".join(["l"] * 16 + [".."] * 17)),
        file(f"{U}/e/canary/new"),
    ],
    "link in place of the top": [link(U, "../../canary"), file(f"{U}/new")],
    "file in place of the top": [file(U)],
    "hard link out": [TOP, hard(f"{U}/h", "../canary/victim"), file(f"{U}/h", mode=0o777)],
    "hard link to an absolute name": [TOP, hard(f"{U}/h", "/etc/passwd")],
    "hard link to a link": [TOP, link(f"{U}/l", "kept.txt"), hard(f"{U}/h", f"{U}/l"), file(f"{U}/h")],
    "hard link through a link": [TOP, link(f"{U}/l", "."), hard(f"{U}/h", f"{U}/l/victim")],
    "hard link to nothing": [TOP, hard(f"{U}/h", f"{U}/none")],
    "hard link to the top": [TOP, hard(f"{U}/h", U)],
    "device": [TOP, special(f"{U}/d", tarfile.CHRTYPE)],
    "block device": [TOP, special(f"{U}/d", tarfile.BLKTYPE)],
    "pipe": [TOP, special(f"{U}/p", tarfile.FIFOTYPE)],
    "a name twice": [TOP, file(f"{U}/a"), file(f"{U}/a", b"other")],
    "a name twice in other words": [TOP, file(f"{U}/a"), file(f"{U}/./a", b"other")],
    "a name longer than a path": [TOP, file(f"{U}/" + "/".join(["n" * 200] * 25))],
    "a name longer than a name": [TOP, file(f"{U}/" + "n" * 300)],
    "beside the folder": [TOP, file("public/other")],
    "a file above the folder": [TOP, file("public")],
}


def long_name(kind: bytes, name: bytes) -> bytes:
    """GNU's member before one whose name is longer than its header takes."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = kind, len(name) + 1
    return entry.tobuf(tarfile.GNU_FORMAT) + name + b"\0" + bytes(-(len(name) + 1) % 512)


def sparse(size: int, numbers: bytes) -> bytes:
    """A sparse file of its own map."""
    entry = tarfile.TarInfo(f"{U}/GNUSparseFile.1/s")
    entry.size = len(numbers) + -len(numbers) % 512
    before = extended(
        record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0"),
        record(b"GNU.sparse.name", f"{U}/s".encode()), record(b"GNU.sparse.realsize", b"%d" % size),
    )  # fmt: skip
    return before + entry.tobuf(tarfile.USTAR_FORMAT) + numbers + bytes(-len(numbers) % 512)


START = tar_of(TOP)[:512]
AFTER = tar_of(file(f"{U}/plain"))
HOSTILE_BYTES: dict[str, bytes] = {
    "path of an extended header": START + extended(record(b"path", b"../canary/new")) + AFTER,
    "absolute path of an extended header": START + extended(record(b"path", b"/tmp/lilfox-absolute")) + AFTER,
    "path that is said of all": START + extended(record(b"path", b"x"), kind=b"g") + AFTER,
    "size that hides a member": START + extended(record(b"size", b"0")) + AFTER,
    "linkpath of an extended header": START
    + extended(record(b"linkpath", b"../../../canary/victim"))
    + tar_of(hard(f"{U}/h", f"{U}/a")),
    "long name": START + long_name(b"L", b"../canary/new") + AFTER,
    "long link": START + long_name(b"K", b"/etc/passwd") + tar_of(link(f"{U}/l", "a")),
    "name of a sparse file": START
    + sparse(10, b"0\n").replace(f"{U}/s".encode(), b"../../../xyz/s1"[: len(f"{U}/s")])
    + AFTER,
    "sparse map over itself": START + sparse(2000, b"2\n0\n100\n50\n100\n") + AFTER,
    "sparse map past its end": START + sparse(10, b"1\n5\n100\n") + AFTER,
    "sparse bomb": START + sparse(2**60, b"1\n%d\n0\n" % 2**60) + AFTER,
    "map that never ends": START + sparse(10, b"9" * 600) + AFTER,
    "unknown kind": START + tar_of((f"{U}/v", {"type": b"V"})),
    "two archives": tar_of(TOP) + tar_of(file("../canary/new")),
    "cut": (START + AFTER)[:900],
    "cut before its end": START,
    "no archive": b"<html>404</html>" * 100,
}


ODD_NAMES = [
    b"\x1b]0;x\x07", b"a\nb", b"\xff\xfe", b"-rf", b"--checkpoint-action=exec=sh", b"C:\\x", b"..\\..\\x", b"NUL",
    b"a:b", b"...", b"..a", b" ", b"*", b"$(touch x)", b"`id`", b"n" * 255, "用户".encode(),
]  # fmt: skip


def in_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def hold(app: Path, tmp_path: Path, host: Host, data: bytes) -> str:
    """What is said of an archive that must be refused; nothing may have been written anywhere."""
    shelf = Shelf(tmp_path / "set")
    shelf.old("uploads.tar", data)
    was = snapshot(tmp_path)
    told = await refused(files.open_target("uploads", options(app), host, shelf.goal()))
    part = shelf.goal().parts[0]
    await files.read_content(part, shelf.blocks(part))
    assert snapshot(tmp_path) == was
    assert "lilfox-absolute" not in os.listdir("/tmp")
    return told


@pytest.mark.parametrize("name", HOSTILE)
async def test_row_51_hostile_members_are_refused(app: Path, tmp_path: Path, host: Host, name: str) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        await hold(app, tmp_path, host, tar_of(*HOSTILE[name], form=form))


@pytest.mark.parametrize("name", HOSTILE_BYTES)
async def test_row_51_hostile_headers_are_refused(app: Path, tmp_path: Path, host: Host, name: str) -> None:
    await hold(app, tmp_path, host, HOSTILE_BYTES[name])


async def test_row_51_a_refusal_names_the_member_and_no_escape_passes(app: Path, tmp_path: Path, host: Host) -> None:
    told = await hold(app, tmp_path, host, tar_of(TOP, file(f"{U}/../\x1b]52;c;\x07\n\u202e")))
    assert "␛]52;c;␇␊<U+202E>" in told
    assert "\x1b" not in told


async def test_row_51_odd_names_are_names_and_nothing_else(app: Path, tmp_path: Path, host: Host) -> None:
    data = tar_of(TOP, *[file(f"./{U}//{os.fsdecode(name)}", os.fsencode(name)) for name in ODD_NAMES])
    shelf = Shelf(tmp_path / "set")
    shelf.old("uploads.tar", data)
    canary = snapshot(tmp_path / "canary")
    await restored(files.open_target("uploads", options(app), host, shelf.goal()))
    assert {path.name: path.read_bytes() for path in in_folder(app / U)} == {
        os.fsdecode(name): name for name in ODD_NAMES
    }
    assert snapshot(tmp_path / "canary") == canary


async def test_row_51_links_within_and_setuid_bits(app: Path, tmp_path: Path, host: Host) -> None:
    shelf = Shelf(tmp_path / "set")
    made = [TOP, folder(f"{U}/d"), file(f"{U}/d/su", mode=0o6755), link(f"{U}/d/l", "../d/su"), link(f"{U}/m", "d")]
    shelf.old("uploads.tar", tar_of(*made, hard(f"{U}/h", f"{U}/d/su")))
    await restored(files.open_target("uploads", options(app), host, shelf.goal()))
    assert (app / U / "h").stat().st_mode & 0o7777 == 0o755
    assert os.readlink(app / U / "d" / "l") == "../d/su"


async def test_row_51_links_out_come_back_where_they_are_right(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "out").symlink_to("/etc/passwd")
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    assert [note for note in shelf.notes if "links_out: true" in note]
    assert "out is a link that leads out" in await refused(
        files.open_target("uploads", options(app), host, shelf.goal())
    )
    right = options(app, links_out=True)
    (app / U / "out").unlink()
    await restored(files.open_target("uploads", right, host, shelf.goal()))
    assert os.readlink(app / U / "out") == "/etc/passwd"


async def test_row_51_devices_and_pipes_are_left_out_and_named(app: Path, tmp_path: Path, host: Host) -> None:
    os.mkfifo(app / U / "pipe")
    source = files.open_source("uploads", options(app), host)
    assert any("pipe" in str(check.found) for check in await source.checks())
    shelf = await dumped(source, tmp_path / "set")
    assert [note for note in shelf.notes if "pipe" in note]
    await restored(files.open_target("uploads", options(app), host, shelf.goal()))
    assert os.listdir(app / U) == ["kept.txt"]


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


async def test_row_52_a_race_in_the_destination_leads_nowhere(app: Path, tmp_path: Path, host: Host) -> None:
    """Every step either works in the folder that was made, or not at all."""
    shelf = Shelf(tmp_path / "set")
    shelf.old(
        "uploads.tar", tar_of(TOP, *[file(f"{U}/victim{n}", b"x" * 2000) for n in range(200)], file(f"{U}/victim"))
    )
    canary = snapshot(tmp_path / "canary")
    ended = {"well": 0, "refused": 0}
    with racing(app / "public", tmp_path / "canary") as times:
        for _ in range(8):
            target = files.open_target("uploads", options(app), host, shelf.goal())
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

    shelf = Shelf(tmp_path / "set")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        await files.open_source("uploads", options(app), host).dump(shelf)
    finally:
        ended.set()
        thread.join()
    assert [note for note in shelf.notes if note.startswith(("changed while they were read", "gone before"))]
    detail = shelf.parts["uploads_20231230_020000.tar"].detail
    assert detail.get("changed") or detail.get("vanished")
    await restored(files.open_target("uploads", options(app), host, shelf.goal()))


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
        source = files.open_source("up", files.Options(path=str(home / "up")), host)
        told = "; ".join(str(check.found) for check in await source.checks() if check.state == "bad")
        assert "bad ␛" in told
        assert "shut" in told
        with pytest.raises(BackupError, match="bad ␛") as failure:
            await source.dump(Shelf(tmp_path / "set"))
        assert "skip_unreadable" in str(failure.value.hint)

        lenient = files.Options(path=str(home / "up"), skip_unreadable=True)
        shelf = await dumped(files.open_source("up", lenient, host), tmp_path / "set2")
        assert any("bad ␛" in note and "shut" in note for note in shelf.notes)
        await restored(files.open_target("up", lenient, host, shelf.goal(place=str(home / "again"))))
        assert (home / "again" / "good").read_text() == "good"
        excluding = files.Options(path=str(home / "up"), exclude=("bad *", "shut"))
        assert (await dumped(files.open_source("up", excluding, host), tmp_path / "set3")).notes == []
        await host.close()


def home_of(user: str) -> Path:
    return Path(f"~{user}").expanduser()


async def test_row_56_what_is_newer_is_shown_and_kept(app: Path, tmp_path: Path, host: Host) -> None:
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    shelf.created = datetime.now(UTC) - timedelta(hours=1)
    (app / U / "kept.txt").write_text("written after the backup")
    (app / U / "added.txt").write_text("added after the backup")
    target = files.open_target("uploads", options(app), host, shelf.goal())
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


@pytest.mark.root
@pytest.mark.parametrize("kind", ["size", "nr_inodes"])
async def test_row_45_no_room_is_found_before(app: Path, tmp_path: Path, host: Host, kind: str) -> None:
    for n in range(60):
        (app / U / f"f{n}").write_bytes(os.urandom(40_000))
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=1m" if kind == "size" else "nr_inodes=20"):
        target = files.open_target("uploads", options(app), host, shelf.goal(place=str(tmp_path / "disk" / "up")))
        told = await refused(target)
        assert "needed" in told
        assert os.listdir(tmp_path / "disk") == []


@pytest.mark.root
async def test_row_45_a_disk_that_fills_meanwhile_leaves_what_is_there(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "big").write_bytes(os.urandom(3_000_000))
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=5m"):
        (tmp_path / "disk" / "up").mkdir()
        (tmp_path / "disk" / "up" / "live").write_text("live")
        was = snapshot(tmp_path / "disk")
        target = files.open_target("uploads", options(app), host, shelf.goal(place=str(tmp_path / "disk" / "up")))
        assert all(check.state != "bad" for check in await target.checks())
        (tmp_path / "disk" / "filled").write_bytes(bytes(3_500_000))
        with pytest.raises(BackupError, match="No space left"):
            await target.stage(lambda _: None)
        await target.discard()
        (tmp_path / "disk" / "filled").unlink()
        assert snapshot(tmp_path / "disk") == was


@pytest.mark.root
async def test_a_mount_is_not_swapped(app: Path, tmp_path: Path, host: Host) -> None:
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    with small_disk(tmp_path / "disk", "size=1m"):
        told = await refused(files.open_target("uploads", options(app), host, shelf.goal(place=str(tmp_path / "disk"))))
    assert "mount of its own" in told


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
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    was = snapshot(app)
    half = asyncio.Event()

    async def stuck(part: FoundPart) -> AsyncGenerator[bytes, None]:
        async for block in shelf.blocks(part):
            yield block
            if shelf_read:
                half.set()
                await asyncio.Event().wait()

    shelf_read: list[bool] = []
    target = files.open_target("uploads", options(app), host, shelf.goal(blocks=stuck))
    assert all(check.state != "bad" for check in await target.checks())
    shelf_read.append(True)
    staging = asyncio.ensure_future(target.stage(lambda _: None))
    await half.wait()
    await until(lambda: any(".lilfox_restore_" in name for name in os.listdir(app / "public")))
    staging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await staging
    await target.discard()
    assert snapshot(app) == was


async def test_row_46_another_archive_the_second_time_is_refused(app: Path, tmp_path: Path, host: Host) -> None:
    shelf = Shelf(tmp_path / "set")
    shelf.old("uploads.tar", tar_of(TOP, file(f"{U}/a", b"one")))
    target = files.open_target("uploads", options(app), host, shelf.goal())
    assert all(check.state != "bad" for check in await target.checks())
    shelf.old("uploads.tar", tar_of(TOP, file(f"{U}/a", b"two")))
    with pytest.raises(BackupError, match="has changed since"):
        await target.stage(lambda _: None)
    await target.discard()
    assert sorted(os.listdir(app / "public")) == ["uploads"]


@pytest.mark.parametrize("at", ["dump", "stage", "compare"])
async def test_row_14_a_link_that_is_lost_is_told_and_leaves_what_is_there(app: Path, tmp_path: Path, at: str) -> None:
    for n in range(20):
        (app / U / f"f{n}").write_bytes(os.urandom(1_000_000))
    with sshd_lab() as lab:
        server = lab.sshd()
        host = open_host("h", lab.host(server), lab.ssh())
        shelf = Shelf(tmp_path / "set")
        source = files.open_source("uploads", options(app), host)
        if at == "dump":

            class Cutting(Shelf):
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
        await source.dump(shelf)
        was = snapshot(app / U)
        target = files.open_target("uploads", options(app), host, shelf.goal())
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
        again = files.open_target("uploads", options(app), host, shelf.goal())
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
        wanted = config.Options(root=str(app), folder="")
        shelf = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
        target = config.open_target("config", wanted, host, shelf.goal())
        await staged(target)
        kept = os.stat(target.swap_plan().staged)
        assert kept.st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(target.swap_plan().staged)).st_mode & 0o777 == 0o700
        await target.discard()
    finally:
        os.umask(before)


async def test_forty_thousand_files_take_no_more_memory(app: Path, tmp_path: Path) -> None:
    """The most that a process of its own had in memory, of which Python itself is a third."""
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for n in range(40_000):
            entry = tarfile.TarInfo(f"{U}/{n % 300:03}/{n:06}-a-name-as-uploads-have-it.png")
            tar.addfile(entry)
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READING, str(tmp_path / "many.tar"), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await done.communicate()
    files_found, rss_kb = map(int, told.split())
    assert files_found == 40_000
    assert rss_kb < 60 * 1024


READING = """
import sys
from lilfox_tui.backup.tree.index import Index
from lilfox_tui.backup.tree.safe import Safe
from lilfox_tui.backup.tree.sifting import Sieve
index = Index()
sieve = Sieve(Safe(b"public/uploads", links_out=False, setuid=False), index=index)
with open(sys.argv[1], "rb") as file:
    while block := file.read(1024 * 1024):
        sieve.take(block)
sieve.finish()
with open("/proc/self/status") as status:
    print(index.totals("archive").files, *[line.split()[1] for line in status if line.startswith("VmHWM")])
index.close()
"""
CRASHING = """
import asyncio, sys
import msgspec
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.tree.renames import renames_of, swap_in
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.open import open_host
swap = msgspec.json.decode(sys.argv[1], type=Swap)
asyncio.run(swap_in(open_host("h", HostConfig(local=True), SshConfig()), renames_of(swap), sudo=False))
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
    import msgspec

    (app / ".env").write_text("A=1\n")
    (app / "config").mkdir()
    (app / "config" / "a").write_text("then")
    wanted = config.Options(root=str(app))
    shelf = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
    (app / ".env").write_text("A=2\n")
    (app / "config" / "a").write_text("now")
    target = config.open_target("config", wanted, host, shelf.goal())
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
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target("uploads", options(app), host, shelf.goal())
    await staged(target)
    swap = target.swap_plan()
    os.rename(swap.target, swap.before)
    shutil.rmtree(os.path.dirname(swap.staged))
    assert await files.settle(swap, host) == "undone"
    assert (app / U / "kept.txt").read_text() == "kept"


async def test_row_47_a_second_rename_that_fails_takes_the_first_back(app: Path, tmp_path: Path, host: Host) -> None:
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target("uploads", options(app), host, shelf.goal())
    await staged(target)
    swap = target.swap_plan()
    shutil.rmtree(swap.staged)
    with pytest.raises(BackupError, match="could not become"):
        await target.swap()
    await target.discard()
    assert (app / U / "kept.txt").read_text() == "kept"
    assert os.listdir(app / "public") == ["uploads"]


async def test_row_48_a_folder_that_somebody_makes_anew_is_not_written_over(
    app: Path, tmp_path: Path, host: Host
) -> None:
    shelf = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target("uploads", options(app), host, shelf.goal())
    await staged(target)
    swap = target.swap_plan()
    os.rename(swap.target, swap.before)
    os.mkdir(swap.target)
    with pytest.raises(BackupError, match="made it anew"):
        await files.settle(swap, host)
    assert os.listdir(swap.target) == []
    assert os.listdir(swap.before) == ["kept.txt"]


async def test_row_1_tar_that_is_killed_is_a_failure(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "big").write_bytes(bytes(1000) + os.urandom(60_000_000))

    class Killing(Shelf):
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
