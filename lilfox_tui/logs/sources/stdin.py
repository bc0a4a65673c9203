"""Data piped into the program: ``… | lilfox logs -``. Kept in memory."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncGenerator

from lilfox_tui.config.model import LogConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.stream_source import StreamOrigin, StreamSource

_BLOCK = 64 * 1024


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``descriptor`` is the file descriptor to read: 0 is standard input."""

    kind: str = "stdin"
    descriptor: int = 0


def open_source(name: str, options: Options, setting: SourceSettings) -> StreamSource:
    """Return a source for the data on the descriptor, which is not closed at the end."""
    return StreamSource(name, StreamOrigin("-", lambda: blocks_of(options.descriptor)), setting)


async def blocks_of(descriptor: int) -> AsyncGenerator[bytes, None]:
    """Yield blocks as they arrive, until the end of the pipe or file. A thread waits for each block, so that a slow
    reader slows the writer down, and the descriptor's flags, which other programs share, stay unchanged. Raises
    UsageError for a terminal, because its keys are meant for the console."""
    if os.isatty(descriptor):
        raise UsageError(
            tr("standard input is the terminal: there is nothing to read"),
            tr("Pipe data into it: PROGRAM | lilfox logs -"),
        )
    awake, wake = os.pipe()
    try:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(_read, descriptor, awake))
            try:
                block = await asyncio.shield(reading)
            except asyncio.CancelledError:
                os.write(wake, b"x")
                await asyncio.wait([reading])
                raise
            if not block:
                return
            yield block
    finally:
        os.close(awake)
        os.close(wake)


def _read(descriptor: int, awake: int) -> bytes:
    ready, _, _ = select.select([descriptor, awake], [], [])
    return b"" if awake in ready else os.read(descriptor, _BLOCK)
