"""Series on the disk: what a process has stored is there after its next start. Imports numpy.

A folder holds numbered segments, which are only appended to. A segment begins with a header and has records: the labels
of a target, a row of its values, the end of its history. Each record has a checksum, and a segment is read up to the
first one that is not whole: ``kill -9`` and a loss of power take the newest records, and never leave a wrong value.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import Floats, SeriesStore

VERSION = 1
FOLDER, LOCK = "series", "lock"
WAITING_BYTES = 64 * 1024 * 1024
"""Where the disk is so slow that more waits, what waits is dropped."""
SYNCED_S = 30.0
ENDED_MS = 300_000
"""Series of a target that is not there any more end so long after their last sample: the lookback of queries."""
_SEGMENTS = 4
_AHEAD_MS = 60_000
"""Rows that are so far in the future are of a clock that was set back since; they are left out."""
_MAGIC = b"LFSERIES"
_HEADER = struct.Struct("<8sI8sI")
_RECORD = struct.Struct("<IIB")
_ROW = struct.Struct("<Iq")
_LIST, _VALUES, _DROPPED = 1, 2, 3
_DIGITS = 8

Bits = NDArray[np.uint64]


class SeriesList(Struct, frozen=True, array_like=True):
    """The labels of the series in the rows of number ``number``; ``store`` and ``key`` name the target."""

    number: int
    store: str
    key: str
    labels: tuple[Labels, ...]


class _JournalRow(NamedTuple):
    """A row that waits to be written; without labels, the end of the target's history."""

    store: str
    key: str
    at_ms: int
    labels: LabelList | None
    values: bytes


class _OddFile(Exception):
    """The header is not that of a segment of this version."""


# A segment that is read.


def _checksum(seed: bytes, kind: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes((kind,)), zlib.crc32(seed)))


