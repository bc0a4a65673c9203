"""Reads a plain dump (a psql script): checks that it is complete, finds what it contains, and makes a stream that is
safe to run.

What may be run holds none of psql's own commands; the dump's pair of ``\restrict`` is taken off and a fresh one with a
random key is put around it, so that psql refuses whatever this reader should have overlooked (CVE-2025-8714). It tells
nothing of SQL itself, which can do what the role may that runs it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from secrets import token_hex

from msgspec import Struct

from lilfox_tui.backup.postgresql.executed_code import ExecutedCode, ExecutedCodeFinder
from lilfox_tui.backup.postgresql.psql import DatabaseContent, DatabaseDetail, SequenceValue, TableContent
from lilfox_tui.backup.postgresql.psql_lexer import Lexer, command_refused, refused
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean, whole

HEADER = b"-- PostgreSQL database dump"
TRAILER = b"-- PostgreSQL database dump complete"
CLUSTER_HEADER = b"-- PostgreSQL database cluster dump"
CLUSTER_TRAILER = b"-- PostgreSQL database cluster dump complete"
_SERVER = re.compile(rb"-- Dumped from database version (\d+)(?:\.(\d+))?(?:\.(\d+))?")
_PROGRAM = re.compile(rb"-- Dumped by pg_dump version (\S+)")
_KEY = re.compile(rb"\\(un)?restrict ([A-Za-z0-9]+)\s*")
_CONNECT = re.compile(
    rb"\\connect (?:-reuse-previous=on \"dbname='(?P<conninfo>(?:[^'\\`]|\\.)*)'\""
    rb"|(?P<plain>[^\s\"'`\\:]+)|\"(?P<quoted>(?:[^\"`]|\"\")*)\")\s*"
)
_IDENTIFIER = rb"(?:[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|\"(?:[^\"]|\"\")*\")"
_OF_DATABASE = re.compile(rb"(?:CREATE|DROP|ALTER|COMMENT ON|SECURITY LABEL[^;]* ON) DATABASE\s", re.IGNORECASE)
_OWNER = re.compile(rb" OWNER TO (" + _IDENTIFIER + rb");\Z")
_EXTENSION = re.compile(rb"CREATE EXTENSION (?:IF NOT EXISTS )?(" + _IDENTIFIER + rb")")
_SETTING = re.compile(rb"SET ([a-z_]+) = '?([^;']*)'?;")
_LEXING = re.compile(rb"(?i)standard_conforming_strings|backslash_quote|client_encoding")
"""Settings that decide what is in quotes."""
_LEXING_SET = re.compile(rb"SET (?:standard_conforming_strings = (?:on|off)|client_encoding = '[A-Za-z0-9_]+');")
_MAY_SET = re.compile(rb"(?i)(?:SET|RESET|DISCARD|SELECT|ALTER|WITH|VALUES|TABLE|DO|CALL|EXECUTE|PREPARE|UPDATE)\b")
"""Statements that may change a setting; what stands in the body of a function is not run by itself."""
_SET = re.compile(rb"(?i)(?:SET|RESET|DISCARD)\b")
_CODED = re.compile(rb"(?i)U&\"|\bNAMES\b|\bALL\b")
"""In SET, RESET and DISCARD: names that are written in code, the other name of an encoding, all settings at once."""
_LONGEST_NAME = 64
_LITERAL = rb"(?:[eE]'(?:[^'\\]|\\.|'')*+'|'[^']*+'(?:'[^']*+')*+|-?[0-9.]++(?:e[+-]?[0-9]++)?|NULL|true|false|DEFAULT)"
_LITERALS = re.compile(
    rb"INSERT INTO [A-Za-z0-9_.]++ (?:\([A-Za-z0-9_, ]++\) )?VALUES \("
    + _LITERAL
    + rb"(?:, "
    + _LITERAL
    + rb")*+\);\n?",
    re.DOTALL,
)
"""Rows that call nothing, where backslashes escape in E'…' alone: dumps with ``--inserts`` hold millions of them."""
_SEQUENCE = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d+), (true|false)\);")
_LARGE_OBJECT = re.compile(rb"SELECT pg_catalog\.lo_create\('")
ENCODINGS = frozenset(
    ("UTF8", "SQL_ASCII", "MULE_INTERNAL", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "KOI8R", "KOI8U",
     *(f"LATIN{number}" for number in range(1, 11)), *(f"ISO_8859_{number}" for number in range(5, 9)),
     *(f"WIN{number}" for number in (866, 874, *range(1250, 1259))))
)  # fmt: skip
"""Of databases, by the names that pg_dump gives them. In others, which a client alone may have (SJIS, BIG5, GBK …), a
character may hold the byte of a quote or a backslash."""


class PlainDump(Struct, frozen=True, kw_only=True):
    """What is known about a complete plain dump."""

    database: str | None
    """Told by dumps with ``--create`` only."""
    server_version_num: int | None
    dumped_by: str
    encoding: str
    tables: dict[str, int]
    """Rows of each COPY."""
    sequences: dict[str, SequenceValue]
    large_objects: int
    inserts: int
    """Statements INSERT INTO: made with ``--inserts``, so that no rows can be counted."""
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    tablespaces: tuple[str, ...]
    executed: tuple[ExecutedCode, ...] = ()
    """What it runs at a restore."""

    def detail(self) -> DatabaseDetail:
        """Return the detail in the form of a current manifest."""
        tables = {name: TableContent(rows) for name, rows in self.tables.items()}
        return DatabaseDetail(
            database=self.database or "",
            server_version_num=self.server_version_num,
            dumped_by=self.dumped_by,
            encoding=self.encoding or None,
            extensions=dict.fromkeys(self.extensions, ""),
            tablespaces=self.tablespaces,
            roles=self.roles,
            content=DatabaseContent(tables=tables, sequences=self.sequences, large_objects=self.large_objects),
        )


class PlainReader:
    """Reads one dump block by block. ``cluster``: it has the globals of pg_dumpall. ``heard`` is called with the code
    that the dump executes whenever there is more of it, before the statement is passed on, and may raise."""

    def __init__(
        self, *, cluster: bool = False, heard: Callable[[ExecutedCodeFinder], None] = lambda _executing: None
    ) -> None:
        self._cluster = cluster
        self._heard = heard
        self._executing = ExecutedCodeFinder()
        self._told = 0
        self._header, self._trailer = (CLUSTER_HEADER, CLUSTER_TRAILER) if cluster else (HEADER, TRAILER)
        self._lexer = Lexer(self)
        self._headed = self._ended = False
        self._key: bytes | None = None
        self._restricted = self._opened = False
        self._database: str | None = None
        self._version_num: int | None = None
        self._program = self._encoding = ""
        self._tables: dict[str, int] = {}
        self._sequences: dict[str, SequenceValue] = {}
        self._large_objects = self._inserts = 0
        self._found: dict[str, dict[str, None]] = {"roles": {}, "extensions": {}, "tablespaces": {}}
        self._beginning = b""
        self._empty = True

    def feed(self, block: bytes) -> list[bytes]:
        """Return what may be passed on so far. Raises BrokenSet if it is not a dump, or contains something that must
        not run."""
        if len(self._beginning) < 64:
            self._beginning += block[:64]
            self._empty = self._empty and not block.strip()
            if self._beginning.startswith(b"PGDMP"):
                raise BrokenSet(tr("it is not a script but a dump in pg_dump's custom format"))
        return self._lexer.feed(block)

    def finish(self) -> tuple[list[bytes], PlainDump]:
        """Return the rest, and the facts of the dump. Raises BrokenSet if it is incomplete."""
        if self._empty:
            raise BrokenSet(tr("it is empty: the dump failed"))
        try:
            rest = self._lexer.finish()
        except BrokenSet:
            if not self._headed:
                raise self._no_dump() from None
            raise
        if not self._headed:
            raise self._no_dump()
        if not self._ended:
            raise BrokenSet(
                tr("it is truncated: the line “PostgreSQL database dump complete” is missing at its end"),
                tr("pg_dump was killed or the disk was full. Use an older set."),
            )
        return rest, PlainDump(
            database=self._database,
            server_version_num=self._version_num,
            dumped_by=self._program,
            encoding=self._encoding,
            tables=self._tables,
            sequences=self._sequences,
            large_objects=self._large_objects,
            inserts=self._inserts,
            executed=tuple(self._executing.found),
            **{name: tuple(found) for name, found in self._found.items()},
        )

    def statement(self, text: bytes, whole: bool) -> bool:
        """See :class:`psql_lexer.ScriptListener`."""
        if not self._headed:
            raise self._no_dump()
        if self._ended:
            raise refused(tr("there is a statement after its end: {statement}", statement=_shown(text)))
        if self._restricted and not self._opened:
            raise refused(tr("there is a statement after its unrestrict line: {statement}", statement=_shown(text)))
        if text.startswith(b"INSERT INTO ") and not self._must_look(text):
            self._inserts += 1
            return True
        if not self._cluster and _may_change_quotes(text, whole=whole):
            raise refused(tr("it changes how quotes are read in a way that cannot be tracked: {statement}",
                             statement=_shown(text)))  # fmt: skip
        if text[:12].upper() == b"INSERT INTO ":
            self._inserts += 1
        elif whole:
            self._learn(text)
        if _OF_DATABASE.match(text):
            return False
        if not self._cluster:
            self._look(text, whole=whole)
        return True

    def _must_look(self, text: bytes) -> bool:
        """Return whether rows must be inspected because they may call something: always, except rows of literals before
        any trigger was created."""
        return self._executing.fires or self._lexer.backslash_escapes or not _LITERALS.fullmatch(text)

    def _look(self, text: bytes, *, whole: bool) -> None:
        self._executing.statement(text, whole=whole, backslashes=self._lexer.backslash_escapes)
        if self._executing.count != self._told:
            self._told = self._executing.count
            self._heard(self._executing)

    def comment(self, text: bytes) -> None:
        """See :class:`psql_lexer.ScriptListener`."""
        line = text.rstrip()
        if line == self._header:
            self._headed = True
        elif line == self._trailer and self._headed:
            self._ended = True
        elif self._version_num is None and (found := _SERVER.match(line)):
            major, minor, patch = (whole(number or "0") for number in found.groups())
            self._version_num = major * 10000 + (minor if major >= 10 else minor * 100 + patch)
        elif not self._program and (found := _PROGRAM.match(line)):
            self._program = found[1].decode("ascii", "replace")

    def command(self, line: bytes) -> None:
        r"""See :class:`psql_lexer.ScriptListener`. Allows only the dump's own pair of \restrict, and one \connect."""
        if found := _KEY.fullmatch(line):
            opens = not found[1]
            if opens == self._opened or (self._key is not None and found[2] != self._key):
                raise command_refused(line)
            self._key, self._opened, self._restricted = found[2], opens, True
        elif (connect := _CONNECT.fullmatch(line)) and not self._opened:
            raw = connect["plain"] or (connect["quoted"] or b"").replace(b'""', b'"')
            if connect["conninfo"] is not None:
                raw = re.sub(rb"\\(.)", rb"\1", connect["conninfo"])
            name = raw.decode("utf-8", "replace")
            if self._database not in (None, name):
                raise BrokenSet(tr("it contains several databases: {names}", names=clean(f"{self._database}, {name}")))
            self._database = name
        else:
            raise command_refused(line)

    def copied(self, table: bytes, rows: int) -> None:
        """See :class:`psql_lexer.ScriptListener`."""
        name = table.decode("utf-8", "replace")
        self._tables[name] = self._tables.get(name, 0) + rows

    def _learn(self, text: bytes) -> None:
        if found := _SETTING.fullmatch(text):
            self._setting(found[1].decode(), found[2].decode("utf-8", "replace"))
        elif found := _SEQUENCE.fullmatch(text):
            name = found[1].decode("utf-8", "replace").replace("''", "'")
            self._sequences[name] = SequenceValue(whole(found[2]), found[3] == b"true")
        elif found := _EXTENSION.match(text):
            self._found["extensions"][_name(found[1])] = None
        elif _LARGE_OBJECT.match(text):
            self._large_objects += 1
        elif found := _OWNER.search(text):
            self._found["roles"][_name(found[1])] = None

    def _setting(self, name: str, value: str) -> None:
        if name == "client_encoding":
            self._encoding = value
            if value not in ENCODINGS:
                raise refused(tr("its encoding {encoding} may hide quotes", encoding=value[:_LONGEST_NAME]))
        elif name == "standard_conforming_strings":
            self._lexer.backslash_escapes = value == "off"
        elif name == "default_tablespace" and value:
            self._found["tablespaces"][value] = None

    def _no_dump(self) -> BrokenSet:
        return BrokenSet(
            tr("it is not a pg_dump script; it begins with {beginning}", beginning=_shown(self._beginning[:64]))
        )


