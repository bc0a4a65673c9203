"""Archives in pg_dump's custom format: the header, the table of contents, and what restoring one executes."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.backup.postgresql.connect import HostClients
from lilfox_tui.backup.postgresql.executed_code import ExecutedCodeFinder
from lilfox_tui.backup.postgresql.plain import ENCODINGS
from lilfox_tui.backup.postgresql.psql_lexer import COPY, Lexer
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host
from lilfox_tui.redact import redact

# The head of an archive in pg_dump's custom format (pg_backup_archiver.c: WriteHead, WriteInt, WriteStr).
#
# It tells where the archive is from. Nothing at its end tells that it is whole: that is proven by the digest of all of
# it, and, of an archive that has none, by decoding it (``pg_restore -f /dev/null``).


MAGIC = b"PGDMP"
_CUSTOM_FORMAT = 1
_HEAD_BYTES = 64 * 1024
_WITH_ALGORITHM = (1, 15)
"""From this version of the format on, compression is one byte instead of a number."""
_DATE_NUMBERS = 7


class CustomHead(Struct, frozen=True, kw_only=True):
    """The header of an archive."""

    database: str
    dumped_by: str
    entries: int
    """Of its table of contents."""


def read_head(data: bytes) -> CustomHead:
    """Parse the header at the start of ``data``. Raises BrokenSet for anything else."""
    return read_archive_head(data)[1]


def read_archive_head(data: bytes) -> tuple[ArchiveReader, CustomHead]:
    """Return a reader positioned after the header, and the header. Raises BrokenSet if ``data`` is not an archive in
    the custom format."""
    if not data.startswith(MAGIC):
        raise BrokenSet(tr("it is not a pg_dump archive; it begins with {beginning}", beginning=_shown(data)))
    archive = ArchiveReader(data, len(MAGIC))
    major, minor, _revision = archive.byte(), archive.byte(), archive.byte()
    archive.version = (major, minor)
    archive.int_bytes, archive.offset_bytes = archive.byte(), archive.byte()
    if archive.byte() != _CUSTOM_FORMAT or not 1 <= archive.int_bytes <= 8:
        raise BrokenSet(tr("it is a pg_dump archive, but not in the custom format"))
    if (major, minor) >= _WITH_ALGORITHM:
        archive.byte()
    else:
        archive.number()
    for _ in range(_DATE_NUMBERS):
        archive.number()
    database, _server_version, dumped_by = archive.text(), archive.text(), archive.text()
    entries = archive.number()
    if entries <= 0:
        raise BrokenSet(tr("its table of contents is empty"))
    head = CustomHead(
        database=database,
        dumped_by=dumped_by.partition(" ")[0],
        entries=entries,
    )
    return archive, head


class ArchiveReader:
    """Reads forward; raises BrokenSet (``truncated``) past the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at
        self.int_bytes = self.offset_bytes = 4
        self.version = (0, 0)

    def _take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        if count < 0 or len(taken) < count:
            raise BrokenSet(tr("its header is truncated"), truncated=True)
        self.at += count
        return taken

    def byte(self) -> int:
        """Read one byte."""
        return self._take(1)[0]

    def number(self) -> int:
        """Read a number: its sign, then its bytes, little-endian."""
        sign = self.byte()
        value = int.from_bytes(self._take(self.int_bytes), "little")
        return -value if sign else value

    def string(self) -> bytes | None:
        """Read a string: its length, then its bytes; None has a negative length."""
        length = self.number()
        return None if length < 0 else self._take(length)

    def raw(self) -> bytes:
        """Read a string, empty if it is None."""
        return self.string() or b""

    def text(self) -> str:
        """Read a string as text."""
        return self.raw().decode("utf-8", "replace")

    def offset(self) -> None:
        """Skip the offset of the rows."""
        self._take(1 + self.offset_bytes)


async def read_custom(blocks: AsyncIterator[bytes]) -> CustomHead:
    """Read the whole archive and return its header. Raises BrokenSet."""
    head = b""
    async for block in blocks:
        if len(head) < _HEAD_BYTES:
            head += block[:_HEAD_BYTES]
    if not head:
        raise BrokenSet(tr("it is empty: the dump failed"))
    return read_head(head)


