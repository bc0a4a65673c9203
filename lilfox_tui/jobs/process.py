"""Processes told apart for good: a pid comes again, a pid with its start time and its boot does not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from msgspec import Struct

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Process(Struct, frozen=True):
    """``started`` in clock ticks since the boot (field 22 of proc_pid_stat(5)), ``boot`` the kernel's id of it."""

    pid: int
    started: int
    boot: str

    def runs(self) -> bool:
        """Whether this very process is there and has not ended."""
        return self.boot == boot_id() and start_of(self.pid) == self.started

    def signal(self, number: int) -> bool:
        """Sends it a signal, and never another one that has its pid now; whether it was there. Raises
        PermissionError."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.runs():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(pid, start_of(pid) or 0, boot_id())


def boot_id() -> str:
    """The kernel's id of this boot; empty where it does not tell."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """When the process began; None where there is none, or it has ended and was not waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()  # the name before it may hold blanks and brackets
    return None if len(fields) < 20 or fields[0] in (b"Z", b"X") else int(fields[19])
