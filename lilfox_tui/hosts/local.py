"""This machine as a host: subprocesses, files, and ports that are already here; and the programs that run in the
foreground of its terminal.

On the way to the first frame, so it imports little and making a ``LocalHost`` does nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import OUTPUT_LIMIT, Host, Link, not_read
from lilfox_tui.hosts.process import CommandSpec, HostProcess, NotStarted
from lilfox_tui.hosts.shell_words import END_GROUP, NOT_FOUND, NOT_RUNNABLE, SudoDialog, by_sudo

# The end of a process group of this machine: what ``shell_words.END_GROUP`` does on others, without a shell that reads
# all of /proc byte by byte (some 30 ms each time).


_WAIT_S = 2.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.002, 0.1


async def end_group(group: int) -> bool:
    """Send TERM, wait 2 s, send KILL, wait 2 s; return whether no process of the group is running any more. Zombies
    count as ended, because only their parent can reap them. If cancelled, for example because LilFox itself exits, send
    KILL at once: nothing could send it later."""
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
    """Whether a process of the group is running; also True if that cannot be seen (no /proc)."""
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
    """A pipe whose ``writing`` end is given to a process. Nothing is read ahead. One reader at a time."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        self._waiting: asyncio.Future[None] | None = None
        os.set_blocking(self._reading, False)
        widen(self._reading)

    def given(self) -> None:
        """Close this process's copy of the writing end, so that the pipe ends with the child process."""
        os.close(self.writing)
        self.writing = -1

    async def read(self, size: int = BLOCK) -> bytes:
        """Return up to ``size`` bytes from the pipe; empty at its end. Other tasks run before each block."""
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
        """End the wait for more data, if any."""
        if self._waiting is not None:
            self._waiting.get_loop().remove_reader(self._reading)
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None

    def close(self) -> None:
        """Close both ends; a waiting reader sees the end of the pipe."""
        self._wake()
        for end in (self._reading, self.writing):
            if end >= 0:
                os.close(end)
        self._reading = self.writing = -1


class Outlet:
    """A process's stdin, for bulk data. A full pipe becomes writable again as soon as one page was read, so a writer
    that waits for that writes one page at a time, which uses a whole core at 100 MB/s. Outlet polls after a short wait
    instead. If the pipe cannot be enlarged, that wait would be too long, and asyncio writes."""

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._wide = False
        with suppress(ValueError):  # it has ended already, and its pipe is closed
            self._wide = widen(stdin.get_extra_info("pipe").fileno())

    async def write(self, block: bytes) -> None:
        """Write the whole block. Raises BrokenPipeError, ConnectionResetError if nobody reads any more."""
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
        """Write as much as fits into the pipe, once asyncio's own buffer has been written to it."""
        if self._stdin.transport.get_write_buffer_size():
            return 0
        try:
            return os.write(self._stdin.get_extra_info("pipe").fileno(), rest)
        except BlockingIOError:
            return 0


