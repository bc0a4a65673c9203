"""The timeline of an incident: its lines and their hash chain, and how to append, read and follow them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.core import paths
from lilfox_tui.core.files import open_regular
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import encodable
from lilfox_tui.incident.model import (
    EVIDENCE,
    HEAD,
    TIMELINE,
    Closed,
    EvidenceKept,
    IncidentError,
    IncidentOpened,
    NotRecorded,
    Reopened,
    TimelineEntry,
    TookOver,
    What,
    find,
)
from lilfox_tui.incident.reducer import is_open
from lilfox_tui.redact import redact, redact_all

# Files beside a timeline: whole or not at all, never one over another.


_PART = ".part-"
_MOST_NAME = 80


def store_evidence(folder: Path, name: str, data: bytes, text: str, file_mode: int) -> EvidenceKept:
    """Write ``data`` to disk as ``evidence/NAME``, with a number if that name is taken. Only while the timeline is
    locked. Raises OSError."""
    evidence = folder / EVIDENCE
    if not evidence.is_dir():
        evidence.mkdir(mode=0o700)
        evidence.chmod(folder.stat().st_mode & 0o7777)
        sync_folder(folder)
    for left in evidence.glob(f"{_PART}*"):  # of somebody who was killed
        with suppress(OSError):
            left.unlink()
    stem = _harmless(name)
    file, number = stem, 1
    while (evidence / file).exists() or (evidence / file).is_symlink():
        number += 1
        file = f"{number}-{stem}"
    part = evidence / f"{_PART}{file}"
    try:
        _write(part, data, file_mode)
        part.rename(evidence / file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(evidence)
    return EvidenceKept(file=file, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), text=text)


def _write(part: Path, data: bytes, mode: int) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Sync the names in the folder to disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _harmless(name: str) -> str:
    """Return a file name without special meaning to a shell, a terminal, a browser or a path; a long one keeps its
    end."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-_MOST_NAME:].lstrip("-.")
    return plain or f"{datetime.now(UTC):%Y%m%d-%H%M%S}"


# An entry as a line of a timeline: without secrets, bounded, and back.


NOTHING_BEFORE = "0" * 64
MOST_BYTES = 256 << 10
"""Of a line."""
_AROUND_BYTES = 8192
_MOST_ITEMS = 200
_MOST_CHARS = (32_000, 1000, 100)
"""Of each text; the next one where the line would still be too long."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_encode = msgspec.json.Encoder().encode
_decode_what: msgspec.json.Decoder[What] = msgspec.json.Decoder(What)
_decoder: msgspec.json.Decoder[TimelineEntry] = msgspec.json.Decoder(TimelineEntry)


def masked(text: str) -> str:
    """Return ``text`` in the form allowed in a timeline and its evidence: without secrets, without colours (which could
    hide a secret from redaction), and without characters that JSON cannot represent."""
    return redact(_ESCAPES.sub("", encodable(text)) if "\x1b" in text else encodable(text))


def stored(what: What) -> What:
    """Return ``what`` with every text in it masked, at any depth, and bounded in length."""
    plain = redact_all(_few(msgspec.to_builtins(what)), masked)
    for most in _MOST_CHARS:
        line = _encode(_cut_all(plain, most))
        if len(line) < MOST_BYTES - _AROUND_BYTES:
            break
    return _decode_what.decode(line)


def line_of(entry: TimelineEntry) -> bytes:
    """Encode the entry as a line, without a newline."""
    return _encode(entry)


def entry_of(line: bytes) -> TimelineEntry:
    """Parse an entry from its line. Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError if it is not
    one."""
    return _decoder.decode(line)


def digest(line: bytes) -> str:
    """Return the SHA-256, in hex, of a line without its newline."""
    return hashlib.sha256(line).hexdigest()


def once_field(once: str) -> bytes:
    """Encode ``once`` as it appears in a line; inside another text its quotes would be escaped."""
    return b'"once":' + _encode(once)


def _few(value: Any) -> Any:
    """Limit the number of items in dicts and lists, at any depth."""
    if isinstance(value, dict):
        return {name: _few(each) for name, each in islice(value.items(), _MOST_ITEMS)}
    return [_few(each) for each in value[:_MOST_ITEMS]] if isinstance(value, list | tuple) else value


def _cut_all(value: Any, most: int) -> Any:
    if isinstance(value, dict):
        return {_cut(name, most): _cut_all(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_cut_all(each, most) for each in value]
    return _cut(value, most) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    """Keep head and tail of a text, because the end of a program's output often gives the reason."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    tail = most - head
    return f"{text[:head]}… {len(text) - most} …{text[-tail:]}"


