"""Requests that read row by row from a real PostgreSQL: found, mended by the statement of the fix, and gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.postgresql import repeated_statements
from lilfox_tui.audit.checks.postgresql.repeated_statements import in_one
from lilfox_tui.audit.model import NotKnown, Report, Target
from lilfox_tui.audit.run import Audit, judged, targets_of
from lilfox_tui.audit.targets import configuration
from lilfox_tui.audit.targets.configuration import CalledStatement, CallsAnswer, DatabaseCalls
from lilfox_tui.backends.kinds.postgresql import Options
from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.core.i18n import tr
from tests.services.http_stand_in import Reply, Request, StandIn
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import connect
from tests.waiting import turn

CHECK = "postgresql-repeated-statement"
LOADED = "shared_preload_libraries = 'pg_stat_statements'\n"
Work = Callable[[psycopg.Connection], None]


class Shop(StandIn):
    """An application with pages that list thirty books, each with its author."""

    def __init__(self, session: psycopg.Connection, work: Work) -> None:
        super().__init__(self._reply)
        self._session, self._work = session, work
        self._count = 0

    def _reply(self, request: Request) -> Reply:
        if request.path == "/metrics":
            text = f'# TYPE http_requests_total counter\nhttp_requests_total{{status="200"}} {self._count}\n'
            return Reply(200, text, {"Content-Type": "text/plain; version=0.0.4"})
        self._count += 1
        self._work(self._session)
        return Reply(200, "books")


@contextlib.asynccontextmanager
async def visited(shop: Shop) -> AsyncIterator[None]:
    """Somebody opens one page after another."""

    async def visit() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shop.url.rpartition(":")[2]))
        try:
            while True:
                writer.write(b"GET /books HTTP/1.1\r\nHost: shop\r\n\r\n")
                await reader.readuntil(b"books")
                await turn()
        finally:
            writer.close()
            await writer.wait_closed()

    async with shop.running():
        task = asyncio.create_task(visit())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def audited(server: Postgres, work: Work, *, depends: bool = True, visits: bool = True) -> Report:
    with connect(server, autocommit=True) as session:
        shop = Shop(session, work)
        async with visited(shop) if visits else shop.running():
            config = Config(
                backends={"db": Options(port=server.port, user=SUPERUSER)},
                services={"shop": ServiceConfig(url=shop.url, depends_on=("db",) if depends else ())},
            )
            return await Audit(config, timeout_s=60).run(chosen([CHECK]), targets_of(config))


def one_by_one(session: psycopg.Connection) -> None:
    for (author,) in session.execute("SELECT author_id FROM books LIMIT 30").fetchall():
        session.execute("SELECT authors.id, authors.name FROM authors WHERE authors.id = %s", (author,))


@pytest.mark.provokes(CHECK)
@pytest.mark.parametrize("version", [15, 17])
async def test_requests_that_read_row_by_row(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "WINDOW_S", 0.5)
    monkeypatch.setattr(repeated_statements, "WINDOW_S", 0.5)
    with Postgres(LOADED, version=version) as server:
        with connect(server, autocommit=True) as session:
            session.execute("CREATE TABLE authors AS SELECT id, 'name' AS name FROM generate_series(1, 30) AS id")
            session.execute("CREATE TABLE books AS SELECT id AS author_id FROM generate_series(1, 30) AS id")
            assert (await audited(server, one_by_one)).found == ()  # nothing counts its statements
            session.execute("CREATE EXTENSION pg_stat_statements")
        report = await audited(server, one_by_one)
        assert report.not_checked == ()
        (found,) = (each.finding for each in report.found)
        assert found.subject.startswith("db: ")
        assert str(found.evidence).startswith("in 0.5 s, shop served ")
        assert str(found.evidence).endswith(": SELECT authors.id, authors.name FROM authors WHERE authors.id = $1")
        (line,) = found.fix.lines

        def at_once(session: psycopg.Connection) -> None:
            authors = [author for (author,) in session.execute("SELECT author_id FROM books LIMIT 30").fetchall()]
            assert len(session.execute(line.replace("$1", "%s"), (authors,)).fetchall()) == 30

        after = await audited(server, at_once)
        assert (after.found, after.not_checked) == ((), ())
        assert [each.check.id for each in after.passed] == [CHECK]
        for report in (
            await audited(server, one_by_one, depends=False),
            await audited(server, one_by_one, visits=False),
        ):
            assert (report.found, report.not_checked, report.passed) == ((), (), ())


STATEMENTS = [
    ('SELECT "a"."id" FROM "a" WHERE "a"."id" = $1 LIMIT $2', 'SELECT "a"."id" FROM "a" WHERE "a"."id" = ANY($1)'),
    ("select *\nfrom a\n where b_id = $1 ORDER BY a.id", "select * from a where b_id = ANY($1)"),
    ("SELECT * FROM a WHERE id = $1 AND x = $2", None),
    ("SELECT * FROM a WHERE id = $1 FOR UPDATE", None),
    ("SELECT * FROM a WHERE id = ANY($1)", None),
    ("SELECT * FROM a WHERE id > $1", None),
    ("SELECT nextval($1)", None),
]


@pytest.mark.parametrize(("text", "together"), STATEMENTS)
def test_statements_that_select_by_one_key(text: str, together: str | None) -> None:
    assert in_one(CalledStatement("1", text, 1)) == together


def judge(*databases: DatabaseCalls | NotKnown) -> list[str]:
    answers = {"calls": CallsAnswer(databases)}
    return [
        each.finding.subject if hasattr(each, "finding") else str(getattr(each, "reason", "good"))
        for each in judged(Target("configuration", "x"), chosen([CHECK]), answers)
    ]


def calls(requests: float | None, count: int) -> DatabaseCalls:
    return DatabaseCalls("db", ("shop",), requests, (CalledStatement("7", "SELECT 1 FROM a WHERE id = $1", count),))


def test_how_often_is_too_often() -> None:
    assert judge(calls(20, 201)) == ["db: 7"]
    assert judge(calls(20, 200)) == ["good"]
    assert judge(calls(4, 1000)) == []  # too few to say
    assert judge(calls(None, 1000)) == []
    assert judge() == []
    assert judge(NotKnown(tr("db: gone")), calls(20, 300)) == ["db: 7", "db: gone"]
