"""A job as its effect has it: everything that it says becomes an event on the disk."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.errors import JobError
from lilfox_tui.jobs.model import Done, Ended, Fact, Intent, Level, Moved, Said
from lilfox_tui.jobs.progress import Moving
from lilfox_tui.jobs.run import Outcome
from lilfox_tui.jobs.writing import EventLog, told, told_result

_MOST_PARTS = 1000


class Recorded:
    """A ``Run`` that writes to ``log``; its methods may be called from several threads."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        self.id = folder.name
        self.folder = folder
        self._log = log
        self._parts: dict[str, Moving] = {}
        self._lock = threading.Lock()
        self.intended = ""
        """What was intended last and is not done."""

    def intent(self, text: str, *, sync: bool = True) -> None:
        """Puts what is about to be changed on the disk. Raises JobError where that cannot be."""
        try:
            self._log.write(Intent(_now(), told(text)), sync=sync)
        except OSError as error:
            raise JobError(
                tr(
                    "{folder}: {reason}: what was to be done next cannot be written down, so it is not done: {what}",
                    folder=self.folder,
                    what=told(text),
                    reason=error.strerror or error,
                ),
                tr("make room on that disk, then begin anew"),
            ) from None
        self.intended = told(text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Tells that it came true, or has ended otherwise. Where that cannot be written, it is so all the same: the
        next intent will fail."""
        self.intended = ""
        with suppress(OSError):
            self._log.write(Done(_now(), told(text), worked), sync=sync)

    def say(self, text: str, level: Level = "note") -> None:
        """A line for the one who watches; lost where it cannot be written."""
        with suppress(OSError):
            self._log.write(Said(_now(), told(text), level))

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """Tells what is of the effect's own kind. Raises JobError where it cannot be written."""
        try:
            self._log.write(Fact(_now(), name, told_result(value)), sync=sync)
        except OSError as error:
            raise JobError(
                tr("{folder}: {reason}: what was done cannot be written down, so nothing more is done",
                   folder=self.folder, reason=error.strerror or error),
                tr("make room on that disk, then go on"),
            ) from None  # fmt: skip

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """How far ``part`` is; few of the calls are written."""
        now = time.monotonic()
        with self._lock:
            moving = self._parts.get(part)
            if moving is None:
                if len(self._parts) >= _MOST_PARTS:
                    return
                moving = self._parts[part] = Moving(told(part), now)
            if moving.moved(now, done_bytes, total_bytes):
                self._tell(moving, now)

    def end(self, outcome: Outcome) -> bool:
        """Writes how it ended, after the newest of every part; whether that is on the disk."""
        now = time.monotonic()
        with self._lock:
            for moving in self._parts.values():
                self._tell(moving, now)
        message, hint = told(outcome.message), told(outcome.hint)
        result = told_result(outcome.result)
        return self._log.end(Ended(_now(), outcome.state, message, hint, outcome.exit_code, result))

    def _tell(self, moving: Moving, now: float) -> None:
        with suppress(OSError):
            self._log.write(Moved(_now(), moving.tell(now)))


def _now() -> datetime:
    return datetime.now(UTC)
