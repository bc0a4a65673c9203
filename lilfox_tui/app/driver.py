"""Textual's driver for our app: reads keys and the mouse, and writes frames.

What the terminal says never ends the app: Textual's own reader ends on bytes that are not UTF-8 (a bad link, an old
paste) and on a size of 0 (some terminals report one while a window is minimised, and many report no pixels). And a
terminal that takes nothing (a frozen link, ctrl-s) holds up nobody: Textual's own writer makes the app wait, and with
it the monitor, alerts and runs.

Relies on Textual's private API, as ``textual_internals`` does.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import signal
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import TextIO, cast

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

BLOCK = 4096
MORE_TO_COME_S = 0.1
"""Between two looks whether a sequence that has begun goes on."""
BEHIND = 32_768
"""Bytes that wait to be written; with more, frames are left out until the terminal has taken them."""
STUCK_S = 1.0
"""A terminal that takes nothing for so long is not waited for at the end; less than ``LAST_RESORT_S``."""


class TerminalWords(XTermParser):
    """Textual's terminal parser. Accepts mouse positions in pixels only if the terminal reports its size in pixels."""

    @property
    def unfinished(self) -> bool:
        """Whether a sequence has begun that may continue; a lone ESC counts as the key once ``tick`` times it out."""
        return self._timeout_time is not None

    def parse_mouse_code(self, code: str) -> Message | None:
        sizes = (self.terminal_size, self.terminal_pixel_size)
        if self.mouse_pixels and any(size is not None and min(size) == 0 for size in sizes):
            return None  # nobody can tell in which cell that is
        return super().parse_mouse_code(code)


class Ending(Event):
    """The event that ends reading: setting it wakes the reader, which sleeps while nobody types."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes, self._waker = os.pipe()

    def set(self) -> None:
        super().set()
        os.write(self._waker, b"!")


class Output:
    """Writes to the terminal, and makes nobody wait for it: what it does not take at once is written by a thread.

    ``caught_up`` is called in that thread once everything is written, if ``is_behind`` was true before that.
    """

    def __init__(self, file: TextIO, caught_up: Callable[[], None]) -> None:
        self._fileno, self._encoding, self._errors = file.fileno(), file.encoding, file.errors or "strict"
        self._at_once = _opened_anew(self._fileno)
        self._caught_up = caught_up
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._given = self._written = 0
        """Bytes. The thread alone counts what is written, but for those moments in which nothing waits for it."""
        self._sent = 0
        self._held = self._gone = False
        self._thread = Thread(target=self._run, daemon=True, name="terminal-output")
        self._thread.start()

    def write(self, text: str) -> None:
        """Take ``text`` to be written after what was taken before."""
        data = text.encode(self._encoding, self._errors)
        idle = self._written == self._given and not self._held  # else the thread must see that all is written
        self._given += len(data)
        if idle and self._at_once is not None:  # to wake a thread costs more than most frames
            with suppress(OSError):  # full, or gone: the thread sees that too
                sent = os.write(self._at_once, data)
                self._written += sent
                data = data[sent:]
        if data:
            self._waiting.put(data)

    def is_behind(self) -> bool:
        """Whether the terminal takes so little that no frame should be added to what waits."""
        if self._given - self._written < BEHIND:
            return False
        self._held = True
        return self._given - self._written >= BEHIND  # else all of it was written before it could know of ``_held``

    def stop(self) -> None:
        """End the thread once all is written. A terminal that takes nothing for ``STUCK_S`` does not get the rest."""
        self._waiting.put(None)
        before = -1
        while self._thread.is_alive() and before != self._sent:
            before = self._sent
            self._thread.join(STUCK_S)
        self._gone = True
        if self._at_once is not None:
            os.close(self._at_once)
            self._at_once = None

    def _run(self) -> None:
        parts: list[bytes] = []
        while (part := self._waiting.get()) is not None:
            parts.append(part)
            if not self._waiting.empty():
                continue  # a frame comes in several pieces
            whole = b"".join(parts)
            parts.clear()
            self._send(whole)
            self._written += len(whole)
            if self._held and self._written == self._given:
                self._held = False
                self._caught_up()
        self._send(b"".join(parts))

    def _send(self, data: bytes) -> None:
        """Write ``data`` without Python's buffers: at the end of the process, they wait for a thread that waits."""
        left = memoryview(data)
        while left and not self._gone:
            try:
                sent = os.write(self._fileno, left)
            except BlockingIOError:  # another program that has this terminal open has set O_NONBLOCK
                select.select([], [self._fileno], [])
            except OSError:
                self._gone = True  # the terminal is: ``Departure`` sees that too
            else:
                left = left[sent:]
                self._sent += sent


