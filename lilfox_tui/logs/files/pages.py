"""Pages of records: natively searched pieces, a page of one file, and pages over all files of a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.errors import FileMoved
from lilfox_tui.logs.files import log_file
from lilfox_tui.logs.files.log_file import (
    SLACK_BYTES,
    FileStat,
    LastSearch,
    LogFile,
    Piece,
    RecordPosition,
    Text,
    beginning_after,
    beginning_before,
    last_line_end,
    read_piece,
    time_offset,
)
from lilfox_tui.logs.files.log_file_set import LogFileSet
from lilfox_tui.logs.filter.model import Filter, span
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.record import RAW_LIMIT, Format, LogRecord, every_line
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, RecordPage, Start

# The records of a file in which something wanted stands, by the file's own native search.


MAX_STEP_BYTES = 4 * 1024 * 1024 * 1024
MAX_HITS = 500_000
MAX_TEXT_BYTES = 16 * 1024 * 1024
GROUP_BYTES = 256 * 1024
MAX_GROUP = 500
_NO_TEXT: Text = (0, b"")
_TELLING = 100
"""So much of a line is needed to tell whether a record begins with it, unless it is shorter."""
_BEFORE = 8 * 1024
_AFTER = 24 * 1024


class SearchBatch(Struct):
    """Pieces in reading order, the position reached (see ``PartialPage.at``), and the number of bytes read for them."""

    pieces: Sequence[Piece]
    at: int
    passed: int


def holds(raw: bytes, wanted: Needles) -> bool:
    """Whether a needle is in ``raw``."""
    if wanted.ignore_case:
        raw = raw.lower()
        return any(literal.lower() in raw for literal in wanted.any_of)
    return any(literal in raw for literal in wanted.any_of)


def pieces_holding(pieces: Sequence[Piece], wanted: Needles) -> list[Piece]:
    """The pieces with a needle, and those longer than RAW_LIMIT, whose raw bytes are not whole. Of a busy log hardly
    any line has one: needles that are in none of the lines are not looked for line by line."""
    together = b"\n".join([piece[1] for piece in pieces])
    there = Needles(tuple(each for each in wanted.any_of if holds(together, Needles((each,), wanted.ignore_case))),
                    wanted.ignore_case)  # fmt: skip
    return [piece for piece in pieces if piece[2] > RAW_LIMIT or holds(piece[1], there)]


async def found_pieces(
    log: LogFile, wanted: Needles, start: int, end: int, *, older: bool
) -> AsyncGenerator[SearchBatch, None]:
    """Yield the records with a hit that begin between ``start`` and ``end`` (both at the start of a record), each once,
    in reading order."""
    low, high = start, end
    last: int | None = None
    size = await log.file.size()
    while low < high:
        step = _step(log, wanted, high if older else low)
        if step * log.file.WHOLE_SHARE >= size:
            step = high - low  # all of the file is read for it: not once more for each further step
        if older:
            searched = await _search(log, wanted, max(low, high - step), high, older=True)
            part_start, part_end = max(low, searched.start), high
        else:
            searched = await _search(log, wanted, low, min(high, low + step), older=False)
            part_start, part_end = low, min(high, searched.end)
        for group in _groups(searched.between(part_start, part_end), older=older):
            found = [piece for piece in await _pieces(log, group, searched.texts, end) if start <= piece[0] < end]
            if last is not None:
                found = [piece for piece in found if (piece[0] < last if older else piece[0] > last)]
            if found:
                last = found[0][0] if older else found[-1][0]
                yield SearchBatch(found[::-1] if older else found, last, 0)
        low, high = (low, part_start) if older else (part_end, high)
        yield SearchBatch(
            (), await _gone(log, part_start if older else part_end, last, end, older=older), part_end - part_start
        )


def _step(log: LogFile, wanted: Needles, edge: int) -> int:
    """Return how many bytes to search from ``edge`` on: more than in the last search if this one continues it."""
    known = log.searched
    if known is not None and known.wanted == wanted and edge in (known.start, known.end):
        return min(8 * max(known.end - known.start, log.file.STEP_BYTES), MAX_STEP_BYTES)
    return log.file.STEP_BYTES


async def _gone(log: LogFile, edge: int, last: int | None, end: int, *, older: bool) -> int:
    """Return the position reached when one side of ``edge`` was searched completely: the record across the edge is
    still to come unless it is the ``last`` found."""
    if edge >= end:
        return end - 1
    begins_at = await beginning_before(log.file, log.format, edge + 1)
    if begins_at == last:
        return begins_at
    if older:
        return edge if begins_at == edge else await beginning_after(log.file, log.format, begins_at, end)
    return begins_at - 1


async def _search(log: LogFile, wanted: Needles, start: int, end: int, *, older: bool) -> LastSearch:
    """Return the hits between ``start`` and ``end``. If there are too many to keep, only those of a part of the range:
    its end when reading older, its start when reading newer."""
    if log.searched is not None and log.searched.covers(wanted, start, end, older=older):
        return log.searched
    searched = LastSearch(wanted, start, end)
    kept_bytes = 0
    async with aclosing(log.file.find(wanted, start, end, following=log.format.begins is not every_line)) as batches:
        async for found in batches:
            searched.offsets.extend(found.offsets)
            searched.texts.update(found.texts)
            kept_bytes += sum(len(text) for _, text in found.texts.values())
            if len(searched.offsets) <= MAX_HITS and kept_bytes <= MAX_TEXT_BYTES:
                continue
            if not older:
                searched.end = searched.offsets[-1] + 1
                break
            dropped = searched.offsets[: len(searched.offsets) // 2]
            del searched.offsets[: len(dropped)]
            kept_bytes -= sum(len(searched.texts.pop(offset, _NO_TEXT)[1]) for offset in dropped)
            searched.start = searched.offsets[0]
    log.searched = searched
    return searched


def _groups(hits: Sequence[int], *, older: bool) -> Iterator[list[int]]:
    """Yield groups of nearby hits that are read together; each group ascending."""
    group: list[int] = []
    for hit in reversed(hits) if older else hits:
        if group and (abs(hit - group[0]) > GROUP_BYTES or len(group) >= MAX_GROUP):
            yield group[::-1] if older else group
            group = []
        group.append(hit)
    if group:
        yield group[::-1] if older else group


async def _pieces(log: LogFile, group: Sequence[int], texts: Mapping[int, Text], end: int) -> list[Piece]:
    """Return the records that contain the hits, ascending, each once."""
    base, block = 0, b""
    if any(hit not in texts for hit in group):
        base = max(0, group[0] - _BEFORE)
        block = await log.file.read(base, min(end, group[-1] + _AFTER) - base)
    ended = base + len(block) >= end
    cut = await asyncio.to_thread(_cut_all, group, texts, (base, block), log.format, ended=ended)
    pieces: list[Piece] = []
    reached = -1
    for found in cut:
        if isinstance(found, int):
            if found < reached:
                continue
            begins_at = await beginning_before(log.file, log.format, found + 1)
            reached = await beginning_after(log.file, log.format, begins_at, end)
            found = await read_piece(log.file, begins_at, reached)  # noqa: PLW2901
        if not pieces or found[0] > pieces[-1][0]:
            pieces.append(found)
            reached = max(reached, found[0] + found[2])
    return pieces


def _cut_all(
    hits: Sequence[int], texts: Mapping[int, Text], read: Text, format_: Format, *, ended: bool
) -> list[Piece | int]:
    """Return the record of each hit, or the hit's offset if the known text does not contain the whole record."""
    found: list[Piece | int] = []
    reached = -1
    for hit in hits:
        if hit < reached:
            continue
        if hit in texts:
            piece = _cut(texts[hit], hit, format_, from_line=True, ended=False)
        else:
            piece = _cut(read, hit, format_, from_line=read[0] == 0, ended=ended)
        found.append(hit if piece is None else piece)
        if piece is not None:
            reached = piece[0] + piece[2]
    return found


