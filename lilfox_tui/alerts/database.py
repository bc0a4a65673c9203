"""The file ``alerts.db``: what must be there after a crash. Several LilFoxes may have it open at the same time.

Each transaction is on the disk when it returns (WAL with synchronous=FULL), so neither kill -9 nor a loss of power
takes anything back. Its texts are untrusted data.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

VERSION = 1
BUSY_S = 5.0
"""How long another process may write before ours gives up."""
_NOT_WRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
_SCHEMA = """
CREATE TABLE rule_group (name TEXT PRIMARY KEY, evaluated_ms INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE alert (
    grp TEXT, rule TEXT, labels TEXT, body BLOB NOT NULL, PRIMARY KEY (grp, rule, labels)
) WITHOUT ROWID;
CREATE TABLE acknowledgement (labels TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE silence (id TEXT PRIMARY KEY, ends_ms INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE told (receiver TEXT, labels TEXT, body BLOB NOT NULL, PRIMARY KEY (receiver, labels)) WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, receiver TEXT NOT NULL, grp TEXT NOT NULL, made_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
CREATE INDEX outbox_order ON outbox (receiver, grp, number);
"""
_LATER = "CREATE TABLE IF NOT EXISTS trouble (one INTEGER PRIMARY KEY, body BLOB NOT NULL)"
"""What version 1 did not have from its beginning, and who does not know it passes over it."""


class Damaged(LilFoxError):
    """The file is no database of ours, or one that is broken."""


class Busy(LilFoxError):
    """Another process writes, and for long."""


class NotWritable(LilFoxError):
    """Nothing can be written: the disk is full, broken or read only."""


class Database:
    """One connection; any thread may use it, one at a time. ``path`` is None for a database in memory alone."""

    def __init__(self, path: Path | None) -> None:
        """Opens the file (0600), made if it is not there. Raises Damaged, and LilFoxError where it cannot be used."""
        self.path = path
        self._lock = threading.RLock()
        with self._told():
            self._connection = _opened(path)
        try:
            with self._told():
                self._set_up()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def from_file(cls, path: Path) -> Database:
        """In memory alone, with what can be read from ``path``, which cannot be written: silences go on."""
        made = cls(None)
        if not path.is_file():
            return made
        place = f"file:{quote(str(path))}?mode=ro"
        for way in (place, f"{place}&immutable=1"):  # the latter where not even its index of the log can be made
            with suppress(sqlite3.Error), closing(sqlite3.connect(way, uri=True)) as file:
                if file.execute("PRAGMA user_version").fetchone() == (VERSION,):
                    file.backup(made._connection)
                    made._connection.execute(_LATER)
                    break
        return made

    def close(self) -> None:
        """Nothing may be asked after it."""
        with self._lock:
            self._connection.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a question. Raises LilFoxError."""
        with self._told(), self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written in the block is on the disk after it, or nothing of it. Raises LilFoxError."""
        with self._told(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def changed_elsewhere(self) -> int:
        """A number that differs once another process has written."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def leave_disk(self) -> None:
        """Goes on in memory alone, with all that can still be read. Raises LilFoxError."""
        with self._told(), self._lock:
            memory = _opened(None)
            with suppress(sqlite3.Error):
                self._connection.backup(memory)
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection, self.path = memory, None
            if memory.execute("PRAGMA user_version").fetchone() != (VERSION,):
                memory.close()
                self._connection = _opened(None)
                self._set_up()

    def _set_up(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self.transaction() as connection:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in _SCHEMA.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise LilFoxError(
                tr("{path}: written by another version of LilFox ({version})", path=self.path, version=version),
                tr("Use that version, or move the file away: acknowledgements and silences are in it."),
            )
        if not execute("SELECT 1 FROM sqlite_master WHERE name = 'trouble'").fetchone():
            execute(_LATER)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise Damaged(
                    tr("{path}: damaged: {reason}", path=self.path, reason=error),
                    tr("Move it away; LilFox then begins a new one."),
                ) from None
            kind = NotWritable if code in _NOT_WRITABLE else Busy if code == sqlite3.SQLITE_BUSY else LilFoxError
            raise kind(
                tr("{path}: cannot be used: {reason}", path=self.path, reason=error),
                tr("Is there space on the disk, and may you write there?"),
            ) from None


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror or type(error).__name__) from None
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
