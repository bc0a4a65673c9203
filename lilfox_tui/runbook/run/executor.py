"""Executes one command of a runbook on one host, from its first byte to its end.

What changes something runs detached (``hosts/detached.py``): a lost link is waited for, and a job that was killed finds
it again by its id. What only reads has no state on the host: where the link is lost nobody knows how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from secrets import token_hex

from msgspec import Struct

from lilfox_tui.core.errors import (
    CommandFailed,
    CommandTimeout,
    CommandUnknown,
    HostError,
    HostUnreachable,
    LilFoxError,
    NotBegun,
)
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.runbook.bash.launcher import ARGV, FenceSession, KeptVariables, NeededVariables, given
from lilfox_tui.runbook.model import Kind
from lilfox_tui.runbook.run.output import CommandOutput
from lilfox_tui.runbook.run.protocol import EndState

ON_HOST_BYTES = 4 << 20
"""So much of a changing command's output is kept on the host from its start, and 64 KiB of its end."""
_LEFT_S = 0.3
"""A command that has told its end may hold its output open (something that it left in the background)."""
_END_S = 60.0
_AGAIN_S = 5.0


class CommandTask(Struct, frozen=True, kw_only=True):
    """A command to run. ``env`` may contain secrets."""

    run: str
    """Its id: of this command on this host, once."""
    kind: Kind
    script: str
    env: Mapping[str, str]
    label: str
    """For people who look at what runs on the host; no secret."""
    sudo: bool = False
    fence: FenceSession | None = None
    fine: int | None = 0
    """The exit status that is good; None where another thing decides."""
    cwd: str = ""
    interpreter: str = ""
    wall: bool = False
    """Nothing may be changed on the host: what reads is held to that there, too, as far as programs let it."""
    needed: NeededVariables = NeededVariables()
    keeps: KeptVariables = KeptVariables()
    timeout_s: float | None = None
    patience_s: float | None = None
    """So long a lost link is waited for; None: until somebody stops it."""
    ran: bool = False
    """Of one that an earlier job has begun: whether it is known to have run, whatever its host still knows of it."""


class ExecutionEnd(Struct, frozen=True, kw_only=True):
    """How a command ended. ``done``: by itself, with its exit status (not judged here), or a follow command was
    stopped. ``failed``: it was ended early, with the reason."""

    state: EndState
    message: Message | str = ""
    exit_status: int | None = None
    stopped: bool = False


