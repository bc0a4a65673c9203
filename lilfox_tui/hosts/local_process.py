"""One process group on this machine: started, read, and surely ended."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from lilfox_tui.hosts.local_group import end_group
from lilfox_tui.hosts.local_pipe import BLOCK, Outlet, Pipe
from lilfox_tui.hosts.output import Kept, LimitReached, Tail
from lilfox_tui.hosts.refusals import loop_ended, loop_timeout
from lilfox_tui.hosts.script import END, END_GROUP, MAX_ANSWER, new_tick
from lilfox_tui.hosts.sudo import SudoDialog, quiet_complaint
from lilfox_tui.together import Together


class LocalProcess:
    """A started command in a session of its own. ``dialog`` is the sudo that may ask for a password."""

    def __init__(self, argv: Sequence[str], process: Process, out: Pipe, dialog: SudoDialog | None = None) -> None:
        self.argv = tuple(argv)
        self.pid = process.pid
        self.stdout = b""
        self.stderr = b""
        self._process = process
        self._out = out
        self._dialog = dialog
        self._completed = False
        self._hearing: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, argv: Sequence[str], env: Mapping[str, str], *, with_stdin: bool, dialog: SudoDialog | None = None
    ) -> LocalProcess:
        """Starts ``argv``; raises OSError as execve(2) has it."""
        out = Pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=PIPE if with_stdin or dialog else DEVNULL,
                stdout=out.writing,
                stderr=PIPE,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            out.close()
            raise
        out.given()
        return cls(argv, process, out, dialog)

    async def collect(self, stdin: bytes, limit: int) -> bool:
        """Writes ``stdin``, reads both streams to their end; whether one went past ``limit``."""
        assert self._process.stderr is not None
        out, err = Kept(limit), Kept(limit)
        truncated = False
        supply = asyncio.ensure_future(self._supply(stdin))
        try:
            async with Together() as tasks:
                tasks.create_task(self._read(self._out, out))
                tasks.create_task(self._read(self._process.stderr, err, self._dialog))
            await self._process.wait()
            self._completed = True
        except* LimitReached:
            truncated = True
        finally:
            supply.cancel()
            self.stdout, self.stderr = out.joined(), err.joined()
        return truncated

    async def take(self, blocks: AsyncIterator[bytes], limit: int) -> bool:
        """Writes ``blocks`` as they come and reads both streams to their end; whether one went past ``limit``. Raises
        what ``blocks`` raises, with its stdin still open."""
        assert self._process.stderr is not None
        out, err = Kept(limit), Kept(limit)
        truncated = False
        try:
            async with Together() as tasks:
                tasks.create_task(self._read(self._out, out))
                tasks.create_task(self._read(self._process.stderr, err, self._dialog))
                supply = tasks.create_task(self._pour(blocks))
                await self._process.wait()
                supply.cancel()
            self._completed = True
        except* LimitReached:
            truncated = True
        finally:
            self.stdout, self.stderr = out.joined(), err.joined()
        return truncated

    async def _pour(self, blocks: AsyncIterator[bytes]) -> None:
        assert self._process.stdin is not None
        if self._dialog is not None and not await self._dialog.answer(self.write):
            self._process.stdin.close()  # sudo asks no more then; the command has not begun
            return
        outlet = Outlet(self._process.stdin)
        async for block in blocks:
            try:
                await outlet.write(block)
            except (BrokenPipeError, ConnectionResetError):
                return  # a command need not read its input
        self._process.stdin.close()

    async def _read(
        self, stream: Pipe | asyncio.StreamReader, kept: Kept | Tail, dialog: SudoDialog | None = None
    ) -> None:
        while block := await stream.read(BLOCK):
            kept.add(dialog.hear(block) if dialog else block)

    async def _supply(self, stdin: bytes) -> None:
        if self._process.stdin is None:
            return
        try:
            if self._dialog is None or await self._dialog.answer(self.write):
                await self.write(stdin)
        except (BrokenPipeError, ConnectionResetError):
            return  # a command need not read its input
        finally:
            self._process.stdin.close()

    async def reach_root(self) -> bool:
        """Waits until sudo has started it, where it is under sudo; its stdin stays open. False when sudo refused."""
        if self._dialog is None:
            return True
        assert self._process.stderr is not None
        self._hearing = asyncio.create_task(self._read(self._process.stderr, Tail(), self._dialog))
        return await self._dialog.reach_root(self._hearing, self.write)

    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def blocks(self, stdin: bytes) -> AsyncGenerator[bytes, None]:
        """What it writes to stdout, as it comes, while ``stdin`` is written; the tail of stderr is kept."""
        assert self._process.stderr is not None
        err = Tail()
        others = asyncio.gather(self._read(self._process.stderr, err, self._dialog), self._supply(stdin))
        try:
            while block := await self._out.read():
                yield block
            await others
            await self._process.wait()
            self._completed = True
        finally:
            others.cancel()
            others.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self.stderr = err.joined()

    async def read_block(self) -> bytes:
        """The next bytes of stdout; empty at its end."""
        return await self._out.read()

    def complaint(self) -> bytes:
        """What sudo said if it did not start the command, else nothing."""
        if self._dialog is not None:
            return self._dialog.complaint()
        return quiet_complaint(self.outcome()[0], self.stdout, self.stderr) if self.argv[0] == "sudo" else b""

    def outcome(self) -> tuple[int | None, str | None]:
        """Exit status, or None and the name of the signal that ended it."""
        code = self._process.returncode
        if code is None or code < 0:
            return None, signal.Signals(-(code or -signal.SIGKILL)).name.removeprefix("SIG")
        return code, None

    async def end(self) -> bool:
        """Ends the group unless the command has ended by itself: TERM, 2 s, KILL. Whether nothing of it runs."""
        try:
            return self._completed or await self._ended()
        finally:
            self._out.close()

    async def _ended(self) -> bool:
        if self.argv[0] == "sudo":
            end = ["sudo", "-n", "sh", "-c", END_GROUP, "sh", str(self.pid), ""]
            ender = await asyncio.create_subprocess_exec(*end, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
            ended = await ender.wait() == 0
        else:
            ended = await end_group(self.pid)
        if ended:
            await self._process.wait()
            self._process._transport.close()  # type: ignore[attr-defined]
        self._completed = ended
        return ended


class LocalLoop:
    """A kept ``sh`` on this machine; see :class:`lilfox_tui.hosts.base.Loop`."""

    def __init__(self, host: str, process: LocalProcess) -> None:
        self._host = host
        self._process = process

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """See :meth:`Loop.ask`."""
        tick = new_tick()
        end = END + tick.encode() + b"\n"
        answer = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.write(f"{tick} {words}\n".encode())
                while not answer.endswith(end):
                    block = await self._process.read_block()
                    if not block or len(answer) > MAX_ANSWER:
                        raise loop_ended(self._host)
                    answer += block
        except TimeoutError:
            raise loop_timeout(self._host, timeout_s) from None
        except (BrokenPipeError, ConnectionResetError):
            raise loop_ended(self._host) from None
        return bytes(answer[: -len(end)])
