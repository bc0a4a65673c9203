"""A host that answers to SSH."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import asyncssh
from msgspec import Struct

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import (
    OUTPUT_LIMIT,
    Completed,
    Link,
    Loop,
    LostCommand,
    RemoteFiles,
    failed,
    login_timeout,
    loop_ended,
    loop_timeout,
    no_change_allowed,
    sudo_refused,
    too_slow,
)
from lilfox_tui.hosts.shell_words import END, MAX_ANSWER, new_tick, with_args
from lilfox_tui.hosts.ssh import files
from lilfox_tui.hosts.ssh.command import CommandSpec, RemoteCommand, forwarded
from lilfox_tui.hosts.ssh.connect import SshTarget
from lilfox_tui.hosts.ssh.errors import LINK_ERRORS, link_lost
from lilfox_tui.hosts.ssh.files import open_sftp
from lilfox_tui.hosts.ssh.link import END_S, SESSIONS, Sessions, SshLink


class SshLoop:
    """See :class:`lilfox_tui.hosts.base.Loop`. ``hung`` tells that it did not answer in time."""

    def __init__(self, host: str, command: RemoteCommand) -> None:
        self.hung = False
        self._host = host
        self._command = command

    async def begin(self, timeout_s: float) -> None:
        """Waits until the login is through, so that no question pays for it. Raises HostError."""
        self.hung = True  # also when this is cancelled: a login that has not ended does not see the end of its stdin
        try:
            async with asyncio.timeout(timeout_s):
                await self._command.started()
                await self._command.reach_root()
        except TimeoutError:
            raise login_timeout(self._host, timeout_s) from None
        except LINK_ERRORS:
            raise self._ended() from None
        self.hung = False

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """See :meth:`Loop.ask`."""
        tick = new_tick()
        end = END + tick.encode() + b"\n"
        answer = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                await self._command.write(f"{tick} {words}\n".encode())
                while not answer.endswith(end):
                    block = await self._command.read_block()
                    if not block or len(answer) > MAX_ANSWER:
                        raise self._ended()
                    answer += block
        except TimeoutError:
            self.hung = True
            raise loop_timeout(self._host, timeout_s) from None
        except LINK_ERRORS:
            raise self._ended() from None
        return bytes(answer[: -len(end)])

    def _ended(self) -> HostUnreachable:
        return self._command.link_lost() or loop_ended(self._host)


AGAIN_S = (2.0, 10.0, 60.0)
"""Between two tries to end what a lost link has left, on one connection."""
LOGIN_S = 30.0
"""How long a login's own start-up files may take before a loop begins."""


class _Lost(Struct, frozen=True, eq=False):
    command: LostCommand
    since: str
    sudo: bool


