"""Files beside a timeline: whole or not at all, never one over another."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.incident.model import Kept
from lilfox_tui.incident.places import EVIDENCE

_PART = ".part-"
_MOST_NAME = 80


def keep(folder: Path, name: str, data: bytes, text: str, file_mode: int) -> Kept:
    """Puts ``data`` on the disk as ``evidence/NAME``, with a number where there is one of that name already. Only while
    the timeline is held. Raises OSError."""
    evidence = folder / EVIDENCE
    if not evidence.is_dir():
        evidence.mkdir(mode=0o700)
        evidence.chmod(folder.stat().st_mode & 0o7777)
        sync_folder(folder)
    for left in evidence.glob(f"{_PART}*"):  # of somebody who was killed
        with suppress(OSError):
            left.unlink()
    stem = _harmless(name)
    file, number = stem, 1
    while (evidence / file).exists() or (evidence / file).is_symlink():
        number += 1
        file = f"{number}-{stem}"
    part = evidence / f"{_PART}{file}"
    try:
        _write(part, data, file_mode)
        part.rename(evidence / file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(evidence)
    return Kept(file=file, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), text=text)


def _write(part: Path, data: bytes, mode: int) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Puts the names in it on the disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _harmless(name: str) -> str:
    """A file's name that means nothing to a shell, a terminal, a browser or a path; the end of a long one stays."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-_MOST_NAME:].lstrip("-.")
    return plain or f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
