"""A command on a host that outlives the link to it, and the LilFox that began it. Nothing is installed there.

It runs in a session of its own, with a folder of its own (``~/.cache/lilfox/jobs/ID``, 0700; of root's with ``sudo``), and
is known by its ID from then on: by this process, by another one, after the link was lost, after the host was booted.
Whoever asks takes the same ``sudo`` that it was begun with. As ``Host.run``, it does not ask whether the host is
protected: that is for who calls.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.errors import HostError
from lilfox_tui.hosts.base import Host

Stream = Literal["stdout", "stderr"]
State = Literal["absent", "unbegun", "running", "ended", "gone"]
"""``absent``: nothing is known of that ID. ``unbegun``: a start was cut before the command ran; start it again.
``ended``: with its exit status, or cancelled before it ran. ``gone``: it ran, runs no more, and nobody saw its end:
killed with all that watched it, or the host went down."""


class Look(Struct, frozen=True, kw_only=True):
    """What a host says of one. Times are aware UTC by the host's clock."""

    id: str
    state: State
    pid: int | None = None
    """Of the command, which leads a process group of its own."""
    since: datetime | None = None
    until: datetime | None = None
    exit_status: int | None = None
    """As a shell has it: 128 + n where signal n ended it (or where the command itself ended with that number)."""
    cancelled: bool = False
    """``cancel`` was asked for before it ended."""
    stdout_bytes: int = 0
    """So much can be read; what was left out is not counted."""
    stderr_bytes: int = 0
    stdout_cut_at: int | None = None
    """Something may be left out at this offset: more came than ``limit_bytes``, and from here on it is the end."""
    stderr_cut_at: int | None = None
    label: str = ""

    @property
    def signal(self) -> str | None:
        """The name of the signal that ``exit_status`` stands for (``KILL``), or None."""
        raise NotImplementedError

    @property
    def ok(self) -> bool:
        """Whether it ended with exit status 0."""
        return self.exit_status == 0


class Output(Struct, frozen=True):
    """A block of what it printed. ``cut``: before this block something may be left out."""

    stream: Stream
    data: bytes
    cut: bool = False


async def start(
    host: Host,
    id: str,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    sudo: bool = False,
    limit_bytes: int | None = None,
    label: str = "",
) -> Look:
    """Begins ``argv`` (no shell reads it) and returns when its pid is on the host's disk, which is before it runs.

    An ID runs once: after any error of the link the call may be repeated with the same ID, and what was begun by the
    first is found, running or ended. ``id`` is of letters, digits, ``.``, ``_``, ``-`` (ValueError). With
    ``limit_bytes`` that much is kept of the start of each stream, and 64 KiB of its end; without, all. ``env`` and
    ``stdin`` may be secret: they are in no argv, and in a file (0600) only until the command has them open.
    ``label`` is for people who look at the listing.

    Those that ended more than seven days ago are forgotten by the way. Raises HostError; NotBegun where it is certain
    that the command has not run.
    """
    raise NotImplementedError


async def start_script(
    host: Host,
    id: str,
    script: str,
    args: Sequence[str] = (),
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    sudo: bool = False,
    limit_bytes: int | None = None,
    label: str = "",
) -> Look:
    """A POSIX sh script of our own with ``args`` as ``$1``…, which is in no argv either; else as ``start``."""
    raise NotImplementedError


async def look(host: Host, id: str, *, sudo: bool = False) -> Look:
    """What there is of it now. Raises HostError."""
    raise NotImplementedError


async def read(
    host: Host, id: str, stream: Stream, offset: int = 0, limit_bytes: int = 1024 * 1024, *, sudo: bool = False
) -> bytes:
    """Up to ``limit_bytes`` of what it printed, from ``offset``; empty where there is no more (yet). Raises HostError."""
    raise NotImplementedError


def follow(
    host: Host,
    id: str,
    *,
    sudo: bool = False,
    stdout_from: int = 0,
    stderr_from: int = 0,
    lost: Callable[[HostError], None] | None = None,
) -> AsyncGenerator[Output | Look, None]:
    """What it prints as it comes, then one Look: how it ended (or that it is gone, unbegun or absent). Use inside
    ``aclosing``.

    A lost link is waited for as long as it takes (``lost`` is told each time) and it goes on where it was: nothing
    twice, nothing left out. Raises HostError for what waiting does not mend: refused logins and keys.
    """
    raise NotImplementedError


async def cancel(host: Host, id: str, *, sudo: bool = False) -> Look:
    """Ends its process group (TERM, after 2 s KILL) and gives how it ended; one that has not begun never will.
    Nothing of one that has ended, or is gone, is touched. Raises HostError."""
    raise NotImplementedError


async def forget(host: Host, id: str, *, sudo: bool = False) -> None:
    """Removes its folder; nothing if there is none. Raises StillRuns, HostError."""
    raise NotImplementedError


async def listing(host: Host, *, sudo: bool = False) -> list[Look]:
    """All that the host knows of, by ID. Raises HostError."""
    raise NotImplementedError
