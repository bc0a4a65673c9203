"""A command that runs on a host: its pipes, sudo dialog, termination and errors, the same for every kind of host."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.core.errors import AuthRefused, CommandFailed, CommandTimeout, HostError, HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.shell_words import END, MAX_ANSWER, SudoDialog, new_tick, quiet_complaint
from lilfox_tui.redact import redact


class CommandSpec(Struct, frozen=True):
    """What to start on a host. With ``sudo`` it runs as root."""

    argv: tuple[str, ...]
    env: dict[str, str] | None = None
    sudo: bool = False
    with_stdin: bool = False
    """Whether its stdin is written; otherwise it is empty."""
    script: str | None = None
    """The script of our own that ``argv`` is the ``sh`` of; its arguments are ``argv[4:]``."""
    loop: bool = False
    """Whether it is kept to answer questions; of one under sudo it must be known when it has started."""
    first: bytes = b""
    """What its stdin begins with once it is root."""


class NotStarted(Exception):
    """The system cannot start the program. ``status`` is the exit status that a shell gives for it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class LostCommand(Struct, frozen=True):
    """A command whose outcome is unknown: the connection was lost, or it could not be ended. It is ended at the next
    connect."""

    argv: tuple[str, ...]
    pid: int | None
    since: datetime
    leader_since: str = ""
    """When the leader of its process group started: field 22 of /proc/PID/stat."""
    sudo: bool = False


