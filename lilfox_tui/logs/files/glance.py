"""Looking at all the files that a pattern fits at once, for those who follow its logs."""

from __future__ import annotations

import asyncio
import time

from lilfox_tui.logs.files.disk import Disk, Seen
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.files.log_group import LogGroup


class Glance:
    """One look for all who ask within ``every_s``."""

    def __init__(self, group: LogGroup, disk: Disk, every_s: float) -> None:
        self.looked_s = float("-inf")
        """When it was looked last, by the monotonic clock."""
        self._group = group
        self._disk = disk
        self._every_s = every_s
        self._looking = asyncio.Lock()
        self._files: dict[str, list[Seen]] = {}

    async def files(self) -> dict[str, list[Seen]]:
        """The files by their logs' paths. Raises LilFoxError."""
        async with self._looking:
            now_s = time.monotonic()
            if now_s - self.looked_s >= self._every_s:
                self._files = await self._group.look(self._disk)
                self.looked_s = now_s
            return self._files


class Looks:
    """How one log is looked at. Up to ``given_s`` (monotonic) all that was written to it has been given."""

    def __init__(self, path: str, glance: Glance) -> None:
        self.given_s = float("-inf")
        self._path = path
        self._glance = glance
        self._begun_s = (float("-inf"), float("-inf"))
        self._names: set[tuple[str, tuple[int, int], int]] = set()

    async def quiet(self, log: LogFile, seen_bytes: int | None) -> bool:
        """See :class:`Follower`. Raises LilFoxError."""
        before_s, last_s = self._begun_s
        self._begun_s = last_s, time.monotonic()
        self.given_s = max(self.given_s, before_s)  # the last record of a look is given at the next one
        files = (await self._glance.files()).get(self._path, [])
        names = {(one.path, one.key, 0 if one.key == log.key else one.size_bytes) for one in files}
        same, self._names = names == self._names, names
        if not same or all((one.key, one.size_bytes) != (log.key, seen_bytes) for one in files):
            return False
        self.given_s = max(self.given_s, self._glance.looked_s)
        return True
