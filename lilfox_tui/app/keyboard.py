"""What the terminal says to us: keys, the mouse, its size. Whatever it says, the console goes on or ends with a report.

Textual's own reader ends on bytes that are no UTF-8 (a bad link, an old paste) and on a size of nothing (some terminals
tell one while a window is minimised, and many tell no pixels), and it prints its traceback over the screen.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterable
from threading import Event

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Resize
from textual.message import Message

BLOCK = 4096
MORE_TO_COME_S = 0.1
"""Between two looks whether a sequence that has begun goes on."""


class TerminalWords(XTermParser):
    """Textual's parser, which counts the mouse in pixels only where the terminal says how many there are."""

    @property
    def unfinished(self) -> bool:
        """Whether a sequence has begun that may go on; a lone ESC is the key once ``tick`` finds it late."""
        return self._timeout_time is not None

    def parse_mouse_code(self, code: str) -> Message | None:
        sizes = (self.terminal_size, self.terminal_pixel_size)
        if self.mouse_pixels and any(size is not None and min(size) == 0 for size in sizes):
            return None  # nobody can tell in which cell that is
        return super().parse_mouse_code(code)


class Ending(Event):
    """The end of reading: set, it wakes the reader, which sleeps while nobody types."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes, self._waker = os.pipe()

    def set(self) -> None:
        super().set()
        os.write(self._waker, b"!")


class Keyboard(LinuxDriver):
    """Textual's driver with a reader that survives what terminals say, and is not woken ten times a second."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.exit_event = self._ending = Ending()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as error:  # this is a thread: the app is told, and reports it as any other fault
            self._app.call_later(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Reads until the end has come; bytes that are no UTF-8 become U+FFFD, a key without meaning."""
        words = TerminalWords(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as terminal:
            terminal.register(self.fileno, selectors.EVENT_READ)
            terminal.register(self._ending.wakes, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _mask in terminal.select(MORE_TO_COME_S if words.unfinished else None)}
                if self._ending.wakes in ready:
                    os.read(self._ending.wakes, BLOCK)
                if self.fileno in ready and (text := decode(os.read(self.fileno, BLOCK))):
                    self._tell(words.feed(text))
                self._tell(words.tick())
        try:
            self._tell(words.feed(""))
        except (EOFError, ParseError):
            return  # a sequence was cut off by the end

    def _tell(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    def process_message(self, message: Message) -> None:
        """Passes ``message`` on, unless it is a size of nothing: there is nothing to draw in until the next one."""
        if isinstance(message, Resize) and not message.size:
            return
        super().process_message(message)
