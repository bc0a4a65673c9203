"""Which of several LilFoxes with one state folder evaluates: the one that holds the lock on ``alerts.lock``.

The lock goes with the process that holds it, however that ends (flock, which the kernel releases). A process that is
stopped (SIGSTOP, a debugger, a frozen container) keeps it: so the holder gives signs of life, the file's time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui import paths
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr

DATABASE = "alerts.db"


def state_folder(config_file: Path | None) -> Path | None:
    """Where the state of a configuration's alerts is kept: a folder for each configuration file, so that two that run
    with different rules do not take each other's for gone. None where there is no state folder to be had."""
    name = str(paths.config_file() if config_file is None else config_file.absolute())
    try:
        folder = paths.state_dir() / "alerts" / hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder


SILENT_S = 15.0
"""The holder gives a sign of life each second; without one for so long, it is said."""
_PID_BYTES = 20


class EvaluationLock:
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
        with suppress(OSError):  # a full disk: it is ours all the same
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        self.show_life()
        return True

    def show_life(self) -> None:
        """Tells the others that this process goes on."""
        if self._held is not None:
            with suppress(OSError):
                os.utime(self._held)

    def frozen(self, now: datetime) -> Message | None:
        """What to say of another process that holds the lock and has given no sign of life for long; None while all is
        well. ``now`` is aware."""
        if self._path is None:
            return None
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(file, "rb") as opened:
            since = datetime.fromtimestamp(os.fstat(file).st_mtime, UTC)
            pid = opened.read(_PID_BYTES).decode("ascii", "replace") or "?"
        if (now - since).total_seconds() < SILENT_S:
            return None
        return tr(
            "the LilFox that evaluates (process {pid}) gives no sign of life since {since:%H:%M:%S} UTC; is it "
            "stopped? Nobody is told of alerts: let it go on (kill -CONT {pid}), or end it (kill -KILL {pid})",
            pid=pid, since=since,
        )  # fmt: skip

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
