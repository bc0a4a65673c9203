"""The contract of stores, and the errors of backups, including those worth a retry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from lilfox_tui.backup.checks import Check, hint_text
from lilfox_tui.core.errors import CommandUnknown, HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.jobs.model import Run


class StoreEntry(Struct, frozen=True, gc=False):
    """A regular file in the store: its name (``X`` or ``FOLDER/X``), bytes and mtime (aware UTC). Symbolic links, other
    folders, devices and names with other separators are never entries."""

    name: str
    size_bytes: int
    modified: datetime


class StoreLockHolder(Struct, frozen=True):
    """Who holds a store's lock (untrusted text), and since when (aware UTC), if known."""

    who: str
    since: datetime | None = None


class BackupStore(Protocol):
    """A store of files by name. Everything is written as ``NAME.part`` until ``publish``; nothing outside the store's
    folder is touched, and symbolic links in it are not followed. Its methods raise StoreError, HostError."""

    name: str
    where: str
    """For people: ``/backup`` or ``nas-1:/srv/backup``."""

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """Check that the store exists, is mounted where required, writable, has enough space, and is not readable by
        others."""
        ...

    def lock(self, who: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold the store's lock: one run at a time across all users and machines (``shared``: restores and
        verifications together). Raises StoreHeld, which names the holder, at once if another run has it. The lock is
        released when its holder ends, even by a crash."""
        ...

    async def entries(self) -> Sequence[StoreEntry]:
        """Return all files: those of the folder itself and of the sub-folders ``postgresql``, ``config``, ``files``,
        ``rollback`` that the ops manual's scripts use, including ``.part`` files."""
        ...

    def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file in blocks; use inside ``aclosing``."""
        ...

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """Return the content of all files with these endings (manifests, proofs), in few round trips, and the entries
        of all other files and of those that are larger than 4 MB or unreadable."""
        ...

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """Write ``NAME.part`` (0600, O_EXCL; the folder is created 0700), fsync it, and return its size. On an error or
        a cancellation the part is removed, as far as the store still responds."""
        ...

    async def publish(self, names: Sequence[str]) -> None:
        """Rename each ``NAME.part`` to ``NAME``, never over an existing file (StoreError); then fsync the folders."""
        ...

    async def put_small(self, name: str, data: bytes) -> None:
        """Write a small file atomically, replacing an existing one: part, fsync, rename, fsync of the folder."""
        ...

    async def remove(self, names: Sequence[str]) -> bool:
        """Remove regular files by name, ``.part`` too; missing ones are ignored. Return whether the store keeps old
        versions of them, which take up space."""
        ...

    async def object_lock(self, names: Sequence[str]) -> Message | None:
        """Return why these files are not to be removed yet (an object lock until a date, a legal hold); None if nothing
        says so."""
        ...

    async def free_bytes(self) -> int | None:
        """Return the free space available to us; None if the store does not report it."""
        ...

    async def close(self) -> None:
        """Close its connection."""
        ...


# What can go wrong with backups.


class BackupError(LilFoxError):
    """A backup, verification or restore failed; says what is still intact."""


class StoreError(BackupError):
    """An error of the store: missing, not mounted, full, no permission, name taken. ``status`` (HTTP) and ``code`` are
    those of the answer by which a server refused a request."""

    def __init__(
        self, message: Message | str, hint: Message | str = "", *, full: bool = False, status: int = 0, code: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.full = full
        self.status = status
        self.code = code


class StoreHeld(BackupError):
    """Another run holds the store's lock."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, holder: StoreLockHolder) -> None:
        super().__init__(message, hint)
        self.holder = holder


class BrokenSet(BackupError):
    """The stored data is not what was written, or was never complete. ``truncated``: it ends too early."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, truncated: bool = False) -> None:
        super().__init__(message, hint)
        self.truncated = truncated


class NotReady(BackupError):
    """A preflight check failed, so the run was not started; nothing was written."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(message, hint)
        self.checks = checks


def refuse_bad(checks: list[Check]) -> None:
    """Raise NotReady if any check failed; the message names the first one."""
    bad = [check for check in checks if check.state == "bad"]
    if bad:
        more = tr(" (and {count} more)", count=len(bad) - 1) if len(bad) > 1 else ""
        raise NotReady(
            tr("{about}: {found}{more}; nothing was written", about=bad[0].about, found=bad[0].found, more=more),
            hint_text(bad[0]),
            checks=tuple(checks),
        )


class HalfSwapped(BackupError):
    """Only one of two renames was made, and it could not be undone: settle it later."""


class RestoredDiffers(BackupError):
    """The restored data differs from what was backed up."""


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
    """A connection was lost and not restored in time."""


async def retry(run: Run, work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of ``work``; retry it after a lost connection, with growing waits that are reported to ``run``.
    Raises LinkGone after the last try, and any other error of ``work`` at once."""
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
            "the connection to {host} was lost, retrying in {seconds:g} s (attempt {number} of {tries}): {error}",
            host=error.host,
            seconds=wait_s,
            number=number,
            tries=len(WAITS_S) + 1,
            error=error,
        )
    )
