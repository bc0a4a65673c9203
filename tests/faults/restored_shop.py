"""The database ``shop`` of servers of two versions, to be restored while something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError
from tests.services.database_sets import DatabaseSet, databases, options_for, target, without_others
from tests.services.postgres import Postgres
from tests.services.postgres_backups import fresh, no_session_is_left


def rows(number: int) -> str:
    """The table ``users`` with so many rows, each of some 150 bytes."""
    return f"""
CREATE TABLE users (id int PRIMARY KEY, name text); CREATE INDEX ON users (name);
INSERT INTO users SELECT g, '用户 ' || g || repeat(md5(g::text), 3) FROM generate_series(1, {number}) g;
"""


ROWS = rows(6_000)
SUM = "SELECT count(*), sum(hashtextextended(u::text, 0)) FROM users u"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        running.csv("CREATE ROLE app LOGIN; CREATE ROLE creator LOGIN CREATEDB")
        yield running


@pytest.fixture(scope="module")
def other(server: Postgres) -> Iterator[Postgres]:
    """A server of the same version that has none of its roles."""
    with Postgres(version=int(server.csv("SHOW server_version")[0][0].split(".")[0])) as running:
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    """The database ``shop`` and the source that it is; all others are gone afterwards."""
    fresh(server, ROWS, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


@contextmanager
def untouched(server: Postgres) -> Iterator[None]:
    """What is done in here leaves ``shop`` as it was, and nothing beside it."""
    before = server.csv(SUM, database="shop")
    yield
    assert server.csv(SUM, database="shop") == before
    assert databases(server) == ["shop"]


async def failing(server: Postgres, options: PostgresqlOptions, kept: DatabaseSet) -> str:
    """What the restore of a set that cannot be restored says; everything is as it was."""
    with untouched(server):
        into = target(options, kept.task())
        with pytest.raises((BackupError, HostError)) as caught:
            await into.stage(lambda _done: None)
        await into.discard()
    return str(caught.value)
