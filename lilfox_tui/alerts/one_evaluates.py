"""Of several LilFoxes with one state folder, one evaluates: the one that holds the lock on ``alerts.lock``.

The lock goes with the process that holds it, however that ends (flock, which the kernel releases).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr


class OneEvaluates:
    """The lock in ``folder``; None where there is no folder, and then everybody evaluates for itself."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "alerts.lock"
        self._held: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Raises LilFoxError where the file cannot be made."""
        if self._path is None or self._held is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise LilFoxError(tr("{path}: cannot be used: {reason}", path=self._path, reason=error.strerror)) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._held = file
        return True

    def is_held(self) -> bool:
        """Whether somebody evaluates now. The lock is taken for a moment: who begins to evaluate then tries again."""
        if self._path is None or not self._path.exists():
            return False
        if self.take():
            self.release()
            return False
        return True

    def release(self) -> None:
        """Lets another one evaluate."""
        if self._held is not None:
            with suppress(OSError):
                os.close(self._held)
            self._held = None
