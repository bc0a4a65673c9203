"""Events on their way to the disk: one line each, appended, bounded, without secrets."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lilfox_tui.jobs.model import Ended, Event, Moved, Said
from lilfox_tui.redact import redact, redact_all, redacted_start
from lilfox_tui.text import encodable

MOST_BYTES = 16 << 20
"""Beyond that, only what is intended, done and how it ended is written."""
MOST_RESULT_BYTES = 1 << 20
RESERVE_BYTES = 64 << 10
"""Kept free for the last event, which is to be written on a full disk too; where there is less, as much as there is."""
LEAST_RESERVE_BYTES = 4 << 10
"""Without so much nothing is begun: its end could not be told, and would be unknown."""
_SHORT_CHARS = 300
_MOST_CHARS = 2000
_encode = msgspec.json.Encoder(enc_hook=str).encode


class EventLog:
    """Appends to the file ``handle``; may be used from several threads. ``reserve`` is a file that gives its room when
    the disk is full. Raises OSError where there is no room for it."""

    def __init__(self, handle: int, reserve: Path | None = None) -> None:
        self._handle = handle
        self._reserve = reserve
        self._size = os.fstat(handle).st_size
        self._torn = False
        self._full = False
        self._lock = threading.Lock()
        self._kept = _fill(reserve) if reserve is not None else 0

    def write(self, event: Event, *, sync: bool = False) -> None:
        """Appends it; with ``sync`` it is on the disk afterwards. Raises OSError, and then it is not told."""
        with self._lock:
            if isinstance(event, Moved | Said) and self._size > MOST_BYTES:
                if self._full:
                    return
                self._full = True
                event = Said(event.at, f"… {MOST_BYTES >> 20} MiB of events: further lines are left out", "warning")
            self._append(_encode(event) + b"\n")
            if sync:
                os.fsync(self._handle)

    def end(self, event: Ended) -> bool:
        """Appends the last one, with the room that was kept for it; whether it is on the disk."""
        try:
            self.write(event, sync=True)
        except OSError:
            self._free_reserve()
            try:
                self.write(_fitting(event, self._kept // 2), sync=True)
            except OSError:
                return False
        self._free_reserve()
        return True

    def _append(self, line: bytes) -> None:
        if self._torn:  # what a full disk took of a line ends with it
            line = b"\n" + line
        left = memoryview(line)
        try:
            while left:
                wrote = os.write(self._handle, left)
                self._torn = True
                self._size += wrote
                left = left[wrote:]
        finally:
            if not left:
                self._torn = False

    def _free_reserve(self) -> None:
        if self._reserve is not None:
            with suppress(OSError):
                self._reserve.unlink()


def _fitting(event: Ended, most: int) -> Ended:
    """The end with what of it has room: first its result goes, then all but the start of its words."""
    if len(_encode(event)) > most:
        event = replace(event, result={"left_out_bytes": len(_encode(event.result))})
    if len(_encode(event)) > most:
        event = replace(event, message=event.message[:_SHORT_CHARS], hint="")
    return event


def _fill(reserve: Path) -> int:
    """Takes room on the disk, and gives how much. Raises OSError where there is too little."""
    handle = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    size = RESERVE_BYTES
    try:
        while True:
            try:
                os.posix_fallocate(handle, 0, size)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or size <= LEAST_RESERVE_BYTES:
                    reserve.unlink()
                    raise
                os.ftruncate(handle, 0)
                size //= 2
            else:
                return size
    finally:
        os.close(handle)


def told(text: object) -> str:
    """``text`` as an event holds it: no secrets, not endless, nothing that JSON cannot hold."""
    clean = redacted_start(encodable(str(text)), _MOST_CHARS + 1)
    return clean if len(clean) <= _MOST_CHARS else clean[: _MOST_CHARS - 1] + "…"


def told_result(result: dict[str, Any]) -> dict[str, Any]:
    """A result as an event holds it; one that is too large is left out, and that is said."""
    plain = redact_all(msgspec.to_builtins(result, str_keys=True, enc_hook=str), lambda text: redact(encodable(text)))
    size = len(_encode(plain))
    return plain if size <= MOST_RESULT_BYTES else {"left_out_bytes": size}
