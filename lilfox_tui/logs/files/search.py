"""The records of a file in which something wanted stands, by the file's own native search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

from msgspec import Struct

from lilfox_tui.logs.files.blocks import Piece, beginning_after, beginning_before, read_piece
from lilfox_tui.logs.files.disk import Text
from lilfox_tui.logs.files.log_file import LogFile, Searched
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.format import Format
from lilfox_tui.logs.lines import every_line
from lilfox_tui.logs.record import RAW_LIMIT

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


class Batch(Struct):
    """Pieces in the order of going, how far that is gone (see ``Part.at``), and how many bytes that was."""

    pieces: Sequence[Piece]
    at: int
    passed: int


def holds(raw: bytes, wanted: Needles) -> bool:
    """Whether something wanted stands in ``raw``."""
    if wanted.ignore_case:
        raw = raw.lower()
        return any(literal.lower() in raw for literal in wanted.any_of)
    return any(literal in raw for literal in wanted.any_of)


async def found_pieces(
    log: LogFile, wanted: Needles, start: int, end: int, *, older: bool
) -> AsyncGenerator[Batch, None]:
    """The records with a hit that begin from ``start`` to ``end`` (where records begin), each once, as it goes."""
    low, high = start, end
    last: int | None = None
    while low < high:
        step = _step(log, wanted, high if older else low)
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
                yield Batch(found[::-1] if older else found, last, 0)
        low, high = (low, part_start) if older else (part_end, high)
        yield Batch(
            (), await _gone(log, part_start if older else part_end, last, end, older=older), part_end - part_start
        )


def _step(log: LogFile, wanted: Needles, edge: int) -> int:
    """How much is searched from ``edge`` on: more than before where it goes on from there."""
    known = log.searched
    if known is not None and known.wanted == wanted and edge in (known.start, known.end):
        return min(8 * max(known.end - known.start, log.file.STEP_BYTES), MAX_STEP_BYTES)
    return log.file.STEP_BYTES


async def _gone(log: LogFile, edge: int, last: int | None, end: int, *, older: bool) -> int:
    """How far it is gone when everything on one side of ``edge`` was searched: the record over the edge is still to
    come unless it is the ``last`` that was found."""
    if edge >= end:
        return end - 1
    begins_at = await beginning_before(log.file, log.format, edge + 1)
    if begins_at == last:
        return begins_at
    if older:
        return edge if begins_at == edge else await beginning_after(log.file, log.format, begins_at, end)
    return begins_at - 1


async def _search(log: LogFile, wanted: Needles, start: int, end: int, *, older: bool) -> Searched:
    """The hits of that part, or of as much of it as hits are kept of: its end going older, its start going newer."""
    if log.searched is not None and log.searched.covers(wanted, start, end, older=older):
        return log.searched
    searched = Searched(wanted, start, end)
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
    """Hits near each other, which are read at once; each group ascending."""
    group: list[int] = []
    for hit in reversed(hits) if older else hits:
        if group and (abs(hit - group[0]) > GROUP_BYTES or len(group) >= MAX_GROUP):
            yield group[::-1] if older else group
            group = []
        group.append(hit)
    if group:
        yield group[::-1] if older else group


async def _pieces(log: LogFile, group: Sequence[int], texts: Mapping[int, Text], end: int) -> list[Piece]:
    """The records in which the hits are, ascending, each once."""
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
    """The record of each hit, or the hit's offset where the record is not wholly in what is known."""
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
    """The record around ``at``, if the block has all of it and what tells where it begins and ends. ``from_line``: a
    line begins with the block; ``ended``: nothing comes after it."""
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
    """Where the newline is that ends the record, or the block's end if it ``ended``; None where the block does not
    tell."""
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
