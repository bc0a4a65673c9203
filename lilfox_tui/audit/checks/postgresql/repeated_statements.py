"""Statements that a request runs for one row after another (N+1), by the calls and the requests of the same seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.configuration import CALLS, WINDOW_S, CalledStatement, DatabaseCalls
from lilfox_tui.backends.postgresql.queries import without_secrets
from lilfox_tui.core.i18n import listed, tr

CALLS_A_REQUEST, REQUESTS_AT_LEAST = 10, 5
_TEXT = 300
_ONE_KEY = re.compile(
    r"(?P<column>(?:\"?\w+\"?\.){0,2}\"?\w+\"?) = \$\d+(?: ORDER BY [\w\". ,]+)?(?: LIMIT \$\d+)?;?",
    re.IGNORECASE,
)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Statements that select by one key, and are called far more often than there are requests."""
    unknown: NotKnown | None = None
    judged = False
    for each in facts[CALLS].databases:
        if isinstance(each, NotKnown):
            unknown = unknown or each
        elif each.requests is not None and each.requests >= REQUESTS_AT_LEAST:
            judged = True
            yield from _repeated(each, each.requests)
    if unknown is not None:
        raise unknown
    if not judged:
        raise Absent  # no service says on which database it depends, or none counted enough requests


def _repeated(database: DatabaseCalls, requests: float) -> Iterator[AuditFinding]:
    for statement in database.statements:
        if statement.calls <= CALLS_A_REQUEST * requests or (together := in_one(statement)) is None:
            continue
        evidence = tr(
            "in {time} s, {services} served {requests} requests, and {backend} ran {calls} times: {statement}",
            time=f"{WINDOW_S:g}",
            services=listed(database.services),
            requests=round(requests),
            backend=database.backend,
            calls=statement.calls,
            statement=" ".join(without_secrets(statement.text).split())[:_TEXT],
        )
        text = tr(
            "Read the rows of a request at once, as the line does: selectinload of SQLAlchemy, prefetch_related of "
            "Django, or a JOIN. If a background job runs it, read in batches there."
        )
        yield AuditFinding(f"{database.backend}: {statement.id}", evidence, Fix(text, lines=(together,)))


def in_one(statement: CalledStatement) -> str | None:
    """The statement for many keys; None if it is not one that selects by one key."""
    words = " ".join(statement.text.split())
    start = words.lower().rfind(" where ")
    match = _ONE_KEY.fullmatch(words, start + len(" where ")) if start >= 0 else None
    if match is None or " from " not in words.lower():
        return None
    return f"{words[: match.start()]}{match['column']} = ANY($1)"


CHECKS = (
    AuditCheck(
        "postgresql-repeated-statement",
        AuditSeverity.MEDIUM,
        tr("requests seem to read row by row"),
        tr("Each statement is a round trip: a page of a hundred rows waits a hundred times for the database."),
        (CALLS,),
        judge,
        "https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",
        PERFORMANCE,
        "configuration",
    ),
)