# The hash of a timeline's last line, kept beside it, so that lines that are taken off its end are missed.
#
# It is written after each entry and without fsync: after a loss of power it may be behind the timeline, never ahead.
# Who can write the timeline can write it too; so the hash also goes to syslog when an incident is opened, taken over,
# closed or reopened, and into each export.


_LINE = re.compile(rb"([0-9]{12}) ([0-9]{15}) ([0-9a-f]{64}) (open|shut)\n")
_AUTHPRIV_INFO = 10 * 8 + 6
_SYSLOG = "/dev/log"


class HeadHash(Struct, frozen=True):
    """The recorded end of a timeline: number and digest of its last entry, its size, and whether the incident is
    open."""

    number: int
    """Of its last entry."""
    size: int
    """Of the file, in bytes."""
    sha256: str
    open: bool
    """Whether the incident is, so that a list of them need not read them."""


def read_head_hash(folder: Path) -> HeadHash | None:
    """Return the recorded head; None if there is none or it cannot be read."""
    try:
        handle = os.open(folder / HEAD, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = _LINE.fullmatch(os.read(handle, 4096))
        finally:
            os.close(handle)
    except OSError:
        return None
    return None if found is None else HeadHash(int(found[1]), int(found[2]), found[3].decode(), found[4] == b"open")


def write_head_hash(folder: Path, head: HeadHash, mode: int) -> None:
    """Record the head in one write of constant length; if it cannot be written, the head is outdated, which readers
    tolerate."""
    text = f"{head.number:012d} {head.size:015d} {head.sha256} {'open' if head.open else 'shut'}\n"
    with suppress(OSError):
        handle = os.open(folder / HEAD, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.pwrite(handle, text.encode(), 0)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)


def log_head_hash(folder: Path, head: HeadHash) -> None:
    """Send the head to this machine's syslog or journal, if one accepts it at once."""
    text = f"<{_AUTHPRIV_INFO}>lilfox: incident {folder}: entry {head.number} sha256 {head.sha256}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(text.encode("utf-8", "replace"), _SYSLOG)


# A timeline as others read it: what is new since the last look.
#
# It may have been torn by a crash, altered, or made to harm: everything is bounded, links are not followed, what is no
# entry is left out and counted. Whether it was altered is another question (``export.py``).


NO_ENTRY = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What ``entry_of`` raises."""
_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 20
_MOST_BYTES = 256 << 20


class TimelineReader:
    """Reads the timeline in ``folder`` from its start; an incomplete line at its end is left for the next read."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIMELINE
        self._at = 0
        self._size = -1
        self.unreadable = 0
        """Lines so far that are no entries."""

    def grown(self) -> bool:
        """Whether its size has changed since the last read. Raises OSError."""
        return self._path.lstat().st_size != self._size

    def read(self) -> list[TimelineEntry]:
        """Return the entries added since the last call. Raises OSError."""
        found: list[TimelineEntry] = []
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            self._size = os.fstat(file.fileno()).st_size
            file.seek(self._at)
            rest = b""
            while self._at < _MOST_BYTES and (block := file.read(_BLOCK)):
                self._at += len(block)
                rest = self._take(rest + block, found)
        self._at -= len(rest)  # read again: a torn line may be put aside and another one stand in its place
        return found

    def _take(self, text: bytes, found: list[TimelineEntry]) -> bytes:
        *lines, rest = text.split(b"\n")
        for line in lines:
            try:
                found.append(entry_of(line))
            except NO_ENTRY:
                self.unreadable += 1
        return rest[:_LONGEST_LINE]  # beyond that it is no entry, whatever follows


# Appending to a timeline: by one process at a time, on the disk before anything depends on it, chained.
#
# Nothing but its end is read, so that the ten thousandth entry costs what the first one does.


_WAITS_S = 10.0
_LOOK_S = 0.002
_APPEND_BLOCK = 64 << 10


@contextmanager
def open_for_append(folder: Path, by: str) -> Iterator[TimelineWriter]:
    """Lock the timeline in ``folder`` against appends by other processes; ``by`` is the author. Raises NotRecorded if
    it cannot be written, IncidentError if another process holds it for 10 s."""
    path = folder / TIMELINE
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise not_recorded(path, error) from None
    try:
        _lock(handle, path)
        yield TimelineWriter(folder, handle, masked(by))
    finally:
        os.close(handle)


def not_recorded(path: Path, error: OSError) -> NotRecorded:
    """Return the error for a place that cannot be written to."""
    return NotRecorded(
        tr("{path}: cannot be written: {reason}; nothing was recorded in the timeline",
           path=path, reason=error.strerror or error),
        tr("free up space on that disk, or check who may write to this path, then retry"),
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
                    tr("another process is still writing to {path}", path=path),
                    tr("find the process: fuser -v {path}", path=path),
                ) from None
            pause.wait(_LOOK_S)
        except OSError as error:
            raise not_recorded(path, error) from None
        else:
            return


class TimelineWriter:
    """A timeline that only this process may append to now."""

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
            known = read_head_hash(folder)
            trusted = known is not None and known.size == self._size and known.sha256 == self._digest
            self._open = known.open if known is not None and trusted else is_open(TimelineReader(folder).read())
            if torn:
                self._put_aside(torn)
        except OSError as error:
            raise not_recorded(self._path, error) from None

    def append(self, what: What, *, once: str = "") -> TimelineEntry:
        """Write an entry to disk (fsync) and return it as stored; if an entry has the same ``once``, return that one.
        Raises NotRecorded; the timeline is then unchanged."""
        once = masked(once)
        try:
            if once and (before := self._find(once)) is not None:
                return before
            return self._append(what, once)
        except OSError as error:
            raise not_recorded(self._path, error) from None

    def keep(self, name: str, data: bytes, text: str) -> TimelineEntry:
        """Store an evidence file and append its entry. Raises NotRecorded."""
        try:
            return self._append(store_evidence(self.folder, name, data, masked(text), self._mode), "")
        except OSError as error:
            raise not_recorded(self.folder, error) from None

    def _append(self, what: What, once: str) -> TimelineEntry:
        entry = TimelineEntry(
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
        if isinstance(what, IncidentOpened | Reopened | Closed):
            self._open = not isinstance(what, Closed)
        end = HeadHash(self._number, self._size, self._digest, self._open)
        write_head_hash(self.folder, end, self._mode)
        if isinstance(what, Reopened | Closed | TookOver):  # a new one has no name yet: who names it tells it
            log_head_hash(self.folder, end)
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
        """Return how many bytes follow the last newline: the rest of an interrupted write."""
        torn, at = 0, self._size
        while at > 0:
            start = max(0, at - _APPEND_BLOCK)
            block = os.pread(self._handle, at - start, start)
            if (newline := block.rfind(b"\n")) >= 0:
                return torn + len(block) - newline - 1
            torn, at = torn + len(block), start
        return torn

    def _last(self, end: int) -> tuple[int, str]:
        """Return number and digest of the last complete line; ``end`` is the offset after its newline."""
        if end == 0:
            return 0, NOTHING_BEFORE
        line, start = b"", end - 1
        while start > 0 and b"\n" not in line:
            begin = max(0, start - _APPEND_BLOCK)
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
        """Store the rest of an interrupted write as evidence, and remove it from the timeline."""
        whole = self._size - torn
        kept = store_evidence(
            self.folder,
            f"torn-line-{self._number + 1}",
            os.pread(self._handle, torn, whole),
            _("the last line of the timeline, truncated during the write (power loss or disk failure)"),
            self._mode,
        )
        os.ftruncate(self._handle, whole)
        self._size = whole
        self._append(kept, "")

    def _find(self, once: str) -> TimelineEntry | None:
        wanted = once_field(once)
        text = os.pread(self._handle, self._size, 0)  # at once: half a millisecond for 10,000 entries
        at = text.find(wanted)
        while at >= 0:
            start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            with suppress(*NO_ENTRY):
                entry = entry_of(text[start : end if end >= 0 else len(text)])
                if entry.once == once:
                    return entry
            at = text.find(wanted, max(end, at + 1))
        return None


def create_timeline(folder: Path, first: IncidentOpened, by: str) -> None:
    """Create the timeline of a new incident in ``folder``, which exists and is not visible yet. Raises OSError,
    NotRecorded."""
    mode = paths.modes(folder.parent)[1]
    handle = os.open(folder / TIMELINE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
    with open_for_append(folder, by) as timeline:
        timeline.append(first)


# A timeline as it grows, whoever writes it.


_FOLLOW_LOOK_S = 0.2


def follow(incident_id: str) -> Iterator[list[TimelineEntry]]:
    """Yield all entries so far, then new ones, a few times a second, until the consumer stops. Blocks. Raises
    NoSuchIncident; IncidentError if it cannot be read (any more)."""
    folder = find(incident_id)
    reader = TimelineReader(folder)
    try:
        while True:
            if new := reader.read() if reader.grown() else []:
                yield new
            time.sleep(_FOLLOW_LOOK_S)
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
        ) from None
