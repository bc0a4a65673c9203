"""The history of each recovered unit: its last state and its restarts, shared by every LilFox of a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import locked, replace_file
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.paths import all_folders, modes, own_folder, write_hint
from lilfox_tui.metrics.model import Level

# What is remembered of each unit: how it was at the last look, and when it was restarted. Every LilFox of a user reads
# the same file, so that limits hold over all of them, and over their restarts.


UnitState = Literal["well", "unhealthy", "left alone", "restarting", "waiting", "given up", "unknown"]
"""``left alone``: down, and that is right: disabled, stopped by order, or in maintenance. ``waiting``: unhealthy after
a restart, and the next one may not be yet. ``unknown``: its host cannot be asked; that is never written down."""
FILE = "units.json"
_FOLDER = "recovery"


class UnitRecord(Struct, frozen=True, kw_only=True):
    """The record of one unit on one host. Times are aware UTC."""

    state: UnitState
    since: datetime
    looked: datetime
    why: str = ""
    """In the language of the one who looked; untrusted text of the host may be in it."""
    unhealthy_looks: int = 0
    """In a row."""
    restarts: tuple[datetime, ...] = ()
    """Those of the last ``within``, the oldest first."""
    job: str = ""
    """Of the last restart."""
    told: bool = False
    """An incident was opened for this giving up."""


class RecoveryHistory:
    """The records, by ``HOST/UNIT``. ``folder`` replaces the state folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def read(self) -> dict[str, UnitRecord]:
        """Return all records, of this user and of the system. Blocks; unreadable ones are left out."""
        folders = all_folders(_FOLDER) if self._folder is None else [self._folder]
        found: dict[str, UnitRecord] = {}
        for folder in folders:
            for key, record in _read(folder / FILE).items():
                if key not in found or record.looked > found[key].looked:
                    found[key] = record
        return found

    @contextmanager
    def changing(self, key: str) -> Iterator[RecordUpdate]:
        """Yield the record of ``key`` for changing, locked against others; written (fsync, rename) at the end. Blocks
        for a moment. Raises LilFoxError if it cannot be written."""
        folder = own_folder(_FOLDER) if self._folder is None else self._folder
        path = folder / FILE
        try:
            with locked(path):
                records = _read(path)
                change = RecordUpdate(records.get(key))
                yield change
                if change.record is not None and change.record != records.get(key):
                    replace_file(path, msgspec.json.encode(records | {key: change.record}), mode=modes(folder)[1])
        except OSError as error:
            raise LilFoxError(
                tr(
                    "{path}: the restart cannot be recorded: {reason}; nothing was restarted",
                    path=path,
                    reason=error.strerror or error,
                ),
                write_hint(error),
            ) from None


class RecordUpdate:
    """A record that is being changed: the value of ``record`` at the end is written."""

    def __init__(self, record: UnitRecord | None) -> None:
        self.record = record


def _read(path: Path) -> dict[str, UnitRecord]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, UnitRecord])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


# How the states of recovery are told, one list for the screen and the command line.


LEVELS: dict[UnitState, Level] = {
    "well": Level.GOOD,
    "left alone": Level.GOOD,
    "unhealthy": Level.FAILING,
    "restarting": Level.DEGRADED,
    "waiting": Level.FAILING,
    "given up": Level.FAILING,
    "unknown": Level.FAILING,
}
_TEXTS: dict[UnitState, Message] = {
    "well": tr("healthy"),
    "left alone": tr("left alone"),
    "unhealthy": tr("unhealthy"),
    "restarting": tr("is being restarted"),
    "waiting": tr("unhealthy after a restart"),
    "given up": tr("given up: restarted too often"),
    "unknown": tr("unknown"),
}


def state_text(state: UnitState) -> str:
    """Return ``state`` in the current language."""
    return str(_TEXTS[state])
