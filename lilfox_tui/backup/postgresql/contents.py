"""The table of contents of an archive in pg_dump's custom format (pg_backup_archiver.c: ReadToc), and what restoring
executes of it. All statements of an archive stand there, but for rows that were dumped as statements."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from msgspec import Struct

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.postgresql.custom import Archive, Cut, read_archive_head
from lilfox_tui.backup.postgresql.executing import Executing
from lilfox_tui.backup.postgresql.plain import ENCODINGS
from lilfox_tui.backup.postgresql.plain_lexer import COPY, Lexer
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean

MOST_BYTES = 64 * 1024 * 1024
"""Of a table of contents: that of some ten thousand tables."""
MOST_ENTRIES = 1_000_000
_FIRST_LOOK = 64 * 1024
_KNOWN = (1, 16)
"""The newest form that is known (PostgreSQL 17 and 18)."""
_POST_DATA = 4
_SET = re.compile(rb"(?i)(?:SET|RESET|DISCARD)\b")
_ENCODING = re.compile(rb"SET client_encoding = '([A-Za-z0-9_]+)';")
_STRINGS = b"SET standard_conforming_strings = 'on';"
_LONGEST_NAME = 120


class Entry(Struct, frozen=True, gc=False):
    """One line of the table of contents: what it is, and the statements that make it."""

    kind: str
    tag: str
    section: int
    defined: bytes
    copied: bytes
    has_rows: bool


def read_contents(data: bytes) -> list[Entry]:
    """All entries of the archive that ``data`` begins with. Raises Cut where more of it is needed, BrokenSet for what
    is no archive."""
    archive, head = read_archive_head(data)
    if head.entries > MOST_ENTRIES:
        raise BrokenSet(tr("its table of contents cannot be"))
    return [_entry(archive) for _number in range(head.entries)]


def _entry(archive: Archive) -> Entry:
    version = archive.version
    archive.number()  # its id
    has_rows = archive.number() != 0
    if version >= (1, 8):
        archive.raw()
    archive.raw()
    tag, kind = archive.text(), archive.text()
    section = archive.number() if version >= (1, 11) else 0
    defined, _dropped = archive.raw(), archive.raw()
    copied = archive.raw()
    archive.raw()  # its schema
    if version >= (1, 10):
        archive.raw()
    if version >= (1, 14):
        archive.raw()
    if version >= (1, 16):
        archive.number()
    archive.raw()  # its owner
    archive.raw()  # whether it has OIDs
    while archive.string() is not None:
        """What it depends on."""
    archive.offset()
    return Entry(kind, tag, section, defined, copied, has_rows)


def executed_by(entries: list[Entry], heard: Callable[[Executing], None] = lambda _executing: None) -> Executing:
    """What restoring the entries executes, in their order; ``heard`` is told all of it once, and may raise."""
    executing = Executing()
    for entry in entries:
        _look(entry, executing)
    heard(executing)
    return executing


def _is_of_database(entry: Entry) -> bool:
    """Whether pg_restore leaves it out: what is about the database itself is restored with --create alone."""
    about = entry.kind in ("ACL", "COMMENT", "SECURITY LABEL") and entry.tag.startswith("DATABASE ")
    return about or entry.kind in ("DATABASE", "DATABASE PROPERTIES")


def _look(entry: Entry, executing: Executing) -> None:
    if _is_of_database(entry):
        return
    name = f"{entry.kind} {entry.tag}"
    for text in (entry.defined, entry.copied):
        if text.strip():
            _each(text, name, executing)
    if entry.has_rows and entry.kind == "TABLE DATA" and not COPY.fullmatch(entry.copied.strip()):
        executing.unseen(tr("rows that are statements, which are not looked through"), name)
    if executing.fires and entry.kind in ("TRIGGER", "RULE") and entry.section != _POST_DATA:
        executing.unseen(tr("triggers and rules that come before rows"), name)


def _each(text: bytes, name: str, executing: Executing) -> None:
    """Each statement of an entry. What psql would not read as pg_dump's is no less sent to the server."""
    lexer = Lexer(_Statements(executing, name))
    try:
        if COPY.fullmatch(text.strip()):
            executing.statement(text.strip())
            return
        lexer.feed(text if text.rstrip().endswith(b";") else text + b"\n;")
        lexer.finish()
    except BrokenSet as error:
        executing.unseen(tr("statements that pg_dump does not write"), f"{name}: {error.message}"[:_LONGEST_NAME])


def _is_of_head(text: bytes) -> bool:
    encoding = _ENCODING.fullmatch(text)
    return text == _STRINGS or (encoding is not None and encoding[1].decode() in ENCODINGS)


class _Statements:
    """A ``Reader`` that has each statement judged."""

    def __init__(self, executing: Executing, name: str) -> None:
        self._executing, self._name = executing, name

    def statement(self, text: bytes, whole: bool) -> bool:
        """See ``plain_lexer.Reader``. What decides what is in quotes is set at the head of an archive alone."""
        if _SET.match(text) and not _is_of_head(text):
            self._executing.unseen(tr("settings that pg_dump does not make"), self._name)
        self._executing.statement(text, whole=whole)
        return True

    def comment(self, text: bytes) -> None:
        """See ``plain_lexer.Reader``."""

    def command(self, line: bytes) -> None:
        """See ``plain_lexer.Reader``: pg_restore has none, the server gets it."""
        told = clean(line[:60].decode("utf-8", "replace"))
        self._executing.unseen(tr("statements that pg_dump does not write"), told)

    def copied(self, table: bytes, rows: int) -> None:
        """See ``plain_lexer.Reader``."""


async def looked_through(
    blocks: AsyncIterator[bytes], heard: Callable[[Executing], None]
) -> AsyncGenerator[bytes, None]:
    """Passes an archive on, once its table of contents was looked through: ``heard`` may raise before anything of it is
    run. Use inside ``aclosing``."""
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


async def executed_of(blocks: AsyncGenerator[bytes, None]) -> Executing:
    """What restoring an archive executes; no more of it is read than its table of contents."""
    found: list[Executing] = []
    async with aclosing(blocks), aclosing(looked_through(blocks, found.append)) as passed:
        async for _block in passed:
            if found:
                break
    return found[0]


def _try(data: bytes, heard: Callable[[Executing], None], *, last: bool) -> bool:
    """Whether the table of contents is whole in ``data``, and was looked through; ``last``: no more of it comes."""
    try:
        if (archive := read_archive_head(data)[0]).version > _KNOWN:
            heard(_unread(f"{archive.version[0]}.{archive.version[1]}"))
            return True
        entries = read_contents(data)
    except Cut:
        if last:
            heard(_unread("?"))
        return last
    executed_by(entries, heard)
    return True


def _unread(form: str) -> Executing:
    executing = Executing()
    executing.unseen(tr("an archive whose table of contents cannot be looked through"), form)
    return executing
