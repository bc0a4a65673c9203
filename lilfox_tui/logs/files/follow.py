"""What is appended to a log, whatever rotation does to its files meanwhile.

The file is the queue: a reader who is slow reads later. A file that was renamed is read to its end, and for a while on,
since its writer may not have noticed; one that was emptied (copytruncate) goes on in its copy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing

from lilfox_tui.errors import CommandTimeout, CommandUnknown, HostUnreachable, LilFoxError
from lilfox_tui.hosts.way_back import wait_for_way
from lilfox_tui.logs.files.blocks import BLOCK, Piece, cut_whole, last_line_end
from lilfox_tui.logs.files.disk import Seen
from lilfox_tui.logs.files.log_file import LogFile, Place
from lilfox_tui.logs.files.notices import away, copied, emptied, lost_track
from lilfox_tui.logs.files.refusals import FileMoved, file_moved
from lilfox_tui.logs.files.rotation import literal
from lilfox_tui.logs.files.search import holds
from lilfox_tui.logs.files.seek import time_offset
from lilfox_tui.logs.files.shelf import Shelf
from lilfox_tui.logs.files.tail import Emptied, Tail
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.needles import needles
from lilfox_tui.logs.record import RAW_LIMIT, Record
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Notice, Passed, Start

BATCH = 500
LINGER_S = 5.0
"""How long a file that was renamed is still looked at after it last grew."""
LOOK_ALL_S = 1.0
"""How often all files of the log are looked at while the one that is read does not change."""
AWAY_S = 2.0
"""How long a file may be away in its rotation before it is told."""
RETRIES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
READ_AT_ONCE = 50
BREATH_S = 0.0002
"""After so many records that were read the thread lets others run: keys are answered by another one. Where all is
wanted there is no rest: who reads a log slower than it is rotated may find copies gone."""
PASSING = (HostUnreachable, CommandTimeout, CommandUnknown)

Batch = list[Record | Notice | Passed]


class Follower:
    """``async for batch in follower.batches()``. ``failed`` is told each error that passes, and the wait in seconds;
    ``good`` each time the files were looked at, with their size. Where more comes at once than ``keep`` tells (None:
    all is wanted; asked in a thread), only so many of the newest are given, after a Passed. ``quiet``, of
    somebody who looks at all files anyway, is asked before each look whether nothing has changed since a file was given
    up to a byte (None: not all that it has was given yet)."""

    def __init__(
        self,
        shelf: Shelf,
        start: Start,
        where: Filter,
        *,
        poll_s: float,
        failed: Callable[[LilFoxError, float], None],
        good: Callable[[LogFile, int], None],
        keep: Callable[[], int | None] = lambda: None,
        quiet: Callable[[LogFile, int | None], Awaitable[bool]] | None = None,
    ) -> None:
        self._shelf = shelf
        self._start = start
        self._where = where
        self._poll_s = poll_s
        self._failed = failed
        self._good = good
        self._keep = keep
        self._quiet = quiet
        self._tail: Tail | None = None
        self._lingering: dict[Tail, float] = {}
        self._known: set[tuple[int, int]] = set()
        self._away_since_s: float | None = None
        self._untold: list[Notice] = []
        self._looked_s = 0.0

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Records and notices as they come, at most BATCH at once, or what is kept; never ends. Raises LilFoxError when
        it cannot go on."""
        tries = 0
        while True:
            try:
                async with aclosing(self._round()) as found:
                    async for batch in found:
                        step = len(batch) if isinstance(batch[0], Passed) else BATCH
                        for at in range(0, len(batch), step):
                            yield batch[at : at + step]
                tries = 0
                pause_s = self._to_next_look()
            except FileMoved:
                pause_s = self._to_next_look()
            except PASSING as error:
                pause_s = RETRIES_S[min(tries, len(RETRIES_S) - 1)]
                tries += 1
                self._failed(error, pause_s)
                await wait_for_way(self._shelf.disk.host, pause_s)
                continue
            await asyncio.sleep(pause_s)

    def _to_next_look(self) -> float:
        """Seconds; all who look as often do so at the same moments, so that what they find can be put in order."""
        return self._poll_s - asyncio.get_running_loop().time() % self._poll_s

    async def _round(self) -> AsyncGenerator[Batch, None]:
        """One look at the files, and all that is new in them."""
        if self._tail is not None and await self._is_quiet(self._tail):
            return
        self._shelf.keep = {tail.log.key for tail in (self._tail, *self._lingering) if tail is not None}
        seen = await (self._shelf.look() if self._tail is None else self._shelf.look_again())
        tail = self._tail = self._tail or await begin(self._shelf, seen, self._start)
        self._known = self._known or {one.key for one in seen}
        moving = True
        while moving:
            own = next((one for one in seen if one.key == tail.log.key), None)
            newer = await self._newer(tail, seen, own)
            self._note_away(tail, gone=own is None and not newer)
            if self._untold:
                yield [self._untold.pop(0)]
            size = await self._size(tail, own)
            grew = size > tail.seen_bytes
            try:
                if size < tail.seen_bytes or (own is not None and await self._missed(tail, seen, own)):
                    raise Emptied(b"")
                if own is not None and grew:
                    tail.grown(await self._shelf.open(own))
                if grew or not tail.settled:
                    async with aclosing(self._read(tail, settled=not grew)) as batches:
                        async for records in batches:
                            yield records
            except Emptied as emptied:
                async with aclosing(self._through_copy(tail, emptied.block)) as batches:
                    async for batch in batches:
                        yield batch
                return
            moving = bool(newer) and not grew
            if moving:
                tail = await self._move_on(tail, newer[0])
        self._known |= {one.key for one in seen}
        self._looked_s = time.monotonic()
        async with aclosing(self._linger()) as batches:
            async for batch in batches:
                yield batch
        self._good(tail.log, tail.seen_bytes)

    async def _is_quiet(self, tail: Tail) -> bool:
        """Whether the file is as it was, by a look at it alone; all the log's files are looked at now and then."""
        settled = tail.settled and not self._lingering
        if self._quiet is not None:
            return await self._quiet(tail.log, tail.seen_bytes if settled else None)
        if not settled or time.monotonic() - self._looked_s > LOOK_ALL_S:
            return False
        alone = await self._shelf.disk.look([literal(tail.log.path)])
        return [(one.key, one.size_bytes) for one in alone] == [(tail.log.key, tail.seen_bytes)]

    async def _size(self, tail: Tail, own: Seen | None) -> int:
        """How large the file is now; one that has no name any more, or is packed, is asked itself."""
        if own is not None and not tail.log.is_packed:
            return own.size_bytes
        try:
            return await tail.log.file.size()
        except FileMoved:
            return tail.seen_bytes

    async def _newer(self, tail: Tail, seen: Sequence[Seen], own: Seen | None) -> list[Seen]:
        """The files after the one that is read. When that has left the log, those that have come since; its own copy
        (it was packed) is read in its place."""
        if own is not None:
            return list(seen[seen.index(own) + 1 :])
        fresh = [one for one in seen if one.key not in self._known]
        for at, one in enumerate(fresh):
            log = await self._shelf.open(one)
            if log.head == tail.log.head and log.start == tail.log.start:
                tail.log = log
                return fresh[at + 1 :]
        if len(fresh) > 1 and len(fresh) == len(seen):
            self._untold.append(lost_track(tail.log))
        return fresh

    async def _move_on(self, tail: Tail, next_file: Seen) -> Tail:
        """Goes on in the next file. What is still written to the one before is read for a while."""
        log = await self._shelf.open(next_file)
        copied = await self._shelf.is_copy(tail.log, log)
        self._lingering[tail] = time.monotonic() + LINGER_S
        self._known.add(next_file.key)
        self._tail = Tail(log, tail.offset if copied else 0, after=tail.after if copied else -1)
        if copied:
            del self._lingering[tail]
        return self._tail

    async def _linger(self) -> AsyncGenerator[Batch, None]:
        for tail, until_s in list(self._lingering.items()):
            over = time.monotonic() > until_s
            try:
                grew = await tail.log.file.size() > tail.seen_bytes
                async with aclosing(self._read(tail, settled=not grew, ended=over and not grew)) as batches:
                    async for records in batches:
                        yield records
            except (Emptied, FileMoved):
                over, grew = True, False
            if grew:
                self._lingering[tail] = time.monotonic() + LINGER_S
            elif over:
                del self._lingering[tail]

    async def _through_copy(self, tail: Tail, block: bytes) -> AsyncGenerator[Batch, None]:
        """Reads what an emptied file held and was not read yet in the copy made of it, and the copies that were made
        since, then goes on in the file."""
        before, seen = tail.log, await self._shelf.look_again()
        own = next((one for one in seen if one.key == before.key), None)
        if own is None:
            raise file_moved(before.source, before.path)
        log = await self._shelf.open(own)
        after, copies = await after_hole(log), await self._copies(tail, seen, own, log)
        if [one.key for one in await self._shelf.look_again()] != [one.key for one in seen]:
            raise file_moved(before.source, before.path)  # it is rotated just now: all of it is looked at anew
        self._tail = Tail(log, after)
        self._known |= {one.key for one in seen}
        self._lingering |= dict.fromkeys(copies, 0.0)  # for the next look, should this one not get through
        for copy in copies:
            async with aclosing(self._read(copy, settled=True, ended=True)) as batches:
                async for records in batches:
                    yield records
            del self._lingering[copy]
            yield [copied(before)]
        if copies:
            return
        pieces = cut_whole(block[: block.rfind(b"\n") + 1], tail.offset, before.format, ended=True)[0]
        if pieces and await log.file.read(tail.offset, len(block)) != block:
            yield await asyncio.to_thread(self._matching, before, pieces)
        yield [emptied(before)]

    async def _copies(self, tail: Tail, seen: Sequence[Seen], own: Seen, now: LogFile) -> list[Tail]:
        """What is left of the copy of what was read, and the copies that were made of the file after that one."""
        end, missed = seen.index(own), await self._missed(tail, seen, own)
        if missed:
            return [Tail(each, await after_hole(each)) for each in missed if each.head != now.head]
        for at in reversed(range(len(seen))):
            if at == end:
                continue
            copy = await self._shelf.open(seen[at])
            if copy.head == tail.log.head and await copy.file.size() >= tail.offset:
                later = [await self._shelf.open(one) for one in seen[at + 1 : end]]
                rest = [Tail(each, await after_hole(each)) for each in later if each.head != now.head]
                return [Tail(copy, tail.offset, after=tail.after), *rest]
        return []

    async def _missed(self, tail: Tail, seen: Sequence[Seen], own: Seen) -> list[LogFile]:
        """Copies that have come of a file that was empty when it was last read: nothing tells that it was emptied."""
        if tail.log.start or tail.seen_bytes:
            return []
        fresh = [await self._shelf.open(one) for one in seen[: seen.index(own)] if one.key not in self._known]
        return [each for each in fresh if not each.is_packed]

    def _note_away(self, tail: Tail, *, gone: bool) -> None:
        """Says once that the file is away, when it has been for a while."""
        now_s = time.monotonic()
        if not gone:
            self._away_since_s = None
        elif self._away_since_s is None:
            self._away_since_s = now_s
        elif now_s - self._away_since_s >= AWAY_S:
            self._away_since_s = float("inf")
            self._untold.append(away(tail.log))

    async def _read(self, tail: Tail, *, settled: bool, ended: bool = False) -> AsyncGenerator[Batch, None]:
        async with aclosing(tail.read(settled=settled, ended=ended)) as batches:
            async for pieces in batches:
                if records := await asyncio.to_thread(self._matching, tail.log, pieces):
                    yield records

    def _matching(self, log: LogFile, pieces: Sequence[Piece]) -> Batch:
        keep, passed = self._keep(), 0
        if self._where == EVERYTHING:
            if keep is not None and len(pieces) > keep:
                passed = len(pieces) - keep
            return [*_passed(passed), *_read(log, pieces[passed:], rests=keep is not None)]
        wanted = needles(self._where, log.format.LEVEL_WORDS)
        if wanted is not None:
            pieces = [piece for piece in pieces if piece[2] > RAW_LIMIT or holds(piece[1], wanted)]
        found = [record for record in _read(log, pieces, rests=keep is not None) if self._where.matches(record)]
        if keep is not None and len(found) > keep:
            passed = len(found) - keep
        return [*_passed(passed), *found[passed:]]


