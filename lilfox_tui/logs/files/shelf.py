"""The files of one log: which there are, by age, and those of them that are open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import tzinfo

from msgspec import Struct

from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.files import packed, rotation
from lilfox_tui.logs.files.disk import ByteFile, Disk, Seen
from lilfox_tui.logs.files.log_file import SAMPLE_BYTES, LogFile, Place
from lilfox_tui.logs.files.refusals import FileMoved, place_gone
from lilfox_tui.logs.files.years import last_written, note_years

_COPY_BYTES = 4096
_COPYING_S = 60.0


class Reading(Struct, frozen=True):
    """How files are read: the source's name, the host's, the format named ("" to recognise it) and the zone. By
    ``former``, from the head of a file that was emptied or packed to its key, its copy's records keep their places.
    ``log`` is the log that they say they are of, "" where the source is one log."""

    source: str
    host: str
    format: str
    zone: tzinfo
    former: dict[int, tuple[int, int]]
    log: str = ""


class Shelf:
    """``path`` is the log's; ``among`` tells which of the files that a pattern fits are its own. Files are opened when
    they are needed, and closed when they are no longer of the log (``keep`` holds them longer)."""

    def __init__(
        self, disk: Disk, path: str, reading: Reading, *, rotated: bool, among: rotation.Among | None = None
    ) -> None:
        self.disk = disk
        self.path = path
        self.keep: set[tuple[int, int]] = set()
        self.notes: dict[tuple[int, int], Message] = {}
        """What of a file cannot be read, and why."""
        self._reading = reading
        self._rotated = rotated
        self._among = among
        self._open: dict[tuple[int, int], LogFile] = {}
        self._opening = asyncio.Lock()

    async def look(self) -> list[Seen]:
        """The log's files, the oldest first. Raises LilFoxError, also where there is none."""
        seen = await self.look_again()
        if not seen:
            raise await self.disk.why_not(self.path)
        return seen

    async def look_again(self) -> list[Seen]:
        """The log's files, the oldest first; none while they are away."""
        return await self._noted(await self._look(rotated=self._rotated))

    async def look_around(self) -> list[Seen]:
        """The log's files and all that rotation has made of them, whatever was asked for: of a file that is followed
        the rest may be in one of those."""
        return await self._noted(await self._look(rotated=True))

    async def _noted(self, seen: list[Seen]) -> list[Seen]:
        """Lets go of files that are gone, and takes note of what has become of the others."""
        present = {one.key for one in seen} | self.keep
        for key in [key for key in self._open if key not in present]:
            gone = self._open.pop(key)
            self.notes.pop(key, None)
            self._reading.former[gone.head] = gone.named
            await gone.file.close()
        async with self._opening:
            for one in seen:
                with suppress(FileMoved):
                    await self._refresh(one)
        return seen

    async def _look(self, *, rotated: bool) -> list[Seen]:
        among = self._among
        if among is None:
            found = await self.disk.look(rotation.patterns(self.path, rotated=rotated))
            return rotation.chain(self.path, found, rotated=rotated, numbered=self._rotated)
        wanted = rotation.patterns(self.path, rotated=True) if rotated else [among.pattern]
        own = [one for one in await self.disk.look(wanted) if among.names.log_of(one.path) == self.path]
        return rotation.chain(self.path, own, rotated=True)

    async def open(self, seen: Seen) -> LogFile:
        """The file, opened once. Raises LilFoxError; FileMoved when it has another name by now."""
        async with self._opening:
            await self._refresh(seen)
            if seen.key not in self._open:
                self._open[seen.key] = await self._open_first(seen)
            log = self._open[seen.key]
            log.path = seen.path
            return log

    async def open_anew(self, log: LogFile) -> LogFile:
        """An open file that has no name any more and does not begin as it did, as it is now. Raises LilFoxError."""
        now = Seen(log.path, *log.key, await log.file.size(), log.modified_s, 0.0)
        self._open[log.key] = self._log_file(now, log.file, await log.file.read(0, SAMPLE_BYTES))
        return self._open[log.key]

    async def _refresh(self, seen: Seen) -> None:
        """Takes note of what has become of an open file: emptied, or long enough now to tell what it is."""
        known = self._open.get(seen.key)
        if known is None or known.is_packed:
            return
        if (seen.size_bytes, seen.modified_s) == (known.size_bytes, known.modified_s):
            return
        shorter = seen.size_bytes < known.size_bytes
        known.size_bytes, known.modified_s = seen.size_bytes, seen.modified_s
        known.latest = last_written(seen.path, seen.modified_s)
        if shorter or await known.file.read(0, len(known.start)) != known.start:
            self._reading.former[known.head] = known.named
            years = []
        elif known.sampled_bytes >= _COPY_BYTES:
            return
        else:
            years = known.years
        now = self._open[seen.key] = self._log_file(seen, known.file, await known.file.read(0, SAMPLE_BYTES))
        now.years = years

    async def _open_first(self, seen: Seen) -> LogFile:
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
            log = self._log_file(seen, file, sample)
            log.is_packed = bool(kind)
            await note_years(log, sample)
        except BaseException:
            await file.close()
            raise
        return log

    def _log_file(self, seen: Seen, file: ByteFile, sample: bytes) -> LogFile:
        reading = self._reading
        log = LogFile(reading.source, seen, file, sample, reading.format, reading.zone)
        if b"\0" in sample:
            self.notes[seen.key] = tr("{path}: holds binary data (NUL bytes), read as plain text", path=seen.path)
        log.log = reading.log
        log.latest = last_written(seen.path, seen.modified_s)
        former = reading.former.get(log.head)
        taken = {(other.named, other.head) for other in self._open.values()}
        if former is not None and sample and (former, log.head) not in taken:
            log.named = former
        return log

    async def find(self, place: Place, seen: list[Seen]) -> tuple[int, LogFile]:
        """The file of a record, also when it was renamed, copied or packed since, and its index in ``seen``. Raises
        FileRefused when it is gone."""
        same = [(index, one) for index, one in enumerate(seen) if one.key == place.key]
        others = [(index, one) for index, one in enumerate(seen) if one.key != place.key]
        for index, one in [*same, *reversed(others)]:
            with suppress(FileMoved):
                log = await self.open(one)
                if log.head == place.head:
                    return index, log
        raise place_gone(self._reading.source)

    async def is_copy(self, older: LogFile, newer: LogFile) -> bool:
        """Whether ``newer`` is being copied to ``older`` to be emptied (copytruncate) just now: both were written to
        lately, and all that the older has stands in the newer, as far as its first and last bytes tell."""
        if older.head != newer.head or abs(older.modified_s - newer.modified_s) > _COPYING_S:
            return False
        size = await older.file.size()
        if not 0 < size <= await newer.file.size():
            return False
        ends = (0, max(0, size - _COPY_BYTES))
        length = min(size, _COPY_BYTES)
        return all([await older.file.read(at, length) == await newer.file.read(at, length) for at in ends])

    async def close(self) -> None:
        """Closes all files."""
        for log in self._open.values():
            await log.file.close()
        self._open.clear()
        await self.disk.close()
