"""Where sets are kept. One file a kind in ``stores/``, each with ``Options`` (a StoreConfig) and
``open_store(name, options, host)``, where ``host`` is the one that ``options.host`` names, or this machine. As in
``source.py``, all but ``Options`` is in a module beside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from lilfox_tui.backup.checks import Check


class StoreEntry(Struct, frozen=True, gc=False):
    """A regular file in the store: its name (``X`` or ``FOLDER/X``), bytes and mtime (aware UTC). Links, folders of
    others, devices and what has a name with other separators are never entries."""

    name: str
    size_bytes: int
    modified: datetime


class StoreLockHolder(Struct, frozen=True):
    """Who holds a store's lock; untrusted text, since when in aware UTC where it is known."""

    who: str
    since: datetime | None = None


class BackupStore(Protocol):
    """Files by name. Nothing is written but under ``NAME.part`` until ``publish``; nothing outside of the store's
    folder is touched, links in it are not followed. Raises StoreError (``errors.py`` of this package), HostError."""

    name: str
    where: str
    """For people: ``/backup`` or ``nas-1:/srv/backup``."""

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """Whether it is there, really mounted where it must be, writable, with so much room, and not readable by
        others."""
        ...

    def lock(self, who: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """Held by one run at a time over all users and machines (restore and verify share it). Raises StoreHeld,
        which names the Holder, at once when another has it. It ends with its holder, however that ends."""
        ...

    async def entries(self) -> Sequence[StoreEntry]:
        """All files: of the folder itself and of the sub-folders ``postgresql``, ``config``, ``files``, ``rollback``
        that the manual's scripts use. ``.part`` files too."""
        ...

    def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file in blocks; use inside ``aclosing``."""
        ...

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """Whole all files whose names end so (manifests, proofs), in few round trips, and the entries of all others:
        also of such that are larger than 4 MB or may not be read."""
        ...

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """Writes ``NAME.part`` (0600, O_EXCL; the folder is made 0700), fsyncs it, gives its bytes. When it raises
        or is cancelled the part is removed, as far as the store still answers."""
        ...

    async def publish(self, names: Sequence[str]) -> None:
        """``NAME.part`` becomes ``NAME`` for each, never over one that is there (StoreError); then the folders are
        fsynced."""
        ...

    async def put_small(self, name: str, data: bytes) -> None:
        """A small file whole or not at all, over one that may be there: part, fsync, rename, fsync of the folder."""
        ...

    async def remove(self, names: Sequence[str]) -> None:
        """Removes regular files by name, ``.part`` too; those that are gone are no fault."""
        ...

    async def free_bytes(self) -> int | None:
        """Room for us; None where the store does not tell."""
        ...

    async def close(self) -> None:
        """Ends its connection."""
        ...
