"""The most memory that a job's process and the programs that it starts ever held, as the kernel counted it (VmHWM)."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lilfox_tui.jobs import child

LOOK_EVERY_S = 0.02


class Peaks:
    """Megabytes, of each process that was seen since it began."""

    def __init__(self) -> None:
        self.job = 0.0
        self.children: dict[str, float] = {}
        """By program; of several processes of one the largest."""

    def look(self, parent: int) -> None:
        """Looks at the descendants of ``parent`` that are there now."""
        for pid in _descendants(parent):
            try:
                command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
                status = (Path("/proc") / str(pid) / "status").read_text()
            except OSError:  # it has ended
                continue
            found = [int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM:")]
            if not found:
                continue
            if child.__name__.encode() in command:
                self.job = max(self.job, found[0])
            else:
                name = Path(command.split(b"\0")[0].decode(errors="replace")).name
                self.children[name] = max(self.children.get(name, 0.0), found[0])


def peaks_of(argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> Peaks:
    """Runs ``argv``, which starts a job and waits for it; it must succeed."""
    peaks = Peaks()
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        ended = threading.Event()
        looking = threading.Thread(target=_look, args=(peaks, process.pid, ended))
        looking.start()
        try:
            code = process.wait(timeout_s)
        finally:
            ended.set()
            looking.join()
    if code:
        raise subprocess.CalledProcessError(code, list(argv))
    return peaks


def _look(peaks: Peaks, parent: int, ended: threading.Event) -> None:
    while not ended.wait(LOOK_EVERY_S):
        peaks.look(parent)


def _descendants(parent: int) -> list[int]:
    found, waiting = [], [parent]
    while waiting:
        try:
            children = [int(word) for file in Path(f"/proc/{waiting.pop()}/task").glob("*/children")
                        for word in file.read_text().split()]  # fmt: skip
        except OSError:
            continue
        found += children
        waiting += children
    return found
