"""The connection to one host, which is kept open (dialled, watched, redialled with back-off), and the sessions on
it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncssh
from msgspec.structs import replace

from lilfox_tui.config.model import SshConfig
from lilfox_tui.core.aio import Feed, Ready
from lilfox_tui.core.errors import AuthRefused, HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Link
from lilfox_tui.hosts.shell_words import END_GROUP, StartLine, command, running, sudo_quietly
from lilfox_tui.hosts.shell_words import as_root as root_or
from lilfox_tui.hosts.ssh.asyncssh_internals import WINDOW
from lilfox_tui.hosts.ssh.connect import SshClient, SshTarget, dial
from lilfox_tui.hosts.ssh.errors import LINK_ERRORS, link_lost, no_session

SESSIONS = 8
"""At a time; OpenSSH allows 10 (MaxSessions of sshd_config(5)), and ending a command needs one more."""

END_S = 8.0
"""How long ending a command may take: finding its process group, 2 s after TERM, 2 s after KILL."""

AGAIN_S = 0.25
"""How long a refused session waits for another to end before it is asked for again."""

ALONE = 4
"""So many refusals while no other session is open mean that the server opens none at all."""

Process = asyncssh.SSHClientProcess[bytes]
Opening = asyncio.Future[Process]


class Sessions:
    """Opens processes on one connection; waits while all the sessions that the server allows are in use."""

    def __init__(self, host: str, connection: asyncssh.SSHClientConnection, client: SshClient) -> None:
        self.connection = connection
        self.client = client
        self.lost = asyncio.Event()
        self._host = host
        self._used = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._ending: set[asyncio.Future[None]] = set()
        client.on_lost = self.lost.set

    @property
    def alive(self) -> bool:
        """Whether the connection is believed to work."""
        return not self.lost.is_set()

    async def take(self) -> None:
        """Wait for a free session slot and take it; ``give`` releases it."""
        while self._used >= SESSIONS and self.alive:
            self._freed.clear()
            await self._freed.wait()
        self._used += 1

    def give(self) -> None:
        """Release one session slot."""
        self._used -= 1
        self._freed.set()

    async def open(
        self, line: str, abandoned: Callable[[Opening], Coroutine[Any, Any, None]], **options: Any
    ) -> Process:
        """Start the command ``line`` in a session slot that was taken before. Raises HostUnreachable.

        Cancelled while the server has not answered yet, it leaves what may start there, and the room, to ``abandoned``.
        """
        process = await self._try(line, abandoned, options)
        if process is not None:
            return process
        alone = 0
        async with self._turn:
            while (process := await self._try(line, abandoned, options)) is None:
                alone += self._used <= 1
                if alone > ALONE:
                    raise no_session(self._host)
                self._freed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        await self._freed.wait()
        return process

    async def _try(
        self, line: str, abandoned: Callable[[Opening], Coroutine[Any, Any, None]], options: dict[str, Any]
    ) -> Process | None:
        """Start ``line``; return None if the server refuses a session."""
        opening = asyncio.ensure_future(self.connection.create_process(line, encoding=None, window=WINDOW, **options))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            ending = asyncio.ensure_future(abandoned(opening))  # a task: it goes on where this is cancelled once more
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.wait([ending], timeout=END_S)
            raise
        except asyncssh.ChannelOpenError:
            if not self.alive:
                raise link_lost(self._host, self.client.lost_by) from None
            return None
        except LINK_ERRORS as error:
            raise link_lost(self._host, self.client.lost_by or error) from None

    async def end_group(self, group: int, since: str, *, as_root: bool = False) -> bool:
        """End a process group on the host (TERM, 2 s, KILL); return whether no process of it is running any more."""
        argv = ["sh", "-c", END_GROUP, "sh", str(group), since]
        script = root_or(argv, sudo_quietly(argv, {})) if as_root else running(argv)
        line, _ = command(script)
        process: Process | None = None
        try:
            async with asyncio.timeout(END_S):
                process = await self.connection.create_process(line, encoding=None, stdin=asyncssh.DEVNULL)
                out = await process.stdout.read(-1)
                await process.wait_closed()
        except (TimeoutError, *LINK_ERRORS):
            return False
        finally:
            if process is not None:
                process.close()  # else the server counts it for as long as the connection lives
        heard = StartLine()
        heard.hear(out)
        return heard.seen and process.exit_status == 0


REFUSALS = (AuthRefused, HostKeyUnknown, HostKeyChanged)
"""Not tried again until somebody acts: servers ban those who keep knocking, and a key needs a person's yes."""

FIRST_WAIT_S = 1.0
LOOK_S = 5.0
"""How often a kept connection is looked at for a machine that slept."""


