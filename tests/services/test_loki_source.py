"""The Loki source over HTTP, against a stand-in that answers as Loki's documents say."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs import http_source
from lilfox_tui.logs.filter.model import EVERYTHING, Filter, Not, RegexMatch, TextMatch
from lilfox_tui.logs.http_source import PolledSource, ServerError
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, SourceSettings, Start
from lilfox_tui.logs.sources.loki import Options, open_source
from tests.services.http_servers import own_certificate
from tests.services.http_stand_in import Reply, StandIn
from tests.services.loki_server import LokiServer
from tests.services.sshd import sshd_lab
from tests.waiting import until

TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 3, in f', "    g()", "ValueError: no"]


def now_ns() -> int:
    return time.time_ns()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(http_source, "RETRY_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(http_source, "AGAIN_S", (0.02,))


@pytest.fixture
async def server() -> AsyncIterator[LokiServer]:
    made = LokiServer()
    async with made.running():
        yield made


@asynccontextmanager
async def opened(server: StandIn, host: Host | None = None, **options: object) -> AsyncIterator[PolledSource]:
    """The source on ``server``, closed at the end."""
    async with AsyncExitStack() as ending:
        if host is None:
            host = LocalHost("here", HostConfig(local=True))
            ending.push_async_callback(host.close)
        keys = {"url": server.url, "query": '{job="app"}', "every": Seconds(0.02), **options}
        source = open_source("loki", Options(**keys), SourceSettings(host=host, zone=UTC))  # type: ignore[arg-type]
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


def messages(records: list[LogRecord]) -> list[str]:
    return [record.entry.message for record in records]


async def test_entries_of_one_nanosecond_stay_whole_and_in_order_over_pages(server: LokiServer) -> None:
    first = now_ns() - 10**9
    for number in range(40):
        for line in TRACEBACK:
            server.add(first + number // 10, f"{number} {line}", job="app", pod="a")
            server.add(first + number // 10, f"{number} {line}", job="app", pod="b")
    async with opened(server) as source:
        everything = await read(source, limit=1000)
        assert len(everything) == 320
        assert len({record.place for record in everything}) == 320
        assert await read(source, limit=7) == everything
        assert await read(source, older=True, limit=11) == everything
    of_a = [record.raw.decode() for record in everything if record.entry.fields["pod"] == "a"]
    assert of_a == [f"{number} {line}" for number in range(40) for line in TRACEBACK]


async def test_a_smaller_limit_is_learnt_from_the_refusal() -> None:
    server = LokiServer(max_entries=30)
    async with server.running(), opened(server) as source:
        for number in range(100):
            server.add(now_ns() - 10**9 + number, f"line {number}", job="app")
        assert len(await read(source, limit=80)) == 100
    asked = [int(request.params["limit"]) for request in server.requests]
    assert asked[0] > 30
    assert max(asked[1:]) == 30


async def test_more_of_one_nanosecond_than_the_server_gives_is_refused_and_not_lost_in_silence() -> None:
    server = LokiServer(max_entries=30)
    at = now_ns() - 10**9
    async with server.running(), opened(server) as source:
        for number in range(31):
            server.add(at, f"line {number}", job="app")
        with pytest.raises(LilFoxError, match="more than 30 entries in one nanosecond"):
            await read(source)
        assert isinstance(source.status.state, Unavailable)


async def test_labels_become_fields_and_the_lines_own_fields_go_before(server: LokiServer) -> None:
    stamp = now_ns() - 10**9
    server.add(stamp, json.dumps({"level": "ERROR", "message": "it broke", "pod": "own"}), job="app", pod="p", app="x")
    server.add(stamp + 1000, "no level here", job="app", detected_level="warn")
    async with opened(server) as source:
        first, second = await read(source)
    assert (first.entry.severity, first.entry.message, first.entry.time_us) == (
        Severity.ERROR,
        "it broke",
        stamp // 1000,
    )
    assert {"job": "app", "app": "x", "pod": "own"}.items() <= first.entry.fields.items()
    assert second.entry.severity is Severity.WARNING


async def test_structured_metadata_joins_the_labels() -> None:
    stamp = now_ns() - 10**9
    values = [[str(stamp), "one", {"trace_id": "t1"}], [str(stamp + 1), "two", {"trace_id": "t2"}]]
    streams = [{"stream": {"job": "app"}, "values": values}]
    server = StandIn(lambda _: Reply(200, {"status": "success", "data": {"resultType": "streams", "result": streams}}))
    async with server.running(), opened(server, since=Seconds(60)) as source:
        assert [record.entry.fields["trace_id"] for record in await read(source)] == ["t1", "t2"]


async def test_a_filter_is_asked_for_there_and_what_it_finds_is_the_same(server: LokiServer) -> None:
    for number in range(300):
        server.add(
            now_ns() - 10**9 + number * 1000, f'order {number} "{"paid" if number % 7 else "Refused"}"', job="app"
        )
    filters: list[Filter] = [
        TextMatch("refused"),
        TextMatch("Refused"),
        RegexMatch(r"order 1\d "),
        Not(TextMatch("paid")),
        TextMatch('"paid"'),
    ]
    async with opened(server, since=Seconds(60)) as source:
        everything = await read(source)
        for where in filters:
            before = len(server.requests)
            page = await source.page(AtBeginning(), older=False, limit=1000, where=where)
            assert list(page.records) == [record for record in everything if where.matches(record)]
            assert 0 < len(page.records) < 300
            assert all(re.search(r"[|!][=~]", request.params["query"]) for request in server.requests[before:])


async def test_the_beginning_is_looked_for_in_spans_that_loki_takes(server: LokiServer) -> None:
    old = now_ns() - 59 * 86_400 * 10**9
    server.add(old, "very old", job="app")
    server.add(now_ns() - 10**9, "new", job="app")
    async with opened(server, since=Seconds(60 * 86_400)) as source:
        assert messages(await read(source)) == ["very old", "new"]
        assert messages(await read(source, older=True)) == ["very old", "new"]


@pytest.mark.parametrize("how", ["bearer", "basic", "tenant"])
async def test_credentials_are_sent_and_stay_out_of_sight(
    how: str, server: LokiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKI_SECRET", "hunter2" if how != "bearer" else "Bearer hunter2")
    secret = SecretRef("env:LOKI_SECRET")
    options: dict[str, object] = {
        "bearer": {"headers": {"Authorization": secret}},
        "basic": {"user": "fox", "password": secret},
        "tenant": {"headers": {"X-Scope-OrgID": secret}},
    }[how]  # type: ignore[assignment]
    server.add(now_ns() - 10**9, "in", job="app")
    basic = "Basic " + base64.b64encode(b"fox:hunter2").decode()
    server.wanted = {
        "bearer": {"Authorization": "Bearer hunter2"}, "basic": {"Authorization": basic},
        "tenant": {"X-Scope-OrgID": "hunter2"},
    }[how]  # fmt: skip
    async with opened(server, None, **options) as source:
        assert messages(await read(source)) == ["in"]
        server.wanted = {"Authorization": "another"}
        with pytest.raises(ServerError, match="returns 401: no credentials") as caught:
            await read(source)
        assert "headers, user and password" in str(caught.value.hint)
        shown = f"{caught.value!r} {caught.value.__dict__} {source.status.state} {source.__dict__}"
        assert "hunter2" not in shown
        assert basic not in shown


@pytest.mark.fault("S31")
async def test_a_redirect_is_not_followed_with_the_secret(server: LokiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKI_SECRET", "Bearer hunter2")
    elsewhere = LokiServer()
    async with elsewhere.running():
        server.first = [Reply(307, "", {"Location": f"{elsewhere.url}/loki/api/v1/query_range?token=x"})]
        async with opened(server, headers={"Authorization": SecretRef("env:LOKI_SECRET")}) as source:
            with pytest.raises(ServerError, match="not followed") as caught:
                await read(source)
    assert elsewhere.requests == []
    assert "token=x" not in str(caught.value)


async def test_what_passes_is_tried_again(server: LokiServer) -> None:
    server.add(now_ns() - 10**9, "in", job="app")
    server.first = [Reply(429, "too many", {"Retry-After": "0"}), None, Reply(503, "starting")]
    async with opened(server, since=Seconds(60)) as source:
        assert messages(await read(source)) == ["in"]
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(500, "it broke"), "returns 500: it broke"),
        (Reply(400, "parse error at line 1, col 3: unexpected x"), "returns 400: parse error at line 1, col 3"),
        (Reply(404, "404 page not found"), "returns 404"),
        (Reply(200, "<html>hello</html>"), "does not return JSON: <html>"),
        (Reply(200, {"data": {"resultType": "matrix", "result": []}}), "does not return log streams"),
        (
            Reply(200, {"data": {"resultType": "streams", "result": [{"values": [["x"]]}]}}),
            "does not return log streams",
        ),
        (Reply(200, "[" * 100_000), "does not return JSON"),
        (Reply(200, b"\x1f\x8b junk", {"Content-Encoding": "gzip"}), "the request to http://127.0.0.1:"),
    ],
)
async def test_each_bad_answer_is_named(reply: Reply, says: str, server: LokiServer) -> None:
    server.first = [reply] * 10
    async with opened(server) as source:
        with pytest.raises(ServerError) as caught:
            await read(source)
        state = source.status.state
    assert says in str(caught.value)
    assert "http://127.0.0.1:" in str(caught.value)
    assert isinstance(state, Unavailable)


@pytest.mark.fault("S32")
async def test_a_bomb_is_given_up(server: LokiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_source, "BODY_LIMIT", 1024 * 1024)
    server.first = [Reply(200, gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"})]
    async with opened(server) as source:
        with pytest.raises(ServerError, match=r"sent more than 1\.0M"):
            await read(source)


async def test_silence_is_an_error_in_time(server: LokiServer) -> None:
    server.silent = True
    async with opened(server, timeout=Seconds(0.3)) as source:
        with pytest.raises(ServerError, match=r"did not answer within 0\.3 s"):
            await read(source)
    assert len(server.requests) == 1


async def test_nothing_listens(server: LokiServer) -> None:
    async with opened(server, url="http://127.0.0.1:1") as source:
        with pytest.raises(ServerError, match=r"the request to http://127\.0\.0\.1:1 failed"):
            await read(source)


@pytest.mark.fault("S31")
async def test_an_unsigned_certificate_is_refused_unless_allowed(tmp_path: Path) -> None:
    server = LokiServer()
    async with server.running(own_certificate(tmp_path)):
        server.add(now_ns() - 10**9, "in", job="app")
        async with opened(server) as source:
            with pytest.raises(ServerError, match=r"(?i)certificate"):
                await read(source)
        async with opened(server, verify_tls=False) as source:
            assert messages(await read(source)) == ["in"]


async def test_it_is_asked_through_the_ssh_of_a_host(server: LokiServer) -> None:
    server.add(now_ns() - 10**9, "in", job="app")
    with sshd_lab() as lab:
        lab.sshd()
        host = open_host("there", lab.host(lab.servers[0]), lab.ssh())
        try:
            async with opened(server, host) as source:
                assert messages(await read(source)) == ["in"]
        finally:
            await host.close()
    assert server.requests[0].headers["host"] == server.url.removeprefix("http://")


async def test_following_through_ssh_goes_on_when_the_host_is_back(server: LokiServer) -> None:
    got: list[str] = []
    with sshd_lab() as lab:
        sshd = lab.sshd()
        host = open_host("there", lab.host(sshd), lab.ssh())
        try:
            async with opened(server, host, since=Seconds(60), timeout=Seconds(2)) as source:
                following = asyncio.create_task(follow_into(source, got))
                server.add(now_ns(), "before", job="app")
                await until(lambda: got == ["before"], what="it follows")
                await asyncio.to_thread(sshd.kill)
                await until(lambda: isinstance(source.status.state, Unavailable), what="the cut is noticed")
                server.add(now_ns(), "meanwhile", job="app")
                await asyncio.to_thread(sshd.start)
                await until(lambda: len(got) == 2 or following.done(), what="it goes on")
                following.cancel()
                await asyncio.wait([following])
        finally:
            await host.close()
    assert got == ["before", "meanwhile"]


async def follow_into(source: PolledSource, got: list[str]) -> None:
    async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
        async for batch in batches:
            got += [item.entry.message for item in batch if isinstance(item, LogRecord)]


async def test_following_survives_outages_and_takes_what_comes_late(server: LokiServer) -> None:
    base = now_ns()
    got: list[str] = []
    async with opened(server, since=Seconds(60)) as source:
        following = asyncio.create_task(follow_into(source, got))
        try:
            for number in range(10):
                server.add(base - 10**9 + number, f"line {number}", job="app")
            await until(lambda: len(got) == 10, what="the first")
            server.first = [Reply(500, "down")] * 12 + [None] * 8
            await until(lambda: isinstance(source.status.state, Unavailable), what="it says that it is down")
            server.add(base, "during the outage", job="app")
            server.add(base - 2 * 10**9, "late", job="app")
            await until(lambda: len(got) == 12, what="all that came")
            await until(lambda: isinstance(source.status.state, Ready), what="it is well again")
            assert not following.done()
        finally:
            following.cancel()
            await asyncio.wait([following])
    assert sorted(got) == sorted([*(f"line {number}" for number in range(10)), "during the outage", "late"])


async def test_following_ends_with_a_refusal(server: LokiServer) -> None:
    server.wanted = {"Authorization": "x"}
    async with opened(server) as source:
        with pytest.raises(ServerError, match="returns 401"):
            await follow_into(source, [])


async def test_answers_come_packed(server: LokiServer) -> None:
    server.add(now_ns() - 10**9, "in", job="app")
    async with opened(server) as source:
        await read(source)
    assert {request.headers["accept-encoding"] for request in server.requests} == {"gzip"}
