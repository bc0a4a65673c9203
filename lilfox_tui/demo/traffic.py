"""Simulated users: ``python -m lilfox_tui.demo.traffic --port P --rate 20`` requests the gateway that many times per
second."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from pathlib import Path

from lilfox_tui.demo.http import SharedFolder, ask, die_with_parent, until_told_to_end

AT_ONCE = 32
"""Requests under way at most; those due beyond it are left out, so that a hanging service gathers no queue."""


async def _ask_once(port: int, path: str) -> None:
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        await ask(port, "GET", path)


async def send(port: int, rate: float) -> None:
    """Send requests until cancelled, at exponentially distributed intervals, as from independent users; one in 40 asks
    for a missing page."""
    under_way: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(random.expovariate(rate))
        if len(under_way) < AT_ONCE:
            path = "/missing" if random.randrange(40) == 0 else "/api/chat"  # noqa: S311 -- a made-up path
            task = asyncio.create_task(_ask_once(port, path))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def _run(port: int, rate: float) -> None:
    sending = asyncio.create_task(send(port, rate))
    await until_told_to_end()
    sending.cancel()


def main() -> None:
    """Send requests until the parent process ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--shared-folder", type=Path)
    options = parser.parse_args()
    die_with_parent()
    shared = SharedFolder(options.shared_folder) if options.shared_folder else None
    try:
        asyncio.run(_run(options.port, options.rate))
    finally:
        if shared is not None:
            shared.leave()


if __name__ == "__main__":
    main()
