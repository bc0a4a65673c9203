"""Digests of tables' rows as ``COPY … TO STDOUT`` writes them (text format), and those of an archive as it passes.

pg_dump reads rows with COPY: what an archive holds of a table and what COPY gives of the restored one are the same
lines, if in another order. A sum of digests of lines does not depend on the order. Digests of pieces of the text do,
but cost a fiftieth. Hashing where the rows pass costs the server nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing

import numpy as np
import xxhash

from lilfox_tui.backup.postgresql.custom import KNOWN_FORM, MOST_BYTES, read_contents
from lilfox_tui.backup.postgresql.psql import CopiedPiece, TableContent
from lilfox_tui.backup.store import BrokenSet

_LONG = 1024 * 1024
"""A line of more bytes is hashed as it comes, instead of being held."""
_MODULUS = 1 << 128
_NEWLINE = ord("\n")
_IN_CACHE = 64 * 1024


class RowDigest:
    """The number of lines and the sum of their XXH3-128, modulo 2^128. By accident, two different tables have the same
    sum once in 2^128; XXH3 is no protection from somebody who seeks such a pair."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0
        self._rest = b""
        self._long: xxhash.xxh3_128 | None = None

    def write(self, data: bytes) -> None:
        """Add what comes next; it may begin and end within a line."""
        if self._long is not None:
            end = data.find(b"\n")
            self._long.update(data if end < 0 else data[:end])
            if end < 0:
                return
            self.rows += 1
            self._sum += self._long.intdigest()
            self._long, data = None, data[end + 1 :]
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        self._add(lines)
        if len(self._rest) > _LONG:
            self._long, self._rest = xxhash.xxh3_128(self._rest), b""

    def add(self, lines: list[bytes]) -> None:
        """Add whole lines, without their newlines; not within a line."""
        self._add(lines)

    def _add(self, lines: list[bytes]) -> None:
        self.rows += len(lines)
        self._sum += sum(map(xxhash.xxh3_128_intdigest, lines))

    def content(self) -> TableContent:
        """Return what the lines are: the digest in hexadecimal, None of an empty table. Raises BrokenSet within a
        line."""
        if self._rest or self._long is not None:
            raise BrokenSet("rows end within a line", truncated=True)
        digest = f"{self._sum % _MODULUS:032x}" if self.rows else None
        return TableContent(self.rows, digest, "copy")


