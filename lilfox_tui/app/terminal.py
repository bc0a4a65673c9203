"""Terminal handling: exits within two seconds when the terminal goes away, and restores the terminal's modes.

Textual does not notice a hang-up with SIGHUP ignored, and dies by SIGHUP before any clean-up otherwise; so the hang-up
is watched here, without reading a byte that belongs to the driver.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from types import TracebackType

from lilfox_tui.core.crash import last_words

LAST_RESORT_S = 1.5
HANGUP_STATUS = 129


class Departure:
    """Calls ``leave`` once on a signal or hang-up, and ends the process if leaving takes too long."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._leaving = threading.Event()
        self._left = False

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start watching for signals and a hang-up. SIGHUP counts even if it was ignored at the start (nohup), because
        the terminal is gone."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self.now)
        if sys.stdin.isatty():
            threading.Thread(target=self._until_hangup, args=(loop,), daemon=True, name="hang-up").start()

    def now(self) -> None:
        """Leaves; a second call does nothing."""
        self._limit()
        if not self._left:
            self._left = True
            self._leave()

    def _limit(self) -> None:
        """Limits the time that leaving may take."""
        if self._leaving.is_set():
            return
        self._leaving.set()
        last = threading.Timer(LAST_RESORT_S, os._exit, args=(HANGUP_STATUS,))
        last.daemon = True
        last.start()

    def _until_hangup(self, loop: asyncio.AbstractEventLoop) -> None:
        poll = select.poll()
        poll.register(sys.stdin.fileno(), 0)  # only POLLHUP, POLLERR and POLLNVAL are reported
        while not self._leaving.is_set():
            if poll.poll(1000):
                self._limit()  # here: the loop may be waiting for a program that was given the terminal
                try:
                    loop.call_soon_threadsafe(self.now)
                except RuntimeError:  # the loop has ended by itself meanwhile
                    return
                return


class SavedTerminal:
    """Saves the terminal's modes at the start, and restores them at the end in any case."""

    def __init__(self) -> None:
        self._modes: list[int | list[bytes | int]] | None = None
        try:
            self._modes = termios.tcgetattr(sys.stdin.fileno())
        except (termios.error, OSError, ValueError):
            return

    def restore(self) -> None:
        """Restores the modes; silent if the terminal is gone."""
        if self._modes is None:
            return
        try:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._modes)
        except (termios.error, OSError, ValueError):
            return


def except_hook(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Handle an uncaught exception: writes a short message to stderr and the rest to the crash log."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(last_words(error))
