"""Waiting for a state with a deadline, instead of sleeping."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable

POLL_S = 0.01
LONGEST_POLL_S = 0.5
LOOKS = 4
"""So many times as long as a look took nobody looks again."""
_WORK = "import time; t = time.monotonic(); sum(range(3_000_000)); print((time.monotonic() - t) / time.thread_time())"
PATIENCE_S = 120.0
"""Only a test that fails waits so long: on a machine that has a lot else to do, states come late."""


async def turn() -> None:
    """Lets all others of the loop go on, once."""
    again = asyncio.Event()
    asyncio.get_running_loop().call_soon(again.set)
    await again.wait()


async def pause(seconds: float = POLL_S) -> None:
    """Lets all others go on for so long: between two looks at a state that nothing tells of."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def until(predicate: Callable[[], object], *, timeout_s: float = PATIENCE_S, what: str = "") -> None:
    """Returns once ``predicate()`` is true; fails the test after ``timeout_s``, naming ``what``. A look that takes
    long, as one at a whole screen does, leaves most of the time to what is waited for."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + timeout_s
    while not predicate():
        now = loop.time()
        if now > deadline:
            raise AssertionError(f"not so after {timeout_s} s: {what or predicate}")
        await pause(max(POLL_S, min(LOOKS * (now - began), LONGEST_POLL_S)))
        began = loop.time()


def wait_for(predicate: Callable[[], object], *, timeout_s: float = PATIENCE_S, what: str = "") -> None:
    """As ``until`` for code without an event loop. A look that takes long, as one by a program does, is not done
    again at once: what is waited for may need the processors."""
    deadline = time.monotonic() + timeout_s
    never = threading.Event()
    began = time.monotonic()
    while not predicate():
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not so after {timeout_s} s: {what or predicate}")
        never.wait(max(POLL_S, min(now - began, LONGEST_POLL_S)))
        began = time.monotonic()


def unhurried(seconds: float) -> float:
    """What is promised to take ``seconds`` may take so long now: longer where others want the processors as well."""
    told = subprocess.run([sys.executable, "-I", "-c", _WORK], capture_output=True, check=True).stdout
    return seconds * max(1.0, float(told))
