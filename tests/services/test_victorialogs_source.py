"""The VictoriaLogs source over HTTP, against a stand-in that answers as its documents say."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs import http_source
from lilfox_tui.logs.filter.model import EVERYTHING, And, Filter, Not, Or, RegexMatch, TextMatch
from lilfox_tui.logs.http_source import PolledSource, ServerError
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, SourceSettings, Start
from lilfox_tui.logs.sources import victorialogs
from lilfox_tui.logs.sources.victorialogs import Options, open_source
from tests.services.http_stand_in import Reply, StandIn
from tests.services.victorialogs_server import VictoriaLogsServer


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(http_source, "RETRY_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(http_source, "AGAIN_S", (0.02,))


@pytest.fixture
async def server() -> AsyncIterator[VictoriaLogsServer]:
    made = VictoriaLogsServer()
    async with made.running():
        yield made


@asynccontextmanager
async def opened(server: StandIn, **options: object) -> AsyncIterator[PolledSource]:
    """The source on ``server``, closed at the end."""
    async with AsyncExitStack() as ending:
        host = LocalHost("here", HostConfig(local=True))
        ending.push_async_callback(host.close)
        keys = {"url": server.url, "every": Seconds(0.02), **options}
        source = open_source("vl", Options(**keys), SourceSettings(host=host, zone=UTC))  # type: ignore[arg-type]
        ending.push_async_callback(source.close)
        yield source


async def read(
    source: PolledSource,
    start: Start | None = None,
    *,
    older: bool = False,
    limit: int = 50,
    where: Filter = EVERYTHING,
) -> list[LogRecord]:
    found: list[LogRecord] = []
    more = start or (AtEnd() if older else AtBeginning())
    while True:
        page = await source.page(more, older=older, limit=limit, where=where)
        found = [*page.records, *found] if older else [*found, *page.records]
        if page.more is None:
            return found
        more = page.more


async def test_entries_of_one_nanosecond_stay_whole_over_pages_in_both_directions(server: VictoriaLogsServer) -> None:
    first = time.time_ns() - 10**9
    for number in range(200):
        server.add(first + number // 20, f"line {number % 50}", pod=f"p{number % 3}")
    server.add(first + 5, "line 1", pod="p1")  # the same twice is two
    async with opened(server) as source:
        everything = await read(source, limit=1000)
        assert len(everything) == len({record.place for record in everything}) == 201
        assert [record.entry.time_us for record in everything] == sorted(
            record.entry.time_us or 0 for record in everything
        )
        assert await read(source, limit=7) == everything
        assert await read(source, older=True, limit=11) == everything
        later = await read(source, AtTime(time_us=(first + 10**8) // 1000), limit=5)
        assert later == []


async def test_more_of_one_nanosecond_than_is_asked_for_is_refused_and_not_lost_in_silence(
    server: VictoriaLogsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(victorialogs, "_MOST", 3)
    at = time.time_ns() - 10**9
    async with opened(server) as source:
        for number in range(31):
            server.add(at, f"line {number}")
        with pytest.raises(LilFoxError, match="more than 30 entries in one nanosecond"):
            await read(source)


async def test_fields_levels_and_the_format_of_messages(server: VictoriaLogsServer) -> None:
    stamp = (time.time_ns() // 10**9 - 2) * 10**9
    server.add(stamp, json.dumps({"level": "ERROR", "message": "it broke", "pod": "own"}), pod="p", app="x")
    server.add(stamp + 1, "no level here", level="warn")
    async with opened(server, query="*") as source:
        first, second = await read(source)
    assert (first.entry.severity, first.entry.message) == (Severity.ERROR, "it broke")
    assert first.entry.time_us == stamp // 1000
    assert {"app": "x", "pod": "own"}.items() <= first.entry.fields.items()
    assert not {"_time", "_msg", "_stream", "_stream_id"} & set(first.entry.fields)
    assert second.entry.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (TextMatch("Time.out"), ' | filter _msg:~"Time\\\\.out"'),
        (TextMatch("time out"), ' | filter _msg:~"(?i)time\\\\ out"'),
        (And((TextMatch("a\"b"), RegexMatch("x+y"))), None),
        (Or((TextMatch("line 1"), TextMatch("line 2"))), ""),
        (Not(TextMatch("line")), ""),
        (EVERYTHING, ""),
    ],
)  # fmt: skip
async def test_what_is_searched_there_loses_no_match(
    server: VictoriaLogsServer, where: Filter, asked: str | None
) -> None:
    assert asked is None or victorialogs.searched(where) == asked
    stamp = time.time_ns() - 10**9
    for number, text in enumerate(["Time.out", "TIME OUT", "timeXout", 'a"b xxy', "line 1", "line 12", "none", "–"]):
        server.add(stamp + number, text)
    async with opened(server) as source:
        found = await read(source, where=where)
        assert found == [record for record in await read(source) if where.matches(record)]


async def test_following_finds_what_is_new_once(server: VictoriaLogsServer) -> None:
    stamp = time.time_ns() - 2 * 10**9
    server.add(stamp, "before")
    async with opened(server) as source, aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
        seen: list[str] = []
        async for batch in batches:
            seen += [item.entry.message for item in batch if isinstance(item, LogRecord)]
            if len(seen) == 1:
                server.add(time.time_ns(), "after")
                server.add(stamp + 1, "late")
            if len(seen) >= 3:
                break
    assert sorted(seen) == ["after", "before", "late"]


async def test_what_it_refuses_is_told(server: VictoriaLogsServer) -> None:
    async with opened(server, query="a | stats count()") as source:
        with pytest.raises(ServerError, match="returns 400: cannot parse query"):
            await read(source)
    empty = StandIn(lambda _: Reply(200, '{"hits": "12"}\n'))
    async with empty.running(), opened(empty) as source:
        with pytest.raises(ServerError, match="returns entries without a time"):
            await read(source)
    broken = StandIn(lambda _: Reply(200, "<html>\n"))
    async with broken.running(), opened(broken) as source:
        with pytest.raises(ServerError, match="does not return JSON"):
            await read(source)
