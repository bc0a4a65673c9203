"""The source, and the exports for Elasticsearch, with an OpenSearch-compatible server that others wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC

import pytest
from osmem_server import OsmemServer

from lilfox_tui.cli.exports.elasticsearch import index_template
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, FieldMatch, Filter, Not, Or, TextMatch
from lilfox_tui.logs.http_source import PolledSource, ServerError
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.source import AtBeginning, SourceSettings
from lilfox_tui.logs.sources.elasticsearch import Options, open_source
from tests.services.opensearch import OpenSearch, empty_cluster, opensearch_server

ORDERS = 300


@pytest.fixture(scope="module")
def osmem() -> Iterator[OsmemServer]:
    with opensearch_server() as server:
        yield server


@pytest.fixture
def cluster(osmem: OsmemServer) -> Iterator[OpenSearch]:
    with empty_cluster(osmem) as made:
        made.map_times(pattern="app-*")
        yield made


@asynccontextmanager
async def opened(cluster: OpenSearch, index: str = "app-*") -> AsyncIterator[PolledSource]:
    """The source on ``cluster``, closed at the end."""
    host = LocalHost("here", HostConfig(local=True))
    options = Options(url=cluster.url, index=index)
    source = open_source("es", options, SourceSettings(host=host, zone=UTC))
    try:
        yield source
    finally:
        await source.close()
        await host.close()


def orders() -> Iterator[tuple[str, dict[str, object]]]:
    for number in range(ORDERS):
        yield (
            f"app-{number % 2}",
            {
                "@timestamp": f"2026-11-20T10:00:{number // 10:02}.{number % 10}00000000Z",
                "level": "ERROR" if number % 10 == 0 else "Info",
                "message": f"order {number} {'refused: 余额不足' if number % 7 == 0 else 'paid by card'}",
                "status": 200 + number % 3,
                "user": {"name": f"Ada-{number % 4}"},
            },
        )


FILTERS: list[Filter] = [
    AtLeast(Severity.ERROR),
    FieldMatch("level", "=", "info"),
    TextMatch("refused"),
    TextMatch("fuse"),
    TextMatch("余额"),
    TextMatch("by card"),
    FieldMatch("status", "=", "201"),
    FieldMatch("status", ">", "200"),
    FieldMatch("user.name", "=", "Ada-3"),
    Or((TextMatch("refused"), FieldMatch("status", "=", "202"))),
    Not(TextMatch("refused")),
]


@pytest.mark.parametrize("where", FILTERS, ids=str)
async def test_no_match_is_lost_by_what_the_server_searches(cluster: OpenSearch, where: Filter) -> None:
    await asyncio.to_thread(cluster.add, orders())
    async with opened(cluster) as source:
        everything = await source.page(AtBeginning(), older=False, limit=1000, where=EVERYTHING)
        assert len(everything.records) == ORDERS
        page = await source.page(AtBeginning(), older=False, limit=1000, where=where)
    matching = [record for record in everything.records if where.matches(record)]
    assert 0 < len(matching) < ORDERS
    assert list(page.records) == matching


async def test_more_documents_than_one_answer_holds(cluster: OpenSearch) -> None:
    """``index.max_result_window`` is 10,000."""
    times = (f"2026-11-20T{10 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in range(10_500))
    await asyncio.to_thread(cluster.add, (("app-1", {"@timestamp": at, "message": "tick"}) for at in times))
    async with opened(cluster) as source:
        page = await source.page(AtBeginning(), older=False, limit=20_000, where=EVERYTHING)
    assert len({record.place for record in page.records}) == 10_500


async def test_what_the_server_refuses_is_told(cluster: OpenSearch) -> None:
    async with opened(cluster, index="missing") as source:
        with pytest.raises(ServerError, match="no such index"):
            await source.page(AtBeginning(), older=False, limit=10, where=EVERYTHING)


async def test_the_exported_template_is_taken_and_its_fields_are_found(cluster: OpenSearch) -> None:
    """Without its lifecycle policy and data stream, which this server does not have."""
    template = json.loads(index_template(Config(), None))
    del template["data_stream"], template["template"]["settings"]["index.lifecycle.name"]
    await asyncio.to_thread(cluster.ask, "PUT", "/_index_template/lilfox", json.dumps(template))
    document = {
        "@timestamp": "2026-11-20T10:00:00Z",
        "message": "payment refused",
        "log": {"level": "error"},
        "http": {"response": {"status_code": 502}},
        "app": {"request_id": "r-1"},
    }
    index = "logs-lilfox-default"
    await asyncio.to_thread(cluster.add, [(index, document)])
    mapping = await asyncio.to_thread(cluster.ask, "GET", f"/{index}/_mapping")
    fields = mapping[index]["mappings"]["properties"]
    assert fields["http"]["properties"]["response"]["properties"]["status_code"]["type"] == "short"
    assert fields["app"]["properties"]["request_id"]["type"] == "keyword"
    query = {"bool": {"filter": [{"term": {"log.level": "error"}}, {"term": {"http.response.status_code": 502}}]}}
    found = await asyncio.to_thread(cluster.ask, "POST", f"/{index}/_search", json.dumps({"query": query}))
    assert [hit["_source"] for hit in found["hits"]["hits"]] == [document]
