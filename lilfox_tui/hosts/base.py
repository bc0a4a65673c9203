"""The contract of hosts: run commands, stream their input and output, read files."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from lilfox_tui.core.aio import Feed, Unavailable
from lilfox_tui.core.errors import FileRefused, NotAllowed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.process import (
    CommandSpec,
    HostProcess,
    LostCommand,
    NotStarted,
    ProcessLoop,
    failed,
    sudo_refused,
    too_slow,
)
from lilfox_tui.hosts.shell_words import READ_SCRIPT, written

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
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with exit status 0."""
        return self.exit_status == 0

    @property
    def ending(self) -> Message:
        """How the command ended, for a reason when it printed none."""
        if self.signal is not None:
            return tr("killed by signal {name}", name=self.signal)
        return tr("exit status {status}", status=self.exit_status)


class Link(Struct, frozen=True):
    """A working connection to the host: since when (aware UTC), and its description, such as ``this machine`` or
    ``SSH-2.0-OpenSSH_10.0``."""

    since: datetime
    description: str
    login_since: datetime | None = None
    """Since when a loop waits for the login shell's start-up files to end (aware UTC); None when none does."""


class OfferedKey(Struct, frozen=True):
    """The key that a host presents now, and what the known_hosts files say about it.

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
    """A long-running process on a host that answers requests, one after another: one line in, one answer out.

    The script given to ``Host.loop`` reads lines ``TICK WORDS…`` and ends each answer with a line
    ``@@LILFOX-END@@ TICK``. What the login prints before is dropped.
    """

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """Return the answer to ``words`` (one line written by LilFox, no newline), without its end line.

        Raises CommandTimeout (the loop is then dead: close it and open another), HostUnreachable when the link or
        the process went.
        """
        ...


class Host(ABC):
    """One host. All calls may run concurrently; nothing that has an effect is retried here.

    A kind of host starts commands (``start``) and reads files; how commands are run and streamed is written once, here.
    """

    def __init__(self, name: str, *, protected: bool) -> None:
        self.name = name
        self.protected = protected
        self._running: set[HostProcess] = set()
        self._lost: list[LostCommand] = []

    @property
    @abstractmethod
    def link(self) -> Feed[Link]:
        """The state of the connection to the host; Unavailable while it is down, with the reason and the next
        attempt."""

    @property
    def lost(self) -> Sequence[LostCommand]:
        """Commands whose outcome is unknown."""
        return tuple(self._lost)

    @abstractmethod
    async def keep_connected(self) -> None:
        """Stay connected until cancelled, reconnecting with back-off and jitter; publish on ``link``."""

    @abstractmethod
    async def connect(self) -> None:
        """Connect once if not connected, as every call does by itself. Raises HostError."""

    @abstractmethod
    def retry_now(self) -> None:
        """End the wait before the next attempt, also after a refusal that is not retried automatically."""

    @abstractmethod
    async def start(self, spec: CommandSpec) -> HostProcess:
        """Start a command on the connected host and add it to ``_running``. If cancelled, end first what may have
        started. Raises NotStarted, HostError."""

    @abstractmethod
    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """Read up to ``limit_bytes`` of a file from ``offset``. Raises FileRefused."""

    @abstractmethod
    def forward(self, port: int, address: str = "127.0.0.1") -> AbstractAsyncContextManager[tuple[str, int]]:
        """Yield a local address and port that are forwarded to ``address:port`` as seen from the host."""

    @abstractmethod
    def connect_unix(self, path: str) -> AbstractAsyncContextManager[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Yield a connection to the Unix socket ``path`` of the host. Nobody else on this machine can use it. Raises
        HostError, OSError."""

    @abstractmethod
    async def close(self) -> None:
        """End everything started here and close the connection. A cancellation does not interrupt this."""

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
        """Run ``argv`` without a shell, with LC_ALL=C and ``env`` added to the login's environment. A program that
        cannot be started ends with 127 or 126, as in a shell.

        A cancelled or timed-out command has ended on the host when this returns (TERM, 2 s, KILL to its process
        group), or is among ``lost``. With ``sudo`` it runs as root, the password (if any is configured) never in
        argv nor in the command's stdin.

        Raises HostError: CommandTimeout, CommandUnknown (the link went while it ran), HostUnreachable, AuthRefused.
        """
        spec = CommandSpec(tuple(argv), env, sudo, with_stdin=bool(stdin))
        return await self._run(spec, _given(stdin), timeout_s, limit_bytes)

    async def run_script(
        self,
        script: str,
        args: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """Run a POSIX sh script of LilFox's own with ``args`` as ``$1``…; otherwise like ``run``."""
        spec = CommandSpec(("sh", "-c", script, "sh", *args), sudo=sudo, script=script)
        return await self._run(spec, None, timeout_s, limit_bytes)

    async def stream_stdin(
        self,
        argv: Sequence[str],
        blocks: AsyncIterator[bytes],
        *,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """Run ``argv`` with the bytes from ``blocks`` as its stdin, without a time limit. Applies back-pressure: the
        next block is requested only once the command has read all but the last few.

        What ``blocks`` raises goes up, and the command was then ended without having seen the end of its stdin: half a
        stream is never taken for a whole one. A command that ends before it has read all just ends; ``blocks`` is then
        asked no more. As ``run`` in everything else.
        """
        return await self._run(CommandSpec(tuple(argv), sudo=sudo, with_stdin=True), blocks, None, limit_bytes)

    async def stream(
        self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Yield the stdout of ``argv`` in blocks as they arrive; flow-controlled. Use inside ``aclosing``.

        Ends when the command ends with status 0; raises HostError with the ends of stderr otherwise. Closing it ends
        the command on the host.
        """
        process = await self._started(CommandSpec(tuple(argv), sudo=sudo, with_stdin=bool(stdin)))
        try:
            async with aclosing(process.blocks(_given(stdin))) as blocks:
                async for block in blocks:
                    yield block
            status, signal = process.outcome()
            if status != 0:
                raise failed(self.name, argv[0], signal or status, process.complaint() or process.stderr)
        finally:
            await self._end(process)

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        """Run ``script`` in a long-running ``sh`` (see :class:`Loop`), without a login's start-up files; with ``sudo``
        as root. Raises HostError; AuthRefused if sudo does not start it."""
        spec = CommandSpec(("sh", "-c", script), with_stdin=True, script=script, loop=True)
        if sudo:  # which logs its argv, line by line: the script goes by stdin
            argv = ("sh", "-c", READ_SCRIPT)
            spec = CommandSpec(argv, sudo=True, with_stdin=True, loop=True, first=written(script))
        loop = ProcessLoop(self.name, await self._started(spec))
        try:
            await self._begin_loop(loop)
            yield loop
        finally:
            await self._end_loop(loop)

    async def _begin_loop(self, loop: ProcessLoop) -> None:
        """Return when ``loop`` reads its stdin. Raises HostError."""
        try:
            if not await loop.process.reach_root():
                raise sudo_refused(self.name, loop.process.complaint())
        except OSError:
            raise loop.ended() from None

    async def _end_loop(self, loop: ProcessLoop) -> None:
        """End ``loop``, or let it end."""
        await self._end(loop.process)

    async def _started(self, spec: CommandSpec) -> HostProcess:
        """Start a command. Raises CommandFailed if its program cannot be started."""
        await self.connect()
        try:
            return await self.start(spec)
        except NotStarted as error:
            raise failed(self.name, spec.argv[0], error.status, error.reason.encode()) from None

    async def _run(
        self, spec: CommandSpec, blocks: AsyncIterator[bytes] | None, timeout_s: float | None, limit_bytes: int
    ) -> Completed:
        """Run a command to its end and return the result."""
        await self.connect()
        process: HostProcess | None = None
        try:
            async with asyncio.timeout(timeout_s) as limit:
                process = await self.start(spec)
                truncated = await process.collect(blocks, limit_bytes)
        except NotStarted as error:
            return Completed(spec.argv, error.status, None, b"", f"{spec.argv[0]}: {error.reason}\n".encode())
        except TimeoutError:
            if timeout_s is None or not limit.expired():
                raise
            raise too_slow(self.name, spec.argv[0], timeout_s) from None
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            if process is not None:
                await self._end(process)
        if spec.sudo and process.complaint():
            raise sudo_refused(self.name, process.complaint())
        status, signal = process.outcome()
        return Completed(spec.argv, status, signal, process.stdout, process.stderr, truncated)

    async def _end(self, process: HostProcess) -> None:
        """End a command; one that cannot be ended is added to ``lost``."""
        try:
            await process.end()
        finally:
            if process in self._running:
                self._running.discard(process)
                if not await process.end():
                    self._lost.append(process.as_lost())

    async def _end_all(self) -> None:
        await asyncio.gather(*(self._end(process) for process in tuple(self._running)))


def _given(stdin: bytes) -> AsyncIterator[bytes] | None:
    async def whole() -> AsyncIterator[bytes]:
        yield stdin

    return whole() if stdin else None


async def wait_until_reconnected(host: Host, at_most_s: float | None) -> None:
    """Return after ``at_most_s`` (None: no limit), or as soon as the link has gone down and come up again.

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
    """The facts of the file at a path itself; symbolic links are not followed. ``modified`` is aware UTC, ``mode`` the
    permission bits."""

    kind: Kind
    size_bytes: int
    modified: datetime
    mode: int


class RemoteFilesystem(Struct, frozen=True):
    """A filesystem as the server's statvfs(3) reports it. ``id`` distinguishes it from others on that host, as far as
    that kind of filesystem allows."""

    id: int
    free_bytes: int
    free_files: int | None
    """None where files are not counted."""
    read_only: bool


class RemoteFileHandle(Protocol):
    """An open file; raises the errors of RemoteFiles."""

    async def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes; empty at the end."""
        ...

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``."""
        ...

    async def facts(self) -> RemotePathFacts:
        """Return the facts of the open file."""
        ...

    async def sync(self) -> None:
        """Return when the file is on the server's disk; do nothing if the server does not support it
        (fsync@openssh.com)."""
        ...

    async def close(self) -> None:
        """Close the file. Never raises."""
        ...


class RemoteFiles(Protocol):
    """One SFTP session (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions). Paths are text; non-UTF-8 bytes
    become surrogates.

    Raises OSError with an errno as near as the protocol tells (EIO: the server said no more than that it failed), and
    HostError for the link: HostUnreachable, CommandTimeout for a server that does not answer. A change on a protected
    host, or with ``--read-only``, raises NotAllowed.
    """

    @property
    def alive(self) -> bool:
        """Whether its connection is believed to work."""
        ...

    async def real(self, path: str) -> str:
        """Return the absolute path with all symbolic links resolved."""
        ...

    async def facts(self, path: str) -> RemotePathFacts:
        """Return the facts of the file at ``path``."""
        ...

    async def listing(self, folder: str) -> Sequence[tuple[str, RemotePathFacts]]:
        """Return the names in a folder with their facts, without ``.`` and ``..``."""
        ...

    async def create(self, path: str) -> RemoteFileHandle:
        """Create a new file, 0600. Raises FileExistsError if the name is taken, even by a link."""
        ...

    async def open(self, path: str, *, write: bool = False) -> RemoteFileHandle:
        """Open an existing file. The server follows symbolic links, so check with ``facts`` first."""
        ...

    async def rename_new(self, old: str, new: str) -> None:
        """Rename a file, never over an existing one. Raises FileExistsError if the name is taken."""
        ...

    async def replace(self, old: str, new: str) -> None:
        """Rename like rename(2), replacing the target."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    async def make_folder(self, path: str) -> None:
        """Create a folder with mode 0700."""
        ...

    async def sync_folder(self, path: str) -> None:
        """Sync the names in a folder to disk, if the server can: OpenSSH on Linux does."""
        ...

    async def filesystem(self, path: str) -> RemoteFilesystem | None:
        """Return the filesystem of the path; None if the server does not report it (statvfs@openssh.com)."""
        ...

    async def close(self) -> None:
        """Close the session."""
        ...


@runtime_checkable
class HasSftp(Protocol):
    """A host reached by SSH."""

    async def open_sftp(self) -> RemoteFiles:
        """Open a session; the caller closes it. Raises HostError."""
        ...


# Errors of files that every kind of host words alike.


def not_read(host: str, path: str, reason: str) -> FileRefused:
    """Return the error for a file that could not be read."""
    return FileRefused(host, tr("{path} on {host} cannot be read: {reason}", path=path, host=host, reason=reason))


def no_change_allowed(host: str, path: str) -> NotAllowed:
    """Return the error for a change on a host that allows no changes."""
    return NotAllowed(
        tr("{path} was not written: {host} does not allow changes", path=path, host=host),
        tr("Start without --read-only, or remove read_only (or protected of this host) from the configuration."),
    )
