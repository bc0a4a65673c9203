"""Reads secrets when they are used, from where the configuration refers to; they are never stored, logged or shown."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import stat
from pathlib import Path

from lilfox_tui.config.values import SecretRef
from lilfox_tui.core import files
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr

COMMAND_TIMEOUT_S = 20.0
_LIMIT_BYTES = 64 * 1024


async def resolve(ref: SecretRef) -> str:
    """The secret that ``ref`` names, without its final newline. Raises LilFoxError, which never holds the secret."""
    kind, _colon, place = ref.partition(":")
    if kind == "env":
        return _from_environment(ref, place)
    if kind == "file":
        raw = await asyncio.to_thread(_from_file, ref, place)
    elif kind == "cmd":
        raw = await _from_command(ref, place)
    else:
        raise LilFoxError(tr("a secret reference must start with env:, file: or cmd:"))
    return _as_text(ref, raw)


def _from_environment(ref: SecretRef, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise LilFoxError(
            tr("{ref}: the environment variable is not set", ref=ref),
            tr("set {name} before starting lilfox", name=name),
        )
    return value


def _from_file(ref: SecretRef, place: str) -> bytes:
    path = Path(place).expanduser()
    try:
        with files.opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise LilFoxError(tr("{ref}: not a regular file", ref=ref))
            if found.st_mode & 0o077:
                raise LilFoxError(
                    tr("{ref}: not used, because other users can access it", ref=ref),
                    tr("run: chmod 600 {path}", path=path),
                )
            return files.content(descriptor, _LIMIT_BYTES)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LilFoxError(tr("{ref}: cannot be read: {reason}", ref=ref, reason=reason)) from None


async def _from_command(ref: SecretRef, command: str) -> bytes:
    try:
        argv = shlex.split(command)
    except ValueError:
        raise LilFoxError(tr("{ref}: unclosed quote", ref=ref)) from None
    if not argv:
        raise LilFoxError(tr("{ref}: no command given", ref=ref))
    null = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=null, stdout=asyncio.subprocess.PIPE, stderr=null, start_new_session=True
        )
    except OSError as error:
        raise _failed(
            ref, tr("the command cannot be started: {reason}", reason=error.strerror or type(error).__name__)
        ) from None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            output = await _output_of(process)
            status = await process.wait() if len(output) <= _LIMIT_BYTES else 0
    except TimeoutError:
        raise _failed(ref, tr("no answer within {seconds:g} s", seconds=COMMAND_TIMEOUT_S)) from None
    finally:
        await _end(process)
    if status != 0:
        raise _failed(ref, tr("the command ended with status {status}", status=status))
    return output


async def _output_of(process: asyncio.subprocess.Process) -> bytes:
    output = b""
    assert process.stdout is not None
    while len(output) <= _LIMIT_BYTES and (block := await process.stdout.read(4096)):
        output += block
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the command and its children, which share a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]  # wait() lasts until the pipe is closed, also by strangers
    await process.wait()


def _failed(ref: SecretRef, why: Message) -> LilFoxError:
    return LilFoxError(tr("{ref}: {why}", ref=ref, why=why), tr("run the command in a shell to see its output"))


def _as_text(ref: SecretRef, raw: bytes) -> str:
    if len(raw) > _LIMIT_BYTES:
        raise LilFoxError(tr("{ref}: larger than 64 KiB; not a secret", ref=ref))
    try:
        secret = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise LilFoxError(tr("{ref}: not UTF-8 text", ref=ref)) from None
    if not secret:
        raise LilFoxError(tr("{ref}: empty", ref=ref))
    return secret


async def revealed_text(text: str) -> str:
    """``text``, or the secret that it refers to. Raises LilFoxError, which never holds the secret."""
    if not isinstance(text, SecretRef):
        return text
    return await resolve(text)