def _cut(read: Text, at: int, format_: Format, *, from_line: bool, ended: bool) -> Piece | None:
    """Return the record around ``at``, if the block contains all of it, including where it begins and ends.
    ``from_line``: the block begins with a line; ``ended``: nothing follows it."""
    base, block = read
    start = block.rfind(b"\n", 0, at - base) + 1
    while start and not format_.begins(_line(block, start)):
        start = block.rfind(b"\n", 0, start - 1) + 1
    if not start and base and not (from_line and format_.begins(_line(block, 0))):
        return None
    stop = _record_end(block, start, format_, ended=ended)
    if stop is None:
        return None
    raw = block[start:stop]
    raw = raw[:-1] if raw.endswith(b"\r") else raw
    return base + start, raw[:RAW_LIMIT], len(raw)


def _record_end(block: bytes, start: int, format_: Format, *, ended: bool) -> int | None:
    """Return the newline that ends the record, or the block's end if it ``ended``; None if the end of the record is not
    in the block."""
    newline = block.find(b"\n", start)
    while newline >= 0:
        after = block.find(b"\n", newline + 1)
        if format_.begins is every_line:
            return newline
        if after < 0 and not ended and len(block) - newline <= _TELLING:
            return None
        if newline + 1 < len(block) and format_.begins(_line(block, newline + 1)):
            return newline
        if after < 0 and ended and newline + 1 == len(block):
            return newline
        newline = after
    return len(block) if ended else None