def _opened_anew(terminal: int) -> int | None:
    """The same terminal in a way that never waits; None where it cannot be opened (another user's, after su). Opened
    anew, because O_NONBLOCK of the descriptor itself would hold for the shell and all others that share it."""
    try:
        return os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


class TerminalDriver(LinuxDriver):
    """Textual's driver. Its reader survives invalid input and does not wake ten times a second; writing never waits."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.exit_event = self._ending = Ending()
        self._output: Output | None = None
        self._runs = False
        """Whether the terminal is set up."""
        self.caught_up: Callable[[], None] = lambda: None
        """Called in the app's loop when the terminal has taken everything after frames were left out."""

    def start_application_mode(self) -> None:
        """Sets the terminal up and tells its size: at the start, and after the shell, when every cell is sent again.
        After a SIGSTOP nothing was taken down, and the shell may have changed the terminal meanwhile."""
        modes, stopped = self.attrs_before, self._runs
        if stopped:
            self.disable_input()
            self.close()
            self._must_signal_resume = True
        self._runs = True
        self._output = Output(cast("TextIO", self._file), self._tell_caught_up)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        super().close()  # its own writer, which was given nothing
        if stopped:
            self.attrs_before = modes
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, self._resized)

    def close(self) -> None:
        """Waits for what is still to be written, as long as the terminal takes it."""
        self._runs = False
        super().close()
        if self._output is not None:
            self._output.stop()

    def write(self, data: str) -> None:
        """Writes ``data`` to the terminal, without waiting."""
        assert self._output is not None, "the driver is not in application mode"
        self._output.write(data)

    def is_behind(self) -> bool:
        """Whether the terminal takes so little that frames must be left out; ``caught_up`` is called later."""
        return self._output is not None and self._output.is_behind()

    def _tell_caught_up(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.caught_up)

    def _resized(self) -> None:
        """Tells the app the terminal's size. Textual reads it in a signal handler, which the next signal interrupts:
        then the older size is told last, and stays."""
        if not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self._app.post_message(events.Resize(size, size))

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as error:  # this is a thread: the app is told, and reports it as any other fault
            self._app.call_later(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Reads keys until the end event is set. Invalid UTF-8 becomes U+FFFD, which is bound to nothing."""
        words = TerminalWords(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as terminal:
            terminal.register(self.fileno, selectors.EVENT_READ)
            terminal.register(self._ending.wakes, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _mask in terminal.select(MORE_TO_COME_S if words.unfinished else None)}
                if self._ending.wakes in ready:
                    os.read(self._ending.wakes, BLOCK)
                if self.fileno in ready:
                    block = self._read()
                    if block is None:
                        return  # else it would be ready to be read for ever
                    if text := decode(block):  # not yet where a character is cut; nothing would end the parser
                        self._tell(words.feed(text))
                self._tell(words.tick())
        try:
            self._tell(words.feed(""))
        except (EOFError, ParseError):
            return  # a sequence was cut off by the end

    def _read(self) -> bytes | None:
        """Returns what was typed; None once the terminal is gone."""
        try:
            return os.read(self.fileno, BLOCK) or None
        except BlockingIOError:  # another program that has this terminal open has set O_NONBLOCK, and was faster
            return b""
        except OSError:
            return None

    def _tell(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    def process_message(self, message: Message) -> None:
        """Passes ``message`` on, unless it is a resize to an empty size: nothing can be drawn until the next resize."""
        if isinstance(message, events.Resize) and not message.size:
            return
        super().process_message(message)