def _records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield kind and payload of each whole record; returns before the first one that is not. Raises _OddFile."""
    if len(data) < _HEADER.size:
        raise _OddFile
    magic, version, seed, check = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != VERSION or check != zlib.crc32(data[: _HEADER.size - 4]):
        raise _OddFile
    at = _HEADER.size
    while at + _RECORD.size <= len(data):
        size, check, kind = _RECORD.unpack_from(data, at)
        payload = data[at + _RECORD.size : at + _RECORD.size + size]
        if len(payload) < size or check != _checksum(seed, kind, payload):
            return
        yield kind, payload
        at += _RECORD.size + size


def _unpacked(payload: memoryview, limit: int) -> bytes | None:
    """Return what was compressed if it has just ``limit`` bytes."""
    worker = zlib.decompressobj()
    try:
        made = worker.decompress(payload, limit + 1)
    except zlib.error:
        return None
    return made if len(made) == limit and worker.eof else None


class _Replay:
    """Puts the records of segments into ``stores``."""

    def __init__(self, stores: Mapping[str, SeriesStore], from_ms: int, until_ms: int) -> None:
        self._stores, self._from_ms, self._until_ms = stores, from_ms, until_ms
        self._lists: dict[int, tuple[str, str, LabelList]] = {}
        self._last: dict[int, Bits] = {}
        self.restored: set[tuple[str, str]] = set()

    def segment(self, data: memoryview) -> int:
        """Take in a segment; return how many of its bytes are whole. Raises _OddFile."""
        self._lists.clear()
        self._last.clear()
        read = _HEADER.size
        for kind, payload in _records(data):
            if not self._take(kind, payload):
                break
            read += _RECORD.size + len(payload)
        return read

    def _take(self, kind: int, payload: memoryview) -> bool:
        if kind == _VALUES:
            return len(payload) > _ROW.size and self._row(payload)
        body = bytes(payload)
        try:
            if kind == _LIST:
                found = msgspec.msgpack.decode(body, type=SeriesList)
                made = LabelList([LabelSet(pairs) for pairs in found.labels])
                self._lists[found.number] = (found.store, found.key, made)
                self._last.pop(found.number, None)
                return True
            store, key = msgspec.msgpack.decode(body, type=tuple[str, str])
        except msgspec.MsgspecError:
            return False
        if store in self._stores:
            self._stores[store].drop(key)
            self.restored.discard((store, key))
        return kind == _DROPPED

    def _row(self, payload: memoryview) -> bool:
        number, at_ms = _ROW.unpack_from(payload)
        if number not in self._lists:
            return False
        store, key, labels = self._lists[number]
        body = _unpacked(payload[_ROW.size :], 8 * len(labels))
        if body is None:
            return False
        bits = np.frombuffer(body, "<u8")
        if (last := self._last.get(number)) is not None:
            bits = bits ^ last
        self._last[number] = bits
        if store in self._stores and self._from_ms <= at_ms <= self._until_ms:
            self._stores[store].target(key).append(at_ms, labels, bits.view(np.float64))
            self.restored.add((store, key))
        return True


# The journal: reads at the start what is there, and appends from then on.


class SeriesJournal:
    """Keeps the series of ``stores`` in ``folder``, in at most ``limit_bytes``. ``warn`` gets each problem once.

    :meth:`begin`, :meth:`flush` and :meth:`close` block; they are called by one thread at a time."""

    def __init__(
        self, folder: Path, stores: Mapping[str, SeriesStore], *, limit_bytes: int, warn: Callable[[Message], None]
    ) -> None:
        self._folder, self._stores, self._limit_bytes, self._warn = folder, stores, limit_bytes, warn
        self._guard = threading.Lock()
        self._waiting: list[_JournalRow] = []
        self._waiting_bytes = 0
        self._lock: int | None = None
        self._segment: _Segment | None = None
        self._restored: dict[tuple[str, str], int] = {}
        self._end_at_ms: int | None = None
        self._synced_ms = 0
        self._failing = False
        self._too_large: set[tuple[str, str]] = set()

    def begin(self, now_ms: int, keep_ms: int) -> bool:
        """Restore what was kept since ``keep_ms`` before now, and record from now on; return False, and do nothing, if
        another process does. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        replay = _Replay(self._stores, now_ms - keep_ms, now_ms + _AHEAD_MS)
        paths = self._segments()
        for path in paths:
            self._read(path, replay, is_last=path == paths[-1])
        for store, key in replay.restored:
            if (newest := self._stores[store].target(key).newest_ms) is not None:
                self._restored[store, key] = newest
        self._end_at_ms = now_ms + ENDED_MS
        for name, each in self._stores.items():
            each.record(partial(self._add, name))
        return True

    def flush(self, now_ms: int) -> None:
        """Write what waits."""
        with self._guard:
            rows, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            for row in rows:
                with suppress(UnicodeEncodeError):  # labels that are no text
                    self._write(row)
            if self._segment is not None and abs(now_ms - self._synced_ms) >= SYNCED_S * 1000:
                self._synced_ms = now_ms
                self._segment.sync()
        except OSError as error:
            self._gave_up(error)
        else:
            if self._failing and rows:
                self._failing = False
                self._warn(tr("series are stored again in {path}", path=self._folder))
        if self._end_at_ms is not None and now_ms >= self._end_at_ms:
            self._end_at_ms = None
            self._end_gone()

    def close(self, now_ms: int) -> None:
        """Write what waits, and release the folder."""
        if self._lock is None:
            return
        for store in self._stores.values():
            store.record(None)
        self.flush(now_ms)
        if self._segment is not None:
            with suppress(OSError):
                self._segment.close()
        os.close(self._lock)
        self._lock = self._segment = None

    def _add(self, store: str, key: str, at_ms: int, labels: LabelList | None, values: Floats | None) -> None:
        body = b"" if values is None else values.tobytes()
        with self._guard:
            if self._waiting_bytes + len(body) > WAITING_BYTES:
                self._waiting, self._waiting_bytes = [], 0
            self._waiting.append(_JournalRow(store, key, at_ms, labels, body))
            self._waiting_bytes += len(body)

    def _write(self, row: _JournalRow) -> None:
        if (row.store, row.key) in self._too_large:
            return
        block = b"" if self._segment is None else self._segment.encoded(row)
        if self._segment is None or self._segment.size + len(block) > self._segment_bytes:
            block = self._next_segment().encoded(row)
        assert self._segment is not None
        if self._segment.size + len(block) > self._segment_bytes:
            self._too_large.add((row.store, row.key))
            self._segment.close()
            self._segment = None
            self._warn(
                tr(
                    "the series of {name} are not stored: they need more than {size} MiB; raise monitor.series_mb",
                    name=row.key.partition("\0")[0], size=self._limit_bytes // 1024 // 1024,
                )
            )  # fmt: skip
            return
        self._segment.append(block)

    @property
    def _segment_bytes(self) -> int:
        return self._limit_bytes // _SEGMENTS

    def _next_segment(self) -> _Segment:
        if self._segment is not None:
            self._segment.close()
            self._segment = None
        paths = self._segments()
        sizes = {path: path.stat().st_size for path in (*self._folder.glob("*.aside"), *paths)}
        for path in sizes.copy():
            if sum(sizes.values()) + self._segment_bytes > self._limit_bytes:
                path.unlink(missing_ok=True)
                del sizes[path]
        number = 1 + max((int(path.name) for path in paths), default=0)
        self._segment = _Segment(self._folder / f"{number:0{_DIGITS}}")
        return self._segment

    def _segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        return sorted(
            path for path in self._folder.iterdir() if path.name.isascii() and path.name.isdigit() and path.is_file()
        )

    def _read(self, path: Path, replay: _Replay, *, is_last: bool) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            self._warn(tr("{path} cannot be read: {reason}", path=path, reason=error.strerror))
            return
        try:
            size = os.fstat(descriptor).st_size
            if not size:
                return
            with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as data:
                whole = replay.segment(data)
            if whole == size:
                return
            if is_last:  # the process was killed, or power was lost
                os.truncate(path, whole)
                return
            self._put_aside(path, tr("{path} is damaged; the part before that was used, and it was renamed", path=path))
        except _OddFile:
            if size >= _HEADER.size or not is_last:
                self._put_aside(path, tr("{path} is not of this version of LilFox; it was renamed", path=path))
        finally:
            os.close(descriptor)

    def _put_aside(self, path: Path, why: Message) -> None:
        for older in self._folder.glob("*.aside"):
            older.unlink(missing_ok=True)
        path.rename(path.with_name(f"{path.name}.aside"))
        self._warn(why)

    def _gave_up(self, error: OSError) -> None:
        """Drop what could not be written; the next rows begin another segment."""
        segment, self._segment = self._segment, None
        if segment is not None:
            with suppress(OSError):
                segment.abandon()
        if not self._failing:
            reason = error.strerror or str(error)
            self._warn(tr("series cannot be stored in {path}: {reason}", path=self._folder, reason=reason))
        self._failing = True

    def _end_gone(self) -> None:
        """End the series of targets that are not there any more."""
        for (store, key), newest in self._restored.items():
            target = self._stores[store].target(key)
            if target.newest_ms == newest:
                target.end(newest + ENDED_MS)
        self._restored.clear()


