"""One log file: its last page, a search, statistics, the start of following, and its index."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from lilfox_tui.cli.commands.logs import FOLLOWED_TAIL
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.merge import MergedLogs, MergedStream
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtEnd, LogSource, SourceSettings, zone_of
from lilfox_tui.logs.sources.file import Options, open_source
from tests.bench import logs_made
from tests.bench.logs import _here, _is_indexed, _source
from tests.bench.on_terminal import CannotMeasure
from tests.bench.scale.child import run_lilfox
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch
from tests.waiting import until

LOG = "app.log"
RECORD_BYTES = 258
"""The mean of what logs_made makes as JSON."""
_ROOM = 1.1
_INDEX_S = 1200.0
_LINE_MOST = 64 * 1024
_SCREEN = Limits(wall_s=0.5, peak_bytes=500_000_000)
_WHOLE_FILE = Limits(wall_s=10.0, peak_bytes=500_000_000)


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """A log of ``size`` bytes, to one in a hundred; it goes as soon as it is measured."""
    free = shutil.disk_usage(folder).free
    if free < size * _ROOM:
        raise CannotMeasure(f"{free:,} bytes are free at {folder}")
    log = folder / LOG
    try:
        logs_made.make(log, size // RECORD_BYTES)
        yield
    finally:
        log.unlink(missing_ok=True)


def _read_bytes() -> int:
    """What this process has read, and its children that have ended: from the disk, the page cache, pipes."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def _on_command_line(folder: Path, watch: Stopwatch, *words: str) -> None:
    for _ in watch.rounds():
        before = _read_bytes()
        with watch.turn():
            run_lilfox("logs", *words, str(folder / LOG))
        watch.moved_bytes = _read_bytes() - before


def _searched(_size: int, folder: Path, watch: Stopwatch) -> None:
    _on_command_line(folder, watch, "--grep", logs_made.RARE)


def _counted(_size: int, folder: Path, watch: Stopwatch) -> None:
    _on_command_line(folder, watch, "stats")


def _shown(_size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_last_page(folder / LOG, watch))


async def _last_page(log: Path, watch: Stopwatch) -> None:
    """As the Logs pane opens at the end. Where the count of lines is after that is none of it."""
    for _ in watch.rounds():
        source = _source(log, _here())
        before = _read_bytes()
        async with MergedLogs([source], EVERYTHING) as merged:
            with watch.turn():
                await merged.go(AtEnd())
            watch.moved_bytes = _read_bytes() - before
            assert merged.shown
        await source.close()


def _followed(_size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_first_new(folder / LOG, watch))


async def _first_new(log: Path, watch: Stopwatch) -> None:
    """As ``lilfox logs -f`` begins: the last records, then the first that is written."""
    line = _last_line(log)
    setting = SourceSettings(host=_here(), zone=zone_of("UTC"), counts=False)
    for _ in watch.rounds():
        source = open_source("app", Options(path=str(log), rotated=False), setting)
        before = _read_bytes()
        with watch.turn():
            await _until_new(log, source, line)
        watch.moved_bytes = _read_bytes() - before
        await source.close()


async def _until_new(log: Path, source: LogSource, line: bytes) -> None:
    stream = MergedStream([source], EVERYTHING)
    await stream.note_newest()
    assert len(await stream.last(FOLLOWED_TAIL)) == FOLLOWED_TAIL
    with log.open("ab") as file:
        file.write(line)
    async with aclosing(stream.follow()) as batches:
        (record,) = [each for each in await anext(batches) if isinstance(each, LogRecord)]
    assert record.raw + b"\n" == line


def _last_line(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(-min(_LINE_MOST, log.stat().st_size), 2)
        return file.read().splitlines(keepends=True)[-1]


def _indexed(_size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_index(folder / LOG, watch))


async def _index(log: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        source = _source(log, _here())
        before = _read_bytes()
        with watch.turn():
            await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
            await until(lambda: _is_indexed(source), timeout_s=_INDEX_S, what="the index")  # noqa: B023
        watch.moved_bytes = _read_bytes() - before
        await source.close()


AXIS = Axis(
    name="logs",
    title="Log file",
    unit="bytes",
    about="One file of JSON lines of 258 bytes on average, 10 ms apart, on this machine; the text that is searched "
    "stands in seven of them, evenly over the file. The file was written just before, so the page cache holds it as "
    "far as memory allows: up to 5 GB all of it, of 20 GB the larger part. The bytes are those that LilFox and the "
    "programs that it starts read.",
    sizes=(10**6, 10**7, 10**8, 10**9, 5 * 10**9, 20 * 10**9),
    prepare=prepare,
    operations=(
        Operation(name="screen", title="last page in the Logs pane", run=_shown, limits=_SCREEN, moved="read"),
        Operation(name="follow", title="`lilfox logs -f` up to the first new record", run=_followed, limits=_SCREEN,
                  moved="read"),
        Operation(name="search", title="`lilfox logs --grep` for a rare text", run=_searched, limits=_WHOLE_FILE,
                  moved="read"),
        Operation(name="index", title="index of lines, in the background", run=_indexed, moved="read"),
        Operation(name="stats", title="`lilfox logs stats`", run=_counted, limits=_WHOLE_FILE, moved="read"),
    ),
)  # fmt: skip