def _passed(count: int) -> Batch:
    return [Passed(count)] if count else []


def _read(log: LogFile, pieces: Sequence[Piece], *, rests: bool) -> Iterator[Record]:
    for number, piece in enumerate(pieces, 1):
        yield log.record(piece)
        if rests and number % READ_AT_ONCE == 0:
            time.sleep(BREATH_S)


async def begin(shelf: Shelf, seen: list[Seen], start: Start) -> Tail:
    """Where following begins. Raises LilFoxError, FileRefused where the record's file is gone."""
    match start:
        case Beginning():
            return Tail(await shelf.open(seen[0]), 0)
        case AtPlace(words):
            place = Place(words)
            _, log = await shelf.find(place, seen)
            return Tail(log, max(0, place.offset), after=place.offset)
        case AtTime(time_us):
            for one in reversed(seen):
                log = await shelf.open(one)
                offset = await time_offset(log, time_us, await last_line_end(log.file, await log.file.size()))
                if offset > 0:
                    return Tail(log, offset)
            return Tail(await shelf.open(seen[0]), 0)
        case End():
            log = await shelf.open(seen[-1])
            return Tail(log, await last_line_end(log.file, await log.file.size()))


async def after_hole(log: LogFile) -> int:
    """Where a file begins that was emptied while its writer went on at its old place: behind the NUL bytes."""
    at = 0
    while (block := await log.file.read(at, BLOCK)) and block.startswith(b"\0"):
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            break
    return at
