"""A folder of an SSH host, by SFTP, in which nothing but its own regular files is touched.

SFTP has no O_NOFOLLOW: each step is looked at before it is gone, and the folder (0700) is ours alone, so that nobody
else can put a link there in between.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.names import FOLDERS
from lilfox_tui.backup.store import Entry
from lilfox_tui.backup.store_names import is_name, parted
from lilfox_tui.errors import UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.remote_files import Facts, Filesystem, HasSftp, RemoteFile, RemoteFiles
from lilfox_tui.i18n import tr


class RemoteFolder:
    """``mount``: where a filesystem must be mounted, or None. Raises StoreError when it is not, or when the folder is
    on another filesystem than before; OSError and HostError as RemoteFiles has them."""

    def __init__(self, host: Host, path: str, mount: str | None = None) -> None:
        self.path = path
        self.where = f"{host.name}:{path}"
        self.kept = False
        """A command on the host itself keeps the lock's mark fresh."""
        self._host = host
        self._mount = mount
        self._files: RemoteFiles | None = None
        self._filesystem: int | None = None

    async def files(self) -> RemoteFiles:
        """The session, opened when there is none. Raises HostError, UsageError for a host without SFTP."""
        if self._files is None or not self._files.alive:
            if not isinstance(self._host, HasSftp):
                raise UsageError(
                    tr("{host} is not reached by SSH: it has no SFTP", host=self._host.name),
                    tr("For a folder of this machine take a store of the kind local."),
                )
            await self.close()
            self._files = await self._host.open_sftp()
        return self._files

    async def close(self) -> None:
        """Ends the session."""
        files, self._files = self._files, None
        if files is not None:
            await files.close()

    async def look(self, *, make: bool = False) -> RemoteFiles:
        """The session, when the folder is the one that it was; it is made if ``make``."""
        files = await self.files()
        if self._mount is not None and not await self._is_mounted(files, self._mount):
            raise StoreError(
                tr("nothing is mounted at {mount}: {folder} is not written", mount=self._mount, folder=self.where),
                tr("Mount it; without it the backup would go to the disk below."),
            )
        try:
            now = await files.filesystem(self.path)
        except FileNotFoundError:
            if not make:
                raise
            await files.make_folder(self.path)
            now = await files.filesystem(self.path)
        if now is not None and self._filesystem not in (None, now.id):
            raise StoreError(
                tr("{folder} is on another filesystem than when this began", folder=self.where),
                tr("What was mounted there may be gone: see mount, and dmesg."),
            )
        self._filesystem = None if now is None else now.id
        return files

    async def _is_mounted(self, files: RemoteFiles, mount: str) -> bool:
        """By the filesystems of it and of the folder above: a bind mount of the same one is not told from none."""
        with suppress(FileNotFoundError):
            real = await files.real(mount)
            here, above = await files.filesystem(real), await files.filesystem(str(PurePosixPath(real).parent))
            return here is not None and above is not None and here.id != above.id
        return False

    async def room(self, *, make: bool) -> tuple[Filesystem | None, Facts]:
        """Its filesystem, and the folder."""
        files = await self.look(make=make)
        return await files.filesystem(self.path), await files.facts(await files.real(self.path))

    def at(self, name: str) -> str:
        """The path of a name of our own in the folder."""
        return f"{self.path}/{name}"

    async def _path(self, files: RemoteFiles, name: str, *, make: bool = False) -> str:
        """Where ``name`` is or will be; raises NotADirectoryError for a link on the way."""
        folder, base = parted(name)
        if not folder:
            return self.at(base)
        within = self.at(folder)
        try:
            kind = (await files.facts(within)).kind
        except FileNotFoundError:
            if not make:
                raise
            await files.make_folder(within)
            kind = "folder"
        if kind != "folder":
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), within)
        return f"{within}/{base}"

    async def create(self, name: str) -> RemoteFile:
        """A new file."""
        files = await self.look(make=True)
        return await files.create(await self._path(files, name, make=True))

    async def open(self, name: str) -> RemoteFile:
        """A regular file to be read."""
        files = await self.files()
        return await self._open(files, await self._path(files, name))

    async def _open(self, files: RemoteFiles, path: str) -> RemoteFile:
        if (await files.facts(path)).kind != "file":
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        return await files.open(path)

    async def small(self, name: str, limit_bytes: int) -> bytes | None:
        """What is in a file; None when it is gone, larger, or no regular file."""
        try:
            file = await self.open(name)
        except OSError:
            return None
        try:
            read = await file.read(0, limit_bytes + 1)
        finally:
            await file.close()
        return read if len(read) <= limit_bytes else None

    async def rename(self, old: str, new: str, *, over: bool = False) -> None:
        """Gives a file another name in its folder; never one that is taken unless ``over``."""
        files = await self.look()
        here, there = await self._path(files, old), await self._path(files, new)
        await (files.replace(here, there) if over else files.rename_new(here, there))

    async def sync(self, name: str) -> None:
        """Puts the names in the folder of ``name`` on the disk."""
        files = await self.files()
        await files.sync_folder(str(PurePosixPath(await self._path(files, name)).parent))

    async def remove(self, name: str) -> None:
        """Removes a regular file; nothing if it is gone, or is something else."""
        files = await self.files()
        with suppress(FileNotFoundError):
            path = await self._path(files, name)
            if (await files.facts(path)).kind == "file":
                await files.remove(path)

    async def entries(self) -> Sequence[Entry]:
        """All regular files, also those of the known sub-folders."""
        files = await self.files()
        listed = await files.listing(self.path)
        found = _entries(listed, "")
        for name, facts in listed:
            if name in FOLDERS and facts.kind == "folder":
                found += _entries(await files.listing(self.at(name)), f"{name}/")
        return found


def _entries(listed: Sequence[tuple[str, Facts]], prefix: str) -> list[Entry]:
    return [
        Entry(prefix + name, facts.size_bytes, facts.modified)
        for name, facts in listed
        if facts.kind == "file" and is_name(name)
    ]
