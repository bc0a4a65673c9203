"""The output of a command: how it is stored, and whether it shows that the command worked."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import re2
from msgspec import Struct

from lilfox_tui.core.files import open_regular
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.paths import modes
from lilfox_tui.core.text import between_words
from lilfox_tui.jobs.writer import between_secrets
from lilfox_tui.redact import MASK, redact, without_colours
from lilfox_tui.runbook.model import Attributes

# What a command printed, as it is kept: the start and the end of it, without secrets, in two small files of the job.
#
# ``RUN.head`` grows while the command prints; past ``HEAD_BYTES`` the end is kept in memory and written to ``RUN.tail``
# twice a second at most. So memory and disk hold the same few hundred KB whether it prints one line or 100 MB.


HEAD_BYTES = 256 << 10
TAIL_BYTES = 64 << 10
_OFTEN_S = 0.5
_LONGEST_LINE = 16 << 10
_KEY = re.compile(rb"-----(BEGIN|END) [A-Z ]{0,40}PRIVATE KEY-----")
_BORDER = 80
"""Bytes that are looked at twice: a line of :data:`_KEY` may come in two blocks."""


class StoredOutput(Struct, frozen=True, kw_only=True):
    """The stored part of an output; text that may contain anything but secrets."""

    head: str
    tail: str = ""
    """Empty where ``head`` has all of it."""
    left_out_bytes: int = 0
    """Between the two."""

    @property
    def text(self) -> str:
        """Head and tail joined."""
        return self.head + self.tail

    @property
    def evidence(self) -> bytes:
        """Head and tail as a file, with a line that says how much is left out between them."""
        gap = "\n" + _("… {count} bytes omitted …", count=self.left_out_bytes) + "\n" if self.left_out_bytes else ""
        return f"{self.head}{gap}{self.tail}".encode()


class CommandOutput:
    """Receives the output of a command. ``secrets`` are values that are masked everywhere. If the disk is full, it only
    counts the bytes."""

    def __init__(self, folder: Path, run: str, secrets: Iterable[str] = ()) -> None:
        self._folder, self._run = folder, run
        self._mode = modes(folder.parent)[1]
        self._secrets = tuple(secrets)
        self._head: int | None = None
        with suppress(OSError):  # a disk without inodes, say
            self._head = self._made(_head(folder, run))
        self._head_text: list[str] = []
        self._rest = b""
        """What is not written to the head yet: no whole line."""
        self._head_ends: int | None = None
        """At which byte the head ended and the tail began, once it has."""
        self._tail = bytearray()
        self._keys: list[list[int]] = []
        """Private keys, from which byte to which; one that has not ended goes on for ever."""
        self._border = b""
        self._wrote_s = 0.0
        self.size_bytes = 0
        self._line_ends = 0
        self._has_open_line = False
        self.uncounted = False
        """Whether there was more than what ``size_bytes`` and ``lines`` say."""

    @property
    def lines(self) -> int:
        """The lines so far, the last one also without a line end."""
        return self._line_ends + self._has_open_line

    @property
    def left_out_bytes(self) -> int:
        """The bytes in neither head nor tail."""
        return 0 if self._head_ends is None else self._tail_begins - self._head_ends

    @property
    def _tail_begins(self) -> int:
        return self.size_bytes - len(self._tail)

    def add(self, block: bytes) -> None:
        """Add the next bytes."""
        self._look_for_keys(block)
        self._line_ends += block.count(b"\n")
        self._has_open_line = not block.endswith(b"\n") if block else self._has_open_line
        if self._head_ends is None:
            first = block[: HEAD_BYTES - self.size_bytes]
            self.size_bytes += len(first)
            self._take_head(first)
            block = block[len(first) :]
            if not block:
                return
            self._head_ends = self.size_bytes - len(self._rest)
            self._tail += self._rest
            self._rest = b""
        self.size_bytes += len(block)
        self._tail += block
        self._cut_tail()
        if time.monotonic() - self._wrote_s >= _OFTEN_S:
            self._write_tail()

    def skip(self) -> None:
        """Record a gap of unknown size: the host has dropped some output here."""
        self.uncounted = True
        if self._head_ends is None:
            self._write_head(self._rest)
            self._rest = b""
            self._head_ends = self.size_bytes
        self._tail.clear()

    def _made(self, path: Path) -> int:
        path.unlink(missing_ok=True)  # the one that is there may be an earlier run's, too
        head = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, self._mode)
        os.fchmod(head, self._mode)
        return head

    def close(self) -> StoredOutput:
        """Write what is left, and return what is stored."""
        self._write_head(self._rest)
        if self._head_ends is not None:
            self._write_tail()
        if self._head is not None:
            os.close(self._head)
        return StoredOutput(head="".join(self._head_text), tail=self._tail_text(), left_out_bytes=self.left_out_bytes)

    def _take_head(self, block: bytes) -> None:
        """Write whole lines, so that no secret is split; a private key of many lines counts as one."""
        text = self._rest + block
        whole = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        keys = list(_KEY.finditer(text))
        if keys and keys[-1][1] == b"BEGIN":
            whole = min(whole, keys[-1].start())
        elif len(text) - whole > _LONGEST_LINE:
            whole = between_secrets(text)
        self._rest = text[whole:]
        self._write_head(text[:whole])

    def _write_head(self, text: bytes) -> None:
        if text:
            told = self._masked(text)
            self._head_text.append(told)
            if self._head is not None:
                with suppress(OSError):
                    os.write(self._head, told.encode())

    def _cut_tail(self) -> None:
        if (excess := len(self._tail) - TAIL_BYTES) > TAIL_BYTES:
            line = self._tail.find(b"\n", excess, excess + _LONGEST_LINE) + 1
            del self._tail[: line or between_words(self._tail, excess)]
            self._keys = [key for key in self._keys if key[1] > self._tail_begins]

    def _tail_text(self) -> str:
        """Return the tail without the rest of a private key that began before it."""
        begins = self._tail_begins
        for first, end in self._keys:
            if first < begins < end:
                return f"{MASK}{self._masked(bytes(self._tail[end - begins :]))}"
        return self._masked(bytes(self._tail))

    def _write_tail(self) -> None:
        self._wrote_s = time.monotonic()
        path = _tail(self._folder, self._run)
        part = path.with_suffix(".part")
        with suppress(OSError):
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, self._mode)
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, self._mode)
                file.write(f"{self.left_out_bytes}\n{self._tail_text()}".encode())
            part.replace(path)

    def _look_for_keys(self, block: bytes) -> None:
        text = self._border + block
        begins = self.size_bytes - len(self._border)
        for found in _KEY.finditer(text):
            if found.end() <= len(self._border):
                continue
            if found[1] == b"BEGIN":
                self._keys.append([begins + found.start(), sys.maxsize])
            elif self._keys and self._keys[-1][1] == sys.maxsize:
                self._keys[-1][1] = begins + found.end()
        self._border = text[-_BORDER:]

    def _masked(self, text: bytes) -> str:
        return masked(text.decode("utf-8", "replace"), self._secrets)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without these values, and without anything that looks like a secret."""
    values = sorted(filter(None, secrets), key=len, reverse=True)
    if "\x1b" in text:
        plain = without_colours(text)
        if any(plain.count(value) > text.count(value) for value in values):
            text = plain
    for value in values:
        text = text.replace(value, MASK)
    return redact(text)


