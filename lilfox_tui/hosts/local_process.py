"""Processes of this machine: in the background, bounded; or in the foreground of the terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.hosts.base import BoundedOutput, LimitReached, OutputTail, loop_ended, loop_timeout
from lilfox_tui.hosts.shell_words import END, END_GROUP, MAX_ANSWER, SudoDialog, new_tick, quiet_complaint

# The end of a process group of this machine: what ``script.END_GROUP`` does on others, without a shell that reads all
# of /proc byte by byte (some 30 ms each time).


_WAIT_S = 2.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.002, 0.1


async def end_group(group: int) -> bool:
    """TERM, 2 s, KILL, 2 s; whether nothing of it runs any more. Zombies count as ended, for only their parent can take
    them away. Cancelled meanwhile (its own process ends, say) it is KILL at once: nobody is left who would send it."""
    try:
        return await _group_ended(group)
    except asyncio.CancelledError:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        raise


async def _group_ended(group: int) -> bool:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not await asyncio.to_thread(group_runs, group):
            return True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
        until, look_s = monotonic() + _WAIT_S, _FIRST_LOOK_S
        while monotonic() < until:
            await asyncio.sleep(look_s)
            look_s = min(2 * look_s, _LONGEST_LOOK_S)
            if not await asyncio.to_thread(group_runs, group):
                return True
    return False


def group_runs(group: int) -> bool:
    """Whether a process of the group does, also where that cannot be seen (no /proc)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        """Somebody else's, but there."""
    if not Path("/proc/self").exists():
        return True
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    return any(_process_state(group, pid) not in ("", "Z") for pid in pids)


