"""Which restores came to their renames, and how far. What is swapped is on the disk before it is: a crash between two
renames is finished or undone at the next start, and a restore can be undone until what was there before is let go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from lilfox_tui import paths
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.source import Swap
from lilfox_tui.i18n import tr

Stage = Literal["swapping", "swapped", "undoing", "undone", "forgetting", "forgotten"]
SETTLED: frozenset[Stage] = frozenset({"swapped", "undone", "forgotten"})
KNOWN_FOR = timedelta(days=90)
MOST_KNOWN = 200


class Restored(Struct, frozen=True, kw_only=True):
    """One restore that came to its renames. ``run`` is the job's id."""

    run: str
    set: str
    at: datetime
    stage: Stage
    swaps: tuple[Swap, ...]
    undone: int = 0
    """So many of ``swaps``, from the last on, are undone already while it is being undone."""


def write(restored: Restored) -> None:
    """Puts it on the disk (fsync of file and folder), and lets go of settled ones that are older than 90 days or beyond
    200. Raises BackupError: the renames must then not be made."""
    folder = _folder()
    file = folder / f"{restored.run}.json"
    part = file.with_suffix(".part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(msgspec.json.encode(restored))
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
        _fsync_folder(folder)
    except OSError as error:
        raise BackupError(
            tr("{path}: cannot be written: {error}", path=part, error=error.strerror),
            tr("what was to be done is done; make room there: the next lilfox backup run, restore or undo notes it")
            if restored.stage in SETTLED or restored.undone
            else tr("nothing was changed; make room there, then try again"),
        ) from None
    _let_go(datetime.now(UTC))


def read_all() -> list[Restored]:
    """All that are known, newest first; files that cannot be read are not among them."""
    return sorted(_read(), key=lambda restored: restored.at, reverse=True)


def _read() -> Iterator[Restored]:
    for file in _folder().glob("*.json"):
        try:
            yield msgspec.json.decode(file.read_bytes(), type=Restored)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _let_go(now: datetime) -> None:
    settled = [restored for restored in read_all() if restored.stage in SETTLED]
    for number, restored in enumerate(settled):
        if number >= MOST_KNOWN or now - restored.at > KNOWN_FOR:
            with suppress(OSError):
                (_folder() / f"{restored.run}.json").unlink()


def _folder() -> Path:
    folder = paths.state_dir() / "restores"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
