"""The alert state on disk, which survives a crash, and the lock that lets only one process evaluate."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.model import Acknowledgement, Alert, Event, RuleView, Silence, Trouble
from lilfox_tui.alerts.notifier import Notification
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import ms_of

# The file ``alerts.db``: what must be there after a crash. Several LilFoxes may have it open at the same time.
#
# Each transaction is on the disk when it returns (WAL with synchronous=FULL), so neither kill -9 nor a loss of power
# takes anything back. Its texts are untrusted data.


VERSION = 1
BUSY_S = 5.0
"""How long another process may write before ours gives up."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Codes of SQLite: another connection has the file."""
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


_Suppressed = list[tuple[Labels, tuple[str, ...]]]


class DatabaseDamaged(LilFoxError):
    """Raised when the file is not a LilFox database or is damaged."""


class DatabaseBusy(LilFoxError):
    """Raised when another process has held the database's write lock for too long."""


class DatabaseNotWritable(LilFoxError):
    """Raised when the database cannot be written: the disk is full, broken or read-only."""


class AlertDatabase:
    """A connection to the alert database. Any thread may use it, one at a time. ``path`` is None for a database in
    memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file (mode 0600), creating it if necessary. Raises DatabaseDamaged, and LilFoxError if it cannot be
        used."""
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
    def from_file(cls, path: Path) -> AlertDatabase:
        """Return a database in memory with what can be read from ``path``, a file that cannot be written, so that
        silences stay in force."""
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
        """Close the connection; no call may follow."""
        with self._lock:
            self._connection.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises LilFoxError."""
        with self._told(), self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction: all that it writes is committed, or nothing. Raises LilFoxError."""
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
        """Return a number that changes when another process has written."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def leave_disk(self) -> None:
        """Continue in memory only, with all that can still be read. Raises LilFoxError."""
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
                tr("{path} was written by another version of LilFox ({version})", path=self.path, version=version),
                tr("Use that version, or move the file away: it contains the acknowledgements and silences."),
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
                raise DatabaseDamaged(
                    tr("{path} is damaged: {reason}", path=self.path, reason=error),
                    tr("Move the file away; LilFox then creates a new one."),
                ) from None
            message = tr("{path} cannot be used: {reason}", path=self.path, reason=error)
            if code in BUSY:
                raise DatabaseBusy(
                    message,
                    tr("Another process is writing to it. Try again; if that does not help, look for a LilFox process "
                       "that hangs."),
                ) from None  # fmt: skip
            kind = DatabaseNotWritable if code in _NOT_WRITABLE else LilFoxError
            raise kind(
                message,
                tr("Check that the disk has free space and that you may write to this file and its directory."),
            ) from None


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror or type(error).__name__) from None
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


# What outlives a run: alerts with their timers, who acknowledged them, silences, and what happened.


EVENTS_KEPT = 100_000
EVENTS_KEPT_FOR = timedelta(days=90)
SILENCES_KEPT_FOR = timedelta(days=5)
"""Silences that have ended are shown for so long, as in Alertmanager."""


class SavedGroup(Struct, frozen=True):
    """A rule group as it is saved after an evaluation at ``evaluated_ms``. ``keys`` maps a rule's identity to its
    key."""

    name: str
    evaluated_ms: int
    views: tuple[RuleView, ...]
    keys: Mapping[str, str]


SavedAlert = tuple[str, LiveAlert]
"""The identity of its rule, and the alert."""


class AlertStorage:
    """The saved state in ``database``. Every method blocks: call it from a thread. Raises LilFoxError."""

    def __init__(self, database: AlertDatabase) -> None:
        self.database = database
        self._troubles: bytes | None = None
        self._suppressed: bytes | None = None

    def groups(self) -> dict[str, SavedGroup]:
        """Return all groups by name."""
        rows = self.database.rows("SELECT evaluated_ms, body FROM rule_group")
        groups = (replace(_decode_group(body), evaluated_ms=evaluated_ms) for evaluated_ms, body in rows)
        return {group.name: group for group in groups}

    def alerts(self, group: str) -> dict[str, tuple[LiveAlert, ...]]:
        """A group's alerts, by the identity of their rule, in the order in which they began."""
        rows = self.database.rows("SELECT rule, body FROM alert WHERE grp = ?", (group,))
        found: dict[str, list[LiveAlert]] = {}
        for rule, body in rows:
            found.setdefault(rule, []).append(_decode_alert(body))
        return {rule: tuple(sorted(each, key=lambda one: one.active_at_ms)) for rule, each in found.items()}

    def keep(
        self,
        group: SavedGroup,
        changed: Iterable[SavedAlert],
        gone: Iterable[SavedAlert],
        events: Iterable[Event],
        ended: Iterable[Labels] = (),
    ) -> None:
        """Save the result of an evaluation in one transaction: the alerts that ``changed``, and those that are
        ``gone``, which are deleted. Also deletes the acknowledgements of the alerts in ``ended``."""
        with self.database.transaction() as write:
            body = msgspec.msgpack.encode(replace(group, views=tuple(_plain(view) for view in group.views)))
            write.execute("REPLACE INTO rule_group VALUES (?, ?, ?)", (group.name, group.evaluated_ms, body))
            write.executemany(
                "REPLACE INTO alert VALUES (?, ?, ?, ?)",
                ((group.name, rule, key(one.labels), msgspec.msgpack.encode(one)) for rule, one in changed),
            )
            write.executemany(
                "DELETE FROM alert WHERE grp = ? AND rule = ? AND labels = ?",
                ((group.name, rule, key(one.labels)) for rule, one in gone),
            )
            write.executemany("DELETE FROM acknowledgement WHERE labels = ?", ((key(one),) for one in ended))
            write.executemany("INSERT INTO event (at_ms, body) VALUES (?, ?)", map(_event_row, events))

    def evaluated(self, group: str, at_ms: int) -> None:
        """Record that a group was evaluated at ``at_ms`` without changes."""
        with self.database.transaction() as write:
            write.execute("UPDATE rule_group SET evaluated_ms = ? WHERE name = ?", (at_ms, group))

    def drop(self, group: str, events: Iterable[Event] = ()) -> None:
        """Delete a group and its alerts, and record the events of their end."""
        with self.database.transaction() as write:
            write.execute("DELETE FROM rule_group WHERE name = ?", (group,))
            write.execute("DELETE FROM alert WHERE grp = ?", (group,))
            write.executemany("INSERT INTO event (at_ms, body) VALUES (?, ?)", map(_event_row, events))

    def acknowledgements(self) -> dict[Labels, Acknowledgement]:
        """Return all acknowledgements, by the alert's labels."""
        rows = self.database.rows("SELECT labels, body FROM acknowledgement")
        return {_labels(text): msgspec.msgpack.decode(body, type=Acknowledgement) for text, body in rows}

    def acknowledge(self, labels: Labels, acknowledged: Acknowledgement | None, event: Event) -> None:
        """Save an acknowledgement, or delete it with None."""
        with self.database.transaction() as write:
            if acknowledged is None:
                write.execute("DELETE FROM acknowledgement WHERE labels = ?", (key(labels),))
            else:
                body = msgspec.msgpack.encode(acknowledged)
                write.execute("REPLACE INTO acknowledgement VALUES (?, ?)", (key(labels), body))
            write.execute("INSERT INTO event (at_ms, body) VALUES (?, ?)", _event_row(event))

    def suppressed(self) -> dict[Labels, tuple[str, ...]]:
        """Return by what the configuration of the evaluating process suppresses alerts."""
        rows = self.database.rows("SELECT body FROM trouble WHERE one = 1")
        return dict(msgspec.msgpack.decode(rows[0][0], type=_Suppressed)) if rows else {}

    def keep_suppressed(self, suppressed: Mapping[Labels, tuple[str, ...]]) -> None:
        """Save them for the processes that read this state, if they have changed since the last call."""
        body = msgspec.msgpack.encode(list(suppressed.items()))
        if body == self._suppressed:
            return
        with suppress(DatabaseBusy), self.database.transaction() as write:
            write.execute("REPLACE INTO trouble VALUES (1, ?)", (body,))
            self._suppressed = body

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the problems of the evaluating process."""
        rows = self.database.rows("SELECT body FROM trouble WHERE one = 0")
        return msgspec.msgpack.decode(rows[0][0], type=tuple[Trouble, ...]) if rows else ()

    def keep_troubles(self, troubles: Iterable[Trouble]) -> None:
        """Save the problems for the processes that read this state, if they have changed since the last call."""
        body = msgspec.msgpack.encode([replace(each, text=Message(str(each))) for each in troubles])
        if body == self._troubles:
            return
        with suppress(DatabaseBusy), self.database.transaction() as write:
            write.execute("REPLACE INTO trouble VALUES (0, ?)", (body,))
            self._troubles = body

    def silences(self) -> tuple[Silence, ...]:
        """Return all silences that are still saved, the one that ends last first; they are kept for five days after
        their end."""
        rows = self.database.rows("SELECT body FROM silence ORDER BY ends_ms DESC, id")
        return tuple(msgspec.msgpack.decode(body, type=Silence) for (body,) in rows)

    def keep_silence(self, silence: Silence, event: Event) -> None:
        """Save a new silence, or replace the one with the same id."""
        row = (silence.id, ms_of(silence.ends_at), msgspec.msgpack.encode(silence))
        with self.database.transaction() as write:
            write.execute("REPLACE INTO silence VALUES (?, ?, ?)", row)
            write.execute("INSERT INTO event (at_ms, body) VALUES (?, ?)", _event_row(event))

    def add_events(self, events: Iterable[Event]) -> None:
        """Save events."""
        with self.database.transaction() as write:
            write.executemany("INSERT INTO event (at_ms, body) VALUES (?, ?)", map(_event_row, events))

    def events(self, limit: int, *, since: datetime | None = None) -> tuple[Event, ...]:
        """Return the newest ``limit`` events, newest first; with ``since`` (aware), only those from then on."""
        since_ms = 0 if since is None else ms_of(since)
        rows = self.database.rows(
            "SELECT body FROM event WHERE at_ms >= ? ORDER BY at_ms DESC, id DESC LIMIT ?", (since_ms, limit)
        )
        return tuple(msgspec.msgpack.decode(body, type=Event) for (body,) in rows)

    def forget_old(self, now: datetime) -> None:
        """Delete events and silences that are too old."""
        with self.database.transaction() as write:
            write.execute("DELETE FROM event WHERE at_ms < ?", (ms_of(now - EVENTS_KEPT_FOR),))
            newest = "SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?"
            write.execute(f"DELETE FROM event WHERE id <= ({newest})", (EVENTS_KEPT,))  # noqa: S608  a constant
            write.execute("DELETE FROM silence WHERE ends_ms < ?", (ms_of(now - SILENCES_KEPT_FOR),))


def key(labels: Labels) -> str:
    """Return labels, which must be sorted, as a database key."""
    return msgspec.json.encode(labels).decode()


def _labels(text: str) -> Labels:
    return msgspec.json.decode(text, type=Labels)


def _event_row(event: Event) -> tuple[int, bytes]:
    return ms_of(event.at), msgspec.msgpack.encode(event)


def _plain(view: RuleView) -> RuleView:
    """Return ``view`` with its error rendered as text: the values inside a message may not be serializable."""
    return view if view.error is None else replace(view, error=Message(str(view.error)))


def _decode_group(body: bytes) -> SavedGroup:
    return msgspec.msgpack.decode(body, type=SavedGroup)


def _decode_alert(body: bytes) -> LiveAlert:
    return msgspec.msgpack.decode(body, type=LiveAlert)


# Messages that are yet to be taken by their receivers, and what each receiver knows. On the disk before it is sent.


class NotifiedAlert(Struct, frozen=True, gc=False):
    """An ``alert`` that a receiver knows to be firing, and the time ``at`` (aware UTC) of the last notification about
    it."""

    group: Labels
    thread: str
    at: datetime
    alert: Alert


class QueuedNotification(Struct, frozen=True):
    """A message in the outbox, after ``tries`` failed attempts; the next is at ``next_ms``."""

    number: int
    made_ms: int
    tries: int
    next_ms: int
    notice: Notification


class Outbox:
    """The outbox in ``database``. Every method blocks: call it from a thread. Raises LilFoxError."""

    def __init__(self, database: AlertDatabase) -> None:
        self._database = database

    def told(self, receiver: str) -> dict[Labels, NotifiedAlert]:
        """Return the alerts that a receiver knows to be firing, by labels."""
        rows = self._database.rows("SELECT body FROM told WHERE receiver = ?", (receiver,))
        found = (msgspec.msgpack.decode(body, type=NotifiedAlert) for (body,) in rows)
        return {one.alert.labels: one for one in found}

    def put(
        self, receiver: str, notices: Iterable[Notification], told: Iterable[NotifiedAlert], over: Iterable[Labels]
    ) -> None:
        """Queue messages, and save what the receiver will then know, in one transaction."""
        with self._database.transaction() as write:
            write.executemany(
                "INSERT INTO outbox (receiver, grp, made_ms, body) VALUES (?, ?, ?, ?)",
                ((receiver, key(one.group), ms_of(one.at), msgspec.msgpack.encode(one)) for one in notices),
            )
            write.executemany("DELETE FROM told WHERE receiver = ? AND labels = ?", ((receiver, key(o)) for o in over))
            write.executemany(
                "REPLACE INTO told VALUES (?, ?, ?)",
                ((receiver, key(one.alert.labels), msgspec.msgpack.encode(one)) for one in told),
            )

    def first_of_groups(self, receiver: str) -> list[QueuedNotification]:
        """Return the oldest notification of each group, sorted by due time. Notifications of a group are sent in
        order."""
        rows = self._database.rows(
            "SELECT min(number), made_ms, tries, next_ms, body FROM outbox WHERE receiver = ? GROUP BY grp", (receiver,)
        )
        waiting = [
            QueuedNotification(number, made, tries, due, msgspec.msgpack.decode(body, type=Notification))
            for number, made, tries, due, body in rows
        ]
        return sorted(waiting, key=lambda one: (one.next_ms, one.number))

    def count(self, receiver: str) -> int:
        """Return how many messages are queued for a receiver."""
        return int(self._database.rows("SELECT count(*) FROM outbox WHERE receiver = ?", (receiver,))[0][0])

    def receivers(self) -> tuple[str, ...]:
        """Return all receivers that have queued messages or know an alert."""
        rows = self._database.rows("SELECT receiver FROM outbox UNION SELECT receiver FROM told ORDER BY 1")
        return tuple(name for (name,) in rows)

    def done(self, number: int) -> None:
        """Remove a message that was accepted or given up."""
        with self._database.transaction() as write:
            write.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def later(self, number: int, next_ms: int) -> None:
        """Record that the message was not accepted; it is retried at ``next_ms``."""
        with self._database.transaction() as write:
            write.execute("UPDATE outbox SET tries = tries + 1, next_ms = ? WHERE number = ?", (next_ms, number))

    def release(self, receiver: str, but: Collection[int] = ()) -> tuple[int, ...]:
        """Make all notifications that wait for a retry due now, as if they had not been tried, except the numbers in
        ``but``; return the numbers of the others."""
        rows = self._database.rows("SELECT number FROM outbox WHERE receiver = ? AND tries > 0", (receiver,))
        numbers = tuple(number for (number,) in rows if number not in but)
        if numbers:
            with self._database.transaction() as write:
                write.executemany(
                    "UPDATE outbox SET tries = 0, next_ms = 0 WHERE number = ?", ((number,) for number in numbers)
                )
        return numbers

    def forget(self, receiver: str) -> None:
        """Delete everything saved for a receiver that was removed from the configuration."""
        with self._database.transaction() as write:
            write.execute("DELETE FROM outbox WHERE receiver = ?", (receiver,))
            write.execute("DELETE FROM told WHERE receiver = ?", (receiver,))


# Which of several LilFoxes with one state folder evaluates: the one that holds the lock on ``alerts.lock``.
#
# The lock goes with the process that holds it, however that ends (flock, which the kernel releases). A process that is
# stopped (SIGSTOP, a debugger, a frozen container) keeps it: so the holder gives signs of life, the file's time.


DATABASE = "alerts.db"
SILENT_S = 15.0
"""The holder gives a sign of life each second; without one for so long, it is said."""
_PID_BYTES = 20


class EvaluationLock:
    """The lock in ``folder`` that lets one process evaluate; without a folder (None) every process evaluates."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "alerts.lock"
        self._held: int | None = None

    def take(self) -> bool:
        """Try to take the lock; return whether it is ours. Raises LilFoxError if the file cannot be created."""
        if self._path is None or self._held is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise LilFoxError(tr("{path} cannot be used: {reason}", path=self._path, reason=error.strerror)) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._held = file
        with suppress(OSError):  # a full disk: it is ours all the same
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        self.show_life()
        return True

    def show_life(self) -> None:
        """Show the other processes that this one is alive."""
        if self._held is not None:
            with suppress(OSError):
                os.utime(self._held)

    def frozen(self, now: datetime) -> Message | None:
        """Return a message if the process that holds the lock has not updated its timestamp for too long; None if all
        is well. ``now`` is aware."""
        if self._path is None:
            return None
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(file, "rb") as opened:
            since = datetime.fromtimestamp(os.fstat(file).st_mtime, UTC)
            pid = opened.read(_PID_BYTES).decode("ascii", "replace") or "?"
        if (now - since).total_seconds() < SILENT_S:
            return None
        return tr(
            "the LilFox process that evaluates the rules (PID {pid}) has not responded since {since:%H:%M:%S} "
            "UTC and may be stopped. No alert notifications are sent: resume it (kill -CONT {pid}), or kill it "
            "(kill -KILL {pid})",
            pid=pid, since=since,
        )  # fmt: skip

    def is_held(self) -> bool:
        """Whether some process evaluates now. Takes the lock for a moment to find out; a process that starts evaluating
        in that moment tries again."""
        if self._path is None or not self._path.exists():
            return False
        if self.take():
            self.release()
            return False
        return True

    def release(self) -> None:
        """Release the lock, so that another process can evaluate."""
        if self._held is not None:
            with suppress(OSError):
                os.close(self._held)
            self._held = None