async def decode_custom(host: Host, clients: HostClients, blocks: AsyncIterator[bytes]) -> CustomHead:
    """Read the whole archive and decode it with the newest pg_restore of ``host``. Raises BrokenSet if that fails,
    HostError."""
    head = b""

    async def passed() -> AsyncGenerator[bytes, None]:
        nonlocal head
        async for block in blocks:
            head = head if len(head) >= _HEAD_BYTES else head + block[:_HEAD_BYTES]
            yield block

    argv = [clients.newest.path("pg_restore"), "-f", "/dev/null"]
    async with aclosing(passed()) as stream:
        done = await host.stream_stdin(argv, stream)
        async for _block in stream:
            """What it did not ask for counts for the digest."""
    found = read_head(head)
    if not done.ok:
        lines = [line for line in redact(done.stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
        said = clean(lines[-1])[:300] if lines else ""
        raise BrokenSet(tr("pg_restore cannot decode it: {reason}", reason=said))
    return found


def _shown(data: bytes) -> str:
    return clean(data[:60].decode("utf-8", "replace"))


# The table of contents of an archive in pg_dump's custom format (pg_backup_archiver.c: ReadToc), and what restoring
# executes of it. All statements of an archive stand there, but for rows that were dumped as statements.


MOST_BYTES = 64 * 1024 * 1024
"""Of a table of contents: that of some ten thousand tables."""
MOST_ENTRIES = 1_000_000
_FIRST_LOOK = 64 * 1024
KNOWN_FORM = (1, 16)
"""The newest form that is known (PostgreSQL 17 and 18)."""
_DATA, _POST_DATA = 3, 4
_SET = re.compile(rb"(?i)(?:SET|RESET|DISCARD)\b")
_ENCODING = re.compile(rb"SET client_encoding = '([A-Za-z0-9_]+)';")
_STRINGS = b"SET standard_conforming_strings = 'on';"
_LONGEST_NAME = 120
_OIDS = re.compile(rb"(?:[0-9]{1,10}\n)*")
"""Of large objects, from PostgreSQL 17 on: pg_restore puts each line into ``SELECT pg_catalog.lo_create('…')``."""


class TocEntry(Struct, frozen=True, gc=False):
    """One entry of the table of contents: its kind, and the statements that create it."""

    number: int
    kind: str
    tag: str
    schema: str
    section: int
    defined: bytes
    copied: bytes
    has_rows: bool
    oid: str
    """Of what it creates."""
    owner: str
    begin: int
    end: int
    """Where it lies in the archive."""


class Contents(NamedTuple):
    """The table of contents of an archive: the version of its form, the entries, and where the data begins."""

    form: tuple[int, int]
    entries: list[TocEntry]
    end: int
    sizes: tuple[int, int]
    """Bytes of a number, without its sign, and of an offset."""


def read_contents(data: bytes) -> Contents:
    """Return the contents of the archive at the start of ``data``. Raises BrokenSet: ``truncated`` if more data is
    needed."""
    archive, head = read_archive_head(data)
    if head.entries > MOST_ENTRIES:
        raise BrokenSet(tr("its table of contents has implausibly many entries"))
    entries = [_entry(archive) for _number in range(head.entries)]
    return Contents(archive.version, entries, archive.at, (archive.int_bytes, archive.offset_bytes))


def _entry(archive: ArchiveReader) -> TocEntry:
    version, begin = archive.version, archive.at
    number = archive.number()
    has_rows = archive.number() != 0
    if version >= (1, 8):
        archive.raw()
    oid = archive.text()
    tag, kind = archive.text(), archive.text()
    section = archive.number() if version >= (1, 11) else 0
    defined, _dropped = archive.raw(), archive.raw()
    copied = archive.raw()
    schema = archive.text()
    if version >= (1, 10):
        archive.raw()
    if version >= (1, 14):
        archive.raw()
    if version >= (1, 16):
        archive.number()
    owner = archive.text()
    archive.raw()  # whether it has OIDs
    while archive.string() is not None:
        """What it depends on."""
    archive.offset()
    return TocEntry(number, kind, tag, schema, section, defined, copied, has_rows, oid, owner, begin, archive.at)


# An archive with entries for rows that pg_dump left out, or without entries (pg_backup_archiver.c: WriteToc;
# pg_dump.c: dumpTableData).


_NO_CATALOG = b"0"
"""pg_dump writes it for rows: the entry must not be taken for that of the table."""
_POSITION_UNKNOWN = b"\1"
"""Where pg_dump cannot go back in its output, it does not know where the rows are."""


class AddedRows(NamedTuple):
    """The rows of a table to add to an archive: the oid of the table, and the statement that loads them."""

    oid: int
    copied: str


def with_rows(data: bytes, contents: Contents, added: Sequence[AddedRows]) -> tuple[bytes, list[int]]:
    """Return the header and the table of contents of the archive at the start of ``data`` with entries for the rows of
    more tables, before those of all others, and the numbers of these entries. Raises KeyError for a table that is not
    in the archive, ValueError for one whose rows are."""
    tables = {each.oid: each for each in contents.entries if each.kind == "TABLE"}
    there = {each.oid for each in contents.entries if each.kind == "TABLE DATA"}
    number = max(each.number for each in contents.entries)
    made, numbers = [], []
    for oid, copied in added:
        if str(oid) in there:
            raise ValueError(f"the archive has rows of {oid}")
        number += 1
        numbers.append(number)
        made.append(_rows_entry(contents, number, tables[str(oid)], copied))
    count_at = contents.entries[0].begin - 1 - contents.sizes[0]
    at = next((each.begin for each in contents.entries if each.section in (_DATA, _POST_DATA)), contents.end)
    count = _number(len(contents.entries) + len(made), contents.sizes[0])
    begin = contents.entries[0].begin
    return b"".join((data[:count_at], count, data[begin:at], *made, data[at : contents.end])), numbers


def without_rows(data: bytes, contents: Contents, numbers: Collection[int]) -> bytes:
    """Return the header and the table of contents of the archive at the start of ``data`` without these entries."""
    kept = [data[each.begin : each.end] for each in contents.entries if each.number not in numbers]
    count_at = contents.entries[0].begin - 1 - contents.sizes[0]
    return b"".join((data[:count_at], _number(len(kept), contents.sizes[0]), *kept))


def _rows_entry(contents: Contents, number: int, table: TocEntry, copied: str) -> bytes:
    int_bytes, offset_bytes = contents.sizes

    def text(value: bytes) -> bytes:
        return _number(len(value), int_bytes) + value

    none = _number(-1, int_bytes)
    fields = [_number(number, int_bytes), _number(1, int_bytes), text(_NO_CATALOG), text(table.oid.encode())]
    fields += [text(table.tag.encode()), text(b"TABLE DATA"), _number(_DATA, int_bytes), none, none]
    fields += [text(copied.encode()), text(table.schema.encode()), none, none]
    if contents.form >= (1, 16):
        fields.append(_number(0, int_bytes))
    fields += [text(table.owner.encode()), text(b"false"), text(str(table.number).encode()), none]
    return b"".join(fields) + _POSITION_UNKNOWN + bytes(offset_bytes)


def _number(value: int, int_bytes: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(int_bytes, "little")


class ArchiveBeginning(NamedTuple):
    """What comes up to the end of the table of contents, and a little more."""

    data: bytes
    contents: Contents

    @property
    def head(self) -> bytes:
        """Up to the end of the table of contents."""
        return self.data[: self.contents.end]

    @property
    def more(self) -> bytes:
        """What is behind it."""
        return self.data[self.contents.end :]


async def beginning_of(dumped: AsyncGenerator[bytes, None]) -> ArchiveBeginning:
    """Read an archive up to the end of its table of contents. Raises BrokenSet, what ``dumped`` raises."""
    data, look_at = b"", 0
    async for block in dumped:
        data += block
        if len(data) >= look_at and (contents := _contents(data)) is not None:
            return ArchiveBeginning(data, contents)
        look_at = 2 * len(data)
    if (contents := _contents(data)) is None:
        raise BrokenSet(tr("its header is truncated"), truncated=True)
    return ArchiveBeginning(data, contents)


def _contents(head: bytes) -> Contents | None:
    """Return the table of contents, None where ``head`` ends before it does."""
    try:
        return read_contents(head)
    except BrokenSet as error:
        if error.truncated and len(head) < MOST_BYTES:
            return None
        raise


def executed_by(
    entries: list[TocEntry], heard: Callable[[ExecutedCodeFinder], None] = lambda _executing: None
) -> ExecutedCodeFinder:
    """Return the code that restoring the entries executes. Calls ``heard`` once with all of it; ``heard`` may raise."""
    executing = ExecutedCodeFinder()
    for entry in entries:
        _look(entry, executing)
    heard(executing)
    return executing


def _is_of_database(entry: TocEntry) -> bool:
    """Whether pg_restore skips the entry: entries about the database itself are restored only with --create."""
    about = entry.kind in ("ACL", "COMMENT", "SECURITY LABEL") and entry.tag.startswith("DATABASE ")
    return about or entry.kind in ("DATABASE", "DATABASE PROPERTIES")


def _look(entry: TocEntry, executing: ExecutedCodeFinder) -> None:
    if _is_of_database(entry):
        return
    name = f"{entry.kind} {entry.tag}"
    if entry.kind == "BLOB METADATA" and _OIDS.fullmatch(entry.defined) and not entry.copied:
        return
    for text in (entry.defined, entry.copied):
        if text.strip():
            _each(text, name, executing)
    if entry.has_rows and entry.kind == "TABLE DATA" and not COPY.fullmatch(entry.copied.strip()):
        executing.unseen(tr("rows stored as statements, which are not inspected"), name)
    if executing.fires and entry.kind in ("TRIGGER", "RULE") and entry.section != _POST_DATA:
        executing.unseen(tr("triggers and rules that come before rows"), name)


def _each(text: bytes, name: str, executing: ExecutedCodeFinder) -> None:
    """Inspect each statement of an entry. Text that pg_dump would not write is reported, because pg_restore sends it to
    the server all the same."""
    lexer = Lexer(_Statements(executing, name))
    try:
        if COPY.fullmatch(text.strip()):
            executing.statement(text.strip())
            return
        lexer.feed(text if text.rstrip().endswith(b";") else text + b"\n;")
        lexer.finish()
    except BrokenSet as error:
        executing.unseen(tr("statements that pg_dump never generates"), f"{name}: {error.message}"[:_LONGEST_NAME])


def _is_of_head(text: bytes) -> bool:
    encoding = _ENCODING.fullmatch(text)
    return text == _STRINGS or (encoding is not None and encoding[1].decode() in ENCODINGS)


class _Statements:
    """A ``ScriptListener`` that passes each statement to the finder."""

    def __init__(self, executing: ExecutedCodeFinder, name: str) -> None:
        self._executing, self._name = executing, name

    def statement(self, text: bytes, whole: bool) -> bool:
        """See ``psql_lexer.ScriptListener``. Settings that change quoting are reported unless they are at the start of
        an archive."""
        if _SET.match(text) and not _is_of_head(text):
            self._executing.unseen(tr("settings that pg_dump never generates"), self._name)
        self._executing.statement(text, whole=whole)
        return True

    def comment(self, text: bytes) -> None:
        """See ``psql_lexer.ScriptListener``."""

    def command(self, line: bytes) -> None:
        """See ``psql_lexer.ScriptListener``. Reports a psql command: pg_restore does not know commands and sends the
        line to the server."""
        told = clean(line[:60].decode("utf-8", "replace"))
        self._executing.unseen(tr("statements that pg_dump never generates"), told)

    def copied(self, table: bytes, rows: int) -> None:
        """See ``psql_lexer.ScriptListener``."""


async def looked_through(
    blocks: AsyncIterator[bytes], heard: Callable[[ExecutedCodeFinder], None]
) -> AsyncGenerator[bytes, None]:
    """Yield an archive unchanged, but only after its table of contents has been inspected: ``heard`` may raise before
    any of it runs. Use inside ``aclosing``."""
    held: list[bytes] = []
    size, look_at = 0, _FIRST_LOOK
    known = False
    async for block in blocks:
        if known:
            yield block
            continue
        held.append(block)
        size += len(block)
        if size >= look_at:
            known = _try(b"".join(held), heard, last=size >= MOST_BYTES)
            look_at = size * 2
            if known:
                for each in held:
                    yield each
                held = []
    if not known:
        _try(b"".join(held), heard, last=True)
        for each in held:
            yield each


async def executed_of(blocks: AsyncGenerator[bytes, None]) -> ExecutedCodeFinder:
    """Return the code that restoring an archive executes; reads only as far as the table of contents."""
    found: list[ExecutedCodeFinder] = []
    async with aclosing(blocks), aclosing(looked_through(blocks, found.append)) as passed:
        async for _block in passed:
            if found:
                break
    return found[0]


def _try(data: bytes, heard: Callable[[ExecutedCodeFinder], None], *, last: bool) -> bool:
    """Try to inspect the table of contents; return False if ``data`` ends before it does. ``last``: there is no more
    data."""
    try:
        if (archive := read_archive_head(data)[0]).version > KNOWN_FORM:
            heard(_unread(f"{archive.version[0]}.{archive.version[1]}"))
            return True
        entries = read_contents(data).entries
    except BrokenSet as error:
        if not error.truncated:
            raise
        if last:
            heard(_unread("?"))
        return last
    executed_by(entries, heard)
    return True


def _unread(form: str) -> ExecutedCodeFinder:
    executing = ExecutedCodeFinder()
    executing.unseen(tr("an archive whose table of contents cannot be inspected"), form)
    return executing