async def safe_script(
    blocks: AsyncIterator[bytes], reader: PlainReader, found: list[PlainDump]
) -> AsyncGenerator[bytes, None]:
    r"""Yield the dump in a form that is safe to run in a psql that knows \restrict; at the end ``found`` contains its
    facts.

    Raises BrokenSet as soon as it is known that it must not be run or is not whole: what was passed on before may have
    been run, so run it where nothing is lost (a staging database). Use inside ``aclosing``.
    """
    key = token_hex(32).encode()
    yield b"\\restrict " + key + b"\n"
    async for block in blocks:
        for piece in await asyncio.to_thread(reader.feed, block):
            yield piece
    rest, dump = await asyncio.to_thread(reader.finish)
    for piece in rest:
        yield piece
    found.append(dump)
    yield b"\\unrestrict " + key + b"\n"


async def read_plain(blocks: AsyncIterator[bytes], *, cluster: bool = False) -> PlainDump:
    """Read a whole dump without passing anything on. Raises BrokenSet."""
    reader = PlainReader(cluster=cluster)
    async for block in blocks:
        await asyncio.to_thread(reader.feed, block)
    _, dump = await asyncio.to_thread(reader.finish)
    return dump


def _may_change_quotes(text: bytes, *, whole: bool) -> bool:
    """Return whether the statement may change how the text after it is read. Of the settings that do, only pg_dump's
    own SET is understood."""
    if not _MAY_SET.match(text) or _LEXING_SET.fullmatch(text):
        return False
    setting = _SET.match(text) is not None
    return _LEXING.search(text) is not None or (setting and (not whole or _CODED.search(text) is not None))


def _name(identifier: bytes) -> str:
    text = identifier.decode("utf-8", "replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _shown(text: bytes) -> str:
    return clean(text[:60].decode("utf-8", "replace"))
