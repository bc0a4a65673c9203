"""What a server sends before SSH begins: its version line and, allowed but rare, lines before it (RFC 4253, 4.2)."""

from __future__ import annotations

import asyncssh

from lilfox_tui.redact import redacted_start
from lilfox_tui.text import clean

MAX_LINE = 8192
"""Bytes of a line; asyncssh gives up at a longer one."""
SHOWN = 80


class Greeting:
    """Counts the lines of a server that are not its version. ``versioned`` tells that the version came."""

    def __init__(self) -> None:
        self.versioned = False
        self._lines = 0
        self._first = b""
        self._open = b""

    def listen(self, connection: asyncssh.SSHClientConnection) -> None:
        """Hears what ``connection`` receives until the version came; asyncssh itself drops these lines."""
        receive = connection.data_received

        def hear(data: bytes, datatype: asyncssh.DataType = None) -> None:
            self.hear(data)
            if self.versioned:
                connection.data_received = receive  # type: ignore[method-assign]
            receive(data, datatype)

        connection.data_received = hear  # type: ignore[method-assign]

    def hear(self, data: bytes) -> None:
        """Takes the next bytes in, up to the version."""
        *lines, self._open = (self._open + data).split(b"\n")
        self._open = self._open[:MAX_LINE]
        for line in lines:
            if line.startswith(b"SSH-"):
                self.versioned = True
                self._open = b""
                return
            self._lines += 1
            self._first = self._first or line.strip()

    @property
    def count(self) -> int:
        """Lines that are not a version, with one that has not ended."""
        return self._lines + (bool(self._open) and not self._open.startswith(b"SSH-"))

    @property
    def first(self) -> str:
        """The first of them that is not empty, safe to be part of an error."""
        first = self._first or self._open
        return clean(redacted_start(first, SHOWN))[:SHOWN].strip()