def widen(pipe: int) -> bool:
    """Enlarge a pipe to the size of a block, so that a dump needs a sixteenth of the writes (fcntl(2), F_SETPIPE_SZ);
    return whether that succeeded. A user with too many large pipes gets no more (pipe-user-pages-soft)."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BLOCK) >= BLOCK
    except OSError:
        return False


class LocalProcess(HostProcess):
    """A started command in its own session. ``argv`` is what was started, including sudo."""

    def __init__(
        self, spec: CommandSpec, argv: Sequence[str], process: Process, out: Pipe, dialog: SudoDialog | None
    ) -> None:
        super().__init__(spec, sudo=argv[0] == "sudo", dialog=dialog)
        self._process = process
        self._out = out
        self._outlet: Outlet | None = None

    @classmethod
    async def start(
        cls, spec: CommandSpec, argv: Sequence[str], env: Mapping[str, str], dialog: SudoDialog | None
    ) -> LocalProcess:
        """Start ``argv``; raises OSError like execve(2)."""
        out = Pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=PIPE if spec.with_stdin or dialog else DEVNULL,
                stdout=out.writing,
                stderr=PIPE,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            out.close()
            raise
        out.given()
        return cls(spec, argv, process, out, dialog)

    @property
    def group(self) -> int:
        """See :attr:`HostProcess.group`."""
        return self._process.pid

    async def read(self) -> bytes:
        """See :meth:`HostProcess.read`."""
        return await self._out.read()

    async def read_stderr(self) -> bytes:
        """See :meth:`HostProcess.read_stderr`."""
        assert self._process.stderr is not None
        return await self._process.stderr.read(BLOCK)

    async def write(self, data: bytes) -> None:
        """See :meth:`HostProcess.write`."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def write_block(self, block: bytes) -> None:
        """See :meth:`HostProcess.write_block`."""
        assert self._process.stdin is not None
        self._outlet = self._outlet or Outlet(self._process.stdin)
        await self._outlet.write(block)

    def close_stdin(self) -> None:
        """See :meth:`HostProcess.close_stdin`."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def wait(self) -> None:
        """See :meth:`HostProcess.wait`."""
        await self._process.wait()

    def outcome(self) -> tuple[int | None, str | None]:
        """See :meth:`HostProcess.outcome`."""
        code = self._process.returncode
        if code is None or code < 0:
            return None, signal.Signals(-(code or -signal.SIGKILL)).name.removeprefix("SIG")
        return code, None

    async def _end(self) -> bool:
        try:
            return self.completed or await self._end_group()
        finally:
            self._out.close()

    async def _see_end(self, ending: asyncio.Task[bool]) -> None:
        """Wait until the process has been ended, even though the caller was cancelled. A second cancellation kills the
        group at once."""
        await ending

    async def _end_group(self) -> bool:
        if self.sudo:
            end = ["sudo", "-n", "sh", "-c", END_GROUP, "sh", str(self.group), ""]
            ender = await asyncio.create_subprocess_exec(*end, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
            ended = await ender.wait() == 0
        else:
            ended = await end_group(self.group)
        if ended:
            await self._process.wait()
            self._process._transport.close()  # type: ignore[attr-defined]
        return ended


class LocalHost(Host):
    """This machine."""

    def __init__(self, name: str, config: HostConfig) -> None:
        super().__init__(name, protected=config.protected)
        self._config = config
        self._link: Feed[Link] = Feed()
        self._starting: set[asyncio.Future[LocalProcess]] = set()

    @property
    def link(self) -> Feed[Link]:
        """Ready from the first connect: this machine is always reachable."""
        return self._link

    async def keep_connected(self) -> None:
        """Publish the link and stay connected."""
        await self.connect()
        await asyncio.Event().wait()

    async def connect(self) -> None:
        """Publish the link; cannot fail."""
        if self._link.value is None:
            self._link.publish(Link(datetime.now(UTC), str(tr("this machine"))))

    def retry_now(self) -> None:
        """Do nothing: there is nothing to retry."""

    async def start(self, spec: CommandSpec) -> HostProcess:
        """See :meth:`Host.start`."""
        starting = asyncio.ensure_future(self._start(spec))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:  # half started nobody could end it, and asyncio may wait for it for ever
            with suppress(OSError):
                await self._end(await starting)
            raise
        except OSError as error:
            status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
            raise NotStarted(status, error.strerror or type(error).__name__) from None

    async def _start(self, spec: CommandSpec) -> LocalProcess:
        argv: Sequence[str] = spec.argv
        env = spec.env or {}
        dialog = None
        if spec.sudo and os.geteuid() != 0:
            argv, dialog = by_sudo(argv, env, self._config.sudo_password, tells_root=spec.loop)
        process = await LocalProcess.start(spec, argv, {**os.environ, "LC_ALL": "C", **env}, dialog)
        self._running.add(process)
        return process

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        return await asyncio.to_thread(_read_part, self.name, path, offset, limit_bytes)

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """Yield the same address and port: this machine reaches them directly."""
        yield address, port

    @asynccontextmanager
    async def connect_unix(self, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """See :meth:`Host.connect_unix`."""
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """End every process started here, even one that is just being started."""
        await asyncio.gather(*self._starting, return_exceptions=True)
        await self._end_all()


def _read_part(host: str, path: str, offset: int, limit_bytes: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            if offset:
                file.seek(offset)
            return file.read(limit_bytes)
    except OSError as error:
        raise not_read(host, path, error.strerror or type(error).__name__) from None


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


def run_in_foreground(argv: Sequence[str], heard: bytearray | None = None) -> int:
    """Run a program on the terminal and return its exit status (negative: the signal that ended it); ``heard`` gets the
    end of its error output too. Raises OSError if it cannot be started.

    The event loop stands still meanwhile: a signal to end, which it sees afterwards, ends the program first. What the
    keyboard sends (SIGINT, SIGQUIT) is the program's alone.
    """
    modes = _modes()
    with _listening(heard) as errors, subprocess.Popen(argv, stderr=errors) as program:

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


_MOST_HEARD = 4096
_LAST_WORDS_S = 0.2
"""For the error output after a program's end: what it left in the background may keep the pipe open."""


@contextmanager
def _listening(heard: bytearray | None) -> Iterator[int | None]:
    """A file descriptor whose output goes to standard error, and to the end of ``heard``; None without ``heard``."""
    if heard is None:
        yield None
        return
    ours, theirs = os.pipe()
    over = threading.Event()
    reader = threading.Thread(target=_pass_on, args=(ours, heard, over), daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join(_LAST_WORDS_S)
        over.set()


def _pass_on(ours: int, heard: bytearray, over: threading.Event) -> None:
    while data := os.read(ours, _MOST_HEARD):
        if not over.is_set():  # the screen is the console's again
            with suppress(OSError):
                os.write(2, data)
            heard += data
            del heard[:-_MOST_HEARD]
    os.close(ours)


def _modes() -> list[int | list[bytes | int]] | None:
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None


def _put_back(modes: list[int | list[bytes | int]] | None, status: int | None) -> None:
    """Restore the terminal modes, and turn off the modes that an interrupted program left on."""
    if modes is None:
        return
    with suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
        if status is None or (not 0 <= status < _CUT_SHORT and status not in _BY_KEYBOARD):
            os.write(sys.stdin.fileno(), _AS_AT_FIRST)


def _take_terminal() -> None:
    """Make our process group the terminal's foreground group again: a shell that was killed did not do so."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    except OSError:
        return
    finally:
        signal.signal(signal.SIGTTOU, before)
