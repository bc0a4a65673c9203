"""Which folders of this machine are mount points (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


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
        point = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), before.split()[4])
        if point == wanted:
            kind = after.split()[0]
    return kind not in (b"", b"autofs")
