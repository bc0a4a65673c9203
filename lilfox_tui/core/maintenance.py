"""Maintenance windows: while one is open, its subject is not restarted automatically and sends no notifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.files import locked, replace_file
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.paths import all_folders, modes, own_folder, write_hint

ALL = "all"
"""The name that stands for everything."""
FILE = "windows.json"
_FOLDER = "maintenance"


class MaintenanceWindow(Struct, frozen=True, kw_only=True):
    """A maintenance window. ``name``: of a host, a service, a unit of ``recovery:``, or ``all``. Times are aware
    UTC."""

    name: str
    since: datetime
    until: datetime
    by: str
    why: str = ""


def windows(now: datetime, folder: Path | None = None) -> list[MaintenanceWindow]:
    """The open windows of this user and of the system. Blocks."""
    folders = all_folders(_FOLDER) if folder is None else [folder]
    found = [window for each in folders for window in _read(each / FILE) if window.since <= now < window.until]
    return sorted(found, key=lambda window: (window.until, window.name))


def open_window(window: MaintenanceWindow, folder: Path | None = None) -> None:
    """Saves the window (fsync), and replaces one of the same name. Raises LilFoxError."""
    _change(lambda others: [*(each for each in others if each.name != window.name), window], folder)


def close_window(name: str, folder: Path | None = None) -> None:
    """Ends the window now. Raises UsageError if there is none of that name, LilFoxError."""

    def without(others: list[MaintenanceWindow]) -> list[MaintenanceWindow]:
        rest = [each for each in others if each.name != name]
        if len(rest) == len(others):
            raise UsageError(
                tr("{name} is not in maintenance", name=name), tr("list the maintenance windows: lilfox maintenance")
            )
        return rest

    _change(without, folder)


def covers(found: list[MaintenanceWindow], *names: str) -> MaintenanceWindow | None:
    """The open window for one of ``names``, if any."""
    return next((window for window in found if window.name == ALL or window.name in names), None)


def _change(change: Callable[[list[MaintenanceWindow]], list[MaintenanceWindow]], folder: Path | None) -> None:
    folder = own_folder(_FOLDER) if folder is None else folder
    path = folder / FILE
    try:
        with locked(path):
            replace_file(path, msgspec.json.encode(change(_read(path))), mode=modes(folder)[1])
    except OSError as error:
        raise LilFoxError(
            tr("{path}: the maintenance window cannot be recorded: {reason}", path=path, reason=error.strerror),
            write_hint(error),
        ) from None


def _read(path: Path) -> list[MaintenanceWindow]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[MaintenanceWindow])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
