"""Stores on a real small disk: full at any byte, without inodes, read-only, not mounted; by the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.backup.local_folder import LocalFolder
from lilfox_tui.backup.store import StoreHeld
from lilfox_tui.backup.stores.local import local_lock
from tests.services.backup_lab import BackupLab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [pytest.mark.root, pytest.mark.usefixtures("jobs")]
MUCH = 12_000_000


@pytest.fixture
def disk() -> Iterator[Path]:
    """A mount point; nothing is mounted there afterwards."""
    with tempfile.TemporaryDirectory(prefix="lilfox-disk-") as made:
        point = Path(made) / "disk"
        point.mkdir(mode=0o700)
        try:
            yield point
        finally:
            while subprocess.run(["umount", "-l", point], capture_output=True).returncode == 0:
                pass


def mount(point: Path, options: str) -> None:
    argv = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "none", str(point)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True).returncode:
        pytest.skip("only root can mount")


def lab_on(disk: Path, folder: Path) -> BackupLab:
    lab = BackupLab(folder)
    lab.store = disk / "sets"
    return lab


@pytest.mark.fault("1.7")
def test_07_a_disk_that_is_too_small_is_told_before_anything_is_written(disk: Path, tmp_path: Path) -> None:
    mount(disk, "size=2m")
    lab = lab_on(disk, tmp_path)
    lab.run()
    (lab.uploads / "much").write_bytes(os.urandom(MUCH))
    done = lab.run(code=1)
    assert "nothing was written" in done.stderr
    assert "Free up space" in done.stderr
    assert list(lab.status().values()) == ["intact"]
    assert lab.left() == []


@pytest.mark.fault("1.7", "1.8", "2.18")
@pytest.mark.parametrize("room", [0, 1, 4096, 100_000, 1_000_000, 5_000_000, 11_900_000, 12_030_000, 12_060_000])
def test_07_08_a_disk_that_fills_up_at_any_byte_leaves_the_sets_before(disk: Path, tmp_path: Path, room: int) -> None:
    """Somebody else takes all but ``room`` bytes once the run is at it."""
    mount(disk, "size=32m")
    lab = lab_on(disk, tmp_path)
    old = lab.run().stdout.strip()
    (lab.uploads / "much").write_bytes(os.urandom(MUCH))
    programs = filling(disk, room, tmp_path / "programs")
    done = lab.lilfox("backup", "run", *lab.words, *lab.where, env={"PATH": f"{programs}:{os.environ['PATH']}"})
    assert (disk / "hog").exists()
    assert done.returncode in (0, 1, 3)
    assert done.returncode == 0 or "no space left" in done.stderr, done.stderr
    assert done.returncode != 0 or room > MUCH
    assert lab.left() == []
    assert lab.status()[old] == "intact"
    assert lab.lilfox("backup", "verify", *lab.where, old).returncode == 0
    (disk / "hog").unlink()
    lab.run()
    assert lab.left() == []
    assert set(lab.status().values()) <= {"intact", "unverified"}


def filling(disk: Path, room: int, folder: Path) -> Path:
    """A folder whose ``tar`` leaves ``room`` bytes on the disk before it writes an archive: the room was looked at
    by then, and nothing is written yet."""
    folder.mkdir()
    tar = folder / "tar"
    tar.write_text(f"""#!/bin/sh
if [ "$1" = --create ]; then
    free=$(($(stat -f -c '%a * %S' {disk})))
    fallocate -l "$((free > {room} ? free - {room} : 1))" {disk}/hog
fi
exec {shutil.which("tar")} "$@"
""")
    tar.chmod(0o755)
    return folder


@pytest.mark.fault("1.7", "1.8")
async def test_07_08_from_a_disk_that_is_full_sets_are_restored_and_let_go(disk: Path, tmp_path: Path) -> None:
    """Not one byte is left, also for the mark of a lock."""
    mount(disk, "size=1m")
    lab = lab_on(disk, tmp_path)
    lab.run()
    with suppress(OSError), (disk / "hog").open("wb") as hog:
        while True:
            os.write(hog.fileno(), b"0" * 4096)
    done = lab.lilfox("backup", "verify", *lab.where)
    assert done.returncode == 0, done.stderr
    done = lab.lilfox("restore", "latest", *lab.words, *lab.where, "--yes")
    assert done.returncode == 0, done.stderr
    async with local_lock(LocalFolder(str(lab.store)), "here", "a run", shared=False):
        with pytest.raises(StoreHeld):
            async with local_lock(LocalFolder(str(lab.store)), "here", "another", shared=True):
                raise AssertionError("two at once")
    assert [path.name for path in lab.store.glob(".lilfox.*")] == [".lilfox.flock"]


@pytest.mark.fault("1.9")
def test_09_a_disk_without_inodes_is_told(disk: Path, tmp_path: Path) -> None:
    mount(disk, "nr_inodes=40")
    lab = lab_on(disk, tmp_path)
    lab.run()
    with suppress(OSError):
        for number in range(40):
            (disk / f"foreign{number}").touch()
    done = lab.lilfox("backup", "run", *lab.words, *lab.where)
    assert done.returncode == 1
    assert "inodes" in done.stderr or "no space left" in done.stderr, done.stderr
    assert list(lab.status().values()) == ["intact"]
    assert lab.left() == []


@pytest.mark.fault("1.10")
def test_10_what_lies_on_a_disk_that_is_read_only_can_be_verified_and_restored(disk: Path, tmp_path: Path) -> None:
    mount(disk, "size=8m")
    lab = lab_on(disk, tmp_path)
    name = lab.run().stdout.strip()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = lab.run(code=1)
    assert "read-only" in done.stderr
    assert list(lab.status().values()) == ["intact"]
    assert lab.lilfox("backup", "verify", *lab.where).returncode == 0
    (lab.uploads / "a.txt").write_text("changed since\n")
    done = lab.lilfox("restore", name, *lab.where, *lab.words, "--yes")
    assert done.returncode == 0, done.stderr
    assert (lab.uploads / "a.txt").read_text() == "fox\n"


@pytest.mark.fault("1.11", "2.17")
def test_11_the_bare_mount_point_is_not_written_to(disk: Path, tmp_path: Path) -> None:
    lab = lab_on(disk, tmp_path)
    lab.store = disk
    plan = lab.plan(store="usb")
    lab.planned({"nightly": plan}, {"usb": {"kind": "local", "path": str(disk), "require_mount": True}})
    done = lab.run("nightly", code=1)
    assert "nothing is mounted at" in done.stderr
    assert list(disk.iterdir()) == []
    mount(disk, "size=8m")
    lab.run("nightly")
    assert list(lab.status().values()) == ["intact"]
