"""A log file, or the files of one log: of any size, here or on a host, plain or packed, with its rotated ones."""

from __future__ import annotations

from lilfox_tui.config.model import LogConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.logs.files.local import LocalDisk
from lilfox_tui.logs.files.pages import read_page
from lilfox_tui.logs.files.shelf import Reading, Shelf
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.source import Page, Setting, SourceStatus, Start


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``path`` may be a pattern (``*``, ``?``, ``[…]``): the files of one log. With ``rotated`` the files that rotation
    has made of it are read too."""

    path: str = ""
    rotated: bool = True


def open_source(name: str, options: Options, setting: Setting) -> FileSource:
    """The log at ``options.path`` on the host; nothing is opened before the first question."""
    return FileSource(name, options, setting)


class FileSource:
    """See :class:`LogSource`."""

    def __init__(self, name: str, options: Options, setting: Setting) -> None:
        self.name = name
        self._status: Feed[SourceStatus] = Feed()
        disk = LocalDisk(setting.host)
        reading = Reading(name, setting.host.name, setting.format, setting.zone)
        self._shelf = Shelf(disk, options.path, reading, rotated=options.rotated)
        self._description = options.path

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`."""
        return self._status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`."""
        self._passed = 0
        try:
            page = await read_page(self._shelf, start, older=older, limit=limit, where=where, searched=self._searched)
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._publish(None)
        return page

    def _searched(self, passed: int) -> None:
        self._passed += passed
        self._publish(self._passed)

    def _publish(self, searched: int | None) -> None:
        self._status.publish(SourceStatus(self._description, searched_bytes=searched))

    async def close(self) -> None:
        """See :meth:`LogSource.close`."""
        await self._shelf.close()
