"""Processes that count ranges of files, from the side of the one who asks. See ``count_process.py``."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

import lilfox_tui
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.count_process import (
    LENGTH,
    CountAnswer,
    CountDone,
    CountProgress,
    CountQuestion,
    CountRange,
    GetFieldTally,
    GetStatistics,
    GetTally,
    SortCounts,
    message,
)
from lilfox_tui.logs.field_statistics import FieldTally
from lilfox_tui.logs.statistics import Statistics, Tally

_START = "import sys; sys.path.append(sys.argv[1]); from lilfox_tui.logs.count_process import main; main()"
"""``-m`` would look for modules in the working directory first."""
Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many bytes of how many are counted."""
A = TypeVar("A", bound=CountAnswer)


class CountPool:
    """Processes that count ranges; each takes the next range when it has finished one."""

    def __init__(self, ranges: deque[CountRange], progress: Progress | None) -> None:
        self.failed: dict[str, LilFoxError] = {}
        self._ranges = ranges
        self._descriptors = sorted({int(each.path.rpartition("/")[2]) for each in ranges})
        self._total = sum(each.end - each.start for each in ranges)
        self._counted = 0
        self._progress = progress

    async def run_by_fields(self, count: int, tally: FieldTally) -> None:
        """Count in ``count`` processes, and join what they have counted to ``tally``."""
        async with self._counted_in(count) as processes:
            for process in processes:
                await process.ask(GetFieldTally())
                tally.join(await process.answer(FieldTally))

    async def run(self, count: int, tally: Tally) -> Statistics:
        """Count in ``count`` processes; return their statistics together with those of ``tally``."""
        async with self._counted_in(count) as (first, *others):
            for process in others:
                await process.ask(GetTally())
                tally.join(await process.answer(Tally))
            await first.ask(tally)
            await first.ask(GetStatistics())
            return await first.answer(Statistics)

    @asynccontextmanager
    async def _counted_in(self, count: int) -> AsyncIterator[list[CountProcess]]:
        """The processes, which have counted all ranges."""
        async with AsyncExitStack() as started:
            # started at the same time: a process is ready after the time of a few ten MB
            processes = await asyncio.gather(
                *(started.enter_async_context(_process(self._descriptors)) for _ in range(count))
            )
            try:
                async with asyncio.TaskGroup() as group:
                    for process in processes:
                        group.create_task(self._deal(process))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            yield processes

    async def _deal(self, process: CountProcess) -> None:
        while self._ranges:
            asked = self._ranges.popleft()
            await process.ask(asked)
            while isinstance(answer := await process.any_answer(), CountProgress):
                self._counted += answer.size_bytes
                if self._progress is not None:
                    self._progress(min(self._counted, self._total), self._total)
            if isinstance(answer, CountDone) and answer.refused:
                self.failed[asked.source] = LilFoxError(
                    tr("{source} could not be counted completely: {reason}", source=asked.source, reason=answer.refused)
                )
        await process.ask(SortCounts())
        await process.answer(CountDone)


class CountProcess:
    """One counting process. See ``count_process.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._questions, self._answers = process.stdin, process.stdout

    async def ask(self, question: CountQuestion) -> None:
        """Send the question."""
        self._questions.write(message(question))
        with suppress(ConnectionError):  # it has ended: the answer that is missing says so
            await self._questions.drain()

    async def any_answer(self) -> CountAnswer:
        """Return the next answer. Raises LilFoxError if the process has ended, for example out of memory."""
        try:
            (length,) = LENGTH.unpack(await self._answers.readexactly(LENGTH.size))
            answer: CountAnswer = pickle.loads(await self._answers.readexactly(length))  # noqa: S301
        except asyncio.IncompleteReadError:
            status = await self._process.wait()
            raise LilFoxError(
                tr("a counting process has exited (exit status {status})", status=status),
                tr("If memory is short, count fewer files at once."),
            ) from None
        return answer

    async def answer(self, kind: type[A]) -> A:
        """Return the next answer, which must be of that kind."""
        answer = await self.any_answer()
        assert isinstance(answer, kind)
        return answer


@asynccontextmanager
async def _process(descriptors: Sequence[int]) -> AsyncIterator[CountProcess]:
    """Start a process that inherits these descriptors; when the block ends, the process has ended."""
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
        yield CountProcess(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()  # its pipes are closed then too, also where the loop ends next
