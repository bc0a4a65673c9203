"""Files of a host by SFTP: a protocol of files alone, which needs no shell on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

Kind = Literal["file", "folder", "link", "other"]


class RemotePathFacts(Struct, frozen=True):
    """What is at a path itself, links not followed. ``modified`` is aware UTC, ``mode`` the permission bits."""

    kind: Kind
    size_bytes: int
    modified: datetime
    mode: int


class RemoteFilesystem(Struct, frozen=True):
    """A filesystem by the server's statvfs(3). ``id`` tells it from others on that host, as well as its kind can."""

    id: int
    free_bytes: int
    free_files: int | None
    """None where files are not counted."""
    read_only: bool


class RemoteFileHandle(Protocol):
    """An open file; raises as RemoteFiles."""

    async def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        ...

    async def write(self, offset: int, data: bytes) -> None:
        """All of ``data``."""
        ...

    async def facts(self) -> RemotePathFacts:
        """Of what is open."""
        ...

    async def sync(self) -> None:
        """Returns when it is on the disk there; does nothing where the server cannot (fsync@openssh.com)."""
        ...

    async def close(self) -> None:
        """Never raises."""
        ...


class RemoteFiles(Protocol):
    """One SFTP session (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions). Paths are text, bytes that are no
    UTF-8 as surrogates.

    Raises OSError with an errno as near as the protocol tells (EIO: the server said no more than that it failed), and
    HostError for the link: HostUnreachable, CommandTimeout for a server that does not answer. A change on a protected
    host, or with ``--read-only``, raises NotAllowed.
    """

    @property
    def alive(self) -> bool:
        """Whether its connection is thought to work."""
        ...

    async def real(self, path: str) -> str:
        """The absolute path without links."""
        ...

    async def facts(self, path: str) -> RemotePathFacts:
        """What is there."""
        ...

    async def listing(self, folder: str) -> Sequence[tuple[str, RemotePathFacts]]:
        """Names within, without ``.`` and ``..``."""
        ...

    async def create(self, path: str) -> RemoteFileHandle:
        """A new file, 0600. Raises FileExistsError for a name that is taken, by a link, too."""
        ...

    async def open(self, path: str, *, write: bool = False) -> RemoteFileHandle:
        """A file that is there; the server follows a link, so look with ``facts`` first."""
        ...

    async def rename_new(self, old: str, new: str) -> None:
        """Raises FileExistsError for a name that is taken."""
        ...

    async def replace(self, old: str, new: str) -> None:
        """As rename(2)."""
        ...

    async def remove(self, path: str) -> None:
        """Removes a file."""
        ...

    async def make_folder(self, path: str) -> None:
        """Makes a folder, 0700."""
        ...

    async def sync_folder(self, path: str) -> None:
        """Puts the names in it on the disk, where the server can: OpenSSH's on Linux does."""
        ...

    async def filesystem(self, path: str) -> RemoteFilesystem | None:
        """The one that the path is on; None where the server does not tell (statvfs@openssh.com)."""
        ...

    async def close(self) -> None:
        """Ends the session."""
        ...


@runtime_checkable
class HasSftp(Protocol):
    """A host that is reached by SSH."""

    async def open_sftp(self) -> RemoteFiles:
        """A session, to be closed by who asked. Raises HostError."""
        ...
