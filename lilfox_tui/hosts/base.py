"""The contract of hosts: run commands, stream their output, read and write files; and the errors of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from lilfox_tui.core.aio import Feed, Unavailable
from lilfox_tui.core.errors import AuthRefused, CommandFailed, CommandTimeout, FileRefused, HostUnreachable, NotAllowed
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean
from lilfox_tui.redact import redact

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes of stdout and of stderr that ``run`` keeps unless told otherwise."""
CONNECT_AT_LEAST_S = 10.0
"""Opening a way through a host may include the login to it, which a short timeout of a question must not end."""


class Completed(Struct, frozen=True):
    """A command that has ended. ``exit_status`` is None only when ``signal`` (its name, ``KILL``) ended it.

    ``truncated`` tells that a stream went past its limit: the command was then ended, and what is here is the start.
    """

    argv: tuple[str, ...]
    exit_status: int | None
    signal: str | None
    stdout: bytes
    stderr: bytes
    duration_s: float
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit status 0."""
        return self.exit_status == 0


class Link(Struct, frozen=True):
    """A working way to the host, since when (aware UTC), and its name: ``this machine``, ``SSH-2.0-OpenSSH_10.0``."""

    since: datetime
    description: str
    banner: str = ""
    """What the server said before the login; untrusted text."""
    login_since: datetime | None = None
    """Since when a loop waits for the login shell's start-up files to end (aware UTC); None when none does."""


class LostCommand(Struct, frozen=True):
    """A command whose end is not known: the link went away, or it could not be ended. Ended at the next connect."""

    argv: tuple[str, ...]
    pid: int | None
    since: datetime


class OfferedKey(Struct, frozen=True):
    """The key that a host shows now, and what the known_hosts files say about it.

    ``place`` is what a line of known_hosts would be for (``[127.0.0.2]:2222``), ``file`` the one it would go to.
    ``known_fingerprints`` are of the keys that the files have for it.
    """

    fingerprint: str
    key_type: str
    known: Literal["unknown", "trusted", "changed", "revoked"]
    place: str
    file: str
    known_fingerprints: tuple[str, ...] = ()


class Loop(Protocol):
    """A kept process that answers questions: one line in, one answer out, over and over.

    The script given to ``Host.loop`` reads lines ``TICK WORDS…`` and ends each answer with a line
    ``@@LILFOX-END@@ TICK``. What the login prints before is dropped.
    """

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """The answer to ``words`` (one line of our own, no newline), without its end line.

        Raises CommandTimeout (the loop is then dead: close it and open another), HostUnreachable when the link or
        the process went.
        """
        ...


