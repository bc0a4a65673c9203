"""Loads the rows of large tables with several sessions at once.

If the tables are read back, a session loads whole tables, so that their rows lie on disk in the order in which they
were dumped: then a comparison needs no more than digests of pieces. Each session reads the archive on its own and
passes over the tables of the others, which costs a tenth of loading them.

If they are compared while they are loaded, the archive is read once, and all sessions share the rows of each table: its
digest is that of the rows as they come from the archive.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress

from msgspec import Struct

from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.content import COPIED_COLUMNS, COPY_ENCODING, LINE_BREAKS, TEXT_FORM
from lilfox_tui.backup.postgresql.custom import ArchiveBeginning, Contents
from lilfox_tui.backup.postgresql.psql import VERBOSE, Psql, TableContent, refusal
from lilfox_tui.backup.postgresql.row_digest import NUMBER_BYTES, ROWS_BLOCK, ROWS_END, PieceDigest
from lilfox_tui.backup.store import BackupError, BrokenSet
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Completed
from lilfox_tui.redact import redact

_SHARED_BYTES = 512 * 1024
"""Of whole rows, which a session takes at once."""
_COPIED = re.compile(rb"^COPY (\d+)$", re.MULTILINE)
"""What psql prints for a COPY: its command tag, with the rows that the server stored."""
_TABLES = (
    f"SELECT n.nspname AS schema, c.relname AS relation, c.oid::regclass::text AS name, {COPIED_COLUMNS} AS columns "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname !~ '^pg_'"
)


class LoadedTable(Struct, frozen=True):
    """A table of the archive whose rows are loaded here."""

    number: int
    """Of its entry."""
    name: str
    """In SQL, with its schema."""
    columns: str
    """In SQL."""
    content: TableContent
    """What the set says of it, with digests of pieces."""

    @property
    def size_bytes(self) -> int:
        """Of its rows."""
        return sum(piece.size_bytes for piece in self.content.pieces)


async def tables_in(
    access: ServerAccess, database: str, contents: Contents, pieces: Mapping[str, TableContent]
) -> list[LoadedTable]:
    """Return the tables of ``pieces`` (by name), none if ``database`` does not have all of them with the
    columns that the archive has: then pg_restore loads them. Raises BackupError, HostError."""
    [rows] = await Psql(access).ask(_TABLES, database=database)
    known = {(row["schema"], row["relation"]): row for row in rows if row["columns"]}
    found = []
    for entry in contents.entries:
        row = known.get((entry.schema, entry.tag)) if entry.kind == "TABLE DATA" and entry.has_rows else None
        if row is None or row["name"] not in pieces or LINE_BREAKS.search(row["name"] + row["columns"]):
            continue
        if entry.copied == f"COPY {row['name']} ({row['columns']}) FROM stdin;\n".encode():
            found.append(LoadedTable(entry.number, row["name"], row["columns"], pieces[row["name"]]))
    return found if len(found) == len(pieces) else []


class _Data:
    """Reads the data of an archive, behind its table of contents."""

    def __init__(self, blocks: AsyncGenerator[bytes, None], begun: bytes) -> None:
        self._blocks, self._block, self._at = blocks, begun, 0

    async def next_table(self) -> int | None:
        """Return the number of the entry whose rows come next; None if something else does, or nothing."""
        while len(self._block) - self._at < 1 + NUMBER_BYTES:
            try:
                more = await anext(self._blocks)
            except StopAsyncIteration:
                return None
            self._block, self._at = self._block[self._at :] + more, 0
        if self._block[self._at : self._at + 1] != ROWS_BLOCK:
            return None
        return int.from_bytes(self._block[self._at + 2 : self._at + 1 + NUMBER_BYTES], "little")

    async def rows(self) -> AsyncGenerator[bytes, None]:
        """Yield the rows of the table that comes next. Raises BrokenSet where they have no end."""
        await self._exactly(1 + NUMBER_BYTES)
        last = b""
        while size := await self._number():
            if last:
                yield last
                last = b""
            if size == len(ROWS_END):
                last = await self._exactly(size)
                continue
            while size:
                part = await self._some(size)
                size -= len(part)
                yield part
        if last != ROWS_END:
            raise BrokenSet(tr("the rows of a table have no end"))

    async def rest(self) -> AsyncGenerator[bytes, None]:
        """Yield all that follows."""
        yield self._block[self._at :]
        async for block in self._blocks:
            yield block

    async def _number(self) -> int:
        sign, *digits = await self._exactly(NUMBER_BYTES)
        if sign:
            raise BrokenSet(tr("the rows of a table have no end"))
        return int.from_bytes(digits, "little")

    async def _exactly(self, size: int) -> bytes:
        made = b""
        while len(made) < size:
            made += await self._some(size - len(made))
        return made

    async def _some(self, most: int) -> bytes:
        while self._at == len(self._block):
            try:
                self._block, self._at = await anext(self._blocks), 0
            except StopAsyncIteration:
                raise BrokenSet(tr("it is truncated"), truncated=True) from None
        part = self._block[self._at : self._at + most]
        self._at += len(part)
        return part


Others = Callable[[AsyncGenerator[bytes, None]], Awaitable[None]]


class LargeLoad:
    """Loads ``tables`` into ``database``. ``settings`` are those of the sessions; ``compares``: whether the rows are
    compared with the set on their way, ``sessions`` of them sharing the rows of each table."""

    def __init__(
        self,
        access: ServerAccess,
        database: str,
        settings: Mapping[str, str],
        tables: Sequence[LoadedTable],
        *,
        compares: bool = False,
        sessions: int = 1,
    ) -> None:
        self._sessions = sessions if compares else 1
        self._access, self._database, self._tables = access, database, tables
        self._settings = {**TEXT_FORM, **settings}
        self._compares = compares
        self._loaded_bytes = 0
        self.equal: dict[str, TableContent] = {}
        """Tables whose rows were sent as the set says, each byte in its place, and of which the server stored as many
        as were sent."""

    async def run(
        self,
        beginning: ArchiveBeginning,
        streams: Sequence[AsyncGenerator[bytes, None]],
        others: Others,
        moved: Callable[[int], None],
    ) -> None:
        """Load all tables, with a session for each of ``streams``: the archive, the first one behind ``beginning``, the
        others from their start. ``others`` loads what comes behind the large tables. ``moved`` gets the bytes of rows
        that were loaded. Raises BackupError, HostError, what a stream raises."""
        shares = _shares(self._tables, len(streams))
        loading = [
            asyncio.ensure_future(self._lane(beginning, stream, share, moved, others if number == 0 else None))
            for number, (stream, share) in enumerate(zip(streams, shares, strict=True))
        ]
        try:
            await asyncio.gather(*loading)
        finally:
            for each in loading:
                each.cancel()
            await asyncio.gather(*loading, return_exceptions=True)

    async def _lane(
        self,
        beginning: ArchiveBeginning,
        stream: AsyncGenerator[bytes, None],
        share: Sequence[LoadedTable],
        moved: Callable[[int], None],
        others: Others | None,
    ) -> None:
        async with aclosing(stream):
            data = _Data(stream, beginning.more) if others is not None else await _behind(stream, beginning)
            large, mine = {each.number for each in self._tables}, {each.number: each for each in share}
            while (others is not None or mine) and (number := await data.next_table()) in large:
                large.discard(number)
                async with aclosing(data.rows()) as rows:
                    if (table := mine.pop(number, None)) is not None:
                        await self._load(table, rows, moved)
                    async for _part in rows:
                        """Of another session, or behind what psql took for the end."""
            if mine or (others is not None and large):
                raise BrokenSet(
                    ntr("the rows of {count} table are missing", "the rows of {count} tables are missing", len(large))
                )
            if others is not None:
                await others(data.rest())

    async def _load(self, table: LoadedTable, rows: AsyncGenerator[bytes, None], moved: Callable[[int], None]) -> None:
        """Load the rows into the empty table, and compare them with the set on their way if that is wanted."""
        digest = PieceDigest([piece.size_bytes for piece in table.content.pieces])

        async def told() -> AsyncGenerator[bytes, None]:
            async for part in rows:
                self._loaded_bytes += len(part)
                moved(self._loaded_bytes)
                if self._compares:
                    digest.write(part)
                yield part

        async with aclosing(told()) as parts:
            if self._sessions == 1:
                stored = [await self._copied(table, parts, freezes=True)]
            else:
                stored = await self._shared_out(table, parts)
        if self._compares and None not in stored and sum(map(int, filter(None, stored))) == digest.rows:
            with suppress(BrokenSet):
                if digest.content() == table.content:
                    self.equal[table.name] = table.content

    async def _copied(self, table: LoadedTable, rows: AsyncIterator[bytes], *, freezes: bool) -> bytes | None:
        """Load the rows with one session; return how many the server has stored, None if it does not say so. Nothing of
        the rows is a command: what they have behind a line that psql takes for their end is not read. ``freezes`` them,
        because a comparison reads them at once."""
        into = f"\\copy {table.name} ({table.columns}) from pstdin"
        words = [VERBOSE, COPY_ENCODING, "SET xmloption = content"]
        words += ["BEGIN", f"TRUNCATE ONLY {table.name}", f"{into} with (freeze)", "COMMIT"] if freezes else [into]
        commands = [word for each in words for word in ("-c", each)]
        psql = self._access.psql(self._database, self._settings, *commands, stops=True, variables={"QUIET": "off"})
        done = await self._access.host.stream_stdin(self._access.argv(*psql), rows, sudo=self._access.sudo)
        if not done.ok:
            raise self._refused(table, done)
        told = _COPIED.findall(done.stdout)
        return told[0] if len(told) == 1 else None

    async def _shared_out(self, table: LoadedTable, rows: AsyncIterator[bytes]) -> list[bytes | None]:
        """Load the rows with all sessions, each of which takes the next whole rows when it has sent its last; return
        what :meth:`_copied` does of each."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue(2 * self._sessions)

        async def filled() -> None:
            async for lines in whole_lines(rows, _SHARED_BYTES):
                await waiting.put(lines)
            for _session in range(self._sessions):
                await waiting.put(b"")

        async def session() -> bytes | None:
            taken = _Taken(waiting)
            stored = await self._copied(table, taken, freezes=False)
            async for _lines in taken:
                """Behind what psql took for the end: these rows are missing, and the others go on."""
            return stored

        filling = asyncio.ensure_future(filled())
        sessions = [asyncio.ensure_future(session()) for _session in range(self._sessions)]
        try:
            await asyncio.gather(filling, *sessions)
        finally:
            for each in (filling, *sessions):
                each.cancel()
            await asyncio.gather(filling, *sessions, return_exceptions=True)
        return [each.result() for each in sessions]

    def _refused(self, table: LoadedTable, done: Completed) -> BackupError:
        stderr = redact(done.stderr.decode("utf-8", "replace"))
        said = refusal(stderr)[1] or clean(stderr.strip().partition("\n")[0])[:400] or done.ending
        return BackupError(
            tr("{host}: the rows of {table} could not be loaded: {reason}",
               host=self._access.host.name, table=clean(table.name), reason=said),
            tr("Only the staging database was written."),
        )  # fmt: skip


