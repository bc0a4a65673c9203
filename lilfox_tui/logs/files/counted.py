"""How many records the files of one log hold: lines counted in the background, of the older files once."""

from __future__ import annotations

from collections.abc import Callable

from lilfox_tui.logs.files.disk import Seen
from lilfox_tui.logs.files.index import LineIndex
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.files.rotation import PACKED_ENDS
from lilfox_tui.logs.files.shelf import Shelf
from lilfox_tui.logs.lines import every_line


class CountedFiles:
    """``newest`` is the index of the file that is written. ``records`` is None until all was counted once, or where a
    record may have several lines; ``more``: there are others, in packed files or written since."""

    def __init__(self, shelf: Shelf) -> None:
        self.newest: LineIndex | None = None
        self.records: int | None = None
        self.more = False
        self._shelf = shelf
        self._older: dict[tuple[int, int], LineIndex] = {}

    def take_newest(self, log: LogFile, size: int) -> None:
        """Notes which file is the newest one, and its size in bytes."""
        if self.newest is None or self.newest.file is not log.file or size < self.newest.indexed_bytes:
            self.newest = LineIndex(log.file)

    async def count(self, told: Callable[[], None]) -> None:
        """Counts on in all files as they are now; calls ``told`` on the way. Raises LilFoxError."""
        seen = await self._shelf.look()
        log = await self._shelf.open(seen[-1])
        self.take_newest(log, await log.file.size())
        assert self.newest is not None
        await self.newest.build(told)
        lines, packed = 0, False
        for one in seen[:-1]:
            if one.path.endswith(PACKED_ENDS):
                packed = True
                continue
            found = await self._lines_of(one)
            if found is None:
                self.records = None
                return
            lines += found
        known = log.format.begins is every_line and not self.newest.given_up
        self.records = lines + self.newest.lines if known else None
        self.more = packed
        told()

    async def _lines_of(self, one: Seen) -> int | None:
        log = await self._shelf.open(one)
        if log.format.begins is not every_line or log.is_packed:
            return None
        index = self._older.get(one.key)
        if index is None or index.file is not log.file or index.indexed_bytes > one.size_bytes:
            index = self._older[one.key] = LineIndex(log.file)
        if index.indexed_bytes < one.size_bytes:
            await index.build(lambda: None)
        return None if index.given_up else index.lines
