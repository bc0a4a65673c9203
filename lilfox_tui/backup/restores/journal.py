"""Which restores came to their renames, and how far. What is swapped is on the disk before it is: a crash between two
renames is finished or undone at the next start, and a restore can be undone until what was there before is let go.

They are noted in ``restores``, beside the jobs: in the user's state folder, of root and of service users in the
system's, where others may read them if the folder lets them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from lilfox_tui import paths
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.source import Swap
from lilfox_tui.i18n import Message, _, tr

Stage = Literal["swapping", "swapped", "undoing", "undone", "forgetting", "forgotten", "aside"]
"""``aside``: it was half done, and nobody will settle it."""
SETTLED: frozenset[Stage] = frozenset({"swapped", "undone", "forgotten", "aside"})
OPEN: frozenset[Stage] = frozenset({"swapping", "undoing"})
KNOWN_FOR = timedelta(days=90)
MOST_KNOWN = 200
_RESTORES = "restores"


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
    """Puts it on the disk (fsync of file and folder), where it is noted already or else where this process keeps what
    it does, and lets go of settled ones that are older than 90 days or beyond 200. Raises BackupError: the renames must
    then not be made."""
    noted = _file_of(restored.run)
    folder = _own_folder() if noted is None else noted.parent
    file = folder / f"{restored.run}.json"
    part = file.with_suffix(".part")
    try:
        mode = paths.modes(folder)[1]
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(msgspec.json.encode(restored))
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
        _fsync_folder(folder)
    except OSError as error:
        raise BackupError(
            tr("{path}: cannot be written: {error}", path=part, error=error.strerror), _hint(restored, noted)
        ) from None
    _let_go(datetime.now(UTC))


def _hint(restored: Restored, noted: Path | None) -> Message:
    """What to do when it cannot be written."""
    if noted is not None and not os.access(noted.parent, os.W_OK):
        return tr("nothing was changed; it was done as {user}: do this as {user} too", user=_owner(noted))
    if restored.stage in SETTLED or restored.undone:
        return tr("what was to be done is done; make room there: the next lilfox restore or undo notes it")
    return tr("nothing was changed; make room there, then try again")


def read_all() -> list[Restored]:
    """All that are known, newest first: the user's own, and those that root noted where the user may read them. Files
    that cannot be read are not among them, nor are those of other users: what they name is renamed and taken away with
    the rights of who reads them."""
    return sorted((restored for _file, restored in _read()), key=lambda restored: restored.at, reverse=True)


def read_open() -> list[Restored]:
    """Those of :func:`read_all` whose renames, or the undoing of them, did not come to their end; of the others not
    more than a look is taken, so that it may be asked at each start."""
    return sorted(
        (restored for _file, restored in _read(OPEN) if restored.stage in OPEN),
        key=lambda restored: restored.at,
        reverse=True,
    )


def may_write(restored: Restored) -> bool:
    """Whether this process can note what becomes of it; who cannot must leave it as it is."""
    noted = _file_of(restored.run)
    return noted is None or os.access(noted.parent, os.W_OK)


def owner_of(restored: Restored) -> str:
    """The user who noted it; empty where nobody has."""
    noted = _file_of(restored.run)
    return "" if noted is None else _owner(noted)


def _read(stages: Collection[Stage] = ()) -> Iterator[tuple[Path, Restored]]:
    """All of them; with ``stages`` at least those that are at one of these."""
    words = [f'"{stage}"'.encode() for stage in stages]
    for file in _files():
        try:
            raw = file.read_bytes()
            if words and not any(word in raw for word in words):
                continue
            restored = msgspec.json.decode(raw, type=Restored)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if restored.run == file.stem:
            yield file, restored


def _files() -> Iterator[Path]:
    for folder in paths.all_folders(_RESTORES):
        if _is_trusted(folder.stat):
            with suppress(OSError):
                files = [file for file in folder.iterdir() if file.suffix == ".json"]
                yield from (file for file in files if _is_trusted(file.lstat))


def _is_trusted(look: Callable[[], os.stat_result]) -> bool:
    """Whether only root and this user can write it."""
    try:
        facts = look()
    except OSError:  # it is not there, or is for others alone
        return False
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _file_of(run: str) -> Path | None:
    return next((file for file in _files() if file.stem == run), None)


def _owner(file: Path) -> str:
    with suppress(OSError, KeyError):
        return file.owner()
    return _("another user")


def _let_go(now: datetime) -> None:
    settled = [(file, restored) for file, restored in _read() if restored.stage in SETTLED]
    settled.sort(key=lambda each: each[1].at, reverse=True)
    for number, (file, restored) in enumerate(settled):
        if number >= MOST_KNOWN or now - restored.at > KNOWN_FOR:
            with suppress(OSError):
                file.unlink()


def _own_folder() -> Path:
    try:
        return paths.own_folder(_RESTORES)
    except paths.FolderRefused as refused:
        raise BackupError(tr("{problem}; nothing was changed", problem=refused.message), refused.hint) from None


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
