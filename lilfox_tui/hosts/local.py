"""This machine as a host: subprocesses, files, and ports that are already here.

On the way to the first frame, so it imports little and making a ``LocalHost`` does nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import (
    OUTPUT_LIMIT,
    Completed,
    Link,
    Loop,
    LostCommand,
    failed,
    no_change_allowed,
    not_read,
    not_written,
    sudo_refused,
    too_slow,
)
from lilfox_tui.hosts.local_process import LocalLoop, LocalProcess
from lilfox_tui.hosts.shell_words import NOT_FOUND, NOT_RUNNABLE, SudoDialog, secret, sudo_quietly


def read_part(host: str, path: str, offset: int, limit_bytes: int) -> bytes:
    """Up to ``limit_bytes`` from ``offset``. Raises FileRefused."""
    try:
        with Path(path).open("rb") as file:
            if offset:
                file.seek(offset)
            return file.read(limit_bytes)
    except OSError as error:
        raise not_read(host, path, _reason(error)) from None


def write_whole(host: str, path: str, data: bytes, mode: int) -> None:
    """Puts ``data`` at ``path`` by a temporary file beside it, fsync and rename. Raises FileRefused."""
    target = Path(path)
    partial = target.with_name(f".{target.name[:100]}.lilfox-{os.urandom(4).hex()}")
    try:
        _write(partial, data, mode)
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise not_written(host, path, _reason(error)) from None


def _write(partial: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


class LocalHost:
    """This machine. ``read_only`` refuses ``write_file``, as a protected host does."""

    def __init__(self, name: str, config: HostConfig, *, read_only: bool = False) -> None:
        self.name = name
        self.protected = config.protected
        self._read_only = read_only or config.protected
        self._config = config
        self._link: Feed[Link] = Feed()
        self._running: set[LocalProcess] = set()
        self._starting: set[asyncio.Future[LocalProcess]] = set()
        self._lost: list[LostCommand] = []

    @property
    def link(self) -> Feed[Link]:
        """Ready from the first connect on: this machine is always there."""
        return self._link

    @property
    def lost(self) -> Sequence[LostCommand]:
        """Commands that did not end even at KILL."""
        return tuple(self._lost)

    async def keep_connected(self) -> None:
        """Publishes the link and stays."""
        await self.connect()
        await asyncio.Event().wait()

    async def connect(self) -> None:
        """Publishes the link, which cannot fail."""
        if self._link.value is None:
            self._link.publish(Link(datetime.now(UTC), str(tr("this machine"))))

    def retry_now(self) -> None:
        """Nothing to retry."""

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
        """See :meth:`Host.run`. A program that cannot be started ends with 127 or 126, as a shell has it."""
        return await self._run(
            argv,
            lambda process: process.collect(stdin, limit_bytes),
            with_stdin=bool(stdin),
            timeout_s=timeout_s,
            sudo=sudo,
            env=env,
        )

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
        return await self.run(
            ["sh", "-c", script, "sh", *args], timeout_s=timeout_s, limit_bytes=limit_bytes, sudo=sudo
        )

    async def stream(
        self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """See :meth:`Host.stream`."""
        await self.connect()
        try:
            process = await self._start(argv, sudo=sudo, with_stdin=bool(stdin))
        except OSError as error:
            raise failed(self.name, argv[0], NOT_FOUND, str(error.strerror).encode()) from None
        try:
            async with aclosing(process.blocks(stdin)) as blocks:
                async for block in blocks:
                    yield block
            status, signal = process.outcome()
            if status != 0:
                raise failed(self.name, argv[0], signal or status, process.complaint() or process.stderr)
        finally:
            await self._end(process)

    async def stream_stdin(
        self,
        argv: Sequence[str],
        blocks: AsyncIterator[bytes],
        *,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """See :meth:`Host.stream_stdin`."""
        return await self._run(argv, lambda process: process.take(blocks, limit_bytes), sudo=sudo)

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        """See :meth:`Host.loop`."""
        await self.connect()
        process = await self._start(["sh", "-c", script], with_stdin=True, sudo=sudo, told=True)
        try:
            if not await process.reach_root():
                raise sudo_refused(self.name, process.complaint())
            yield LocalLoop(self.name, process)
        finally:
            await self._end(process)

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        return await asyncio.to_thread(read_part, self.name, path, offset, limit_bytes)

    async def write_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """See :meth:`Host.write_file`."""
        if self._read_only:
            raise no_change_allowed(self.name, path)
        await asyncio.to_thread(write_whole, self.name, path, data, mode)

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """The same address: what this machine sees is already here."""
        yield address, port

    async def close(self) -> None:
        """Ends every process started here, also one that is just being started."""
        started = await asyncio.gather(*self._starting, return_exceptions=True)
        mine = self._running | {each for each in started if isinstance(each, LocalProcess)}
        await asyncio.gather(*(self._end(process) for process in mine))

    async def _run(
        self,
        argv: Sequence[str],
        work: Callable[[LocalProcess], Awaitable[bool]],
        *,
        with_stdin: bool = True,
        timeout_s: float | None = None,
        sudo: bool,
        env: dict[str, str] | None = None,
    ) -> Completed:
        """Starts it and sees to its end; ``work`` feeds and reads it and tells whether a stream was cut."""
        await self.connect()
        started = time.monotonic()
        try:
            process = await self._start(argv, env=env, sudo=sudo, with_stdin=with_stdin)
        except OSError as error:
            refused = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
            return Completed(tuple(argv), refused, None, b"", f"{argv[0]}: {error.strerror}\n".encode(), 0.0)
        try:
            async with asyncio.timeout(timeout_s) as limit:
                truncated = await work(process)
        except TimeoutError:
            if timeout_s is None or not limit.expired():
                raise
            raise too_slow(self.name, argv[0], timeout_s) from None
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await self._end(process)
        if sudo and process.complaint():
            raise sudo_refused(self.name, process.complaint())
        status, signal = process.outcome()
        return Completed(
            tuple(argv), status, signal, process.stdout, process.stderr, time.monotonic() - started, truncated
        )

    async def _start(
        self,
        argv: Sequence[str],
        *,
        env: dict[str, str] | None = None,
        sudo: bool = False,
        with_stdin: bool = False,
        told: bool = False,
    ) -> LocalProcess:
        """``told``: it must be heard of when root is reached, also where no password is asked for."""
        env = env or {}
        dialog = None
        if sudo and os.geteuid() != 0:
            password = self._config.sudo_password
            if password is None and not told:
                argv = sudo_quietly(argv, env)
            else:
                dialog = SudoDialog(None if password is None else partial(secret, password))
                argv = dialog.argv(argv, env)
        env = {**os.environ, "LC_ALL": "C", **env}
        starting = asyncio.ensure_future(LocalProcess.start(argv, env, with_stdin=with_stdin, dialog=dialog))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:  # half started nobody could end it, and asyncio may wait for it for ever
            with suppress(OSError):
                await self._end(await starting)
            raise
        self._running.add(process)
        return process

    async def _end(self, process: LocalProcess) -> None:
        """Ends the group, also when this is cancelled meanwhile."""
        ended = asyncio.ensure_future(process.end())
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            await ended
            raise
        finally:
            self._running.discard(process)
            if ended.done() and not ended.cancelled() and not ended.result():
                self._lost.append(LostCommand(process.argv, process.pid, datetime.now(UTC)))
