"""Commands over SSH, and forwarded connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncssh
from msgspec import Struct

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import BoundedOutput, LimitReached, OutputTail, sudo_refused
from lilfox_tui.hosts.shell_words import (
    READ_SCRIPT,
    StartLine,
    SudoDialog,
    as_root,
    command,
    quiet_complaint,
    running,
    secret,
    sudo_quietly,
    written,
)
from lilfox_tui.hosts.ssh.errors import LINK_ERRORS, fate_unknown, link_lost, no_shell
from lilfox_tui.hosts.ssh.link import END_S, WINDOW, Opening, Process, Sessions


class CommandSpec(Struct, frozen=True):
    """What is to run: a script for the host's sh, the words it is known by, and the sudo that may ask."""

    argv: tuple[str, ...]
    script: str
    sudo: bool = False
    secret: bool = False
    dialog: SudoDialog | None = None
    as_root: bytes = b""
    """What its stdin begins with once it is root: sudo logs what stands in its argv, line by line."""

    @classmethod
    def of(
        cls, argv: Sequence[str], config: HostConfig, *, sudo: bool, env: dict[str, str] | None = None
    ) -> CommandSpec:
        """``argv``, as root if ``sudo``. Raises ValueError for a NUL or a bad name of a variable."""
        names = {"LC_ALL": "", **(env or {})}
        if not sudo:
            return cls(tuple(argv), running(argv, env), secret=bool(env))
        if config.sudo_password is None:
            return cls(tuple(argv), as_root(argv, sudo_quietly(argv, names), env), True, bool(env))
        dialog = SudoDialog(partial(secret, config.sudo_password))
        return cls(tuple(argv), as_root(dialog.plain(argv), dialog.argv(argv, names), env), True, bool(env), dialog)

    @classmethod
    def of_loop(cls, script: str, config: HostConfig, *, sudo: bool) -> CommandSpec:
        """A ``sh`` that runs ``script`` and reads its stdin; with ``sudo`` as root, of which its dialog tells."""
        if not sudo:
            return cls(("sh", "-c", script), script)
        argv = ("sh", "-c", READ_SCRIPT)
        dialog = SudoDialog(None if config.sudo_password is None else partial(secret, config.sudo_password))
        return cls(
            argv, as_root(dialog.plain(argv), dialog.argv(argv, {"LC_ALL": ""})), True, False, dialog, written(script)
        )


