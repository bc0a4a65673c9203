"""The end of a process group of this machine: what ``script.END_GROUP`` does on others, without a shell that reads all
of /proc byte by byte (some 30 ms each time)."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic

_WAIT_S = 2.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.002, 0.1


async def end_group(group: int) -> bool:
    """TERM, 2 s, KILL, 2 s; whether nothing of it runs any more. Zombies count as ended, for only their parent can take
    them away. Cancelled meanwhile (its own process ends, say) it is KILL at once: nobody is left who would send it."""
    try:
        return await _ended(group)
    except asyncio.CancelledError:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        raise


async def _ended(group: int) -> bool:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not await asyncio.to_thread(runs, group):
            return True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
        until, look_s = monotonic() + _WAIT_S, _FIRST_LOOK_S
        while monotonic() < until:
            await asyncio.sleep(look_s)
            look_s = min(2 * look_s, _LONGEST_LOOK_S)
            if not await asyncio.to_thread(runs, group):
                return True
    return False


def runs(group: int) -> bool:
    """Whether a process of the group does, also where that cannot be seen (no /proc)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        """Somebody else's, but there."""
    if not Path("/proc/self").exists():
        return True
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    return any(_state_in(group, pid) not in ("", "Z") for pid in pids)


def _state_in(group: int, pid: str) -> str:
    """The state of a process of the group; empty for others (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # it has ended since
        return ""
    state, _parent, its, *_rest = text.rpartition(")")[2].split()
    return state if int(its) == group else ""
