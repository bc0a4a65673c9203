"""Questions at this terminal. What was typed before one stands there is no answer to it: nobody can have meant it so.

Everything that reads what a person types goes through here."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from contextlib import suppress

from lilfox_tui.cli.output import warn
from lilfox_tui.i18n import Message

_LONGEST = 64 << 10


def ask_line(*question: Message | str) -> str | None:
    """The line that somebody types to a question; None at the end of input. Blocks."""
    pose(*question)
    return typed_line()


async def asked_line(*question: Message | str) -> str | None:
    """As :func:`ask_line`, while the loop goes on."""
    pose(*question)
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str | None] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(typed_line())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        return await typed
    finally:
        loop.remove_reader(sys.stdin.fileno())


def pose(*question: Message | str) -> None:
    """Writes a question, and lets go of what was typed up to then: whole lines, and one that was begun."""
    sys.stdout.flush()
    if sys.stdin.isatty():
        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    for line in question:
        warn(line)


def typed_line() -> str | None:
    """The next line; None at the end of input. Of a terminal no more than that is read: what is behind it stays with
    the terminal, where :func:`pose` finds it."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline()
        return given.rstrip("\n") if given else None
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST:
        block = os.read(sys.stdin.fileno(), 4096)  # a terminal gives one line at most
        if not block:
            break
        line += block
    return line.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\n") if line else None
