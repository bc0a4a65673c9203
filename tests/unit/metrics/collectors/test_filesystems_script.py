"""What sh asks ``df`` for, from a list of mounts of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.metrics.collectors.filesystems import Options, script

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


def asked(folder: Path, options: Options) -> list[list[str]]:
    """The mount points of each call of ``df``."""
    (folder / "mounts").write_text(MOUNTS)
    text = script(options).replace("/proc/self/mounts", str(folder / "mounts"))
    prelude = 'df() { printf "CALL\\n"; for one; do printf "%s\\n" "$one"; done; }\nlilfox_limit() { shift; "$@"; }\n'
    ran = subprocess.run(["sh", "-c", prelude + text], capture_output=True, text=True, check=True, timeout=60)
    calls = [call.replace("@@inodes\n", "").split("\n")[:-1] for call in ran.stdout.split("CALL\n")[1:]]
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
