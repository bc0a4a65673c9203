"""A page over all files of one log, from the oldest to the newest or back."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.logs.files.blocks import beginning_after, last_line_end
from lilfox_tui.logs.files.disk import Seen
from lilfox_tui.logs.files.log_file import LogFile, Place
from lilfox_tui.logs.files.pager import SEARCH_S, Query, read_part
from lilfox_tui.logs.files.refusals import FileMoved
from lilfox_tui.logs.files.seek import SLACK_BYTES, time_offset
from lilfox_tui.logs.files.shelf import Shelf
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.needles import needles
from lilfox_tui.logs.filter.span import span
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Page, Start

SETTLED_S = 2.0
"""A last line without a newline that is older than this is whole: nobody is writing it."""
_ORDER_US = 60_000_000
"""Records stand at most so far out of order."""
_SMALL_BYTES = 1024 * 1024


class Cursor(Struct):
    """Where reading goes on: the index of the file; newer, the first byte to look at, older, where to end. ``offset``
    is None for a whole file."""

    index: int
    offset: int | None = None


async def read_page(
    shelf: Shelf, start: Start, *, older: bool, limit: int, where: Filter, searched: Callable[[int], None]
) -> Page:
    """See :meth:`lilfox_tui.logs.source.LogSource.page`."""
    query = Query(where, limit, older, time.monotonic() + SEARCH_S, searched)
    since, _ = span(where)
    while True:
        seen = await shelf.look()
        try:
            cursor = await _cursor(shelf, seen, start, older=older)
            if since is not None and not older and isinstance(start, Beginning):
                cursor = Cursor(await _first_of(shelf, seen, since))
            return await _read(shelf, seen, cursor, query)
        except FileMoved:
            if query.over:
                raise


async def usable_end(log: LogFile, seen: Seen) -> int:
    """Where the last whole line ends; the file's end when nobody has written to it for a while."""
    end = await log.file.size()
    if log.is_packed or seen.age_s > SETTLED_S:
        return end
    return await last_line_end(log.file, end)


async def _cursor(shelf: Shelf, seen: list[Seen], start: Start, *, older: bool) -> Cursor | None:
    match start:
        case Beginning():
            return None if older else Cursor(0)
        case End():
            return Cursor(len(seen) - 1) if older else None
        case AtPlace(words):
            place = Place(words)
            index, log = await shelf.find(place, seen)
            if older:
                return Cursor(index, place.offset)
            if place.offset < 0:
                return Cursor(index)
            end = await log.file.size()
            return Cursor(index, await beginning_after(log.file, log.format, place.offset, end))
        case AtTime(time_us):
            return await _at_time(shelf, seen, time_us)


async def _at_time(shelf: Shelf, seen: list[Seen], time_us: int) -> Cursor:
    """The first record of that time or later, in the newest file that begins before it."""
    for index in range(len(seen) - 1, -1, -1):
        log = await shelf.open(seen[index])
        offset = await time_offset(log, time_us, await usable_end(log, seen[index]))
        if offset > 0:
            return Cursor(index, offset)
    return Cursor(0, 0)


async def _read(shelf: Shelf, seen: list[Seen], cursor: Cursor | None, query: Query) -> Page:
    """Goes from file to file until the page is full, the time is over or there are no more. Of a file that is being
    copied to be emptied the copy is passed over."""
    records: list[Record] = []
    more: Start | None = None
    since, _ = span(query.where)
    while cursor is not None and more is None:
        index = cursor.index
        log = await shelf.open(seen[index])
        if index + 1 < len(seen) and await shelf.is_copy(log, await shelf.open(seen[index + 1])):
            cursor = Cursor(index + (-1 if query.older else 1), None if query.older else cursor.offset)
        else:
            room = replace(query, limit=query.limit - len(records))
            found, at = await _read_file(log, seen[index], cursor.offset, room)
            records += found
            more = None if at is None else AtPlace(log.place(at))
            cursor = Cursor(index - 1 if query.older else index + 1)
            if (
                query.older
                and cursor.index >= 0
                and since is not None
                and await _begins_before(log, seen[index], since)
            ):
                cursor = None
        cursor = cursor if cursor is not None and 0 <= cursor.index < len(seen) else None
    return Page(tuple(records[::-1] if query.older else records), more)


async def _first_of(shelf: Shelf, seen: list[Seen], since_us: int) -> int:
    """The oldest file that has to be read for what is not before that time. What the files say of when they were last
    written to is no help: it is another of one that was copied or touched."""
    for index in range(len(seen) - 1, 0, -1):
        if await _begins_before(await shelf.open(seen[index]), seen[index], since_us):
            return index
    return 0


async def _begins_before(log: LogFile, seen: Seen, since_us: int) -> bool:
    """Whether the file begins so long before that all of the older ones is before that time too."""
    end = await usable_end(log, seen)
    if await time_offset(log, since_us, end) > SLACK_BYTES:
        return True
    return end <= _SMALL_BYTES and await time_offset(log, since_us - _ORDER_US, end) > 0


async def _read_file(log: LogFile, seen: Seen, offset: int | None, query: Query) -> tuple[list[Record], int | None]:
    """What matches in one file, as it goes, and how far that is gone; None when it is gone through."""
    end = await usable_end(log, seen)
    start = 0 if query.older or offset is None else offset
    end = min(end, offset) if query.older and offset is not None else end
    start, end = await _bounded(log, start, end, query.where)
    if start >= end:
        return [], None
    part = await read_part(log, start, end, query, needles(query.where, log.format.LEVEL_WORDS))
    return part.records, None if part.done else part.at


async def _bounded(log: LogFile, start: int, end: int, where: Filter) -> tuple[int, int]:
    """The part of ``start`` to ``end`` in which the times are that the filter asks for, and a little around."""
    since, until = span(where)
    if (since is None and until is None) or end - start <= _SMALL_BYTES:
        return start, end
    if until is not None and (last := await time_offset(log, until, end) + SLACK_BYTES) < end:
        end = await beginning_after(log.file, log.format, last, end)
    if since is not None and (first := await time_offset(log, since, end) - SLACK_BYTES) > start:
        start = await beginning_after(log.file, log.format, first, end)
    return start, end
