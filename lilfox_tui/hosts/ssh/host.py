"""A host reached by SSH."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncssh

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.aio import CancelSafeTaskGroup, Feed
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import OUTPUT_LIMIT, Host, Link, RemoteFiles
from lilfox_tui.hosts.process import CommandSpec, HostProcess, LostCommand, ProcessLoop, login_timeout
from lilfox_tui.hosts.shell_words import StartLine, SudoDialog, as_root, by_sudo, command, running, with_args
from lilfox_tui.hosts.ssh.asyncssh_internals import WINDOW
from lilfox_tui.hosts.ssh.connect import SshTarget
from lilfox_tui.hosts.ssh.errors import LINK_ERRORS, fate_unknown, link_lost, no_shell
from lilfox_tui.hosts.ssh.files import open_sftp, read_by_command
from lilfox_tui.hosts.ssh.link import END_S, SESSIONS, Opening, Process, Sessions, SshLink

# Commands over SSH: each is a script for the login's sh, which says where the command begins and which group it is.


def _script(spec: CommandSpec, password: SecretRef | None) -> tuple[str, SudoDialog | None]:
    """Return the script that the host's sh runs for ``spec``, and the dialog if its sudo may ask. Raises ValueError for
    a NUL or an invalid variable name."""
    if not spec.sudo:
        script = spec.script
        return (running(spec.argv, spec.env) if script is None else with_args(script, spec.argv[4:])), None
    names = {"LC_ALL": "", **(spec.env or {})}
    by, dialog = by_sudo(spec.argv, names, password, tells_root=spec.loop)
    return as_root(spec.argv if dialog is None else dialog.plain(spec.argv), by, spec.env), dialog


class SshProcess(HostProcess):
    """A started command. It occupies one session slot until ``end``."""

    def __init__(
        self, host: str, spec: CommandSpec, dialog: SudoDialog | None, sessions: Sessions, process: Process
    ) -> None:
        super().__init__(spec, sudo=spec.sudo, dialog=dialog)
        self._host = host
        self._sessions = sessions
        self._process = process
        self._out = StartLine()
        self._err = StartLine()
        self._first = b""
        self._patience_ends_s = asyncio.get_running_loop().time() + END_S / 4

    @classmethod
    async def start(cls, host: str, spec: CommandSpec, password: SecretRef | None, sessions: Sessions) -> SshProcess:
        """Start the command. If cancelled meanwhile, end first what may have started. Raises HostUnreachable."""
        script, dialog = _script(spec, password)
        line, first = command(script, secret=bool(spec.env))
        piped = bool(spec.with_stdin or first or dialog)
        await sessions.take()
        given_away = False

        def abandoned(opening: Opening) -> Coroutine[Any, Any, None]:
            nonlocal given_away
            given_away = True
            return end_abandoned(opening)

        async def end_abandoned(opening: Opening) -> None:
            """End a command whose caller was cancelled, once the server has responded; if it does not, the connection
            counts as lost."""
            await asyncio.wait([opening])
            if opening.cancelled() or opening.exception() is not None:
                sessions.give()
            else:
                await cls(host, spec, dialog, sessions, opening.result()).end()

        try:
            process = await sessions.open(line, abandoned, stdin=asyncssh.PIPE if piped else asyncssh.DEVNULL)
        except BaseException:
            if not given_away:
                sessions.give()
            raise
        if first:
            process.stdin.write(first)
            if not (spec.with_stdin or dialog):
                process.stdin.write_eof()
        return cls(host, spec, dialog, sessions, process)

    @property
    def group(self) -> int | None:
        """See :attr:`HostProcess.group`."""
        return self._out.group

    @property
    def since(self) -> str:
        """See :attr:`HostProcess.since`."""
        return self._out.since

    async def begun(self) -> None:
        """See :meth:`HostProcess.begun`."""
        while not self._out.seen and (block := await self._read()):
            self._first = self._out.hear(block)

    async def check_login(self) -> None:
        """Wait until the login's start-up files have ended. Raises HostError if the login runs no commands."""
        await self.begun()
        if not self._out.seen:
            raise self.link_error() or no_shell(self._host, self._out.noise)

    def link_error(self) -> HostUnreachable | None:
        """See :meth:`HostProcess.link_error`."""
        return None if self._sessions.alive else link_lost(self._host, self._sessions.client.lost_by)

    async def read(self) -> bytes:
        """See :meth:`HostProcess.read`. Returns only what follows the start line."""
        if not self._first:
            await self.begun()
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._read()

    async def _read(self) -> bytes:
        try:
            return await self._process.stdout.read(WINDOW)
        except LINK_ERRORS:
            return b""

    async def read_stderr(self) -> bytes:
        """See :meth:`HostProcess.read_stderr`."""
        with suppress(*LINK_ERRORS):
            while block := await self._process.stderr.read(WINDOW):
                if heard := self._err.hear(block):
                    return heard
        return b""

    async def write(self, data: bytes) -> None:
        """See :meth:`HostProcess.write`."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except LINK_ERRORS as error:
            raise BrokenPipeError(str(error)) from None

    def close_stdin(self) -> None:
        """See :meth:`HostProcess.close_stdin`."""
        self._process.stdin.write_eof()

    async def wait(self) -> None:
        """See :meth:`HostProcess.wait`."""
        await self._process.wait_closed()

    def conclude(self) -> None:
        """See :meth:`HostProcess.conclude`."""
        if self._process.exit_status is None and self._process.exit_signal is None:
            raise fate_unknown(self._host, self.spec.argv[0], self.group)
        super().conclude()
        if not self._out.seen:
            raise no_shell(self._host, self._out.noise or self._err.noise)

    def outcome(self) -> tuple[int | None, str | None]:
        """See :meth:`HostProcess.outcome`."""
        if self._process.exit_signal is not None:
            return None, self._process.exit_signal[0]
        return (self._process.exit_status, None) if self.completed else (None, "TERM")

    async def _end(self) -> bool:
        try:
            if self.completed:
                return True
            if not self._sessions.alive:
                return False
            return await self._end_on_host()
        finally:
            self._process.close()
            self._sessions.give()

    async def _end_on_host(self) -> bool:
        try:
            async with asyncio.timeout_at(self._patience_ends_s):
                await self.begun()
        except TimeoutError:
            pass
        if self.group is None:  # it never said who it is: the login's start-up files hang
            return await self._end_by_signal()
        if await self._sessions.end_group(self.group, self.since, as_root=self.sudo):
            return True
        return await self._end_by_signal()

    async def _end_by_signal(self) -> bool:
        """End the command without opening a second session (RFC 4254, 6.9), for a server that allows no further
        session."""
        try:
            for send in (self._process.terminate, self._process.kill):
                send()
                try:
                    async with asyncio.timeout(2):
                        while await self._process.stdout.read(WINDOW):
                            pass
                        await self._process.wait_closed()
                    return self._process.exit_status is not None or self._process.exit_signal is not None
                except TimeoutError:
                    continue
        except LINK_ERRORS:
            pass
        return False


AGAIN_S = (2.0, 10.0, 60.0)
"""Between two tries to end what a lost link has left, on one connection."""
LOGIN_S = 30.0
"""How long a login's own start-up files may take before a loop begins."""


