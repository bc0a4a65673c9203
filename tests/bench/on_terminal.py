"""Any program on a terminal of 120x40 that answers nothing, as a plain xterm does: its output with times, its cost."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyte

from tests.bench.programs import environment

COLUMNS, ROWS = 120, 40
STEP_S = 0.25
END_S = 3.0


class CannotMeasure(Exception):
    """A program did not do what was to be measured; says what stood on its screen."""


@dataclass(frozen=True, slots=True)
class Steady:
    """What a program cost over a stretch of time."""

    cpu_percent: float
    """Of one core, of the whole process tree."""
    bytes_s: float
    """To the terminal."""


class OnTerminal:
    """``argv`` with a terminal of its own. Use as a context manager: whatever happens, its processes are ended.

    While time is taken nothing is drawn here: what comes is kept with its time and drawn afterwards.
    """

    def __init__(self, argv: Sequence[str], *, home: Path) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._blocks: list[tuple[float, bytes]] = []
        self._fd, terminal = pty.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(home),
            cwd=home,
            preexec_fn=_lead,
        )
        os.close(terminal)

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            end = time.monotonic() + END_S
            while self._process.poll() is None and time.monotonic() < end:
                self.collect(0.05)
        self._process.wait(END_S)
        os.close(self._fd)

    @property
    def pid(self) -> int:
        """Of the program; also of its session and process group."""
        return self._process.pid

    @property
    def text(self) -> str:
        """The screen's lines, of what was drawn."""
        buffer = self._screen.buffer  # pyte's own ``display`` fails on half of a wide character
        return "\n".join("".join(buffer[row][column].data for column in range(COLUMNS)).rstrip() for row in range(ROWS))

    def press(self, keys: str) -> None:
        """Types ``keys``."""
        os.write(self._fd, keys.encode())

    def tell_kind(self) -> None:
        """Answers what lnav waits for: that this is a VT220 with colours (ECMA-48 DA, as xterm replies)."""
        self.collect(0.2)
        self.press("\x1b[?62;22c")

    def collect(self, seconds: float) -> int:
        """Keeps what comes within ``seconds``, undrawn; tells how many bytes came. Sleeps on where it has ended."""
        got = 0
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self._fd], [], [], left)[0]:
                break
            try:
                block = os.read(self._fd, 65536)
            except OSError:
                block = b""
            if not block:
                break
            self._blocks.append((time.monotonic(), block))
            got += len(block)
        return got

    def answer_s(self, keys: str, seconds: float) -> float | None:
        """Seconds from typing ``keys`` to the first output after it; None where none comes within ``seconds``."""
        self.collect(0.02)
        pressed = time.monotonic()
        self.press(keys)
        if not select.select([self._fd], [], [], seconds)[0]:
            return None
        return time.monotonic() - pressed

    def until(self, shows: Callable[[str], bool], seconds: float, *, step_s: float = STEP_S) -> float:
        """Seconds from the start to the block of output with which the screen shows it. Raises CannotMeasure."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.collect(step_s)
            blocks, self._blocks = self._blocks, []
            for index, (at, block) in enumerate(blocks):
                self._stream.feed(block)
                if shows(self.text):
                    self._blocks = blocks[index + 1 :]
                    return at - self.started
            if self._process.poll() is not None:
                break
        state = self._process.poll()
        raise CannotMeasure(f"{self._process.args!r}: not on the screen; exit {state}; there stands\n{self.text}")

    def steady(self, settle_s: float, seconds: float) -> Steady:
        """What it costs over ``seconds``, after ``settle_s``. Raises CannotMeasure where it has ended meanwhile."""
        self.collect(settle_s)
        began, cpu_before = time.monotonic(), tree_cpu_s(self.pid)
        got = self.collect(seconds)
        took, cpu = time.monotonic() - began, tree_cpu_s(self.pid) - cpu_before
        if self._process.poll() is not None:
            raise CannotMeasure(f"{self._process.args!r} has ended")
        return Steady(100 * cpu / took, got / took)

    def peak_memory_bytes(self) -> int:
        """The most memory that the process itself has held (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise CannotMeasure("no VmHWM in /proc")


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process, its children, theirs, and those of them that have ended and were waited for."""
    ticks_s = os.sysconf("SC_CLK_TCK")
    seconds, left = 0.0, [pid]
    while left:
        each = left.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            seconds += process_cpu_s(each) + (int(fields[13]) + int(fields[14])) / ticks_s
            for thread in Path(f"/proc/{each}/task").iterdir():
                left += map(int, (thread / "children").read_text().split())
    return seconds


def process_cpu_s(pid: int) -> float:
    """CPU seconds of one process, to the nanosecond: the clock that clock_getcpuclockid(3) names on Linux."""
    return time.clock_gettime((~pid << 3) | 2)


def _lead() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
