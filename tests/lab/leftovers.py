"""What a run with whole hosts makes outside its own process, and its removal; everything has the run's pid in its name.

Found by name and not by memory, so that the same few lines end a run that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import wait_for

NSPAWN = Path("/run/systemd/nspawn")
"""Where systemd-nspawn keeps folders, mounts and locks of its hosts; some stay when it is killed."""


def folder_of(run: int) -> Path:
    """Where the run keeps its files and mounts."""
    return Path(tempfile.gettempdir()) / f"lilfox-lab-{run}"


def bridge_of(run: int) -> str:
    """The bridge that its hosts are on."""
    return f"lfb{run}"


def machine_of(run: int, number: int) -> str:
    """The name of one of its hosts for systemd-nspawn; the link here is then ``vb-`` and this (15 bytes at most)."""
    return f"lf{run}{chr(ord('a') + number)}"


def cgroups_of(run: int) -> list[Path]:
    """Its folder in cgroup2 and, where there is one, in systemd's hierarchy of cgroup v1."""
    return [hierarchy / f"lilfox-lab-{run}" for hierarchy in cgroup_hierarchies()]


def cgroup_hierarchies() -> list[Path]:
    """Mount points: cgroup2 first. Empty where there is no cgroup2."""
    mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    unified = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"][:1]
    named = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup" and "name=systemd" in mount[3].split(",")]
    return [*unified, *named[:1]] if unified else []


def remove(run: int) -> None:
    """Ends every process of the run and takes away its mounts, links, cgroups and files."""
    for group in cgroups_of(run):
        end_cgroup(group)
    for link in _links(run):
        subprocess.run(["ip", "link", "delete", link], check=False, stderr=subprocess.DEVNULL)
    for root in folder_of(run).glob("*/root"):
        (NSPAWN / "locks" / f"inode-{root.stat().st_dev}:{root.stat().st_ino}").unlink(missing_ok=True)
    for mount in reversed(_mounts(run)):
        unmount(mount)
    for place in NSPAWN.glob(f"*/lf{run}[a-z]"):
        place.rmdir()
    folder = folder_of(run)
    if folder.exists():
        shutil.rmtree(folder)


def remove_dead_runs() -> None:
    """What runs that were killed have left. Of several that begin now one removes it."""
    NSPAWN.mkdir(parents=True, exist_ok=True)
    held = os.open(NSPAWN, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        _remove_dead_runs()
    finally:
        os.close(held)


def _remove_dead_runs() -> None:
    found: set[int] = set()
    for hierarchy in cgroup_hierarchies():
        found |= set(_runs(hierarchy.glob("lilfox-lab-*")))
    found |= set(_runs(Path(tempfile.gettempdir()).glob("lilfox-lab-*")))
    found |= {int(path.name[3:]) for path in Path("/sys/class/net").glob("lfb*") if path.name[3:].isdigit()}
    found |= {int(path.name[2:-1]) for path in NSPAWN.glob("*/lf*[a-z]") if path.name[2:-1].isdigit()}
    for run in found:
        if not Path(f"/proc/{run}").exists():
            remove(run)


def end_cgroup(group: Path) -> None:
    """SIGKILL to all that is in ``group``, frozen or not, and the end of it."""
    if not group.exists():
        return
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")
        wait_for(lambda: "populated 0" in (group / "cgroup.events").read_text(), what=f"nothing runs in {group}")
    for folder, _, _ in os.walk(group, topdown=False):
        wait_for(lambda folder=folder: _removed(Path(folder)), what=f"{folder} is empty")  # type: ignore[misc]


def unmount(place: str) -> None:
    """Takes a mount away, at the latest when nobody uses it any more."""
    subprocess.run(["umount", "--lazy", place], check=True)


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _runs(paths: Iterator[Path]) -> Iterator[int]:
    for path in paths:
        if match := re.fullmatch(r"lilfox-lab-(\d+)", path.name):
            yield int(match[1])


def _links(run: int) -> list[str]:
    names = [path.name for path in Path("/sys/class/net").iterdir()]
    return [name for name in names if name == bridge_of(run) or re.fullmatch(rf"vb-lf{run}[a-z]", name)]


def _mounts(run: int) -> list[str]:
    places = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    ours = (f"{folder_of(run)}/", f"{NSPAWN}/unix-export/lf{run}")
    return [place for place in places if place.startswith(ours)]
