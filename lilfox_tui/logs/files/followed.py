"""Which files of a log are read on while it is followed, whatever rotation does to their names.

A file is its device and inode. One that is read stays read until it has been quiet for a while, also without a name. Of
the others that come to be, those are read that hold something new: not a copy of what is read (copytruncate, packed),
and not one that was last written to before following began.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from lilfox_tui.logs.files.blocks import last_line_end
from lilfox_tui.logs.files.disk import Seen
from lilfox_tui.logs.files.log_file import LogFile, Place
from lilfox_tui.logs.files.refusals import FileMoved, file_moved
from lilfox_tui.logs.files.rotation import PACKED_ENDS
from lilfox_tui.logs.files.seek import time_offset
from lilfox_tui.logs.files.shelf import Shelf
from lilfox_tui.logs.files.tail import Tail
from lilfox_tui.logs.source import AtPlace, AtTime, End, Start

LINGER_S = 60.0
"""How long a file that others have come after is still looked at after it last grew."""
_SAMPLED = 4
"""Of so many older files it is known how they begin, so that their packed copies are known."""
_STARTS = 64
_TELLING = 64
"""So much of a file's beginning tells it from others, also where that was all of it."""
_DOUBTED_MOST = 3
"""After so many looks a file that begins like one that is read, and is no copy of it, is one of its own."""


class Passed(Struct, frozen=True):
    """A file of the log that is not read: all that it held then was given, or is from before following began."""

    path: str
    size_bytes: int
    was_read: bool