class HostProcess(ABC):
    """A started command. Each kind of host implements its pipes and its end; everything else is shared.

    ``dialog`` is the sudo that tells when root is reached, ``sudo`` whether a sudo may stand before the command.
    """

    def __init__(self, spec: CommandSpec, *, sudo: bool = False, dialog: SudoDialog | None = None) -> None:
        self.spec = spec
        self.sudo = sudo
        self.dialog = dialog
        self.stdout = b""
        self.stderr = b""
        self.completed = False
        """Whether it has ended by itself and all of its output was read."""
        self._hearing: asyncio.Task[None] | None = None
        self._ended: asyncio.Task[bool] | None = None

    @property
    def group(self) -> int | None:
        """Its process group on the host, once known."""
        return None

    @property
    def since(self) -> str:
        """The start time of the group's leader: field 22 of /proc/PID/stat."""
        return ""

    @abstractmethod
    async def read(self) -> bytes:
        """Reads the next bytes of stdout; empty at its end, also after a lost connection."""

    @abstractmethod
    async def read_stderr(self) -> bytes:
        """Reads the next bytes of stderr, like ``read``."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin. Raises OSError if it accepts no more input."""

    async def write_block(self, block: bytes) -> None:
        """Writes one block of a large input; otherwise like ``write``."""
        await self.write(block)

    @abstractmethod
    def close_stdin(self) -> None:
        """Closes the command's stdin."""

    async def begun(self) -> None:
        """Waits until the command itself reads its stdin, rather than the start-up files of a login. Returns at once
        unless overridden."""
        return

    @abstractmethod
    async def wait(self) -> None:
        """Waits until the command has ended, or until its end can no longer be known."""

    def conclude(self) -> None:
        """Marks the command as completed; call it after all of its output was read. Raises HostError if its outcome is
        unknown."""
        self.completed = True

    @abstractmethod
    def outcome(self) -> tuple[int | None, str | None]:
        """Exit status, or None and the name of the signal that ended it."""

    @abstractmethod
    async def _end(self) -> bool:
        """Ends the process group unless the command is completed: TERM, 2 s, KILL. Returns whether none of it runs any
        more."""

    def link_error(self) -> HostError | None:
        """Return the error for a lost connection, or None while it is alive."""
        return None

    async def end(self) -> bool:
        """End the command unless it has ended by itself; return whether none of it runs any more. A cancellation does
        not interrupt this."""
        if self._ended is None:
            self._ended = asyncio.create_task(self._end())
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            await self._see_end(self._ended)
            raise

    async def _see_end(self, ending: asyncio.Task[bool]) -> None:
        """Wait until the process has been ended, even though the caller was cancelled. A second cancellation stops this
        wait but not the termination."""
        await asyncio.wait([ending])

    def as_lost(self) -> LostCommand:
        """The command as one whose outcome is unknown, because it could not be ended."""
        return LostCommand(self.spec.argv, self.group, datetime.now(UTC), self.since, self.sudo)

    async def collect(self, blocks: AsyncIterator[bytes] | None, limit: int) -> bool:
        """Write ``blocks`` as they come and read both streams to their end; return whether one exceeded ``limit``.
        Raises HostError, and the errors of ``blocks``, after which stdin is still open."""
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        truncated = False
        try:
            async with CancelSafeTaskGroup() as tasks:
                tasks.create_task(self._read_stderr(err))
                await self.begun()
                tasks.create_task(self._read_stdout(out))
                supply = tasks.create_task(self._supply(blocks))
                await self.wait()
                supply.cancel()
            self.conclude()
        except* LimitReached:
            truncated = True
        finally:
            self.stdout, self.stderr = out.joined(), err.joined()
        return truncated

    async def blocks(self, given: AsyncIterator[bytes] | None) -> AsyncGenerator[bytes, None]:
        """Yields stdout as it arrives, while ``given`` is written to stdin; keeps the start and the end of stderr.
        Raises HostError."""
        err = OutputEnds()
        tasks = [asyncio.ensure_future(self._read_stderr(err))]
        try:
            await self.begun()
            tasks.append(supply := asyncio.ensure_future(self._supply(given)))
            while block := await self.read():
                yield block
            await tasks[0]
            await self.wait()
            if supply.done():
                supply.result()  # a password that could not be read
            self.conclude()
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self.stderr = err.joined()

    async def reach_root(self) -> bool:
        """Waits until sudo has started the command, if it has a sudo dialog; stdin stays open. Returns False if sudo
        refused. Raises OSError if the process is gone."""
        if self.dialog is not None:
            self._hearing = asyncio.create_task(self._read_stderr(OutputEnds()))  # to the end: unread, it would stop
            if not await self.dialog.reach_root(self._hearing, self.write):
                return False
        if self.spec.first:
            await self.write(self.spec.first)
        return True

    def complaint(self) -> bytes:
        """The error output of sudo if it did not start the command, else empty."""
        if self.dialog is not None:
            return self.dialog.complaint()
        return quiet_complaint(self.outcome()[0], self.stdout, self.stderr) if self.sudo else b""

    async def _read_stdout(self, kept: BoundedOutput) -> None:
        while block := await self.read():
            kept.add(block)

    async def _read_stderr(self, kept: BoundedOutput | OutputEnds) -> None:
        while block := await self.read_stderr():
            kept.add(self.dialog.hear(block) if self.dialog else block)

    async def _supply(self, blocks: AsyncIterator[bytes] | None) -> None:
        """Answers sudo, then writes ``blocks`` and closes stdin. Failed writes are ignored: a command need not read its
        input, and ``conclude`` reports a lost connection."""
        if self.dialog is not None and not await self._answer(self.dialog):
            return
        if blocks is not None:
            async for block in blocks:
                try:
                    await self.write_block(block)
                except OSError:
                    return
        if blocks is not None or self.dialog is not None:
            self.close_stdin()

    async def _answer(self, dialog: SudoDialog) -> bool:
        """Gives sudo its password; returns whether the command has begun. If not, closes its stdin, so that sudo does
        not ask again."""
        begun = False
        try:
            begun = await dialog.answer(self.write)
        except OSError:
            return False
        except Exception:
            self.close_stdin()
            raise
        if not begun:
            self.close_stdin()
        return begun


