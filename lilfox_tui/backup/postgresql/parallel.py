"""Dumps the rows of large tables with several sessions at once, and places them into the archive that pg_dump writes.

pg_dump leaves the rows of these tables out, but locks the tables and describes them. Their rows are copied in pieces of
some 16 MiB by ranges of ctid, in the same snapshot, each compressed where it arrives. In the archive they come before
all other rows, table by table and in the order on disk, so that it is one that pg_restore reads like any other.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import NamedTuple

from lilfox_tui.backup.packing import FrameCompressor
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.content import COPY_ENCODING, TEXT_FORM, PiecewiseTable
from lilfox_tui.backup.postgresql.custom import KNOWN_FORM, AddedRows, ArchiveBeginning, Contents, with_rows
from lilfox_tui.backup.postgresql.psql import VERBOSE, TableContent
from lilfox_tui.backup.postgresql.row_digest import NUMBER_BYTES, ROWS_BLOCK, ROWS_END, PieceDigest
from lilfox_tui.backup.source import CompressedBlock
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.aio import in_large_blocks
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean

PIECE_BYTES = 16 * 1024 * 1024
"""On the server's disk, TOAST included."""
MOST_PIECES = 10_000
"""Of a database: the manifest has a digest of each. Those of larger databases are larger."""
HELD_BYTES = 48 * 1024 * 1024
"""So many compressed bytes all sessions together may be ahead: two pieces, unless their rows do not compress."""


class TablePiece(NamedTuple):
    """The rows of some pages of a table."""

    table: int
    """Its place among the tables."""
    order: str
    last: bool


