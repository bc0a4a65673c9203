"""One live connection: its sessions, not more at a time than the server allows, and how a command there is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import asyncssh

from lilfox_tui.hosts.script import END_GROUP
from lilfox_tui.hosts.ssh_dial import Client
from lilfox_tui.hosts.ssh_errors import LINK_ERRORS, link_lost, no_session
from lilfox_tui.hosts.ssh_words import Started, command, running
from lilfox_tui.hosts.ssh_words import as_root as root_or
from lilfox_tui.hosts.sudo import sudo_quietly

SESSIONS = 8
"""At a time; OpenSSH allows 10 (MaxSessions of sshd_config(5)), and ending a command needs one more."""

WINDOW = 2 * 1024 * 1024
"""Bytes read at once. Not less than the channel's window, or asyncssh's buffer grows without bound."""

END_S = 8.0
"""How long ending a command may take: finding its process group, 2 s after TERM, 2 s after KILL."""

AGAIN_S = 0.25
"""How long a refused session waits for another to end before it is asked for again."""

ALONE = 4
"""So many refusals while no other session is open mean that the server opens none at all."""

Process = asyncssh.SSHClientProcess[bytes]
Opening = asyncio.Future[Process]


class Sessions:
    """Opens processes on one connection; waits while the server has no room for one more."""

    def __init__(self, host: str, connection: asyncssh.SSHClientConnection, client: Client) -> None:
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
        """Whether the connection is thought to work."""
        return not self.lost.is_set()

    async def take(self) -> None:
        """Waits for room for one session; ``give`` returns it."""
        while self._used >= SESSIONS and self.alive:
            self._freed.clear()
            await self._freed.wait()
        self._used += 1

    def give(self) -> None:
        """Returns the room of one session."""
        self._used -= 1
        self._freed.set()

    async def open(
        self, line: str, abandoned: Callable[[Opening], Coroutine[Any, Any, None]], **options: Any
    ) -> Process:
        """Starts ``line``, with room taken before. Raises HostUnreachable.

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
        """The process, or None when the server refuses a session."""
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
        """Ends a process group on the host (TERM, 2 s, KILL); whether nothing of it runs any more."""
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
        heard = Started()
        heard.hear(out)
        return heard.seen and process.exit_status == 0
