"""The Elasticsearch and OpenSearch source over HTTP, against a stand-in that answers as their documents say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs import http_source
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, FieldMatch, Filter, Or, TextMatch
from lilfox_tui.logs.http_source import PolledSource, ServerError
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, SourceSettings, Start
from lilfox_tui.logs.sources import elasticsearch
from lilfox_tui.logs.sources.elasticsearch import Options, open_source
from tests.services import elasticsearch_server
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.http_stand_in import Reply
from tests.waiting import until

SECOND = "2026-11-20T10:00:00"
KINDS: tuple[Literal["elasticsearch", "opensearch"], ...] = ("elasticsearch", "opensearch")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(http_source, "RETRY_S", (0.01, 0.01))
    monkeypatch.setattr(http_source, "AGAIN_S", (0.02,))


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ElasticsearchServer]:
    made = ElasticsearchServer(request.param)
    async with made.running():
        yield made
    assert made.pits == {}, "each point in time is closed"


@asynccontextmanager
async def opened(server: ElasticsearchServer, form: str = "", **options: object) -> AsyncIterator[PolledSource]:
    """The source on ``server``, closed at the end."""
    async with AsyncExitStack() as ending:
        host = LocalHost("here", HostConfig(local=True))
        ending.push_async_callback(host.close)
        keys = {"url": server.url, "index": "app-*", "every": Seconds(0.02), **options}
        source = open_source("es", Options(**keys), SourceSettings(host=host, zone=UTC, format=form))  # type: ignore[arg-type]
        ending.push_async_callback(source.close)
        yield source


async def read(
    source: PolledSource, start: Start | None = None, *, older: bool = False, limit: int = 50
) -> list[LogRecord]:
    found: list[LogRecord] = []
    more = start or (AtEnd() if older else AtBeginning())
    while True:
        page = await source.page(more, older=older, limit=limit, where=EVERYTHING)
        found = [*page.records, *found] if older else [*found, *page.records]
        if page.more is None:
            return found
        more = page.more


def fill(server: ElasticsearchServer, count: int, *, each_second: int) -> None:
    """Documents of which so many share a second, in two indices."""
    for number in range(count):
        at = f"2026-11-20T10:{number // each_second // 60:02}:{number // each_second % 60:02}.000Z"
        server.add(f"app-{number % 2}", {"@timestamp": at, "message": f"m{number}", "level": "INFO"})


async def test_many_documents_of_one_time_are_each_given_once(server: ElasticsearchServer) -> None:
    """Each search sees those of one second in another order, as after a merge."""
    fill(server, 400, each_second=130)
    server.add("other", {"@timestamp": f"{SECOND}Z", "message": "not of the pattern"})
    async with opened(server) as source:
        everything = await read(source, limit=60)
        assert sorted(int(record.entry.message[1:]) for record in everything) == list(range(400))
        assert await read(source, older=True, limit=70) == everything
        assert everything == await read(source, limit=1000)


async def test_without_a_point_in_time_pages_are_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ElasticsearchServer(gives_pits=False)
    async with server.running(), opened(server) as source:
        fill(server, 400, each_second=130)
        everything = await read(source, limit=60)
        assert sorted(int(record.entry.message[1:]) for record in everything) == list(range(400))
        assert await read(source, older=True, limit=70) == everything
    asked = [request.path for request in server.requests]
    assert asked.count("/app-*/_pit") == asked.count("/app-*/_search/point_in_time") == 1


async def test_more_of_one_time_than_an_answer_holds_is_refused_where_there_is_no_tiebreak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elasticsearch, "_MOST", 200)
    monkeypatch.setattr(elasticsearch_server, "WINDOW", 200)
    server = ElasticsearchServer("opensearch")
    async with server.running(), opened(server) as source:
        fill(server, 230, each_second=230)
        with pytest.raises(LilFoxError, match="has 200 or more documents with the same time"):
            await read(source)
    assert server.pits == {}


async def test_edges_are_exact_between_milliseconds(server: ElasticsearchServer) -> None:
    for nanos in range(0, 3_000_000, 8000):
        server.add("app-1", {"@timestamp": f"{SECOND}.{nanos:09}Z", "message": str(nanos)})
    at_us = elasticsearch_server.stamp_of(f"{SECOND}Z") // 1000 + 1234
    async with opened(server) as source:
        older = await read(source, AtTime(at_us), older=True)
        newer = await read(source, AtTime(at_us))
    assert [int(record.entry.message) for record in older] == list(range(0, 1_234_000, 8000))
    assert [int(record.entry.message) for record in newer] == list(range(1_240_000, 3_000_000, 8000))


async def test_a_document_becomes_a_record(server: ElasticsearchServer) -> None:
    source_of = {
        "@timestamp": f"{SECOND}.5Z", "level": "ERROR", "message": "it broke", "module": "pay", "host": {"name": "web"},
        "exception": {"type": "ValueError", "message": "no"},
    }  # fmt: skip
    server.add("app-1", source_of)
    server.add("app-1", {"message": "of no time"})
    async with opened(server) as source:
        (record,) = await read(source)
    assert record.entry.severity is Severity.ERROR
    assert (record.entry.message, record.entry.module) == ("it broke", "pay")
    assert record.entry.fault is not None
    assert record.entry.fault.type == "ValueError"
    assert record.entry.fields["host"] == {"name": "web"}
    assert json.loads(record.raw) == source_of
    assert record.at == datetime(2026, 11, 20, 10, 0, 0, 500_000, UTC)
    assert record.place.endswith(":app-1/d0")


async def test_with_a_format_named_the_message_is_read_in_it(server: ElasticsearchServer) -> None:
    line = '127.0.0.1 - - [20/Nov/2026:10:00:00 +0000] "GET /pay HTTP/1.1" 502 12 "-" "curl"'
    server.add("app-1", {"@timestamp": f"{SECOND}Z", "message": line, "host": {"name": "web"}})
    async with opened(server, "access") as source:
        (record,) = await read(source)
    assert record.entry.severity is Severity.ERROR
    assert record.entry.fields["host"] == {"name": "web"}


async def test_a_filter_is_asked_for_there_and_what_it_finds_is_the_same(server: ElasticsearchServer) -> None:
    for number in range(400):
        message = f"order {number} paid" if number % 7 else f"order {number} refused"
        level = "ERROR" if number % 10 == 0 else "INFO"
        at = f"2026-11-20T10:00:{number // 10:02}Z"
        server.add("app-1", {"@timestamp": at, "message": message, "level": level, "status": 200 + number % 3})
    filters: list[Filter] = [
        AtLeast(Severity.ERROR),
        TextMatch("refused"),
        FieldMatch("status", "=", "201"),
        Or((TextMatch("refused"), TextMatch("39"))),
    ]
    async with opened(server) as source:
        everything = await read(source)
        for where in filters:
            before = len(server.requests)
            matching = [record for record in everything if where.matches(record)]
            assert 0 < len(matching) < 400
            page = await source.page(AtBeginning(), older=False, limit=1000, where=where)
            assert list(page.records) == matching
            searches = [r.json() for r in server.requests[before:] if r.path == "/_search"]
            assert all("match_all" not in str(search) for search in searches if "39" not in str(where))
    assert sum(request.path.endswith("/_field_caps") for request in server.requests) == 1


async def test_a_text_is_not_asked_for_where_not_all_is_indexed(server: ElasticsearchServer) -> None:
    server.dynamic = "false"
    server.add("app-1", {"@timestamp": f"{SECOND}Z", "message": "m", "note": "the needle is here", "level": "INFO"})
    async with opened(server) as source:
        page = await source.page(AtEnd(), older=True, limit=10, where=TextMatch("needle"))
        assert len(page.records) == 1
        server.first = [Reply(403, "")] * 3
    async with opened(server) as source:
        page = await source.page(AtEnd(), older=True, limit=10, where=TextMatch("needle"))
        assert len(page.records) == 1


async def test_an_api_key_is_sent_and_errors_say_what_the_server_says(
    server: ElasticsearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ES_KEY", "ApiKey hunter2")
    server.wanted = {"Authorization": "ApiKey hunter2"}
    fill(server, 3, each_second=1)
    async with opened(server, headers={"Authorization": SecretRef("env:ES_KEY")}) as source:
        assert len(await read(source)) == 3
        missing = {"type": "index_not_found_exception", "reason": "no such index [app-x]"}
        server.first = [Reply(404, {"error": {"root_cause": [missing], **missing}, "status": 404})] * 3
        with pytest.raises(ServerError, match=r"returns 404: index_not_found_exception: no such index \[app-x\]"):
            await read(source)


async def test_a_search_that_times_out_is_no_answer_and_called_so(server: ElasticsearchServer) -> None:
    fill(server, 3, each_second=1)
    server.timed_out = True
    async with opened(server) as source:
        with pytest.raises(ServerError, match="the search timed out and returned partial results"):
            await read(source)


async def test_a_part_of_the_shards_is_no_answer(server: ElasticsearchServer) -> None:
    fill(server, 3, each_second=1)
    server.failed_shards = 1
    async with opened(server) as source:
        with pytest.raises(ServerError, match=r"returned partial results \(failed shards: 1\)"):
            await read(source)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(200, {"tagline": "You Know, for Search"}), "does not respond like Elasticsearch"),
        (
            Reply(200, {"hits": {"hits": [{"_index": "a", "_id": "b", "sort": [None]}]}}),
            "returned a document without a time",
        ),
        (Reply(200, "x"), "does not return JSON"),
    ],
)
async def test_each_bad_answer_is_named(reply: Reply, says: str) -> None:
    server = ElasticsearchServer(gives_pits=False)
    async with server.running(), opened(server) as source:
        server.first = [Reply(405, ""), Reply(405, ""), reply]
        with pytest.raises(ServerError, match=says):
            await read(source)


async def test_documents_that_become_visible_late_are_followed(server: ElasticsearchServer) -> None:
    got: list[str] = []

    async def follow(source: PolledSource) -> None:
        async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
            async for batch in batches:
                got.extend(item.entry.message for item in batch if isinstance(item, LogRecord))

    def add(message: str, age_s: float) -> None:
        at = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=age_s)
        server.add("app-1", {"@timestamp": at.isoformat().replace("+00:00", "Z"), "message": message})

    async with opened(server) as source:
        following = asyncio.create_task(follow(source))
        try:
            add("first", 30)
            add("second", 1)
            await until(lambda: len(got) == 2, what="the first")
            add("late", 7)
            add("newest", 0)
            server.first = [None] * 12
            await until(lambda: len(got) == 4, what="what came late")
        finally:
            following.cancel()
            await asyncio.wait([following])
    assert sorted(got) == ["first", "late", "newest", "second"]
    await until(lambda: not server.pits, what="each point in time is closed")
