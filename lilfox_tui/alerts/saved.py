"""What outlives a run: alerts with their timers, who acknowledged them, silences, and what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.database import Busy, Database
from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.model import Acknowledgement, Event, RuleView, Silence, Trouble
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.instants import ms_of

EVENTS_KEPT = 100_000
EVENTS_KEPT_FOR = timedelta(days=90)
SILENCES_KEPT_FOR = timedelta(days=5)
"""Silences that have ended are shown for so long, as in Alertmanager."""


class SavedGroup(Struct, frozen=True):
    """A group of rules after an evaluation at ``evaluated_ms``. ``keys`` leads from a rule's identity to its key."""

    name: str
    evaluated_ms: int
    views: tuple[RuleView, ...]
    keys: Mapping[str, str]


SavedAlert = tuple[str, LiveAlert]
"""The identity of its rule, and the alert."""


class Saved:
    """What is kept in ``database``. Everything blocks: call it from a thread. Raises LilFoxError."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._troubles: bytes | None = None

    def groups(self) -> dict[str, SavedGroup]:
        """All groups, by their names."""
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
        """Keeps what an evaluation gave, all or nothing: alerts that ``changed`` and those that are ``gone``.
        Acknowledgements of alerts that have ``ended``, or begin anew, end too."""
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
        """A group was evaluated at ``at_ms``, and nothing changed."""
        with self.database.transaction() as write:
            write.execute("UPDATE rule_group SET evaluated_ms = ? WHERE name = ?", (at_ms, group))

    def drop(self, group: str, events: Iterable[Event] = ()) -> None:
        """Forgets a group and its alerts, and keeps what that ended."""
        with self.database.transaction() as write:
            write.execute("DELETE FROM rule_group WHERE name = ?", (group,))
            write.execute("DELETE FROM alert WHERE grp = ?", (group,))
            write.executemany("INSERT INTO event (at_ms, body) VALUES (?, ?)", map(_event_row, events))

    def acknowledgements(self) -> dict[Labels, Acknowledgement]:
        """Who acknowledged what, by the alert's labels."""
        rows = self.database.rows("SELECT labels, body FROM acknowledgement")
        return {_labels(text): msgspec.msgpack.decode(body, type=Acknowledgement) for text, body in rows}

    def acknowledge(self, labels: Labels, acknowledged: Acknowledgement | None, event: Event) -> None:
        """Keeps an acknowledgement, or takes it away with None."""
        with self.database.transaction() as write:
            if acknowledged is None:
                write.execute("DELETE FROM acknowledgement WHERE labels = ?", (key(labels),))
            else:
                body = msgspec.msgpack.encode(acknowledged)
                write.execute("REPLACE INTO acknowledgement VALUES (?, ?)", (key(labels), body))
            write.execute("INSERT INTO event (at_ms, body) VALUES (?, ?)", _event_row(event))

    def troubles(self) -> tuple[Trouble, ...]:
        """What does not go as it should with the one that evaluates."""
        rows = self.database.rows("SELECT body FROM trouble")
        return msgspec.msgpack.decode(rows[0][0], type=tuple[Trouble, ...]) if rows else ()

    def keep_troubles(self, troubles: Iterable[Trouble]) -> None:
        """Keeps them for all who look, where they are others than at the last call."""
        body = msgspec.msgpack.encode([replace(each, text=Message(str(each))) for each in troubles])
        if body == self._troubles:
            return
        with suppress(Busy), self.database.transaction() as write:
            write.execute("REPLACE INTO trouble VALUES (0, ?)", (body,))
            self._troubles = body

    def silences(self) -> tuple[Silence, ...]:
        """All silences, those of the last five days that have ended too; the one that ends last first."""
        rows = self.database.rows("SELECT body FROM silence ORDER BY ends_ms DESC, id")
        return tuple(msgspec.msgpack.decode(body, type=Silence) for (body,) in rows)

    def keep_silence(self, silence: Silence, event: Event) -> None:
        """Keeps a new silence, or one of the same id in its place."""
        row = (silence.id, ms_of(silence.ends_at), msgspec.msgpack.encode(silence))
        with self.database.transaction() as write:
            write.execute("REPLACE INTO silence VALUES (?, ?, ?)", row)
            write.execute("INSERT INTO event (at_ms, body) VALUES (?, ?)", _event_row(event))

    def add_events(self, events: Iterable[Event]) -> None:
        """Keeps what happened."""
        with self.database.transaction() as write:
            write.executemany("INSERT INTO event (at_ms, body) VALUES (?, ?)", map(_event_row, events))

    def events(self, limit: int, *, since: datetime | None = None) -> tuple[Event, ...]:
        """The newest events, the newest first; from ``since`` (aware) on."""
        since_ms = 0 if since is None else ms_of(since)
        rows = self.database.rows(
            "SELECT body FROM event WHERE at_ms >= ? ORDER BY at_ms DESC, id DESC LIMIT ?", (since_ms, limit)
        )
        return tuple(msgspec.msgpack.decode(body, type=Event) for (body,) in rows)

    def forget_old(self, now: datetime) -> None:
        """Forgets events and silences that are too old."""
        with self.database.transaction() as write:
            write.execute("DELETE FROM event WHERE at_ms < ?", (ms_of(now - EVENTS_KEPT_FOR),))
            newest = "SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?"
            write.execute(f"DELETE FROM event WHERE id <= ({newest})", (EVENTS_KEPT,))  # noqa: S608  a constant
            write.execute("DELETE FROM silence WHERE ends_ms < ?", (ms_of(now - SILENCES_KEPT_FOR),))


def key(labels: Labels) -> str:
    """Labels as the key of a row; sorted labels give the same key."""
    return msgspec.json.encode(labels).decode()


def _labels(text: str) -> Labels:
    return msgspec.json.decode(text, type=Labels)


def _event_row(event: Event) -> tuple[int, bytes]:
    return ms_of(event.at), msgspec.msgpack.encode(event)


def _plain(view: RuleView) -> RuleView:
    """``view`` with its error as text: the values inside a message may be anything."""
    return view if view.error is None else replace(view, error=Message(str(view.error)))


def _decode_group(body: bytes) -> SavedGroup:
    return msgspec.msgpack.decode(body, type=SavedGroup)


def _decode_alert(body: bytes) -> LiveAlert:
    return msgspec.msgpack.decode(body, type=LiveAlert)
