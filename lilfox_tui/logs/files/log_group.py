"""Which logs a pattern fits, those that are open, and how they are doing together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import clauses, listed, ntr
from lilfox_tui.logs.files.disk import Disk, Seen
from lilfox_tui.logs.files.disks import disk_of
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.files.refusals import nothing_there
from lilfox_tui.logs.files.rotation import Among, LogNames
from lilfox_tui.logs.source import Setting, SourceStatus


class LogGroup:
    """``present`` are the paths of the logs that there were at the last look, ``refused`` says of those that cannot be
    read why. ``changed`` is called when the status of one may have changed."""

    def __init__(
        self, source: str, pattern: str, setting: Setting, *, rotated: bool, changed: Callable[[], None]
    ) -> None:
        self.source = source
        self.pattern = pattern
        self.host = setting.host
        self.present: list[str] = []
        self.refused: dict[str, LilFoxError] = {}
        self._setting = setting
        self._rotated = rotated
        self._changed = changed
        self._among = Among(pattern, LogNames())
        self._opened: dict[str, OneLog] = {}

    def new_disk(self, *, following: bool) -> Disk:
        """What the files are looked for with; whoever asks closes it."""
        return disk_of(self.host, sudo=self._setting.sudo, following=following)

    async def logs(self, disk: Disk) -> dict[str, OneLog]:
        """The logs that there are now, by their paths. Raises LilFoxError, also where there is none."""
        present = await self.look(disk)
        if not present:
            raise nothing_there(self.host.name, self.pattern)
        return {path: self.log(path) for path in present}

    async def look(self, disk: Disk) -> dict[str, list[Seen]]:
        """The files that the pattern fits now, by the paths of their logs. Raises LilFoxError."""
        seen = await disk.look([self.pattern])
        names = self._among.names
        found: dict[str, list[Seen]] = {path: [] for path in names.learn(one.path for one in seen)}
        for one in seen:
            found[names.log_of(one.path)].append(one)
        self.present = list(found)
        for gone in self.refused.keys() - found:
            del self.refused[gone]
        return found

    def log(self, path: str) -> OneLog:
        """That log, opened once."""
        if path not in self._opened:
            self._opened[path] = OneLog(
                self.source, path, self._setting, rotated=self._rotated, among=self._among, changed=self._changed
            )
        return self._opened[path]

    def note_refused(self, path: str, error: LilFoxError | None) -> None:
        """Notes why that log cannot be read; None: it can."""
        if error is None:
            self.refused.pop(path, None)
        else:
            self.refused[path] = error

    def check_some_readable(self) -> None:
        """Raises why the first cannot be read where none can."""
        if self.present and len(self.refused) == len(self.present):
            raise next(iter(self.refused.values()))

    def outage(self) -> Unavailable | None:
        """Why one of the logs that are followed is away now, and is tried again."""
        states = (log.status.state for log in self._present_logs())
        return next((each for each in states if isinstance(each, Unavailable) and each.next_try is not None), None)

    def status(self) -> SourceStatus | None:
        """How the logs are doing together; None while nothing is known."""
        logs = self._present_logs()
        known = [status for log in logs if (status := log.status.value) is not None]
        if not known:
            return None
        counted = str(ntr("{path}: {count} log", "{path}: {count} logs", len(self.present), path=self.pattern))
        notes = [note for log in logs for note in log.notes]
        searched = [each.searched_bytes for each in known if each.searched_bytes is not None]
        return SourceStatus(
            clauses([counted, *notes, *map(str, self.refused.values())]),
            format=listed(sorted({each.format for each in known if each.format})),
            zone=known[0].zone,
            size_bytes=_sum([each.size_bytes for each in known]),
            indexed_bytes=_sum([each.indexed_bytes for each in known]),
            records=_sum([each.records for each in known]),
            more_records=len(known) < len(self.present) or any(each.more_records for each in known),
            searched_bytes=sum(searched) if searched else None,
        )

    def _present_logs(self) -> list[OneLog]:
        return [self._opened[path] for path in self.present if path in self._opened]

    async def let_go(self, path: str) -> None:
        """Closes a log that is gone."""
        log = self._opened.pop(path, None)
        if log is not None:
            await log.close()

    async def close(self) -> None:
        """Closes all logs."""
        for log in self._opened.values():
            await log.close()


def _sum(numbers: Sequence[int | None]) -> int | None:
    """None where one is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
