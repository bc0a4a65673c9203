"""The files being read while a log is followed, even if rotation renames or removes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct

from lilfox_tui.core.errors import FileMoved, LilFoxError
from lilfox_tui.logs.files.log_file import (
    BLOCK,
    LITTLE,
    FileStat,
    LogFile,
    Piece,
    RecordPosition,
    beginning_after,
    cut_whole,
    file_moved,
    last_line_end,
    read_piece,
    time_offset,
)
from lilfox_tui.logs.files.log_file_set import PACKED_ENDS, LogFileSet
from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.source import AtEnd, AtPlace, AtTime, Start

# One file read onward: the records that are whole, each once.


READ_BYTES = 4 * BLOCK


class FileTruncated(Exception):
    """The file no longer begins as it did. ``block`` is the last data read: from before or after the truncation."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.block = block


class FileTail:
    """The position in a file that is being followed. ``offset`` is the start of the first record not yielded yet,
    ``seen_bytes`` how far the file was read. Records that begin at ``after`` or before are not yielded: reading may
    begin within one."""

    def __init__(self, log: LogFile, offset: int, *, after: int = -1) -> None:
        self.log = log
        self.path = log.path
        """Its name when reading began."""
        self.offset = offset
        self.after = after
        self.seen_bytes = offset
        self.settled = False
        """Whether everything whole was given."""
        self.grown_s = time.monotonic()
        """When there was last more to read."""
        self.grew = False
        """Whether there was more at the last look at all files."""
        self.modified_s = log.modified_s
        """When its host last says that it was written to, as it was last looked at."""
        self._scanned = 0

    def grown(self, log: LogFile) -> None:
        """Update the tail with the file's current state. Raises FileTruncated if its beginning differs."""
        if not log.start.startswith(self.log.start):
            raise FileTruncated(b"")
        self.log = log

    async def read(self, *, settled: bool, ended: bool = False) -> AsyncGenerator[list[Piece], None]:
        """Yield the complete records. The last one may continue in the next line: it is yielded if ``settled``, and a
        line without its end if the file has ``ended``. Raises FileTruncated, LilFoxError."""
        full = True
        while full:
            block = await self.log.file.read(self.offset, READ_BYTES)
            await self._check(block)
            if self.offset + len(block) > self.seen_bytes:
                self.seen_bytes, self.grown_s = self.offset + len(block), time.monotonic()
            full = len(block) == READ_BYTES
            if full or not (settled or ended):
                text, half = block, b""
            else:
                whole = len(block) if ended else block.rfind(b"\n") + 1
                text, half = block[:whole], block[whole:]
            close = not full and (settled or ended)
            cut = partial(cut_whole, text, self.offset, self.log.format, ended=close)
            pieces, rest = cut() if len(text) <= LITTLE else await asyncio.to_thread(cut)
            if full and not pieces:
                piece = await self._long(settled=settled, ended=ended)
                full = piece is not None
                pieces = [] if piece is None else [piece]
            else:
                self.offset += len(block) - len(rest) - len(half)
            self.settled = close or self.offset == self.seen_bytes
            yield [piece for piece in pieces if piece[0] > self.after]

    async def _check(self, block: bytes) -> None:
        if await self.log.file.read(0, len(self.log.start)) != self.log.start:
            raise FileTruncated(block)

    async def _long(self, *, settled: bool, ended: bool) -> Piece | None:
        """Return the record at ``offset``, which is longer than a block; None if it is not complete."""
        file, size = self.log.file, await self.log.file.size()
        self.seen_bytes = max(self.seen_bytes, size)
        next_at = await beginning_after(file, self.log.format, max(self.offset, self._scanned), size)
        self._scanned = max(self.offset, size - RAW_LIMIT)
        if next_at == size and not ended and not (settled and await file.read(size - 1, 1) == b"\n"):
            return None
        piece = await read_piece(file, self.offset, next_at)
        self.offset = next_at
        return piece


# Which files of a log are read on while it is followed, whatever rotation does to their names.
#
# A file is its device and inode. One that is read stays read until it has been quiet for a while, also without a name.
# Of the others that come to be, those are read that hold something new: not a copy of what is read (copytruncate,
# packed), and not one that was last written to before following began.


LINGER_S = 60.0
"""How long a file that others have come after is still looked at after it last grew."""
_SAMPLED = 4
"""Of so many older files it is known how they begin, so that their packed copies are known."""
_STARTS = 64
_TELLING = 64
"""So much of a file's beginning tells it from others, also where that was all of it."""
_DOUBTED_MOST = 3
"""After so many looks a file that begins like one that is read, and is no copy of it, is one of its own."""


