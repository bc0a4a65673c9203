"""Messages that are yet to be taken by their receivers, and what each receiver knows. On the disk before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from lilfox_tui.alerts.database import Database
from lilfox_tui.alerts.model import Alert
from lilfox_tui.alerts.notifier import Notice
from lilfox_tui.alerts.saved import key
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.instants import ms_of


class Told(Struct, frozen=True, gc=False):
    """A receiver was told that ``alert`` fires, last at ``at`` (aware UTC), and not yet that it is over."""

    group: Labels
    thread: str
    at: datetime
    alert: Alert


class Waiting(Struct, frozen=True):
    """A message in the outbox, after ``tries`` that failed; the next is at ``next_ms``."""

    number: int
    made_ms: int
    tries: int
    next_ms: int
    notice: Notice


class Outbox:
    """The outbox in ``database``. Everything blocks: call it from a thread. Raises LilFoxError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, receiver: str) -> dict[Labels, Told]:
        """What a receiver knows to fire, by labels."""
        rows = self._database.rows("SELECT body FROM told WHERE receiver = ?", (receiver,))
        found = (msgspec.msgpack.decode(body, type=Told) for (body,) in rows)
        return {one.alert.labels: one for one in found}

    def put(self, receiver: str, notices: Iterable[Notice], told: Iterable[Told], over: Iterable[Labels]) -> None:
        """Puts messages in, and with them what the receiver will then know; all or nothing."""
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

    def first_of_groups(self, receiver: str) -> list[Waiting]:
        """The oldest message of each group, that which is due first at the front: of a group, messages keep their
        order."""
        rows = self._database.rows(
            "SELECT min(number), made_ms, tries, next_ms, body FROM outbox WHERE receiver = ? GROUP BY grp", (receiver,)
        )
        waiting = [
            Waiting(number, made, tries, due, msgspec.msgpack.decode(body, type=Notice))
            for number, made, tries, due, body in rows
        ]
        return sorted(waiting, key=lambda one: (one.next_ms, one.number))

    def count(self, receiver: str) -> int:
        """How many messages wait for a receiver."""
        return int(self._database.rows("SELECT count(*) FROM outbox WHERE receiver = ?", (receiver,))[0][0])

    def receivers(self) -> tuple[str, ...]:
        """All for whom something waits, or who know something."""
        rows = self._database.rows("SELECT receiver FROM outbox UNION SELECT receiver FROM told ORDER BY 1")
        return tuple(name for (name,) in rows)

    def done(self, number: int) -> None:
        """The message was taken, or is given up."""
        with self._database.transaction() as write:
            write.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def later(self, number: int, next_ms: int) -> None:
        """The message was not taken; it is tried again at ``next_ms``."""
        with self._database.transaction() as write:
            write.execute("UPDATE outbox SET tries = tries + 1, next_ms = ? WHERE number = ?", (next_ms, number))

    def release(self, receiver: str, but: Collection[int] = ()) -> tuple[int, ...]:
        """What waits for another try, ``but`` for these messages, is due now, as if it had not been tried; gives its
        numbers."""
        rows = self._database.rows("SELECT number FROM outbox WHERE receiver = ? AND tries > 0", (receiver,))
        numbers = tuple(number for (number,) in rows if number not in but)
        if numbers:
            with self._database.transaction() as write:
                write.executemany(
                    "UPDATE outbox SET tries = 0, next_ms = 0 WHERE number = ?", ((number,) for number in numbers)
                )
        return numbers

    def forget(self, receiver: str) -> None:
        """The receiver is no more."""
        with self._database.transaction() as write:
            write.execute("DELETE FROM outbox WHERE receiver = ?", (receiver,))
            write.execute("DELETE FROM told WHERE receiver = ?", (receiver,))
