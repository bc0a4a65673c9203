"""Log files of an SSH host: the same records as from here, with little on the wire, also where only BusyBox is."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.errors import FileRefused
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.files import log_file_set, one_log, pages, remote
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.files.remote import RemoteLogFile
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter, Not, TextMatch
from lilfox_tui.logs.record import LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, LogSource, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
from tests.faults.relay import Relay
from tests.services.sshd import SshdLab, busybox_only, sshd_lab
from tests.unit.logs.files.written import START, console_log, local_logs, local_source, raws, read_all
from tests.waiting import until

FILTERS: list[Filter] = [
    EVERYTHING,
    AtLeast(Severity.ERROR),
    TextMatch("token49"),
    TextMatch("TOKEN"),
    And((TextMatch("request"), Not(AtLeast(Severity.ERROR)))),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        made.sshd(busybox_only(made))
        yield made


@pytest.fixture(params=["gnu", "busybox"])
async def host(request: pytest.FixtureRequest, lab: SshdLab) -> AsyncIterator[Host]:
    made = open_host("web", lab.host(lab.servers[["gnu", "busybox"].index(request.param)]), lab.ssh())
    yield made
    await made.close()


def source_on(host: Host, path: Path | str, *, rotated: bool = True) -> LogSource:
    return open_source("app", Options(path=str(path), rotated=rotated), SourceSettings(host, UTC))


async def test_the_busybox_host_has_nothing_else(lab: SshdLab) -> None:
    host = open_host("small", lab.host(lab.servers[1]), lab.ssh())
    done = await host.run(["sh", "-c", "command -v rg; grep --help 2>&1"])
    await host.close()
    assert done.stdout.startswith(b"BusyBox")


@pytest.mark.parametrize("older", [False, True])
async def test_records_are_those_that_are_read_here(tmp_path: Path, host: Host, older: bool) -> None:
    parts = [console_log(part, 400, first=400 * part, longest=40_000) for part in range(4)]
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(parts[0]))
    (tmp_path / "app.log.2").write_bytes(parts[1])
    (tmp_path / "app.log.1").write_bytes(parts[2] + b"\0\xff@@LILFOX-END@@ 1\n" * 5)
    path = tmp_path / "app.log"
    path.write_bytes(parts[3])
    here, there = local_source(path), source_on(host, path)
    start = AtEnd() if older else AtBeginning()
    for where in FILTERS:
        expected = await read_all(here, start, where, older=older, limit=150)
        assert await read_all(there, start, where, older=older, limit=150) == expected
    assert len(await read_all(here, start, EVERYTHING, older=older, limit=500)) == sum(len(raws(one)) for one in parts)
    at = AtTime(microseconds(START + timedelta(seconds=777)))
    assert (await there.page(at, older=False, limit=9, where=EVERYTHING)).records == (
        await here.page(at, older=False, limit=9, where=EVERYTHING)
    ).records
    await here.close()
    await there.close()


@pytest.mark.parametrize("server", [0, 1], ids=["gnu", "busybox"])
async def test_a_filter_brings_little_more_over_the_wire_than_what_it_finds(
    tmp_path: Path, lab: SshdLab, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SEARCH_S", 60.0)  # on a busy machine pages come back with less: more of them, and more
    line = '{"timestamp": "2026-11-24T10:00:00.%06d", "level": "%s", "message": "request %s"}\n'
    made = random.Random(1)
    lines = [line % (n, "ERROR" if made.random() < 0.04 else "INFO", made.randbytes(150).hex()) for n in range(60_000)]
    path = tmp_path / "app.log"
    path.write_text("".join(lines))
    hits = [one for one in lines if "ERROR" in one]
    async with Relay(lab.servers[server]) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        host = open_host("web", lab.host(lab.servers[server], address=relay.address, port=relay.port), lab.ssh())
        source = source_on(host, path)
        await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        before = relay.carried_bytes
        found = await read_all(source, AtBeginning(), AtLeast(Severity.ERROR), older=False, limit=500)
        carried = relay.carried_bytes - before
        await source.close()
        await host.close()
    assert len(found) == len(hits)
    assert carried <= 1.1 * len("".join(hits))


async def test_a_name_is_never_read_by_a_shell(tmp_path: Path, host: Host) -> None:
    for name in (
        "a b;touch canary.log",
        "$(touch canary).log",
        "é'\"\\\\0101`id`.log",
        "-n.log",
        "[x]*?.log",
        "%b\\n.log",
    ):
        path = tmp_path / name
        path.write_bytes(console_log(1, 3))
        source = source_on(host, path)
        page = await source.page(AtEnd(), older=True, limit=9, where=TextMatch("request"))
        assert len(page.records) == 3, name
        await source.close()
        path.unlink()
    assert os.listdir(tmp_path) == []


async def test_a_file_renamed_between_two_pages_loses_and_doubles_nothing(tmp_path: Path, host: Host) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(console_log(1, 200))
    source = source_on(host, path)
    first = await source.page(AtEnd(), older=True, limit=50, where=EVERYTHING)
    path.rename(tmp_path / "app.log.1")
    path.write_bytes(console_log(2, 100, first=200))
    assert first.more is not None
    older = await read_all(source, first.more, EVERYTHING, older=True)
    newer = await read_all(source, AtPlace(first.records[-1].place), EVERYTHING, older=False)
    found = [one.raw for one in (*older, *first.records, *newer)]
    assert found == raws(console_log(1, 200)) + raws(console_log(2, 100, first=200))
    await source.close()


async def test_lines_are_counted_there_and_led_to(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RemoteLogFile, "COUNT_BYTES", 100_000)
    monkeypatch.setattr(log_file_set, "_READ_BYTES", 4000)
    monkeypatch.setattr(one_log, "REMOTE_COUNT_S", 0.1)
    path = tmp_path / "app.log"
    made = random.Random(2)
    lines = [f'{{"message": "n {number} {"x" * made.randrange(150)}"}}\n' for number in range(1, 4001)]
    path.write_text("".join(lines[:3000]))
    (tmp_path / "app.log.1").write_text('{"message": "older"}\n' * 500)
    source = source_on(host, path)
    assert isinstance(source, OneLog)
    for end in (3000, 4000):
        await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        await until(lambda end=end: source.status.value and source.status.value.records == end + 500)  # type: ignore[misc]
        for number in (1, 2, 1500, 2999, end):
            start = await source.at_line(number)
            assert start is not None
            record = (await source.page(start, older=False, limit=1, where=EVERYTHING)).records[0]
            assert record.raw.startswith(b'{"message": "n %d ' % number)
            assert await source.line_of(record.place) == number
        with path.open("a") as log:
            log.write("".join(lines[3000:]) if end == 3000 else "")
    await source.close()


async def test_a_file_that_is_too_large_is_not_counted_there(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "COUNTED_MOST_BYTES", 1000)
    path = tmp_path / "app.log"
    path.write_text('{"message": "one"}\n' * 1000)
    source = source_on(host, path)
    assert isinstance(source, OneLog)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    assert source.status.value is not None
    assert source.status.value.records is None
    assert await source.at_line(500) is None
    await source.close()


async def test_parallel_logs_are_those_that_are_read_here(tmp_path: Path, host: Host) -> None:
    (tmp_path / "svc-1.log.2.gz").write_bytes(gzip.compress(console_log(1, 100)))
    (tmp_path / "svc-1.log.1").write_bytes(console_log(2, 100, first=100))
    (tmp_path / "svc-1.log").write_bytes(console_log(3, 100, first=200))
    (tmp_path / "svc-2.log").write_bytes(console_log(4, 300, first=50))
    here, there = local_logs(tmp_path / "svc*.log"), source_on(host, tmp_path / "svc*.log")
    for where in FILTERS:
        for start, older in ((AtBeginning(), False), (AtEnd(), True)):
            expected = await read_all(here, start, where, older=older, limit=150)
            assert await read_all(there, start, where, older=older, limit=150) == expected
    everything = await read_all(here, AtBeginning(), EVERYTHING, older=False)
    assert len(everything) == 600
    assert {each.log for each in everything} == {str(tmp_path / "svc-1.log"), str(tmp_path / "svc-2.log")}
    place = AtPlace(everything[300].place)
    assert await read_all(there, place, EVERYTHING, older=True) == everything[:300]
    assert await read_all(there, place, EVERYTHING, older=False) == everything[301:]
    await here.close()
    await there.close()


async def test_parallel_logs_are_followed_those_that_come_later_and_through_rotation(
    tmp_path: Path, host: Host
) -> None:
    def append(name: str, number: int) -> None:
        at = START + timedelta(seconds=number)
        with (tmp_path / name).open("a") as log:
            log.write(f"{at:%Y-%m-%d %H:%M:%S},000 - app - INFO - n {number}\n")

    append("svc1.log", 0)
    append("svc2.log", 1)
    source = source_on(host, tmp_path / "svc*.log")
    last = (await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    got: list[int] = []

    async def listen() -> None:
        async with aclosing(source.follow(AtPlace(last.place), EVERYTHING)) as batches:
            async for batch in batches:
                assert all(isinstance(each, LogRecord) for each in batch), batch
                got.extend(int(each.entry.message[2:]) for each in batch if isinstance(each, LogRecord))

    listening = asyncio.create_task(listen())
    try:
        for number in range(2, 22):
            append(f"svc{1 + number % 2}.log", number)
        await until(lambda: len(got) == 20 or listening.done())
        append("svc3.log", 22)
        await until(lambda: got[-1:] == [22] or listening.done())
        append("svc1.log", 23)
        (tmp_path / "svc1.log").rename(tmp_path / "svc1.log.1")
        append("svc1.log", 24)
        append("svc3.log", 25)
        await until(lambda: len(got) == 24 or listening.done())
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    assert got == list(range(2, 26))
    await source.close()


async def test_what_is_no_log_file_is_refused_in_words(tmp_path: Path, host: Host) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "none.log", "on web: no such file"),
        (tmp_path / "none" / "no.log", ": no such file"),
        (tmp_path, "is a directory"),
        (tmp_path / "pipe", "is a pipe"),
        (Path("/dev/null"), "is a pipe, a socket or a device, not a file"),
    ):
        source = source_on(host, path)
        with pytest.raises(FileRefused, match=words):
            await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
        await source.close()


async def test_more_files_than_a_server_gives_sessions_are_all_followed(tmp_path: Path, host: Host) -> None:
    sources = []
    for number in range(12):
        (tmp_path / f"{number}.log").write_bytes(console_log(number, 20))
        sources.append(source_on(host, tmp_path / f"{number}.log"))
    last = [(await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0] for source in sources]
    for number in range(12):
        with (tmp_path / f"{number}.log").open("ab") as log:
            log.write(console_log(number, 1, first=900))
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        follows = [
            await stack.enter_async_context(aclosing(source.follow(AtPlace(record.place), EVERYTHING)))
            for source, record in zip(sources, last, strict=True)
        ]
        new = await asyncio.gather(*(anext(follow) for follow in follows))
        assert [len(batch) for batch in new] == [1] * 12
        assert (await host.run(["sh", "-c", "echo room"])).stdout == b"room\n"
    for source in sources:
        await source.close()
