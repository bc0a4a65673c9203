"""One kept session of psql with the stand-in database, as the application's own would be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

_MARK = "@@DONE@@"
_TIMEOUT_S = 30.0


class NoAnswer(Exception):
    """The server ended the session, or is not there."""


class Session:
    """Statements by one psql, one after the other; a new one where the last was ended. ``start`` is the argv."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._psql: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def run(self, statements: str) -> str:
        """What the server said against the last of them; empty when it did it. They are our own and are not checked.

        Raises NoAnswer.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await self._ask(statements)
            except (OSError, TimeoutError, EOFError) as error:
                await self._end()
                raise NoAnswer(str(error) or type(error).__name__) from error

    async def _ask(self, statements: str) -> str:
        psql = self._psql
        if psql is None or psql.returncode is not None:
            psql = self._psql = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        if psql.stdin is None or psql.stdout is None:
            raise EOFError
        psql.stdin.write(f"{statements}\n\\echo {_MARK} :SQLSTATE :LAST_ERROR_MESSAGE\n".encode())
        await psql.stdin.drain()
        while line := (await psql.stdout.readline()).decode("utf-8", "replace"):
            mark, _, said = line.strip().partition(" ")
            if mark == _MARK:
                state, _, message = said.partition(" ")
                return "" if state == "00000" else message
        raise EOFError("the session ended")

    async def _end(self) -> None:
        if self._psql is not None and self._psql.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._psql.kill()
            await self._psql.wait()
        self._psql = None

    async def close(self) -> None:
        """Ends it."""
        await self._end()
