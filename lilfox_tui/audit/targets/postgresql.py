"""Facts of a PostgreSQL server. A fact's question is a query, or one of the classes below; its answer is the list of
its rows, each a mapping of columns to values as JSON has them. All queries run in read-only transactions with a time
limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.audit.model import Fact, NotKnown
from lilfox_tui.backends.postgresql.inspect import explain
from lilfox_tui.backends.postgresql.session import PostgresSession, Statement, StatementRefused
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr

OWN_MARK = "row_to_json(fact)"
"""What all queries of an audit contain, so that they are known among the statements that are counted."""


class Composed(Struct, frozen=True):
    """A question whose query depends on the server: ``sql`` returns the query as one text. So what a role may not read
    is left out instead of refused, which would be an error in the server's log."""

    sql: str

    def __str__(self) -> str:
        return self.sql


class Plans(Struct, frozen=True):
    """A question for the plans of the statements whose ids in pg_stat_statements ``ids`` returns as its column ``id``.
    The rows have ``id`` and ``plan``, its lines, or ``refused``, why there is none. Nothing is executed."""

    ids: Composed

    def __str__(self) -> str:
        return f"EXPLAIN: {self.ids}"


async def gather(session: PostgresSession, facts: Sequence[Fact[Any]]) -> Mapping[str, list[Any] | NotKnown]:
    """The rows of each query; NotKnown for one that the server refuses. Raises BackendError, HostError, or LilFoxError
    if a secret cannot be read."""
    asked = {fact.name: fact.question for fact in facts}
    answers = await session.run([_statement(question) for question in asked.values()])
    found = {name: _rows(answer) for name, answer in zip(asked, answers, strict=True)}
    for name, question in asked.items():
        rows = found[name]
        if isinstance(question, Plans) and not isinstance(rows, NotKnown):
            found[name] = [await _plan(session, row["id"]) for row in rows]
    return found


def _statement(question: str | Composed | Plans) -> Statement:
    if isinstance(question, Plans):
        return _statement(question.ids)
    if isinstance(question, Composed):
        texts = f"'SELECT {OWN_MARK}::text FROM (' || ({question.sql}) || ') AS fact'"  # noqa: S608  # as below
        return Statement(f"SELECT {texts} AS lilfox", generated=True)  # among what is counted, texts are $1 and $2
    return Statement(f"SELECT {OWN_MARK}::text FROM ({question}) AS fact")  # noqa: S608  # the queries are our own


def _rows(answer: tuple[str, ...] | StatementRefused) -> list[Any] | NotKnown:
    if isinstance(answer, StatementRefused):
        return NotKnown(answer.message)
    try:
        return [msgspec.json.decode(row) for row in answer]
    except msgspec.DecodeError:
        return NotKnown(tr("the server's answer is not JSON"))


async def _plan(session: PostgresSession, statement_id: str) -> Mapping[str, Any]:
    try:
        plan = await explain(session, int(statement_id))
    except LilFoxError as error:
        return {"id": statement_id, "refused": error.message}
    return {"id": statement_id, "plan": list(plan.lines)}
