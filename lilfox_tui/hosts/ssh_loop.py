"""A kept ``sh`` on an SSH host that answers questions."""

from __future__ import annotations

import asyncio

from lilfox_tui.errors import HostUnreachable
from lilfox_tui.hosts.refusals import login_timeout, loop_ended, loop_timeout
from lilfox_tui.hosts.script import END, MAX_ANSWER, new_tick
from lilfox_tui.hosts.ssh_command import RemoteCommand
from lilfox_tui.hosts.ssh_errors import LINK_ERRORS


class SshLoop:
    """See :class:`lilfox_tui.hosts.base.Loop`. ``hung`` tells that it did not answer in time."""

    def __init__(self, host: str, command: RemoteCommand) -> None:
        self.hung = False
        self._host = host
        self._command = command

    async def begin(self, timeout_s: float) -> None:
        """Waits until the login is through, so that no question pays for it. Raises HostError."""
        self.hung = True  # also when this is cancelled: a login that has not ended does not see the end of its stdin
        try:
            async with asyncio.timeout(timeout_s):
                await self._command.started()
                await self._command.reach_root()
        except TimeoutError:
            raise login_timeout(self._host, timeout_s) from None
        except LINK_ERRORS:
            raise self._ended() from None
        self.hung = False

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        """See :meth:`Loop.ask`."""
        tick = new_tick()
        end = END + tick.encode() + b"\n"
        answer = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                await self._command.write(f"{tick} {words}\n".encode())
                while not answer.endswith(end):
                    block = await self._command.read_block()
                    if not block or len(answer) > MAX_ANSWER:
                        raise self._ended()
                    answer += block
        except TimeoutError:
            self.hung = True
            raise loop_timeout(self._host, timeout_s) from None
        except LINK_ERRORS:
            raise self._ended() from None
        return bytes(answer[: -len(end)])

    def _ended(self) -> HostUnreachable:
        return self._command.link_lost() or loop_ended(self._host)
