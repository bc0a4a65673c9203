"""The real program in a real pty: what it writes, what stands on its screen, and how it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

from tests.waiting import PATIENCE_S

QUIET_S = 0.3
"""Without output for so long, the screen is whole."""


class Console:
    """``lilfox ARGUMENTS`` on a terminal of our own, or another ``module``, or what ``through`` makes of that (another
    machine's login). Use as a context manager: whatever happens, it is ended."""

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        home: Path,
        columns: int = 100,
        rows: int = 30,
        env: Mapping[str, str] | None = None,
        ignore_hangup: bool = False,
        module: str = "lilfox_tui",
        through: Callable[[Sequence[str]], Sequence[str]] = list,
    ) -> None:
        _watch_this_machine_alone(home)
        self.raw = bytearray()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.fd, terminal = pty.openpty()
        self._size(columns, rows)
        self.modes_before = termios.tcgetattr(terminal)
        self._terminal = terminal
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "COLORTERM": "truecolor",
            **(env or {}),
        }
        self.process = subprocess.Popen(
            through([sys.executable, "-m", module, *arguments]),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environ,
            cwd=home,
            preexec_fn=lambda: _lead(ignore_hangup),
        )

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        for fd in (self.fd, self._terminal):
            try:
                os.close(fd)
            except OSError:
                continue

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """Makes the terminal another size; the program gets SIGWINCH."""
        self._size(columns, rows)
        self.screen.resize(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Types ``keys``."""
        os.write(self.fd, keys.encode())

    def read(self, seconds: float) -> bytes:
        """What comes within ``seconds``; feeds the screen."""
        got = bytearray()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                block = os.read(self.fd, 65536)
            except OSError:
                break
            if not block:
                break
            got += block
            self._stream.feed(block)
        self.raw += got
        return bytes(got)

    def quiet(self) -> None:
        """Reads until nothing comes any more: what was asked is on the screen, and waits for its answer."""
        while self.read(QUIET_S):
            continue

    @property
    def text(self) -> str:
        """The screen's lines."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self.process.poll() is not None

    def until(self, what: str | Callable[[str], bool], seconds: float = PATIENCE_S) -> str:
        """Reads until the screen holds ``what``; returns the screen, or fails with it."""
        test = (lambda text: what in text) if isinstance(what, str) else what
        end = time.monotonic() + seconds
        ended = False
        while time.monotonic() < end and not ended:
            ended = self.process.poll() is not None  # what it wrote before that is still read
            self.read(0.1)
            if test(self.text):
                return self.text
        raise AssertionError(f"not on the screen: {what!r}; exit {self.process.poll()}\n{self.text}")

    def ended_within(self, seconds: float = PATIENCE_S) -> int:
        """The exit status, once the program has ended; fails when it takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)
            status = self.process.poll()
            if status is not None:
                self.read(0.05)
                return status
        raise AssertionError(f"still running after {seconds} s\n{self.text}")

    def hang_up(self) -> None:
        """Closes both ends: the terminal is gone, as when a window is closed or a link drops."""
        os.close(self._terminal)
        os.close(self.fd)
        self._terminal = self.fd = -1


def configure(home: Path, more: str = "") -> None:
    """Writes the configuration that the console reads there: this machine, and what ``more`` says."""
    config = home / ".config" / "lilfox" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"hosts:\n  here: {{local: true}}\n{more}")
    config.chmod(0o600)


def _watch_this_machine_alone(home: Path) -> None:
    """Without a configuration the console finds services on this machine: those of other tests, which come and go."""
    if not (home / ".config" / "lilfox" / "config.yaml").exists():
        configure(home)


def _lead(ignore_hangup: bool) -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if ignore_hangup:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
