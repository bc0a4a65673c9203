"""A host that is a script: for tests and for pictures of the screens.

Answers are looked up by the words of the command; what has no answer ends with 127, as an unknown program does.
"""

# ruff: noqa: ARG002 - the parameters are the contract's

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import AuthRefused, HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.hosts.base import (
    OUTPUT_LIMIT,
    Completed,
    Link,
    Loop,
    LostCommand,
    failed,
    loop_timeout,
    no_change_allowed,
    not_read,
    too_slow,
)
from lilfox_tui.hosts.shell_words import NOT_FOUND

Call: TypeAlias = tuple[tuple[str, ...], bytes]
"""A command's argv and stdin."""
Reply: TypeAlias = bytes | Completed | HostError
Answer: TypeAlias = Reply | Callable[[Call], Reply]
LoopAnswer: TypeAlias = bytes | HostError | Callable[[str], bytes | HostError]


class FakeHost:
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
        read_only: bool = False,
    ) -> None:
        self.name = name
        self.protected = protected
        self.answers: dict[str, Answer] = dict(answers or {})
        self.loop_answer = loop_answer
        self.files: dict[str, bytes] = dict(files or {})
        self.hanging = set(hanging)
        self.calls: list[Call] = []
        self.lost_commands: list[LostCommand] = []
        self.retried = 0
        self._read_only = read_only or protected
        self._link: Feed[Link] = Feed()
        self._failure: HostError | None = None
        self._changed = asyncio.Event()

    @property
    def link(self) -> Feed[Link]:
        """Ready once connected, Unavailable while ``go_down`` holds."""
        return self._link

    @property
    def lost(self) -> Sequence[LostCommand]:
        """``lost_commands``, which a test fills."""
        return tuple(self.lost_commands)

    def go_down(self, error: HostError, *, since: datetime | None = None, next_try: datetime | None = None) -> None:
        """From now on every call raises ``error``, and the link says so."""
        self._failure = error
        self._link.fail(error, since=since, next_try=next_try)
        self._signal()

    def come_up(self, link: Link | None = None) -> None:
        """From now on calls are answered again."""
        self._failure = None
        self._link.publish(link or Link(datetime.now(UTC), "fake"))
        self._signal()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def keep_connected(self) -> None:
        """Connects and stays; going down and up is the test's doing."""
        if self._failure is None:
            await self.connect()
        await asyncio.Event().wait()

    async def connect(self) -> None:
        """Publishes the link, or raises what ``go_down`` was given."""
        if self._failure is not None:
            raise self._failure
        if self._link.value is None:
            self.come_up()

    def retry_now(self) -> None:
        """Counts in ``retried``; an error that only waits for the user's yes goes away."""
        self.retried += 1
        if isinstance(self._failure, AuthRefused | HostKeyUnknown | HostKeyChanged):
            self.come_up()

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
        """See :meth:`Host.run`; ``sudo`` and ``env`` change nothing here."""
        return await self._answer(shlex.join(argv), tuple(argv), stdin, timeout_s, limit_bytes)

    async def run_script(
        self,
        script: str,
        args: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """See :meth:`Host.run_script`; the answer is that of the script's text."""
        return await self._answer(script, (script, *args), b"", timeout_s, limit_bytes)

    async def stream(
        self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """See :meth:`Host.stream`: the answer's lines, one block each."""
        words = shlex.join(argv)
        done = None if words in self.hanging else await self._answer(words, tuple(argv), stdin, 30.0, OUTPUT_LIMIT)
        if done is None:
            await asyncio.Event().wait()
        else:
            for line in done.stdout.splitlines(keepends=True):
                yield line
            if not done.ok:
                raise failed(self.name, argv[0], done.signal or done.exit_status, done.stderr)

    async def stream_stdin(
        self,
        argv: Sequence[str],
        blocks: AsyncIterator[bytes],
        *,
        limit_bytes: int = OUTPUT_LIMIT,
        sudo: bool = False,
    ) -> Completed:
        """See :meth:`Host.stream_stdin`; the answer is that to the whole stdin."""
        stdin = b"".join([block async for block in blocks])
        return await self._answer(shlex.join(argv), tuple(argv), stdin, 30.0, limit_bytes)

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        """See :meth:`Host.loop`; every question gets ``loop_answer``."""
        await self.connect()
        yield _FakeLoop(self)

    async def read_file(self, path: str, *, offset: int = 0, limit_bytes: int = OUTPUT_LIMIT) -> bytes:
        """See :meth:`Host.read_file`."""
        await self.connect()
        if path not in self.files:
            raise not_read(self.name, path, "No such file or directory")
        return self.files[path][offset : offset + limit_bytes]

    async def write_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """See :meth:`Host.write_file`."""
        if self._read_only:
            raise no_change_allowed(self.name, path)
        await self.connect()
        self.files[path] = data

    @asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        """The same address."""
        await self.connect()
        yield address, port

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _answer(
        self, words: str, argv: tuple[str, ...], stdin: bytes, timeout_s: float, limit_bytes: int
    ) -> Completed:
        await self.connect()
        self.calls.append((argv, stdin))
        if words in self.hanging:
            await self._hang(argv[0], timeout_s)
        answer = self.answers.get(words)
        reply = answer((argv, stdin)) if callable(answer) else answer
        if isinstance(reply, HostError):
            raise reply
        if isinstance(reply, Completed):
            return reply
        if reply is None:
            return Completed(argv, NOT_FOUND, None, b"", f"{argv[0]}: not found\n".encode(), 0.0)
        truncated = len(reply) > limit_bytes
        signal = "TERM" if truncated else None
        return Completed(argv, None if truncated else 0, signal, reply[:limit_bytes], b"", 0.0, truncated)

    async def _hang(self, command: str, timeout_s: float) -> None:
        """Waits for the time to be over or the host to go down."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._failure is None:
                    await self._changed.wait()
        except TimeoutError:
            raise too_slow(self.name, command, timeout_s) from None
        assert self._failure is not None
        raise self._failure


class _FakeLoop:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        await self._host.connect()
        if words in self._host.hanging:
            raise loop_timeout(self._host.name, timeout_s)
        answer = self._host.loop_answer
        reply = answer(words) if callable(answer) else answer
        if isinstance(reply, HostError):
            raise reply
        return reply