class RemoteCommand:
    """A started command. It holds room for one session until ``end``."""

    def __init__(self, host: str, order: CommandSpec, sessions: Sessions, process: Process) -> None:
        self.order = order
        self.stdout = b""
        self.stderr = b""
        self.completed = False
        self._host = host
        self._sessions = sessions
        self._process = process
        self._out = StartLine()
        self._err = StartLine()
        self._first = b""
        self._patience_ends_s = asyncio.get_running_loop().time() + END_S / 4
        self._ended: asyncio.Task[bool] | None = None
        self._hearing: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, host: str, order: CommandSpec, sessions: Sessions, *, with_stdin: bool) -> RemoteCommand:
        """Starts it. When cancelled meanwhile, what may have started is ended first. Raises HostUnreachable."""
        line, first = command(order.script, secret=order.secret)
        piped = bool(with_stdin or first or order.dialog)
        await sessions.take()
        given_away = False

        def abandoned(opening: Opening) -> Coroutine[Any, Any, None]:
            nonlocal given_away
            given_away = True
            return cls._end_abandoned(host, order, sessions, opening)

        try:
            process = await sessions.open(line, abandoned, stdin=asyncssh.PIPE if piped else asyncssh.DEVNULL)
        except BaseException:
            if not given_away:
                sessions.give()
            raise
        if first:
            process.stdin.write(first)
            if not (with_stdin or order.dialog):
                process.stdin.write_eof()
        return cls(host, order, sessions, process)

    @classmethod
    async def _end_abandoned(cls, host: str, order: CommandSpec, sessions: Sessions, opening: Opening) -> None:
        """Ends what nobody waits for any more, once the server has answered; without an answer the link is lost."""
        await asyncio.wait([opening])
        if opening.cancelled() or opening.exception() is not None:
            sessions.give()
        else:
            await cls(host, order, sessions, opening.result()).end()

    @property
    def group(self) -> int | None:
        """Its process group on the host, once known."""
        return self._out.group

    @property
    def since(self) -> str:
        """When its leader started: field 22 of /proc/PID/stat."""
        return self._out.since

    async def collect(self, stdin: bytes, limit: int) -> bool:
        """Writes ``stdin`` and reads to the end; whether a stream went past ``limit``. Raises HostError."""
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        truncated = False
        supply = asyncio.ensure_future(self._supply(stdin))
        try:
            async with CancelSafeTaskGroup() as tasks:
                tasks.create_task(self._read_out(out))
                tasks.create_task(self._read_err(err))
            await self._finish()
        except* LimitReached:
            truncated = True
        finally:
            supply.cancel()
            self.stdout, self.stderr = out.joined(), err.joined()
        return truncated

    async def take(self, blocks: AsyncIterator[bytes], limit: int) -> bool:
        """Writes ``blocks`` as they come and reads both streams to their end; whether one went past ``limit``. Raises
        HostError, and what ``blocks`` raises, with its stdin still open."""
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        truncated = False
        try:
            async with CancelSafeTaskGroup() as tasks:
                tasks.create_task(self._read_err(err))
                await self._until_start()  # before it a login's start-up files could eat what is written
                tasks.create_task(self._read_out(out))
                supply = tasks.create_task(self._pour(blocks))
                await self._process.wait_closed()
                supply.cancel()
            await self._finish()
        except* LimitReached:
            truncated = True
        finally:
            self.stdout, self.stderr = out.joined(), err.joined()
        return truncated

    async def _pour(self, blocks: AsyncIterator[bytes]) -> None:
        dialog = self.order.dialog
        try:
            if dialog is not None and not await dialog.answer(self.write):
                self._process.stdin.write_eof()  # sudo asks no more then; the command has not begun
                return
        except LINK_ERRORS:
            return
        async for block in blocks:
            try:
                await self.write(block)
            except LINK_ERRORS:
                return  # a command need not read its input; of a link that went _finish tells
        self._process.stdin.write_eof()

    async def blocks(self, stdin: bytes) -> AsyncGenerator[bytes, None]:
        """What it writes to stdout as it comes, while ``stdin`` is written; the tail of stderr is kept. Raises
        HostError."""
        err = OutputTail()
        others: asyncio.Future[Any] = asyncio.ensure_future(self._read_err(err))
        try:
            await self._until_start()  # before it a login's start-up files could eat what is written
            others = asyncio.gather(others, self._supply(stdin))
            while block := await self.read_block():
                yield block
            await others
            await self._finish()
        finally:
            others.cancel()
            others.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self.stderr = err.joined()

    async def started(self) -> None:
        """Waits for the login's start-up files to be through. Raises HostError when the login runs no commands."""
        await self._until_start()
        if not self._out.seen:
            raise self.link_lost() or no_shell(self._host, self._out.noise)

    def link_lost(self) -> HostUnreachable | None:
        """The error that says so, where its connection is gone."""
        return None if self._sessions.alive else link_lost(self._host, self._sessions.client.lost_by)

    async def reach_root(self) -> None:
        """Waits until sudo has started it, where it is under sudo; its stdin stays open. Raises AuthRefused."""
        dialog = self.order.dialog
        if dialog is None:
            return
        self._hearing = asyncio.create_task(self._read_err(OutputTail()))  # to the end: what is not read would stop it
        if not await dialog.reach_root(self._hearing, self.write):
            raise sudo_refused(self._host, dialog.complaint())
        await self.write(self.order.as_root)

    async def _until_start(self) -> None:
        while not self._out.seen and (block := await self._read()):
            self._first = self._out.hear(block)

    async def read_block(self) -> bytes:
        """The next bytes of stdout after the start line; empty at the end."""
        if not self._first:
            await self._until_start()
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._read()

    async def _read(self) -> bytes:
        try:
            return await self._process.stdout.read(WINDOW)
        except LINK_ERRORS:
            return b""

    async def write(self, data: bytes) -> None:
        """Writes to its stdin; raises OSError when it takes none any more."""
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def _read_out(self, kept: BoundedOutput) -> None:
        while block := await self.read_block():
            kept.add(block)

    async def _read_err(self, kept: BoundedOutput | OutputTail) -> None:
        dialog = self.order.dialog
        try:
            while block := await self._process.stderr.read(WINDOW):
                heard = self._err.hear(block)
                kept.add(dialog.hear(heard) if dialog else heard)
        except LINK_ERRORS:
            return

    async def _supply(self, stdin: bytes) -> None:
        dialog = self.order.dialog
        try:
            if (dialog is None or await dialog.answer(self.write)) and stdin:
                await self.write(stdin)
        except LINK_ERRORS:
            return  # a command need not read its input
        finally:
            if dialog is not None or stdin:
                self._process.stdin.write_eof()

    async def _finish(self) -> None:
        await self._process.wait_closed()
        if self._process.exit_status is None and self._process.exit_signal is None:
            raise fate_unknown(self._host, self.order.argv[0], self.group)
        self.completed = True
        if not self._out.seen:
            raise no_shell(self._host, self._out.noise or self._err.noise)

    def complaint(self) -> bytes:
        """What sudo said if it did not start the command, else nothing."""
        if self.order.dialog is not None:
            return self.order.dialog.complaint()
        return quiet_complaint(self.outcome()[0], self.stdout, self.stderr) if self.order.sudo else b""

    def outcome(self) -> tuple[int | None, str | None]:
        """Exit status, or None and the name of the signal that ended it."""
        if self._process.exit_signal is not None:
            return None, self._process.exit_signal[0]
        return (self._process.exit_status, None) if self.completed else (None, "TERM")

    async def end(self) -> bool:
        """Ends it unless it has ended by itself; whether nothing of it runs. Not cut short by a cancellation."""
        if self._ended is None:
            self._ended = asyncio.create_task(self._end())
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            await asyncio.wait([self._ended])
            raise

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
                await self._until_start()
        except TimeoutError:
            pass
        if self.group is None:  # it never said who it is: the login's start-up files hang
            return await self._end_by_signal()
        if await self._sessions.end_group(self.group, self.since, as_root=self.order.sudo):
            return True
        return await self._end_by_signal()

    async def _end_by_signal(self) -> bool:
        """The way without a second session (RFC 4254, 6.9); for a server that has no room for one."""
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


# A port of a host on this machine: each connection is taken here and carried through a channel of the SSH connection.
#
# asyncssh forwards ports itself, but leaves a connection open for ever whose channel was being opened when the link
# went away (forward.py of 2.24: what opens it is cancelled, and closes nothing).


_BLOCK = 256 * 1024


@asynccontextmanager
async def forwarded(
    connection: asyncssh.SSHClientConnection, lost: asyncio.Event, address: str, port: int
) -> AsyncIterator[int]:
    """A port of 127.0.0.1 that leads to ``address:port`` as the host sees it, until the connection is ``lost``. Raises
    OSError."""
    carried: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carried.add(task)
        try:
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
        server.close()
        tasks = [end, *carried]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close_when(lost: asyncio.Event, server: asyncio.Server) -> None:
    """Refuses from the moment on when nothing can be carried any more."""
    await lost.wait()
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
