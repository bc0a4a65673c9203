"""Statistics over sources: files of this machine in processes of their own, everything else page by page."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from msgspec import Struct

import lilfox_tui
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.logs.analyze_process import (
    LENGTH,
    Answer,
    Counted,
    Done,
    Finish,
    Give,
    PutInOrder,
    Question,
    Range,
    message,
)
from lilfox_tui.logs.files.local import LocalFile
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.of_source import NOTHING, of_source
from lilfox_tui.logs.format import FORMATS, load_format
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import Beginning, LogSource, Start
from lilfox_tui.logs.statistics import Statistics, statistics_of
from lilfox_tui.logs.tally import Tally
from lilfox_tui.plugins import kinds

RANGE_BYTES = 32 * 1024 * 1024
"""So much of a file is given to a process at once: enough to be worth it, little enough to deal evenly."""
_PROCESSES_MOST = 8
_PAGE = 2000
_START = "import sys; sys.path.append(sys.argv[1]); from lilfox_tui.logs.analyze_process import main; main()"
"""``-m`` would look for modules in the working directory first."""
Progress = Callable[[int, int], None]
"""Is told how many bytes of how many are counted."""
A = TypeVar("A", bound=Answer)


@runtime_checkable
class OfLocalFiles(Protocol):
    """A source whose records are those of files of this machine."""

    name: str

    async def local_files(self) -> Sequence[LogFile] | None:
        """The files, open until the source is closed; None when they are elsewhere. Raises LilFoxError."""
        ...


class Analysis(Struct, frozen=True):
    """What was counted, and by name the sources that could not be read, or not to their end."""

    statistics: Statistics
    failed: dict[str, LilFoxError]


async def analyze(
    sources: Sequence[LogSource],
    where: Filter,
    *,
    progress: Progress | None = None,
    processes: int | None = None,
    slices: bool = True,
) -> Analysis:
    """Counts the records of ``sources`` that match ``where``. Without ``slices`` the statistics by time, a tenth of the
    work, are left out. ``processes`` is how many count at the same time, as many as there are CPUs unless given. When
    cancelled, they have ended as this returns. Raises LilFoxError where a process that counts has ended."""
    failed: dict[str, LilFoxError] = {}
    tally = Tally()
    with ExitStack() as opened:
        ranges: deque[Range] = deque()
        for source in sources:
            its_where = of_source(where, source.name)
            if its_where == NOTHING:
                continue
            try:
                files = await source.local_files() if isinstance(source, OfLocalFiles) else None
                if files is None:
                    await _count_pages(source, its_where, tally)
                for file in files or ():
                    ranges += await _ranges(file, source.name, its_where, opened, slices=slices)
            except LilFoxError as error:
                failed[source.name] = error
        if not slices:
            tally.by_slice.clear()
        if not ranges:
            return Analysis(await asyncio.to_thread(statistics_of, tally), failed)
        count = min(len(ranges), processes or min(os.cpu_count() or 1, _PROCESSES_MOST))
        counting = _Counting(ranges, progress)
        statistics = await counting.run(count, tally)
    return Analysis(statistics, failed | counting.failed)


async def analyze_stream(source: LogSource, where: Filter) -> Analysis:
    """Counts what comes from a source that ends by itself, such as standard input, until it does."""
    tally = Tally()
    failed: dict[str, LilFoxError] = {}
    try:
        async with aclosing(source.follow(Beginning(), where)) as batches:
            async for batch in batches:
                _count(source, (item for item in batch if isinstance(item, Record)), tally)
    except LilFoxError as error:
        failed[source.name] = error
    return Analysis(statistics_of(tally), failed)


async def _count_pages(source: LogSource, where: Filter, tally: Tally) -> None:
    more: Start | None = Beginning()
    while more is not None:
        page = await source.page(more, older=False, limit=_PAGE, where=where)
        _count(source, page.records, tally)
        more = page.more


def _count(source: LogSource, records: Iterable[Record], tally: Tally) -> None:
    status = source.status.value
    format_ = load_format(status.format) if status is not None and status.format in kinds(FORMATS) else None
    for record in records:
        # what is not of the source's format was read as plain text, and that has no fields
        if format_ is not None and not record.entry.fields and format_.parse(record.raw, UTC) is None:
            tally.unread += 1
        else:
            tally.add(record.source, record.entry)


async def _ranges(log: LogFile, source: str, where: Filter, opened: ExitStack, *, slices: bool) -> list[Range]:
    """The file in parts; its descriptor stays open as long as ``opened`` does."""
    assert isinstance(log.file, LocalFile)
    descriptor = os.dup(log.file.descriptor)
    opened.callback(os.close, descriptor)
    size = await log.file.size()
    starts = sorted({*range(0, size, RANGE_BYTES), *(end for end, _ in log.years if 0 < end < size)})
    if not starts:  # nothing is in it
        return []
    return [
        Range(
            path=f"/dev/fd/{descriptor}",
            source=source,
            format=log.format_name,
            zone=log.zone,
            where=where,
            start=start,
            end=end,
            slices=slices,
            latest=log.latest_at(start),
        )
        for start, end in zip(starts, [*starts[1:], size], strict=True)
    ]


class _Counting:
    """Processes that count ranges, each the next one when it is done with its last."""

    def __init__(self, ranges: deque[Range], progress: Progress | None) -> None:
        self.failed: dict[str, LilFoxError] = {}
        self._ranges = ranges
        self._descriptors = sorted({int(each.path.rpartition("/")[2]) for each in ranges})
        self._total = sum(each.end - each.start for each in ranges)
        self._counted = 0
        self._progress = progress

    async def run(self, count: int, tally: Tally) -> Statistics:
        """What ``count`` processes have counted, and ``tally``."""
        async with AsyncExitStack() as started:
            # started at the same time: a process is ready after the time of a few ten MB
            first, *others = await asyncio.gather(
                *(started.enter_async_context(_process(self._descriptors)) for _ in range(count))
            )
            try:
                async with asyncio.TaskGroup() as group:
                    for process in (first, *others):
                        group.create_task(self._deal(process))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            for process in others:
                await process.ask(Give())
                tally.join(await process.answer(Tally))
            await first.ask(tally)
            await first.ask(Finish())
            return await first.answer(Statistics)

    async def _deal(self, process: _Process) -> None:
        while self._ranges:
            asked = self._ranges.popleft()
            await process.ask(asked)
            while isinstance(answer := await process.any_answer(), Counted):
                self._counted += answer.size_bytes
                if self._progress is not None:
                    self._progress(min(self._counted, self._total), self._total)
            if isinstance(answer, Done) and answer.refused:
                self.failed[asked.source] = LilFoxError(
                    tr("{source} could not be counted to its end: {reason}", source=asked.source, reason=answer.refused)
                )
        await process.ask(PutInOrder())
        await process.answer(Done)


class _Process:
    """One process that counts. See ``analyze_process.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._questions, self._answers = process.stdin, process.stdout

    async def ask(self, question: Question) -> None:
        """Sends the question."""
        self._questions.write(message(question))
        with suppress(ConnectionError):  # it has ended: the answer that is missing says so
            await self._questions.drain()

    async def any_answer(self) -> Answer:
        """The next answer. Raises LilFoxError when the process has ended, as when memory ran out."""
        try:
            (length,) = LENGTH.unpack(await self._answers.readexactly(LENGTH.size))
            answer: Answer = pickle.loads(await self._answers.readexactly(length))  # noqa: S301
        except asyncio.IncompleteReadError:
            status = await self._process.wait()
            raise LilFoxError(
                tr("a process that counts has ended (exit status {status})", status=status),
                tr("If memory is short, count fewer files at once."),
            ) from None
        return answer

    async def answer(self, kind: type[A]) -> A:
        """The next answer, which is of that kind."""
        answer = await self.any_answer()
        assert isinstance(answer, kind)
        return answer


@asynccontextmanager
async def _process(descriptors: Sequence[int]) -> AsyncIterator[_Process]:
    """A process that has these descriptors too; it has ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        _START,
        str(Path(lilfox_tui.__file__).parents[1]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=descriptors,
    )
    try:
        yield _Process(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