class ConsumedFile(Struct, frozen=True):
    """A file of the log that is no longer read: either all of it was yielded, or it was written before following
    began."""

    path: str
    size_bytes: int
    was_read: bool


class FollowedFiles:
    """The files of a log that is followed. ``tails`` are those being read, oldest first; the last one is the newest."""

    def __init__(self, file_set: LogFileSet) -> None:
        self.tails: list[FileTail] = []
        self._file_set = file_set
        self._passed: dict[tuple[int, int], ConsumedFile] = {}
        self._passed_until_s = float("-inf")
        self._starts: list[bytes] = []
        self._doubts: dict[tuple[int, int], int] = {}

    @property
    def newest(self) -> FileTail:
        """The most recently started file."""
        return self.tails[-1]

    async def begin(self, start: Start) -> list[FileStat]:
        """Find where following begins; return all files of the log, oldest first. Raises LilFoxError; FileRefused if
        the file of the record to start at no longer exists."""
        seen = await self._file_set.look_around()
        named = await self._file_set.look()
        if isinstance(start, AtPlace):  # its file may just have been renamed
            tail = await _at_place(self._file_set, RecordPosition(start.place), seen)
        else:
            tail = await _begin(self._file_set, named, start)
        self.tails = [tail]
        own = next((at for at, one in enumerate(seen) if one.key == tail.log.key), len(seen))
        wanted = {one.key for one in named}
        for at, one in enumerate(seen):
            if at < own or (one.key not in wanted and one.key != tail.log.key):
                self._pass(one, was_read=False)
                self._passed_until_s = max(self._passed_until_s, one.modified_s)
        older = [one for one in seen[:own] if not one.path.endswith(PACKED_ENDS)]
        for one in older[-_SAMPLED:]:
            self._note_start(await self._file_set.open(one))
        return seen

    async def look(self) -> list[FileStat]:
        """Return all files of the log, oldest first; files being read stay open without a name. Raises LilFoxError."""
        self._file_set.keep = {tail.log.key for tail in self.tails}
        seen = await self._file_set.look_around()
        keys = {one.key for one in seen}
        self._passed = {key: passed for key, passed in self._passed.items() if key in keys}
        self._doubts = {key: count for key, count in self._doubts.items() if key in keys}
        return seen

    def tail_of(self, key: tuple[int, int]) -> FileTail | None:
        """Return the tail that reads that file."""
        return next((tail for tail in self.tails if tail.log.key == key), None)

    def nameless(self, seen: Sequence[FileStat]) -> list[FileTail]:
        """Return the files being read that are no longer among those of the log."""
        keys = {one.key for one in seen}
        return [tail for tail in self.tails if tail.log.key not in keys]

    def is_fresh(self, one: FileStat) -> bool:
        """Whether nothing of the file was read or skipped so far."""
        return one.key not in self._passed and self.tail_of(one.key) is None

    async def take_up(self, one: FileStat, seen: Sequence[FileStat]) -> FileTail | None:
        """Return a tail for a file that was not read yet; None if it has nothing new. Raises FileMoved if that cannot
        be decided yet."""
        places = [at for at, each in enumerate(seen) if each.key == self.newest.log.key]
        newer = one.path == self._file_set.path or (bool(places) and seen.index(one) > places[0])
        passed = self._passed.get(one.key)
        if passed is not None and (passed.was_read or passed.path == one.path or not newer):
            if one.size_bytes == passed.size_bytes:
                return None
            if one.size_bytes > passed.size_bytes:
                return await self._go_on(one, passed)
        elif passed is None and not newer and self._is_of_before(one):
            self._pass(one, was_read=False)
            return None
        log = await self._file_set.open(one)
        if newer:
            was_written_to = self.newest.path == self._file_set.path and places
            if not was_written_to and await self._file_set.is_copy(self.newest.log, log):
                return self._in_place_of_newest(log)
        elif await self._is_copy(one, log):
            self._pass(one, was_read=False)
            return None
        return self._add(FileTail(log, 0), newer=newer)

    def _is_of_before(self, one: FileStat) -> bool:
        """Whether the file was last written before following began. A compressed file keeps the time of its
        original."""
        if one.path.endswith(PACKED_ENDS):
            return one.modified_s <= self._passed_until_s
        return one.modified_s < self._passed_until_s

    async def _go_on(self, one: FileStat, passed: ConsumedFile) -> FileTail | None:
        """Return a tail for a file that has grown since it was skipped."""
        log = await self._file_set.open(one)
        if log.is_packed or (not passed.was_read and await self._is_copy(one, log)):
            self._pass(one, was_read=passed.was_read)
            return None
        return self._add(FileTail(log, await last_line_end(log.file, passed.size_bytes)), newer=False)

    def _add(self, tail: FileTail, *, newer: bool) -> FileTail:
        self.tails.insert(len(self.tails) if newer else len(self.tails) - 1, tail)
        self._passed.pop(tail.log.key, None)
        return tail

    def _in_place_of_newest(self, log: LogFile) -> FileTail:
        """Return a tail for a file that holds all that was read of the newest one: an unfinished copy was followed, or
        the file was rewritten and put in its place."""
        before = self.newest
        self.tails[-1] = FileTail(log, before.offset, after=before.after)
        self._note_start(before.log)
        self._passed[before.log.key] = ConsumedFile(before.log.path, before.seen_bytes, was_read=True)
        return self.newest

    async def _is_copy(self, one: FileStat, log: LogFile) -> bool:
        """Return whether all contents of the file are read from another file."""
        if not log.start:
            return False
        if any(log.start == start or (len(start) > _TELLING and log.start.startswith(start)) for start in self._starts):
            return True
        alike = [tail.log for tail in self.tails if log.head == tail.log.head]
        if log.is_packed:
            return bool(alike) or await self._is_packed_copy(log)
        if not alike:
            return False
        with suppress(FileMoved):
            if any([await self._file_set.is_copy(log, other) for other in alike]):
                return True
        doubts = self._doubts[one.key] = self._doubts.get(one.key, 0) + 1
        if doubts < _DOUBTED_MOST:
            raise file_moved(log.source, log.path)  # it may have been emptied since the look: the next one tells
        return False

    async def _is_packed_copy(self, log: LogFile) -> bool:
        """Return whether a file that is read begins like the packed one by now: when reading began, it may have had
        less than a line."""
        for tail in self.tails:
            with suppress(LilFoxError):
                if await tail.log.file.read(0, len(log.start)) == log.start:
                    return True
        return False

    def replace(self, tail: FileTail, by: FileTail, copies: Sequence[FileTail]) -> None:
        """Replace the truncated file ``tail`` with its copies, followed by its current contents, ``by``."""
        self._note_start(tail.log)
        at = self.tails.index(tail)
        self.tails[at : at + 1] = [*copies, by]

    def let_go(self, seen: Sequence[FileStat], now_s: float) -> None:
        """Stop reading files that have been quiet for long and are not the newest."""
        by_key = {one.key: one for one in seen}
        for tail in self.tails[:-1]:
            if tail.settled and now_s - tail.grown_s > LINGER_S:
                self.forget(tail, by_key.get(tail.log.key))

    def forget(self, tail: FileTail, one: FileStat | None = None) -> None:
        """Stop reading a file."""
        self.tails.remove(tail)
        self._note_start(tail.log)
        if one is not None:
            self._passed[one.key] = ConsumedFile(one.path, tail.seen_bytes, was_read=True)

    def _pass(self, one: FileStat, *, was_read: bool) -> None:
        self._passed[one.key] = ConsumedFile(one.path, one.size_bytes, was_read)

    def _note_start(self, log: LogFile) -> None:
        if log.start:
            self._starts = [*self._starts[1 - _STARTS :], log.start]

    async def copy_of(self, tail: FileTail, seen: Sequence[FileStat]) -> LogFile | None:
        """Return the copy or compressed version of a file that cannot be read any more."""
        for one in seen:
            if self.tail_of(one.key) is None:
                log = await self._file_set.open(one)
                if (log.head, log.start) == (tail.log.head, tail.log.start):
                    return log
        return None


async def _at_place(file_set: LogFileSet, place: RecordPosition, seen: list[FileStat]) -> FileTail:
    _, log = await file_set.find(place, seen)
    return FileTail(log, max(0, place.offset), after=place.offset)


async def _begin(file_set: LogFileSet, seen: list[FileStat], start: Start) -> FileTail:
    if isinstance(start, AtTime):
        for one in reversed(seen):
            log = await file_set.open(one)
            offset = await time_offset(log, start.time_us, await last_line_end(log.file, await log.file.size()))
            if offset > 0:
                return FileTail(log, offset)
    if isinstance(start, AtEnd):
        log = await file_set.open(seen[-1])
        return FileTail(log, await last_line_end(log.file, await log.file.size()))
    return FileTail(await file_set.open(seen[0]), 0)
