"""Which folders of this machine are mount points (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def mount_points(mountinfo: bytes) -> list[bytes]:
    """The folders at which something is mounted, by the text of ``mountinfo``."""
    return [_point(line.partition(b" - ")[0]) for line in mountinfo.splitlines()]


def is_mounted(folder: str) -> bool:
    """Whether something is mounted right at ``folder``. An automount that has not mounted anything yet is nothing."""
    try:
        text = MOUNTS.read_bytes()
    except OSError:
        return os.path.ismount(folder)
    wanted = os.fsencode(os.path.realpath(folder))
    kind = b""
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        if _point(before) == wanted:
            kind = after.split()[0]
    return kind not in (b"", b"autofs")


def _point(before: bytes) -> bytes:
    """The mount point in the fields before the separator of a line."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), before.split()[4])
