"""What sh asks ``df`` for, from a list of mounts of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.metrics.collectors.filesystems import Options, parse, read_here, script

MOUNTS = r"""/dev/sda1 / ext4 rw 0 0
overlay /var/lib/x overlay rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/sdb1 /mnt/My\040Disk\134x xfs ro 0 0
/dev/loop3 /snap/x squashfs ro 0 0
nas:/vol /net nfs4 rw 0 0
//nas/share /smb cifs rw 0 0
host:/ /home/u/s fuse.sshfs rw 0 0
pool/data /-data zfs rw 0 0
"""


def printed(folder: Path, options: Options, df: str = "df() { :; }") -> str:
    """What the script prints of these mounts, with ``df`` in place of the program."""
    (folder / "mounts").write_text(MOUNTS)
    text = script(options).replace("/proc/self/mounts", str(folder / "mounts"))
    prelude = f'{df}\nlilfox_limit() {{ shift; "$@"; }}\n'
    return subprocess.run(["sh", "-c", prelude + text], capture_output=True, text=True, check=True, timeout=60).stdout


def asked(folder: Path, options: Options) -> list[list[str]]:
    """The mount points of each call of ``df``."""
    said = printed(folder, options, 'df() { printf "CALL\\n"; for one; do printf "%s\\n" "$one"; done; }')
    calls = [call.replace("@@inodes\n", "").split("\n")[:-1] for call in said.split("CALL\n")[1:]]
    return [call[call.index("--") + 1 :] for call in calls]


def test_only_filesystems_with_a_disk_of_their_own(tmp_path: Path) -> None:
    here = ["/", "/mnt/My Disk\\x", "/-data"]
    assert asked(tmp_path, Options()) == [here, here]


def test_network_filesystems_are_asked_apart_from_the_others(tmp_path: Path) -> None:
    network = ["/net", "/smb", "/home/u/s"]
    calls = asked(tmp_path, Options(network=True))
    assert calls[2:] == [network, network]
    assert "/net" not in calls[0]


@pytest.mark.parametrize("options", [Options(), Options(network=True)])
def test_a_host_with_none_of_them_is_not_asked_for_all(tmp_path: Path, options: Options) -> None:
    text = script(options).replace("/proc/self/mounts", "/dev/null")
    ran = subprocess.run(["sh", "-c", f"df() {{ echo all; }}\n{text}"], capture_output=True, check=False, timeout=60)
    assert b"all" not in ran.stdout


def test_mounts_that_cannot_count_are_not_sent(tmp_path: Path) -> None:
    """A container has an overlay and a small memory of its own in this list, of 300 bytes and more."""
    mounts, _mark, _df = printed(tmp_path, Options()).partition("@@df")
    kinds = [line.split(" ")[2] for line in mounts.splitlines()]
    assert kinds == ["ext4", "xfs", "squashfs", "cifs", "zfs"]
    mounts, _mark, _df = printed(tmp_path, Options(network=True)).partition("@@df")
    assert {line.split(" ")[2] for line in mounts.splitlines()} >= {"nfs4", "cifs", "fuse.sshfs"}


def test_the_root_counts_whatever_it_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.MOUNTS", "overlay / overlay rw 0 0\noverlay /var/lib/x overlay rw 0 0\n")
    assert asked(tmp_path, Options()) == [["/"], ["/"]]
    df = 'df() { echo "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 9 4 5 44% /"; }'
    samples = parse({"script": printed(tmp_path, Options(), df)}, Options())
    assert {sample.series.label("mountpoint") for sample in samples} == {"/"}


def test_what_is_read_here_is_what_the_script_prints() -> None:
    text = 'lilfox_limit() { shift; "$@"; }\n' + script(Options())
    ran = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60).stdout
    here = read_here(Options())
    assert here is not None

    def sizes(said: str) -> dict[object, float]:
        return {one.series: one.value for one in parse({"script": said}, Options()) if "size" in one.name}

    assert sizes(here) == sizes(ran) != {}