class SshHost(Host):
    """One host over one SSH connection that is kept open. ``read_only`` rejects changes by SFTP, as for a protected
    host."""

    def __init__(
        self,
        name: str,
        config: HostConfig,
        ssh: SshConfig,
        *,
        read_only: bool = False,
        dials: asyncio.Semaphore | None = None,
    ) -> None:
        super().__init__(name, protected=config.protected)
        self._read_only = read_only or config.protected
        self._config = config
        dials = dials or asyncio.Semaphore(ssh.dial_at_once)
        self._link = SshLink(SshTarget.of(name, config), ssh, dials, self._on_connect)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        """Ends what was lost, since the last connect."""

    @property
    def link(self) -> Feed[Link]:
        """See :attr:`Host.link`."""
        return self._link.feed

    async def keep_connected(self) -> None:
        """See :meth:`Host.keep_connected`."""
        await self._link.keep()

    async def connect(self) -> None:
        """See :meth:`Host.connect`."""
        await self._link.sessions()

    def retry_now(self) -> None:
        """See :meth:`Host.retry_now`."""
        self._link.retry_now()

    async def start(self, spec: CommandSpec) -> HostProcess:
        """See :meth:`Host.start`. Commands that a lost connection left running are ended first, if possible."""
        sessions = await self._link.sessions()
        if self._ending is not None:
            await asyncio.wait([self._ending], timeout=END_S)
        process = await SshProcess.start(self.name, spec, self._config.sudo_password, sessions)
        self._running.add(process)
        return process

    async def _begin_loop(self, loop: ProcessLoop) -> None:
        """Wait until the login's start-up files have ended, so that they do not delay the first request."""
        process = loop.process
        assert isinstance(process, SshProcess)
        loop.hung = True  # also when this is cancelled: a login that has not ended does not see the end of its stdin
        try:
            with self._link.logging_in():
                async with asyncio.timeout(LOGIN_S):
                    await process.check_login()
                    await super()._begin_loop(loop)
        except TimeoutError:
            raise login_timeout(self.name, LOGIN_S) from None
        loop.hung = False

    async def _end_loop(self, loop: ProcessLoop) -> None:
        """Close the script's stdin, which ends it; a script that hung is ended in the background."""
        process = loop.process
        if loop.hung:
            self._spawn(self._end(process))
        elif process.link_error() is None:
            process.completed = True
            self._running.discard(process)
            await process.end()
        else:  # it does not see the end of its stdin before its server notices: it is ended at the next connect
            await self._end(process)

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        return await read_by_command(self, path, offset, limit_bytes)

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """See :meth:`Host.forward`."""
        sessions = await self._link.sessions()
        if not sessions.alive:
            raise link_lost(self.name, sessions.client.lost_by)
        async with forwarded(sessions.connection, sessions.lost, address, port) as here:
            yield "127.0.0.1", here

    @asynccontextmanager
    async def connect_unix(self, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """See :meth:`Host.connect_unix`."""
        sessions = await self._link.sessions()
        if not sessions.alive:
            raise link_lost(self.name, sessions.client.lost_by)
        async with carried_unix(sessions.connection, path) as streams:
            yield streams

    async def open_sftp(self) -> RemoteFiles:
        """See :meth:`lilfox_tui.hosts.base.HasSftp.open_sftp`."""
        return await open_sftp(self.name, await self._link.sessions(), read_only=self._read_only)

    async def close(self) -> None:
        """See :meth:`Host.close`."""
        await self._end_all()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._link.close()

    def _on_connect(self, sessions: Sessions) -> None:
        if self._lost:
            self._ending = self._spawn(self._end_lost(sessions))

    async def _end_lost(self, sessions: Sessions) -> None:
        await self._try_to_end_lost(sessions)
        if self._lost:
            self._spawn(self._end_lost_later(sessions))

    async def _end_lost_later(self, sessions: Sessions) -> None:
        """Try again to end commands that an overloaded host did not end in time; new commands do not wait for this."""
        for wait_s in AGAIN_S:
            await asyncio.sleep(wait_s)
            if not self._lost or not sessions.alive:
                return
            await self._try_to_end_lost(sessions)

    async def _try_to_end_lost(self, sessions: Sessions) -> None:
        turns = asyncio.Semaphore(SESSIONS // 2)

        async def end(lost: LostCommand) -> None:
            async with turns:
                if lost.pid is not None and await sessions.end_group(lost.pid, lost.leader_since, as_root=lost.sudo):
                    self._lost.remove(lost)

        await asyncio.gather(*(end(lost) for lost in tuple(self._lost)))

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


# A port of a host on this machine: each connection is taken here and carried through a channel of the SSH connection.
#
# asyncssh forwards ports itself, but leaves a connection open for ever whose channel was being opened when the link
# went away (forward.py of 2.24: what opens it is cancelled, and closes nothing); issue 823 of ronf/asyncssh is about a
# client that goes in the same moment.


_BLOCK = 256 * 1024


@asynccontextmanager
async def forwarded(
    connection: asyncssh.SSHClientConnection, lost: asyncio.Event, address: str, port: int
) -> AsyncIterator[int]:
    """Forward a port of 127.0.0.1 to ``address:port`` as the host sees it, until the connection is ``lost``. Raises
    OSError."""
    carried: set[asyncio.Task[None]] = set()
    over = False

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carried.add(task)
        try:
            if not over:
                await _carry(connection, address, port, reader, writer)
        except (*LINK_ERRORS, OSError):
            pass  # whoever asked sees a connection that ends
        finally:
            carried.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    end = asyncio.create_task(_close_when(lost, server))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over = True
        await _stop(server)
        tasks = [end, *carried]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def carried_unix(
    connection: asyncssh.SSHClientConnection, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a Unix socket of the host. A pair of sockets carries it: a port of this machine would be open to all
    its users. Raises OSError if the host refuses."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        carrying: asyncio.Task[None] | None = None
        try:
            try:
                from_there, to_there = await connection.open_unix_connection(path, encoding=None)
            except LINK_ERRORS as error:
                raise ConnectionRefusedError(str(error)) from None
            inner_reader, inner_writer = await asyncio.open_connection(sock=theirs.dup())
            theirs.close()  # a second one that is open would keep the end of the link from those who read
            carrying = asyncio.create_task(_carry_unix(from_there, to_there, inner_reader, inner_writer))
            yield reader, writer
        finally:
            writer.transport.abort()
            if carrying is not None:
                carrying.cancel()
                await asyncio.wait([carrying])


async def _carry_unix(
    from_there: asyncssh.SSHReader[bytes],
    to_there: asyncssh.SSHWriter[bytes],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        async with CancelSafeTaskGroup() as both:
            both.create_task(_pass_on(reader, to_there))
            both.create_task(_pass_on(from_there, writer))
    except* (*LINK_ERRORS, OSError):
        pass
    finally:
        to_there.close()
        writer.transport.abort()


async def _close_when(lost: asyncio.Event, server: asyncio.Server) -> None:
    """Refuse new connections once the SSH connection is lost."""
    await lost.wait()
    await _stop(server)


async def _stop(server: asyncio.Server) -> None:
    """Take no more connections. One that was accepted just now is still handed on: where the server is closed before
    that, asyncio forgets it open (_attach() of CPython 3.11), and whoever asked waits."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    try:
        await asyncio.sleep(0)
    finally:
        server.close()


async def _carry(
    connection: asyncssh.SSHClientConnection,
    address: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    from_there, to_there = await connection.open_connection(address, port, encoding=None)
    try:
        async with CancelSafeTaskGroup() as both:
            both.create_task(_pass_on(reader, to_there))
            both.create_task(_pass_on(from_there, writer))
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()
    except* (*LINK_ERRORS, OSError):
        pass
    finally:
        to_there.close()


async def _pass_on(
    source: asyncio.StreamReader | asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
) -> None:
    while block := await source.read(_BLOCK):
        sink.write(block)
        await sink.drain()
    sink.write_eof()


asyncssh.set_log_level("CRITICAL")
