"""A log that is followed, for these tests."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from lilfox_tui.logs.files.local import LocalDisk
from lilfox_tui.logs.files.log_file import FileStat
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtEnd, SourceNotice, Start
from tests.unit.logs.files.written import console_log, local_source
from tests.waiting import until


class Followed:
    """A source that is followed, and what has come."""

    def __init__(self, path: Path, start: Start, where: Filter, *, rotated: bool = True) -> None:
        self.source = local_source(path, rotated=rotated)
        self.records: list[LogRecord] = []
        self.notices: list[str] = []
        self._where = where
        self._task = asyncio.create_task(self._listen(start))

    async def _listen(self, start: Start) -> None:
        async with aclosing(self.source.follow(start, self._where)) as batches:
            async for batch in batches:
                for one in batch:
                    if isinstance(one, SourceNotice):
                        self.notices.append(str(one.text))
                    else:
                        self.records.append(one)

    @property
    def raws(self) -> list[bytes]:
        """The records' bytes."""
        return [one.raw for one in self.records]

    async def started(self) -> None:
        """Waits for the first look at the files."""
        await until(lambda: self.source.status.value or self._task.done())

    async def several_looks(self) -> None:
        """Waits until the files were looked at several times more."""
        looks, look = 0, LocalDisk.look

        async def counted(disk: LocalDisk, patterns: Sequence[str]) -> list[FileStat]:
            nonlocal looks
            looks += 1
            return await look(disk, patterns)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(LocalDisk, "look", counted)
            await until(lambda: looks > 5)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.source.close()
        if not self._task.cancelled():
            self._task.result()


@asynccontextmanager
async def followed(
    path: Path, start: Start | None = None, where: Filter = EVERYTHING, *, rotated: bool = True
) -> AsyncIterator[Followed]:
    made = Followed(path, start or AtEnd(), where, rotated=rotated)
    try:
        await made.started()
        yield made
    finally:
        await made.close()


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def opened(path: Path, mode: str = "ab") -> io.FileIO:
    return io.FileIO(path, mode)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "app.log"
    made.write_bytes(console_log(1, 20))
    return made


def copy_and_empty(path: Path, number: int) -> None:
    """The rotation ``number`` (from 0) by copytruncate."""
    for old in range(number, 0, -1):
        os.rename(path.with_name(f"app.log.{old}"), path.with_name(f"app.log.{old + 1}"))
    shutil.copyfile(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
