"""Appending to a timeline: by one process at a time, on the disk before anything depends on it, chained.

Nothing but its end is read, so that the ten thousandth entry costs what the first one does.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui import paths
from lilfox_tui.i18n import _, tr
from lilfox_tui.incident import aside, head
from lilfox_tui.incident.errors import IncidentError, NotRecorded
from lilfox_tui.incident.folding import is_open
from lilfox_tui.incident.head import Head
from lilfox_tui.incident.line import NOTHING_BEFORE, digest, entry_of, line_of, masked, once_field, stored
from lilfox_tui.incident.model import Closed, Entry, Opened, Reopened, TookOver, What
from lilfox_tui.incident.places import TIMELINE
from lilfox_tui.incident.reading import NO_ENTRY, TimelineReader

_WAITS_S = 10.0
_LOOK_S = 0.002
_BLOCK = 64 << 10


@contextmanager
def held(folder: Path, by: str) -> Iterator[Held]:
    """The timeline in ``folder`` while no other process appends to it; ``by`` is who writes. Raises NotRecorded where
    it cannot be written, IncidentError where another process does not let go of it for 10 s."""
    path = folder / TIMELINE
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise not_recorded(path, error) from None
    try:
        _lock(handle, path)
        yield Held(folder, handle, masked(by))
    finally:
        os.close(handle)


def not_recorded(path: Path, error: OSError) -> NotRecorded:
    """What is said of a place that takes nothing."""
    return NotRecorded(
        tr("{path}: cannot be written: {reason}; what cannot be written down is not done",
           path=path, reason=error.strerror or error),
        tr("make room on that disk, or see who may write there, then try again"),
    )  # fmt: skip


def _lock(handle: int, path: Path) -> None:
    deadline = time.monotonic() + _WAITS_S
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise IncidentError(
                    tr("{path}: another process writes there and does not end", path=path),
                    tr("see which: fuser -v {path}", path=path),
                ) from None
            pause.wait(_LOOK_S)
        except OSError as error:
            raise not_recorded(path, error) from None
        else:
            return


class Held:
    """A timeline to which this process alone appends now."""

    def __init__(self, folder: Path, handle: int, by: str) -> None:
        self.folder = folder
        self._path = folder / TIMELINE
        self._handle = handle
        self._by = by
        self._mode = os.fstat(handle).st_mode & 0o777
        try:
            self._size = os.fstat(handle).st_size
            torn = self._torn()
            self._number, self._digest = self._last(self._size - torn)
            known = head.read(folder)
            trusted = known is not None and known.size == self._size and known.sha256 == self._digest
            self._open = known.open if known is not None and trusted else is_open(TimelineReader(folder).read())
            if torn:
                self._put_aside(torn)
        except OSError as error:
            raise not_recorded(self._path, error) from None

    def append(self, what: What, *, once: str = "") -> Entry:
        """Puts it on the disk (fsync) and gives it as it stands there; the entry that is there already where one has
        the same ``once``. Raises NotRecorded; the timeline is then as before."""
        once = masked(once)
        try:
            if once and (before := self._find(once)) is not None:
                return before
            return self._append(what, once)
        except OSError as error:
            raise not_recorded(self._path, error) from None

    def keep(self, name: str, data: bytes, text: str) -> Entry:
        """Keeps a file and its entry. Raises NotRecorded."""
        try:
            return self._append(aside.keep(self.folder, name, data, masked(text), self._mode), "")
        except OSError as error:
            raise not_recorded(self.folder, error) from None

    def _append(self, what: What, once: str) -> Entry:
        entry = Entry(
            number=self._number + 1,
            at=datetime.now(UTC),
            by=self._by,
            previous=self._digest,
            once=once,
            what=stored(what),
        )
        line = line_of(entry)
        self._write(line + b"\n")
        self._number, self._digest, self._size = entry.number, digest(line), self._size + len(line) + 1
        if isinstance(what, Opened | Reopened | Closed):
            self._open = not isinstance(what, Closed)
        end = Head(self._number, self._size, self._digest, self._open)
        head.write(self.folder, end, self._mode)
        if isinstance(what, Reopened | Closed | TookOver):  # a new one has no name yet: who names it tells it
            head.tell_syslog(self.folder, end)
        return entry

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
            os.fsync(self._handle)
        except OSError:
            with suppress(OSError):  # else it is torn, and put aside by the next one
                os.ftruncate(self._handle, self._size)
            raise

    def _torn(self) -> int:
        """How many bytes stand behind the last newline: of a write that was cut off."""
        torn, at = 0, self._size
        while at > 0:
            start = max(0, at - _BLOCK)
            block = os.pread(self._handle, at - start, start)
            if (newline := block.rfind(b"\n")) >= 0:
                return torn + len(block) - newline - 1
            torn, at = torn + len(block), start
        return torn

    def _last(self, end: int) -> tuple[int, str]:
        """Number and digest of the last whole line; ``end`` is behind its newline."""
        if end == 0:
            return 0, NOTHING_BEFORE
        line, start = b"", end - 1
        while start > 0 and b"\n" not in line:
            begin = max(0, start - _BLOCK)
            line, start = os.pread(self._handle, start - begin, begin) + line, begin
        line = line.rpartition(b"\n")[2]
        try:
            return entry_of(line).number, digest(line)
        except NO_ENTRY:  # altered by hand: verify names it; at night it must not be in the way
            return self._lines(end), digest(line)

    def _lines(self, end: int) -> int:
        count, at = 0, 0
        while at < end and (block := os.pread(self._handle, min(1 << 20, end - at), at)):
            count, at = count + block.count(b"\n"), at + len(block)
        return count

    def _put_aside(self, torn: int) -> None:
        """What a write that was cut off has left becomes evidence, and its place is free again."""
        whole = self._size - torn
        kept = aside.keep(
            self.folder,
            f"torn-line-{self._number + 1}",
            os.pread(self._handle, torn, whole),
            _("a last line that was cut off while it was written: the power went, or the disk"),
            self._mode,
        )
        os.ftruncate(self._handle, whole)
        self._size = whole
        self._append(kept, "")

    def _find(self, once: str) -> Entry | None:
        wanted = once_field(once)
        text = bytearray()
        while len(text) < self._size and (block := os.pread(self._handle, 1 << 20, len(text))):
            text += block
        at = text.find(wanted)
        while at >= 0:
            start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            with suppress(*NO_ENTRY):
                entry = entry_of(bytes(text[start : end if end >= 0 else len(text)]))
                if entry.once == once:
                    return entry
            at = text.find(wanted, max(end, at + 1))
        return None


def make(folder: Path, first: Opened, by: str) -> None:
    """Makes the timeline of a new incident in ``folder``, which is there and which nobody can see yet. Raises OSError,
    NotRecorded."""
    mode = paths.modes(folder.parent)[1]
    handle = os.open(folder / TIMELINE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
    with held(folder, by) as timeline:
        timeline.append(first)
