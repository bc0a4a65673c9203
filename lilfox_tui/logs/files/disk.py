"""The files of a log as a host shows them: one contract for local and remote files, and why one cannot be read."""

from __future__ import annotations

import stat
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from lilfox_tui.errors import FileRefused, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.logs.filter.needles import Needles

# Why a log file cannot be read, and what to do.


class FileMoved(FileRefused):
    """Under that name there is another file by now: look again."""


class NotReadable(FileRefused):
    """This account has no right to read it."""


class PlaceGone(FileRefused):
    """The file of a place is not among those of the log any more."""


def file_moved(host: str, path: str) -> FileMoved:
    """The file has another name by now, or none."""
    return FileMoved(host, tr("{path} on {host} was renamed or removed meanwhile", path=path, host=host))


def nothing_there(host: str, path: str) -> FileRefused:
    """No file of that name, or none that a pattern fits."""
    return FileRefused(
        host,
        tr("{path} on {host}: there is no such file", path=path, host=host),
        tr("See whether the name is right, and whether the program that writes it has started."),
    )


def not_regular(host: str, path: str, mode: int) -> FileRefused | None:
    """Why something of that mode (``st_mode``) is no log file; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return FileRefused(
            host,
            tr("{path} on {host} is a directory", path=path, host=host),
            tr("Name a file in it, or a pattern: {path}/*.log", path=path.rstrip("/")),
        )
    return FileRefused(
        host,
        tr("{path} on {host} is not a file but a pipe, a socket or a device", path=path, host=host),
        tr("What a program prints is read with: PROGRAM | lilfox logs -"),
    )


def no_right(host: str, path: str, *, unless_root: bool = False) -> NotReadable:
    """The account may not read it; ``unless_root``: sudo, which was not allowed so far, would do."""
    hint = (
        tr(
            "Set sudo: true for this host in the configuration, or ask for the right to read it: often a group such as "
            "adm, or an ACL (setfacl -m u:NAME:r FILE)."
        )
        if unless_root
        else tr("Ask for the right to read it: often a group such as adm, or an ACL (setfacl -m u:NAME:r FILE).")
    )
    return NotReadable(host, tr("{path} on {host} may not be read by this account", path=path, host=host), hint)


def place_gone(source: str) -> PlaceGone:
    """A record's file is not among those of the source any more."""
    return PlaceGone(
        source,
        tr("The file of that record is no longer among those of {source}", source=source),
        tr("It was rotated away. Go on from the beginning, the end, or a time."),
    )


# What the files of a log are read through: one contract, kept by ``local.py`` and, for SSH hosts, ``remote.py``.


class FileStat(Struct, frozen=True):
    """A regular file as its folder shows it. ``modified_s`` is seconds since 1970 by its host's clock, ``age_s`` how
    long ago that was by the same clock."""

    path: str
    device: int
    inode: int
    size_bytes: int
    modified_s: float
    age_s: float

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode: the same file under whatever name."""
        return self.device, self.inode


Text: TypeAlias = tuple[int, bytes]
"""Where in the file a line begins, and the bytes from there on, as far as they are known: whole lines but the last."""


class SearchHits(Struct, frozen=True):
    """Places where a search has found something, ascending; ``texts`` is what it has sent along: by place, the line of
    the hit and what follows it."""

    offsets: Sequence[int]
    texts: Mapping[int, Text]


class ByteFile(Protocol):
    """One file that is open. It stays the same file when it is renamed; calls may be made at the same time.

    ``COUNT_BYTES``: so much is counted at once. ``NEAR_BYTES``: so much is read record by record before ``find`` is
    used, which costs a process: where there is much to find that is all it takes. ``STEP_BYTES``: the first part that
    is searched; further ones are larger.
    """

    COUNT_BYTES: int
    NEAR_BYTES: int
    STEP_BYTES: int

    async def size(self) -> int:
        """Bytes it holds now. Raises LilFoxError."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer only at its end. Raises LilFoxError."""
        ...

    def find(self, wanted: Needles, start: int, end: int, *, following: bool) -> AsyncGenerator[SearchHits, None]:
        """Where in ``start`` to ``end`` something wanted stands, ascending; several hits of a line may be one. With
        ``following`` texts have the lines after a hit too. Never on the event loop; closing it ends the search. Use
        inside ``contextlib.aclosing``. Raises LilFoxError."""
        ...

    async def count_lines(self, start: int, length: int) -> int | None:
        """Newlines in that part; None where counting would cost the host too much."""
        ...

    async def close(self) -> None:
        """Lets go of it."""
        ...


class Disk(Protocol):
    """The files of one host."""

    @property
    def host(self) -> Host:
        """That host."""
        ...

    async def look(self, patterns: Sequence[str]) -> list[FileStat]:
        """The regular files that the patterns (``*``, ``?``, ``[…]`` of a shell) name, each once. Raises LilFoxError
        when the host cannot be asked; what is not there is left out."""
        ...

    async def why_not(self, path: str) -> LilFoxError:
        """Why ``look`` does not list ``path`` or ``open`` does not open it, in words."""
        ...

    async def open(self, seen: FileStat) -> ByteFile:
        """The file, if it is still the same. Raises LilFoxError, ``FileMoved`` when it is another one by now."""
        ...

    async def close(self) -> None:
        """Ends what was started for it."""
        ...
