"""Writes a job's events and its programs' output to disk: bounded, and without secrets."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lilfox_tui.core.text import between_words, encodable
from lilfox_tui.jobs.model import Ended, Event, MessageLogged, ProgressMade
from lilfox_tui.redact import redact, redact_all, redacted_start

# Events on their way to the disk: one line each, appended, bounded, without secrets.


MOST_EVENT_BYTES = 16 << 20
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
    """Appends to the file ``handle``; thread-safe. ``reserve`` is a file whose space is freed when the disk is full.
    Raises OSError if there is no space for it."""

    def __init__(self, handle: int, reserve: Path | None = None) -> None:
        self._handle = handle
        self._reserve = reserve
        self._size = os.fstat(handle).st_size
        self._torn = False
        self._full = False
        self._lock = threading.Lock()
        self._kept = _fill(reserve) if reserve is not None else 0

    def write(self, event: Event, *, sync: bool = False) -> None:
        """Appends an event; with ``sync`` it is on disk afterwards. Raises OSError if it could not be recorded."""
        with self._lock:
            if isinstance(event, ProgressMade | MessageLogged) and self._size > MOST_EVENT_BYTES:
                if self._full:
                    return
                self._full = True
                event = MessageLogged(
                    event.at, f"… {MOST_EVENT_BYTES >> 20} MiB of events: further lines are left out", "warning"
                )
            self._append(_encode(event) + b"\n")
            if sync:
                os.fsync(self._handle)

    def end(self, event: Ended) -> bool:
        """Appends the last event, with the reserved space if needed; returns whether it is on disk."""
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
    """The end event, shortened to the available space: first without its result, then with only the start of its
    text."""
    if len(_encode(event)) > most:
        event = replace(event, result={"left_out_bytes": len(_encode(event.result))})
    if len(_encode(event)) > most:
        event = replace(event, message=event.message[:_SHORT_CHARS], hint="")
    return event


def _fill(reserve: Path) -> int:
    """Reserves space on the disk, and returns how much. Raises OSError if there is too little."""
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


def fit_text(text: object) -> str:
    """``text`` in the form that an event can hold: without secrets, limited in length, and valid in JSON."""
    clean = redacted_start(encodable(str(text)), _MOST_CHARS + 1)
    return clean if len(clean) <= _MOST_CHARS else clean[: _MOST_CHARS - 1] + "…"


def fit_result(result: dict[str, Any]) -> dict[str, Any]:
    """A result in the form that an event can hold; one that is too large is replaced by a note."""
    plain = redact_all(msgspec.to_builtins(result, str_keys=True, enc_hook=str), lambda text: redact(encodable(text)))
    size = len(_encode(plain))
    return plain if size <= MOST_RESULT_BYTES else {"left_out_bytes": size}


# What a job's programs say on their standard output and error: line by line into ``output.log``, without secrets,
# and no more than fits.


MOST_OUTPUT_BYTES = 1 << 20
_LONGEST_LINE = 16 << 10
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = b"-----END "
_LAST_WORDS_S = 2.0
_YET_TO_COME = 2 << 10
"""Bytes at the end of a long line that are waited with: a secret may have come in part."""
_TRIES = 20
"""Words that are gone back from the end of a long line to find a place that parts no secret."""


class OutputLog:
    """Captures the process's own descriptors 1 and 2 until ``close``."""

    def __init__(self, path: Path, mode: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        os.fchmod(self._file, mode)
        self._room = MOST_OUTPUT_BYTES - os.fstat(self._file).st_size
        self._left_out = 0
        self._rest = b""
        self._in_key = False
        """Whether a private key is passed over whose begin was more than a line may be ago."""
        self._source, into = os.pipe()
        for number in (1, 2):
            os.dup2(into, number)
        os.close(into)
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes the remaining output. Later output of programs that are still running is lost."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
        os.close(nowhere)
        self._thread.join(_LAST_WORDS_S)

    def _read(self) -> None:
        while block := os.read(self._source, 1 << 16):
            self._take(block)
        if not self._in_key:
            self._write(self._rest)
        if self._left_out:
            self._append(f"… {self._left_out} bytes more are left out\n".encode())

    def _take(self, block: bytes) -> None:
        """Writes complete lines; a private key of several lines counts as one, so that it is masked as a whole."""
        text = self._rest + block
        if self._in_key:
            _key, end, text = text.rpartition(_KEY_ENDS)
            self._in_key, self._rest = not end, b"" if end else text[-len(_KEY_ENDS) :]
            if not end:
                return
        whole = text.rfind(b"\n") + 1
        begins = [found.start() for found in _KEY_BEGINS.finditer(text)]
        in_key = bool(begins) and _KEY_ENDS not in text[begins[-1] :]
        if in_key:
            whole = min(whole, begins[-1])
        if len(text) - whole > _LONGEST_LINE:
            self._in_key = in_key
            whole = len(text) if in_key else between_secrets(text)
        self._rest = b"" if self._in_key else text[whole:]
        self._write(text[:whole])

    def _write(self, text: bytes) -> None:
        told = redact(text.decode("utf-8", "replace")).encode("utf-8", "replace")
        if self._room < len(told):
            self._left_out += len(told)
            return
        self._room -= len(told)
        self._append(told)

    def _append(self, text: bytes) -> None:
        with suppress(OSError):
            os.write(self._file, text)


def between_secrets(text: bytes) -> int:
    """A position near the end of an unfinished line that splits neither a word nor a secret."""
    whole, at = _told(text), len(text) - _YET_TO_COME
    for _try in range(_TRIES):
        at = between_words(text, at - 1)
        if _told(text[:at]) + _told(text[at:]) == whole:
            return at
    return between_words(text, len(text) - _YET_TO_COME)


def _told(text: bytes) -> str:
    return redact(text.decode("utf-8", "replace"))