class FollowedFiles:
    """``tails`` are the files that are read, the oldest first; the last one is the newest."""

    def __init__(self, shelf: Shelf) -> None:
        self.tails: list[Tail] = []
        self._shelf = shelf
        self._passed: dict[tuple[int, int], Passed] = {}
        self._passed_until_s = float("-inf")
        self._starts: list[bytes] = []
        self._doubts: dict[tuple[int, int], int] = {}

    @property
    def newest(self) -> Tail:
        """The file that was begun last."""
        return self.tails[-1]

    async def begin(self, start: Start) -> list[Seen]:
        """Finds where following begins; gives all files of the log, the oldest first. Raises LilFoxError, FileRefused
        where the record's file is gone."""
        seen = await self._shelf.look_around()
        named = await self._shelf.look()
        if isinstance(start, AtPlace):  # its file may just have been renamed
            tail = await _at_place(self._shelf, Place(start.place), seen)
        else:
            tail = await _begin(self._shelf, named, start)
        self.tails = [tail]
        own = next((at for at, one in enumerate(seen) if one.key == tail.log.key), len(seen))
        wanted = {one.key for one in named}
        for at, one in enumerate(seen):
            if at < own or (one.key not in wanted and one.key != tail.log.key):
                self._pass(one, was_read=False)
                self._passed_until_s = max(self._passed_until_s, one.modified_s)
        older = [one for one in seen[:own] if not one.path.endswith(PACKED_ENDS)]
        for one in older[-_SAMPLED:]:
            self._note_start(await self._shelf.open(one))
        return seen

    async def look(self) -> list[Seen]:
        """All files of the log, the oldest first; those that are read stay open without a name. Raises LilFoxError."""
        self._shelf.keep = {tail.log.key for tail in self.tails}
        seen = await self._shelf.look_around()
        keys = {one.key for one in seen}
        self._passed = {key: passed for key, passed in self._passed.items() if key in keys}
        self._doubts = {key: count for key, count in self._doubts.items() if key in keys}
        return seen

    def tail_of(self, key: tuple[int, int]) -> Tail | None:
        """What that file is read by."""
        return next((tail for tail in self.tails if tail.log.key == key), None)

    def nameless(self, seen: Sequence[Seen]) -> list[Tail]:
        """The files that are read and are not among those of the log any more."""
        keys = {one.key for one in seen}
        return [tail for tail in self.tails if tail.log.key not in keys]

    def is_fresh(self, one: Seen) -> bool:
        """Whether nothing of the file was read or passed over so far."""
        return one.key not in self._passed and self.tail_of(one.key) is None

    async def take_up(self, one: Seen, seen: Sequence[Seen]) -> Tail | None:
        """What reads a file that is not read so far; None where it has nothing new. Raises FileMoved when it cannot be
        told yet."""
        places = [at for at, each in enumerate(seen) if each.key == self.newest.log.key]
        newer = one.path == self._shelf.path or (bool(places) and seen.index(one) > places[0])
        passed = self._passed.get(one.key)
        if passed is not None and (passed.was_read or passed.path == one.path or not newer):
            if one.size_bytes == passed.size_bytes:
                return None
            if one.size_bytes > passed.size_bytes:
                return await self._go_on(one, passed)
        elif passed is None and not newer and self._is_of_before(one):
            self._pass(one, was_read=False)
            return None
        log = await self._shelf.open(one)
        if newer:
            was_written_to = self.newest.path == self._shelf.path and places
            if not was_written_to and await self._shelf.is_copy(self.newest.log, log):
                return self._in_place_of_newest(log)
        elif await self._is_copy(one, log):
            self._pass(one, was_read=False)
            return None
        return self._add(Tail(log, 0), newer=newer)

    def _is_of_before(self, one: Seen) -> bool:
        """Whether the file was last written to before following began. A packed one keeps the time of what it was."""
        if one.path.endswith(PACKED_ENDS):
            return one.modified_s <= self._passed_until_s
        return one.modified_s < self._passed_until_s

    async def _go_on(self, one: Seen, passed: Passed) -> Tail | None:
        """A file that has grown since it was passed."""
        log = await self._shelf.open(one)
        if log.is_packed or (not passed.was_read and await self._is_copy(one, log)):
            self._pass(one, was_read=passed.was_read)
            return None
        return self._add(Tail(log, await last_line_end(log.file, passed.size_bytes)), newer=False)

    def _add(self, tail: Tail, *, newer: bool) -> Tail:
        self.tails.insert(len(self.tails) if newer else len(self.tails) - 1, tail)
        self._passed.pop(tail.log.key, None)
        return tail

    def _in_place_of_newest(self, log: LogFile) -> Tail:
        """A file that holds all that was read of the newest one: a copy was followed that was just being made, or the
        file was written anew and put in its place."""
        before = self.newest
        self.tails[-1] = Tail(log, before.offset, after=before.after)
        self._note_start(before.log)
        self._passed[before.log.key] = Passed(before.log.path, before.seen_bytes, was_read=True)
        return self.newest

    async def _is_copy(self, one: Seen, log: LogFile) -> bool:
        """Whether all that it holds is read elsewhere."""
        if not log.start:
            return False
        if any(log.start == start or (len(start) > _TELLING and log.start.startswith(start)) for start in self._starts):
            return True
        alike = [tail.log for tail in self.tails if log.head == tail.log.head]
        if not alike or log.is_packed:
            return bool(alike)
        with suppress(FileMoved):
            if any([await self._shelf.is_copy(log, other) for other in alike]):
                return True
        doubts = self._doubts[one.key] = self._doubts.get(one.key, 0) + 1
        if doubts < _DOUBTED_MOST:
            raise file_moved(log.source, log.path)  # it may have been emptied since the look: the next one tells
        return False

    def replace(self, tail: Tail, by: Tail, copies: Sequence[Tail]) -> None:
        """Reads the copies of a file that was emptied, and then what it holds now."""
        self._note_start(tail.log)
        at = self.tails.index(tail)
        self.tails[at : at + 1] = [*copies, by]

    def let_go(self, seen: Sequence[Seen], now_s: float) -> None:
        """Ends reading files that have been quiet for long and are not the newest."""
        by_key = {one.key: one for one in seen}
        for tail in self.tails[:-1]:
            if tail.settled and now_s - tail.grown_s > LINGER_S:
                self.forget(tail, by_key.get(tail.log.key))

    def forget(self, tail: Tail, one: Seen | None = None) -> None:
        """Ends reading a file."""
        self.tails.remove(tail)
        self._note_start(tail.log)
        if one is not None:
            self._passed[one.key] = Passed(one.path, tail.seen_bytes, was_read=True)

    def _pass(self, one: Seen, *, was_read: bool) -> None:
        self._passed[one.key] = Passed(one.path, one.size_bytes, was_read)

    def _note_start(self, log: LogFile) -> None:
        if log.start:
            self._starts = [*self._starts[1 - _STARTS :], log.start]

    async def copy_of(self, tail: Tail, seen: Sequence[Seen]) -> LogFile | None:
        """The file that a file which cannot be read any more was copied or packed to."""
        for one in seen:
            if self.tail_of(one.key) is None:
                log = await self._shelf.open(one)
                if (log.head, log.start) == (tail.log.head, tail.log.start):
                    return log
        return None


async def _at_place(shelf: Shelf, place: Place, seen: list[Seen]) -> Tail:
    _, log = await shelf.find(place, seen)
    return Tail(log, max(0, place.offset), after=place.offset)


async def _begin(shelf: Shelf, seen: list[Seen], start: Start) -> Tail:
    if isinstance(start, AtTime):
        for one in reversed(seen):
            log = await shelf.open(one)
            offset = await time_offset(log, start.time_us, await last_line_end(log.file, await log.file.size()))
            if offset > 0:
                return Tail(log, offset)
    if isinstance(start, End):
        log = await shelf.open(seen[-1])
        return Tail(log, await last_line_end(log.file, await log.file.size()))
    return Tail(await shelf.open(seen[0]), 0)
