"""The file of JSON lines that ``lilfox monitor`` appends to, also across log rotation and a full disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from lilfox_tui.i18n import Message, tr


class ReportFile:
    """Appends lines to ``path``, whole lines only; its folder is made, the file has mode 0640.

    A file that was moved away (logrotate) is made anew. ``warn`` is told once when writing fails and once when it
    works again; each line tries again.
    """

    def __init__(self, path: Path, warn: Callable[[Message], None]) -> None:
        self._path = path
        self._warn = warn
        self._failing = False

    def append(self, line: str) -> None:
        """Writes ``line`` (without a newline) and a newline."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(line.encode() + b"\n")
        except OSError as error:
            if not self._failing:
                why = error.strerror or str(error)
                self._warn(tr("cannot write {path}: {why}; trying again each time", path=self._path, why=why))
            self._failing = True
            return
        if self._failing:
            self._warn(tr("{path} is written again", path=self._path))
        self._failing = False

    def _write(self, block: bytes) -> None:
        """Opened for each line: once a minute costs nothing, and a rotated file is never written to again."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            start = os.fstat(handle).st_size
            written = os.write(handle, block)
            if written != len(block):
                os.ftruncate(handle, start)  # half a line would spoil the next one too
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
