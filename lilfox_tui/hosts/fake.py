"""A scripted host, for tests and for screenshots.

Answers are looked up by the words of the command; what has no answer ends with 127, as an unknown program does.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import AuthRefused, HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.hosts.base import OUTPUT_LIMIT, Completed, Host, Link, not_read
from lilfox_tui.hosts.process import CommandSpec, HostProcess
from lilfox_tui.hosts.shell_words import END, NOT_FOUND

Call: TypeAlias = tuple[tuple[str, ...], bytes]
"""A command's argv and stdin."""
Reply: TypeAlias = bytes | Completed | HostError
Answer: TypeAlias = Reply | Callable[[Call], Reply]
LoopAnswer: TypeAlias = bytes | HostError | Callable[[str], bytes | HostError]


class FakeHost(Host):
    """Answers commands from ``answers`` and loops from ``loop_answer``; holds ``files`` in memory.

    ``answers`` maps the words of a command (``shlex.join(argv)``, or the script's text) to bytes (its stdout), a
    Completed, an error to raise, or a callable of (argv, stdin) that gives one of these. ``hang`` in ``answers``'s
    place: see ``hanging``, words of commands that never end. ``calls`` lists every command that was run.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        answers: Mapping[str, Answer] | None = None,
        loop_answer: LoopAnswer = b"",
        files: Mapping[str, bytes] | None = None,
        hanging: Sequence[str] = (),
        protected: bool = False,
    ) -> None:
        super().__init__(name, protected=protected)
        self.answers: dict[str, Answer] = dict(answers or {})
        self.loop_answer = loop_answer
        self.files: dict[str, bytes] = dict(files or {})
        self.hanging = set(hanging)
        self.calls: list[Call] = []
        self.retried = 0
        self._link: Feed[Link] = Feed()
        self._failure: HostError | None = None
        self._changed = asyncio.Event()

    @property
    def link(self) -> Feed[Link]:
        """Ready once connected, Unavailable while ``go_down`` holds."""
        return self._link

    def go_down(self, error: HostError, *, since: datetime | None = None, next_try: datetime | None = None) -> None:
        """Make every call raise ``error`` from now on, and fail the link."""
        self._failure = error
        self._link.fail(error, since=since, next_try=next_try)
        self._signal()

    def come_up(self, link: Link | None = None) -> None:
        """Respond to calls again from now on."""
        self._failure = None
        self._link.publish(link or Link(datetime.now(UTC), "fake"))
        self._signal()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def keep_connected(self) -> None:
        """Connect and stay connected; the test decides when the host goes down and up."""
        if self._failure is None:
            await self.connect()
        await asyncio.Event().wait()

    async def connect(self) -> None:
        """Publish the link, or raise the error given to ``go_down``."""
        if self._failure is not None:
            raise self._failure
        if self._link.value is None:
            self.come_up()

    def retry_now(self) -> None:
        """Count in ``retried``; clear an error that only waits for the user's consent."""
        self.retried += 1
        if isinstance(self._failure, AuthRefused | HostKeyUnknown | HostKeyChanged):
            self.come_up()

    async def start(self, spec: CommandSpec) -> HostProcess:
        """See :meth:`Host.start`; the answer depends only on the command's words, or on the script's text."""
        await self.connect()
        return _FakeProcess(self, spec)

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        await self.connect()
        if path not in self.files:
            raise not_read(self.name, path, "No such file or directory")
        return self.files[path][offset : offset + limit_bytes]

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """Yield the same address and port."""
        await self.connect()
        yield address, port

    @asynccontextmanager
    async def connect_unix(self, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect to the socket of that path on this machine."""
        await self.connect()
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """Do nothing: nothing is kept open."""

    async def answer(self, words: str, argv: tuple[str, ...], stdin: bytes) -> Completed:
        """Return the scripted answer to ``words``, or raise the scripted error; wait while ``words`` are in
        ``hanging``."""
        await self.connect()
        self.calls.append((argv, stdin))
        while words in self.hanging:
            await self._changed.wait()
            await self.connect()
        answer = self.answers.get(words)
        reply = answer((argv, stdin)) if callable(answer) else answer
        if isinstance(reply, HostError):
            raise reply
        if isinstance(reply, Completed):
            return reply
        if reply is None:
            return Completed(argv, NOT_FOUND, None, b"", f"{argv[0]}: not found\n".encode())
        return Completed(argv, 0, None, reply, b"")

    async def answer_loop(self, words: str) -> bytes:
        """Return a loop's scripted answer to ``words``, or raise the scripted error; raise TimeoutError if ``words``
        are in ``hanging``."""
        await self.connect()
        if words in self.hanging:
            raise TimeoutError
        reply = self.loop_answer(words) if callable(self.loop_answer) else self.loop_answer
        if isinstance(reply, HostError):
            raise reply
        return reply


class _FakeProcess(HostProcess):
    """A process that writes its answer, line by line, once its stdin has ended; a loop answers each line of its
    stdin."""

    def __init__(self, host: FakeHost, spec: CommandSpec) -> None:
        super().__init__(spec)
        self._host = host
        self._stdin: list[bytes] = []
        self._stdin_closed = asyncio.Event()
        self._replying = asyncio.ensure_future(self._reply())
        self._out: list[bytes] = []
        self._stderr: list[bytes] = []
        if not spec.with_stdin:
            self._stdin_closed.set()

    async def _reply(self) -> Completed:
        await self._stdin_closed.wait()
        script = self.spec.script
        argv = self.spec.argv if script is None else (script, *self.spec.argv[4:])
        reply = await self._host.answer(script or shlex.join(argv), argv, b"".join(self._stdin))
        self._out = reply.stdout.splitlines(keepends=True)[::-1]
        self._stderr = [reply.stderr]
        return reply

    async def read(self) -> bytes:
        if not self.spec.loop:
            await asyncio.shield(self._replying)
        return self._out.pop() if self._out else b""

    async def read_stderr(self) -> bytes:
        await asyncio.shield(self._replying)
        return self._stderr.pop() if self._stderr else b""

    async def write(self, data: bytes) -> None:
        if not self.spec.loop:
            self._stdin.append(data)
        elif data != self.spec.first:
            tick, _, words = data.decode().removesuffix("\n").partition(" ")
            self._out = [await self._host.answer_loop(words) + END + tick.encode() + b"\n"]

    def close_stdin(self) -> None:
        self._stdin_closed.set()

    async def wait(self) -> None:
        await asyncio.shield(self._replying)

    def outcome(self) -> tuple[int | None, str | None]:
        if not self.completed:
            return None, "TERM"
        return self._replying.result().exit_status, self._replying.result().signal

    async def _end(self) -> bool:
        if self._replying.cancel():
            await asyncio.wait([self._replying])
        elif not self._replying.cancelled():
            self._replying.exception()
        return True
