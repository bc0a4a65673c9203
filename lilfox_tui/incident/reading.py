"""A timeline as others read it: what is new since the last look.

It may have been torn by a crash, altered, or made to harm: everything is bounded, links are not followed, what is no
entry is left out and counted. Whether it was altered is another question (``verifying.py``).
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lilfox_tui.incident.line import entry_of
from lilfox_tui.incident.model import Entry
from lilfox_tui.incident.places import TIMELINE
from lilfox_tui.regular_file import open_regular

NO_ENTRY = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What ``entry_of`` raises."""
_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 20
_MOST_BYTES = 256 << 20


class TimelineReader:
    """Reads the timeline in ``folder`` from its start on; what is torn at its end is waited for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIMELINE
        self._at = 0
        self._size = -1
        self.unreadable = 0
        """Lines so far that are no entries."""

    def grown(self) -> bool:
        """Whether its size is another than at the last read. Raises OSError."""
        return self._path.lstat().st_size != self._size

    def read(self) -> list[Entry]:
        """The entries that came since the last call. Raises OSError."""
        found: list[Entry] = []
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            self._size = os.fstat(file.fileno()).st_size
            file.seek(self._at)
            rest = b""
            while self._at < _MOST_BYTES and (block := file.read(_BLOCK)):
                self._at += len(block)
                rest = self._take(rest + block, found)
        self._at -= len(rest)  # read again: a torn line may be put aside and another one stand in its place
        return found

    def _take(self, text: bytes, found: list[Entry]) -> bytes:
        *lines, rest = text.split(b"\n")
        for line in lines:
            try:
                found.append(entry_of(line))
            except NO_ENTRY:
                self.unreadable += 1
        return rest[:_LONGEST_LINE]  # beyond that it is no entry, whatever follows
