"""The files of one log: which there are, by age, and those of them that are open."""

from __future__ import annotations

import asyncio
from datetime import tzinfo

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message
from lilfox_tui.logs.files import packed, rotation
from lilfox_tui.logs.files.disk import Disk, Seen
from lilfox_tui.logs.files.log_file import SAMPLE_BYTES, LogFile, Place, head_of
from lilfox_tui.logs.files.refusals import FileMoved, nothing_there, place_gone

_COPY_BYTES = 4096


class Reading(Struct, frozen=True):
    """How files are read: the source's name, the host's, the format named ("" to recognise it) and the zone."""

    source: str
    host: str
    format: str
    zone: tzinfo


class Shelf:
    """``path`` may be a pattern. Files are opened when they are needed and stay open until ``close``."""

    def __init__(self, disk: Disk, path: str, reading: Reading, *, rotated: bool) -> None:
        self.disk = disk
        self.path = path
        self._reading = reading
        self._rotated = rotated
        self.notes: dict[tuple[int, int], Message] = {}
        """What of a file cannot be read, and why."""
        self._open: dict[tuple[int, int], LogFile] = {}
        self._opening = asyncio.Lock()

    async def look(self) -> list[Seen]:
        """The log's files, the oldest first. Raises LilFoxError, also where there is none."""
        seen = await self.look_again()
        if not seen:
            raise await self._why_none()
        return seen

    async def look_again(self) -> list[Seen]:
        """The log's files, the oldest first; none while they are away."""
        wanted = rotation.patterns(self.path, rotated=self._rotated)
        return rotation.chain(self.path, await self.disk.look(wanted), rotated=self._rotated)

    async def _why_none(self) -> LilFoxError:
        if rotation.is_pattern(self.path):
            return nothing_there(self._reading.host, self.path)
        return await self.disk.why_not(self.path)

    async def open(self, seen: Seen) -> LogFile:
        """The file, opened once. Raises LilFoxError; FileMoved when it has another name by now."""
        async with self._opening:
            known = self._open.get(seen.key)
            if known is not None and (known.is_packed or not await self._is_other(known, seen)):
                known.path = seen.path
                return known
            log = await self._open_anew(seen)
            if known is not None:
                await known.file.close()
            self._open[seen.key] = log
            return log

    async def _is_other(self, known: LogFile, seen: Seen) -> bool:
        """Whether what is open was emptied or replaced since, or was too short to tell what it is."""
        if seen.size_bytes == known.size_bytes and seen.modified_s == known.modified_s:
            return False
        known.modified_s = seen.modified_s
        shorter, known.size_bytes = seen.size_bytes < known.size_bytes, seen.size_bytes
        if shorter or known.sampled_bytes < _COPY_BYTES:
            return True
        return head_of(await known.file.read(0, _COPY_BYTES)) != known.head

    async def _open_anew(self, seen: Seen) -> LogFile:
        file = await self.disk.open(seen)
        try:
            sample = await file.read(0, SAMPLE_BYTES)
            kind = packed.kind_of(sample)
            if kind:
                unpacked = await packed.unpack(file, kind, seen.path)
                await file.close()
                file, sample = unpacked.file, await unpacked.file.read(0, SAMPLE_BYTES)
                if unpacked.note is not None:
                    self.notes[seen.key] = unpacked.note
        except BaseException:
            await file.close()
            raise
        log = LogFile(self._reading.source, seen, file, sample, self._reading.format, self._reading.zone)
        log.is_packed = bool(kind)
        return log

    async def find(self, place: Place, seen: list[Seen]) -> tuple[int, LogFile]:
        """The file of a record, also when it was renamed, copied or packed since, and its index in ``seen``. Raises
        FileRefused when it is gone."""
        by_key = [(index, one) for index, one in enumerate(seen) if one.key == place.key]
        for index, one in [*by_key, *((index, one) for index, one in enumerate(seen) if one.key != place.key)]:
            try:
                log = await self.open(one)
            except FileMoved:
                continue
            if log.head == place.head:
                return index, log
        raise place_gone(self._reading.source)

    async def is_copy(self, older: LogFile, newer: LogFile) -> bool:
        """Whether one begins as the other does: it is being copied to be emptied (copytruncate) just now."""
        if older.head != newer.head or not newer.sampled_bytes:
            return False
        start = await older.file.read(0, _COPY_BYTES)
        other = await newer.file.read(0, _COPY_BYTES)
        shorter = min(len(start), len(other))
        return start[:shorter] == other[:shorter]

    async def close(self) -> None:
        """Closes all files."""
        for log in self._open.values():
            await log.file.close()
        self._open.clear()
        await self.disk.close()
