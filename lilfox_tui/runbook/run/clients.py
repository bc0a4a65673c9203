"""The clients of a run, a console or a command line: which process each is, and whether it still runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from msgspec import Struct

from lilfox_tui.incident.incidents import name_of
from lilfox_tui.jobs.reader import ProcessIdentity, boot_id, start_of


class RunClient(Struct, frozen=True, kw_only=True):
    """One of them. The kernel says which process it is; a later one with its pid is another face."""

    name: str
    """``user@machine``; of root by sudo the one who called it."""
    terminal: str = ""
    """``pts/3``: by it two who are the same user are told apart. Empty where it has none."""
    pid: int
    started: int
    boot: str

    @property
    def who(self) -> str:
        """For people."""
        return f"{self.name} {self.terminal}".rstrip()

    @property
    def process(self) -> ProcessIdentity:
        """In which it runs."""
        return ProcessIdentity(self.pid, self.started, self.boot)


def client_of(pid: int, uid: int) -> RunClient:
    """The face in a process of that user."""
    return RunClient(
        name=name_of(uid, _called_by(pid)),
        terminal=_terminal(pid),
        pid=pid,
        started=start_of(pid) or 0,
        boot=boot_id(),
    )


@cache
def this_client() -> RunClient:
    """The face that asks."""
    return client_of(os.getpid(), os.geteuid())


def _called_by(pid: int) -> str:
    """Who called sudo to start it; empty where nobody did."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    name = b"SUDO_USER="
    return next((each[len(name) :].decode(errors="replace") for each in variables if each.startswith(name)), "")


def _terminal(pid: int) -> str:
    """Its controlling terminal, as who(1) names it (tty_nr of proc_pid_stat(5), numbers of devices.txt)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    device = int(stat[stat.rfind(b")") + 2 :].split()[4])
    major, minor = os.major(device), os.minor(device)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 and minor < 64 else ""


class ClientPresence:
    """Calls ``gone`` once the process of a face has ended, soon where it has ended already."""

    def __init__(self, face: RunClient, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._handle = -1
        self._loop = asyncio.get_running_loop()
        try:
            self._handle = os.pidfd_open(face.pid)
        except OSError:
            self._loop.call_soon(self._ended)
            return
        if face.process.runs():
            self._loop.add_reader(self._handle, self._ended)
        else:
            self._loop.call_soon(self._ended)

    def close(self) -> None:
        """Watches no more; ``gone`` is not called any more."""
        self._gone = _nothing
        if self._handle >= 0:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1

    def _ended(self) -> None:
        gone = self._gone
        self.close()
        gone()


def _nothing() -> None:
    """Nobody asks any more."""
