"""Logs of containers of real engines: complete over restarts, several in one list, new ones too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtEnd, SourceSettings
from lilfox_tui.logs.sources.containers import ContainersSource, Demultiplexer, Options, open_source
from lilfox_tui.logs.stamped_source import StampedLine, stamp_of
from tests.services.container_engines import ContainerEngine

COUNTS = """
n=$(cat /n 2>/dev/null || echo 0)
for i in 1 2 3 4 5 6 7 8 9 10; do echo "number $n"; n=$((n + 1)); done
echo $n >/n
exit 1
"""
"""Goes on with the numbers of the run before."""


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[ContainerEngine]:
    with ContainerEngine(request.param) as running:
        yield running


@asynccontextmanager
async def opened(engine: ContainerEngine, **options: str) -> AsyncIterator[ContainersSource]:
    host = LocalHost("here", HostConfig(local=True))
    source = open_source("it", Options(socket=engine.socket, **options), SourceSettings(host, UTC))  # type: ignore[arg-type]
    try:
        yield source
    finally:
        await source.close()
        await host.close()


async def test_no_line_is_lost_or_doubled_over_restarts(engine: ContainerEngine) -> None:
    again = {"RestartPolicy": {"Name": "always"}}
    made = engine.script("counts", COUNTS, host=again)
    found: list[int] = []
    try:
        async with opened(engine, container="counts") as source, aclosing(
            source.follow(AtBeginning(), EVERYTHING)
        ) as batches, asyncio.timeout(60):  # fmt: skip
            async for batch in batches:
                records = [each for each in batch if isinstance(each, LogRecord)]
                found += [int(each.entry.message.removeprefix("number ")) for each in records]
                if len(found) >= 60:
                    break
    finally:
        engine.remove(made)
    assert found == list(range(len(found)))


async def test_a_project_is_one_list_and_new_ones_join_it(engine: ContainerEngine) -> None:
    labels = {"com.docker.compose.project": "shop"}
    made = [
        engine.script("web", "echo web 1; usleep 300000; echo web 2 >&2; sleep 60", Labels=labels),
        engine.script("other", "echo other; sleep 60"),
        engine.script("db", "echo db 1; usleep 300000; echo db 2; sleep 60", Labels=labels),
    ]
    try:
        async with opened(engine, project="shop") as source:
            page = await source.page(AtBeginning(), older=False, limit=100, where=EVERYTHING)
            assert "other" not in {each.log for each in page.records}
            times = [each.at for each in page.records]
            assert times == sorted(at for at in times if at is not None)
            seen: list[str] = []
            async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches, asyncio.timeout(60):
                made.append(await asyncio.to_thread(engine.script, "late", "echo late 1; sleep 60", Labels=labels))
                async for batch in batches:
                    seen += [each.entry.message for each in batch if isinstance(each, LogRecord)]
                    if len(seen) >= 5:
                        break
            assert sorted(seen) == ["db 1", "db 2", "late 1", "web 1", "web 2"]
            newest = await source.page(AtEnd(), older=True, limit=100, where=EVERYTHING)
            assert [each.entry.message for each in newest.records] == seen
            [error] = [each for each in newest.records if each.entry.message == "web 2"]
            assert dict(error.entry.fields) == {"container": "web", "stream": "stderr", "project": "shop"}
    finally:
        for each in made:
            engine.remove(each)


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_are_taken_apart_wherever_they_are_cut() -> None:
    raw = frame(1, b"2026-12-01T10:00:00.5Z one\n") + frame(2, b"2026-12-01T10:00:01Z tw") + frame(2, b"o\r\n")
    want = [StampedLine(1796119200_500000000, 1, b"one"), StampedLine(1796119201_000000000, 2, b"two")]
    for cut in range(len(raw)):
        parts = Demultiplexer()
        assert [*parts.take(raw[:cut]), *parts.take(raw[cut:]), *parts.end()] == want


def test_a_terminal_comes_without_frames() -> None:
    parts = Demultiplexer()
    assert list(parts.take(b"2026-12-01T10:00:00.000000007Z one\r\n2026-")) == [
        StampedLine(1796119200_000000007, 1, b"one")
    ]


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-12-01T10:00:00Z", 1796119200_000000000),
        ("2026-12-01T12:00:00.123456789+02:00", 1796119200_123456789),
        ("yesterday", None),
        ("", None),
    ],
)
def test_stamps(text: str, stamp: int | None) -> None:
    assert stamp_of(text) == stamp
