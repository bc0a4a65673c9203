"""Facts of a PostgreSQL server. A fact's question is a query; its answer is the list of its rows, each a mapping of
columns to values as JSON has them. All queries run in read-only transactions with a time limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lilfox_tui.audit.facts import Fact, NotKnown
from lilfox_tui.backends.postgresql.session import PostgresSession, Statement, StatementRefused
from lilfox_tui.core.i18n import tr


async def gather(session: PostgresSession, facts: Sequence[Fact[Any]]) -> Mapping[str, list[Any] | NotKnown]:
    """The rows of each query; NotKnown for one that the server refuses. Raises BackendError, HostError, or LilFoxError
    if a secret cannot be read."""
    asked = {fact.name: fact for fact in facts}
    answers = await session.run([Statement(_as_json(fact.question)) for fact in asked.values()])
    return {name: _rows(answer) for name, answer in zip(asked, answers, strict=True)}


def _as_json(query: str) -> str:
    return f"SELECT row_to_json(fact)::text FROM ({query}) AS fact"  # noqa: S608  # the queries are our own


def _rows(answer: tuple[str, ...] | StatementRefused) -> list[Any] | NotKnown:
    if isinstance(answer, StatementRefused):
        return NotKnown(answer.message)
    try:
        return [msgspec.json.decode(row) for row in answer]
    except msgspec.DecodeError:
        return NotKnown(tr("the server's answer is not JSON"))