def _line(block: bytes, start: int) -> bytes:
    end = block.find(b"\n", start)
    return block[start:] if end < 0 else block[start:end]


# A page of one file: the records of a part of it that match, going newer or older.
#
# A filter with literal bytes to look for is searched natively (:func:`found_pieces`) unless the page fills near where
# it begins; what is found there is then read and judged. Where a page ends is a place: the next one goes on from there.


SEARCH_S = 0.5
"""After so long a page comes back with what it has."""
MAX_NEAR = 4
"""A file is read on record by record if the page seems to fill within so many times ``NEAR_BYTES``."""


class PageQuery(Struct):
    """What a page should hold, and the deadline (monotonic). ``searched`` gets the number of bytes read."""

    where: Filter
    limit: int
    older: bool
    until_s: float
    searched: Callable[[int], None]

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.until_s


class PartialPage(Struct):
    """The matching records of a file, in reading order. ``at`` is the position reached: when reading newer, records
    that begin after it are still to come; when reading older, those before it. ``done``: there are no more."""

    records: list[LogRecord]
    at: int
    done: bool


async def read_part(log: LogFile, start: int, end: int, query: PageQuery, wanted: Needles | None) -> PartialPage:
    """Return the matching records that begin at ``start`` (where one does) or later and before ``end``."""
    part = PartialPage([], end if query.older else start - 1, done=False)
    while True:
        if wanted is None or end - start <= log.file.NEAR_BYTES:
            return await _gather(log, _one_by_one(log, start, end, query), part, query, wanted)
        searched = log.searched is not None and log.searched.covers(wanted, start, end, older=query.older)
        if searched or not log.file.NEAR_BYTES:
            break
        had = len(part.records)
        near = await _near(log, start, end, older=query.older)
        first = (near, end) if query.older else (start, near)
        start, end = (start, near) if query.older else (near, end)
        await _gather(log, _one_by_one(log, *first, query), part, query, wanted)
        if not part.done or start >= end:
            return part
        if (query.limit - len(part.records)) > MAX_NEAR * (len(part.records) - had):
            break
    return await _gather(log, found_pieces(log, wanted, start, end, older=query.older), part, query, None)