class SshHost:
    """One host over one kept SSH connection. ``read_only`` refuses ``write_file``, as a protected host does."""

    def __init__(
        self,
        name: str,
        config: HostConfig,
        ssh: SshConfig,
        *,
        read_only: bool = False,
        dials: asyncio.Semaphore | None = None,
    ) -> None:
        self.name = name
        self.protected = config.protected
        self._read_only = read_only or config.protected
        self._config = config
        dials = dials or asyncio.Semaphore(ssh.dial_at_once)
        self._link = SshLink(SshTarget.of(name, config), ssh, dials, self._on_connect)
        self._lost: list[_Lost] = []
        self._running: set[RemoteCommand] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        """Ends what was lost, since the last connect."""

    @property
    def link(self) -> Feed[Link]:
        """See :attr:`Host.link`."""
        return self._link.feed

    @property
    def lost(self) -> Sequence[LostCommand]:
        """See :attr:`Host.lost`."""
        return tuple(entry.command for entry in self._lost)

    async def keep_connected(self) -> None:
        """See :meth:`Host.keep_connected`."""
        await self._link.keep()

    async def connect(self) -> None:
        """See :meth:`Host.connect`."""
        await self._link.sessions()

    def retry_now(self) -> None:
        """See :meth:`Host.retry_now`."""
        self._link.retry_now()

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
        """See :meth:`Host.run`."""
        spec = CommandSpec.of(argv, self._config, sudo=sudo, env=env)
        return await self._collect(spec, stdin, timeout_s, limit_bytes)

    async def run_script(
        self,
        script: str,
        args: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """See :meth:`Host.run_script`."""
        argv = ("sh", "-c", script, "sh", *args)
        spec = CommandSpec.of(argv, self._config, sudo=True) if sudo else CommandSpec(argv, with_args(script, args))
        return await self._collect(spec, b"", timeout_s, limit_bytes)

    async def stream_stdin(
        self,
        argv: Sequence[str],
        blocks: AsyncIterator[bytes],
        *,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """See :meth:`Host.stream_stdin`."""
        spec = CommandSpec.of(argv, self._config, sudo=sudo)
        return await self._run(spec, lambda command: command.take(blocks, limit_bytes))

    async def _collect(self, spec: CommandSpec, stdin: bytes, timeout_s: float, limit_bytes: int) -> Completed:
        return await self._run(
            spec, lambda command: command.collect(stdin, limit_bytes), with_stdin=bool(stdin), timeout_s=timeout_s
        )

    async def _run(
        self,
        spec: CommandSpec,
        work: Callable[[RemoteCommand], Awaitable[bool]],
        *,
        with_stdin: bool = True,
        timeout_s: float | None = None,
    ) -> Completed:
        """Starts it and sees to its end; ``work`` feeds and reads it and tells whether a stream was cut."""
        sessions = await self._link.sessions()
        began = time.monotonic()
        command: RemoteCommand | None = None
        try:
            async with asyncio.timeout(timeout_s) as limit:
                command = await self._start(spec, sessions, with_stdin=with_stdin)
                truncated = await work(command)
        except TimeoutError:
            if timeout_s is None or not limit.expired():
                raise
            raise too_slow(self.name, spec.argv[0], timeout_s) from None
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            if command is not None:
                await self._end(command)
        if command.complaint():
            raise sudo_refused(self.name, command.complaint())
        status, signal = command.outcome()
        return Completed(spec.argv, status, signal, command.stdout, command.stderr, time.monotonic() - began, truncated)

    async def stream(
        self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """See :meth:`Host.stream`."""
        spec = CommandSpec.of(argv, self._config, sudo=sudo)
        command = await self._start(spec, await self._link.sessions(), with_stdin=bool(stdin))
        try:
            async with aclosing(command.blocks(stdin)) as blocks:
                async for block in blocks:
                    yield block
            status, signal = command.outcome()
            if status != 0:
                raise failed(self.name, argv[0], signal or status, command.complaint() or command.stderr)
        finally:
            await self._end(command)

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        """See :meth:`Host.loop`. At its end the script sees the end of its stdin; one that hung is ended."""
        spec = CommandSpec.of_loop(script, self._config, sudo=sudo)
        sessions = await self._link.sessions()
        command = await self._start(spec, sessions, with_stdin=True)
        loop = SshLoop(self.name, command)
        try:
            with self._link.logging_in():
                await loop.begin(LOGIN_S)
            yield loop
        finally:
            if loop.hung:
                self._spawn(self._end(command))
            elif sessions.alive:
                command.completed = True
                self._running.discard(command)
                await command.end()
            else:  # it does not see the end of its stdin before its server notices: it is ended at the next connect
                await self._end(command)

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        return await files.read_by_command(self, path, offset, limit_bytes)

    async def write_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """See :meth:`Host.write_file`."""
        if self._read_only:
            raise no_change_allowed(self.name, path)
        await files.write_by_command(self, path, data, mode)

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """See :meth:`Host.forward`."""
        sessions = await self._link.sessions()
        if not sessions.alive:
            raise link_lost(self.name, sessions.client.lost_by)
        async with forwarded(sessions.connection, sessions.lost, address, port) as here:
            yield "127.0.0.1", here

    async def open_sftp(self) -> RemoteFiles:
        """See :meth:`lilfox_tui.hosts.base.HasSftp.open_sftp`."""
        return await open_sftp(self.name, await self._link.sessions(), read_only=self._read_only)

    async def close(self) -> None:
        """See :meth:`Host.close`."""
        await asyncio.gather(*(self._end(command) for command in tuple(self._running)))
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._link.close()

    async def _start(self, spec: CommandSpec, sessions: Sessions, *, with_stdin: bool) -> RemoteCommand:
        """Starts it, not beside what a lost link has left: that is ended first, as far as it can be."""
        if self._ending is not None:
            await asyncio.wait([self._ending], timeout=END_S)
        command = await RemoteCommand.start(self.name, spec, sessions, with_stdin=with_stdin)
        self._running.add(command)
        return command

    async def _end(self, command: RemoteCommand) -> None:
        """Ends the command; what cannot be ended is among ``lost`` from then on."""
        try:
            await command.end()
        finally:
            if command in self._running:
                self._running.discard(command)
                if not await command.end():
                    lost = LostCommand(command.spec.argv, command.group, datetime.now(UTC))
                    self._lost.append(_Lost(lost, command.since, command.spec.sudo))

    def _on_connect(self, sessions: Sessions) -> None:
        if self._lost:
            self._ending = self._spawn(self._end_lost(sessions))

    async def _end_lost(self, sessions: Sessions) -> None:
        await self._try_to_end_lost(sessions)
        if self._lost:
            self._spawn(self._end_lost_later(sessions))

    async def _end_lost_later(self, sessions: Sessions) -> None:
        """Tries again what a busy host was too slow for; new commands do not wait for it."""
        for wait_s in AGAIN_S:
            await asyncio.sleep(wait_s)
            if not self._lost or not sessions.alive:
                return
            await self._try_to_end_lost(sessions)

    async def _try_to_end_lost(self, sessions: Sessions) -> None:
        turns = asyncio.Semaphore(SESSIONS // 2)

        async def end(entry: _Lost) -> None:
            group = entry.command.pid
            async with turns:
                if group is not None and await sessions.end_group(group, entry.since, as_root=entry.sudo):
                    self._lost.remove(entry)

        await asyncio.gather(*(end(entry) for entry in tuple(self._lost)))

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


asyncssh.set_log_level("CRITICAL")
