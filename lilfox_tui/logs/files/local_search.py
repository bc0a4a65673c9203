"""Searching a file of this machine: by rg, else grep, else block by block in a thread.

Both programs read the open descriptor through ``/proc``, so a rename does not turn the search to another file. rg is
kept from mapping the file: a mapped file that is truncated meanwhile kills its reader (SIGBUS).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.files.disk import Found
from lilfox_tui.logs.files.spelled import search_words
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT

BLOCK = 1024 * 1024
WHOLE_SHARE = 8
"""A part that is at least one in so many bytes of the file is found by searching all of it: a file is searched four
times as fast as a pipe."""
_RG = ("rg", "--no-config", "--no-mmap", "-abo", "-NI", "--no-heading", "--color=never", "--encoding=none", "-F")
_GREP = ("grep", "-abo", "-F")
_OFFSET = re.compile(rb"^(\d+):", re.MULTILINE)
_FOUND_OR_NOT = '"$@"; [ $? -le 1 ]'
_PART = 'file=$1 from=$2 length=$3; shift 3; tail -c "+$from" "$file" | head -c "$length" | "$@"; [ $? -le 1 ]'


async def find(host: Host, descriptor: int, wanted: Needles, start: int, end: int) -> AsyncGenerator[Found, None]:
    """The hits in that part, ascending. Raises LilFoxError when the search could not be ended well."""
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    program = await _program(host, wanted) if await asyncio.to_thread(Path(path).exists) else ()
    searched = (
        _natively(host, path, program, start, end, os.fstat(descriptor).st_size)
        if program
        else by_block(partial(_read, descriptor), wanted, start, end)
    )
    async with aclosing(searched) as found:
        async for offsets in found:
            yield Found(offsets, {})


async def _program(host: Host, wanted: Needles) -> tuple[str, ...]:
    """The fastest program that is installed; none where a needle cannot be an argument."""
    if any(b"\0" in needle for needle in wanted.any_of):
        return ()
    words = search_words(wanted)
    if shutil.which("rg") and all(_is_utf8(needle) for needle in wanted.any_of):
        return (*_RG, *words)
    return (*_GREP, *words) if shutil.which("grep") and await _grep_tells_offsets(host) else ()


async def _grep_tells_offsets(host: Host) -> bool:
    """BusyBox's does not."""
    return (await host.run([*_GREP, "-e", "b"], stdin=b"a\nb\n")).stdout == b"2:b\n"


def _is_utf8(literal: bytes) -> bool:
    try:
        literal.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _natively(
    host: Host, path: str, program: Sequence[str], start: int, end: int, size: int
) -> AsyncGenerator[list[int], None]:
    if (end - start) * WHOLE_SHARE >= size:
        argv, base = ["sh", "-c", _FOUND_OR_NOT, "sh", *program, path], 0
    else:
        over = RAW_LIMIT  # what begins before the end may go on behind it
        argv, base = ["sh", "-c", _PART, "sh", path, str(start + 1), str(end - start + over), *program], start
    rest = b""
    async with aclosing(host.stream(argv)) as blocks:
        async for block in blocks:
            whole = (rest + block).rpartition(b"\n")
            rest = whole[2]
            offsets = await asyncio.to_thread(_offsets, whole[0], base)
            if inside := _within(offsets, start, end):
                yield inside
            if offsets and offsets[-1] >= end:
                return


def _offsets(printed: bytes, base: int) -> list[int]:
    return [base + int(digits) for digits in _OFFSET.findall(printed)]


def _within(offsets: list[int], start: int, end: int) -> list[int]:
    if not offsets or (offsets[0] >= start and offsets[-1] < end):
        return offsets
    return [offset for offset in offsets if start <= offset < end]


async def _read(descriptor: int, offset: int, length: int) -> bytes:
    return await asyncio.to_thread(os.pread, descriptor, length, offset)


async def by_block(
    read: Callable[[int, int], Awaitable[bytes]], wanted: Needles, start: int, end: int
) -> AsyncGenerator[list[int], None]:
    """The hits in that part by reading all of it: where there is no program that searches."""
    literals = [literal.lower() if wanted.ignore_case else literal for literal in wanted.any_of]
    overlap = max(map(len, literals)) - 1
    while start < end:
        length = min(BLOCK, end - start)
        block = await read(start, length + overlap)
        offsets = await asyncio.to_thread(_find_all, block.lower() if wanted.ignore_case else block, literals)
        if inside := _within([start + at for at in offsets], start, start + length):
            yield inside
        start += length


def _find_all(block: bytes, literals: Sequence[bytes]) -> list[int]:
    found = set()
    for literal in literals:
        at = block.find(literal)
        while at >= 0:
            found.add(at)
            at = block.find(literal, at + len(literal))
    return sorted(found)