class _Taken(AsyncIterator[bytes]):
    """What one session takes of a queue, up to the empty text that ends it. Who goes on with it gets the rest."""

    def __init__(self, waiting: asyncio.Queue[bytes]) -> None:
        self._waiting, self._ended = waiting, False

    async def __anext__(self) -> bytes:
        lines = b"" if self._ended else await self._waiting.get()
        self._ended = not lines
        if self._ended:
            raise StopAsyncIteration
        return lines


async def whole_lines(parts: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Yield the same bytes in blocks of about ``size`` that end with a newline, but for the last one. In the text form
    of COPY, a newline is the end of a row and nothing else."""
    kept: list[bytes] = []
    held = 0
    async for part in parts:
        kept.append(part)
        held += len(part)
        if held >= size and (cut := part.rfind(b"\n") + 1):
            kept[-1] = part[:cut]
            yield b"".join(kept)
            kept = [part[cut:]]
            held = len(kept[0])
    if held:
        yield b"".join(kept)


async def _behind(stream: AsyncGenerator[bytes, None], beginning: ArchiveBeginning) -> _Data:
    """Return the data of an archive that is read from its start."""
    pass_over = beginning.contents.end
    async for block in stream:
        if len(block) >= pass_over:
            return _Data(stream, block[pass_over:])
        pass_over -= len(block)
    raise BrokenSet(tr("it is truncated"), truncated=True)


def _shares(tables: Sequence[LoadedTable], count: int) -> list[list[LoadedTable]]:
    """Divide the tables so that each share has about as many bytes."""
    shares: list[list[LoadedTable]] = [[] for _number in range(count)]
    for table in sorted(tables, key=lambda table: -table.size_bytes):
        min(shares, key=lambda share: sum(each.size_bytes for each in share)).append(table)
    return shares
