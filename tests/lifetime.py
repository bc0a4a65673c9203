"""What a test starts ends with it: also where the run is killed and nothing of it can tidy up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar


def ending_with_us(*argv: str, by: str = "KILL") -> list[str]:
    """``argv`` as a command that the kernel ends with the signal ``by`` once the thread that starts it is gone.

    Its process is the program's own. What the program starts in its turn is not held (PR_SET_PDEATHSIG, prctl(2)):
    it is for programs that stay one process, or end their own. Start it from the main thread: a thread of a pool may
    end before the test does.
    """
    return ["setpriv", "--pdeathsig", by, "--", *argv]


class Runs(Protocol):
    """What runs until it is cancelled."""

    async def run(self) -> None: ...


R = TypeVar("R", bound=Runs)


@asynccontextmanager
async def running(what: R) -> AsyncGenerator[R, None]:
    """Runs it until the end of the block."""
    task = asyncio.create_task(what.run())
    try:
        yield what
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
