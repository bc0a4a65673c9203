"""What every source of logs keeps: one body over each kind, over files, pipes, programs and stand-in servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace
from osmem_server import OsmemServer

from lilfox_tui.config.model import ClusterConfig, HostConfig, LogConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core import plugins
from lilfox_tui.core.plugins import LOG_SOURCES
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter, TextMatch
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, LogSource, SourceNotice, SourceSettings, Start
from lilfox_tui.logs.sources import (
    command,
    containers,
    elasticsearch,
    file,
    journald,
    kubernetes,
    loki,
    stdin,
    syslog,
    victorialogs,
)
from tests.ports import free_port
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.engine_stand_in import EngineStandIn
from tests.services.journal_host import JournalHost
from tests.services.kube_cluster import deployment, kube_cluster
from tests.services.loki_server import LokiServer
from tests.services.opensearch import OpenSearch, empty_cluster, opensearch_server
from tests.services.victorialogs_server import VictoriaLogsServer
from tests.waiting import until

KINDS = (
    "command",
    "containers",
    "elasticsearch",
    "file",
    "journald",
    "kubernetes",
    "loki",
    "opensearch",
    "osmem",
    "parallel_files",
    "stdin",
    "syslog",
    "victorialogs",
)
"""``elasticsearch`` and ``opensearch`` are our stand-ins, ``osmem`` is a server that others wrote."""
FEW = 137
"""Records at first; three of them share each time."""
FIRST_US = (time.time_ns() // 10**9 - 60) * 10**6
"""A minute ago: what is new has times that are new, too."""
LATE = Seconds(3600)


class Writing(Struct):
    """A source, and a way to write numbered records into what it reads."""

    source: LogSource
    write: Callable[[range], Awaitable[None]]


def time_of(number: int) -> int:
    return FIRST_US + number // 3 * 250_000


def line_of(number: int) -> str:
    at = (EPOCH.fromtimestamp(time_of(number) / 1e6, UTC)).replace(tzinfo=None).isoformat(timespec="microseconds")
    return json.dumps({"timestamp": f"{at}Z", "level": level_of(number), "message": f"number {number}"})


def level_of(number: int) -> str:
    return "ERROR" if number % 5 == 0 else "INFO"


def numbers(records: Sequence[LogRecord]) -> list[int]:
    return [int(record.entry.message.removeprefix("number ")) for record in records]


async def _file(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    path = folder / "app.log"

    async def write(which: range) -> None:
        with path.open("a") as opened:
            opened.writelines(line_of(number) + "\n" for number in which)

    await write(range(0))
    return Writing(file.open_source("it", file.Options(path=str(path)), setting), write)


async def _parallel_files(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    paths = [folder / f"svc{number}.log" for number in range(4)]

    async def write(which: range) -> None:
        for number in which:
            with paths[number * 7 % 4].open("a") as opened:
                opened.write(line_of(number) + "\n")

    return Writing(file.open_source("it", file.Options(path=str(folder / "svc*.log")), setting), write)


async def _command(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    written = await _file(ending, folder, setting)
    argv = ("tail", "-n", "+1", "--follow=name", str(folder / "app.log"))
    return Writing(command.open_source("it", command.Options(argv=argv), setting), written.write)


async def _containers(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    engine = EngineStandIn(folder)
    await engine.start()
    ending.push_async_callback(engine.stop)

    async def write(which: range) -> None:
        for number in which:
            engine.add(time_of(number) * 1000, line_of(number))

    return Writing(containers.open_source("it", containers.Options(socket=engine.socket), setting), write)


async def _kubernetes(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    cluster = ending.enter_context(kube_cluster())
    cluster.apply(deployment("web", image="shop/web:quiet", replicas=1))
    await asyncio.to_thread(cluster.settle)
    pod = cluster.pods("web")[0]["metadata"]["name"]

    async def write(which: range) -> None:
        for number in which:
            cluster.say(pod, line_of(number), stamp_ns=time_of(number) * 1000)

    shop = ("shop", ClusterConfig(kubeconfig=str(cluster.kubeconfig)))
    return Writing(kubernetes.open_source("it", kubernetes.Options(), replace(setting, cluster=shop)), write)


async def _stdin(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    reading, writing = os.pipe()
    ending.callback(os.close, reading)
    ending.callback(os.close, writing)

    async def write(which: range) -> None:
        text = "".join(line_of(number) + "\n" for number in which)
        await asyncio.to_thread(os.write, writing, text.encode())

    return Writing(stdin.open_source("it", stdin.Options(descriptor=reading), setting), write)


async def _journald(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    host = JournalHost()

    async def write(which: range) -> None:
        for number in which:
            priority = "3" if level_of(number) == "ERROR" else "6"
            host.add(time_of(number), f"number {number}", PRIORITY=priority)

    return Writing(journald.open_source("it", journald.Options(), SourceSettings(host=host, zone=UTC)), write)


async def _loki(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    server = LokiServer(max_entries=120)
    await ending.enter_async_context(server.running())

    async def write(which: range) -> None:
        for number in which:
            server.add(time_of(number) * 1000, line_of(number), job="lilfox", host=f"h{number % 2}")

    options = loki.Options(url=server.url, query='{job="lilfox"}', every=Seconds(0.02), late=LATE)
    return Writing(loki.open_source("it", options, setting), write)


async def _victorialogs(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    server = VictoriaLogsServer()
    await ending.enter_async_context(server.running())

    async def write(which: range) -> None:
        for number in which:
            server.add(time_of(number) * 1000, line_of(number), host=f"h{number % 2}")

    options = victorialogs.Options(url=server.url, every=Seconds(0.02), late=LATE)
    return Writing(victorialogs.open_source("it", options, setting), write)


async def _syslog(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    port = free_port()
    source = syslog.open_source("it", syslog.Options(listen=f"127.0.0.1:{port}"), setting)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)  # from now on it listens
    written = 0

    async def write(which: range) -> None:
        nonlocal written
        written += len(which)
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in which:
            at = EPOCH.fromtimestamp(time_of(number) / 1e6, UTC).isoformat(timespec="microseconds")
            priority = 11 if level_of(number) == "ERROR" else 14
            writer.write(f"<{priority}>1 {at} web app - - - number {number}\n".encode())
        writer.close()
        await writer.wait_closed()

        def arrived() -> bool:
            status = source.status.value
            return status is not None and (status.records or 0) >= written

        await until(arrived, what="all messages have arrived")

    return Writing(source, write)


async def _elastic(ending: AsyncExitStack, setting: SourceSettings, server: ElasticsearchServer) -> Writing:
    await ending.enter_async_context(server.running())

    async def write(which: range) -> None:
        for number in which:
            source = json.loads(line_of(number))
            server.add(f"lilfox-{number % 2}", {"@timestamp": source.pop("timestamp"), **source})

    options = elasticsearch.Options(url=server.url, index="lilfox-*", every=Seconds(0.02), late=LATE)
    return Writing(elasticsearch.open_source("it", options, setting), write)


async def _elasticsearch(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    return await _elastic(ending, setting, ElasticsearchServer())


async def _opensearch(ending: AsyncExitStack, folder: Path, setting: SourceSettings) -> Writing:
    return await _elastic(ending, setting, ElasticsearchServer("opensearch"))


async def _osmem(ending: AsyncExitStack, setting: SourceSettings, cluster: OpenSearch) -> Writing:
    await asyncio.to_thread(cluster.map_times, pattern="lilfox-*")

    async def write(which: range) -> None:
        sources = {number: json.loads(line_of(number)) for number in which}
        documents = [
            (f"lilfox-{number % 2}", {"@timestamp": source.pop("timestamp"), **source})
            for number, source in sources.items()
        ]
        if documents:
            await asyncio.to_thread(cluster.add, documents)

    options = elasticsearch.Options(url=cluster.url, index="lilfox-*", every=Seconds(0.02), late=LATE)
    return Writing(elasticsearch.open_source("it", options, setting), write)


@pytest.fixture(scope="module")
def osmem() -> Iterator[OsmemServer]:
    with opensearch_server() as server:
        yield server


@pytest.fixture(params=KINDS)
async def writing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Writing]:
    server = request.getfixturevalue("osmem") if request.param == "osmem" else None
    before = set(asyncio.all_tasks())
    children = child_processes()
    async with AsyncExitStack() as ending:
        host = LocalHost("here", HostConfig(local=True))
        ending.push_async_callback(host.close)
        setting = SourceSettings(host=host, zone=UTC, refuse=lambda argv: None)
        if server is not None:
            cluster = ending.enter_context(empty_cluster(server))
            made: Writing = await _osmem(ending, setting, cluster)
        else:
            made = await globals()[f"_{request.param}"](ending, tmp_path, setting)
        await made.write(range(FEW))
        yield made
        await made.source.close()
        await until(lambda: child_processes() <= children, what="no process stays")
    await until(lambda: set(asyncio.all_tasks()) <= before | {asyncio.current_task()}, what="no task stays")


def child_processes() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_each_kind_is_tested() -> None:
    assert set(plugins.kinds(LOG_SOURCES)) == set(KINDS) - {"opensearch", "osmem", "parallel_files"}


@pytest.mark.parametrize("kind", plugins.kinds(LOG_SOURCES))
def test_options_name_their_own_kind(kind: str) -> None:
    options = plugins.load(LOG_SOURCES, kind).Options
    assert issubclass(options, LogConfig)
    assert {field.name: field.default for field in fields(options)}["kind"] == kind


async def paged(
    source: LogSource, start: Start, *, older: bool, where: Filter = EVERYTHING, limit: int = 10
) -> list[LogRecord]:
    """All pages from ``start`` on, oldest first."""
    found: list[LogRecord] = []
    more: Start | None = start
    for _page in range(1000):
        assert more is not None
        page = await source.page(more, older=older, limit=limit, where=where)
        assert len(page.records) <= limit
        found = [*page.records, *found] if older else [*found, *page.records]
        more = page.more
        if more is None:
            return found
    raise AssertionError("it never ends")


async def all_there(source: LogSource) -> None:
    """A pipe and a program take a moment until all that was written is read."""
    for _try in range(200):
        if len(await paged(source, AtBeginning(), older=False, limit=1000)) == FEW:
            return
    raise AssertionError("not all was read")


async def test_paging_in_both_directions_gives_each_record_once_and_in_order(writing: Writing) -> None:
    await all_there(writing.source)
    newer = await paged(writing.source, AtBeginning(), older=False)
    assert [record.entry.time_us for record in newer] == sorted(time_of(number) for number in range(FEW))
    assert sorted(numbers(newer)) == list(range(FEW))
    assert await paged(writing.source, AtEnd(), older=True, limit=7) == newer
    assert len({record.place for record in newer}) == FEW
    assert {record.source for record in newer} == {"it"}
    assert all(record.size_bytes == len(record.raw) > 0 for record in newer)


async def test_a_moment_and_a_place_part_what_is_newer_from_what_is_older(writing: Writing) -> None:
    await all_there(writing.source)
    everything = await paged(writing.source, AtBeginning(), older=False)
    for at in (0, 1, 2, 50, 99, FEW - 1):
        place = AtPlace(everything[at].place)
        assert await paged(writing.source, place, older=True, limit=20) == everything[:at]
        assert await paged(writing.source, place, older=False, limit=20) == everything[at + 1 :]
    for time_us in (FIRST_US - 1, FIRST_US, time_of(60), time_of(60) + 1, time_of(FEW) + 10**6):
        older = await paged(writing.source, AtTime(time_us), older=True, limit=50)
        newer = await paged(writing.source, AtTime(time_us), older=False, limit=50)
        assert older + newer == everything
        assert all((record.entry.time_us or 0) < time_us for record in older)


@pytest.mark.parametrize(
    "where", [AtLeast(Severity.ERROR), TextMatch("number 1"), And((TextMatch("7"), TextMatch("number")))]
)
async def test_a_filter_gives_what_matches_and_a_place_holds_under_another(writing: Writing, where: Filter) -> None:
    await all_there(writing.source)
    everything = await paged(writing.source, AtBeginning(), older=False)
    matching = [record for record in everything if where.matches(record)]
    assert await paged(writing.source, AtBeginning(), older=False, where=where, limit=3) == matching
    assert await paged(writing.source, AtEnd(), older=True, where=where, limit=3) == matching
    for at in (1, 31, 32, 33, 100):
        place = AtPlace(everything[at].place)
        older = await paged(writing.source, place, older=True, where=where)
        newer = await paged(writing.source, place, older=False, where=where)
        assert older + [record for record in (everything[at],) if where.matches(record)] + newer == matching


async def test_nothing_lies_before_the_beginning_and_behind_the_end(writing: Writing) -> None:
    for start, older in ((AtBeginning(), True), (AtEnd(), False)):
        page = await writing.source.page(start, older=older, limit=10, where=EVERYTHING)
        assert (page.records, page.more) == ((), None)


async def followed(source: LogSource, start: Start, got: list[LogRecord], where: Filter = EVERYTHING) -> None:
    async with aclosing(source.follow(start, where)) as batches:
        async for batch in batches:
            for item in batch:
                assert not isinstance(item, SourceNotice), str(item.text)
                got.append(item)


async def test_following_gives_what_there_is_and_what_is_new_once(writing: Writing) -> None:
    got: list[LogRecord] = []
    following = asyncio.create_task(followed(writing.source, AtBeginning(), got))
    try:
        await until(lambda: len(got) >= FEW or following.done(), what="what was there")
        for begin in range(FEW, FEW + 60, 20):
            await writing.write(range(begin, begin + 20))
            await until(lambda end=begin + 20: len(got) >= end or following.done(), what="what is new")  # type: ignore[misc]
        assert not following.done() or following.result()
        assert sorted(numbers(got)) == list(range(FEW + 60))
        assert [record.place for record in got] == list(dict.fromkeys(record.place for record in got))
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_following_from_the_end_gives_only_what_is_new_and_matches(writing: Writing) -> None:
    await all_there(writing.source)
    got: list[LogRecord] = []
    following = asyncio.create_task(followed(writing.source, AtEnd(), got, AtLeast(Severity.ERROR)))
    try:
        end = 200
        while not got and end < 400:
            await writing.write(range(end, end + 5))
            end += 5
            with contextlib.suppress(AssertionError):
                await until(lambda: got or following.done(), timeout_s=0.5)
        await writing.write(range(end, end + 11))
        await until(lambda: following.done() or (got and numbers(got)[-1] == end + 10), what="what is new")
        assert not following.done() or following.result()
        assert numbers(got) == list(range(numbers(got)[0], end + 11, 5))
        assert numbers(got)[0] >= 200
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_the_status_says_what_is_read(writing: Writing) -> None:
    await all_there(writing.source)
    status = writing.source.status.value
    assert status is not None
    assert status.description
