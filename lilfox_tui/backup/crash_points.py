"""Named points at which a test can kill a run, to see what a crash there leaves."""

from __future__ import annotations

import os
import signal

CRASH_AT = "LILFOX_CRASH_AT"
"""``phase`` or ``phase:N``: the process kills itself (SIGKILL) when it comes to that phase for the N-th time."""

_reached: dict[str, int] = {}


def phase(name: str) -> None:
    """Says that the run is at ``name``: connect, dump, hash, fsync, rename, manifest, verify, prune, stage, compare,
    journal, swap-first, swap-second."""
    wanted = os.environ.get(CRASH_AT)
    if wanted is None:
        return
    _reached[name] = _reached.get(name, 0) + 1
    at, _, times = wanted.partition(":")
    if at == name and _reached[name] == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