async def _near(log: LogFile, start: int, end: int, *, older: bool) -> int:
    """Return the start of a record about ``NEAR_BYTES`` from the side where reading starts."""
    near = end - log.file.NEAR_BYTES if older else start + log.file.NEAR_BYTES
    return await log_file.beginning_after(log.file, log.format, near, end)


async def _gather(
    log: LogFile,
    batches: AsyncGenerator[SearchBatch, None],
    part: PartialPage,
    query: PageQuery,
    wanted: Needles | None,
) -> PartialPage:
    """Fill ``part`` with matching records of the batches, until it is full or the deadline has passed."""
    part.done = False
    async with aclosing(batches):
        async for batch in batches:
            room = query.limit - len(part.records)
            records, at = await asyncio.to_thread(_judge, log, batch.pieces, query.where, wanted, room)
            part.records += records
            part.at = batch.at if at is None else at
            query.searched(batch.passed)
            if at is not None or query.over:
                return part
    part.done = True
    return part


def _judge(
    log: LogFile, pieces: Sequence[Piece], where: Filter, wanted: Needles | None, room: int
) -> tuple[list[LogRecord], int | None]:
    """Return the matching records, and where the last one is if there is no room for more."""
    found: list[LogRecord] = []
    for piece in pieces:
        if wanted is not None and not holds(piece[1], wanted) and piece[2] <= RAW_LIMIT:
            continue
        record = log.record(piece)
        if where.matches(record):
            found.append(record)
            if len(found) >= room:
                return found, piece[0]
    return found, None


async def _one_by_one(log: LogFile, start: int, end: int, query: PageQuery) -> AsyncGenerator[SearchBatch, None]:
    cut = log_file.older if query.older else log_file.newer
    at = end if query.older else start - 1
    async with aclosing(cut(log.file, log.format, start, end)) as batches:
        async for pieces in batches:
            before = at
            if pieces:
                at = pieces[0][0] if query.older else pieces[-1][0]
            yield SearchBatch(pieces[::-1] if query.older else pieces, at, abs(at - before))


# A page over all files of one log, from the oldest to the newest or back.


SETTLED_S = 2.0
"""A last line without a newline that is older than this is whole: nobody is writing it."""
_ORDER_US = 60_000_000
"""Records stand at most so far out of order."""
_SMALL_BYTES = 1024 * 1024


class FileCursor(Struct):
    """Where reading continues: the index of the file, and an offset: the first byte to read when reading newer, the end
    when reading older. ``offset`` is None for a whole file."""

    index: int
    offset: int | None = None


async def read_page(
    file_set: LogFileSet, start: Start, *, older: bool, limit: int, where: Filter, searched: Callable[[int], None]
) -> RecordPage:
    """See :meth:`lilfox_tui.logs.source.LogSource.page`."""
    query = PageQuery(where, limit, older, time.monotonic() + SEARCH_S, searched)
    since, _ = span(where)
    while True:
        seen = await file_set.look()
        try:
            cursor = await _cursor(file_set, seen, start, older=older)
            if since is not None and not older and isinstance(start, AtBeginning):
                cursor = FileCursor(await _first_of(file_set, seen, since))
            return await _read(file_set, seen, cursor, query)
        except FileMoved:
            if query.over:
                raise


async def usable_end(log: LogFile, seen: FileStat) -> int:
    """Return the end of the last complete line, or the file's end if nobody has written to it for a while."""
    end = await log.file.size()
    if log.is_packed or seen.age_s > SETTLED_S:
        return end
    return await last_line_end(log.file, end)


async def _cursor(file_set: LogFileSet, seen: list[FileStat], start: Start, *, older: bool) -> FileCursor | None:
    match start:
        case AtBeginning():
            return None if older else FileCursor(0)
        case AtEnd():
            return FileCursor(len(seen) - 1) if older else None
        case AtPlace(words):
            place = RecordPosition(words)
            index, log = await file_set.find(place, seen)
            if older:
                return FileCursor(index, place.offset)
            if place.offset < 0:
                return FileCursor(index)
            end = await log.file.size()
            return FileCursor(index, await beginning_after(log.file, log.format, place.offset, end))
        case AtTime(time_us):
            return await _at_time(file_set, seen, time_us)


