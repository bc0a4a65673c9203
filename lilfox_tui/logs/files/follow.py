"""Follows a log: reads appended data through rotation, truncation and copies, with a notice for each loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing

from lilfox_tui.core.aio import to_next_beat_s
from lilfox_tui.core.errors import CommandTimeout, CommandUnknown, FileMoved, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import wait_until_reconnected
from lilfox_tui.logs.files.followed_files import FileTail, FileTruncated, FollowedFiles
from lilfox_tui.logs.files.log_file import BLOCK, LITTLE, FileStat, LogFile, Piece, cut_whole, file_moved
from lilfox_tui.logs.files.log_file_set import PACKED_ENDS, LogFileSet, literal
from lilfox_tui.logs.files.pages import pieces_holding
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.needles import needles
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import SkippedRecords, SourceNotice, Start

# What a reader who follows a log must know about its files.


def copied(log: LogFile) -> SourceNotice:
    """Return the notice that the file was truncated, and that the unread data was in its copy."""
    return _notice(
        log,
        tr(
            "{path} was truncated by log rotation; its copy was read to the end. Data written between copying "
            "and truncating is lost.",
            path=log.path,
        ),
    )


def emptied(log: LogFile) -> SourceNotice:
    """Return the notice that the file was truncated without a copy."""
    return _notice(log, tr("{path} was truncated: data that was written but not yet read is lost", path=log.path))


def away(log: LogFile) -> SourceNotice:
    """Return the notice that the file has been missing for a while."""
    return _notice(log, tr("{path} no longer exists; waiting for it to reappear", path=log.path))


def lost_rest(log: LogFile) -> SourceNotice:
    """Return the notice that the file cannot be read any more, and has no copy."""
    text = tr("{path} was rotated out before it was fully read: the rest is missing here", path=log.path)
    return _notice(log, text)


def _notice(log: LogFile, text: Message) -> SourceNotice:
    return SourceNotice(log.source, time.time_ns() // 1000, text)


# What is appended to a log, whatever rotation does to its files meanwhile.
#
# The file is the queue: a reader who is slow reads later. A file that was renamed is read to its end, and for a while
# on, since its writer may not have noticed; one that was emptied (copytruncate) goes on in its copy.


BATCH = 500
ENDED_S = 5.0
"""A file that others have come after, and that has not grown for so long, has ended: also within a line."""
LOOK_ALL_S, _LOOK_ALL_POLLS = 1.0, 3
"""How often all files of the log are looked at while the one that is read does not change: after so long, and not with
every poll of who polls seldom."""
AWAY_S = 2.0
"""How long a file may be away in its rotation before it is told."""
RETRIES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
READ_AT_ONCE = 50
BREATH_S = 0.0002
"""After so many records that were read the thread lets others run: keys are answered by another one. Where all is
wanted there is no rest: who reads a log slower than it is rotated may find copies gone."""
PASSING = (HostUnreachable, CommandTimeout, CommandUnknown)

Batch = list[LogRecord | SourceNotice | SkippedRecords]


class Follower:
    """Follows one log: ``async for batch in follower.batches()``. ``failed`` gets each temporary error and the wait in
    seconds; ``good`` is called after each check of the files, with their size. If more records arrive at once than
    ``keep`` returns (None: all; called in a thread), only that many of the newest are yielded, after a SkippedRecords.
    ``quiet``, from a caller that lists all files anyway, is called before each check; it returns whether nothing has
    changed since a file was yielded up to a byte (None: not completely yet)."""

    def __init__(
        self,
        file_set: LogFileSet,
        start: Start,
        where: Filter,
        *,
        poll_s: float,
        failed: Callable[[LilFoxError, float], None],
        good: Callable[[LogFile, int], None],
        keep: Callable[[], int | None] = lambda: None,
        quiet: Callable[[LogFile, int | None], Awaitable[bool]] | None = None,
    ) -> None:
        self._file_set = file_set
        self._start = start
        self._where = where
        self._poll_s = poll_s
        self._look_all_s = max(LOOK_ALL_S, _LOOK_ALL_POLLS * poll_s - poll_s / 2)
        self._failed = failed
        self._good = good
        self._keep = keep
        self._quiet = quiet
        self._files = FollowedFiles(file_set)
        self._away_since_s: float | None = None
        self._untold: list[SourceNotice] = []
        self._looked_s = 0.0

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield records and notices as they come, at most BATCH at once, or as many as ``keep`` returned; never ends.
        Raises LilFoxError if it cannot continue."""
        tries = 0
        while True:
            try:
                async with aclosing(self._round()) as found:
                    async for batch in found:
                        step = len(batch) if isinstance(batch[0], SkippedRecords) else BATCH
                        for at in range(0, len(batch), step):
                            yield batch[at : at + step]
                tries = 0
                pause_s = to_next_beat_s(self._poll_s)  # as all others, so that their records can be put in order
            except FileMoved:
                pause_s = to_next_beat_s(self._poll_s)
            except PASSING as error:
                pause_s = RETRIES_S[min(tries, len(RETRIES_S) - 1)]
                tries += 1
                self._failed(error, pause_s)
                await wait_until_reconnected(self._file_set.disk.host, pause_s)
                continue
            await asyncio.sleep(pause_s)

    async def _round(self) -> AsyncGenerator[Batch, None]:
        """Check the files once, and yield all new records in them, oldest first."""
        files = self._files
        if files.tails and await self._is_quiet(files.newest):
            return
        began_s = time.monotonic()
        seen = await (files.look() if files.tails else files.begin(self._start))
        for tail in list(files.tails):
            if (block := await self._emptied(tail, seen)) is not None:
                async with aclosing(self._through_copy(tail, block)) as batches:
                    async for batch in batches:
                        yield batch
                return
        for tail in files.nameless(seen):
            async with aclosing(self._nameless(tail, seen)) as batches:
                async for batch in batches:
                    yield batch
        for number, one in enumerate(seen):
            found = files.tail_of(one.key) or await files.take_up(one, seen)
            if found is not None:
                over = any(map(files.is_fresh, seen[number + 1 :]))
                async with aclosing(self._named(found, one, over=over)) as batches:
                    async for batch in batches:
                        yield batch
        self._note_away(files.newest, gone=files.newest in files.nameless(seen))
        if self._untold:
            yield [self._untold.pop(0)]
        files.let_go(seen, time.monotonic())
        self._looked_s = time.monotonic()
        files.newest.grew = files.newest.grown_s > began_s
        self._good(files.newest.log, files.newest.seen_bytes)

    async def _is_quiet(self, tail: FileTail) -> bool:
        """Whether the file is unchanged, without listing the log's other files; those are also checked from time to
        time, and each time while the file grows."""
        settled = all(each.settled for each in self._files.tails)
        if self._quiet is not None:
            return await self._quiet(tail.log, tail.seen_bytes if settled else None)
        if not settled or tail.grew or time.monotonic() - self._looked_s > self._look_all_s:
            return False
        alone = await self._file_set.disk.look([literal(tail.log.path)])
        return [(one.key, one.size_bytes) for one in alone] == [(tail.log.key, tail.seen_bytes)]

    async def _named(self, tail: FileTail, one: FileStat, *, over: bool) -> AsyncGenerator[Batch, None]:
        """Yield the new records of a file that still has a name; ``over``: there is a newer file, which is read after
        the end of this one."""
        grew = one.size_bytes > tail.seen_bytes
        now = await self._file_set.open(one) if grew and not tail.log.is_packed else tail.log
        async with aclosing(self._new_of(tail, now, grew=grew, over=over)) as batches:
            async for batch in batches:
                yield batch
        tail.modified_s = one.modified_s

    async def _nameless(self, tail: FileTail, seen: Sequence[FileStat]) -> AsyncGenerator[Batch, None]:
        """Yield the new records of a file that was renamed away or removed; if it is not open any more, from its
        copy."""
        try:
            size = await tail.log.file.size()
        except FileMoved:
            if not await self._found_again(tail, seen):
                return
            size = await tail.log.file.size()
        if size < tail.seen_bytes and not tail.log.is_packed:
            async with aclosing(self._through_copy(tail, b"")) as batches:
                async for batch in batches:
                    yield batch
            raise file_moved(tail.log.source, tail.log.path)
        grew, over = size > tail.seen_bytes, any(map(self._files.is_fresh, seen))
        now = await self._file_set.open_anew(tail.log) if grew and not tail.log.is_packed else tail.log
        async with aclosing(self._new_of(tail, now, grew=grew, over=over)) as batches:
            async for batch in batches:
                yield batch

    async def _new_of(self, tail: FileTail, now: LogFile, *, grew: bool, over: bool) -> AsyncGenerator[Batch, None]:
        """Yield the new records of a file. A last line without a newline is yielded if a newer file exists and the file
        has been quiet for a while."""
        if grew:
            async with aclosing(self._read_on(tail, now, settled=False)) as batches:
                async for batch in batches:
                    yield batch
        quiet = tail is not self._files.newest and time.monotonic() - tail.grown_s > ENDED_S
        ended = quiet and tail.offset < tail.seen_bytes
        if ended or (not tail.settled and (over or not grew)):
            async with aclosing(self._read_on(tail, now, settled=True, ended=ended)) as batches:
                async for batch in batches:
                    yield batch

    async def _found_again(self, tail: FileTail, seen: Sequence[FileStat]) -> bool:
        """Continue in the copy of a file that is not open any more; if there is none, report the unread data as
        lost."""
        log = await self._files.copy_of(tail, seen)
        if log is not None:
            tail.log = log
            return True
        if tail is not self._files.newest:
            self._files.forget(tail)
            self._untold.append(lost_rest(tail.log))
        return False

    async def _emptied(self, tail: FileTail, seen: Sequence[FileStat]) -> bytes | None:
        """Return an empty block if the file was truncated since it was last read; else None."""
        own = next((one for one in seen if one.key == tail.log.key), None)
        if own is None or tail.log.is_packed:
            return None
        log = await self._file_set.open(own)
        if own.size_bytes < tail.seen_bytes or not log.start.startswith(tail.log.start):
            return b""
        return b"" if self._missed(tail, seen, own) else None

    async def _through_copy(self, tail: FileTail, block: bytes) -> AsyncGenerator[Batch, None]:
        """Read the unread data of a truncated file from its copy, then later copies, then continue in the file."""
        before, seen = tail.log, await self._files.look()
        own = next((one for one in seen if one.key == before.key), None)
        log = await (self._file_set.open_anew(before) if own is None else self._file_set.open(own))
        after, copies = await after_hole(log), await self._copies(tail, seen, own, log)
        if [one.key for one in await self._files.look()] != [one.key for one in seen]:
            raise file_moved(before.source, before.path)  # it is rotated just now: all of it is looked at anew
        self._files.replace(tail, FileTail(log, after), copies)
        for copy in copies:
            async with aclosing(self._read(copy, settled=True, ended=True)) as batches:
                async for records in batches:
                    yield records
            self._files.forget(copy, next(one for one in seen if one.key == copy.log.key))
            yield [copied(before)]
        if copies:
            return
        pieces = cut_whole(block[: block.rfind(b"\n") + 1], tail.offset, before.format, ended=True)[0]
        if pieces and await log.file.read(tail.offset, len(block)) != block:
            yield await asyncio.to_thread(self._matching, before, pieces)
        yield [emptied(before)]

    async def _copies(
        self, tail: FileTail, seen: Sequence[FileStat], own: FileStat | None, now: LogFile
    ) -> list[FileTail]:
        """Return the unread part of the copy of a truncated file, and the file's later copies."""
        end = len(seen) if own is None else seen.index(own)
        if own is not None and (missed := self._missed(tail, seen, own)):
            return await self._generations(missed, now)
        for at in reversed(range(len(seen))):
            if at == end or self._files.tail_of(seen[at].key) is not None:
                continue
            copy = await self._file_set.open(seen[at])
            if copy.head == tail.log.head and await copy.file.size() >= tail.offset:
                rest = await self._generations(filter(self._files.is_fresh, seen[at + 1 : end]), now)
                return [FileTail(copy, tail.offset, after=tail.after), *rest]
        return []

    async def _generations(self, seen: Iterable[FileStat], now: LogFile) -> list[FileTail]:
        """Return tails that read files from the beginning, except copies of the current contents."""
        found = [await self._file_set.open(one) for one in seen]
        return [FileTail(each, await after_hole(each)) for each in found if each.head != now.head]

    def _missed(self, tail: FileTail, seen: Sequence[FileStat], own: FileStat) -> list[FileStat]:
        """Return later copies of a file that was empty when last read: only their times show that it was written and
        truncated in between."""
        if tail.log.start or tail.seen_bytes or own.modified_s == tail.modified_s:
            return []
        older = [one for one in seen[: seen.index(own)] if self._files.is_fresh(one)]
        return [one for one in older if not one.path.endswith(PACKED_ENDS)]

    def _note_away(self, tail: FileTail, *, gone: bool) -> None:
        """Report once that the file is missing, after it has been missing for a while."""
        now_s = time.monotonic()
        if not gone:
            self._away_since_s = None
        elif self._away_since_s is None:
            self._away_since_s = now_s
        elif now_s - self._away_since_s >= AWAY_S:
            self._away_since_s = float("inf")
            self._untold.append(away(tail.log))

    async def _read_on(
        self, tail: FileTail, now: LogFile, *, settled: bool, ended: bool = False
    ) -> AsyncGenerator[Batch, None]:
        """Yield the new records of a file, even if it is truncated meanwhile; then all files are checked again
        (FileMoved)."""
        try:
            tail.grown(now)
            async with aclosing(self._read(tail, settled=settled, ended=ended)) as batches:
                async for batch in batches:
                    yield batch
        except FileTruncated as emptied:
            async with aclosing(self._through_copy(tail, emptied.block)) as batches:
                async for batch in batches:
                    yield batch
            raise file_moved(tail.log.source, tail.log.path) from None

    async def _read(self, tail: FileTail, *, settled: bool, ended: bool = False) -> AsyncGenerator[Batch, None]:
        async with aclosing(tail.read(settled=settled, ended=ended)) as batches:
            async for pieces in batches:
                if sum(len(piece[1]) for piece in pieces) <= LITTLE:
                    records = self._matching(tail.log, pieces, rests=False)
                else:
                    records = await asyncio.to_thread(self._matching, tail.log, pieces)
                if records:
                    yield records

    def _matching(self, log: LogFile, pieces: Sequence[Piece], *, rests: bool = True) -> Batch:
        keep, passed = self._keep(), 0
        rests = rests and keep is not None
        if self._where == EVERYTHING:
            if keep is not None and len(pieces) > keep:
                passed = len(pieces) - keep
            return [*_passed(passed), *_read(log, pieces[passed:], rests=rests)]
        wanted = needles(self._where, log.format.LEVEL_WORDS)
        if wanted is not None:
            pieces = pieces_holding(pieces, wanted)
        found = [record for record in _read(log, pieces, rests=rests) if self._where.matches(record)]
        if keep is not None and len(found) > keep:
            passed = len(found) - keep
        return [*_passed(passed), *found[passed:]]


def _passed(count: int) -> Batch:
    return [SkippedRecords(count)] if count else []


def _read(log: LogFile, pieces: Sequence[Piece], *, rests: bool) -> Iterator[LogRecord]:
    for number, piece in enumerate(pieces, 1):
        yield log.record(piece)
        if rests and number % READ_AT_ONCE == 0:
            time.sleep(BREATH_S)


async def after_hole(log: LogFile) -> int:
    """Return where the content begins after the NUL bytes, in a file that was truncated while its writer continued at
    the old offset."""
    at = 0
    while (block := await log.file.read(at, BLOCK)) and block.startswith(b"\0"):
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            break
    return at