def _process_state(group: int, pid: str) -> str:
    """The state of a process of the group; empty for others (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # it has ended since
        return ""
    state, _parent, its, *_rest = text.rpartition(")")[2].split()
    return state if int(its) == group else ""


# Pipes to and from a process, with one copy each; asyncio's streams make three of what is read, and two of what is
# written.


BLOCK = 1024 * 1024
_MOMENT_S, _LONGER_S = 0.001, 0.005
"""Until a full pipe is looked at again: one of which something was just read, and one of which nothing was."""


class Pipe:
    """A pipe whose ``writing`` end a process is given. Nothing is read that nobody asks for. One reader at a time."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        self._waiting: asyncio.Future[None] | None = None
        os.set_blocking(self._reading, False)
        widen(self._reading)

    def given(self) -> None:
        """The process has its end: this one's copy of it is closed, so that the pipe ends with the process."""
        os.close(self.writing)
        self.writing = -1

    async def read(self, size: int = BLOCK) -> bytes:
        """What is in the pipe, up to ``size`` bytes; empty at its end. Others have their turn before each block."""
        await asyncio.sleep(0)
        while self._reading >= 0:
            try:
                return os.read(self._reading, size)
            except BlockingIOError:
                await self._filled()
        return b""

    async def _filled(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        loop.add_reader(self._reading, self._wake)
        try:
            await self._waiting
        finally:
            self._wake()

    def _wake(self) -> None:
        """Ends the waiting for more, if anybody waits."""
        if self._waiting is not None:
            self._waiting.get_loop().remove_reader(self._reading)
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None

    def close(self) -> None:
        """Both ends; who still reads has come to the end."""
        self._wake()
        for end in (self._reading, self.writing):
            if end >= 0:
                os.close(end)
        self._reading = self.writing = -1


class Outlet:
    """A process's stdin, for much at once. A pipe that is full can be written again as soon as a page of it was read,
    and who is woken then writes a page and waits again, which takes a core at 100 MB/s: so it is looked after a moment
    how much was read of it. Where the pipe can be no wider a moment is too long, and asyncio writes."""

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._wide = False
        with suppress(ValueError):  # it has ended already, and its pipe is closed
            self._wide = widen(stdin.get_extra_info("pipe").fileno())

    async def write(self, block: bytes) -> None:
        """Writes all of it. Raises BrokenPipeError, ConnectionResetError where nobody reads any more."""
        rest = memoryview(block)
        while rest and self._wide and not self._stdin.transport.is_closing():
            written = self._write(rest)
            rest = rest[written:]
            if rest:
                await asyncio.sleep(_MOMENT_S if written else _LONGER_S)
        if rest:
            self._stdin.write(rest)
            await self._stdin.drain()

    def _write(self, rest: memoryview) -> int:
        """What fits into the pipe, once it has taken what asyncio holds for it."""
        if self._stdin.transport.get_write_buffer_size():
            return 0
        try:
            return os.write(self._stdin.get_extra_info("pipe").fileno(), rest)
        except BlockingIOError:
            return 0


def widen(pipe: int) -> bool:
    """Makes a pipe as wide as a block, so that a dump takes a sixteenth of the turns (fcntl(2), F_SETPIPE_SZ); whether
    it is. Who has too many wide ones gets no more (pipe-user-pages-soft)."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BLOCK) >= BLOCK
    except OSError:
        return False


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
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        truncated = False
        supply = asyncio.ensure_future(self._supply(stdin))
        try:
            async with CancelSafeTaskGroup() as tasks:
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
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        truncated = False
        try:
            async with CancelSafeTaskGroup() as tasks:
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
        self, stream: Pipe | asyncio.StreamReader, kept: BoundedOutput | OutputTail, dialog: SudoDialog | None = None
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
        self._hearing = asyncio.create_task(self._read(self._process.stderr, OutputTail(), self._dialog))
        return await self._dialog.reach_root(self._hearing, self.write)

    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def blocks(self, stdin: bytes) -> AsyncGenerator[bytes, None]:
        """What it writes to stdout, as it comes, while ``stdin`` is written; the tail of stderr is kept."""
        assert self._process.stderr is not None
        err = OutputTail()
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


# Runs a program in the person's terminal, and has the terminal afterwards as it was before.


_CUT_SHORT = 128
"""From this exit status on (what ssh gives for a lost link is 255) a program did not end by itself."""
_BY_KEYBOARD = (-signal.SIGINT, 130)
_AS_AT_FIRST = (
    b"\x1b[?1049l\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l"
    b"\x1b[4l\x1b[r\x1b(B\x1b[0m\x1b[?7h\x1b[?25h\n"
)
"""Off: the other screen, keys of applications, mouse, focus, marked pastes, inserting, margins, line drawing, colours;
on: wrapping and the cursor."""


def run_in_foreground(argv: Sequence[str]) -> int:
    """Runs a program on the terminal and gives its exit status once it has ended (negative: the signal that ended it).
    Raises OSError where it cannot be started.

    The event loop stands still meanwhile: a signal to end, which it sees afterwards, ends the program first. What the
    keyboard sends (SIGINT, SIGQUIT) is the program's alone.
    """
    modes = _modes()
    with subprocess.Popen(argv) as program:

        def end(_number: int, _frame: object) -> None:
            program.send_signal(signal.SIGHUP)

        kept = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
        kept |= {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
        try:
            return program.wait()
        finally:
            _take_terminal()
            _put_back(modes, program.returncode)
            for number, handler in kept.items():
                signal.signal(number, handler)


def _modes() -> list[int | list[bytes | int]] | None:
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None


def _put_back(modes: list[int | list[bytes | int]] | None, status: int | None) -> None:
    """The modes as they were before; and what a program that was cut short has left switched on in the terminal."""
    if modes is None:
        return
    with suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
        if status is None or (not 0 <= status < _CUT_SHORT and status not in _BY_KEYBOARD):
            os.write(sys.stdin.fileno(), _AS_AT_FIRST)


def _take_terminal() -> None:
    """Makes our process group the terminal's again: a shell that was killed has not given it back."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    except OSError:
        return
    finally:
        signal.signal(signal.SIGTTOU, before)