class CommandExecution:
    """One command in execution. ``output`` receives its output; ``lost`` is called with the reason when the connection
    is lost, and with an empty text when it is restored."""

    def __init__(self, host: Host, task: CommandTask, output: CommandOutput, lost: Callable[[str], None]) -> None:
        self._host, self._task, self.output = host, task, output
        self._lost = lost
        self._link_lost: Message | str | None = None
        """Why, while it is."""
        self._patience_s = task.patience_s
        self._patience: asyncio.TimerHandle | None = None
        self._read = {"stdout": 0, "stderr": 0}
        self._ran = task.ran
        self._late: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[ExecutionEnd] | None = None
        self._why: Message | str | None = None
        """Why it is ended by us."""

    async def run(self) -> ExecutionEnd:
        """Run the command to its end, or until ``stop``."""
        return await self._watched(self._changes() if self._task.kind == "change" else self._reads())

    async def go_on(self) -> ExecutionEnd:
        """Follow a change that an earlier job started, as ``run`` does; the change is found by its id and never started
        again."""
        return await self._watched(self._followed())

    def stop(self, why: Message | str) -> None:
        """End the command on the host; ``run`` then returns how it ended. For a follow command that is a success."""
        if self._why is None and self._work is not None:
            self._why = why
            self._work.cancel()

    def be_patient(self, seconds: float) -> None:
        """Limit the wait for a lost connection, which was unlimited until now."""
        if self._patience_s is None:
            self._patience_s = seconds
            if self._link_lost is not None:
                self._patience = asyncio.get_running_loop().call_later(seconds, self.stop, self._link_lost)

    async def _watched(self, work: Coroutine[object, object, ExecutionEnd]) -> ExecutionEnd:
        task = self._task
        self._work = asyncio.ensure_future(work)
        try:
            return await self._work
        except asyncio.CancelledError:
            if self._why is None:
                raise
            if task.kind == "change":
                return await self._cancelled(self._why)
            followed = task.kind == "follow"
            return ExecutionEnd(
                state="done" if followed else "failed", message="" if followed else self._why, stopped=True
            )
        finally:
            for each in (self._late, self._patience):
                if each is not None:
                    each.cancel()

    def _begin_to_count(self) -> None:
        """Start the timeout of the command."""
        seconds = self._task.timeout_s
        if seconds is not None:
            late = tr("it timed out after {seconds:g} s", seconds=seconds)
            self._late = asyncio.get_running_loop().call_later(seconds, self.stop, late)

    async def _reads(self) -> ExecutionEnd:
        self._begin_to_count()
        marked = _Marked(token_hex(16).encode())
        try:
            stdin = self._given(marked.mark.decode())
            async with aclosing(self._host.stream(ARGV, stdin=stdin, sudo=self._task.sudo)) as blocks:
                with suppress(TimeoutError):
                    async with asyncio.timeout(None) as limit:
                        async for block in blocks:
                            self.output.add(marked.hear(block))
                            if marked.status is not None and limit.when() is None:
                                limit.reschedule(asyncio.get_running_loop().time() + _LEFT_S)
        except LilFoxError as error:
            if marked.status is None:
                return _without_end(error)
        if marked.status is None:
            return ExecutionEnd(state="failed", message=tr("it was killed and left no exit status"))
        return ExecutionEnd(state="done", exit_status=marked.status)

    async def _changes(self) -> ExecutionEnd:
        try:
            await self._host.connect()
        except LilFoxError as error:
            return ExecutionEnd(state="not begun", message=error.message)
        while True:
            try:
                begun = await detached.start(
                    self._host,
                    self._task.run,
                    ARGV,
                    stdin=self._given(""),
                    sudo=self._task.sudo,
                    limit_bytes=ON_HOST_BYTES,
                    label=self._task.label,
                    followed=True,
                )
                self._ran = begun.look.state not in ("absent", "unbegun")
                return await self._followed(begun)
            except NotBegun as error:
                return ExecutionEnd(state="not begun", message=error.message)
            except (HostUnreachable, CommandUnknown, CommandTimeout) as error:
                self._lose(error)  # it may run there: begun again by its id it is found, and does not run twice
                await wait_until_reconnected(self._host, _AGAIN_S)
            except HostError as error:
                return ExecutionEnd(state="not begun" if self._link_lost is None else "unknown", message=error.message)

    async def _followed(self, begun: detached.Begun | None = None) -> ExecutionEnd:
        task, read = self._task, self._read
        if self._why is None:
            self._begin_to_count()
        following = detached.follow(
            self._host,
            task.run,
            sudo=task.sudo,
            begun=begun,
            stdout_from=read["stdout"],
            stderr_from=read["stderr"],
            lost=self._lose,
        )
        try:
            async with aclosing(following) as news:
                async for each in news:
                    self._find()
                    if isinstance(each, detached.DetachedState):
                        return await self._seen(each)
                    if each.cut:
                        self.output.skip()
                    self.output.add(each.data)
                    read[each.stream] += len(each.data)
        except LilFoxError as error:
            return ExecutionEnd(state="unknown", message=error.message)
        return ExecutionEnd(state="unknown", message=tr("{host} did not report the outcome", host=self._host.name))

    async def _seen(self, look: detached.DetachedState) -> ExecutionEnd:
        """Return the end that the host reports."""
        host = self._host.name
        unbegun = look.state in ("absent", "unbegun") or (look.state == "ended" and look.exit_status is None)
        if self._ran and unbegun:
            gone = tr("{host} no longer has a record of it, so its outcome is unknown: see ~/.cache/lilfox/jobs "
                      "on the host",
                      host=host)  # fmt: skip
            return ExecutionEnd(state="unknown", message=gone)
        if look.state in ("absent", "unbegun"):
            # a start that is still on its way finds this, and does not run
            look = await detached.cancel(self._host, self._task.run, sudo=self._task.sudo)
        if look.state != "ended":
            gone = tr(
                "it is no longer running on {host}, and its outcome is unknown: it was killed, or the host went down",
                host=host,
            )
            return ExecutionEnd(state="unknown", message=gone)
        if look.exit_status is None:
            before = tr("it was cancelled on {host} before it started", host=host)
            return ExecutionEnd(state="not begun", message=before, stopped=self._why is not None)
        if look.cancelled:
            return ExecutionEnd(
                state="failed",
                message=self._why or tr("it was cancelled on {host}", host=host),
                exit_status=look.exit_status,
                stopped=True,
            )
        return ExecutionEnd(state="done", exit_status=look.exit_status)

    async def _cancelled(self, why: Message | str) -> ExecutionEnd:
        """End the command on the host and return how it ended."""
        reason: Message | str = tr("no answer")
        try:
            async with asyncio.timeout(_END_S):
                look = await detached.cancel(self._host, self._task.run, sudo=self._task.sudo)
                if look.state != "running":
                    return await self._followed()
            reason = tr("it has not stopped")
        except LilFoxError as error:
            reason = error.message
        except TimeoutError:
            pass
        message = tr("{why}, but the command may still be running: {reason}", why=why, reason=reason)
        return ExecutionEnd(state="unknown", message=message, stopped=True)

    def _given(self, mark: str) -> bytes:
        task = self._task
        return given(
            task.script,
            task.env,
            mark=mark,
            fence=task.fence,
            fine=task.fine,
            cwd=task.cwd,
            interpreter=task.interpreter,
            wall=task.wall,
            needed=task.needed,
            keeps=task.keeps,
        )

    def _lose(self, error: HostError) -> None:
        if self._link_lost is None and self._patience_s is not None:
            self._patience = asyncio.get_running_loop().call_later(self._patience_s, self.stop, error.message)
        self._link_lost = error.message
        self._lost(str(error.message))

    def _find(self) -> None:
        if self._link_lost is not None:
            self._link_lost = None
            self._lost("")
            if self._patience is not None:
                self._patience.cancel()


class _Marked:
    """A stream that ends with a NUL, a secret mark, and the exit status."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.status: int | None = None
        self._begins = b"\0" + mark + b" "
        self._held = b""

    def hear(self, block: bytes) -> bytes:
        """Return the part of ``block`` that the command itself printed."""
        if self.status is not None:
            return b""
        text = self._held + block
        self._held = b""
        at = text.find(self._begins)
        if at >= 0:
            told, end, _rest = text[at + len(self._begins) :].partition(b"\n")
            if end:
                self.status = int(told)
            else:
                self._held = text[at:]
            return text[:at]
        at = text.rfind(b"\0", -len(self._begins))
        if at >= 0 and self._begins.startswith(text[at:]):
            self._held = text[at:]
            return text[:at]
        return text


def _without_end(error: LilFoxError) -> ExecutionEnd:
    """Return how a reading command ended if the host raised ``error``."""
    link_lost = isinstance(error, HostUnreachable) and error.link_lost
    if link_lost or isinstance(error, CommandUnknown | CommandTimeout):
        return ExecutionEnd(state="unknown", message=error.message)
    return ExecutionEnd(state="failed" if isinstance(error, CommandFailed) else "not begun", message=error.message)