class _Segment:
    """A new segment at ``path``. Raises OSError, as its methods do."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        self._seed = os.urandom(8)
        self._numbers: dict[tuple[str, str, tuple[LabelSet, ...]], int] = {}
        self._last: dict[int, Bits] = {}
        self.size = 0
        start = struct.pack("<8sI8s", _MAGIC, VERSION, self._seed)
        try:
            self.append(start + zlib.crc32(start).to_bytes(4, "little"))
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def encoded(self, row: _JournalRow) -> bytes:
        """Return the records of a row, with its labels where they are new. It must be appended next, or nothing."""
        if row.labels is None:
            return self._record(_DROPPED, msgspec.msgpack.encode((row.store, row.key)))
        place = (row.store, row.key, row.labels.sets)
        number, block = self._numbers.get(place), b""
        if number is None:
            named = SeriesList(len(self._numbers), row.store, row.key, tuple(one.pairs for one in row.labels.sets))
            block = self._record(_LIST, msgspec.msgpack.encode(named))
            number = self._numbers[place] = named.number
        bits = np.frombuffer(row.values, "<u8")
        last = self._last.get(number)
        packed = zlib.compress((bits if last is None else bits ^ last).tobytes(), 1)
        self._last[number] = bits
        return block + self._record(_VALUES, _ROW.pack(number, row.at_ms) + packed)

    def append(self, block: bytes) -> None:
        """Write records."""
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self.size += len(block)

    def sync(self) -> None:
        """Wait until all is on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """End the segment."""
        try:
            self.sync()
        finally:
            os.close(self._file)

    def abandon(self) -> None:
        """End the segment after its last whole record."""
        try:
            os.ftruncate(self._file, self.size)
        finally:
            os.close(self._file)

    def _record(self, kind: int, payload: bytes) -> bytes:
        return _RECORD.pack(len(payload), _checksum(self._seed, kind, payload), kind) + payload
