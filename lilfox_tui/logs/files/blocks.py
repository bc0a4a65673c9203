"""A file cut into whole records, from any place in both directions, without ever holding more than a few blocks.

A piece is a record's offset, its raw bytes (cut at RAW_LIMIT, no last newline) and its true size.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

from lilfox_tui.logs.files.disk import ByteFile
from lilfox_tui.logs.format import Format
from lilfox_tui.logs.lines import every_line
from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.split import split_records

Piece: TypeAlias = tuple[int, bytes, int]
BLOCK = 256 * 1024
_FIRST_READ = 8 * 1024
"""Looking for one place begins with so much, for most records are short, and doubles it up to BLOCK."""
_LINE_READ = 64 * 1024
"""So much of a line is looked at to tell whether a record begins there."""


async def newer(file: ByteFile, format_: Format, start: int, end: int) -> AsyncGenerator[list[Piece], None]:
    """The records from ``start``, where one begins, to ``end``, in batches, oldest first. A batch may be empty: it is
    a sign of life while one long record is passed over."""
    at, open_ = start, b""
    while at < end:
        block = await file.read(at, min(BLOCK, end - at))
        if not block:
            break
        begins_at = at - len(open_)
        at += len(block)
        pieces, open_ = await asyncio.to_thread(cut_whole, open_ + block, begins_at, format_, ended=at >= end)
        yield pieces
        if len(open_) > RAW_LIMIT:
            begins_at = at - len(open_)
            at = await beginning_after(file, format_, begins_at, end)
            yield [long_piece(begins_at, open_, at)]
            open_ = b""
    if open_:
        yield [long_piece(at - len(open_), open_, at)]


async def older(file: ByteFile, format_: Format, start: int, end: int) -> AsyncGenerator[list[Piece], None]:
    """The records that begin at ``start`` or later and end at ``end``, where one ends, in batches: the newest batch
    first, each oldest first."""
    length = BLOCK
    while end > start:
        base = max(0, end - length - 1)  # a byte more tells whether a line begins where the part does
        block = await file.read(base, end - base)
        first = await asyncio.to_thread(_first_beginning, block, format_, last=True) if base else (0, 0)
        if first[0] is None and length < 4 * RAW_LIMIT:
            length *= 2
            continue
        if first[0] is None:
            begins_at = await beginning_before(file, format_, base + 1)
            pieces = [await read_piece(file, begins_at, end)]
        else:
            begins_at = base + first[0]
            pieces, _ = await asyncio.to_thread(cut_whole, block[first[0] :], begins_at, format_, ended=True)
        length, end = BLOCK, begins_at
        yield [piece for piece in pieces if piece[0] >= start]


async def beginning_after(file: ByteFile, format_: Format, offset: int, end: int) -> int:
    """Where the first record begins that begins after ``offset``; ``end`` when none does."""
    at, length = offset, _FIRST_READ
    while at < end:
        block = await file.read(at, min(length, end - at))
        if not block:
            break
        found, passed = await asyncio.to_thread(_first_beginning, block, format_, last=at + len(block) >= end)
        if found is not None:
            return at + found
        at, length = at + passed, min(2 * length, BLOCK)
    return end


async def beginning_before(file: ByteFile, format_: Format, offset: int) -> int:
    """Where the last record begins that begins before ``offset``; what a file begins with is one."""
    high, length = offset, _FIRST_READ
    while high > 0:
        low = max(0, high - length)
        base = max(0, low - 1)
        block = await file.read(base, high - base + min(length, _LINE_READ))
        found = await asyncio.to_thread(_last_beginning, block, high - base, format_)
        if found is not None:
            return base + found
        high, length = low, min(2 * length, BLOCK)
    return 0


async def last_line_end(file: ByteFile, end: int) -> int:
    """Just behind the last newline before ``end``; 0 when there is none."""
    length = _FIRST_READ
    while end > 0:
        low = max(0, end - length)
        newline = (await file.read(low, end - low)).rfind(b"\n")
        if newline >= 0:
            return low + newline + 1
        end, length = low, min(2 * length, BLOCK)
    return 0


def _first_beginning(block: bytes, format_: Format, *, last: bool) -> tuple[int | None, int]:
    """Where after a newline of the block a record begins, or None; and how far the block is known not to have one.
    A line that runs out of the block is judged by what is there if that is long, or the file's ``last``."""
    newline = block.find(b"\n")
    while newline >= 0:
        start = newline + 1
        line_end = block.find(b"\n", start)
        if line_end < 0 and not last and len(block) - start < _LINE_READ:
            return None, newline
        line = block[start:] if line_end < 0 else block[start:line_end]
        if start < len(block) and format_.begins(line[:_LINE_READ]):
            return start, start
        newline = line_end
    return None, len(block)


def _last_beginning(block: bytes, high: int, format_: Format) -> int | None:
    """Where a record begins after a newline of the block, the last before ``high``."""
    newline = block.rfind(b"\n", 0, high - 1)
    while newline >= 0:
        line_end = block.find(b"\n", newline + 1, newline + 1 + _LINE_READ)
        line = block[newline + 1 : line_end if line_end >= 0 else newline + 1 + _LINE_READ]
        if format_.begins(line):
            return newline + 1
        newline = block.rfind(b"\n", 0, newline)
    return None


def cut_whole(block: bytes, base: int, format_: Format, *, ended: bool) -> tuple[list[Piece], bytes]:
    """The whole records of a block that begins with one, and the rest: the last may go on unless the block is the
    file's last."""
    text, rest = block, b""
    if not ended:
        cut = block.rfind(b"\n") + 1
        text, rest = block[:cut], block[cut:]
    found = split_records(text, format_) if text else []
    if not ended and found and format_.begins is not every_line:
        last = found.pop()[0]
        rest = text[last:] + rest
    return [(base + at, raw[:RAW_LIMIT], len(raw)) for at, raw in found], rest


def long_piece(begins_at: int, start: bytes, ends_at: int) -> Piece:
    """A record by where it begins and ends and its first bytes, RAW_LIMIT of them when it is longer."""
    whole = len(start) >= ends_at - begins_at
    raw = start[: ends_at - begins_at]
    if whole:
        raw = raw[:-1] if raw.endswith(b"\n") else raw
        return begins_at, raw[:RAW_LIMIT], len(raw)
    return begins_at, raw[:RAW_LIMIT], ends_at - begins_at - 1


async def read_piece(file: ByteFile, begins_at: int, ends_at: int) -> Piece:
    """The record that stands there."""
    start = await file.read(begins_at, min(RAW_LIMIT + 1, ends_at - begins_at))
    return long_piece(begins_at, start, ends_at)
