"""A job's folder as others read it: what is new since the last look, and whether its process is there.

What stands there may have been written by another user, torn by a crash, or made to harm: everything is bounded, what
is no event is left out, and links are not followed.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from lilfox_tui.jobs.folder import EVENTS
from lilfox_tui.jobs.model import Began, Ended, Event
from lilfox_tui.jobs.process import Process
from lilfox_tui.regular_file import open_regular

_BLOCK = 1 << 20
_LONGEST_LINE = 8 << 20
_MOST_BYTES = 64 << 20
_TAIL = 64 << 10
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class EventReader:
    """Reads ``events.jsonl`` of ``folder`` from its start on; what is torn at its end is waited for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._at = 0
        self._rest = b""
        self._size = -1

    def grown(self) -> bool:
        """Whether there is something that was not read. Raises OSError."""
        return self._path.lstat().st_size != self._size

    def read(self) -> list[Event]:
        """The events that came since the last call. Raises OSError."""
        found: list[Event] = []
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            self._size = os.fstat(file.fileno()).st_size
            file.seek(self._at)
            while self._at < _MOST_BYTES and (block := file.read(_BLOCK)):
                self._at += len(block)
                found += self._events(block)
        return found

    def ends(self) -> tuple[Began, list[Event]] | None:
        """The first and the last events of a job that has ended, without reading what lies between; None where they
        do not tell. Raises OSError."""
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= 2 * _TAIL:
                return None
            first = _event(file.read(_TAIL).partition(b"\n")[0])
            file.seek(-_TAIL, os.SEEK_END)
            last = [event for line in file.read(_TAIL).split(b"\n")[1:] if (event := _event(line)) is not None]
        if isinstance(first, Began) and last and isinstance(last[-1], Ended):
            return first, last
        return None

    def _events(self, block: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b"!"  # no event any more, whatever follows
        return [event for line in lines if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_held(folder: Path, began: Began | None = None) -> bool:
    """Whether the job's process is there: it holds a lock on its events from before they can be seen until it ends,
    which the kernel takes back however that ends. Where locks cannot be asked for (some network file systems), pid
    and start time tell. Raises OSError where the events cannot be read."""
    handle = open_regular(folder / EVENTS)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return began is not None and Process(began.pid, began.started, began.boot).runs()
    finally:
        os.close(handle)
    return False
