"""What can go wrong with backups."""

from __future__ import annotations

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.store import StoreLockHolder
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message


class BackupError(LilFoxError):
    """A backup, a verification or a restore did not come to a good end; says what is still good."""


class StoreError(BackupError):
    """The store: not there, not mounted, full, no right, another file of that name."""


class StoreHeld(StoreError):
    """Another run holds the store."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, holder: StoreLockHolder) -> None:
        super().__init__(message, hint)
        self.holder = holder


class BrokenSet(BackupError):
    """What lies in the store is not what was put there, or was never whole."""


class NotReady(BackupError):
    """Preflight found what forbids to begin; nothing was written."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(message, hint)
        self.checks = checks


class HalfSwapped(BackupError):
    """Of two renames only one is made, and what it renamed could not get its name back: settling it comes later."""


class RestoredDiffers(BackupError):
    """What was restored is not equal to what was backed up."""
