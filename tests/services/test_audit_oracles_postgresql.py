"""pgbadger reads the log of a server, and the audit what the same server has counted: the statements that cost most."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import psycopg
import pytest

from lilfox_tui.audit.checks.postgresql.statements import MOST
from lilfox_tui.audit.checks.postgresql.statements import STATEMENTS as FACT
from lilfox_tui.audit.model import Facts
from lilfox_tui.audit.targets.postgresql import gather
from lilfox_tui.backends.kinds.postgresql import Options, open_session
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import connect

TABLE = "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 20000) i"
COSTLY = {
    "SELECT max(md5(md5(md5(note)))) FROM orders WHERE id <> {}": 40,
    "SELECT count(*) FROM orders WHERE note LIKE '%{}%'": 20,
    "SELECT count(*) FROM orders WHERE id = {}": 3,
}
"""How often each is executed. Their times are so far apart that no other load of the machine changes the order."""
SHORT = (
    "SELECT 1 WHERE {} IN (1, 2, 3)",
    "SELECT 1 WHERE {} IN (1, 2)",
    "SELECT 1 / ({} - {})",
    "BEGIN",
    "UPDATE orders SET note = '{}' WHERE id = -1",
    "COMMIT",
)
CALLS = 4
LIST = "pgbadger takes lists of all lengths for one statement, PostgreSQL before 18 does not"
ONLY_PGBADGER = {"select ? where ? in (...)": LIST}
ONLY_AUDIT = {
    "select ? where ? in (?, ?, ?)": LIST,
    "select ? where ? in (?, ?)": LIST,
    "select pg_stat_statements_reset()": "it begins the count, before the part of the log that is read",
}
_LITERAL = re.compile(r"\$\d+|\?|'[^']*'|\b\d+\b")


def shape(statement: str) -> str:
    """A statement without its values, in whichever way a program marks them."""
    return _LITERAL.sub("?", statement.lower().rstrip(";"))


def work(server: Postgres) -> None:
    """What an application does, and one statement that fails."""
    with connect(server, autocommit=True) as application:
        for statement, calls in COSTLY.items():
            for number in range(calls):
                application.execute(statement.format(number))
        for number in range(CALLS):
            for statement in SHORT:
                if "/" in statement:
                    with pytest.raises(psycopg.errors.DivisionByZero):
                        application.execute(statement.format(number, number))
                else:
                    application.execute(statement.format(number))


async def by_pgbadger(log: bytes, folder: Path) -> dict[str, tuple[int, float]]:
    """How often and for how many milliseconds each statement was executed."""
    (folder / "log").write_bytes(log)
    words = ["-q", "-f", "stderr", "-x", "json", "-p", "%m [%p] %q%u@%d ", "-T", "x", "-o", str(folder / "json")]
    badger = await asyncio.create_subprocess_exec("pgbadger", *words, str(folder / "log"), cwd=folder)
    assert await badger.wait() == 0
    read = json.loads((folder / "json").read_text())["normalyzed_info"]["postgres"]
    return {shape(text): (each["count"], each["duration"]) for text, each in read.items()}


async def by_audit(server: Postgres) -> dict[str, tuple[int, float]]:
    """The same as the audit reads it, the costliest first."""
    session = open_session("db", Options(port=server.port, user=SUPERUSER), None)
    answers = await gather(session, [FACT])
    again = await gather(session, [FACT])  # its own statements are counted now, and left out
    await session.close()
    first, second = (Facts(each)[FACT] for each in (answers, again))
    assert [each.id for each in first] == [each.id for each in second]
    return {shape(each.text): (each.calls, each.total_ms) for each in first}


async def test_pgbadger_agrees_on_each_statement(tmp_path: Path) -> None:
    with Postgres("shared_preload_libraries = 'pg_stat_statements'\nautovacuum = off\n", version=17) as server:
        server.csv(TABLE)
        server.csv("CREATE EXTENSION pg_stat_statements")
        server.csv("SELECT pg_stat_statements_reset()")
        begin = server.log.stat().st_size
        await asyncio.to_thread(work, server)
        theirs = await by_pgbadger(server.log.read_bytes()[begin:], tmp_path)
        ours = await by_audit(server)
    assert len(ours) < MOST
    assert theirs.keys() - ours.keys() == ONLY_PGBADGER.keys()
    assert ours.keys() - theirs.keys() == ONLY_AUDIT.keys()
    both = ours.keys() & theirs.keys()
    assert {each: ours[each][0] for each in both} == {each: theirs[each][0] for each in both}
    costly = {shape(text.format(1)): calls for text, calls in COSTLY.items()}
    assert {each: ours[each][0] for each in costly} == costly
    assert [each for each in ours if each in costly] == list(costly)  # by total time
    assert sorted(costly, key=lambda each: -theirs[each][1]) == list(costly)
    for each in costly:  # the log's durations have the planning too
        assert ours[each][1] <= theirs[each][1] * 1.01