def asleep_s() -> float:
    """Return the seconds that this machine was suspended since it started (clock_gettime(2)); only differences
    matter."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.clock_gettime(clock) if clock is not None else time.time()) - time.monotonic()


class SshLink:
    """Dials the host and publishes the state of the connection on ``feed``. ``on_connect`` is called with each new
    connection."""

    def __init__(
        self,
        target: SshTarget,
        ssh: SshConfig,
        dials: asyncio.Semaphore,
        on_connect: Callable[[Sessions], None],
        *,
        asleep: Callable[[], float] = asleep_s,
    ) -> None:
        self.feed: Feed[Link] = Feed()
        self._target = target
        self._ssh = ssh
        self._dials = dials
        self._on_connect = on_connect
        self._asleep = asleep
        self._slept_s = asleep()
        """Before the live connection was dialled: a sleep in the middle of that counts too."""
        self._sessions: Sessions | None = None
        self._dialling: asyncio.Task[Sessions] | None = None
        self._waiting_for: HostError | None = None
        self._retry = asyncio.Event()

    async def sessions(self) -> Sessions:
        """Return the sessions of the live connection; dials if there is none. Raises HostError, immediately while the
        next attempt is pending."""
        if self._sessions is not None and self._sessions.alive:
            return self._sessions
        if self._waiting_for is not None:
            raise self._waiting_for.with_traceback(None)  # each raise adds to it, of a host that is away for days
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())
            self._dialling.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._dialling)

    async def _dial(self) -> Sessions:
        self._slept_s = self._asleep()
        try:
            async with self._dials:
                connection, client = await dial(self._target, self._ssh)
        except HostError as error:
            if isinstance(error, REFUSALS):
                self._waiting_for = error
            self._retry.clear()  # who is told to retry from now on knows of this failure
            self.feed.fail(error)
            raise
        sessions = Sessions(self._target.host, connection, client)
        self._sessions = sessions
        version = str(connection.get_extra_info("server_version") or "SSH")
        self.feed.publish(Link(datetime.now(UTC), clean(version)))
        self._on_connect(sessions)
        return sessions

    @contextmanager
    def logging_in(self) -> Iterator[None]:
        """Publish on ``feed`` that the login shell is awaited, and since when, until the block ends."""
        self._tell_login(datetime.now(UTC))
        try:
            yield
        finally:
            self._tell_login(None)

    def _tell_login(self, since: datetime | None) -> None:
        state = self.feed.state
        if isinstance(state, Ready):
            self.feed.publish(replace(state.value, login_since=since), state.at)

    def retry_now(self) -> None:
        """End the wait for the next attempt, also after a refusal."""
        self._waiting_for = None
        self._retry.set()

    async def keep(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        await self._pause(random.uniform(0, 0.2))  # noqa: S311 - spreads the dials of many hosts
        try:
            while True:
                try:
                    sessions = await self.sessions()
                except HostError as error:
                    await self._wait_after(error, failures)
                    failures += 1
                    continue
                failures = 0
                await self._until_lost(sessions)
                self.feed.fail(link_lost(self._target.host, sessions.client.lost_by), next_try=datetime.now(UTC))
        finally:
            if not isinstance(self._waiting_for, REFUSALS):
                self._waiting_for = None

    async def _wait_after(self, error: HostError, failures: int) -> None:
        if self._retry.is_set():
            return
        self._waiting_for = error
        if isinstance(error, REFUSALS):
            self.feed.fail(error)
            await self._retry.wait()
            return
        longest = min(self._ssh.retry_max, FIRST_WAIT_S * 2 ** min(failures, 16))
        wait_s = longest * random.uniform(0.5, 1)  # noqa: S311 - jitter, no secret
        self.feed.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=wait_s))
        await self._pause(wait_s)
        self._waiting_for = None

    async def _pause(self, wait_s: float) -> None:
        """Wait, but stop early on ``retry_now`` or when the machine wakes up."""
        slept = self._asleep()
        deadline = asyncio.get_running_loop().time() + wait_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and self._asleep() - slept < 1:
            try:
                async with asyncio.timeout(min(left, LOOK_S)):
                    await self._retry.wait()
                return
            except TimeoutError:
                continue

    async def _until_lost(self, sessions: Sessions) -> None:
        """Return when the connection is lost. After a suspend, check at once whether it is still alive."""
        slept = self._slept_s
        while sessions.alive:
            try:
                async with asyncio.timeout(LOOK_S):
                    await sessions.lost.wait()
            except TimeoutError:
                now = self._asleep()
                if now - slept >= 1 and not await self._answers(sessions):
                    sessions.connection.abort()
                    await sessions.lost.wait()
                slept = now

    async def _answers(self, sessions: Sessions) -> bool:
        try:
            async with asyncio.timeout(self._ssh.keepalive):
                process = await sessions.connection.create_process("exec true", encoding=None)
                process.close()
        except (TimeoutError, *LINK_ERRORS):
            return False
        return True

    async def close(self) -> None:
        """Close the connection and stop dialling."""
        if self._dialling is not None and not self._dialling.done():
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
        if self._sessions is not None:
            connection = self._sessions.connection
            connection.close()
            try:
                async with asyncio.timeout(2):
                    await connection.wait_closed()
            except (TimeoutError, *LINK_ERRORS):
                connection.abort()