async def _at_time(file_set: LogFileSet, seen: list[FileStat], time_us: int) -> FileCursor:
    """Return the cursor at the first record at ``time_us`` or later, in the newest file that begins before it."""
    for index in range(len(seen) - 1, -1, -1):
        log = await file_set.open(seen[index])
        offset = await time_offset(log, time_us, await usable_end(log, seen[index]))
        if offset > 0:
            return FileCursor(index, offset)
    return FileCursor(0, 0)


async def _read(file_set: LogFileSet, seen: list[FileStat], cursor: FileCursor | None, query: PageQuery) -> RecordPage:
    """Read file by file until the page is full, the deadline has passed or there are no more. Skips a copy that
    copytruncate is still making."""
    records: list[LogRecord] = []
    more: Start | None = None
    since, _ = span(query.where)
    while cursor is not None and more is None:
        index = cursor.index
        log = await file_set.open(seen[index])
        if index + 1 < len(seen) and await file_set.is_copy(log, await file_set.open(seen[index + 1])):
            cursor = FileCursor(index + (-1 if query.older else 1), None if query.older else cursor.offset)
        else:
            room = replace(query, limit=query.limit - len(records))
            found, at = await _read_file(log, seen[index], cursor.offset, room)
            records += found
            more = None if at is None else AtPlace(log.place(at))
            cursor = FileCursor(index - 1 if query.older else index + 1)
            if (
                query.older
                and cursor.index >= 0
                and since is not None
                and await _begins_before(log, seen[index], since)
            ):
                cursor = None
        cursor = cursor if cursor is not None and 0 <= cursor.index < len(seen) else None
    return RecordPage(tuple(records[::-1] if query.older else records), more)


async def _first_of(file_set: LogFileSet, seen: list[FileStat], since_us: int) -> int:
    """Return the index of the oldest file that may hold records at ``since_us`` or later. Modification times are not
    used: a copied or touched file has a new one."""
    for index in range(len(seen) - 1, 0, -1):
        if await _begins_before(await file_set.open(seen[index]), seen[index], since_us):
            return index
    return 0


async def _begins_before(log: LogFile, seen: FileStat, since_us: int) -> bool:
    """Return whether the file begins so long before ``since_us`` that all older files are before it too."""
    end = await usable_end(log, seen)
    if await time_offset(log, since_us, end) > SLACK_BYTES:
        return True
    return end <= _SMALL_BYTES and await time_offset(log, since_us - _ORDER_US, end) > 0


async def _read_file(
    log: LogFile, seen: FileStat, offset: int | None, query: PageQuery
) -> tuple[list[LogRecord], int | None]:
    """Return the matching records of one file, in reading order, and the position reached; None if it was read to its
    end."""
    end = await usable_end(log, seen)
    start = 0 if query.older or offset is None else offset
    end = min(end, offset) if query.older and offset is not None else end
    start, end = await within_times(log, start, end, query.where)
    if start >= end:
        return [], None
    part = await read_part(log, start, end, query, needles(query.where, log.format.LEVEL_WORDS))
    return part.records, None if part.done else part.at


async def within_times(log: LogFile, start: int, end: int, where: Filter) -> tuple[int, int]:
    """Return the part of ``start`` to ``end`` that covers the filter's times, with a small margin."""
    since, until = span(where)
    if (since is None and until is None) or end - start <= _SMALL_BYTES:
        return start, end
    if until is not None and (last := await time_offset(log, until, end) + SLACK_BYTES) < end:
        end = await beginning_after(log.file, log.format, last, end)
    if since is not None and (first := await time_offset(log, since, end) - SLACK_BYTES) > start:
        start = await beginning_after(log.file, log.format, first, end)
    return start, end