class PieceDigest:
    """The XXH3-128 of pieces of the text. Each ends after as many bytes as ``sizes`` say, and the last one with the
    text."""

    def __init__(self, sizes: Sequence[int] = ()) -> None:
        self.rows = 0
        self._sizes = deque(sizes)
        self._pieces: list[CopiedPiece] = []
        self._hash = xxhash.xxh3_128()
        self._size_bytes = 0
        self._within = False

    def write(self, data: bytes | memoryview) -> None:
        """Add what comes next; it may begin and end within a line."""
        if not data:
            return
        text = np.frombuffer(data, np.uint8)
        self.rows += sum(
            int(np.count_nonzero(text[at : at + _IN_CACHE] == _NEWLINE)) for at in range(0, len(text), _IN_CACHE)
        )
        self._within = data[-1] != _NEWLINE
        while len(self._sizes) > 1 and self._size_bytes + len(data) >= self._sizes[0]:
            cut = self._sizes.popleft() - self._size_bytes
            self._update(data[:cut])
            self._end()
            data = data[cut:]
        self._update(data)

    def content(self) -> TableContent:
        """Return what the text is. Raises BrokenSet within a line."""
        if self._within:
            raise BrokenSet("rows end within a line", truncated=True)
        if self._size_bytes:
            self._end()
        return TableContent(self.rows, None, "pieces", pieces=tuple(self._pieces))

    def _update(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._size_bytes += len(data)

    def _end(self) -> None:
        self._pieces.append(CopiedPiece(self._size_bytes, self._hash.hexdigest()))
        self._hash, self._size_bytes = xxhash.xxh3_128(), 0


class ProvenRows(RowDigest):
    """The sum of lines, and whether their text in this order is what ``said`` has digests of."""

    def __init__(self, said: TableContent) -> None:
        super().__init__()
        self._said = said
        self._pieces = PieceDigest([piece.size_bytes for piece in said.pieces])

    def write(self, data: bytes) -> None:
        """See :meth:`RowDigest.write`."""
        super().write(data)
        self._pieces.write(data)

    def add(self, lines: list[bytes]) -> None:
        """See :meth:`RowDigest.add`."""
        super().add(lines)
        self._pieces.write(b"".join(line + b"\n" for line in lines))

    @property
    def proven(self) -> bool:
        """Whether the text is that of ``said``; to be asked at its end."""
        return self._pieces.content() == self._said


class CopiedTables:
    """Reads what one psql copies of several tables, each followed by ``mark``, which nobody can guess. ``digests`` take
    the lines of the tables, one each; a sum where there is none."""

    def __init__(self, mark: bytes, digests: Iterable[RowDigest | PieceDigest] = ()) -> None:
        self.whole: list[TableContent] = []
        """The tables that have come to their end."""
        self._mark, self._held = mark, b""
        self._digests = iter(digests)
        self._digest = next(self._digests, RowDigest())

    def write(self, data: bytes) -> None:
        """Read what comes next. Raises BrokenSet where a table ends within a line."""
        held = self._held + data
        while (end := held.find(self._mark)) >= 0:
            self._digest.write(held[:end])
            self.whole.append(self._digest.content())
            self._digest, held = next(self._digests, RowDigest()), held[end + len(self._mark) :]
        end = max(0, len(held) - len(self._mark))
        self._digest.write(held[:end])
        self._held = held[end:]


# The data of an archive without compression (pg_backup_custom.c: _StartData, _WriteData, _EndData, _LoadLOs).
#
# Behind the table of contents, each entry has a byte for its kind, its number, and chunks: a length, then so many
# bytes; a length of 0 ends it. pg_dump up to 18 makes each row a chunk of its own.


_ROWS, _OBJECTS = 1, 3
ROWS_BLOCK = bytes([_ROWS])
_END = b"\\."
ROWS_END = _END + b"\n\n\n"
"""What pg_dump writes behind the rows of a table; no row is such a line."""
_CHUNKS = re.compile(rb"\0(?!\0{4})....([^\n]*)\n?", re.DOTALL)
"""Chunks that are lines; the end of the last one may be missing."""
NUMBER_BYTES = 5
"""Its sign, then four bytes, little-endian."""
_LONG_CHUNK = 64 * 1024
"""One that is longer holds many rows (``parallel``)."""
_LAST_CHUNK = b"\0\5\0\0\0" + ROWS_END


class ArchiveRows:
    """Reads an archive as pg_dump writes it with ``-Fc -Z0``, block by block, and computes the digests of all tables
    in it. Of an archive whose form it does not know there are no digests, and no errors either: pg_dump knows it."""

    def __init__(self, said: Mapping[tuple[str, str], TableContent] | None = None) -> None:
        """``said``: tables whose text is held against digests of pieces too."""
        self._said = said or {}
        self.tables: dict[tuple[str, str], RowDigest] | None = None
        """By schema and name, complete once the table of contents was read; None before. Empty where it is not
        known."""
        self._awaited: dict[int, RowDigest | None] = {}
        """The entries whose data has not come, by number; those of large objects have no digest."""
        self._failed = False
        self._buffer, self._at = b"", 0
        self._look_at = 1024
        self._held = b""
        """What may be the trailer of a table."""
        self._steps = self._read()

    def feed(self, block: bytes) -> None:
        """Read the next block; takes time in proportion to it."""
        if self._failed:
            return
        self._buffer, self._at = self._buffer[self._at :] + block, 0
        try:
            next(self._steps)
        except BrokenSet:
            self.tables, self._failed, self._buffer = {}, True, b""

    def finish(self) -> dict[tuple[str, str], TableContent]:
        """Return the content of each table, after the last block; nothing where the archive ended early."""
        if self.tables is None:
            self._look_at = 0
            self.feed(b"")
        if self._failed or not self.tables or self._awaited or self._at < len(self._buffer):
            return {}
        try:
            return {name: digest.content() for name, digest in self.tables.items()}
        except BrokenSet:
            return {}

    # Each step reads on in ``_buffer`` from ``_at``, and yields where it needs more than there is.

    def _read(self) -> Generator[None, None, None]:
        while not self._read_contents():
            yield
        while True:
            while len(self._buffer) - self._at < 1 + NUMBER_BYTES:
                yield
            kind = self._buffer[self._at]
            self._at += 1
            number = yield from self._number()
            if number not in self._awaited:
                raise BrokenSet("not an entry of the table of contents")
            digest = self._awaited.pop(number)
            if kind == _ROWS and digest is not None:
                yield from self._read_rows(digest)
            elif kind == _OBJECTS and digest is None:
                yield from self._skip_objects()
            else:
                raise BrokenSet("not the kind of data that the table of contents says")

    def _read_contents(self) -> bool:
        if len(self._buffer) < self._look_at:
            return False
        self._look_at = len(self._buffer) * 2
        try:
            version, entries, end, _sizes = read_contents(self._buffer)
        except BrokenSet as error:
            if error.truncated and len(self._buffer) < MOST_BYTES:
                return False
            raise
        if version > KNOWN_FORM:
            raise BrokenSet("a form that is not known")
        self._at = end
        tables = {each.number: (each.schema, each.tag) for each in entries if each.kind == "TABLE DATA"}
        self.tables = {
            name: ProvenRows(self._said[name]) if name in self._said else RowDigest() for name in tables.values()
        }
        digests = {number: self.tables[name] for number, name in tables.items()}
        self._awaited = {each.number: digests.get(each.number) for each in entries if each.has_rows}
        return True

    def _number(self) -> Generator[None, None, int]:
        while len(self._buffer) - self._at < NUMBER_BYTES:
            yield
        if self._buffer[self._at]:
            raise BrokenSet("a negative number")
        self._at += NUMBER_BYTES
        return int.from_bytes(self._buffer[self._at - NUMBER_BYTES + 1 : self._at], "little")

    def _pass(self, length: int, take: Callable[[bytes], None]) -> Generator[None, None, None]:
        """Give ``length`` bytes to ``take`` as they come."""
        while length:
            part = self._buffer[self._at : self._at + length]
            if not part:
                yield
                continue
            self._at += len(part)
            length -= len(part)
            take(part)

    def _skip_objects(self) -> Generator[None, None, None]:
        while (yield from self._number()):
            while length := (yield from self._number()):
                yield from self._pass(length, lambda _part: None)

    def _read_rows(self, digest: RowDigest) -> Generator[None, None, None]:
        def take(part: bytes) -> None:
            whole = self._held + part
            end = max(0, len(whole) - len(ROWS_END))
            digest.write(whole[:end])
            self._held = whole[end:]

        self._held = b""
        while True:
            begins = not self._held or (self._held.endswith(b"\n") and _END not in self._held)
            if begins and self._length_ahead() < _LONG_CHUNK:
                self._read_whole(digest)
            length = yield from self._number()
            if not length:
                break
            yield from self._pass(length, take)
        if self._held != ROWS_END:
            raise BrokenSet("no end of a table")

    def _length_ahead(self) -> int:
        """Return the length of the chunk that comes next; 0 if it is not known yet."""
        return int.from_bytes(self._buffer[self._at + 1 : self._at + NUMBER_BYTES], "little")

    def _read_whole(self, digest: RowDigest) -> None:
        """Read the table's rows in the buffer at once, as far as each is a chunk of its own."""
        end = self._buffer.find(_LAST_CHUNK, self._at)  # no row holds a NUL
        lines = _CHUNKS.findall(self._buffer, self._at, len(self._buffer) if end < 0 else end)
        lengths = np.fromiter(map(len, lines), np.int64, len(lines)) + 1
        ends = np.cumsum(lengths + NUMBER_BYTES)
        begins = self._at + ends - lengths - NUMBER_BYTES
        data = np.frombuffer(self._buffer, np.uint8)
        begins = begins[begins + NUMBER_BYTES <= len(data)]
        said = sum(data[begins + byte].astype(np.int64) << (8 * (byte - 1)) for byte in range(1, NUMBER_BYTES))
        wrong = np.flatnonzero((said != lengths[: len(begins)]) | (data[begins] != 0))
        count = int(wrong[0]) if len(wrong) else len(begins)
        if count and self._at + ends[count - 1] > len(data):
            count -= 1  # its newline has not come yet
        if _END in lines:
            count = min(count, lines.index(_END))
        if not count:
            return
        digest.write(self._held)
        self._held = b""
        digest.add(lines[:count])
        self._at += int(ends[count - 1])


async def sums_of(
    blocks: AsyncGenerator[bytes, None], said: Mapping[tuple[str, str], TableContent]
) -> dict[tuple[str, str], TableContent]:
    """Read an archive and return the sums of those tables of ``said`` (by schema and name) whose text in it has the
    digests of pieces that are said; nothing where its form is not known."""
    rows, loop = ArchiveRows(said), asyncio.get_running_loop()
    async with aclosing(blocks):
        async for block in blocks:
            await loop.run_in_executor(None, rows.feed, block)
    found = rows.finish()
    proven = {name for name, digest in (rows.tables or {}).items() if isinstance(digest, ProvenRows) and digest.proven}
    return {name: found[name] for name in proven & found.keys()}


async def digested(
    blocks: AsyncIterator[bytes], rows: ArchiveRows, known: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Yield the blocks of an archive unchanged, each while a thread feeds it to ``rows``. Sets ``known`` once it is
    known which tables there are."""
    loop = asyncio.get_running_loop()
    feeding: asyncio.Future[None] | None = None

    def fed(_done: object) -> None:
        if rows.tables is not None:
            known.set()

    try:
        async for block in blocks:
            if feeding is not None:
                await feeding
            feeding = loop.run_in_executor(None, rows.feed, block)
            feeding.add_done_callback(fed)
            yield block
    finally:
        if feeding is not None:
            await feeding
        known.set()
