"""The contract of stores, and the errors of backups with those that are worth a retry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from lilfox_tui.backup.checks import Check
from lilfox_tui.core.errors import CommandUnknown, HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.jobs.model import Run


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
    folder is touched, links in it are not followed. Raises StoreError, HostError."""

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


# What can go wrong with backups.


class BackupError(LilFoxError):
    """A backup, a verification or a restore did not come to a good end; says what is still good."""


class StoreError(BackupError):
    """The store: not there, not mounted, full, no right, another file of that name."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, full: bool = False) -> None:
        super().__init__(message, hint)
        self.full = full


class StoreHeld(BackupError):
    """Another run holds the store."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, holder: StoreLockHolder) -> None:
        super().__init__(message, hint)
        self.holder = holder


class BrokenSet(BackupError):
    """What lies in the store is not what was put there, or was never whole. ``truncated``: it ends before what is
    read of it."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, truncated: bool = False) -> None:
        super().__init__(message, hint)
        self.truncated = truncated


class NotReady(BackupError):
    """Preflight found what forbids to begin; nothing was written."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(message, hint)
        self.checks = checks


class HalfSwapped(BackupError):
    """Of two renames only one is made, and what it renamed could not get its name back: settling it comes later."""


class RestoredDiffers(BackupError):
    """What was restored is not equal to what was backed up."""


# Retries what may be done twice, once a lost link is back.
#
# A dump, a copy, a verification, what is staged and what is compared leave nothing that a second try would meet.
# Renames are not begun again: what came of them is looked at (``settling.settle``).


T = TypeVar("T")
WAITS_S = (5.0, 20.0, 60.0)
"""Before the second try, the third and the fourth. All together they are shorter than the time after which the lock of
an SFTP store is taken for that of a dead run."""
LINK = (HostUnreachable, CommandUnknown)
"""What a call on a host raises when its link is, or was, not there."""


class LinkGone(BackupError):
    """A link was lost, and did not come back in time."""


async def retry(run: Run, work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` gives; it is begun anew when it ends for a lost link, with longer and longer waits in between, of
    which ``run`` is told. Raises LinkGone after the last try, and at once whatever else ``work`` raises."""
    for number, wait_s in enumerate(WAITS_S, 2):
        try:
            return await work()
        except LINK as error:
            run.say(_told(error, wait_s, number), "warning")
        await asyncio.sleep(wait_s)
    try:
        return await work()
    except LINK as error:
        raise LinkGone(tr("{error} (tried {tries} times)", error=error, tries=len(WAITS_S) + 1), error.hint) from None


def _told(error: HostError, wait_s: float, number: int) -> str:
    return str(
        tr(
            "the connection to {host} was lost, retrying in {seconds:g} s ({number} of {tries}): {error}",
            host=error.host,
            seconds=wait_s,
            number=number,
            tries=len(WAITS_S) + 1,
            error=error,
        )
    )
