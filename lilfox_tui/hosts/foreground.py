"""Runs a program in the person's terminal, and has the terminal afterwards as it was before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress

_CUT_SHORT = 128
"""From this exit status on (what ssh gives for a lost link is 255) a program did not end by itself."""
_BY_KEYBOARD = (-signal.SIGINT, 130)
_AS_AT_FIRST = (
    b"\x1b[?1049l\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l"
    b"\x1b[4l\x1b[r\x1b(B\x1b[0m\x1b[?7h\x1b[?25h\n"
)
"""Off: the other screen, keys of applications, mouse, focus, marked pastes, inserting, margins, line drawing, colours;
on: wrapping and the cursor."""


def run_in_foreground(argv: Sequence[str]) -> int:
    """Runs a program on the terminal and gives its exit status once it has ended (negative: the signal that ended it).
    Raises OSError where it cannot be started.

    The event loop stands still meanwhile: a signal to end, which it sees afterwards, ends the program first. What the
    keyboard sends (SIGINT, SIGQUIT) is the program's alone.
    """
    modes = _modes()
    with subprocess.Popen(argv) as program:

        def end(_number: int, _frame: object) -> None:
            program.send_signal(signal.SIGHUP)

        kept = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
        kept |= {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
        try:
            return program.wait()
        finally:
            _take_terminal()
            _put_back(modes, program.returncode)
            for number, handler in kept.items():
                signal.signal(number, handler)


def _modes() -> list[int | list[bytes | int]] | None:
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None


def _put_back(modes: list[int | list[bytes | int]] | None, status: int | None) -> None:
    """The modes as they were before; and what a program that was cut short has left switched on in the terminal."""
    if modes is None:
        return
    with suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
        if status is None or (not 0 <= status < _CUT_SHORT and status not in _BY_KEYBOARD):
            os.write(sys.stdin.fileno(), _AS_AT_FIRST)


def _take_terminal() -> None:
    """Makes our process group the terminal's again: a shell that was killed has not given it back."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    except OSError:
        return
    finally:
        signal.signal(signal.SIGTTOU, before)
