"""Files of an SSH host: by SFTP, and by commands available on every host."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from pathlib import PurePosixPath
from typing import TypeVar

import asyncssh

from lilfox_tui.core.errors import CommandTimeout, HostError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean, time_at
from lilfox_tui.hosts.base import Host, Kind, RemoteFilesystem, RemotePathFacts, no_change_allowed, not_read
from lilfox_tui.hosts.process import last_words
from lilfox_tui.hosts.ssh.errors import LINK_ERRORS, link_lost
from lilfox_tui.hosts.ssh.link import Sessions

TRANSFER_S = 600.0

_READ_SCRIPT = 'exec 3<"$1" || exit 1; tail -c "+$2" <&3 | head -c "$3"'


async def read_by_command(host: Host, path: str, offset: int, limit_bytes: int) -> bytes:
    """Read up to ``limit_bytes`` of ``path`` from ``offset``. Raises FileRefused and what ``run`` raises."""
    argv = ["sh", "-c", _READ_SCRIPT, "sh", path, str(offset + 1), str(limit_bytes)]
    done = await host.run(argv, timeout_s=TRANSFER_S, limit_bytes=max(limit_bytes, 4096))
    if not done.ok or (not done.stdout and done.stderr):
        raise not_read(host.name, path, last_words(done.stderr))
    return done.stdout


T = TypeVar("T")
ANSWER_S = 60.0
"""A server that does not answer for so long is given up: its disk hangs, or what it has mounted."""
SYNC_S = 900.0
MOST_NAMES = 100_000
"""Of a folder; a server can go on for ever."""
_READ_ONLY = 1
"""f_flag of statvfs@openssh.com: SSH2_FXE_STATVFS_ST_RDONLY."""
_ERRNO: dict[type[asyncssh.SFTPError], int] = {
    asyncssh.SFTPNoSuchFile: errno.ENOENT,
    asyncssh.SFTPPermissionDenied: errno.EACCES,
    asyncssh.SFTPOpUnsupported: errno.EOPNOTSUPP,
    asyncssh.SFTPBadMessage: errno.EINVAL,
    asyncssh.SFTPFileAlreadyExists: errno.EEXIST,
    asyncssh.SFTPNoSpaceOnFilesystem: errno.ENOSPC,
    asyncssh.SFTPWriteProtect: errno.EROFS,
}


async def open_sftp(host: str, sessions: Sessions, *, read_only: bool) -> Sftp:
    """Open a session; with ``read_only`` every change raises NotAllowed. Raises HostError."""
    await sessions.take()
    try:
        async with asyncio.timeout(ANSWER_S):
            client = await sessions.connection.start_sftp_client(path_encoding=None)
    except BaseException as error:
        sessions.give()
        if isinstance(error, TimeoutError):
            raise _silent(host, ANSWER_S) from None
        if not isinstance(error, LINK_ERRORS):
            raise
        if not sessions.alive:
            raise link_lost(host, sessions.client.lost_by) from None
        raise HostError(
            host,
            tr("cannot open an SFTP session on {host}: {reason}", host=host, reason=clean(str(error))),
            tr("Check Subsystem sftp and MaxSessions in its sshd_config."),
        ) from None
    return Sftp(host, client, sessions, read_only=read_only)


def _silent(host: str, timeout_s: float) -> CommandTimeout:
    return CommandTimeout(
        host,
        tr("SFTP on {host} did not answer within {seconds:g} s", host=host, seconds=timeout_s),
        tr("Its disk or a mounted file system may be hanging."),
    )


class Sftp:
    """See :class:`lilfox_tui.hosts.base.RemoteFiles`."""

    def __init__(self, host: str, client: asyncssh.SFTPClient, sessions: Sessions, *, read_only: bool) -> None:
        self._host = host
        self._client = client
        self._sessions = sessions
        self._read_only = read_only
        self._open = True

    @property
    def alive(self) -> bool:
        """See :attr:`RemoteFiles.alive`."""
        return self._open and self._sessions.alive

    async def ask(self, work: Awaitable[T], path: str, timeout_s: float = ANSWER_S) -> T:
        """Return the result of ``work``, with errors translated to those of RemoteFiles."""
        try:
            async with asyncio.timeout(timeout_s):
                return await work
        except TimeoutError:
            raise _silent(self._host, timeout_s) from None
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise link_lost(self._host, self._sessions.client.lost_by or error) from None
        except asyncssh.SFTPError as error:
            if not self._sessions.alive:
                raise link_lost(self._host, self._sessions.client.lost_by) from None
            code = _ERRNO.get(type(error), errno.EIO)
            raise OSError(code, os.strerror(code) if code != errno.EIO else clean(error.reason), path) from None
        except LINK_ERRORS as error:
            raise link_lost(self._host, self._sessions.client.lost_by or error) from None

    async def real(self, path: str) -> str:
        """See :meth:`RemoteFiles.real`."""
        return os.fsdecode(await self.ask(self._client.realpath(os.fsencode(path)), path))

    async def facts(self, path: str) -> RemotePathFacts:
        """See :meth:`RemoteFiles.facts`."""
        return facts_of(await self.ask(self._client.lstat(os.fsencode(path)), path))

    async def listing(self, folder: str) -> list[tuple[str, RemotePathFacts]]:
        """See :meth:`RemoteFiles.listing`."""
        return await self.ask(self._listed(folder), folder, SYNC_S)

    async def _listed(self, folder: str) -> list[tuple[str, RemotePathFacts]]:
        found: list[tuple[str, RemotePathFacts]] = []
        async with aclosing(_names(self._client, folder)) as names:
            async for name in names:
                if len(found) > MOST_NAMES:
                    raise HostError(
                        self._host,
                        tr("{path} on {host} contains more than {count} entries; none were used",
                           path=folder, host=self._host, count=MOST_NAMES),
                        tr("Use a dedicated folder for these files."),
                    )  # fmt: skip
                found.append((os.fsdecode(name.filename), facts_of(name.attrs)))
        return [(name, facts) for name, facts in found if name not in (".", "..")]

    async def create(self, path: str) -> SftpFile:
        """See :meth:`RemoteFiles.create`."""
        self._refuse_change(path)
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
        attrs = asyncssh.SFTPAttrs(permissions=0o600)
        try:
            return SftpFile(
                self, path, await self.ask(self._client.open(os.fsencode(path), flags, attrs, encoding=None), path)
            )
        except OSError as error:
            if error.errno == errno.EIO:  # version 3 has one code for all of these
                raise await self._why(path) or error from None
            raise

    async def open(self, path: str, *, write: bool = False) -> SftpFile:
        """See :meth:`RemoteFiles.open`."""
        if write:
            self._refuse_change(path)
        flags = asyncssh.FXF_WRITE if write else asyncssh.FXF_READ
        return SftpFile(self, path, await self.ask(self._client.open(os.fsencode(path), flags, encoding=None), path))

    async def rename_new(self, old: str, new: str) -> None:
        """See :meth:`RemoteFiles.rename_new`. OpenSSH implements it with link(2) and unlink(2)."""
        self._refuse_change(new)
        try:
            await self.ask(self._client.rename(os.fsencode(old), os.fsencode(new)), old)
        except OSError as error:
            if error.errno == errno.EIO:
                raise await self._why(new) or error from None
            raise

    async def replace(self, old: str, new: str) -> None:
        """See :meth:`RemoteFiles.replace`."""
        self._refuse_change(new)
        await self.ask(self._client.posix_rename(os.fsencode(old), os.fsencode(new)), old)

    async def remove(self, path: str) -> None:
        """See :meth:`RemoteFiles.remove`."""
        self._refuse_change(path)
        try:
            await self.ask(self._client.remove(os.fsencode(path)), path)
        except OSError as error:
            if error.errno == errno.EIO:
                raise await self.no_room(path) or error from None
            raise

    async def make_folder(self, path: str) -> None:
        """See :meth:`RemoteFiles.make_folder`."""
        self._refuse_change(path)
        try:
            await self.ask(self._client.mkdir(os.fsencode(path), asyncssh.SFTPAttrs(permissions=0o700)), path)
        except OSError as error:
            if error.errno == errno.EIO:
                raise await self._why(path) or error from None
            raise

    async def sync_folder(self, path: str) -> None:
        """See :meth:`RemoteFiles.sync_folder`."""
        with suppress(OSError):
            folder = await self.open(path)
            try:
                await folder.sync()
            finally:
                await folder.close()

    async def filesystem(self, path: str) -> RemoteFilesystem | None:
        """See :meth:`RemoteFiles.filesystem`."""
        try:
            told = await self.ask(self._client.statvfs(os.fsencode(path)), path)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return None
            raise
        free_files = told.favail if told.files else None
        return RemoteFilesystem(told.fsid, told.bavail * told.frsize, free_files, bool(told.flags & _READ_ONLY))

    async def close(self) -> None:
        """See :meth:`RemoteFiles.close`."""
        if self._open:
            self._open = False
            self._client.exit()
            self._sessions.give()
            with suppress(TimeoutError, *LINK_ERRORS):
                async with asyncio.timeout(2):
                    await self._client.wait_closed()

    def _refuse_change(self, path: str) -> None:
        if self._read_only:
            raise no_change_allowed(self._host, path)

    async def _why(self, path: str) -> OSError | None:
        """Return why a name could not be created, if that can be found out afterwards."""
        with suppress(FileNotFoundError):
            await self.facts(path)
            return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return await self.no_room(path)

    async def no_room(self, path: str, size: int = 1) -> OSError | None:
        """Return why ``size`` more bytes could not be written, if the filesystem reports it."""
        with suppress(OSError):
            filesystem = await self.filesystem(str(PurePosixPath(path).parent))
            if filesystem is not None and filesystem.read_only:
                return OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            if filesystem is not None and (filesystem.free_bytes < size or filesystem.free_files == 0):
                return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return None


class SftpFile:
    """See :class:`lilfox_tui.hosts.base.RemoteFileHandle`."""

    def __init__(self, sftp: Sftp, path: str, file: asyncssh.SFTPClientFile) -> None:
        self._sftp = sftp
        self._path = path
        self._file = file

    async def read(self, offset: int, size: int) -> bytes:
        """See :meth:`RemoteFileHandle.read`."""
        data: object = await self._sftp.ask(self._file.read(size, offset), self._path, 2 * ANSWER_S)
        assert isinstance(data, bytes)
        return data

    async def write(self, offset: int, data: bytes) -> None:
        """See :meth:`RemoteFileHandle.write`."""
        try:
            await self._sftp.ask(self._file.write(data, offset), self._path, 2 * ANSWER_S)
        except OSError as error:
            if error.errno == errno.EIO:
                raise await self._sftp.no_room(self._path, len(data)) or error from None
            raise

    async def facts(self) -> RemotePathFacts:
        """See :meth:`RemoteFileHandle.facts`."""
        return facts_of(await self._sftp.ask(self._file.stat(), self._path))

    async def sync(self) -> None:
        """See :meth:`RemoteFileHandle.sync`."""
        try:
            await self._sftp.ask(self._file.fsync(), self._path, SYNC_S)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise

    async def close(self) -> None:
        """See :meth:`RemoteFileHandle.close`."""
        with suppress(OSError, HostError):
            await self._sftp.ask(self._file.close(), self._path, 10.0)


async def _names(client: asyncssh.SFTPClient, folder: str) -> AsyncGenerator[asyncssh.SFTPName, None]:
    async for name in client.scandir(os.fsencode(folder)):
        yield name


def facts_of(attrs: asyncssh.SFTPAttrs) -> RemotePathFacts:
    """Return the facts that SFTP version 3 reports."""
    mode = attrs.permissions or 0
    kinds: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    kind: Kind = kinds.get(stat.S_IFMT(mode), "other")
    return RemotePathFacts(kind, attrs.size or 0, time_at(attrs.mtime or 0), stat.S_IMODE(mode))