def read_output(folder: Path, run: str) -> StoredOutput:
    """Return the output of a command stored so far; empty if it has printed nothing."""
    head = _read(_head(folder, run))
    size, _, tail = _read(_tail(folder, run)).partition("\n")
    return StoredOutput(head=head, tail=tail, left_out_bytes=int(size) if size.isdigit() else 0)


def _read(path: Path) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(2 * (HEAD_BYTES + TAIL_BYTES)).decode("utf-8", "replace")
    except OSError:
        return ""


def _head(folder: Path, run: str) -> Path:
    return folder / f"{run}.head"


def _tail(folder: Path, run: str) -> Path:
    return folder / f"{run}.tail"


# Whether a command worked, by what its fence says of it; and what of its output is captured.


_LONGEST_VALUE = 4096
_REFUSED = 125
_NOT_RUN = re.compile(r"lilfox: (?:\$(\w+) is not set|(.*?));? ?nothing was run\s*", re.DOTALL)
"""What the shell says that was to run it and did not (``bash/launcher.py``)."""


def fine_status(attributes: Attributes) -> int | None:
    """Return the exit status of success; None if only the output decides."""
    expect = attributes.expect
    return None if isinstance(expect, str) else 0 if expect is None else expect


def why_failed(attributes: Attributes, exit_status: int, output: str) -> Message | None:
    """Return why the command did not work; None if it did. ``output``: the stored part."""
    expect = attributes.expect
    if isinstance(expect, str):
        return None if _found(expect, output) else tr("its output does not match /{pattern}/", pattern=expect)
    if exit_status == fine_status(attributes):
        return None
    if (signalled := signal_of(exit_status)) and expect is None:
        return tr("it exited with status {status}: killed by signal {name}", status=exit_status, name=signalled)
    if expect is None:
        return tr("it exited with status {status}", status=exit_status)
    return tr("it exited with status {status}, expected {expected}", status=exit_status, expected=expect)


def changed_nothing(attributes: Attributes, output: str) -> bool:
    """Whether the command says that it changed nothing: then there is nothing to undo."""
    return attributes.unchanged is not None and _found(attributes.unchanged, output) is not None


def signal_of(exit_status: int) -> str:
    """Return the name of the signal that ended a command, from a shell's exit status; empty if none did."""
    try:
        return signal.Signals(exit_status - 128).name
    except ValueError:
        return ""


def why_not_run(exit_status: int, output: str) -> Message | None:
    """Return why the shell on the host did not start the command; None if it did."""
    last = output.rstrip("\n").rpartition("\n")[2]
    if exit_status != _REFUSED or (said := _NOT_RUN.fullmatch(last)) is None:
        return None
    if said[1]:
        return tr(
            "neither an earlier command in this fence nor the host's environment sets ${name}; the command was not run",
            name=said[1],
        )
    return tr("nothing was run: {reason}", reason=said[2] or output.strip().partition("\n")[0])


def captured(attributes: Attributes, output: str) -> tuple[dict[str, str], Message | None]:
    """Return the values captured from the output, and why one of them is missing."""
    values: dict[str, str] = {}
    for name, pattern in attributes.capture.items():
        found = _found(pattern, output)
        if not found:
            return values, tr("its output has no value for <{name}>: /{pattern}/", name=name, pattern=pattern)
        value = found.group(1 if found.re.groups else 0) or ""
        values[name] = value.strip()[:_LONGEST_VALUE]
    return values, None


def _found(pattern: str, output: str) -> re2.Match | None:
    compiled = _compiled(pattern)
    return None if compiled is None else compiled.search(output)


@lru_cache(maxsize=100)
def _compiled(pattern: str) -> re2.Pattern | None:
    """Compile a pattern; None for an invalid one (reported by ``parse/fences.py``), which matches nothing."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"(?m){pattern}", options)
    except (re2.error, UnicodeEncodeError):
        return None
