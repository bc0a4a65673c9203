"""A store's lock by SFTP: marks alone (``store_lock.py``), judged by the clock of the server.

It is seen by who comes by SFTP, from anywhere, and by who has the folder on its own machine. SFTP knows no lock that
ends with its holder: of a run that was killed, or that has lost its link for good, it ends after five minutes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime

from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.remote_folder import RemoteFolder
from lilfox_tui.backup.store_lock import MARK_BYTES, PREFIX, mark_of, marked
from lilfox_tui.backup.store_names import refused
from lilfox_tui.errors import NotAllowed

CLOCK = ".lilfox.clock."


@asynccontextmanager
async def remote_lock(folder: RemoteFolder, who: str, *, shared: bool) -> AsyncIterator[None]:
    """See :meth:`lilfox_tui.backup.store.Store.lock`. A folder that this account cannot write is shared without a
    mark."""
    marks = _RemoteMarks(folder)
    if shared and not await marks.can_be_made():
        yield
        return
    async with marked(marks, folder.where, mark_of(who, ""), shared=shared, dead=lambda mark: False):  # noqa: ARG005
        yield


class _RemoteMarks:
    """See :class:`lilfox_tui.backup.store_lock.MarkFiles`."""

    def __init__(self, folder: RemoteFolder) -> None:
        self._folder = folder

    @property
    def kept(self) -> bool:
        return self._folder.kept

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refused(self._folder.where, name, error) from None

    async def can_be_made(self) -> bool:
        """Raises StoreError when the folder is not there."""
        with self._said("."):
            await self._folder.look()
        try:
            await self.now()
        except (StoreError, NotAllowed):
            return False
        return True

    async def create(self, name: str, data: bytes) -> bool:
        with self._said(name):
            files = await self._folder.look(make=True)
            try:
                file = await files.create(self._folder.at(name))
            except FileExistsError:
                return False
            try:
                await file.write(0, data)
            except BaseException:
                with suppress(OSError):
                    await files.remove(self._folder.at(name))
                raise
            finally:
                await file.close()
        return True

    async def read(self, name: str) -> tuple[bytes, datetime] | None:
        with self._said(name):
            files = await self._folder.files()
            try:
                if (await files.facts(self._folder.at(name))).kind != "file":
                    return None
                file = await files.open(self._folder.at(name))
            except FileNotFoundError:
                return None
            try:
                return await file.read(0, MARK_BYTES), (await file.facts()).modified
            finally:
                await file.close()

    async def touch(self, name: str) -> None:
        """By writing the first byte of a JSON object anew, so that it is the server's clock that says when."""
        with self._said(name), suppress(FileNotFoundError):
            file = await (await self._folder.files()).open(self._folder.at(name), write=True)
            try:
                await file.write(0, b"{")
            finally:
                await file.close()

    async def rename_new(self, old: str, new: str) -> bool:
        with self._said(old):
            try:
                await (await self._folder.files()).rename_new(self._folder.at(old), self._folder.at(new))
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    async def remove(self, names: list[str]) -> None:
        files = await self._folder.files()
        for name in names:
            with self._said(name), suppress(FileNotFoundError):
                await files.remove(self._folder.at(name))

    async def names(self) -> list[str]:
        with self._said("."):
            listed = await (await self._folder.files()).listing(self._folder.path)
        return [name for name, _ in listed if name.startswith(PREFIX)]

    async def now(self) -> datetime:
        """What a file gets for its mtime that is made now."""
        path = self._folder.at(CLOCK + os.urandom(8).hex())
        with self._said(CLOCK):
            files = await self._folder.look()
            file = await files.create(path)
            try:
                await file.write(0, b"{")
                return (await file.facts()).modified
            finally:
                await file.close()
                await files.remove(path)