@runtime_checkable
class Host(Protocol):
    """One host. All calls may be made at the same time; nothing here retries an effect."""

    name: str
    protected: bool

    @property
    def link(self) -> Feed[Link]:
        """The state of the way to the host; Unavailable while it is down, with the reason and the next try."""
        ...

    @property
    def lost(self) -> Sequence[LostCommand]:
        """Commands whose end is not known."""
        ...

    async def keep_connected(self) -> None:
        """Stays connected until cancelled, trying again with back-off and jitter; publishes on ``link``."""
        ...

    async def connect(self) -> None:
        """Connects once if not connected, as every call does by itself. Raises HostError."""
        ...

    def retry_now(self) -> None:
        """Ends the wait before the next try, also after a refusal that is not retried by itself."""
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
        env: dict[str, str] | None = None,
    ) -> Completed:
        """Runs ``argv`` (no shell reads it), with LC_ALL=C and ``env`` over the login's environment.

        A cancelled or timed-out command has ended on the host when this returns (TERM, 2 s, KILL to its process
        group), or is among ``lost``. With ``sudo`` it runs as root, the password (if any is configured) never in
        argv nor in the command's stdin.

        Raises HostError: CommandTimeout, CommandUnknown (the link went while it ran), HostUnreachable, AuthRefused.
        """
        ...

    async def run_script(
        self,
        script: str,
        args: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """Runs a POSIX sh script of our own with ``args`` as ``$1``…; as ``run`` in everything else."""
        ...

    def stream(self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False) -> AsyncGenerator[bytes, None]:
        """What ``argv`` writes to stdout, in blocks as they come; flow-controlled. Use inside ``aclosing``.

        Ends when the command ends with status 0; raises HostError with the tail of stderr otherwise. Closing it ends
        the command on the host.
        """
        ...

    async def stream_stdin(
        self,
        argv: Sequence[str],
        blocks: AsyncIterator[bytes],
        *,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """Runs ``argv`` with all that ``blocks`` gives as its stdin, however long that takes; flow-controlled: a block
        is asked for when the command has taken those before, but for a few.

        What ``blocks`` raises goes up, and the command was then ended without having seen the end of its stdin: half a
        stream is never taken for a whole one. A command that ends before it has read all just ends; ``blocks`` is then
        asked no more. As ``run`` in everything else.
        """
        ...

    def loop(self, script: str, *, sudo: bool = False) -> AbstractAsyncContextManager[Loop]:
        """A kept ``sh`` that runs ``script`` (see :class:`Loop`), without a login's start-up files; with ``sudo`` as
        root. Raises HostError; AuthRefused when sudo does not start it."""
        ...

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """Up to ``limit_bytes`` of a file from ``offset``. Raises FileRefused."""
        ...

    async def write_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Puts a file whole or not at all (temporary file beside it, fsync, rename). Raises FileRefused, NotAllowed."""
        ...

    def forward(self, port: int, address: str = "127.0.0.1") -> AbstractAsyncContextManager[tuple[str, int]]:
        """A local address and port that lead to ``address:port`` as the host sees it."""
        ...

    async def close(self) -> None:
        """Ends everything started here and the connection. Not cancelled half-way."""
        ...


async def wait_until_reconnected(host: Host, at_most_s: float | None) -> None:
    """Returns after ``at_most_s`` (None: never by itself), or as soon as the link, having been down, is up again.

    Whoever keeps the host connected finds out first; those who wait for longer and longer need not find out again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s), aclosing(host.link.watch()) as states:
            was_down = False
            async for state in states:
                if was_down and not isinstance(state, Unavailable):
                    return
                was_down = isinstance(state, Unavailable)


# Files of a host by SFTP: a protocol of files alone, which needs no shell on the other side.


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


# The output of commands, and the errors of hosts that it tells of.


TAIL_BYTES = 4096


class LimitReached(Exception):
    """A command wrote more than its caller wants to keep."""


class BoundedOutput:
    """The first ``limit`` bytes of a stream; raises LimitReached at the first byte past them."""

    def __init__(self, limit: int) -> None:
        self._blocks: list[bytes] = []
        self._room = limit

    def add(self, block: bytes) -> None:
        """Keeps ``block``, or what fits of it."""
        kept = block[: self._room]
        self._blocks.append(kept)
        self._room -= len(kept)
        if len(kept) < len(block):
            raise LimitReached

    def joined(self) -> bytes:
        """All that was kept."""
        return b"".join(self._blocks)


class OutputTail:
    """The last few KB of a stream."""

    def __init__(self) -> None:
        self._end = b""

    def add(self, block: bytes) -> None:
        """Keeps the end of what came so far."""
        self._end = (self._end + block)[-TAIL_BYTES:]

    def joined(self) -> bytes:
        """The end."""
        return self._end


def last_words(stderr: bytes) -> str:
    """The last line a command wrote to stderr, safe to be part of an error."""
    lines = [line for line in redact(stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
    return clean(lines[-1])[:300] if lines else ""


# Errors that every kind of host words alike.


def too_slow(host: str, command: str, timeout_s: float) -> CommandTimeout:
    """A command was ended for its time was over."""
    return CommandTimeout(
        host,
        tr("{command} did not finish within {seconds:g} s on {host}", command=command, seconds=timeout_s, host=host),
        tr("It was terminated there. Allow more time if it is only slow."),
    )


def failed(host: str, command: str, outcome: str | int | None, stderr: bytes) -> CommandFailed:
    """A streamed command ended with something else than 0."""
    return CommandFailed(
        host,
        tr(
            "{command} ended with {outcome} on {host}: {words}",
            command=command, outcome=outcome, host=host, words=last_words(stderr),
        ),
        outcome=outcome,
        stderr=redact(stderr.decode("utf-8", "replace")),
    )  # fmt: skip


def sudo_refused(host: str, complaint: bytes) -> AuthRefused:
    """sudo did not start the command. It is asked once only, for some systems lock an account after a few failures."""
    return AuthRefused(
        host,
        tr("sudo refused on {host}: {words}", host=host, words=last_words(complaint)),
        tr("Set sudo_password for this host, or allow the command with NOPASSWD in its sudoers."),
    )


def loop_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """A loop did not answer in time."""
    return CommandTimeout(
        host,
        tr("{host} did not answer within {seconds:g} s", host=host, seconds=timeout_s),
        tr("The host may be frozen or overloaded; the query is repeated."),
    )


def login_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """A login's start-up files did not end in time."""
    return CommandTimeout(
        host,
        tr(
            "The login on {host} did not complete within {seconds:g} s: its shell's startup files have not "
            "finished",
            host=host, seconds=timeout_s,
        ),
        tr("Check what .bashrc, .profile and /etc/profile.d wait for there: a network, a mount, an input."),
    )  # fmt: skip


def loop_ended(host: str) -> HostUnreachable:
    """A loop's process is gone."""
    return HostUnreachable(host, tr("The reader process on {host} ended", host=host), tr("It is restarted."))


def not_read(host: str, path: str, reason: str) -> FileRefused:
    """A file could not be read."""
    return FileRefused(host, tr("{path} on {host} cannot be read: {reason}", path=path, host=host, reason=reason))


def not_written(host: str, path: str, reason: str) -> FileRefused:
    """A file could not be put; what was there before is untouched."""
    return FileRefused(
        host,
        tr("{path} on {host} cannot be written: {reason}", path=path, host=host, reason=reason),
        tr("Nothing was changed. Make room, or get write permission there."),
    )


def no_change_allowed(host: str, path: str) -> NotAllowed:
    """A change was asked of a host that allows none."""
    return NotAllowed(
        tr("{path} was not written: {host} does not allow changes", path=path, host=host),
        tr("Start without --read-only, or remove protected from this host."),
    )