class ProcessLoop:
    """A long-running ``sh`` that answers requests; see :class:`lilfox_tui.hosts.base.Loop`. ``hung``: it did not answer
    in time."""

    def __init__(self, host: str, process: HostProcess) -> None:
        self.hung = False
        self.process = process
        self._host = host

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """See :meth:`Loop.ask`."""
        tick = new_tick()
        end = END + tick.encode() + b"\n"
        answer = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                await self.process.write(f"{tick} {words}\n".encode())
                while not answer.endswith(end):
                    block = await self.process.read()
                    if not block or len(answer) > MAX_ANSWER:
                        raise self.ended()
                    answer += block
        except TimeoutError:
            self.hung = True
            raise loop_timeout(self._host, timeout_s) from None
        except OSError:
            raise self.ended() from None
        return bytes(answer[: -len(end)])

    def ended(self) -> HostError:
        """The error for a loop that has ended: the lost connection, or the end of its process."""
        return self.process.link_error() or loop_ended(self._host)


# The output of commands, bounded.


END_BYTES = 4096


class LimitReached(Exception):
    """A command wrote more than its caller keeps."""


class BoundedOutput:
    """The first ``limit`` bytes of a stream; raises LimitReached at the first byte past them."""

    def __init__(self, limit: int) -> None:
        self._blocks: list[bytes] = []
        self._room = limit

    def add(self, block: bytes) -> None:
        """Adds ``block``. If it is too long, keeps only the part that fits and raises LimitReached."""
        kept = block[: self._room]
        self._blocks.append(kept)
        self._room -= len(kept)
        if len(kept) < len(block):
            raise LimitReached

    def joined(self) -> bytes:
        """All bytes that were kept."""
        return b"".join(self._blocks)


class OutputEnds:
    """The first and the last few KB of a stream."""

    def __init__(self) -> None:
        self._start = b""
        self._end = b""
        self._cut = False

    def add(self, block: bytes) -> None:
        """Keep the start and the end of what has arrived so far."""
        room = END_BYTES - len(self._start)
        self._start += block[:room]
        end = self._end + block[room:]
        self._cut = self._cut or len(end) > END_BYTES
        self._end = end[-END_BYTES:]

    def joined(self) -> bytes:
        """Return the kept bytes. If something was left out, the start ends with a whole word, so that it can be
        redacted."""
        return self._start.rpartition(b" ")[0] + b" ...\n" + self._end if self._cut else self._start + self._end


def last_words(stderr: bytes) -> str:
    """Return the last line that a command wrote to stderr, safe to include in an error."""
    lines = [line for line in redact(stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
    return clean(lines[-1])[:300] if lines else ""


# Errors that every kind of host words alike.


def too_slow(host: str, command: str, timeout_s: float) -> CommandTimeout:
    """Return the error for a command that was ended because it timed out."""
    return CommandTimeout(
        host,
        tr("{command} did not finish within {seconds:g} s on {host}", command=command, seconds=timeout_s, host=host),
        tr("The command was terminated on the host. If it is only slow, allow more time."),
    )


def failed(host: str, command: str, outcome: str | int | None, stderr: bytes) -> CommandFailed:
    """Return the error for a streamed command that did not end with status 0."""
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
    """Return the error for a command that sudo did not start. sudo is tried only once, because some systems lock an
    account after a few failures."""
    return AuthRefused(
        host,
        tr("sudo was refused on {host}: {words}", host=host, words=last_words(complaint)),
        tr("Set sudo_password for this host, or allow the command with NOPASSWD in its sudoers."),
    )


def loop_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """Return the error for a loop that did not answer in time."""
    return CommandTimeout(
        host,
        tr("{host} did not answer within {seconds:g} s", host=host, seconds=timeout_s),
        tr("The host may be frozen or overloaded; LilFox repeats the query."),
    )


def login_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """Return the error for a login whose start-up files did not end in time."""
    return CommandTimeout(
        host,
        tr(
            "The login on {host} did not complete within {seconds:g} s: its shell's startup files have not "
            "finished",
            host=host, seconds=timeout_s,
        ),
        tr("Check .bashrc, .profile and /etc/profile.d on the host for commands that wait for the network, a "
           "mount or input."),
    )  # fmt: skip


def loop_ended(host: str) -> HostUnreachable:
    """Return the error for a loop whose process has ended."""
    return HostUnreachable(host, tr("The reader process on {host} ended", host=host), tr("LilFox restarts it."))