def pieces_of(tables: Sequence[PiecewiseTable]) -> list[TablePiece]:
    """Return the pieces that together have each row of the tables once, in the order on disk."""
    size_bytes = max(PIECE_BYTES, sum(table.size_bytes for table in tables) // MOST_PIECES)
    return [piece for number, table in enumerate(tables) for piece in _pieces(number, table, size_bytes)]


def _pieces(number: int, table: PiecewiseTable, size_bytes: int) -> Iterator[TablePiece]:
    step = max(1, table.pages * size_bytes // max(1, table.size_bytes))
    begins = range(0, max(1, table.pages), step)
    for begin in begins:
        last = begin == begins[-1]
        end = "" if last else f" AND ctid < '({begin + step},0)'"
        select = f"SELECT {table.columns} FROM ONLY {table.name} WHERE ctid >= '({begin},0)'{end}"  # noqa: S608 - quoted by the server
        yield TablePiece(number, f"\\copy ({select}) to pstdout", last)


_LOCKED = -1


class _End(NamedTuple):
    """The end of a piece."""

    number: int
    """Its place among the pieces; :data:`_LOCKED` before the first."""
    content: TableContent
    said: int
    """So many rows COPY says it has copied."""


class _Packer:
    """Compresses the pieces that a psql prints, each followed by a line of ``mark``, which nobody can guess, its number
    and how many rows it has. Each piece is chunks of an archive, and a frame.

    A mark begins with a byte that text in UTF-8 does not have, so that looking for it costs next to nothing."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark + b" "
        self._held = b""
        """What may be the beginning of a line with a mark."""
        self._frame = FrameCompressor()
        self._rows = PieceDigest()

    def write(self, block: bytes) -> list[CompressedBlock | _End]:
        """Return what the next block makes. Raises BrokenSet where it is not what psql prints."""
        made: list[CompressedBlock | _End] = []
        if self._held:
            block, self._held = self._held + block, b""
        data, begin, look = memoryview(block), 0, 0
        while (at := block.find(self._mark[:1], look)) >= 0:
            if not block.startswith(self._mark, at) and not self._mark.startswith(data[at:]):
                look = at + 1  # a byte of a damaged text
                continue
            self._add(data[begin:at], made)
            end = block.find(b"\n", at)
            if end < 0:
                self._held = block[at:]
                return made
            if self._rows.rows:
                made.append(self._frame.end())
            number, said = block[at + len(self._mark) : end].split()
            made.append(_End(int(number), self._rows.content(), int(said)))
            self._rows = PieceDigest()
            begin = look = end + 1
        self._add(data[begin:], made)
        return made

    @property
    def between(self) -> bool:
        """Whether no piece has begun."""
        return not self._held and not self._rows.rows

    def _add(self, data: memoryview, made: list[CompressedBlock | _End]) -> None:
        if data:
            self._rows.write(data)
            made.append(self._frame.add(archive_number(len(data)), data))


def archive_number(value: int) -> bytes:
    """Return a number that is not negative as an archive has it: its sign, then four bytes."""
    return b"\0" + value.to_bytes(NUMBER_BYTES - 1, "little")


class _Lane:
    """What one session has made and nobody has taken yet."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: deque[CompressedBlock | _End] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._error: BaseException | None = None

    async def put(self, made: CompressedBlock | _End) -> None:
        """Add what was made, once there is room; something may always be held."""
        while self._held_bytes and self._held_bytes >= self._most_bytes:
            self._changed.clear()
            await self._changed.wait()
        self._held.append(made)
        if isinstance(made, CompressedBlock):
            self._held_bytes += len(made.data)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """Let ``take`` raise ``error``."""
        self._error = error
        self._changed.set()

    async def take(self) -> CompressedBlock | _End:
        """Return what was made next. Raises what ended the session."""
        while not self._held and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        if not self._held:
            assert self._error is not None
            raise self._error
        made = self._held.popleft()
        if isinstance(made, CompressedBlock):
            self._held_bytes -= len(made.data)
        self._changed.set()
        return made


class ParallelCopy:
    """Copies the rows of ``tables`` in ``snapshot``, with several sessions, within an async context. Each session locks
    all tables before it reads, and waits for nobody: who queues for one of them waits for the session that holds the
    snapshot."""

    def __init__(
        self,
        access: ServerAccess,
        database: str,
        snapshot: str,
        tables: Sequence[PiecewiseTable],
        version_num: int,
        sessions: int,
    ) -> None:
        self.tables = tuple(tables)
        self._access, self._database, self._snapshot, self._version_num = access, database, snapshot, version_num
        self._pieces = pieces_of(self.tables)
        self._lanes = [_Lane(HELD_BYTES // sessions) for _number in range(min(sessions, len(self._pieces)))]
        self._copying: list[asyncio.Future[None]] = []
        self._ends: list[list[TableContent]] = [[] for _table in self.tables]

    async def __aenter__(self) -> ParallelCopy:
        self._copying = [asyncio.ensure_future(self._copy(number)) for number in range(len(self._lanes))]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for copying in self._copying:
            copying.cancel()
        await asyncio.gather(*self._copying, return_exceptions=True)

    def contents(self) -> dict[str, TableContent]:
        """Return the content of each table, after the last block was taken."""
        return {table.name: _together(ends) for table, ends in zip(self.tables, self._ends, strict=True)}

    def blocks_before(self, data: bytes, contents: Contents) -> tuple[bytes, list[int]]:
        """Return the head of the archive with entries for the tables, and their numbers. ``data`` begins with the head
        that pg_dump wrote. Raises BackupError where it is of a form that is not known."""
        added = [AddedRows(each.oid, f"COPY {each.name} ({each.columns}) FROM stdin;\n") for each in self.tables]
        try:
            if contents.form > KNOWN_FORM or contents.sizes[0] != NUMBER_BYTES - 1:
                raise ValueError("form")
            return with_rows(data, contents, added)
        except (KeyError, ValueError) as error:
            raise BackupError(
                tr("{host}: pg_dump wrote an archive that LilFox cannot add rows to: {reason}",
                   host=self._access.host.name, reason=error)
            ) from None  # fmt: skip

    async def begin(self) -> None:
        """Return once all sessions have locked the tables. Raises BackupError, HostError (CommandFailed)."""
        for lane in self._lanes:
            self._refuse_other(_LOCKED, await lane.take())

    async def blocks(self, numbers: Sequence[int]) -> AsyncGenerator[CompressedBlock, None]:
        """Yield the rows of all tables as an archive has them, with the number of each table's entry. Raises
        BackupError, HostError (CommandFailed)."""
        frame = FrameCompressor()
        begun = -1
        for index, piece in enumerate(self._pieces):
            if piece.table != begun:
                begun = piece.table
                yield frame.add(ROWS_BLOCK + archive_number(numbers[begun]))
                yield frame.end()
            lane = self._lanes[index % len(self._lanes)]
            while isinstance(made := await lane.take(), CompressedBlock):
                yield made
            self._refuse_other(index, made)
            self._add(piece, made)
            if piece.last:
                yield frame.add(archive_number(len(ROWS_END)), ROWS_END, archive_number(0))
                yield frame.end()

    def _refuse_other(self, number: int, made: CompressedBlock | _End) -> None:
        if not isinstance(made, _End) or made.number != number:
            raise BackupError(tr("{host}: psql copied rows in another order", host=self._access.host.name))

    def _add(self, piece: TablePiece, end: _End) -> None:
        if end.content.rows != end.said:
            raise BackupError(
                tr("{host}: {found} rows of {table} arrived, but the server sent {sent}",
                   host=self._access.host.name, found=end.content.rows, table=clean(self.tables[piece.table].name),
                   sent=end.said)
            )  # fmt: skip
        self._ends[piece.table].append(end.content)

    async def _copy(self, number: int) -> None:
        lane = self._lanes[number]
        try:
            await self._copy_pieces(lane, list(enumerate(self._pieces))[number :: len(self._lanes)])
            lane.fail(self._ended())
        except BaseException as error:
            lane.fail(error)
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _copy_pieces(self, lane: _Lane, pieces: Sequence[tuple[int, TablePiece]]) -> None:
        mark = b"\xfflilfox " + secrets.token_hex(16).encode()
        settings = dict(TEXT_FORM) | ({"transaction_timeout": "0"} if self._version_num >= 170000 else {})
        argv = self._access.argv(*self._access.psql(self._database, settings, "-q", stops=True))
        packer = _Packer(mark)
        loop = asyncio.get_running_loop()
        script = b"\n".join(self._script(mark, pieces))
        async with aclosing(self._access.host.stream(argv, stdin=script, sudo=self._access.sudo)) as blocks:
            async for block in in_large_blocks(blocks):
                for made in await loop.run_in_executor(None, packer.write, block):
                    await lane.put(made)
        if not packer.between:
            raise self._ended()

    def _script(self, mark: bytes, pieces: Sequence[tuple[int, TablePiece]]) -> Iterator[bytes]:
        r"""Yield the lines that psql reads. It tells how many rows were copied only where they go elsewhere than its
        other output: \copy to pstdout is its real stdout."""
        tables = ", ".join(f"ONLY {table.name}" for table in self.tables)
        yield from (VERBOSE.encode(), f"{COPY_ENCODING};".encode(), b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        yield f"SET TRANSACTION SNAPSHOT '{self._snapshot}';".encode()
        yield f"LOCK TABLE {tables} IN ACCESS SHARE MODE NOWAIT;".encode()
        yield b"\\o /dev/null"
        yield b"\\echo " + mark + f" {_LOCKED} 0".encode()
        for number, piece in pieces:
            yield piece.order.encode()
            yield b"\\echo " + mark + f" {number} :ROW_COUNT".encode()
        yield b""

    def _ended(self) -> BackupError:
        return BackupError(tr("{host}: psql ended before it had copied all rows", host=self._access.host.name))


def _together(ends: Sequence[TableContent]) -> TableContent:
    rows = sum(each.rows or 0 for each in ends)
    return TableContent(rows, None, "pieces", pieces=tuple(piece for each in ends for piece in each.pieces))


async def merged(
    beginning: ArchiveBeginning, dumped: AsyncGenerator[bytes, None], copy: ParallelCopy
) -> AsyncGenerator[CompressedBlock, None]:
    """Yield the archive that pg_dump writes without the rows of ``copy``'s tables, together with these, compressed.
    Raises BackupError, HostError, what ``dumped`` raises."""
    loop = asyncio.get_running_loop()
    frame = FrameCompressor()
    before, numbers = copy.blocks_before(*beginning)
    yield await loop.run_in_executor(None, frame.add, before)
    yield frame.end()
    async with aclosing(copy.blocks(numbers)) as blocks:
        async for made in blocks:
            yield made
    yield frame.add(beginning.more)
    async for block in dumped:
        yield await loop.run_in_executor(None, frame.add, block)
    yield frame.end()
