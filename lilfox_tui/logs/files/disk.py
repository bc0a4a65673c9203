"""What the files of a log are read through: one contract, kept by ``local.py`` and, for SSH hosts, ``remote.py``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.filter.needles import Needles


class Seen(Struct, frozen=True):
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


class Found(Struct, frozen=True):
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

    def find(self, wanted: Needles, start: int, end: int, *, following: bool) -> AsyncGenerator[Found, None]:
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

    async def look(self, patterns: Sequence[str]) -> list[Seen]:
        """The regular files that the patterns (``*``, ``?``, ``[…]`` of a shell) name, each once. Raises LilFoxError
        when the host cannot be asked; what is not there is left out."""
        ...

    async def why_not(self, path: str) -> LilFoxError:
        """Why ``look`` does not list ``path`` or ``open`` does not open it, in words."""
        ...

    async def open(self, seen: Seen) -> ByteFile:
        """The file, if it is still the same. Raises LilFoxError, ``FileMoved`` when it is another one by now."""
        ...

    async def close(self) -> None:
        """Ends what was started for it."""
        ...
