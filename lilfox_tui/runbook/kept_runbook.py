"""The runbook of a run, kept in its job's folder without secrets: what faces show, whatever becomes of its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.paths import modes
from lilfox_tui.redact import redact
from lilfox_tui.regular_file import open_regular
from lilfox_tui.runbook.model import Command, Runbook
from lilfox_tui.runbook.placeholders import placeholders_of
from lilfox_tui.trusted_file import refuse

NAME = "runbook.json"
"""Of its file."""
_MOST_BYTES = 256 << 20


def keep(folder: Path, runbook: Runbook) -> None:
    """Puts it into the job's folder, whole or not at all. Raises LilFoxError."""
    part = folder / f".{NAME}"
    try:
        mode = modes(folder.parent)[1]
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(_encoded(runbook))
        part.replace(folder / NAME)
    except OSError as error:
        raise LilFoxError(
            tr("{folder}: cannot be written: {reason}", folder=folder, reason=error.strerror or error)
        ) from None


def read(folder: Path) -> Runbook:
    """The runbook of the run in ``folder``; what looked like a secret is masked. Raises LilFoxError."""
    return _read(folder)[0]


def read_whole(folder: Path) -> Runbook:
    """The same, where nothing of it had to be masked: what can be run again. Raises NotTrusted where
    another one may have written it, LilFoxError."""
    refuse(folder / NAME)
    runbook, masked = _read(folder)
    if masked:
        raise LilFoxError(
            tr("{folder}: the text of its runbook held what looks like a secret, which is not kept", folder=folder),
            tr("put it back as it was and go on, or begin a new run"),
        )
    return runbook


class _Masked(Struct):
    masked: bool = True


def _encoded(runbook: Runbook) -> bytes:
    kept = _without_secrets(msgspec.to_builtins(runbook))
    masked = msgspec.json.encode(kept) != msgspec.json.encode(runbook)
    return msgspec.json.encode({**kept, "masked": masked})


def _read(folder: Path) -> tuple[Runbook, bool]:
    """And whether something of it was masked."""
    try:
        with os.fdopen(open_regular(folder / NAME), "rb") as file:
            data = file.read(_MOST_BYTES)
        kept, masked = msgspec.json.decode(data, type=Runbook), msgspec.json.decode(data, type=_Masked).masked
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LilFoxError(tr("{folder}: its runbook cannot be read: {reason}", folder=folder, reason=reason)) from None
    steps = tuple(replace(step, commands=tuple(map(_placed, step.commands))) for step in kept.steps)
    return replace(kept, steps=steps), masked


def _placed(command: Command) -> Command:
    """With its placeholders where they stand in what was masked."""
    return replace(command, placeholders=placeholders_of(command.text)) if command.placeholders else command


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return redact(value) if isinstance(value, str) else value
