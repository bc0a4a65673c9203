"""One look at a PostgreSQL: what is asked, in which order, and the typed rows that came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from lilfox_tui.backends.backend import BackendError
from lilfox_tui.backends.postgresql import asks
from lilfox_tui.backends.postgresql.asks import Ask
from lilfox_tui.backends.postgresql.session import Answer, Refused, Session
from lilfox_tui.i18n import Message, tr

Row = TypeVar("Row", bound=Struct)


class Indexes(Struct, frozen=True):
    """What the statistics say of one database's indexes."""

    unused: tuple[asks.UnusedIndex, ...]
    duplicates: tuple[asks.DuplicateIndexes, ...]
    missing: tuple[asks.MissingIndex, ...]


class Look(Struct, frozen=True):
    """What one look got; a part that was refused is None, and ``refused`` says why (by the part's name)."""

    server: asks.Server
    pool: tuple[asks.Pool, ...] | None
    sessions: tuple[asks.SessionRow, ...] | None
    databases: tuple[asks.Database, ...] | None
    senders: tuple[asks.Sender, ...] | None
    receiver: asks.Receiver | None
    slots: tuple[asks.Slot, ...] | None
    slow: tuple[asks.SlowStatement, ...] | None
    indexes: Indexes | None
    refused: Mapping[str, Message] = field(default_factory=dict)


async def server_of(session: Session) -> asks.Server:
    """What the server is. Raises BackendError where it does not say, and what ``Session.run`` raises."""
    first = _Answers({"server": (await session.run([asks.SERVER.step]))[0]})
    servers = first.rows("server", asks.SERVER)
    if not servers:
        hint = tr("LilFox reads PostgreSQL 12 and newer; a pooler in between does not do.")
        raise BackendError(first.refused["server"], hint)
    return servers[0]


async def look(session: Session, *, with_indexes: bool) -> Look:
    """Asks the server what it is, then all that suits it. Raises as :func:`server_of`."""
    server = await server_of(session)
    slow, slots = asks.slow(server), asks.slots(server)
    wanted: dict[str, Ask[Any]] = {
        "pool": asks.POOL, "sessions": asks.SESSIONS, "databases": asks.DATABASES, "senders": asks.SENDERS,
        "receiver": asks.RECEIVER, "slots": slots,
    }  # fmt: skip
    if slow is not None:
        wanted["slow"] = slow
    if with_indexes:
        wanted |= {"unused": asks.UNUSED, "duplicates": asks.DUPLICATES, "missing": asks.MISSING}
    answers = await session.run([ask.step for ask in wanted.values()])
    got = _Answers(dict(zip(wanted, answers, strict=True)))
    return Look(
        server=server,
        pool=got.rows("pool", asks.POOL),
        sessions=got.rows("sessions", asks.SESSIONS),
        databases=got.rows("databases", asks.DATABASES),
        senders=got.rows("senders", asks.SENDERS),
        receiver=(got.rows("receiver", asks.RECEIVER) or (None,))[0],
        slots=got.rows("slots", slots),
        slow=None if slow is None else got.rows("slow", slow),
        indexes=_indexes(got) if with_indexes else None,
        refused=got.refused,
    )


def _indexes(got: _Answers) -> Indexes | None:
    unused, duplicates = got.rows("unused", asks.UNUSED), got.rows("duplicates", asks.DUPLICATES)
    missing = got.rows("missing", asks.MISSING)
    if unused is None or duplicates is None or missing is None:
        return None
    return Indexes(unused, duplicates, missing)


class _Answers:
    """Answers by the names of their parts."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.refused: dict[str, Message] = {}

    def rows(self, name: str, ask: Ask[Row]) -> tuple[Row, ...] | None:
        """The rows of one part; None where there are none to be had, of which ``refused`` then tells."""
        answer = self._answers[name]
        if isinstance(answer, Refused):
            self.refused[name] = tr(
                "the server refuses ({sqlstate}): {reason}", sqlstate=answer.sqlstate, reason=answer.said
            )
            return None
        try:
            return tuple(ask.rows(answer))
        except (msgspec.MsgspecError, IndexError) as error:
            self.refused[name] = tr("the server's answer is not what was asked for: {reason}", reason=str(error))
            return None
