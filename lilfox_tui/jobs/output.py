"""What a job's programs say on their standard output and error: line by line into ``output.log``, without secrets,
and no more than fits."""

from __future__ import annotations

import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path

from lilfox_tui.redact import redact
from lilfox_tui.text import between_words

MOST_BYTES = 1 << 20
_LONGEST_LINE = 16 << 10
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = b"-----END "
_LAST_WORDS_S = 2.0
_YET_TO_COME = 2 << 10
"""Bytes at the end of a long line that are waited with: a secret may have come in part."""
_TRIES = 20
"""Words that are gone back from the end of a long line to find a place that parts no secret."""


class OutputLog:
    """Takes the process's own descriptors 1 and 2 until ``close``."""

    def __init__(self, path: Path, mode: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        os.fchmod(self._file, mode)
        self._room = MOST_BYTES - os.fstat(self._file).st_size
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
        """Writes what is left. What a program that goes on says later is lost."""
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
        """Writes whole lines; a private key of many lines is one, and is masked as one."""
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
    """A place near the end of a line without an end where neither a word nor a secret is cut."""
    whole, at = _told(text), len(text) - _YET_TO_COME
    for _try in range(_TRIES):
        at = between_words(text, at - 1)
        if _told(text[:at]) + _told(text[at:]) == whole:
            return at
    return between_words(text, len(text) - _YET_TO_COME)


def _told(text: bytes) -> str:
    return redact(text.decode("utf-8", "replace"))
