"""Notifier that runs a user-defined command, with Alertmanager's webhook JSON on its standard input."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.alerts.notifier import Notification, NotifierSetup, webhook_payload
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.redact import redacted_end

_KEPT_BYTES = 4096
_REASON_CHARS = 300


class Options(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``argv`` is run as it is, word by word, without a shell. Exit status 0 means that the notification was
    delivered."""

    kind: str = "command"
    argv: Annotated[tuple[str, ...], Meta(min_length=1)]


class CommandNotifier:
    """Runs the command for each notification."""

    tells_all = False

    def __init__(self, options: Options) -> None:
        self._argv = options.argv

    async def tell(self, notice: Notification) -> None:
        """See :meth:`Notifier.tell`. When cancelled, terminates the command and everything it started."""
        text = await asyncio.to_thread(lambda: msgspec.json.encode(webhook_payload(notice)))
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe, start_new_session=True
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in a word
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise LilFoxError(
                tr("{command} cannot be started: {reason}", command=self._argv[0], reason=reason),
                tr("Write argv as a list: the command's full path, then its arguments."),
            ) from None
        try:
            _sent, said = await asyncio.gather(_give(process, text), _last_of(process))
            status = await process.wait()
        finally:
            await _end(process)
        if status != 0:
            raise LilFoxError(
                tr("{command} exited with status {status}: {said}", command=self._argv[0], status=status, said=said)
            )

    async def close(self) -> None:
        """As :meth:`Notifier.close`."""


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> CommandNotifier:
    """Open the notifier; starts nothing yet."""
    return CommandNotifier(options)


async def _give(process: asyncio.subprocess.Process, text: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read
        process.stdin.write(text)
        await process.stdin.drain()
    process.stdin.close()


async def _last_of(process: asyncio.subprocess.Process) -> str:
    """Read standard error to its end and return the last part, without secrets."""
    assert process.stderr is not None
    kept, cut = b"", False
    while block := await process.stderr.read(_KEPT_BYTES):
        kept += block
        cut, kept = cut or len(kept) > _KEPT_BYTES, kept[-_KEPT_BYTES:]
    return redacted_end(kept, _REASON_CHARS, cut=cut)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]  # wait() lasts until the pipes are closed, also by strangers
    await process.wait()
