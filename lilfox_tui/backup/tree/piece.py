"""One thing that a restore puts in place: a folder from an archive, or a single file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.source import Change, Comparison, Renames
from lilfox_tui.backup.tree.looking import Look
from lilfox_tui.backup.tree.staging import Staging
from lilfox_tui.backup.tree_options import TreeOptions
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be put where. ``target`` is an absolute path; ``only`` a path below it, empty for the whole."""

    host: Host
    part: FoundPart
    blocks: Callable[[FoundPart], AsyncGenerator[bytes, None]]
    target: str
    options: TreeOptions
    created: datetime
    only: str = ""
    scratch: bool = False

    @property
    def parent(self) -> str:
        """The folder in which the target is."""
        return self.target.rpartition("/")[0] or "/"

    @property
    def name(self) -> str:
        """The target's own name."""
        return self.target.rpartition("/")[2]

    def staging(self) -> Staging:
        """A place beside the target, not made yet."""
        return Staging(self.host, self.parent, self.name, sudo=self.options.sudo, scratch=self.scratch)


class Piece(Protocol):
    """The calls come in this order; ``discard`` may come at any time."""

    wish: Wish
    needed_bytes: int
    """Of room, once it was scanned."""
    needed_files: int

    async def scan(self, look: Look, most_bytes: int | None) -> list[Check]:
        """Reads the whole part, judges it, and finds what a restore would do to what is there. A part that is bad gives
        a bad check."""
        ...

    async def changes(self) -> list[Change]:
        """What restoring would change."""
        ...

    async def stage(self, moved: Callable[[int], None]) -> None:
        """Restores beside; ``moved`` takes the bytes that came so far. Raises BackupError, HostError."""
        ...

    async def compare(self) -> Comparison:
        """Reads what was staged back from the disk and holds it against the part."""
        ...

    def renames(self) -> Renames:
        """What puts it in place."""
        ...

    def close(self) -> None:
        """Lets go of what was remembered."""
        ...

    async def discard(self) -> None:
        """Takes away what was staged and is not in place."""
        ...


async def counted(blocks: AsyncIterator[bytes], moved: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """``blocks``, telling how many bytes came."""
    done = 0
    async for block in blocks:
        done += len(block)
        moved(done)
        yield block


def another_stream(part: FoundPart) -> BackupError:
    """What is told when a part gave other bytes the second time than those that were judged."""
    return BackupError(
        tr("{part} has changed since it was looked at", part=clean(part.name)),
        tr("what is there was not touched; look at who can write to the store"),
    )
